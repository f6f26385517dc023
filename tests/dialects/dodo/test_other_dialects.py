"""Customers of other dialects are Dodo's, too, and the other way round: it is one ledger."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import httpx
import pytest

from tests.dialects.dodo.sdk import Dodo
from tests.dialects.dodo.test_meters import _rated, event, ingest, listed
from tests.dialects.dodo.test_products import product
from tests.dialects.dodo.test_subscriptions import attach, found, subscribe
from tests.support.server import Tenant

NAMED = {"name": "Grace Hopper", "email": "grace@example.com"}


@pytest.fixture
def sdk(tenant: Tenant) -> Iterator[Dodo]:
    made = Dodo(tenant.url, tenant.test.editor.secret, blocking=True)
    yield made
    made.close()


def natively(tenant: Tenant, **more: Any) -> str:
    with tenant.client() as http:
        answer = http.post("/customers", json=NAMED | more)
        assert answer.is_success, answer.text
        made: str = answer.json()["id"]
        return made


def by_an_own_id(tenant: Tenant) -> str:
    return natively(tenant, id="grace")


def by_stripe(tenant: Tenant) -> str:
    with tenant.client(base="/v1") as http:
        answer = http.post("/customers", data=NAMED)
        assert answer.is_success, answer.text
        made: str = answer.json()["id"]
        return made


def list_customers(client: Any, query: dict[str, Any]) -> Any:
    return client.customers.list(**query)


def retrieve(client: Any, customer: str) -> Any:
    return client.customers.retrieve(customer)


@pytest.mark.parametrize("make", [natively, by_an_own_id, by_stripe])
def test_a_customer_of_another_dialect_is_listed_and_used_everywhere(
    sdk: Dodo, tenant: Tenant, make: Callable[[Tenant], str]
) -> None:
    made = make(tenant)
    [shown] = sdk(partial(list_customers, query={})).items
    assert (shown.name, shown.email) == (NAMED["name"], NAMED["email"])
    queries: tuple[dict[str, Any], ...] = ({"email": NAMED["email"]}, {"name": "hopper"})
    for query in queries:
        assert sdk(partial(list_customers, query=query)).items == [shown]
    customer = shown.customer_id
    for named in (made, customer):
        assert sdk(partial(retrieve, customer=named)) == shown
    kind = sdk.entitlement(precision=0).id
    sdk.credit(customer, kind, "100")
    sdk.debit(customer, kind, "30")
    _rated(sdk, kind)
    assert ingest(sdk, *(event(number, customer) for number in range(8))) == 8
    assert len(listed(sdk, customer_id=customer)) == 8
    assert sdk.balance(customer, kind).balance == "68"
    assert [each.remaining_amount for each in sdk.all_grants(customer, kind)] == ["68"]
    [held] = sdk(lambda client: client.customers.list_credit_entitlements(customer)).items
    assert (held.credit_entitlement_id, held.balance) == (kind, "68")
    wallet = sdk(
        lambda client: client.customers.wallets.ledger_entries.create(
            customer, amount=500, currency="USD", entry_type="credit"
        )
    )
    assert (wallet.customer_id, wallet.balance) == (customer, 500)
    subscription = found(sdk, subscribe(sdk, customer, product(sdk, attach(kind)).product_id))
    assert (subscription.status, subscription.customer.customer_id) == ("active", customer)
    assert subscription.customer.email == NAMED["email"]
    changed = sdk(lambda client: client.customers.update(customer, name="Grace"))
    assert (changed.name, changed.email) == ("Grace", NAMED["email"])


def test_a_customer_made_here_is_seen_and_used_natively(sdk: Dodo, native: httpx.Client) -> None:
    customer = sdk.customer(**NAMED, metadata={"team": "navy"}, phone_number="+1 555 0100")
    shown = native.get(f"/customers/{customer}").json()
    assert {name: shown[name] for name in NAMED} == NAMED
    assert shown["metadata"] == {"team": "navy"}
    kind = sdk.entitlement().id
    grant = {"customer": customer, "entitlement": kind, "amount": "5"}
    native.post("/grants", json=grant).raise_for_status()
    assert sdk.balance(customer, kind).balance == "5"
    [listed] = native.get("/customers").json()["data"]
    assert listed == shown
    native.patch(f"/customers/{customer}", json={"name": "Amazing Grace"}).raise_for_status()
    after = sdk(lambda client: client.customers.retrieve(customer))
    assert (after.name, after.phone_number) == ("Amazing Grace", "+1 555 0100")


def test_who_has_no_name_and_address_has_empty_ones(sdk: Dodo, native: httpx.Client) -> None:
    native.post("/customers", json={"id": "nobody"}).raise_for_status()
    shown = sdk(lambda client: client.customers.retrieve("nobody"))
    assert (shown.name, shown.email, shown.metadata) == ("", "", {})
