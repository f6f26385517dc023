"""What ``torture`` asks for, in the native API and the three dialects: mixed, and each under a key."""

from __future__ import annotations

import json
import random
import time
from dataclasses import dataclass, field
from typing import Any

import httpx

from tests.support.server import Key

FUNDS = 10**9
BATCH = 20

Json = dict[str, Any]


@dataclass
class Asked:
    """One operation: how it was asked for, what it does to the sums, and the answer, once there was one.

    ``form``: sent as Stripe's. ``conflicts``: asked for again it is refused, as Dodo does. ``lapses``: it
    is refused once its time is over.
    """

    path: str
    body: Json
    granted: int = 0
    used: int = 0
    voided: int = 0
    status: int = 201
    headers: dict[str, str] = field(default_factory=dict)
    form: bool = False
    conflicts: bool = False
    lapses: bool = False
    answer: Json | None = None
    bytes_answered: bytes | None = None

    @property
    def acknowledged(self) -> bool:
        return self.answer is not None

    @property
    def _sent(self) -> Json:
        return {"headers": self.headers, "data" if self.form else "json": self.body}

    async def send(self, client: httpx.AsyncClient) -> httpx.Response:
        return await client.post(self.path, **self._sent)

    def send_now(self, client: httpx.Client) -> httpx.Response:
        return client.post(self.path, **self._sent)

    def take(self, content: bytes) -> None:
        self.answer, self.bytes_answered = json.loads(content), content

    def has_lapsed(self, response: httpx.Response) -> bool:
        """Whether it came too late to be done at all."""
        lapsed = self.lapses and response.status_code == 422
        if lapsed:
            self.granted = 0
        return lapsed

    def take_late(self, response: httpx.Response) -> bool:
        """The first answer there is after a kill; whether the operation had been done before."""
        if self.has_lapsed(response):
            return False
        if self.conflicts and response.status_code == 409:
            self.answer = {}
            return True
        assert response.status_code == self.status, (self, response.text)
        self.take(response.content)
        return bool(response.headers.get("idempotent-replayed") == "true")

    def check_replay(self, response: httpx.Response) -> None:
        """What was acknowledged is answered again: replayed, and byte for byte where bytes were seen."""
        if self.conflicts:
            assert response.status_code == 409, f"lost: {self} {response.text}"
            assert response.json()["code"] == "IDEMPOTENCY_KEY_ALREADY_EXISTS"
            return
        assert response.status_code == self.status, f"lost: {self} {response.text}"
        assert response.headers.get("idempotent-replayed") == "true", f"lost: {self}"
        assert response.json() == self.answer, f"changed: {self} {response.text}"
        assert self.bytes_answered in (None, response.content), f"changed: {self}"


class Operations:
    """Makes them, with amounts and keys of its own. ``key``: what Sequence's Basic needs."""

    def __init__(self, chance: random.Random, key: Key) -> None:
        self._chance = chance
        self._sequence = httpx.BasicAuth(key.id, key.secret)
        self._keys = 0

    def key(self) -> str:
        self._keys += 1
        return f"key-{self._keys}"

    def _keyed(self, body: Json) -> Json:
        return body | {"entitlement": "usd", "idempotency_key": self.key()}

    # Native --------------------------------------------------------------------------------------

    def customer(self, own_id: str) -> Asked:
        return Asked("/api/v1/customers", {"id": own_id, "idempotency_key": self.key()})

    def grant(self, customer: str, amount: int) -> Asked:
        priority = self._chance.randint(0, 99)
        body = {"customer": customer, "amount": str(amount), "priority": priority}
        return Asked("/api/v1/grants", self._keyed(body), granted=amount)

    def short_grant(self, customer: str) -> Asked:
        """It expires in one to three seconds, with what is left of it."""
        until = time.gmtime(time.time() + self._chance.uniform(2, 4))
        asked = self.grant(customer, self._chance.randint(5, 50))
        asked.body["expires_at"] = time.strftime("%Y-%m-%dT%H:%M:%SZ", until)
        asked.lapses = True
        return asked

    def debit(self, customer: str) -> Asked:
        amount = self._chance.randint(2, 9)
        body = {"customer": customer, "amount": str(amount), "attributes": {"model": "m"}}
        return Asked("/api/v1/debits", self._keyed(body), used=amount)

    def spend(self, customer: str) -> Asked:
        quantity = self._chance.randint(1, 9)
        body = {
            "customer": customer,
            "quantity": str(quantity),
            "wallets": [{"entitlement": "usd", "price": "2"}],
            "idempotency_key": self.key(),
        }
        return Asked("/api/v1/spends", body, used=2 * quantity)

    def reversal(self, debit: Asked) -> Asked:
        assert debit.answer is not None
        body = {"amount": "1", "idempotency_key": self.key()}
        return Asked(f"/api/v1/debits/{debit.answer['id']}/reverse", body, used=-1)

    def hold(self, customer: str, seconds: int) -> Asked:
        body = {"customer": customer, "amount": "5", "expires_in": seconds}
        return Asked("/api/v1/holds", self._keyed(body))

    def capture(self, hold: Asked) -> Asked:
        body = {"amount": "3", "idempotency_key": self.key()}
        return Asked(self._of(hold, "capture"), body, used=3)

    def release(self, hold: Asked) -> Asked:
        return Asked(self._of(hold, "release"), {"idempotency_key": self.key()}, status=200)

    @staticmethod
    def _of(hold: Asked, what: str) -> str:
        assert hold.answer is not None
        return f"/api/v1/holds/{hold.answer['id']}/{what}"

    # The dialects --------------------------------------------------------------------------------

    def dodo_entry(self, customer: str) -> Asked:
        amount, kind = self._chance.randint(1, 9), self._chance.choice(("debit", "credit"))
        path = f"/dodo/credit-entitlements/usd/balances/{customer}/ledger-entries"
        body = {"amount": str(amount), "entry_type": kind, "idempotency_key": self.key()}
        if kind == "debit":
            return Asked(path, body, used=amount, conflicts=True)
        return Asked(path, body, granted=amount, conflicts=True)

    def sequence_credit(self, customer: str) -> Asked:
        amount = self._chance.randint(1, 9)
        body = {
            "customerId": customer,
            "name": "Credit",
            "creditUnitType": "CURRENCY",
            "currency": "USD",
            "amount": amount,
        }
        request = next(self._sequence.auth_flow(httpx.Request("POST", "http://sequence")))
        headers = {
            "idempotency-key": self.key(),
            "authorization": request.headers["authorization"],
        }
        return Asked("/sequence/credits", body, granted=amount, headers=headers)

    def stripe_grant(self, customer: str) -> Asked:
        amount = self._chance.randint(1, 9)
        body = {
            "customer": customer,
            "category": "promotional",
            "amount[type]": "monetary",
            "amount[monetary][currency]": "usd",
            "amount[monetary][value]": str(100 * amount),
            "applicability_config[scope][price_type]": "metered",
        }
        return self._stripe("/v1/billing/credit_grants", body, granted=amount)

    def stripe_void(self, grant: Asked) -> Asked:
        assert grant.answer is not None
        path = f"/v1/billing/credit_grants/{grant.answer['id']}/void"
        return self._stripe(path, {}, voided=grant.granted)

    def _stripe(self, path: str, body: Json, granted: int = 0, voided: int = 0) -> Asked:
        headers = {"idempotency-key": self.key()}
        return Asked(
            path, body, granted=granted, voided=voided, status=200, headers=headers, form=True
        )
