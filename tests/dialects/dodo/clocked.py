"""A customer on a test clock, made and moved by the native API: the vendor's has no clocks of this kind."""

from __future__ import annotations

import time
from typing import Any

import httpx

from tests.support.server import Tenant

BEGAN = "2031-01-31T00:00:00Z"
PATIENCE_SECONDS = 60


class Clocked:
    """One customer whose time passes when it is told to. Close it."""

    def __init__(self, tenant: Tenant, began: str = BEGAN) -> None:
        self.http: httpx.Client = tenant.client()
        self._clock = self.ask("POST", "/test-clocks", {"frozen_at": began})["id"]
        details = {"name": "Ada", "email": "ada@example.com", "test_clock": self._clock}
        self.customer: str = self.ask("POST", "/customers", details)["id"]
        self._events = 0

    def ask(self, method: str, path: str, body: dict[str, Any] | None = None) -> Any:
        answer = self.http.request(method, path, json=body)
        assert answer.is_success, answer.text
        return answer.json()

    def advance(self, to: str) -> None:
        found = self.ask("POST", f"/test-clocks/{self._clock}/advance", {"to": to})
        until = time.monotonic() + PATIENCE_SECONDS
        while found["status"] != "ready":
            assert time.monotonic() < until, found
            time.sleep(0.05)
            found = self.ask("GET", f"/test-clocks/{self._clock}")

    def meter(self) -> str:
        """Sums what the events ``tokens`` say of ``n``."""
        asked = {"code": "tokens", "event_name": "tokens", "aggregation": "sum", "property": "n"}
        found: str = self.ask("POST", "/meters", asked)["id"]
        return found

    def use(self, quantity: int) -> None:
        self._events += 1
        event = {"id": f"use-{self._events}", "customer": self.customer, "name": "tokens"}
        self.ask("POST", "/events", event | {"properties": {"n": quantity}})
