"""Auto top-up: when credit runs low somebody is asked to take a payment, and what was paid is granted.

A wallet has one rule at most, and one request in flight at most. Everything here is a pure function of the
rule, of where it stands, and of the time:

- At or below the threshold credit is asked for, unless a request is in flight. The end of a request, however
  it ended, begins the cool-down; until that is over nothing is asked for.
- A cap is over a day, a week (from Monday) or a month of the calendar in UTC. What is left of it is asked for
  exactly. A request counts from when it was made, in the period in which it was made, until it is told that
  it failed: of one that was never answered nobody knows whether it was paid. So what is paid for the requests
  of a period is never more than the cap, whenever it is paid.
- After ``attempts_max`` requests in a row that were not paid the rule stops asking, until a request is
  confirmed or another rule takes its place.
- What waits comes due: the end of the cool-down, and of a period whose cap was reached. So an empty wallet,
  whose debits are all refused, is asked for again nevertheless.
"""

from __future__ import annotations

from enum import StrEnum

import msgspec

from drawdown.core import amounts, currencies
from drawdown.core.times import INSTANT_MAX, instant_of, moment_of
from drawdown.core.types import (
    DAY,
    MICROSECONDS,
    UNITS_MAX,
    CostBasis,
    Id,
    Instant,
    Metadata,
    UnitPrice,
)

COOL_DOWN_DEFAULT = 5 * 60 * MICROSECONDS
COOL_DOWN_MIN = 60 * MICROSECONDS
COOL_DOWN_MAX = 31 * DAY
ANSWER_WITHIN_DEFAULT = DAY
ANSWER_WITHIN_MIN = 60 * MICROSECONDS
ANSWER_WITHIN_MAX = 31 * DAY
ATTEMPTS_DEFAULT = 3
ATTEMPTS_MAX = 100
#: The first Monday there is; weeks begin on it.
_MONDAY = 4 * DAY
_WEEK = 7 * DAY


class CapPeriod(StrEnum):
    """Over what a cap is counted."""

    DAY = "day"
    WEEK = "week"
    MONTH = "month"


class Cap(msgspec.Struct, frozen=True):
    """At most so many units are asked for in each period."""

    amount: int
    per: CapPeriod


class TopUp(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A wallet's rule, which never changes. It asks for ``amount`` units, or for what lacks to ``target``.

    ``cool_down`` and ``answer_within`` are microseconds: the pause between requests, and how long one waits
    for its answer. ``price_per_unit`` is what is paid for one where the entitlement is no currency; ``scale``
    and ``currency`` are the entitlement's. The rest is of the grants that are paid for; without days those
    expire by the entitlement's rule.
    """

    id: Id
    customer: Id
    entitlement: Id
    threshold: int
    scale: int
    created_at: Instant
    recorded_at: Instant
    currency: str | None = None
    amount: int | None = None
    target: int | None = None
    cap: Cap | None = None
    cool_down: int = COOL_DOWN_DEFAULT
    answer_within: int = ANSWER_WITHIN_DEFAULT
    attempts_max: int = ATTEMPTS_DEFAULT
    price_per_unit: UnitPrice | None = None
    priority: int | None = None
    expires_after_days: int | None = None
    name: str | None = None
    metadata: Metadata = {}
    closed_at: Instant | None = None


class TopUpState(StrEnum):
    """Whether a rule asks for credit: not if it has stopped (``Standing.is_stopped``), or is closed."""

    ACTIVE = "active"
    STOPPED = "stopped"
    CLOSED = "closed"


class RequestState(StrEnum):
    """Where a request is in its life. It may be paid for after it has failed or expired, and once at most."""

    OPEN = "open"
    CONFIRMED = "confirmed"
    FAILED = "failed"
    EXPIRED = "expired"


class TopUpRequest(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """That somebody take a payment for ``amount`` units, which are granted when he says that he has.

    ``available`` is what there was when it was made. ``cost_basis`` is what is to be paid, where that is
    known. ``ended_at`` is when it was answered last, or expired; ``grant`` what was granted for it.
    """

    id: Id
    top_up: Id
    customer: Id
    entitlement: Id
    amount: int
    available: int
    requested_at: Instant
    recorded_at: Instant
    expires_at: Instant
    cost_basis: CostBasis | None = None
    state: RequestState = RequestState.OPEN
    ended_at: Instant | None = None
    reference: str | None = None
    reason: str | None = None
    grant: Id | None = None


class Counted(msgspec.Struct, frozen=True):
    """What was asked for in the period that began at ``start``, but for what failed."""

    start: Instant
    units: int


class Standing(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Where a wallet's top-up stands: its rule, the request in flight, and what came of those before.

    ``unpaid`` counts requests in a row that were not paid. ``ready_at`` ends the cool-down, ``again_at`` is
    when to look again though nothing has moved. ``counted`` is of every period, whatever the rule's, so that
    another rule goes on counting. ``capped_in`` is the start of the period whose cap has been told of.
    """

    rule: TopUp | None = None
    request: TopUpRequest | None = None
    unpaid: int = 0
    ready_at: Instant = Instant(0)
    again_at: Instant | None = None
    counted: dict[CapPeriod, Counted] = {}
    capped_in: Instant | None = None

    @property
    def due_at(self) -> Instant | None:
        """When time alone changes something of it; None when it never will."""
        return self.again_at if self.request is None else self.request.expires_at

    @property
    def is_stopped(self) -> bool:
        """Whether too many requests in a row were not paid."""
        return self.rule is not None and self.unpaid >= self.rule.attempts_max

    @property
    def attempts_left(self) -> int:
        return 0 if self.rule is None else max(self.rule.attempts_max - self.unpaid, 0)


class Level(msgspec.Struct, frozen=True):
    """What a wallet has. ``owed`` is what new credit repays at once, ``room`` the most it can take."""

    available: int
    owed: int
    room: int


class Verdict(msgspec.Struct, frozen=True):
    """Ask for ``units`` (0: for nothing), or look again at an instant. ``capped``: the cap leaves nothing."""

    units: int = 0
    again_at: Instant | None = None
    capped: bool = False


_NOTHING = Verdict()


def judge(standing: Standing, level: Level, at: Instant) -> Verdict:
    """What is to be done about a wallet at ``at``."""
    rule = standing.rule
    if rule is None or standing.request is not None or standing.is_stopped:
        return _NOTHING
    units = wanted(rule, level)
    if units <= 0:
        return _NOTHING
    if at < standing.ready_at:
        return Verdict(again_at=standing.ready_at)
    left = cap_left(standing, at)
    if left == 0:
        return Verdict(again_at=_cap_ends_at(rule, at), capped=True)
    return Verdict(units=units if left is None else min(units, left))


def wanted(rule: TopUp, level: Level) -> int:
    """How many units the rule asks for, whatever the cap: none above the threshold."""
    if level.available > rule.threshold:
        return 0
    units = rule.amount
    if units is None:
        assert rule.target is not None, "a rule has an amount or a target"
        units = rule.target - level.available + level.owed
    return min(units, level.room)


def cost_of(rule: TopUp, units: int) -> CostBasis | None:
    """What is to be paid for ``units``: a currency its face value, else as priced, truncated; or unknown."""
    if rule.currency is not None:
        return CostBasis(units, rule.currency)
    if rule.price_per_unit is None:
        return None
    price = amounts.parse(rule.price_per_unit.amount)
    assert price is not None, "a price was checked when it was taken"
    scale = currencies.scale_of(rule.price_per_unit.currency)
    cost = units * price.digits * 10**scale // 10 ** (rule.scale + price.places)
    return CostBasis(min(cost, UNITS_MAX), rule.price_per_unit.currency)


def cap_left(standing: Standing, at: Instant) -> int | None:
    """What may still be asked for in the period of ``at``; None where there is no cap."""
    cap = None if standing.rule is None else standing.rule.cap
    if cap is None:
        return None
    return max(cap.amount - _counted(standing, cap.per, at).units, 0)


def _cap_ends_at(rule: TopUp, at: Instant) -> Instant | None:
    assert rule.cap is not None
    return period_of(rule.cap.per, at)[1]


def cap_period(standing: Standing, at: Instant) -> Instant | None:
    """When the period of the cap began; None where there is no cap."""
    cap = None if standing.rule is None else standing.rule.cap
    return None if cap is None else period_of(cap.per, at)[0]


def period_of(per: CapPeriod, at: Instant) -> tuple[Instant, Instant | None]:
    """The beginning of the period that ``at`` lies in, and of the next; None where none can be written."""
    if per is CapPeriod.DAY:
        start = at - at % DAY
        end = start + DAY
    elif per is CapPeriod.WEEK:
        start = at - (at - _MONDAY) % _WEEK
        end = start + _WEEK
    else:
        first = moment_of(at).replace(day=1, hour=0, minute=0, second=0, microsecond=0)
        start = instant_of(first)
        if (first.year, first.month) == (9999, 12):
            return Instant(start), None
        following = (first.year + first.month // 12, first.month % 12 + 1)
        end = instant_of(first.replace(year=following[0], month=following[1]))
    return Instant(start), Instant(end) if end <= INSTANT_MAX else None


def _counted(standing: Standing, per: CapPeriod, at: Instant) -> Counted:
    start = period_of(per, at)[0]
    found = standing.counted.get(per)
    return found if found is not None and found.start == start else Counted(start, 0)


def asked(standing: Standing, request: TopUpRequest) -> Standing:
    """A request has been made: it is in flight, and counts in its day, its week and its month."""
    at = request.requested_at
    counted = {}
    for per in CapPeriod:
        before = _counted(standing, per, at)
        counted[per] = Counted(before.start, before.units + request.amount)
    return msgspec.structs.replace(standing, request=request, again_at=None, counted=counted)


def answered(
    standing: Standing, before: TopUpRequest, after: TopUpRequest, at: Instant
) -> Standing:
    """A request has been answered, or has expired at ``at``, also one that is in flight no more.

    One that failed does not count any more, unless it is paid for after that.
    """
    if after.state is RequestState.FAILED:
        standing = _recount(standing, before, -before.amount)
    elif before.state is RequestState.FAILED:
        standing = _recount(standing, before, before.amount)
    if after.state is RequestState.CONFIRMED:
        standing = msgspec.structs.replace(standing, unpaid=0)
    elif before.state is RequestState.OPEN:
        standing = msgspec.structs.replace(standing, unpaid=standing.unpaid + 1)
    if standing.request is None or standing.request.id != before.id:
        return standing
    pause = COOL_DOWN_DEFAULT if standing.rule is None else standing.rule.cool_down
    ready_at = Instant(min(at + pause, INSTANT_MAX))
    return msgspec.structs.replace(standing, request=None, ready_at=ready_at)


def _recount(standing: Standing, request: TopUpRequest, units: int) -> Standing:
    """Count more or less of a request, in those of its periods that are not over."""
    counted = dict(standing.counted)
    for per, found in standing.counted.items():
        if found.start == period_of(per, request.requested_at)[0]:
            counted[per] = Counted(found.start, found.units + units)
    return msgspec.structs.replace(standing, counted=counted)


def ruled(standing: Standing, rule: TopUp | None) -> Standing:
    """Another rule, or none, from now on. What is in flight stays so, and what was counted is."""
    again_at = None if rule is None else standing.again_at
    return msgspec.structs.replace(standing, rule=rule, unpaid=0, again_at=again_at, capped_in=None)


def state_of(rule: TopUp, standing: Standing) -> TopUpState:
    """Where a rule is in its life. Only the wallet's own may have stopped."""
    if rule.closed_at is not None:
        return TopUpState.CLOSED
    return TopUpState.STOPPED if standing.is_stopped else TopUpState.ACTIVE


def seen(request: TopUpRequest, now: Instant) -> TopUpRequest:
    """The request as it is at ``now``: one whose time is over is shown as expired; nothing is recorded."""
    if request.state is not RequestState.OPEN or request.expires_at > now:
        return request
    return msgspec.structs.replace(request, state=RequestState.EXPIRED, ended_at=request.expires_at)
