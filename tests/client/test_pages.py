"""Lists are gone through to their end, a page at a time."""

from __future__ import annotations

from itertools import islice

import pytest

from drawdown.client import Client, EntitlementNotFound, Invalid
from tests.client.driven import Connect
from tests.client.unreliable import Unreliable
from tests.support.server import Tenant


def test_every_customer_is_listed_once(client: Client) -> None:
    """Newest first, over several pages and a last one that is not full."""
    names = [f"customer-{number}" for number in range(7)]
    for name in names:
        client.create_customer(name)
    found = [customer.id for customer in client.customers(page_size=3)]
    assert found == names[::-1]


def test_pages_are_asked_for_when_they_are_needed(
    connect: Connect, between: Unreliable, tenant: Tenant, ada: Client
) -> None:
    """Nothing before the first item, and nothing after the last that is taken."""
    for _ in range(4):
        ada.grant("ada", "tokens", 1)
    client = connect(between.url, tenant.test.editor.secret)
    grants = client.grants(customer="ada", page_size=2)
    assert between.seen == []
    list(islice(grants, 2))
    assert len(between.seen) == 1
    list(islice(grants, 1))
    assert len(between.seen) == 2
    assert len(list(grants)) == 2
    assert len(between.seen) == 3
    assert "limit=2" in between.seen[0].path


def test_a_list_keeps_its_filter_on_every_page(ada: Client) -> None:
    ada.create_customer("bob")
    for _ in range(5):
        ada.grant("bob", "tokens", 1)
        ada.grant("ada", "usd", 1)
    found = list(ada.grants(customer="bob", entitlement="tokens", state="active", page_size=2))
    assert [grant.customer for grant in found] == ["bob"] * 5
    assert list(ada.grants(customer="bob", state="voided")) == []


def test_entries_are_listed_newest_first(ada: Client) -> None:
    for _ in range(5):
        ada.debit("ada", "tokens", 1)
    found = list(ada.entries("ada", entitlement="tokens", page_size=4))
    assert [entry.seq for entry in found] == [6, 5, 4, 3, 2, 1]
    assert [entry.posted_after for entry in found] == [95, 96, 97, 98, 99, 100]
    assert [entry.kind for entry in found] == ["debited"] * 5 + ["granted"]


def test_entitlements_and_keys_are_lists_as_well(
    ada: Client, connect: Connect, tenant: Tenant
) -> None:
    ada.create_entitlement("images", unit="image", scale=0)
    assert [one.code for one in ada.entitlements(page_size=1)] == ["images", "tokens"]
    admin = connect(tenant.url, tenant.test.admin.secret)
    assert {key.role for key in admin.api_keys()} == {"viewer", "editor", "admin"}


@pytest.mark.parametrize("page_size", [0, 101])
def test_a_page_has_a_size_that_there_is(client: Client, page_size: int) -> None:
    """The server's rule; it is broken when the first page is asked for."""
    with pytest.raises(Invalid) as caught:
        list(client.customers(page_size=page_size))
    assert caught.value.field == "limit"


def test_a_refusal_comes_with_the_first_page(ada: Client) -> None:
    entries = ada.entries("ada", entitlement="nothing")
    with pytest.raises(EntitlementNotFound):
        next(entries)
