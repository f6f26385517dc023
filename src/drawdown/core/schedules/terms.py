"""Recurring grants: what a schedule says, and when each of its cycles begins.

Cycles are numbered from 1; a trial is number 0. The first begins when the schedule does, or when its trial
ends, and may be shorter than the others: every later one begins where the calendar says (``calendar``),
counted from the anchor. A number always means the same stretch of time, also where cycles are skipped, so
that a cycle's operation and grant, whose ids follow from it, come into being once.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum

import msgspec

from drawdown.core.errors import FieldInvalid
from drawdown.core.identity import nth
from drawdown.core.schedules import calendar
from drawdown.core.schedules.calendar import Cadence, Every
from drawdown.core.times import INSTANT_MAX
from drawdown.core.types import (
    DAY,
    Category,
    CostBasis,
    Id,
    Instant,
    Metadata,
    Overage,
    Scope,
)

#: Schedules of one wallet that are neither ended nor cancelled.
SCHEDULES_LIVE_MAX = 100
GENERATIONS_MAX = 1_000
TRIAL = 0
#: What the end of a schedule's last cycle is counted as: no cycle that can be written has the number.
_END = (1 << 24) - 1


class ScheduleState(StrEnum):
    """Where a schedule is in its life. Cancelled and ended are ends."""

    ACTIVE = "active"
    PAUSED = "paused"
    CANCELLED = "cancelled"
    ENDED = "ended"


class CycleExpiry(StrEnum):
    """When what is left of a cycle's grant is written off."""

    CYCLE_END = "cycle_end"
    AFTER_DAYS = "after_days"
    NEVER = "never"


class Trial(msgspec.Struct, frozen=True, kw_only=True):
    """A first cycle with an amount (in units) and an end of its own.

    ``expires``: at its end its credit is written off; else it ends as any cycle's does.
    """

    amount: int
    ends_at: Instant
    expires: bool = True


class Rollover(msgspec.Struct, frozen=True, kw_only=True):
    """What of free credit is carried on, in units, grant by grant (``rollover``): into the next cycle, or
    where a grant has terms of its own into a new grant at its end.

    ``percentage`` is whole, 1 to 100. Less than ``minimum`` carries nothing, more than ``maximum`` that.
    Credit is carried ``generations_max`` times at most. ``timeframe`` is how long what was carried lives;
    without it, for ever, or until a later cycle ends.
    """

    percentage: int = 100
    generations_max: int | None = None
    timeframe: Every | None = None
    minimum: int | None = None
    maximum: int | None = None


class Schedule(msgspec.Struct, kw_only=True):
    """A grant of ``amount`` units at the beginning of every cycle.

    ``first`` is the calendar's number of cycle 1. ``cycle`` is the number of the one that runs, or ran or was
    skipped last, and ``cycle_at`` is when the one that runs was played. ``next_at`` is when time changes the
    schedule next: None when it never will. ``change`` is the amount from the next cycle on. ``ends_at`` is
    the end of its last cycle. ``cost_basis`` is of each cycle's grant, ``currency`` the entitlement's.
    ``overage`` is its wallet's rule from its first cycle to its end, in place of the entitlement's.
    """

    id: Id
    customer: Id
    entitlement: Id
    amount: int
    cadence: Cadence
    first: int
    starts_at: Instant
    created_at: Instant
    updated_at: Instant
    recorded_at: Instant
    priority: int
    category: Category
    ends_at: Instant | None = None
    trial: Trial | None = None
    expires: CycleExpiry = CycleExpiry.CYCLE_END
    expires_after_days: int | None = None
    rollover: Rollover | None = None
    currency: str | None = None
    cost_basis: CostBasis | None = None
    scope: Scope = {}
    name: str | None = None
    metadata: Metadata = {}
    state: ScheduleState = ScheduleState.ACTIVE
    cycle: int | None = None
    cycle_at: Instant | None = None
    next_at: Instant | None = None
    change: int | None = None
    overage: Overage | None = None
    ended_at: Instant | None = None

    @property
    def is_live(self) -> bool:
        return self.state is ScheduleState.ACTIVE or self.state is ScheduleState.PAUSED

    @property
    def due_at(self) -> Instant | None:
        return self.next_at

    def is_over_by(self, at: Instant) -> bool:
        """Whether its last cycle has ended by ``at``."""
        return self.ends_at is not None and self.ends_at <= at

    @property
    def lowest(self) -> int:
        """The number of the first cycle there is."""
        return 1 if self.trial is None else TRIAL

    @property
    def next_number(self) -> int:
        return self.lowest if self.cycle is None else self.cycle + 1

    def begins_at(self, number: int) -> Instant | None:
        """When the cycle of a number begins; None where no instant can be written for it."""
        if number == self.lowest:
            return self.starts_at
        if number == 1 and self.trial is not None:
            return self.trial.ends_at
        return calendar.occurrence(self.cadence, self.first + number - 1)

    def amount_of(self, number: int) -> int:
        """What the cycle of a number gives."""
        if number == TRIAL and self.trial is not None:
            return self.trial.amount
        return self.amount if self.change is None else self.change

    def cycle_id(self, number: int) -> Id:
        """The id of the operation that plays a cycle: the same in any process, at any time."""
        return nth(self.id, number)

    def end_id(self) -> Id:
        """The id of the operation that ends the schedule's last cycle."""
        return nth(self.id, _END)


def override_of(found: Iterable[Schedule]) -> Overage | None:
    """The rule for overage that a wallet's schedules say: that of the newest that has begun and has one."""
    ruling = [
        (schedule.created_at, schedule.id, schedule.overage)
        for schedule in found
        if schedule.overage is not None and schedule.is_live and schedule.cycle is not None
    ]
    return max(ruling, key=lambda place: place[:2])[2] if ruling else None


def first_number(cadence: Cadence, regular_at: Instant) -> int:
    """The calendar's number of the cycle in which the first regular one begins."""
    found = calendar.cycle_at(cadence, regular_at)
    assert found is not None, "the instant was checked"
    return found.number


def number_at(schedule: Schedule, at: Instant) -> int:
    """The number of the cycle in which ``at`` lies, which is not before the schedule's start."""
    if schedule.trial is not None and at < schedule.trial.ends_at:
        return TRIAL
    found = calendar.cycle_at(schedule.cadence, at)
    assert found is not None, "the instant was checked"
    return max(1, found.number - schedule.first + 1)


def next_number_from(schedule: Schedule, at: Instant) -> int | None:
    """The number of the first cycle not yet begun that begins at ``at`` or later; None when there is none."""
    lowest = schedule.next_number
    for number in range(lowest, 2):
        begins_at = schedule.begins_at(number)
        if begins_at is not None and begins_at >= at:
            return number
    found = calendar.first_at_or_after(schedule.cadence, at)
    return None if found is None else max(lowest, 2, found[0] - schedule.first + 1)


def bounded(schedule: Schedule, at: Instant | None) -> Instant | None:
    """``at``, or the schedule's end where that comes first."""
    if schedule.ends_at is None:
        return at
    return schedule.ends_at if at is None else min(at, schedule.ends_at)


def cycle_ends_at(schedule: Schedule, number: int) -> Instant | None:
    """When the cycle of a number ends: as the next begins, or with the schedule."""
    return bounded(schedule, schedule.begins_at(number + 1))


def grant_expires_at(schedule: Schedule, number: int, at: Instant) -> Instant | None:
    """When a grant that the cycle of a number gives at ``at`` expires."""
    trial = schedule.trial
    if number == TRIAL and trial is not None and trial.expires:
        return trial.ends_at
    if schedule.expires is CycleExpiry.CYCLE_END:
        return cycle_ends_at(schedule, number)
    if schedule.expires_after_days is None:
        return None
    return Instant(min(at + schedule.expires_after_days * DAY, INSTANT_MAX))


def carried_expires_at(rollover: Rollover | None, at: Instant, zone: str = "UTC") -> Instant | None:
    """When credit that is carried over at ``at`` expires: on the clocks of a schedule's zone, or in UTC."""
    if rollover is None or rollover.timeframe is None:
        return None
    return calendar.occurrence(Cadence(at, zone, rollover.timeframe), 1)


def check(schedule: Schedule) -> None:
    """Raises ``FieldInvalid`` for a schedule that cannot be. Its cadence was checked before."""
    if schedule.ends_at is not None and schedule.ends_at <= schedule.starts_at:
        raise FieldInvalid("ends_at", "later than starts_at")
    _check_trial(schedule)
    _check_expiry(schedule)
    if schedule.rollover is not None:
        check_rollover(schedule.rollover)


def _check_trial(schedule: Schedule) -> None:
    trial = schedule.trial
    if trial is None:
        return
    if trial.ends_at <= schedule.starts_at:
        raise FieldInvalid("trial.ends_at", "later than starts_at")
    if schedule.ends_at is not None and trial.ends_at > schedule.ends_at:
        raise FieldInvalid("trial.ends_at", "no later than ends_at")


def _check_expiry(schedule: Schedule) -> None:
    days = schedule.expires_after_days
    after_days = schedule.expires is CycleExpiry.AFTER_DAYS
    if after_days != (days is not None):
        raise FieldInvalid(
            "expires_after_days", "given where expires is after_days, and only there"
        )
    if days is not None and not 1 <= days <= 36_500:
        raise FieldInvalid("expires_after_days", "a whole number of days from 1 to 36500")


def check_rollover(rollover: Rollover) -> None:
    """Raises ``FieldInvalid``."""
    if not 1 <= rollover.percentage <= 100:
        raise FieldInvalid("rollover.percentage", "a whole number from 1 to 100")
    generations = rollover.generations_max
    if generations is not None and not 1 <= generations <= GENERATIONS_MAX:
        raise FieldInvalid(
            "rollover.generations_max", f"a whole number from 1 to {GENERATIONS_MAX}"
        )
    timeframe = rollover.timeframe
    if timeframe is not None and not 1 <= timeframe.count <= calendar.EVERY_MAX:
        rule = f"a whole number from 1 to {calendar.EVERY_MAX}"
        raise FieldInvalid("rollover.timeframe.count", rule)
    if (
        rollover.minimum is not None
        and rollover.maximum is not None
        and rollover.minimum > rollover.maximum
    ):
        raise FieldInvalid("rollover.minimum", "no more than rollover.maximum")
