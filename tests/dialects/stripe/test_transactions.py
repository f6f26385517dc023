"""Credit balance transactions of all customers, through Stripe's own SDK."""

from __future__ import annotations

from typing import Any

import pytest
import stripe

from tests.dialects.stripe.conftest import asked, sdk, usd
from tests.dialects.stripe.test_billing import DAY, HOUR, START, Stage
from tests.dialects.stripe.test_catalog import refused
from tests.support.server import Tenant

Client = stripe.StripeClient


def listed(client: Client, **filters: Any) -> Any:
    return client.v1.billing.credit_balance_transactions.list(filters)  # type: ignore[arg-type]


def every(client: Client, **filters: Any) -> list[dict[str, Any]]:
    return [each.to_dict() for each in listed(client, **filters).auto_paging_iter()]


def grants_of_three(client: Client) -> list[str]:
    """Of three customers three grants each, the first of each voided; the customers."""
    customers = [client.v1.customers.create({"name": f"C{number}"}).id for number in range(3)]
    for number in range(9):
        given = asked(customers[number % 3], amount=usd(100 + number))
        grant = client.v1.billing.credit_grants.create(given)
        if number < 3:
            client.v1.billing.credit_grants.void_grant(grant.id)
    return customers


@pytest.mark.parametrize("limit", [1, 5, 100])
def test_all_customers_transactions_are_listed_newest_first_and_each_once(
    client: Client, limit: int
) -> None:
    customers = grants_of_three(client)
    page = listed(client, limit=limit)
    assert page.url == "/v1/billing/credit_balance_transactions"
    assert page.has_more is (limit < 12)
    found = every(client, limit=limit)
    amounts = [(each["credit"] or each["debit"])["amount"]["monetary"]["value"] for each in found]
    assert amounts == [108, 107, 106, 105, 104, 103, 102, 102, 101, 101, 100, 100]
    assert [each["type"] for each in found[5:8]] == ["credit", "debit", "credit"]
    of_each = [one for customer in customers for one in every(client, customer=customer)]
    assert sorted(found, key=lambda each: each["id"]) == sorted(
        of_each, key=lambda each: each["id"]
    )


@pytest.mark.parametrize("limit", [1, 4, 100])
def test_the_page_before_a_cursor_is_the_one_next_to_it(client: Client, limit: int) -> None:
    grants_of_three(client)
    names = [each["id"] for each in every(client)]
    page = listed(client, limit=limit, ending_before=names[-1])
    assert [each.id for each in page.data] == names[:-1][-limit:]
    assert page.has_more is (limit < 11)
    assert [each.id for each in page.auto_paging_iter()] == names[:-1][::-1]
    after = listed(client, limit=limit, starting_after=names[3])
    assert [each.id for each in after.data] == names[4 : 4 + limit]


def test_several_transactions_of_one_operation_are_paged_one_by_one(stage: Stage) -> None:
    """Making an invoice final draws on both grants at once, and voiding it gives both back."""
    for cents in (50, 70):
        stage.grant(cents)
    stage.subscribe()
    stage.use(40)
    stage.advance(START + 31 * DAY + HOUR)
    stage.client.v1.invoices.void_invoice(stage.invoices()[-1].id)
    found = every(stage.client, limit=1)
    assert len(found) == len({each["id"] for each in found}) == 6
    kinds = [(each["credit"] or each["debit"])["type"] for each in found]
    assert kinds == [
        *["credits_application_invoice_voided"] * 2,
        *["credits_applied"] * 2,
        *["credits_granted"] * 2,
    ]
    of_one = every(stage.client, customer=stage.customer.id)
    assert sorted(map(str, of_one)) == sorted(map(str, found))
    client = stage.client.v1.billing.credit_balance_transactions
    assert [client.retrieve(each["id"]).to_dict() for each in found] == found
    expanded = listed(stage.client, expand=["data.credit_grant"], limit=1).data[0]
    assert isinstance(expanded.credit_grant, stripe.billing.CreditGrant)


def test_what_moved_no_cent_of_a_currency_is_passed_over(client: Client, tenant: Tenant) -> None:
    customer = client.v1.customers.create({"name": "Ann"})
    client.v1.billing.credit_grants.create(asked(customer.id, amount=usd(100)))
    with tenant.client() as native:
        made = native.post(
            "/entitlements", json={"code": "calls", "name": "Calls", "unit": "call", "scale": 0}
        )
        assert made.status_code == 201, made.text
        place = {"customer": customer.id, "entitlement": "calls"}
        given = native.post("/grants", json={**place, "amount": "5"})
        assert given.status_code == 201, given.text
        for key in ("one", "two"):  # the first leaves 99 cents, and so does the second
            asks = {**place, "entitlement": "usd", "amount": "0.004", "idempotency_key": key}
            drawn = native.post("/debits", json=asks)
            assert drawn.status_code == 201, drawn.text
    found = every(client)
    assert [each["type"] for each in found] == ["debit", "credit"]
    assert found[0]["debit"]["amount"]["monetary"]["value"] == 1


def test_another_books_transactions_are_not_there(client: Client, tenant: Tenant) -> None:
    grants_of_three(client)
    first = every(client)[0]["id"]
    live = sdk(tenant.url, tenant.live.editor)
    assert every(live) == []
    for param in ("starting_after", "ending_before"):
        given = {param: first}
        refused(lambda given=given: listed(live, **given), param=param, code="resource_missing")
    refused(
        lambda: live.v1.billing.credit_balance_transactions.retrieve(first),
        param="id",
        code="resource_missing",
    )


@pytest.mark.parametrize(
    ("given", "param", "code"),
    [
        ({"customer": "cus_nobody"}, "customer", "resource_missing"),
        ({"credit_grant": "credgr_nothing"}, "credit_grant", "resource_missing"),
        ({"starting_after": "cbtxn_test_1"}, "starting_after", "resource_missing"),
        ({"ending_before": "cbtxn_test_1"}, "ending_before", "resource_missing"),
        ({"starting_after": "a", "ending_before": "b"}, "starting_after", "parameters_exclusive"),
        ({"limit": 0}, "limit", "parameter_invalid_integer"),
    ],
)
def test_what_is_not_there_is_told_by_its_parameter(
    client: Client, given: Any, param: str, code: str
) -> None:
    refused(lambda: listed(client, **given), param=param, code=code)


@pytest.fixture
def stage(client: Client) -> Stage:
    return Stage(client)
