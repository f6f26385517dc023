"""An account to move from: a server that speaks Sequence, on which half a year has passed.

Its clock stands in the past; nothing of it has an end between then and now.
"""

from __future__ import annotations

from typing import Any

import httpx

from drawdown.core.types import DAY, Instant
from tests.support.clocked_server import ClockedServer

#: 2026-01-01T00:00:00Z.
NEW_YEAR = Instant(1_767_225_600_000_000)
LATER = "2099-01-01"
BASE = "/sequence/api"
ADDRESS = {"line1": "1 High Street", "town": "London", "postcode": "E1 6AN", "country": "GB"}


class There:
    """The account, by the calls that filled it; ``secret`` is the id and secret that the import is given."""

    def __init__(self, server: ClockedServer) -> None:
        self._server, self._keys = server, 0
        self.url = server.url + BASE
        headers = {"authorization": f"Bearer {server.secret}"}
        # The socket is bound before it listens: who comes in between connects again.
        transport = httpx.HTTPTransport(retries=5, verify=False)
        self.http = httpx.Client(
            base_url=server.url, headers=headers, timeout=60, transport=transport
        )
        self.secret = f"{server.key_id}:{server.secret}"

    def get(self, path: str, **query: Any) -> Any:
        return _json(self.http.get(BASE + path, params=query))

    def post(self, path: str, **body: Any) -> Any:
        return _json(self.http.post(BASE + path, json=body))

    def native(self, path: str, **body: Any) -> Any:
        self._keys += 1
        given = {"idempotency_key": str(self._keys), **body}
        return _json(self.http.post(f"/api/v1{path}", json=given))

    def pass_days(self, days: float) -> None:
        clock = self._server.clock
        clock.instant = Instant(clock.instant + int(days * DAY))

    def customer(self, name: str, *aliases: str, **more: Any) -> str:
        given = {
            "legalName": name,
            "address": ADDRESS,
            "contacts": [
                {"name": name, "email": f"{name}@example.com", "billingPreference": "PRIMARY"}
            ],
            "taxStatus": "TAXED",
            "customerAliases": list(aliases),
        }
        return str(self.post("/customers", **(given | more))["id"])

    def metric(self, name: str, **more: Any) -> str:
        given = {
            "name": name,
            "metricType": "SIMPLE",
            "eventType": "calls",
            "aggregationType": "SUM",
            "aggregationProperty": "units",
        }
        return str(self.post("/usage-metrics", **(given | more))["id"])

    def grant(self, customer: str, amount: float, **more: Any) -> str:
        given = {
            "customerId": customer,
            "name": "Credits",
            "creditUnitType": "METRIC" if "metricId" in more else "CURRENCY",
            "currency": "USD",
            "amount": amount,
        }
        return str(self.post("/credits", **(given | more))["id"])

    def use(self, alias: str, units: float) -> None:
        self.post(
            "/usage-events",
            customerAlias=alias,
            eventType="calls",
            eventProperties={"units": units},
        )


def _json(answer: httpx.Response) -> Any:
    assert answer.is_success, (answer.request.url, answer.text)
    return answer.json() if answer.content else None


def fill(there: There) -> None:
    """Every kind of grant and transaction that credit may leave behind."""
    calls, old = there.metric("Calls", unit="call"), there.metric("Old", eventType="others")
    there.metric("Waits", eventType="waits", deduction="ON_INVOICE", description="Later")
    ada, bob = there.customer("ada", "acme", "acme.eu", label="Best"), there.customer("bob", "b-1")
    eve = str(there.native("/customers", id="acme:eve", name="Eve")["id"])
    gone, _ = there.customer("gone", "gone-1"), there.customer("idle")
    for number, customer in enumerate((ada, bob, eve, gone), start=1):
        there.grant(customer, 1_000 * number + 0.25, costOfCredit=900)
        there.pass_days(0.25)
        there.grant(customer, 300, metricId=calls, expiryDate="2026-01-20", name="Calls")
        there.grant(customer, 90, metricId=calls, expiryDate=LATER)
        there.use(customer, 12.5 * number)
        there.native("/debits", customer=customer, entitlement="usd", amount="0.505")
    there.grant(eve, 15, metricId=old)
    there.http.delete(f"{BASE}/usage-metrics/{old}")
    plain = there.native("/entitlements", code="tokens", name="Tokens", unit="token", scale=2)
    there.native("/grants", customer=bob, entitlement="tokens", amount="7.25")
    assert plain["code"] == "tokens"
    _end_by_hand(there, bob)
    there.grant(bob, 80, effectiveDate=LATER, currency="GBP", taxRateId="tax_1")
    there.post(f"/customers/{gone}/archive")
    there.pass_days(40)


def _end_by_hand(there: There, customer: str) -> None:
    """Grants that were undone or ended before their time, and one of which some was put back."""
    voided = there.grant(customer, 11, expiryDate=LATER)
    expired = there.grant(customer, 22, expiryDate=LATER)
    moved = there.grant(customer, 33)
    there.pass_days(1)
    account = there.get(f"/credits/{moved}")["sequenceAccountId"]
    for kind, amount in (("DEBIT", "3.5"), ("CREDIT", "1.25")):
        answer = there.http.post(
            f"{BASE}/credit-transactions",
            headers={"On-Behalf-Of": account},
            json={"grantId": moved, "type": kind, "amount": amount, "reason": "Test"},
        )
        assert answer.is_success, answer.text
    for each, way in ((voided, "void"), (expired, "expire")):
        there.native(f"/grants/{each}/{way}")
