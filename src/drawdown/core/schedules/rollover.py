"""What of a grant is carried into the next cycle, and what is lost: pure arithmetic, one grant at a time."""

from __future__ import annotations

import msgspec

from drawdown.core.schedules.terms import TRIAL, CycleExpiry, Rollover, Schedule
from drawdown.core.types import EntryKind, Grant, Instant


class Turn(msgspec.Struct, frozen=True):
    """What becomes of a grant at its cycle's end: ``carried`` units go on, the rest ends as ``ends`` says.

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
    trial, rollover = schedule.trial, schedule.rollover
    if schedule.cycle == TRIAL and trial is not None and trial.expires and not grant.generation:
        return Turn(0, EntryKind.EXPIRED)
    limit = None if rollover is None else rollover.generations_max
    if limit is not None and grant.generation >= limit:
        return Turn(0, EntryKind.FORFEITED)
    carried = 0 if rollover is None else carried_of(rollover, grant.free)
    ends_now = schedule.expires is CycleExpiry.CYCLE_END or (
        grant.generation > 0 and grant.expires_at is not None
    )
    return Turn(carried, EntryKind.EXPIRED if ends_now else None)


def carried_of(rollover: Rollover, free: int) -> int:
    """The share of ``free`` units that is carried, truncated; all of it or nothing within the bounds."""
    carried = free * rollover.percentage // 100
    if rollover.minimum is not None and carried < rollover.minimum:
        return 0
    return carried if rollover.maximum is None else min(carried, rollover.maximum)
