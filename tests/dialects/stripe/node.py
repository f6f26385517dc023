"""stripe-node with its answers held to its own declarations, and what there must be for its calls."""

from __future__ import annotations

import time
from typing import Any, Self
from urllib.parse import urlsplit

from tests.dialects.stripe.conftest import METERED, usd
from tests.support.declarations import Declarations
from tests.support.typescript import FOLDER, Sdk

DECLARED = Declarations(FOLDER / "node_modules" / "stripe" / "esm" / "resources")
#: What the SDK does not declare, and why it is answered all the same.
UNDECLARED = {
    "billing.alert.alert_type": "what is on credit is of the vendor's preview",
    "billing.alert.credit_balance_threshold": "what is on credit is of the vendor's preview",
    "billing.alert.spend_threshold": "what is on credit is of the vendor's preview",
}
#: 2030-01-01T00:00:00Z
START = 1_893_456_000
DAY, HOUR = 86_400, 3_600
#: How long anything is waited for, in seconds.
PATIENCE = 60


def address(url: str) -> dict[str, Any]:
    """The options that lead the SDK to a server: it takes no path."""
    at = urlsplit(url)
    return {"protocol": at.scheme, "host": at.hostname, "port": at.port}


class Node:
    """The SDK with one key; use it in ``with``. Raises what ``Sdk`` does."""

    def __init__(self, url: str, secret: str, **options: Any) -> None:
        self.sdk = Sdk("stripe", key=secret, **{"maxNetworkRetries": 0} | address(url) | options)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *of: Any) -> None:
        self.sdk.__exit__(*of)

    @property
    def sent(self) -> list[tuple[str, str]]:
        return self.sdk.sent

    def __call__(self, name: str, *arguments: Any) -> Any:
        return checked(self.sdk.call(name, *arguments))

    def all(self, name: str, *arguments: Any) -> list[Any]:
        """All that its auto-pager gives, item by item."""
        return [checked(each) for each in self.sdk.pages(name, *arguments)]


def checked(answer: Any) -> Any:
    """Of an event also what it is about: an invoice that is to come has no id yet, as the vendor says."""
    items = answer["data"] if answer and answer["object"] in ("list", "search_result") else [answer]
    for each in items:
        found = DECLARED.problems(each) if each else []
        if each and each["object"] == "event":
            lacking = {"id": "in_none"} if each["type"] == "invoice.upcoming" else {}
            found += DECLARED.problems(lacking | each["data"]["object"])
        assert [one for one in found if one.partition(":")[0] not in UNDECLARED] == []
    return answer


class World:
    """What the calls need that is not their own, made through the SDK."""

    def __init__(self, node: Node) -> None:
        self.node = node
        self._number = 0
        self._drafts: list[Any] = []

    def name(self, kind: str) -> str:
        self._number += 1
        return f"{kind}{self._number}"

    def customer(self, **given: Any) -> str:
        made: str = self.node("customers.create", {"name": self.name("Ann"), **given})["id"]
        return made

    def grant(self, customer: str, cents: int = 1000, **given: Any) -> Any:
        asked = {"customer": customer, "amount": usd(cents), "applicability_config": METERED}
        return self.node("billing.creditGrants.create", {**asked, **given})

    def meter(self) -> Any:
        event = self.name("event")
        asked: dict[str, Any] = {"display_name": "Searches", "event_name": event}
        asked["default_aggregation"] = {"formula": "sum"}
        return self.node("billing.meters.create", asked)

    def price(self, **given: Any) -> Any:
        """Of a meter of its own."""
        recurring = {"interval": "month", "usage_type": "metered", "meter": self.meter()["id"]}
        asked = {"currency": "usd", "unit_amount": 5, "recurring": recurring}
        return self.node("prices.create", {**asked, "product_data": {"name": "Search"}, **given})

    def product(self, **given: Any) -> Any:
        return self.node("products.create", {"name": self.name("Search"), **given})

    def use(self, price: Any, customer: str, value: str, **given: Any) -> Any:
        meter = self.node("billing.meters.retrieve", price["recurring"]["meter"])
        payload = {"stripe_customer_id": customer, "value": value}
        asked = {"event_name": meter["event_name"], "payload": payload}
        return self.node("billing.meterEvents.create", {**asked, **given})

    def clock(self, start: int = START) -> str:
        made: str = self.node("testHelpers.testClocks.create", {"frozen_time": start})["id"]
        return made

    def advance(self, clock: str, to: int) -> None:
        self.node("testHelpers.testClocks.advance", clock, {"frozen_time": to})
        self.wait_for_clock(clock)

    def wait_for_clock(self, clock: str) -> Any:
        """As it is when it is ready."""
        until = time.monotonic() + PATIENCE
        while (found := self.node("testHelpers.testClocks.retrieve", clock))["status"] != "ready":
            assert time.monotonic() < until
            time.sleep(0.02)
        return found

    def subscription(self, customer: str, *prices: Any, **given: Any) -> Any:
        items = [{"price": each["id"]} for each in prices]
        return self.node("subscriptions.create", {"customer": customer, "items": items, **given})

    def draft(self) -> Any:
        """A draft over 1.50 of a customer of its own, of which a grant pays 1.00."""
        if not self._drafts:
            self._drafts = self._make_drafts(8)
        return self._drafts.pop()

    def _make_drafts(self, count: int) -> list[Any]:
        """On as many clocks as a clock takes customers, all of which are advanced."""
        clock, price = self.clock(), self.price()
        customers = [self.customer(test_clock=clock) for _ in range(count)]
        for each in customers:
            self.grant(each, 100)
            self.subscription(each, price)
            self.use(price, each, "30")
        self.advance(clock, START + 31 * DAY)
        return [self.node("invoices.list", {"customer": each})["data"][0] for each in customers]

    def wait_for_event(self, kind: str, of: str) -> Any:
        """The newest of that type about an object."""
        until = time.monotonic() + PATIENCE
        while time.monotonic() < until:
            for each in self.node("events.list", {"type": kind, "limit": 100})["data"]:
                if each["data"]["object"].get("id") == of:
                    return each
            time.sleep(0.1)
        raise AssertionError(f"there was no {kind}")
