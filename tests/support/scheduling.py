"""Schedules as tables write them: commands from a step, facts of a schedule, its grants by their cycles."""

from __future__ import annotations

from typing import Any

from msgspec import UNSET

from drawdown.core.amounts import Amount, parse
from drawdown.core.commands import (
    AmendSchedule,
    AskedOverage,
    CancelSchedule,
    ChangeTime,
    CreateSchedule,
    RolloverTerms,
    TrialTerms,
)
from drawdown.core.identity import nth
from drawdown.core.schedules import cycles, own_ends
from drawdown.core.schedules.calendar import CalendarUnit, Every
from drawdown.core.schedules.terms import CycleExpiry, Schedule
from drawdown.core.times import text_of
from drawdown.core.types import Id, Instant, OverageBehavior, OverageMode
from tests.support.scenarios import Step, instant, rule_of


def create(customer: str, entitlement: str, step: Step) -> CreateSchedule:
    options = step.options
    after = options.get("after")
    expires = CycleExpiry.CYCLE_END if after is None else CycleExpiry.AFTER_DAYS
    return CreateSchedule(
        customer=customer,
        entitlement=entitlement,
        amount=amount(step.words[1]),
        every=Every(CalendarUnit(options["every"]), int(options.get("count", "1"))),
        anchor=moment(options, "anchor"),
        zone=options.get("zone", "UTC"),
        starts_at=moment(options, "starts"),
        ends_at=moment(options, "ends"),
        trial=trial(options),
        expires=CycleExpiry.NEVER if "never" in step.words else expires,
        expires_after_days=None if after is None else int(after),
        rollover=rollover(options),
        overage=overage(options),
    )


def body(step: Step) -> dict[str, Any]:
    """The same as JSON, beside whose it is."""
    made = create("", "", step)
    asked: dict[str, Any] = {
        "amount": step.words[1],
        "every": span(made.every),
        "zone": made.zone,
        "expires": made.expires.value,
        "expires_after_days": made.expires_after_days,
    }
    times = {"anchor": made.anchor, "starts_at": made.starts_at, "ends_at": made.ends_at}
    asked |= {name: text_of(at) for name, at in times.items() if at is not None}
    if made.trial is not None:
        asked["trial"] = {
            "amount": str(made.trial.amount),
            "ends_at": text_of(made.trial.ends_at),
            "expires": made.trial.expires,
        }
    if made.rollover is not None:
        asked["rollover"] = rollover_body(made.rollover)
    if "overage" in step.options:
        asked["overage"] = rule_of(step.options, step.options["overage"])
    return asked


def rollover_body(terms: RolloverTerms) -> dict[str, Any]:
    return {
        "percentage": terms.percentage,
        "generations_max": terms.generations_max,
        "timeframe": None if terms.timeframe is None else span(terms.timeframe),
        "minimum": None if terms.minimum is None else str(terms.minimum),
        "maximum": None if terms.maximum is None else str(terms.maximum),
    }


def span(every: Every) -> dict[str, Any]:
    return {"unit": every.unit.value, "count": every.count}


def trial(options: dict[str, str]) -> TrialTerms | None:
    """``trial=20:d14``, or ``trial=20/2026-01-15T00:00/keeps`` where times have colons."""
    if "trial" not in options:
        return None
    units, end, *keeps = options["trial"].replace(":", "/", 1).split("/")
    return TrialTerms(amount=amount(units), ends_at=instant(end), expires=not keeps)


def rollover(options: dict[str, str]) -> RolloverTerms | None:
    if "roll" not in options:
        return None
    timeframe = None
    if "lives" in options:
        count, unit = options["lives"].split(":")
        timeframe = Every(CalendarUnit(unit), int(count))
    return RolloverTerms(
        percentage=int(options["roll"]),
        generations_max=int(options["generations"]) if "generations" in options else None,
        timeframe=timeframe,
        minimum=amount(options["least"]) if "least" in options else None,
        maximum=amount(options["most"]) if "most" in options else None,
    )


def overage(options: dict[str, str]) -> AskedOverage | None:
    """``limited:50``; ``none``: nothing of its own."""
    if options.get("overage", "none") == "none":
        return None
    asked = rule_of(options, options["overage"])
    return AskedOverage(
        mode=OverageMode(asked["mode"]),
        limit=amount(asked["limit"]) if "limit" in asked else None,
        behavior=OverageBehavior(asked.get("behavior", "forgive_at_reset")),
    )


def changed_amount(step: Step) -> str | None:
    """The amount of a change, which may be of the rule for overage alone."""
    return step.words[1] if step.words[1:2] and step.words[1][0].isdigit() else None


def change_body(step: Step) -> dict[str, Any]:
    """A change as JSON."""
    body: dict[str, Any] = {
        "amount": changed_amount(step),
        "when": "now" if "now" in step.words else "next_cycle",
        "prorate": "prorate" in step.words,
    }
    if "overage" in step.options:
        rule = rule_of(step.options, step.options["overage"])
        body["overage"] = None if rule["mode"] == "none" else rule
    return body


def change(schedule: Id, step: Step) -> AmendSchedule:
    units = changed_amount(step)
    return AmendSchedule(
        schedule=schedule,
        amount=None if units is None else amount(units),
        overage=overage(step.options) if "overage" in step.options else UNSET,
        when=ChangeTime.NOW if "now" in step.words else ChangeTime.NEXT_CYCLE,
        prorate="prorate" in step.words,
    )


def cancel(schedule: Id, step: Step) -> CancelSchedule:
    return CancelSchedule(
        schedule=schedule,
        at_cycle_end="at_end" in step.words,
        expire_credit="expire_credit" in step.words,
    )


def amount(text: str) -> Amount:
    found = parse(text)
    assert found is not None, f"{text!r} is not an amount"
    return found


def moment(options: dict[str, str], name: str) -> Instant | None:
    return instant(options[name]) if name in options else None


def facts(schedule: Schedule) -> dict[str, str]:
    return {
        "state": schedule.state.value,
        "cycle": "none" if schedule.cycle is None else str(schedule.cycle),
        "next": "never" if schedule.next_at is None else text_of(schedule.next_at),
    }


def carried_id(grant: Id, times: int) -> Id:
    """What was carried of a grant by its own terms, so many times."""
    for _ in range(times):
        grant = cycles.carried_id(own_ends.operation_id(grant), grant)
    return grant


def grant_id(schedule: Id, named: str) -> Id:
    """``1`` is the grant of cycle 1, ``1>2>3`` what of it was carried into the second and the third."""
    first, *later = named.split(">")
    found = cycles.grant_id(nth(schedule, int(first)))
    for number in later:
        found = cycles.carried_id(nth(schedule, int(number)), found)
    return found
