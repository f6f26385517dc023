"""Events of what time does: what falls due, schedules and their cycles, test clocks."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec

from drawdown.core.amounts import render as decimal
from drawdown.core.identity import spell
from drawdown.core.schedules import changes as recurring
from drawdown.core.schedules import terms as schedules
from drawdown.core.schedules.terms import Schedule, ScheduleState
from drawdown.core.times import text_of
from drawdown.core.types import EntryKind, Id, Instant, Overage
from drawdown.dialects.native import render, wire_events, wire_schedules
from drawdown.dialects.native import schedules as shapes
from drawdown.dialects.native.render import CLOCK_PREFIX, HOLD_PREFIX, SCHEDULE_PREFIX
from drawdown.dialects.native.telling import Tell, Telling, Told, moves, total


class SettleFacts(msgspec.Struct):
    """``holds``: by the id in hexadecimal, when it ended and how much it held."""

    holds: dict[str, tuple[Instant, int]] = {}


class CycleFacts(msgspec.Struct):
    """``number`` None, and ``ended``: the schedule was over before its first cycle."""

    number: int | None
    skipped: bool = False
    ended: bool = False


class ScheduleFacts(msgspec.Struct):
    """Of what a schedule was made with, that which changes later."""

    amount: int
    ends_at: Instant | None = None
    overage: Overage | None = None


class AmendedSchedule(msgspec.Struct):
    amount: tuple[int, int] | None = None
    change: tuple[int, int] | None = None
    overage: tuple[Overage | None, Overage | None] | None = None
    ends_at: tuple[Instant | None, Instant | None] | None = None


class CancelledSchedule(msgspec.Struct):
    ends_at: tuple[Instant | None, Instant] | None = None


class ClockFacts(msgspec.Struct):
    name: str | None
    frozen_at: Instant
    target: Instant | None


def _settle(telling: Telling) -> Iterator[Told]:
    """What time did: grants in the order of their instants, then the holds that came to their end."""
    yield from moves(telling)
    kind = telling.kind
    facts = msgspec.json.decode(telling.operation.facts, type=SettleFacts)
    for hold, (at, held) in facts.holds.items():
        shown = wire_events.HoldEnded(
            hold=spell(HOLD_PREFIX, Id(bytes.fromhex(hold))),
            entitlement=kind.code,
            amount=decimal(held, kind.scale),
            ended_at=text_of(at),
        )
        yield "hold.expired", shown, [entry for entry in telling.entries if entry.at <= at]


# Schedules -----------------------------------------------------------------------------------------


def _schedule(telling: Telling) -> Schedule:
    assert telling.schedule is not None
    return telling.schedule


def _as_made(telling: Telling) -> wire_schedules.Schedule:
    """The schedule as it was before its first cycle."""
    assert telling.owner is not None
    facts = msgspec.json.decode(telling.operation.facts, type=ScheduleFacts)
    made = msgspec.structs.replace(
        _schedule(telling),
        amount=facts.amount,
        ends_at=facts.ends_at,
        overage=facts.overage,
        change=None,
        state=ScheduleState.ACTIVE,
        cycle=None,
        cycle_at=None,
        ended_at=None,
        updated_at=telling.operation.at,
    )
    recurring.take_up(made, telling.operation.at)
    return shapes.shown_of(made, telling.owner, telling.kind)


def _create_schedule(telling: Telling) -> Iterator[Told]:
    """What it grants at once is a cycle of its own, and told with that."""
    yield "schedule.created", _as_made(telling), ()


def _amend_schedule(telling: Telling) -> Iterator[Told]:
    kind = telling.kind
    changed = msgspec.json.decode(telling.operation.changed, type=AmendedSchedule)
    shown: dict[str, list[Any]] = {}
    for name, amounts in (("amount", changed.amount), ("next_amount", changed.change)):
        if amounts is not None:
            shown[name] = [decimal(units, kind.scale) for units in amounts]
    if changed.overage is not None:
        shown["overage"] = [
            None if rule is None else render.overage(rule, kind.scale) for rule in changed.overage
        ]
    if changed.ends_at is not None:
        shown["ends_at"] = [render.optional_time(each) for each in changed.ends_at]
    told = wire_events.ScheduleAmended(
        schedule=telling.subject(SCHEDULE_PREFIX), entitlement=kind.code, changed=shown
    )
    yield "schedule.amended", told, ()
    yield from moves(telling)


def _turned(name: str) -> Tell:
    def tell(telling: Telling) -> Iterator[Told]:
        shown = wire_events.ScheduleTurned(
            schedule=telling.subject(SCHEDULE_PREFIX), entitlement=telling.kind.code
        )
        yield name, shown, ()
        yield from moves(telling)

    return tell


def _cancel_schedule(telling: Telling) -> Iterator[Told]:
    """At once, or with the running cycle: then it ends when that does."""
    changed = msgspec.json.decode(telling.operation.changed, type=CancelledSchedule)
    ends_at = telling.operation.at if changed.ends_at is None else changed.ends_at[1]
    shown = wire_events.ScheduleCancelled(
        schedule=telling.subject(SCHEDULE_PREFIX),
        entitlement=telling.kind.code,
        ends_at=text_of(ends_at),
    )
    yield "schedule.cancelled", shown, ()
    yield from moves(telling)


def _cycle(telling: Telling) -> Iterator[Told]:
    """The end of the last cycle and what the next gives, by its entries; then what it means."""
    yield from moves(telling)
    facts = msgspec.json.decode(telling.operation.facts, type=CycleFacts)
    name, entitlement = telling.subject(SCHEDULE_PREFIX), telling.kind.code
    if facts.ended:
        ended = wire_events.ScheduleEnded(
            schedule=name, entitlement=entitlement, cycle=facts.number
        )
        yield "schedule.ended", ended, telling.entries
        return
    assert facts.number is not None
    ends_at = schedules.cycle_ends_at(_schedule(telling), facts.number)
    shown = wire_events.ScheduleCycle(
        schedule=name,
        entitlement=entitlement,
        cycle=facts.number,
        amount=total(telling.entries, EntryKind.GRANTED, telling.kind),
        ends_at=render.optional_time(ends_at),
    )
    yield (
        "schedule.cycle_skipped" if facts.skipped else "schedule.cycle_started",
        shown,
        telling.entries,
    )


# Test clocks ---------------------------------------------------------------------------------------


def _clock(name: str) -> Tell:
    def tell(telling: Telling) -> Iterator[Told]:
        facts = msgspec.json.decode(telling.operation.facts, type=ClockFacts)
        shown = wire_events.ClockTold(
            test_clock=telling.subject(CLOCK_PREFIX),
            name=facts.name,
            frozen_at=text_of(facts.frozen_at),
            target=render.optional_time(facts.target),
        )
        yield name, shown, ()

    return tell


TOLD: dict[str, Tell] = {
    "settle": _settle,
    "create_schedule": _create_schedule,
    "amend_schedule": _amend_schedule,
    "pause_schedule": _turned("schedule.paused"),
    "resume_schedule": _turned("schedule.resumed"),
    "cancel_schedule": _cancel_schedule,
    "cycle": _cycle,
    "test_clock": _clock("test_clock.created"),
    "test_clock_for": _clock("test_clock.created"),
    "advance_test_clock": _clock("test_clock.advancing"),
    "end_advance": _clock("test_clock.ready"),
    "delete_test_clock": _clock("test_clock.deleted"),
}
