"""What another rule would have made of past usage: a customer's operations decided twice, and compared.

Up to ``since`` there is one history. From then on there are two: one by the rules as they were, which must be
what was recorded, entry by entry, and one by the changed rules. What was asked for is the same in both. What
was refused then left nothing behind and is asked for in neither.
"""

from __future__ import annotations

import copy
from collections import deque
from enum import StrEnum

import msgspec

from drawdown.core import burn
from drawdown.core.hindsight.changing import Change, apply
from drawdown.core.hindsight.recorded import DEMANDS
from drawdown.core.hindsight.replaying import Made, Replay, Replayed, World
from drawdown.core.types import (
    Category,
    Customer,
    Entitlement,
    Entry,
    EntryKind,
    Grant,
    Id,
    Instant,
    Operation,
)
from drawdown.core.usage.records import Event

#: So many of a customer's differences are told; all are counted.
DIFFERENCES_MAX = 20
_DRAWN = {
    EntryKind.DEBITED: 1,
    EntryKind.CAPTURED: 1,
    EntryKind.OVERAGE_REPAID: 1,
    EntryKind.REVERSED: -1,
}
_EXPIRED = {EntryKind.EXPIRED: 1, EntryKind.FORFEITED: 1, EntryKind.RESTORED: -1}
_OVERAGE = {EntryKind.OVERAGE_CHARGED: 1, EntryKind.OVERAGE_REVERSED: -1}
_OF_TIME = frozenset({"settle", "cycle"})
#: What time does by itself, which no operation of anybody's is about.
_TIMELY = frozenset({EntryKind.EXPIRED, EntryKind.FORFEITED, EntryKind.ROLLED_OUT})


class Figures(msgspec.Struct, kw_only=True):
    """What came of one kind of credit in a time, in units. ``by_grant``: what was drawn of each, net.

    ``shortfall`` is usage that neither credit nor overage covered; ``available`` and ``owed``, which is open
    overage, are as of the end.
    """

    by_grant: dict[Id, int] = {}
    expired: int = 0
    rolled_over: int = 0
    overage: int = 0
    shortfall: int = 0
    available: int = 0
    owed: int = 0

    @property
    def drawn(self) -> int:
        return sum(self.by_grant.values())

    def count(self, entry: Entry) -> None:
        kind = entry.kind
        if sign := _DRAWN.get(kind):
            drawn = self.by_grant.get(entry.grant, 0) + sign * entry.amount
            self.by_grant[entry.grant] = drawn
        self.expired += _EXPIRED.get(kind, 0) * entry.amount
        self.overage += _OVERAGE.get(kind, 0) * entry.amount
        if kind is EntryKind.ROLLED_OUT:
            self.rolled_over += entry.amount


class Drawn(msgspec.Struct, kw_only=True):
    """What was drawn of one category: ``cost`` by currency; of ``unpriced`` units no cost is known.

    What a part of a grant cost is its share of the grant's cost basis, cut off at the currency's last place.
    """

    units: int = 0
    unpriced: int = 0
    cost: dict[str, int] = {}

    def add(self, grant: Grant, units: int) -> None:
        self.units += units
        basis = grant.cost_basis
        if basis is None:
            self.unpriced += units
        elif basis.currency is not None:
            share = abs(units) * basis.amount // grant.amount
            paid = self.cost.get(basis.currency, 0) + (share if units > 0 else -share)
            self.cost[basis.currency] = paid

    def add_all(self, other: Drawn) -> None:
        self.units += other.units
        self.unpriced += other.unpriced
        for currency, paid in other.cost.items():
            self.cost[currency] = self.cost.get(currency, 0) + paid


class Summary(msgspec.Struct, kw_only=True):
    """The figures of one customer, or of several together."""

    drawn: dict[Category, Drawn] = {}
    expired: int = 0
    rolled_over: int = 0
    overage: int = 0
    shortfall: int = 0
    available: int = 0
    owed: int = 0

    @property
    def units(self) -> int:
        return sum(each.units for each in self.drawn.values())

    def add(self, other: Summary) -> None:
        for category, drawn in other.drawn.items():
            self.drawn.setdefault(category, Drawn()).add_all(drawn)
        self.expired += other.expired
        self.rolled_over += other.rolled_over
        self.overage += other.overage
        self.shortfall += other.shortfall
        self.available += other.available
        self.owed += other.owed


class Effect(msgspec.Struct, kw_only=True):
    """What came of one operation, or of time, in one history. ``draws`` are in the order drawn.

    ``refused`` is the code of a refusal.
    """

    draws: list[tuple[Id, int]] = []
    overage: int = 0
    uncovered: int = 0
    expired: int = 0
    rolled_over: int = 0
    refused: str | None = None

    @property
    def asked(self) -> int:
        """What the operation was to cost."""
        return sum(units for _, units in self.draws) + self.overage + self.uncovered


class Cause(StrEnum):
    """Why an operation would have ended otherwise: the first that applies."""

    REFUSED = "refused"
    COST = "cost"
    COVER = "cover"
    ORDER = "order"
    BEFORE = "before"
    TIME = "time"


class Difference(msgspec.Struct, kw_only=True):
    """``operation`` None: time alone did it, to ``grant``.

    ``placed_by`` says, of the cause ``order``, what of a grant now places it first (``burn.ORDER_NAMES``).
    """

    at: Instant
    kind: str
    cause: Cause
    before: Effect
    after: Effect
    operation: Id | None = None
    grant: Id | None = None
    placed_by: str | None = None


class Result(msgspec.Struct, kw_only=True):
    """What came of one customer. ``operations``: how many were about this kind of credit, time's among them.

    ``differences`` are the first of ``different``.
    """

    customer: Customer
    operations: int
    before: Summary
    after: Summary
    different: int
    differences: list[Difference]


class NotReproducible(Exception):
    """What was recorded is not what deciding it again comes to, so nothing is said of a change."""


class DryRun:
    """One customer's two histories. ``feed`` it all of his operations in their order, then ``end`` it."""

    def __init__(
        self,
        world: World,
        customer: Customer,
        entitlement: Entitlement,
        change: Change,
        since: Instant,
        until: Instant,
    ) -> None:
        self._customer, self._kind, self._change = customer, entitlement, change
        self._since, self._until = since, until
        self._before = _Side(Replay(world, customer), entitlement, since, until)
        self._after: _Side | None = None
        self._recorded = _Recorded()
        self._operations = 0
        self._different = 0
        self._differences: list[Difference] = []

    def feed(
        self,
        operation: Operation,
        entries: tuple[Entry, ...],
        event: Event | None = None,
        grant: Grant | None = None,
    ) -> None:
        """Decide an operation in both histories. Raises ``NotReproducible``."""
        if operation.at >= self._until:
            return
        if event is not None and event.revision:  # as it is kept, it is not what it was
            raise NotReproducible(operation.id)
        in_range = operation.at >= self._since
        if in_range and operation.entitlement in (None, self._kind.id):
            self._part(operation.recorded_at)
        before = self._before.feed(operation, event, grant)
        if before.error is not None:
            raise NotReproducible(operation.id)
        self._recorded.compare(operation, entries, before.made)
        self._operations += in_range and self._concerns(operation, entries)
        if self._after is not None:
            after = self._after.feed(operation, event, grant)
            self._compare(operation, before, after)

    def end(self, now: Instant) -> Result:
        """Let time do its work up to the end of the range, or up to ``now`` where that is earlier."""
        after = self._part(self._since)
        until = Instant(min(self._until - 1, now))
        for side in (self._before, after):
            side.settle(until)
        self._compare_times(after)
        self._differences.sort(key=lambda each: each.at)
        return Result(
            customer=self._customer,
            operations=self._operations,
            before=self._before.summary(),
            after=after.summary(),
            different=self._different,
            differences=self._differences[:DIFFERENCES_MAX],
        )

    def _concerns(self, operation: Operation, entries: tuple[Entry, ...]) -> bool:
        kind = self._kind.id
        return operation.entitlement == kind or any(each.entitlement == kind for each in entries)

    def _part(self, recorded_at: Instant) -> _Side:
        """From here on there are two histories. What was due before is played by the rules it was due by."""
        if self._after is None:
            self._after = copy.deepcopy(self._before)
            self._after.replay.settle(self._kind.id, Instant(self._since - 1), recorded_at)
            apply(self._after.replay, self._kind, self._change)
        return self._after

    def _compare(self, operation: Operation, before: Replayed, after: Replayed) -> None:
        assert self._after is not None
        was = self._before.effect(operation, before)
        would = self._after.effect(operation, after)
        if after.error is not None:
            would.refused = after.error.code
            would.uncovered = was.asked if operation.kind in DEMANDS else 0
        self._before.figures.shortfall += was.uncovered
        self._after.figures.shortfall += would.uncovered
        if was == would:
            return
        cause, placed_by = self._cause(was, would)
        self._note(
            Difference(
                at=operation.at,
                kind=operation.kind,
                cause=cause,
                before=was,
                after=would,
                operation=operation.id,
                placed_by=placed_by,
            )
        )

    def _cause(self, was: Effect, would: Effect) -> tuple[Cause, str | None]:
        if would.refused is not None:
            return Cause.REFUSED, None
        if was.asked != would.asked:
            return Cause.COST, None
        if (was.overage, was.uncovered) != (would.overage, would.uncovered):
            return Cause.COVER, None
        placed_by = self._placed_by(was, would) if self._change.burn_order is not None else None
        return (Cause.BEFORE if placed_by is None else Cause.ORDER), placed_by

    def _placed_by(self, was: Effect, would: Effect) -> str | None:
        """By what the first grant that is drawn otherwise now comes before the one in whose place it is."""
        assert self._after is not None
        wallet = self._after.replay.wallet(self._kind.id)
        pairs = zip(was.draws, would.draws, strict=False)
        first = next(((one[0], two[0]) for one, two in pairs if one[0] != two[0]), None)
        if wallet is None or first is None or not wallet.grants.keys() >= set(first):
            return None
        then, now = (wallet.grants[grant] for grant in first)
        if burn.order_of(then, wallet.burn_order) < burn.order_of(now, wallet.burn_order):
            return None
        return burn.decided_by(now, then, wallet.burn_order)

    def _compare_times(self, after: _Side) -> None:
        """What time did to each grant: when first, and how much of it in all."""
        was, would = self._before.times, after.times
        for grant in dict.fromkeys((*was, *would)):
            one, two = was.get(grant, Timely()), would.get(grant, Timely())
            if one.effect != two.effect:
                at = min(each.at for each in (one, two) if each.at)
                self._note(
                    Difference(
                        at=at,
                        kind="time",
                        cause=Cause.TIME,
                        before=one.effect,
                        after=two.effect,
                        grant=grant,
                    )
                )

    def _note(self, difference: Difference) -> None:
        """Operations come in their order, what time did comes at the end: the first of both are kept."""
        self._different += 1
        timely = difference.cause is Cause.TIME
        if timely or len(self._differences) < DIFFERENCES_MAX:
            self._differences.append(difference)


class Timely(msgspec.Struct):
    """What time did to a grant: from when on, and what came of it."""

    at: Instant = Instant(0)
    effect: Effect = msgspec.field(default_factory=Effect)


class _Side:
    """One of the two histories, and what came of it in the range."""

    def __init__(self, replay: Replay, kind: Entitlement, since: Instant, until: Instant) -> None:
        self.replay = replay
        self.figures = Figures()
        self.times: dict[Id, Timely] = {}
        self._kind, self._since, self._until = kind, since, until

    def feed(self, operation: Operation, event: Event | None, grant: Grant | None) -> Replayed:
        replayed = self.replay.feed(operation, event, grant)
        self._count(replayed.made, None if operation.kind in _OF_TIME else operation.id)
        return replayed

    def settle(self, at: Instant) -> None:
        self._count(self.replay.settle(self._kind.id, at, at).made, None)

    def _count(self, made: Made, asked: Id | None) -> None:
        """``asked`` is the operation that somebody asked for; what comes with it, time did."""
        for operation, entries in made:
            for entry in entries:
                if entry.entitlement == self._kind.id and self._since <= entry.at < self._until:
                    self.figures.count(entry)
                    if operation.id != asked and entry.kind in _TIMELY:
                        self._note_time(entry)

    def _note_time(self, entry: Entry) -> None:
        found = self.times.setdefault(entry.grant, Timely(at=entry.at))
        if entry.kind is EntryKind.ROLLED_OUT:
            found.effect.rolled_over += entry.amount
        else:
            found.effect.expired += entry.amount

    def effect(self, operation: Operation, replayed: Replayed) -> Effect:
        """What came of an operation itself: nothing of what time did."""
        found = Effect()
        if operation.kind in _OF_TIME:
            return found
        draws: dict[Id, int] = {}
        of_it = (entries for made, entries in replayed.made if made.id == operation.id)
        for entry in (entry for entries in of_it for entry in entries):
            if entry.entitlement != self._kind.id:
                continue
            if sign := _DRAWN.get(entry.kind):
                draws[entry.grant] = draws.get(entry.grant, 0) + sign * entry.amount
            found.overage += _OVERAGE.get(entry.kind, 0) * entry.amount
            found.expired += _EXPIRED.get(entry.kind, 0) * entry.amount
        found.draws = list(draws.items())
        found.uncovered = self._uncovered(operation)
        return found

    def _uncovered(self, operation: Operation) -> int:
        """What an event asks for and nothing pays."""
        event = self.replay.state.events.get(operation.id) if operation.kind == "usage" else None
        if event is None:
            return 0
        charges = (charge for charge in event.charges if charge.entitlement == self._kind.code)
        return sum(charge.uncovered for charge in charges)

    def summary(self) -> Summary:
        wallet, figures = self.replay.wallet(self._kind.id), self.figures
        drawn: dict[Category, Drawn] = {}
        for grant, units in figures.by_grant.items():
            assert wallet is not None, "what was drawn was there"
            known = wallet.grants[grant]
            drawn.setdefault(known.category, Drawn()).add(known, units)
        return Summary(
            drawn=drawn,
            expired=figures.expired,
            rolled_over=figures.rolled_over,
            overage=figures.overage,
            shortfall=figures.shortfall,
            available=0 if wallet is None else wallet.available,
            owed=0 if wallet is None else wallet.overage,
        )


class _Recorded:
    """Whether what is decided again is what was recorded: of each wallet, entry by entry.

    Time's work may come a little earlier than it was recorded: it waits for its entry.
    """

    def __init__(self) -> None:
        self._waiting: dict[Id, deque[Entry]] = {}

    def compare(self, operation: Operation, entries: tuple[Entry, ...], made: Made) -> None:
        for _, again in made:
            for entry in again:
                self._waiting.setdefault(entry.entitlement, deque()).append(entry)
        for entry in entries:
            waiting = self._waiting.get(entry.entitlement)
            if not waiting or _movement(waiting.popleft()) != _movement(entry):
                raise NotReproducible(operation.id)


def _movement(entry: Entry) -> tuple[object, ...]:
    return (
        entry.seq,
        entry.kind,
        entry.grant,
        entry.amount,
        entry.posted_after,
        entry.held_after,
        entry.overage_after,
        entry.grant_after,
        entry.at,
    )
