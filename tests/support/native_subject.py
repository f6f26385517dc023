"""Scenarios through the native API of a real server."""

from __future__ import annotations

import itertools
from datetime import datetime
from http import HTTPStatus
from typing import Any

import httpx

from drawdown.core import identity
from drawdown.core.times import instant_of, text_of
from drawdown.core.types import DAY, MICROSECONDS, Id, Instant
from tests.support import alerting, metered, scheduling, topping_up
from tests.support.clocked_server import ClockedServer
from tests.support.scenarios import START, Scenario, Step, day_text, instant, rule_of, span

Json = dict[str, Any]
#: After whatever happens in a scenario.
LATE = Instant(START + 100_000 * DAY)

_numbers = itertools.count(1)
#: What makes something that later steps name.
_MAKERS = ("grant", "debit", "hold", "capture", "spend", "schedule", "topup", "alert")


def can_say(scenario: Scenario) -> bool:
    """Whether the native API has a word for everything in the scenario."""
    return not any(
        (step.verb == "schedule" and step.result == "field_invalid")
        or "only_unused" in step.words
        or "valid" in step.options
        or span(step.options.get("for", "0")) % MICROSECONDS
        for step in scenario.steps
    )


class NativeSubject:
    """Each scenario gets a customer and entitlements of its own on the server."""

    def __init__(self, server: ClockedServer, client: httpx.Client) -> None:
        self._server, self._client = server, client
        self._number = next(_numbers)
        self._customer = f"c{self._number}"
        self._names: dict[str, str] = {}
        self._scales: dict[str, int] = {}

    def prepare(self, units: dict[str, dict[str, str]]) -> None:
        self._at_time(START)
        self._first = next(iter(units))
        self._ok(self._client.post("/customers", json=self._new_customer()))
        for unit, options in units.items():
            entitlement: Json = {
                "code": self._code(unit),
                "unit": "unit",
                "scale": int(options["scale"]),
                "burn_order": options.get("order", "soonest_expiry"),
            }
            if "expires_after_days" in options:
                entitlement["expires_after_days"] = int(options["expires_after_days"])
            if "overage" in options:
                entitlement["overage"] = rule_of(options, options["overage"])
            if "shortfall" in options:
                entitlement["shortfall"] = options["shortfall"]
            if "grace" in options:
                entitlement["late_usage_grace"] = int(options["grace"])
            self._scales[unit] = int(options["scale"])
            self._ok(self._client.post("/entitlements", json=entitlement))

    def _at_time(self, at: Instant) -> None:
        """Let it be ``at`` for the customer."""
        self._server.clock.instant = at

    def _new_customer(self) -> dict[str, str]:
        return {"id": self._customer}

    def _code(self, unit: str) -> str:
        return f"{unit}-{self._number}"

    def _place(self, step: Step) -> Json:
        unit = self._code(step.options.get("of", self._first))
        return {"customer": self._customer, "entitlement": unit}

    @staticmethod
    def _ok(answer: httpx.Response) -> Any:
        assert answer.is_success, answer.text
        return answer.json()

    def act(self, step: Step) -> tuple[str, dict[str, str]]:
        self._at_time(step.at)
        if step.verb == "read":
            return "ok", {}
        if step.verb in ("forecast", "rate"):
            return "ok", getattr(self, "_" + step.verb)(step)
        if step.verb == "settle":
            self._ok(self._client.get("/entries", params=self._place(step)))
            return "ok", {}
        answer = self._ask(step)
        found = answer.json()
        if not answer.is_success:
            return found["code"], {key: str(value) for key, value in found.items()}
        if answer.headers.get("idempotent-replayed") == "true":
            return "replayed", {}
        if step.verb == "use":
            self._names[step.words[0]] = found["debit"]
            unit = step.options.get("of", self._first)
            return "ok", metered.native_facts(found, self._scales[unit])
        if step.verb in _MAKERS:
            self._names[step.words[0]] = found["id"]
        if step.verb == "reset":
            return "ok", {"moved": found["amount"]}
        if step.verb == "spend":
            return "ok", {"spent": found["spent"], "unpaid": found["unpaid"]}
        return "ok", {}

    def _forecast(self, step: Step) -> dict[str, str]:
        place = self._place(step)
        query = {"days": step.words[0], "window_days": step.options.get("window", "7")}
        path = f"/balances/{place['customer']}/{place['entitlement']}/forecast"
        found = self._ok(self._client.get(path, params=query))
        depletes_at = found["depletes_at"]
        assert (depletes_at is None) == (found["reason"] is not None)
        return {
            "rate": found["usage"]["per_day"],
            "depletes": found["reason"] if depletes_at is None else _day(depletes_at),
            "lost": found["expires_unused"],
            "short": found["shortfall"],
        } | {_day(point["at"]): point["available"] for point in found["points"]}

    def _ask(self, step: Step) -> httpx.Response:
        """Every step is a method of its own: the path, and the body beside the key."""
        path, body = getattr(self, "_" + step.verb)(step)
        key = step.options.get("key", f"own-{next(_numbers)}")
        if step.verb == "use":
            return self._client.post(path, json=body)
        if step.verb in ("close", "silence"):
            return self._client.delete(path)
        method = "PATCH" if step.verb in ("amend", "rule", "change") else "POST"
        return self._client.request(method, path, json=body | {"idempotency_key": key})

    def _rate(self, step: Step) -> dict[str, str]:
        code = f"m{next(_numbers)}-{self._number}"
        meter = metered.meter_body(step, code, f"call-{self._number}")
        self._ok(self._client.post("/meters", json=meter))
        unit = self._code(step.options.get("of", self._first))
        self._ok(self._client.post("/rates", json=metered.rate_body(step, code, unit)))
        return {}

    def _use(self, step: Step) -> tuple[str, Json]:
        body: Json = {
            "id": f"{step.words[0]}-{self._number}",
            "customer": self._customer,
            "name": f"call-{self._number}",
            "properties": metered.properties(step),
        }
        if "at" in step.options:
            body["time"] = text_of(instant(step.options["at"]))
        return "/events", body | {"override": "override" in step.words}

    def _named(self, step: Step, word: int = 0) -> str:
        return self._names[step.words[word]]

    def _grant(self, step: Step) -> tuple[str, Json]:
        options = step.options
        grant = self._place(step) | {"amount": step.words[1]}
        if "pri" in options:
            grant["priority"] = int(options["pri"])
        if "cat" in options:
            grant["category"] = options["cat"]
        if "eff" in options:
            grant["effective_at"] = text_of(instant(options["eff"]))
        if "exp" in options:
            grant["expires_at"] = expiry(options["exp"])
        if step.scope:
            grant["scope"] = step.scope
        if (terms := scheduling.rollover(options)) is not None:
            grant["rollover"] = scheduling.rollover_body(terms)
        return "/grants", grant

    def _debit(self, step: Step) -> tuple[str, Json]:
        return "/debits", self._place(step) | {"amount": step.words[-1]} | attributes(step)

    def _spend(self, step: Step) -> tuple[str, Json]:
        wallets = [{"entitlement": self._code(unit), "price": price} for unit, price in step.prices]
        spend: Json = {
            "customer": self._customer,
            "quantity": step.words[1],
            "wallets": wallets,
            "partial": "partial" in step.words,
        }
        return "/spends", spend | attributes(step)

    def _reverse(self, step: Step) -> tuple[str, Json]:
        part: Json = {"amount": step.words[1]} if len(step.words) > 1 else {}
        if "of" in step.options:
            part["entitlement"] = self._code(step.options["of"])
        return f"/debits/{self._named(step)}/reverse", part

    def _hold(self, step: Step) -> tuple[str, Json]:
        hold = self._place(step) | {"amount": step.words[1]} | attributes(step)
        return "/holds", hold | end(step)

    def _capture(self, step: Step) -> tuple[str, Json]:
        capture = {
            "amount": step.words[2],
            "final": "final" in step.words,
            "over_capture": "refuse" if "refuse" in step.words else "draw",
        }
        return f"/holds/{self._named(step, 1)}/capture", capture

    def _release(self, step: Step) -> tuple[str, Json]:
        return f"/holds/{self._named(step)}/release", {}

    def _extend(self, step: Step) -> tuple[str, Json]:
        return f"/holds/{self._named(step)}/extend", end(step)

    def _adjust(self, step: Step) -> tuple[str, Json]:
        body = {"direction": step.words[1], "amount": step.words[2]}
        return f"/grants/{self._named(step)}/adjust", body

    def _amend(self, step: Step) -> tuple[str, Json]:
        return f"/grants/{self._named(step)}", {"expires_at": expiry(step.options["exp"])}

    def _rule(self, step: Step) -> tuple[str, Json]:
        code = self._place(step)["entitlement"]
        return f"/entitlements/{code}", {"overage": rule_of(step.options, step.words[0])}

    def _reset(self, step: Step) -> tuple[str, Json]:
        return "/overage/reset", self._place(step)

    def _expire(self, step: Step) -> tuple[str, Json]:
        return f"/grants/{self._named(step)}/expire", {}

    def _void(self, step: Step) -> tuple[str, Json]:
        return f"/grants/{self._named(step)}/void", {}

    def _schedule(self, step: Step) -> tuple[str, Json]:
        return "/schedules", self._place(step) | scheduling.body(step)

    def _change(self, step: Step) -> tuple[str, Json]:
        return f"/schedules/{self._named(step)}", scheduling.change_body(step)

    def _pause(self, step: Step) -> tuple[str, Json]:
        return f"/schedules/{self._named(step)}/pause", {}

    def _resume(self, step: Step) -> tuple[str, Json]:
        return f"/schedules/{self._named(step)}/resume", {}

    def _cancel(self, step: Step) -> tuple[str, Json]:
        body = {
            "at_cycle_end": "at_end" in step.words,
            "expire_credit": "expire_credit" in step.words,
        }
        return f"/schedules/{self._named(step)}/cancel", body

    def _alert(self, step: Step) -> tuple[str, Json]:
        place = self._place(step)
        if "all" in step.words:
            del place["customer"]
        return "/alerts", place | alerting.body(step)

    def _silence(self, step: Step) -> tuple[str, Json]:
        return f"/alerts/{self._named(step)}", {}

    def _events(self, kind: str) -> list[Json]:
        """The feed of the customer's events of one type, to its end: a page looks at so much of a ledger."""
        query = {"customer": self._customer, "type": kind, "limit": "100"}
        found: list[Json] = []
        while True:
            page = self._ok(self._client.get("/events-feed", params=query))
            found += page["data"]
            if not page["has_more"]:
                return found
            query["after"] = page["next"]

    def alert(self, name: str, at: Instant) -> dict[str, str]:
        """As the feed tells it, once what is due is recorded.

        The feed stops a moment before now, and at whatever other scenarios recorded later than that.
        """
        self._at_time(at)
        self._ok(self._client.get("/entries", params={"customer": self._customer}))
        self._server.clock.instant = LATE
        told = [event["data"] for event in self._events("alert.triggered")]
        found = [each for each in told if each["alert"] == self._names[name]]
        times = [instant_of(datetime.fromisoformat(each["at"])) for each in found]
        pairs = zip(times, (each["available"] for each in found), strict=True)
        return alerting.facts(list(pairs))

    def _topup(self, step: Step) -> tuple[str, Json]:
        return "/top-ups", self._place(step) | topping_up.body(step)

    def _close(self, step: Step) -> tuple[str, Json]:
        return f"/top-ups/{self._named(step)}", {}

    def _confirm(self, step: Step) -> tuple[str, Json]:
        name, _, number = step.words[0].partition(".")
        body = {"reference": step.options["ref"]} if "ref" in step.options else {}
        return f"/top-ups/requests/{self._request(name, int(number))['id']}/confirm", body

    def _fail(self, step: Step) -> tuple[str, Json]:
        name, _, number = step.words[0].partition(".")
        return f"/top-ups/requests/{self._request(name, int(number))['id']}/fail", {}

    def _requests(self, name: str) -> list[Json]:
        """Those of the wallet of a rule, the first one first."""
        rule = self._ok(self._client.get(f"/top-ups/{self._names[name]}"))
        query = {name: rule[name] for name in ("customer", "entitlement")}
        found = self._ok(self._client.get("/top-ups/requests", params=query))
        return list(reversed(found["data"]))

    def _request(self, name: str, number: int) -> Json:
        return self._requests(name)[number - 1]

    def top_up(self, name: str, at: Instant) -> dict[str, str]:
        found = self._read(f"/top-ups/{self._names[name]}", at)
        return {"state": found["state"], "asked": str(len(self._requests(name)))}

    def top_up_request(self, name: str, number: int, at: Instant) -> dict[str, str]:
        self._at_time(at)
        found = self._request(name, number)
        return {key: str(value) for key, value in found.items()}

    def wallet(self, at: Instant, unit: str | None) -> dict[str, str]:
        return self._read(f"/balances/{self._customer}/{self._code(unit or self._first)}", at)

    def grant(self, name: str, at: Instant) -> dict[str, str]:
        return self._read(f"/grants/{self._names[name]}", at)

    def hold(self, name: str, at: Instant) -> dict[str, str]:
        return self._read(f"/holds/{self._names[name]}", at)

    def schedule(self, name: str, at: Instant) -> dict[str, str]:
        found = self._read(f"/schedules/{self._names[name]}", at)
        cycle, following = found["cycle"], found["next_at"]
        return {
            "state": found["state"],
            "cycle": "none" if cycle == "None" else cycle,
            "next": "never" if following == "None" else following,
        }

    def cycle_grant(self, name: str, cycles: str, at: Instant) -> dict[str, str]:
        """What is due is recorded first: a grant that a cycle has yet to make has no page of its own."""
        self._at_time(at)
        self._ok(self._client.get("/entries", params={"customer": self._customer}))
        schedule = identity.parse(self._names[name])
        assert schedule is not None
        return self._made_by_time(scheduling.grant_id(schedule, cycles))

    def carried(self, name: str, times: int, at: Instant) -> dict[str, str]:
        self._at_time(at)
        self._ok(self._client.get("/entries", params={"customer": self._customer}))
        grant = identity.parse(self._names[name])
        assert grant is not None
        return self._made_by_time(scheduling.carried_id(grant, times))

    def _made_by_time(self, identifier: Id) -> dict[str, str]:
        grant = identity.spell("grant_", identifier)
        answer = self._client.get(f"/grants/{grant}")
        if answer.status_code == HTTPStatus.NOT_FOUND:
            return {"state": "none"}
        found = {key: str(value) for key, value in self._ok(answer).items()}
        expires = found["expires_at"]
        times = {"at": found["effective_at"], "expires": "never" if expires == "None" else expires}
        return found | times

    def _read(self, path: str, at: Instant) -> dict[str, str]:
        self._at_time(at)
        return {key: str(value) for key, value in self._ok(self._client.get(path)).items()}


def _day(text: str) -> str:
    return day_text(instant_of(datetime.fromisoformat(text)))


def attributes(step: Step) -> Json:
    return {"attributes": step.attributes} if step.attributes else {}


def expiry(text: str) -> str | None:
    return None if text == "never" else text_of(instant(text))


def end(step: Step) -> Json:
    """When a hold is to end, as the step says it."""
    found: Json = {}
    if "until" in step.options:
        found["expires_at"] = text_of(instant(step.options["until"]))
    if "for" in step.options:
        found["expires_in"] = span(step.options["for"]) // MICROSECONDS
    return found
