"""The official TypeScript SDK through a subscription's life: sold, renewed, changed and cancelled."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.dialects.dodo.clocked import Clocked
from tests.dialects.dodo.test_products import MONTHLY
from tests.support.server import Tenant
from tests.support.typescript import Sdk, SdkError


@pytest.fixture
def dodo(tenant: Tenant) -> Iterator[Sdk]:
    secret, url = tenant.test.editor.secret, f"{tenant.url}/dodo"
    with Sdk("dodopayments", bearerToken=secret, baseURL=url) as sdk:
        yield sdk


@pytest.fixture
def ada(tenant: Tenant) -> Iterator[Clocked]:
    made = Clocked(tenant)
    yield made
    made.http.close()


def product(dodo: Sdk, kind: str, amount: str, **more: Any) -> str:
    attached = {"credit_entitlement_id": kind, "credits_amount": amount} | more
    given = {
        "name": f"Plan of {amount}",
        "price": MONTHLY,
        "tax_category": "saas",
        "credit_entitlements": [attached],
    }
    found: str = dodo.call("products.create", given)["product_id"]
    return found


def credit(dodo: Sdk, subscription: str) -> tuple[str, str]:
    """What is left, and what is owed."""
    [item] = dodo.call("subscriptions.retrieveCreditUsage", subscription)["items"]
    return item["balance"], item["overage"]


def test_a_subscription_is_sold_renewed_changed_and_cancelled(dodo: Sdk, ada: Clocked) -> None:
    kind = dodo.call(
        "creditEntitlements.create",
        {
            "name": "Tokens",
            "unit": "token",
            "precision": 2,
            "rollover_enabled": True,
            "rollover_percentage": 50,
            "overage_enabled": False,
        },
    )["id"]
    small = product(dodo, kind, "100")
    large = product(dodo, kind, "400", proration_behavior="prorate")
    made = dodo.call(
        "subscriptions.create",
        {
            "product_id": small,
            "customer": {"customer_id": ada.customer},
            "quantity": 1,
            "billing": {"country": "DE"},
        },
    )
    subscription = made["subscription_id"]
    assert made["recurring_pre_tax_amount"] == 0
    assert dodo.call("subscriptions.retrieve", subscription)["status"] == "active"
    assert credit(dodo, subscription) == ("100", "0")
    drawn = {"credit_entitlement_id": kind, "amount": "20", "entry_type": "debit"}
    dodo.call("creditEntitlements.balances.createLedgerEntry", ada.customer, drawn)
    ada.advance("2031-02-28T00:00:00Z")
    assert credit(dodo, subscription) == ("140", "0")  # half of 80, and 100
    ada.advance("2031-03-15T12:00:00Z")  # half of 31 days
    asked = {
        "product_id": large,
        "proration_billing_mode": "prorated_immediately_keep_cycle",
        "quantity": 1,
    }
    dodo.call("subscriptions.changePlan", subscription, asked)
    assert credit(dodo, subscription) == ("340", "0")
    shown = dodo.call("subscriptions.retrieve", subscription)
    assert shown["product_id"] == large
    assert shown["next_billing_date"] == "2031-03-31T00:00:00Z"
    cancelled = dodo.call("subscriptions.update", subscription, {"status": "cancelled"})
    assert cancelled["status"] == "cancelled"
    [listed] = dodo.pages("subscriptions.list", {"page_size": 100})
    assert (listed["subscription_id"], listed["status"]) == (subscription, "cancelled")
    with pytest.raises(SdkError) as caught:
        dodo.call("subscriptions.changePlan", subscription, asked)
    assert (caught.value.status, caught.value.body["code"]) == (400, "UNSUPPORTED_ACTION")
