"""Scenarios through the native API of a real server."""

from __future__ import annotations

import itertools
from typing import Any

import httpx

from drawdown.core.times import text_of
from drawdown.core.types import Instant
from tests.support.clocked_server import ClockedServer
from tests.support.scenarios import START, Scenario, Step, instant

_numbers = itertools.count(1)


def can_say(scenario: Scenario) -> bool:
    """Whether the native API has a word for everything in the scenario."""
    return not any(
        step.verb == "amend" or "only_unused" in step.words or "valid" in step.options
        for step in scenario.steps
    )


class NativeSubject:
    """Each scenario gets a customer and an entitlement of its own on the server."""

    def __init__(self, server: ClockedServer, client: httpx.Client) -> None:
        self._server, self._client = server, client
        self._number = next(_numbers)
        self._place = {"customer": f"c{self._number}", "entitlement": f"e{self._number}"}
        self._names: dict[str, str] = {}

    def prepare(self, unit: dict[str, str]) -> None:
        self._server.clock.instant = START
        entitlement: dict[str, Any] = {
            "code": self._place["entitlement"],
            "unit": "unit",
            "scale": int(unit["scale"]),
            "burn_order": unit.get("order", "soonest_expiry"),
        }
        if "expires_after_days" in unit:
            entitlement["expires_after_days"] = int(unit["expires_after_days"])
        self._ok(self._client.post("/customers", json={"id": self._place["customer"]}))
        self._ok(self._client.post("/entitlements", json=entitlement))

    @staticmethod
    def _ok(answer: httpx.Response) -> Any:
        assert answer.is_success, answer.text
        return answer.json()

    def act(self, step: Step) -> tuple[str, dict[str, str]]:
        self._server.clock.instant = step.at
        if step.verb == "read":
            return "ok", {}
        answer = self._ask(step)
        found = answer.json()
        if not answer.is_success:
            return found["code"], {key: str(value) for key, value in found.items()}
        if answer.headers.get("idempotent-replayed") == "true":
            return "replayed", {}
        if step.verb == "grant" or (step.verb == "debit" and len(step.words) > 1):
            self._names[step.words[0]] = found["id"]
        return "ok", {}

    def _ask(self, step: Step) -> httpx.Response:
        post, name = self._client.post, step.words[0] if step.words else ""
        if step.verb == "settle":
            return self._client.get("/entries", params=self._place)
        key = {"idempotency_key": step.options.get("key", f"own-{next(_numbers)}")}
        if step.verb == "grant":
            return post("/grants", json=key | self._grant(step))
        if step.verb == "debit":
            return post("/debits", json=key | self._place | {"amount": step.words[-1]})
        if step.verb == "reverse":
            part = {"amount": step.words[1]} if len(step.words) > 1 else {}
            return post(f"/debits/{self._names[name]}/reverse", json=key | part)
        return post(f"/grants/{self._names[name]}/{step.verb}", json=key)

    def _grant(self, step: Step) -> dict[str, Any]:
        options = step.options
        grant: dict[str, Any] = self._place | {"amount": step.words[1]}
        if "pri" in options:
            grant["priority"] = int(options["pri"])
        if "cat" in options:
            grant["category"] = options["cat"]
        if "eff" in options:
            grant["effective_at"] = text_of(instant(options["eff"]))
        if "exp" in options:
            never = options["exp"] == "never"
            grant["expires_at"] = None if never else text_of(instant(options["exp"]))
        return grant

    def wallet(self, at: Instant) -> dict[str, str]:
        self._server.clock.instant = at
        path = f"/balances/{self._place['customer']}/{self._place['entitlement']}"
        balance = self._ok(self._client.get(path))
        return {key: str(value) for key, value in balance.items()}

    def grant(self, name: str, at: Instant) -> dict[str, str]:
        self._server.clock.instant = at
        grant = self._ok(self._client.get(f"/grants/{self._names[name]}"))
        return {key: str(value) for key, value in grant.items()}
