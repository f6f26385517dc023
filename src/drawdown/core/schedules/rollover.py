"""What of a grant is carried on, and what is lost: pure arithmetic, one grant at a time.

The terms are a schedule's, at the end of its cycles; or the grant's own, at its own end.
"""

from __future__ import annotations

import msgspec

from drawdown.core import amounts
from drawdown.core.commands import RolloverTerms
from drawdown.core.schedules import calendar
from drawdown.core.schedules.calendar import Every
from drawdown.core.schedules.terms import TRIAL, CycleExpiry, Rollover, Schedule
from drawdown.core.types import Entitlement, EntryKind, Grant, Instant


class Turn(msgspec.Struct, frozen=True):
    """What becomes of a grant at an end: ``carried`` units go on, the rest ends as ``ends`` says.

    ``ends`` None: the rest stays, by the grant's own expiry.
    """

    carried: int
    ends: EntryKind | None


def has_turn(schedule: Schedule, grant: Grant, at: Instant) -> bool:
    """Whether a grant of the schedule is to be carried or ended as the running cycle ends at ``at``.

    A cycle's own credit is, once, at its end. What was carried with a time to live is when that is over;
    without one it is at the end of every cycle.
    """
    if grant.remaining == 0 or grant.expired_at is not None or grant.voided_at is not None:
        return False
    if grant.generation:
        return grant.expires_at is None or grant.expires_at <= at
    return schedule.cycle_at is not None and grant.created_at >= schedule.cycle_at


def turn(schedule: Schedule, grant: Grant) -> Turn:
    """What becomes of a grant that has its turn. What is held is neither carried nor ended yet."""
    trial = schedule.trial
    if schedule.cycle == TRIAL and trial is not None and trial.expires and not grant.generation:
        return Turn(0, EntryKind.EXPIRED)
    ends_now = schedule.expires is CycleExpiry.CYCLE_END or (
        grant.generation > 0 and grant.expires_at is not None
    )
    return turn_by(schedule.rollover, grant, EntryKind.EXPIRED if ends_now else None)


def turn_by(rollover: Rollover | None, grant: Grant, ends: EntryKind | None) -> Turn:
    """What becomes of a grant by some terms. ``ends``: how the rest does. At the limit all is forfeited."""
    limit = None if rollover is None else rollover.generations_max
    if limit is not None and grant.generation >= limit:
        return Turn(0, EntryKind.FORFEITED)
    return Turn(0 if rollover is None else carried_of(rollover, grant.free), ends)


def carried_of(rollover: Rollover, free: int) -> int:
    """The share of ``free`` units that is carried, truncated; all of it or nothing within the bounds."""
    carried = free * rollover.percentage // 100
    if rollover.minimum is not None and carried < rollover.minimum:
        return 0
    return carried if rollover.maximum is None else min(carried, rollover.maximum)


def rollover_of(terms: RolloverTerms | None, entitlement: Entitlement) -> Rollover | None:
    """The terms in units; what is carried lives by the entitlement's rule where they do not say."""
    days = entitlement.expires_after_days
    if terms is None:
        return None
    timeframe = terms.timeframe
    if timeframe is None and days is not None:
        timeframe = Every(calendar.CalendarUnit.DAY, days)
    minimum, maximum = (
        None if amount is None else amounts.to_units(amount, entitlement.scale, field)
        for amount, field in (
            (terms.minimum, "rollover.minimum"),
            (terms.maximum, "rollover.maximum"),
        )
    )
    return Rollover(
        percentage=terms.percentage,
        generations_max=terms.generations_max,
        timeframe=timeframe,
        minimum=minimum,
        maximum=maximum,
    )


def as_written(terms: msgspec.Struct) -> dict[str, object]:
    """Terms that are a part of what was asked for, as an operation keeps them: amounts as text."""
    return {
        field: str(value) if isinstance(value, amounts.Amount) else value
        for field, value in msgspec.structs.asdict(terms).items()
    }
