"""An account to move from: a server that speaks Dodo, on which a year has passed.

Its clock stands in the past, so that all that is to expire on it has, or has not, by the time of the import.
"""

from __future__ import annotations

from typing import Any

import httpx

from drawdown.core.types import DAY, Instant
from tests.support.clocked_server import ClockedServer

#: 2026-01-01T00:00:00Z.
NEW_YEAR = Instant(1_767_225_600_000_000)
MONTHLY = {
    "name": "Pro",
    "tax_category": "saas",
    "price": {
        "type": "recurring_price",
        "currency": "USD",
        "price": 0,
        "discount": 0,
        "purchasing_power_parity": False,
        "payment_frequency_count": 1,
        "payment_frequency_interval": "Month",
        "subscription_period_count": 1,
        "subscription_period_interval": "Year",
    },
}


class There:
    """The account, by the calls that filled it; ``secret`` is the key that the import is given."""

    def __init__(self, server: ClockedServer) -> None:
        self._server, self._keys = server, 0
        self.url, self.secret = server.url + "/dodo", server.secret
        headers = {"authorization": f"Bearer {server.secret}"}
        # The socket is bound before it listens: who comes in between connects again.
        transport = httpx.HTTPTransport(retries=5, verify=False)
        self.http = httpx.Client(
            base_url=server.url, headers=headers, timeout=30, transport=transport
        )

    def ask(self, method: str, path: str, body: dict[str, Any] | None = None) -> Any:
        if body is not None and path.startswith("/api/v1/"):
            self._keys += 1
            body = {"idempotency_key": str(self._keys), **body}
        answer = self.http.request(method, path, json=body)
        assert answer.is_success, (path, answer.text)
        return answer.json() if answer.content else None

    def post(self, path: str, **body: Any) -> Any:
        return self.ask("POST", path, body)

    def list(self, path: str, **query: Any) -> list[dict[str, Any]]:
        """All of a list, page by page."""
        found: list[dict[str, Any]] = []
        for number in range(1_000):
            answer = self.http.get(
                f"/dodo{path}", params={**query, "page_size": 100, "page_number": number}
            )
            assert answer.is_success, answer.text
            items = answer.json()["items"]
            if not items:
                break
            found += items
        return found

    def pass_days(self, days: float) -> None:
        clock = self._server.clock
        clock.instant = Instant(clock.instant + int(days * DAY))

    def customer(self, name: str, **details: Any) -> str:
        made = self.post("/dodo/customers", name=name, email=f"{name}@example.com", **details)
        found: str = made["customer_id"]
        return found

    def entitlement(self, name: str, **settings: Any) -> str:
        given = {"unit": "token", "precision": 2, "rollover_enabled": False}
        made = self.post(
            "/dodo/credit-entitlements", name=name, **{"overage_enabled": False} | given | settings
        )
        found: str = made["id"]
        return found

    def enter(self, kind: str, customer: str, entry: str, amount: str, **more: Any) -> Any:
        path = f"/dodo/credit-entitlements/{kind}/balances/{customer}/ledger-entries"
        return self.post(path, entry_type=entry, amount=amount, **more)


def fill(there: There) -> None:
    """Every kind of grant and row that credit may leave behind."""
    old = there.entitlement("Tokens")
    people = [
        there.customer("ada", phone_number="+49301234", metadata={"plan": "pro", "seats": 3}),
        there.customer("bob", preferred_locale="de"),
        there.post("/api/v1/customers", id="acme:eve")["id"],
        there.customer("idle"),
    ]
    there.enter(old, people[0], "credit", "12.5")
    there.pass_days(1)
    there.ask("DELETE", f"/dodo/credit-entitlements/{old}")
    tokens = there.entitlement("Tokens", description="What it runs on", expires_after_days=3_650)
    calls = there.entitlement(
        "Calls",
        precision=0,
        overage_enabled=True,
        overage_behavior="carry_deficit",
        price_per_unit="0.5",
        currency="USD",
        rollover_enabled=True,
        rollover_percentage=50,
        max_rollover_count=2,
    )
    for number, customer in enumerate(people[:3], start=1):
        there.enter(tokens, customer, "credit", f"{10 * number}.25", reason="Welcome")
        there.pass_days(0.5)
        there.enter(tokens, customer, "credit", "7", metadata={"order": f"A-{number}"})
        there.enter(tokens, customer, "credit", "4.5", expires_at="2026-02-01T00:00:00Z")
        there.enter(tokens, customer, "debit", f"{8 * number}.03", reason="An image")
    _go_past_zero(there, calls, people[0], people[1])
    _end_by_hand(there, tokens, people[0])
    _subscribe(there, calls, people[2])
    there.pass_days(100)


def _go_past_zero(there: There, kind: str, one: str, other: str) -> None:
    """One who is past zero, and one who was granted credit since."""
    for customer in (one, other):
        there.enter(kind, customer, "credit", "20")
        there.post("/api/v1/debits", customer=customer, entitlement=kind, amount="27")
    there.pass_days(1)
    there.enter(kind, other, "credit", "100")


def _end_by_hand(there: There, kind: str, customer: str) -> None:
    """A grant that was undone, and one that was ended before its time."""
    for way in ("void", "expire"):
        made = there.post("/api/v1/grants", customer=customer, entitlement=kind, amount="3")
        there.post(f"/api/v1/grants/{made['id']}/{way}")


def _subscribe(there: There, kind: str, customer: str) -> None:
    """Credit that comes each month, and of which half is carried on, twice at most."""
    attached = {
        "credit_entitlement_id": kind,
        "credits_amount": "40",
        "rollover_timeframe_count": 2,
        "rollover_timeframe_interval": "Month",
    }
    product = there.post("/dodo/products", **MONTHLY, credit_entitlements=[attached])
    there.post(
        "/dodo/subscriptions",
        product_id=product["product_id"],
        quantity=1,
        customer={"customer_id": customer},
        billing={"country": "DE"},
    )
