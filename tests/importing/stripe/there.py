"""An account to move from: a server that speaks Stripe, on which half a year has passed.

Its clock stands in the past; nothing of it has an end between then and now.
"""

from __future__ import annotations

from typing import Any

import httpx

from drawdown.core.types import DAY, MICROSECONDS, Instant
from tests.support.clocked_server import ClockedServer

#: 2026-01-01T00:00:00Z, and 2099, in seconds.
NEW_YEAR = Instant(1_767_225_600_000_000)
BEGAN, LATER = 1_767_225_600, 4_070_908_800
GRANTS = "/v1/billing/credit_grants"


class There:
    """The account, by the calls that filled it; ``secret`` is the key that the import is given."""

    def __init__(self, server: ClockedServer) -> None:
        self._server = server
        self.url, self.secret = server.url, server.secret
        headers = {"authorization": f"Bearer {server.secret}"}
        # The socket is bound before it listens: who comes in between connects again.
        transport = httpx.HTTPTransport(retries=5, verify=False)
        self.http = httpx.Client(
            base_url=server.url, headers=headers, timeout=60, transport=transport
        )

    def get(self, path: str, **query: Any) -> Any:
        return _json(self.http.get(path, params=query))

    def post(self, path: str, **form: Any) -> Any:
        return _json(self.http.post(path, data=_flat(form)))

    def native(self, path: str, **body: Any) -> Any:
        return _json(self.http.post(f"/api/v1{path}", json=body))

    def pass_days(self, days: float) -> None:
        clock = self._server.clock
        clock.instant = Instant(clock.instant + int(days * DAY))

    def go_to(self, second: int) -> None:
        self._server.clock.instant = Instant(second * MICROSECONDS)

    def customer(self, name: str, **details: Any) -> str:
        made = self.post("/v1/customers", name=name, email=f"{name}@example.com", **details)
        return str(made["id"])

    def grant(self, customer: str, value: int, **more: Any) -> str:
        given = {
            "customer": customer,
            "amount": {"type": "monetary", "monetary": {"currency": "usd", "value": value}},
            "applicability_config": {"scope": {"price_type": "metered"}},
        }
        return str(self.post(GRANTS, **(given | more))["id"])


def _json(answer: httpx.Response) -> Any:
    assert answer.is_success, (answer.request.url, answer.text)
    return answer.json()


def _flat(form: Any, name: str = "") -> dict[str, str]:
    """Brackets, as the vendor's forms have them."""
    if isinstance(form, dict):
        pairs = [(f"{name}[{key}]" if name else key, value) for key, value in form.items()]
    elif isinstance(form, list):
        pairs = [(f"{name}[{number}]", value) for number, value in enumerate(form)]
    else:
        return {name: str(form)}
    return {key: text for each, value in pairs for key, text in _flat(value, each).items()}


def fill(there: There) -> None:
    """Every kind of grant and transaction that credit may leave behind."""
    ada = there.customer(
        "ada",
        phone="+49301234",
        metadata={"plan": "pro"},
        address={"city": "Bonn"},
        shipping={"name": "A. L.", "address": {"city": "Bonn"}},
        invoice_settings={"footer": "Thanks", "custom_fields": [{"name": "PO", "value": "7"}]},
        preferred_locales=["de"],
        next_invoice_sequence=12,
    )
    bob = there.customer("bob", tax_exempt="exempt")
    eve = there.customer("eve", id="acme:eve")
    gone, _ = there.customer("gone"), there.customer("idle")
    price = _subscribe(there, ada)
    for number, customer in enumerate((ada, bob, eve, gone), start=1):
        there.grant(customer, 1_000 * number, metadata={"order": f"A-{number}"})
        there.pass_days(0.25)
        scope = {"scope": {"prices": [{"id": price}]}}
        there.grant(
            customer,
            90,
            name="Calls",
            category="promotional",
            applicability_config=scope,
            priority=9,
        )
        there.grant(customer, 300, expires_at=BEGAN + 12 * 86_400)
    there.native("/debits", idempotency_key="one", customer=eve, entitlement="usd", amount="0.505")
    _end_by_hand(there, bob)
    there.http.delete(f"/v1/customers/{gone}")
    there.grant(bob, 700, effective_at=LATER, expires_at=LATER + 86_400)
    there.grant(
        eve, 4_000, amount={"type": "monetary", "monetary": {"currency": "jpy", "value": 4_000}}
    )
    _on_a_clock(there)
    _invoice(there, ada)


def _subscribe(there: There, customer: str) -> str:
    meter = there.post(
        "/v1/billing/meters",
        display_name="Calls",
        event_name="calls",
        default_aggregation={"formula": "sum"},
    )
    price = there.post(
        "/v1/prices",
        currency="usd",
        unit_amount=1,
        product_data={"name": "Calls"},
        recurring={"interval": "month", "usage_type": "metered", "meter": meter["id"]},
    )
    there.post("/v1/subscriptions", customer=customer, items=[{"price": price["id"]}])
    return str(price["id"])


def _end_by_hand(there: There, customer: str) -> None:
    """Grants that were undone or ended before their time, one of them before it began."""
    void, expired = (
        there.grant(customer, 111, expires_at=BEGAN + 20 * 86_400),
        there.grant(customer, 222, name="Ended", metadata={"why": "mistake"}),
    )
    early = there.grant(customer, 333, effective_at=LATER)
    there.pass_days(1)
    there.post(f"{GRANTS}/{void}/void")
    for each in (expired, early):
        there.post(f"{GRANTS}/{each}/expire")
    there.post(f"{GRANTS}/{void}", metadata={"why": "twice"})


def _on_a_clock(there: There) -> None:
    """Who is left out."""
    clock = there.post("/v1/test_helpers/test_clocks", frozen_time=BEGAN)["id"]
    there.grant(there.customer("clocked", test_clock=clock), 500)


def _invoice(there: There, customer: str) -> None:
    """A month is paid in credit; of the next one, which costs more than there is, it is given back."""
    for month, value in enumerate(("65", "800")):
        for number in range(3):
            there.post(
                "/v1/billing/meter_events",
                event_name="calls",
                identifier=f"{month}-{number}",
                payload={"stripe_customer_id": customer, "value": value},
            )
        there.pass_days(31)
        drafts = there.get("/v1/invoices", customer=customer, status="draft")["data"]
        for each in drafts:
            there.post(f"/v1/invoices/{each['id']}/finalize")
    there.pass_days(1)
    newest = there.get("/v1/invoices", customer=customer, limit=1)["data"][0]
    there.post(f"/v1/invoices/{newest['id']}/void")
