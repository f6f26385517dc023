"""The official TypeScript SDK: what it sends is understood, and it can read what it is answered."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.server import Tenant
from tests.support.typescript import Sdk, SdkError


@pytest.fixture
def dodo(tenant: Tenant) -> Iterator[Sdk]:
    """The SDK with an editor's key of a fresh account's test book."""
    secret, url = tenant.test.editor.secret, f"{tenant.url}/dodo"
    with Sdk("dodopayments", bearerToken=secret, baseURL=url) as sdk:
        yield sdk


def entitlement(dodo: Sdk, name: str = "Tokens") -> str:
    made = dodo.call(
        "creditEntitlements.create",
        {
            "name": name,
            "unit": "token",
            "precision": 2,
            "rollover_enabled": False,
            "overage_enabled": False,
        },
    )
    found: str = made["id"]
    return found


def test_credit_is_given_and_drawn(dodo: Sdk) -> None:
    kind = entitlement(dodo)
    customer = dodo.call("customers.create", {"email": "ada@example.com", "name": "Ada"})
    owner = {"credit_entitlement_id": kind}
    ledger = "creditEntitlements.balances.createLedgerEntry"
    who = customer["customer_id"]
    given = dodo.call(ledger, who, {**owner, "amount": "10", "entry_type": "credit"})
    assert (given["balance_after"], given["is_credit"]) == ("10", True)
    drawn = dodo.call(ledger, who, {**owner, "amount": "2.5", "entry_type": "debit"})
    assert (drawn["balance_before"], drawn["balance_after"]) == ("10", "7.5")
    assert dodo.call("creditEntitlements.balances.retrieve", who, owner)["balance"] == "7.5"


def test_a_refusal_is_the_sdks_own_error(dodo: Sdk) -> None:
    with pytest.raises(SdkError) as caught:
        dodo.call("creditEntitlements.retrieve", "cde_unknown")
    assert (caught.value.name, caught.value.status) == ("NotFoundError", 404)
    assert caught.value.body["code"] == "NOT_FOUND"
