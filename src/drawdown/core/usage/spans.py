"""What a customer used in a time that no rate knows of: the events of that time, counted anew."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

import msgspec

from drawdown.core.types import Id, Instant
from drawdown.core.usage import meters
from drawdown.core.usage.meters import Aggregation, Measure, Tally
from drawdown.core.usage.properties import Properties
from drawdown.core.usage.quantities import Quantity


class Span(msgspec.Struct, frozen=True):
    """A customer's events from ``start`` up to but without ``end``, as a measure counts them.

    ``window``, in microseconds: of the events in each so long time, from 1970 on, only the latest counts.
    """

    customer: Id
    measure: Measure
    start: Instant
    end: Instant
    window: int | None = None


class Used(msgspec.Struct, frozen=True, gc=False):
    """An event as it is counted: when the use was, the event's id, and what it says."""

    time: Instant
    event: Id
    properties: Properties


def tally_of(span: Span, events: Iterable[Used]) -> Tally:
    """What the events of a span's name and time come to; any order, each once."""
    kept = events if span.window is None else _latest(events, span.window)
    tally, seen = Tally(), Counter[bytes]()
    for each in kept:
        found = meters.contribution(span.measure, each.time, each.event, each.properties)
        if found is not None:
            tally = meters.add(span.measure, tally, found, seen)
            seen[found.value] += bool(found.value)
    return tally


def quantity_of(span: Span, tally: Tally) -> Quantity:
    """The number itself; of nothing, and of a sum below zero, it is 0."""
    if tally.events == 0:
        return Quantity(0)
    sums = span.measure.aggregation is Aggregation.SUM
    return Quantity(max(tally.quantity, 0)) if sums else tally.quantity


def _latest(events: Iterable[Used], window: int) -> Iterable[Used]:
    latest: dict[int, Used] = {}
    for each in events:
        known = latest.get(each.time // window)
        if known is None or (known.time, known.event) < (each.time, each.event):
            latest[each.time // window] = each
    return latest.values()
