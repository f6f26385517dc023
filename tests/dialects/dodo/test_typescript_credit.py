"""The official TypeScript SDK on entitlements, customers, the ledger and wallets."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.support.server import Tenant
from tests.support.typescript import Sdk, SdkError

BALANCES = "creditEntitlements.balances"
MONEY = "customers.wallets.ledgerEntries"


@pytest.fixture
def dodo(tenant: Tenant) -> Iterator[Sdk]:
    """The SDK with an editor's key of a fresh account's test book."""
    secret, url = tenant.test.editor.secret, f"{tenant.url}/dodo"
    with Sdk("dodopayments", bearerToken=secret, baseURL=url) as sdk:
        yield sdk


def entitlement(dodo: Sdk, name: str) -> str:
    flags = {"rollover_enabled": False, "overage_enabled": False}
    asked = {"name": name, "unit": "token", "precision": 2, **flags}
    found: str = dodo.call("creditEntitlements.create", asked)["id"]
    return found


def customer(dodo: Sdk) -> str:
    made = dodo.call("customers.create", {"email": "ada@example.com", "name": "Ada"})
    found: str = made["customer_id"]
    return found


def items(dodo: Sdk, name: str, *arguments: Any) -> list[Any]:
    found: list[Any] = dodo.call(name, *arguments)["items"]
    return found


def test_an_entitlement_is_changed_deleted_and_brought_back(dodo: Sdk) -> None:
    kind = entitlement(dodo, "Tokens")
    dodo.call("creditEntitlements.update", kind, {"unit": "piece", "expires_after_days": 7})
    after = dodo.call("creditEntitlements.retrieve", kind)
    assert (after["unit"], after["expires_after_days"], after["name"]) == ("piece", 7, "Tokens")
    dodo.call("creditEntitlements.delete", kind)
    deleted = items(dodo, "creditEntitlements.list", {"deleted": True})
    assert [each["id"] for each in deleted] == [kind]
    with pytest.raises(SdkError) as caught:
        dodo.call("creditEntitlements.delete", kind)
    assert (caught.value.status, caught.value.body["code"]) == (
        410,
        "CREDIT_ENTITLEMENT_IS_DELETED",
    )
    dodo.call("creditEntitlements.undelete", kind)
    assert [each["id"] for each in items(dodo, "creditEntitlements.list")] == [kind]
    with pytest.raises(SdkError) as caught:
        dodo.call("creditEntitlements.undelete", kind)
    assert (caught.value.name, caught.value.status) == ("InternalServerError", 500)


def test_balances_and_the_ledger_are_listed(dodo: Sdk) -> None:
    kind, ada = entitlement(dodo, "Tokens"), customer(dodo)
    owner = {"credit_entitlement_id": kind}
    for entry_type, amount in (("credit", "10"), ("debit", "2.5")):
        asked = {**owner, "amount": amount, "entry_type": entry_type}
        dodo.call(f"{BALANCES}.createLedgerEntry", ada, asked)
    [balance] = items(dodo, f"{BALANCES}.list", kind)
    assert (balance["customer_id"], balance["balance"]) == (ada, "7.5")
    rows = items(dodo, f"{BALANCES}.listLedger", ada, owner)
    assert [(row["transaction_type"], row["balance_after"]) for row in rows] == [
        ("credit_deducted", "7.5"),
        ("credit_added", "10"),
    ]
    [added] = items(
        dodo, f"{BALANCES}.listLedger", ada, {**owner, "transaction_type": "credit_added"}
    )
    assert added == rows[1]
    [held] = items(dodo, "customers.listCreditEntitlements", ada)
    assert (held["name"], held["balance"], held["overage"]) == ("Tokens", "7.5", "0")


def test_customers_are_changed_and_found(dodo: Sdk) -> None:
    ada = customer(dodo)
    changed = dodo.call("customers.update", ada, {"name": "Ada L.", "phone_number": "+1"})
    assert (changed["name"], changed["phone_number"]) == ("Ada L.", "+1")
    for query in ({"name": "ada"}, {"email": "ada@example.com"}, {}):
        found = items(dodo, "customers.list", query)
        assert [each["customer_id"] for each in found] == [ada]
    assert items(dodo, "customers.list", {"email": "bob@example.com"}) == []


def test_money_is_in_wallets(dodo: Sdk) -> None:
    ada = customer(dodo)
    for entry_type, amount in (("credit", 500), ("debit", 120)):
        asked = {"amount": amount, "currency": "USD", "entry_type": entry_type}
        dodo.call(f"{MONEY}.create", ada, asked)
    wallets = dodo.call("customers.wallets.list", ada)
    assert ([each["balance"] for each in wallets["items"]], wallets["total_balance_usd"]) == (
        [380],
        380,
    )
    assert [each["after_balance"] for each in items(dodo, f"{MONEY}.list", ada)] == [380, 500]
    with pytest.raises(SdkError) as caught:
        dodo.call(f"{MONEY}.create", ada, {"amount": 381, "currency": "USD", "entry_type": "debit"})
    assert caught.value.body["code"] == "INSUFFICIENT_WALLET_FUNDS"
