"""What calls of the official SDKs begin with: customers, credit and all that is billed, made by the SDK."""

from __future__ import annotations

import itertools
import time
from typing import Any, NamedTuple

from tests.dialects.stripe.python_sdk import Calls

#: 2030-01-01T00:00:00Z, where each test clock begins, and the end of the first month.
START = 1_893_456_000
HOUR = 3_600
MONTH = START + 31 * 86_400
METERED = {"scope": {"price_type": "metered"}}
HOOK = "https://hooks.example.com/stripe"


class Billed(NamedTuple):
    """A customer on a test clock who has subscribed to a metered price of five cents, by their ids."""

    clock: str
    customer: str
    meter: str
    event_name: str
    price: str
    subscription: str


class World:
    """One account's book, through a client that may write. What is made has a name of its own."""

    def __init__(self, sdk: Calls) -> None:
        self.sdk = sdk
        self._numbers = itertools.count(1)

    def name(self, of: str = "number") -> str:
        return f"{of}_{next(self._numbers)}"

    def customer(self, **more: Any) -> str:
        name = self.name("Customer")
        return self._id("customers.create", name=name, email=f"{name[9:]}@example.com", **more)

    def deleted_customer(self) -> str:
        made = self.customer()
        self.sdk("customers.delete", made)
        return made

    def grant_of(self, customer: str, cents: int = 1_000, **more: Any) -> dict[str, Any]:
        """What one is asked for with."""
        return {
            "customer": customer,
            "amount": usd(cents),
            "applicability_config": METERED,
            "category": "paid",
            **more,
        }

    def grant(self, customer: str = "", cents: int = 1_000, **more: Any) -> str:
        given = self.grant_of(customer or self.customer(), cents, **more)
        return self._id("billing.credit_grants.create", **given)

    def expired(self) -> str:
        made = self.grant()
        self.sdk("billing.credit_grants.expire", made)
        return made

    def voided(self) -> str:
        made = self.grant()
        self.sdk("billing.credit_grants.void_grant", made)
        return made

    def product(self, **more: Any) -> str:
        return self._id("products.create", name=self.name("Product"), **more)

    def meter_of(self, **more: Any) -> dict[str, Any]:
        given = {"display_name": "Searches", "default_aggregation": {"formula": "sum"}}
        return given | {"event_name": self.name("search")} | more

    def meter(self, **more: Any) -> tuple[str, str]:
        """Its id, and the name of its events."""
        made = self.sdk("billing.meters.create", **self.meter_of(**more))
        return made["id"], made["event_name"]

    def inactive_meter(self) -> str:
        meter, _ = self.meter()
        self.sdk("billing.meters.deactivate", meter)
        return meter

    def price_of(self, meter: str, **more: Any) -> dict[str, Any]:
        recurring = {"interval": "month", "usage_type": "metered", "meter": meter}
        given = {"currency": "usd", "product_data": {"name": "Search"}, "unit_amount": 5}
        return given | {"recurring": recurring} | more

    def price(self, meter: str = "", **more: Any) -> str:
        return self._id("prices.create", **self.price_of(meter or self.meter()[0], **more))

    def event_of(self, customer: str, event_name: str, value: str = "1") -> dict[str, Any]:
        payload = {"stripe_customer_id": customer, "value": value}
        return {"event_name": event_name, "payload": payload, "identifier": self.name("event")}

    def recorded(self, **changed: str) -> dict[str, Any]:
        """What an event was asked for with, but for what is changed of its payload."""
        given = self.event_of(self.customer(), self.meter()[1])
        self.sdk("billing.meter_events.create", **given)
        return given | {"payload": given["payload"] | changed}

    def use(self, billed: Billed, value: int = 30) -> None:
        """At the clock's time."""
        given = self.event_of(billed.customer, billed.event_name, str(value))
        self.sdk("billing.meter_events.create", **given)

    def clock(self) -> str:
        return self._id("test_helpers.test_clocks.create", frozen_time=START)

    def advance(self, clock: str, to: int) -> None:
        """And wait until what came due has been done."""
        found = self.sdk("test_helpers.test_clocks.advance", clock, frozen_time=to)
        until = time.monotonic() + 60
        while found["status"] != "ready":
            assert time.monotonic() < until
            time.sleep(0.02)
            found = self.sdk("test_helpers.test_clocks.retrieve", clock)

    def subscription_of(self, customer: str, price: str, **more: Any) -> dict[str, Any]:
        return {"customer": customer, "items": [{"price": price}], **more}

    def billed(self, **more: Any) -> Billed:
        clock = self.clock()
        customer = self.customer(test_clock=clock)
        meter, event_name = self.meter()
        price = self.price(meter)
        given = self.subscription_of(customer, price, **more)
        made = self._id("subscriptions.create", **given)
        return Billed(clock, customer, meter, event_name, price, made)

    def ended(self) -> str:
        made = self.billed().subscription
        self.sdk("subscriptions.cancel", made)
        return made

    def draft(self, billed: Billed | None = None) -> str:
        """The invoice of a month in which 30 were used: 1.50."""
        billed = billed or self.billed()
        self.use(billed)
        self.advance(billed.clock, MONTH)
        found = self.sdk("invoices.list", customer=billed.customer, limit=1)["data"][0]
        assert (found["status"], found["subtotal"]) == ("draft", 150)
        made: str = found["id"]
        return made

    def open_invoice(self, billed: Billed | None = None) -> str:
        made = self.draft(billed)
        found = self.sdk("invoices.finalize_invoice", made)
        assert found["status"] in ("open", "paid")
        return made

    def balance(self, customer: str) -> list[tuple[int, int]]:
        """Ledger and available, by currency."""
        chosen = {"type": "applicability_scope", "applicability_scope": METERED["scope"]}
        asked = {"customer": customer, "filter": chosen}
        found = self.sdk("billing.credit_balance_summary.retrieve", **asked)["balances"]
        shown = ("ledger_balance", "available_balance")
        pairs = ([each[name]["monetary"]["value"] for name in shown] for each in found)
        return [(ledger, available) for ledger, available in pairs]

    def alert_of(self, customer: str, **more: Any) -> dict[str, Any]:
        """In the shape of the vendor's preview."""
        monetary = {"currency": "usd", "value": 500}
        filters = [{"type": "customer", "customer": customer}]
        line = {"lte": {"balance_type": "monetary", "monetary": monetary}, "filters": filters}
        given = {"title": "Low", "alert_type": "credit_balance_threshold"}
        return given | {"credit_balance_threshold": line} | more

    def alert(self) -> str:
        return self._id("billing.alerts.create", **self.alert_of(self.customer()))

    def webhook(self) -> str:
        """To where nobody is, and disabled, so that nothing is sent there."""
        made = self._id("webhook_endpoints.create", url=HOOK, enabled_events=["*"])
        self.sdk("webhook_endpoints.update", made, disabled=True)
        return made

    def session(self) -> str:
        """The token of one, for a stream of meter events."""
        made = self.sdk("v2.billing.meter_event_session.create")
        found: str = made["authentication_token"]
        return found

    def counted(self, meter: str, customer: str) -> float:
        """Of all time."""
        asked = {"customer": customer, "start_time": 0, "end_time": 4_000_000_020}
        [found] = self.sdk("billing.meters.event_summaries.list", meter, **asked)["data"]
        return float(found["aggregated_value"])

    def _id(self, method: str, /, **given: Any) -> str:
        found: str = self.sdk(method, **given)["id"]
        return found


def usd(cents: int) -> dict[str, Any]:
    return {"type": "monetary", "monetary": {"currency": "usd", "value": cents}}
