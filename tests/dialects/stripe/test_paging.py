"""Lists and their cursors, as the SDK's own auto-paging walks them."""

from __future__ import annotations

from typing import Any

import httpx
import pytest
import stripe

from tests.dialects.stripe.conftest import MakeGrant, asked
from tests.support.server import Tenant


@pytest.fixture
def made(make_grant: MakeGrant) -> list[str]:
    """Five grants of one customer, newest first."""
    return [make_grant(name=f"grant {number}").id for number in range(5)][::-1]


@pytest.mark.parametrize("limit", [1, 2, 5, 100])
def test_a_list_is_walked_forwards_newest_first(
    client: stripe.StripeClient, made: list[str], limit: int
) -> None:
    """The SDK asks the list's own url for the next page, with the filters of the first."""
    page = client.v1.billing.credit_grants.list({"limit": limit})
    assert page.url == "/v1/billing/credit_grants"
    assert page.has_more is (limit < len(made))
    assert [grant.id for grant in page.auto_paging_iter()] == made


@pytest.mark.parametrize("limit", [1, 2, 4, 100])
def test_a_list_is_walked_backwards_from_a_cursor(
    client: stripe.StripeClient, made: list[str], limit: int
) -> None:
    """Each page is the one immediately before the cursor, still newest first; the SDK reverses it."""
    page = client.v1.billing.credit_grants.list({"limit": limit, "ending_before": made[-1]})
    nearest = made[:-1][-limit:]
    assert [grant.id for grant in page.data] == nearest
    assert page.has_more is (limit < len(made) - 1)
    assert [grant.id for grant in page.auto_paging_iter()] == made[:-1][::-1]


def test_a_page_after_a_cursor_leaves_the_cursor_out(
    client: stripe.StripeClient, made: list[str]
) -> None:
    page = client.v1.billing.credit_grants.list({"starting_after": made[1], "limit": 2})
    assert [grant.id for grant in page.data] == made[2:4]
    assert page.has_more is True
    last = client.v1.billing.credit_grants.list({"starting_after": made[4]})
    assert (last.data, last.has_more) == ([], False)


def test_a_page_holds_ten_unless_asked_otherwise(
    client: stripe.StripeClient, make_grant: MakeGrant
) -> None:
    for _ in range(11):
        make_grant()
    page = client.v1.billing.credit_grants.list()
    assert (len(page.data), page.has_more) == (10, True)


def test_the_customer_filter_holds_on_every_page(
    client: stripe.StripeClient, made: list[str]
) -> None:
    other = client.v1.customers.create()
    for _ in range(3):
        client.v1.billing.credit_grants.create(asked(other.id))
    page = client.v1.billing.credit_grants.list({"customer": other.id, "limit": 1})
    owners = [grant.customer for grant in page.auto_paging_iter()]
    assert owners == [other.id] * 3


def test_voided_and_expired_grants_stay_in_the_list(
    client: stripe.StripeClient, made: list[str]
) -> None:
    client.v1.billing.credit_grants.void_grant(made[0])
    client.v1.billing.credit_grants.expire(made[1])
    assert [grant.id for grant in client.v1.billing.credit_grants.list().data] == made


def test_credit_that_is_no_money_is_neither_listed_nor_found(
    tenant: Tenant, client: stripe.StripeClient, customer: stripe.Customer, made: list[str]
) -> None:
    with tenant.client() as native:
        unit = {"code": "tokens", "unit": "token", "scale": 0}
        assert native.post("/entitlements", json=unit).status_code == 201
        grant = {"customer": customer.id, "entitlement": "tokens", "amount": "7"}
        units = native.post("/grants", json=grant).json()["id"]
        assert [each.id for each in client.v1.billing.credit_grants.list().data] == made
        for act in ("retrieve", "expire", "void_grant", "update"):
            with pytest.raises(stripe.InvalidRequestError, match="No such billing credit grant"):
                getattr(client.v1.billing.credit_grants, act)(units)
        with pytest.raises(stripe.InvalidRequestError) as caught:
            client.v1.billing.credit_grants.list({"starting_after": units})
        assert caught.value.http_status == 404
        assert native.get(f"/grants/{units}").json()["state"] == "active"


@pytest.mark.parametrize("param", ["starting_after", "ending_before"])
@pytest.mark.parametrize("cursor", ["credgr_test_missing", "credgr_test_" + "1" * 22])
def test_a_cursor_that_names_nothing_is_not_found(
    client: stripe.StripeClient, made: list[str], param: str, cursor: str
) -> None:
    query: Any = {param: cursor}
    with pytest.raises(stripe.InvalidRequestError) as caught:
        client.v1.billing.credit_grants.list(query)
    assert caught.value.http_status == 404
    assert (caught.value.code, caught.value.param) == ("resource_missing", param)
    assert caught.value.user_message == f"No such billing credit grant: '{cursor}'"


WRONG_LISTS = [
    ("limit=0", 400, "limit", "This value must be greater than or equal to 1."),
    ("limit=101", 400, "limit", "This value must be less than or equal to 100."),
    ("limit=ten", 400, "limit", "Invalid integer: ten"),
    ("customer=cus_nobody", 404, "customer", "No such customer: 'cus_nobody'"),
    (
        "starting_after=a&ending_before=b",
        400,
        "starting_after",
        "You may only specify one of these parameters: starting_after, ending_before.",
    ),
    ("status=active", 400, "status", "Received unknown parameter: status"),
    ("created[gte]=1&page=2", 400, "created", "Received unknown parameters: created, page"),
]


@pytest.mark.parametrize(("query", "status", "param", "message"), WRONG_LISTS)
def test_a_list_that_cannot_be_is_refused(
    raw: httpx.Client, query: str, status: int, param: str, message: str
) -> None:
    answer = raw.get(f"/v1/billing/credit_grants?{query}")
    error = answer.json()["error"]
    assert (answer.status_code, error["param"], error["message"]) == (status, param, message)
