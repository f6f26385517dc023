"""Scenarios on the naive ledger: what a table says must be what it decides."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from drawdown.core.times import text_of
from drawdown.core.types import Instant
from tests.support import alerting, metered, naive_forecast, scheduling
from tests.support.naive import NEVER, UNITS_MAX, NaiveGrant, NaiveWallet, looked_at, plain
from tests.support.naive_alerts import NaiveAlerts, NaiveLook, look
from tests.support.naive_schedules import NaiveSchedule
from tests.support.naive_top_ups import NaiveRule
from tests.support.oracle import NaiveLedger
from tests.support.scenarios import MICROSECONDS, Step, day_text, instant, rule_of, span

_SPENDS = frozenset({"debit", "spend", "capture", "reverse"})


class OracleSubject:
    """Names of a table are numbered in the order in which they are made."""

    def prepare(self, units: dict[str, dict[str, str]]) -> None:
        self._names: dict[str, int] = {}
        self._rules: dict[str, tuple[str, NaiveRule | None]] = {}
        self._made_at: dict[str, int] = {}
        self._uses: list[tuple[str, int, int]] = []
        self._first = next(iter(units))
        self.ledger = NaiveLedger(
            {
                unit: NaiveWallet(
                    scale=int(options["scale"]),
                    oldest_first=options.get("order") == "oldest_first",
                    expires_after_days=int(options.get("expires_after_days", 0)),
                    shortfall=options.get("shortfall", "refuse"),
                    grace=int(options.get("grace", "0")) * MICROSECONDS["s"],
                    **naive_rule(options, options.get("overage", "off"), int(options["scale"])),
                )
                for unit, options in units.items()
            }
        )
        self._alerts = {unit: NaiveAlerts() for unit in units}
        self._alert_units: dict[str, str] = {}

    def act(self, step: Step) -> tuple[str, dict[str, str]]:
        if step.verb == "read":
            return "ok", {}
        if step.verb == "forecast":
            return "ok", self._forecast(step)
        if step.verb == "rate":
            self.ledger.usage.rates.append(metered.naive_rate(step, self._unit(step)))
            return "ok", {}
        if step.verb in ("alert", "silence"):
            return self._alerted(step)
        before = self._net_uses(step.at)
        self.ledger.look(step.at)
        looks = self._looks(step.at)
        asked = getattr(self, "_" + step.verb)(step)
        answer = self.ledger.ask(step.verb, step.at, step.options.get("key"), **asked)
        for unit, units in self._net_uses(step.at).items():
            self._made_at.setdefault(unit, step.at)
            if step.verb != "reset":
                self._uses.append((unit, step.at, units - before.get(unit, 0)))
        if step.verb == "topup" and answer[0] == "ok":
            unit = self._unit(step)
            self._rules[step.words[0]] = (unit, self.ledger.top_ups[unit].rule)
        self.ledger.look(step.at)
        self._alert(step, looks)
        if step.verb == "use" and answer[0] == "ok":
            text = self.ledger.wallets[self._unit(step)].text
            return "ok", metered.naive_facts(dict(answer[1]), text)
        return answer

    def _alerted(self, step: Step) -> tuple[str, dict[str, str]]:
        self._looks(step.at)
        name, unit = step.words[0], self._unit(step)
        if step.verb == "alert":
            shape, line = alerting.shape(step)
            self._alerts[unit].make(name, shape, line, self.ledger.wallets[unit], step.at)
            self._alert_units[name] = unit
        else:
            self._alerts[self._alert_units[name]].alerts[name].open = False
        return "ok", {}

    def _looks(self, at: int) -> dict[str, tuple[NaiveLook, int]]:
        """Each wallet right before what happens now, and how many grants there are."""
        found = {}
        for unit, wallet in self.ledger.wallets.items():
            self._alerts[unit].pass_time(wallet, at)
            seen, _ = looked_at(wallet, at)
            found[unit] = (look(wallet, at), len(seen.grants))
        return found

    def _alert(self, step: Step, before: dict[str, tuple[NaiveLook, int]]) -> None:
        for unit, wallet in self.ledger.wallets.items():
            was, grants = before[unit]
            now = look(wallet, step.at)
            seen, at = looked_at(wallet, step.at)
            came = any(grant.effective_at <= at for grant in seen.grants[grants:])
            spent = now.use - was.use if step.verb in _SPENDS else 0
            self._alerts[unit].step(wallet, was, now, came=came, spent=spent)

    def alert(self, name: str, at: Instant) -> dict[str, str]:
        unit = self._alert_units[name]
        self._looks(at)
        wallet = self.ledger.wallets[unit]
        told = self._alerts[unit].alerts[name].told
        return alerting.facts([(when, wallet.text(left)) for when, left in told])

    def _net_uses(self, at: Instant) -> dict[str, int]:
        """Of each wallet that anything was ever done with: what was used of it, past zero too."""
        seen = {unit: looked_at(wallet, at)[0] for unit, wallet in self.ledger.wallets.items()}
        return {
            unit: naive_forecast.net_use(wallet) for unit, wallet in seen.items() if wallet.last_at
        }

    def _forecast(self, step: Step) -> dict[str, str]:
        unit = self._unit(step)
        wallet, days = self.ledger.wallets[unit], int(step.words[0])
        at, window = max(step.at, wallet.last_at), int(step.options.get("window", "7"))
        since = naive_forecast.window_start(self._made_at[unit], at, window)
        used = sum(units for of, when, units in self._uses if of == unit and when > since)
        units = max(used, 0)
        found = naive_forecast.look_ahead(wallet, units, at - since, at, days)
        lasting = "not_within_horizon" if units else "no_usage"
        depletes_at = found.depletes_at
        return {
            "rate": plain(naive_forecast.per_day(units, at - since, wallet.scale)),
            "depletes": lasting if depletes_at is None else day_text(depletes_at),
            "lost": wallet.text(found.lost),
            "short": wallet.text(found.short),
        } | {day_text(when): wallet.text(left) for when, left in found.available.items()}

    def _made(self, step: Step) -> int:
        """The number of what the step makes; an attempt that was refused leaves its name free."""
        number = len(self._names)
        self._names[step.words[0]] = number
        return number

    def _unit(self, step: Step) -> str:
        return step.options.get("of", self._first)

    def _grant(self, step: Step) -> dict[str, Any]:
        options = step.options
        asked: dict[str, Any] = {"unit": self._unit(step), "amount": step.words[1]}
        if "pri" in options:
            asked["priority"] = int(options["pri"])
        if "eff" in options:
            asked["eff"] = instant(options["eff"])
        if "exp" in options:
            asked["exp"] = expiry(options["exp"])
        paid = options.get("cat") != "promotional"
        asked |= {"paid": paid, "scope": step.scope, "name": self._made(step)}
        return asked | ({"roll": roll(options)} if "roll" in options else {})

    def _debit(self, step: Step) -> dict[str, Any]:
        valid = step.options.get("valid")
        return {
            "name": self._made(step) if len(step.words) > 1 else -1,
            "unit": self._unit(step),
            "amount": step.words[-1],
            "attributes": step.attributes,
            "valid": None if valid is None else instant(valid),
        }

    def _spend(self, step: Step) -> dict[str, Any]:
        return {
            "name": self._made(step),
            "quantity": step.words[1],
            "prices": step.prices,
            "partial": "partial" in step.words,
            "attributes": step.attributes,
        }

    def _reverse(self, step: Step) -> dict[str, Any]:
        amount = step.words[1] if len(step.words) > 1 else None
        return {
            "debit": self._names[step.words[0]],
            "amount": amount,
            "unit": step.options.get("of"),
        }

    def _hold(self, step: Step) -> dict[str, Any]:
        asked = {"unit": self._unit(step), "amount": step.words[1], "attributes": step.attributes}
        return asked | end(step) | {"name": self._made(step)}

    def _capture(self, step: Step) -> dict[str, Any]:
        return {
            "hold": self._names[step.words[1]],
            "amount": step.words[2],
            "final": "final" in step.words,
            "refuse": "refuse" in step.words,
            "name": self._made(step),
        }

    def _release(self, step: Step) -> dict[str, Any]:
        return {"hold": self._names[step.words[0]]}

    def _extend(self, step: Step) -> dict[str, Any]:
        return {"hold": self._names[step.words[0]]} | end(step)

    def _adjust(self, step: Step) -> dict[str, Any]:
        name, direction, amount = step.words
        return {"grant": self._names[name], "direction": direction, "amount": amount}

    def _amend(self, step: Step) -> dict[str, Any]:
        return {"grant": self._names[step.words[0]], "exp": expiry(step.options["exp"])}

    def _expire(self, step: Step) -> dict[str, Any]:
        return {"grant": self._names[step.words[0]]}

    def _void(self, step: Step) -> dict[str, Any]:
        only_unused = "only_unused" in step.words
        return {"grant": self._names[step.words[0]], "only_unused": only_unused}

    def _rule(self, step: Step) -> dict[str, Any]:
        scale = self.ledger.wallets[self._unit(step)].scale
        return {"unit": self._unit(step), **naive_rule(step.options, step.words[0], scale)}

    def _reset(self, step: Step) -> dict[str, Any]:
        return {"unit": self._unit(step)}

    def _schedule(self, step: Step) -> dict[str, Any]:
        options = step.options
        life = int(options["after"]) if "after" in options else "cycle_end"
        return {
            "name": self._made(step),
            "unit": self._unit(step),
            "amount": step.words[1],
            "every": (options["every"], int(options.get("count", "1"))),
            "starts": moment(options, "starts"),
            "ends": moment(options, "ends"),
            "anchor": moment(options, "anchor"),
            "zone": options.get("zone", "UTC"),
            "trial": trial(options),
            "life": "never" if "never" in step.words else life,
            "roll": roll(options),
            "rule": self._override(step),
        }

    def _change(self, step: Step) -> dict[str, Any]:
        now, prorate = "now" in step.words, "prorate" in step.words
        return {
            "schedule": self._names[step.words[0]],
            "amount": scheduling.changed_amount(step),
            "now": now,
            "prorate": prorate,
            "rule": self._override(step),
        }

    def _override(self, step: Step) -> tuple[int, bool, str] | str | None:
        """A schedule's rule for overage; None: nothing is said of it; ``none``: it has none."""
        text = step.options.get("overage")
        if text is None or text == "none":
            return text
        name = step.words[0]
        wallet = self.ledger.wallets[self._unit(step)]
        if step.verb == "change":
            wallet = self.ledger.schedules[self._names[name]][0]
        rule = naive_rule(step.options, text, wallet.scale)
        return rule["overage_max"], rule["limited"], rule["behavior"]

    def _pause(self, step: Step) -> dict[str, Any]:
        return {"schedule": self._names[step.words[0]]}

    def _resume(self, step: Step) -> dict[str, Any]:
        return {"schedule": self._names[step.words[0]]}

    def _cancel(self, step: Step) -> dict[str, Any]:
        return {
            "schedule": self._names[step.words[0]],
            "at_end": "at_end" in step.words,
            "expire": "expire_credit" in step.words,
        }

    def _topup(self, step: Step) -> dict[str, Any]:
        options = step.options
        units, _, per = options.get("cap", "").partition(":")
        spans = (span(options.get("cool", "5min")), span(options.get("answer", "1d")))
        return {
            "unit": self._unit(step),
            "below": options["below"],
            "amount": options.get("amount"),
            "target": options.get("to"),
            "cap": (units, per) if units else None,
            "numbers": (*spans, int(options.get("attempts", "3"))),
            "days": int(options["days"]) if "days" in options else None,
        }

    def _close(self, step: Step) -> dict[str, Any]:
        unit, rule = self._rules[step.words[0]]
        return {"unit": unit, "rule": rule}

    def _confirm(self, step: Step) -> dict[str, Any]:
        return self._fail(step) | {"reference": step.options.get("ref")}

    def _fail(self, step: Step) -> dict[str, Any]:
        name, _, number = step.words[0].partition(".")
        return {"unit": self._rules[name][0], "number": int(number)}

    def _use(self, step: Step) -> dict[str, Any]:
        return {
            "event": step.words[0],
            "kind": "call",
            "properties": metered.properties(step),
            "time": moment(step.options, "at"),
        }

    def _settle(self, step: Step) -> dict[str, Any]:
        return {"unit": self._unit(step)}

    def wallet(self, at: Instant, unit: str | None) -> dict[str, str]:
        wallet = self.ledger.wallets[unit or self._first]
        seen, now = looked_at(wallet, at)
        names = ("posted", "held", "pending", "granted", "used", "expired", "voided", "overage")
        facts = {
            name: wallet.text(units) for name, units in zip(names, seen.sums(now), strict=True)
        }
        return facts | {
            "available": wallet.text(seen.available(now)),
        }

    def grant(self, name: str, at: Instant) -> dict[str, str]:
        wallet, grant = self.ledger.grants[self._names[name]]
        seen, now = looked_at(wallet, at)
        found = seen.grants[wallet.grants.index(grant)]
        return grant_facts(wallet, found, now)

    def carried(self, name: str, times: int, at: Instant) -> dict[str, str]:
        wallet, grant = self.ledger.grants[self._names[name]]
        seen, now = looked_at(wallet, at)
        for found in seen.grants:
            if found.name == f"{grant.name}>{times}":
                return grant_facts(wallet, found, now)
        return {"state": "none"}

    def schedule(self, name: str, at: Instant) -> dict[str, str]:
        _, _, found = self._seen_schedule(name, at)
        next_at = found.next()[0]
        return {
            "state": found.state,
            "cycle": str(found.last) if found.last >= 0 else "none",
            "next": "never" if next_at == NEVER else text_of(next_at),
        }

    def cycle_grant(self, name: str, cycles: str, at: Instant) -> dict[str, str]:
        wallet, now, found = self._seen_schedule(name, at)
        if cycles not in found.grants:
            return {"state": "none"}
        return grant_facts(wallet, found.grants[cycles], now)

    def _seen_schedule(self, name: str, at: Instant) -> tuple[NaiveWallet, int, NaiveSchedule]:
        wallet, schedule = self.ledger.schedules[self._names[name]]
        seen, now = looked_at(wallet, at)
        return seen, now, seen.schedules[wallet.schedules.index(schedule)]

    def top_up(self, name: str, at: Instant) -> dict[str, str]:
        unit, rule = self._rules[name]
        top_up = self.ledger.top_ups[unit]
        stopped = rule is not None and top_up.unpaid() >= rule.attempts
        state = "stopped" if stopped else "active"
        return {
            "state": state if top_up.rule is rule else "closed",
            "asked": str(len(top_up.requests)),
        }

    def top_up_request(self, name: str, number: int, at: Instant) -> dict[str, str]:
        unit, _ = self._rules[name]
        request = self.ledger.top_ups[unit].requests[number - 1]
        is_over = request.state == "open" and request.expires_at <= at
        amount = self.ledger.wallets[unit].text(request.amount)
        return {"amount": amount, "state": "expired" if is_over else request.state}

    def hold(self, name: str, at: Instant) -> dict[str, str]:
        wallet, hold = self.ledger.holds[self._names[name]]
        seen, _ = looked_at(wallet, at)
        found = seen.holds[wallet.holds.index(hold)]
        numbers = {"amount": found.amount, "held": found.held, "captured": found.captured}
        return {name: wallet.text(units) for name, units in numbers.items()} | {
            "state": found.state
        }


def naive_rule(options: dict[str, str], text: str, scale: int) -> dict[str, Any]:
    """How far past zero, in units, and what becomes of it."""
    asked = rule_of(options, text)
    most = {"off": 0, "unlimited": UNITS_MAX}.get(asked["mode"], 0)
    if "limit" in asked:
        most = int(Decimal(asked["limit"]).scaleb(scale))
    behavior = asked.get("behavior", "forgive_at_reset")
    return {"overage_max": most, "limited": "limit" in asked, "behavior": behavior}


def grant_facts(wallet: NaiveWallet, grant: NaiveGrant, now: int) -> dict[str, str]:
    names = ("remaining", "held", "used", "expired", "voided")
    facts = {name: wallet.text(units) for name, units in zip(names, grant.numbers(), strict=True)}
    facts |= {"amount": wallet.text(grant.amount), "rolled_over": wallet.text(grant.rolled_over)}
    expires = "never" if grant.expires_at == NEVER else text_of(grant.expires_at)
    facts |= {"at": text_of(grant.effective_at), "expires": expires}
    return facts | {"state": grant.state(now)}


def moment(options: dict[str, str], name: str) -> int | None:
    return instant(options[name]) if name in options else None


def trial(options: dict[str, str]) -> tuple[str, int, bool] | None:
    if "trial" not in options:
        return None
    units, end, *keeps = options["trial"].replace(":", "/", 1).split("/")
    return units, instant(end), not keeps


def roll(options: dict[str, str]) -> dict[str, Any]:
    """Nothing where nothing rolls over."""
    if "roll" not in options:
        return {}
    found: dict[str, Any] = {"percentage": int(options["roll"])}
    found |= {name: options[name] for name in ("least", "most") if name in options}
    if "generations" in options:
        found["generations"] = int(options["generations"])
    if "lives" in options:
        count, unit = options["lives"].split(":")
        found["lives"] = (int(count), unit)
    return found


def expiry(text: str) -> int:
    return NEVER if text == "never" else instant(text)


def end(step: Step) -> dict[str, int]:
    """When a hold is to end, as the step says it."""
    found: dict[str, int] = {}
    if "until" in step.options:
        found["until"] = instant(step.options["until"])
    if "for" in step.options:
        found["lasting"] = span(step.options["for"])
    return found
