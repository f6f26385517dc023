"""What a customer used in a time that no rate knows of: the events of that time, counted anew."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

import msgspec

from drawdown.core.errors import FieldInvalid
from drawdown.core.types import Id, Instant
from drawdown.core.usage import meters
from drawdown.core.usage.meters import Aggregation, Contribution, Measure, Tally
from drawdown.core.usage.properties import Properties
from drawdown.core.usage.quantities import Quantity
from drawdown.core.usage.records import Charge

_ADDITIVE = frozenset({Aggregation.COUNT, Aggregation.SUM})


class Span(msgspec.Struct, frozen=True):
    """A customer's events from ``start`` up to but without ``end``, as a measure counts them.

    ``without``: all of them but that one.
    """

    customer: Id
    measure: Measure
    start: Instant
    end: Instant
    without: Id | None = None


class Used(msgspec.Struct, frozen=True, gc=False):
    """An event as it is counted: when the use was, the event's id, what it says and what it was charged."""

    time: Instant
    event: Id
    properties: Properties
    charges: tuple[Charge, ...] = ()


class Use(msgspec.Struct, frozen=True):
    """What the events of a span come to. ``paid``: what was drawn for them at once, by code of entitlement.

    That is in units, overage included. ``quantity`` is in steps of 10**-12, and never below zero; ``tally``
    is as it is. ``latest``: what the last of the events that count contributes, by time and then by id.
    """

    quantity: Quantity = Quantity(0)
    paid: dict[str, int] = {}
    tally: Tally = Tally()
    latest: Contribution | None = None


class Counting:
    """What a span comes to, counted bit by bit: any order, each event once."""

    def __init__(self, span: Span) -> None:
        self._span = span
        self._tally, self._seen, self._paid = Tally(), Counter[bytes](), Counter[str]()
        self._last: Contribution | None = None
        self._windows: dict[int, Used] = {}

    def take(self, events: Iterable[Used]) -> None:
        """Events of the span's name and time."""
        others = (each for each in events if each.event != self._span.without)
        if self._span.measure.window is None:
            self._count(others)
        else:
            self._keep_latest(others, self._span.measure.window)

    def use(self) -> Use:
        if self._windows:
            self._count(self._windows.values())
            self._windows = {}
        return Use(
            Quantity(max(self._tally.quantity, 0)),
            {code: units for code, units in self._paid.items() if units},
            self._tally,
            self._last,
        )

    def _count(self, events: Iterable[Used]) -> None:
        measure, last, seen = self._span.measure, self._last, self._seen
        adds = measure.aggregation in _ADDITIVE
        total, count, below = 0, 0, 0
        for each in events:
            found = contribution(measure, each.time, each.event, each.properties)
            if found is None:
                continue
            if adds:  # a tally for each would take as long as all the rest
                total, count = total + found.quantity, count + 1
                below += found.quantity < 0
            else:
                self._tally = meters.add(measure, self._tally, found, seen)
                seen[found.value] += bool(found.value)
            if last is None or last.time <= found.time:
                last = found if last is None else later(last, found)
            for charge in each.charges:
                self._paid[charge.entitlement] += charge.paid
        self._last = last
        if count:
            before = self._tally
            self._tally = Tally(
                Quantity(before.quantity + total), before.events + count, before.holders + below
            )

    def _keep_latest(self, events: Iterable[Used], window: int) -> None:
        """Of the events that count in each window."""
        latest = self._windows
        for each in events:
            if contribution(self._span.measure, each.time, each.event, each.properties) is None:
                continue
            known = latest.get(each.time // window)
            if known is None or (known.time, known.event) < (each.time, each.event):
                latest[each.time // window] = each


def use_of(span: Span, events: Iterable[Used]) -> Use:
    """What events of a span's name and time come to."""
    counting = Counting(span)
    counting.take(events)
    return counting.use()


def contribution(
    measure: Measure, time: Instant, event: Id, properties: Properties
) -> Contribution | None:
    """What an event is to a measure; one without the number that it is of is not counted.

    Where no rate counts usage, nobody has asked for that number when the event was taken.
    """
    try:
        return meters.contribution(measure, time, event, properties)
    except FieldInvalid:
        return None


def later(one: Contribution, other: Contribution) -> Contribution:
    """The latest, by time and then by the event's id."""
    return other if (one.time, one.event) < (other.time, other.event) else one
