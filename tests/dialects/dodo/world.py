"""What calls of the official SDKs begin with: customers, credit and all that is sold, made by the SDK."""

from __future__ import annotations

import itertools
from typing import Any

from tests.dialects.dodo.official import Official
from tests.dialects.dodo.test_products import MONTHLY

BILLING = {"country": "DE"}
HOOK = "https://hooks.example.com/dodo"
BALANCES = "credit_entitlements.balances"
MONEY = "customers.wallets.ledger_entries"


class World:
    """One account's book, through a client that may write. What is made has a name of its own."""

    def __init__(self, sdk: Official) -> None:
        self.sdk = sdk
        self._numbers = itertools.count(1)

    def name(self, of: str = "Number") -> str:
        return f"{of} {next(self._numbers)}"

    def customer(self) -> str:
        name = self.name()
        email = f"{name.replace(' ', '-').lower()}@example.com"
        made: str = self.sdk("customers.create", name=name, email=email)["customer_id"]
        return made

    def entitlement_of(self, **settings: Any) -> dict[str, Any]:
        """What one is asked for with."""
        given = {"unit": "token", "precision": 2, "rollover_enabled": False}
        return {"name": self.name("Tokens"), "overage_enabled": False} | given | settings

    def entitlement(self, **settings: Any) -> str:
        made = self.sdk("credit_entitlements.create", **self.entitlement_of(**settings))
        found: str = made["id"]
        return found

    def deleted(self) -> str:
        made = self.entitlement()
        self.sdk("credit_entitlements.delete", made)
        return made

    def enter(self, customer: str, kind: str, entry_type: str, amount: str, **more: Any) -> Any:
        given = {"credit_entitlement_id": kind, "entry_type": entry_type, "amount": amount}
        return self.sdk(f"{BALANCES}.create_ledger_entry", customer, **given | more)

    def credited(self, amount: str = "10") -> tuple[str, str]:
        """A customer, and the entitlement that he has so much credit of."""
        customer, kind = self.customer(), self.entitlement()
        self.enter(customer, kind, "credit", amount)
        return customer, kind

    def balance(self, customer: str, kind: str) -> str:
        asked = self.sdk(f"{BALANCES}.retrieve", customer, credit_entitlement_id=kind)
        found: str = asked["balance"]
        return found

    def meter_of(self, **more: Any) -> dict[str, Any]:
        given = {"measurement_unit": "call", "aggregation": {"type": "count"}}
        return {"name": self.name("Calls"), "event_name": self.name("call")} | given | more

    def meter(self, **more: Any) -> str:
        found: str = self.sdk("meters.create", **self.meter_of(**more))["id"]
        return found

    def event(self, customer: str, **more: Any) -> dict[str, Any]:
        return {"event_id": self.name("e"), "customer_id": customer, "event_name": "call"} | more

    def product_of(self, *attached: dict[str, Any], **more: Any) -> dict[str, Any]:
        given = {"name": self.name("Plan"), "price": MONTHLY, "tax_category": "saas"}
        return given | {"credit_entitlements": list(attached)} | more

    def product(self, *attached: dict[str, Any], **more: Any) -> str:
        made = self.sdk("products.create", **self.product_of(*attached, **more))
        found: str = made["product_id"]
        return found

    def plan(self, amount: str = "100", **more: Any) -> tuple[str, str]:
        """An entitlement, and a product that so much of it comes with."""
        kind = self.entitlement()
        return kind, self.product(attached(kind, amount), **more)

    def subscription_of(self, product: str, customer: str = "", **more: Any) -> dict[str, Any]:
        who = {"customer_id": customer or self.customer()}
        return {"product_id": product, "customer": who, "quantity": 1, "billing": BILLING} | more

    def subscription(self, product: str, customer: str = "", **more: Any) -> str:
        made = self.sdk("subscriptions.create", **self.subscription_of(product, customer, **more))
        found: str = made["subscription_id"]
        return found

    def cancelled(self) -> str:
        made = self.subscription(self.plan()[1])
        self.sdk("subscriptions.update", made, status="cancelled")
        return made

    def status(self, subscription: str) -> str:
        found: str = self.sdk("subscriptions.retrieve", subscription)["status"]
        return found

    def webhook(self, **more: Any) -> str:
        """To where nobody is, so that nothing is sent there."""
        given = {"url": HOOK, "disabled": True} | more
        found: str = self.sdk("webhooks.create", **given)["id"]
        return found


def attached(kind: str, amount: str = "100", **more: Any) -> dict[str, Any]:
    return {"credit_entitlement_id": kind, "credits_amount": amount} | more


def other_plan(product: str, **more: Any) -> dict[str, Any]:
    """What a change to the product is asked for with."""
    mode = "prorated_immediately_keep_cycle"
    return {"product_id": product, "proration_billing_mode": mode, "quantity": 1} | more


def metered(meter: str, kind: str, units: str = "1000") -> dict[str, Any]:
    """A monthly price of nothing, with the meter's usage paid in credit."""
    link = {
        "meter_id": meter,
        "credit_entitlement_id": kind,
        "meter_units_per_credit": units,
    }
    price = {key: value for key, value in MONTHLY.items() if key != "price"}
    return price | {"type": "usage_based_price", "fixed_price": 0, "meters": [link]}
