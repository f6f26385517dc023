"""What a customer used in a time that no rate knows of: the events of that time, counted anew."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

import msgspec

from drawdown.core.types import Id, Instant
from drawdown.core.usage import meters
from drawdown.core.usage.meters import Measure, Tally
from drawdown.core.usage.properties import Properties
from drawdown.core.usage.quantities import Quantity
from drawdown.core.usage.records import Charge


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
    """An event as it is counted: when the use was, the event's id, what it says and what it was charged."""

    time: Instant
    event: Id
    properties: Properties
    charges: tuple[Charge, ...] = ()


class Use(msgspec.Struct, frozen=True):
    """What the events of a span come to. ``paid``: what was drawn for them at once, by code of entitlement.

    That is in units, overage included. ``quantity`` is in steps of 10**-12, and never below zero.
    """

    quantity: Quantity = Quantity(0)
    paid: dict[str, int] = {}


def use_of(span: Span, events: Iterable[Used]) -> Use:
    """Count events of a span's name and time; any order, each once."""
    kept = events if span.window is None else _latest(events, span.window)
    tally, seen, paid = Tally(), Counter[bytes](), Counter[str]()
    for each in kept:
        found = meters.contribution(span.measure, each.time, each.event, each.properties)
        if found is not None:
            tally = meters.add(span.measure, tally, found, seen)
            seen[found.value] += bool(found.value)
            for charge in each.charges:
                paid[charge.entitlement] += charge.paid
    return Use(
        Quantity(max(tally.quantity, 0)), {code: units for code, units in paid.items() if units}
    )


def _latest(events: Iterable[Used], window: int) -> Iterable[Used]:
    latest: dict[int, Used] = {}
    for each in events:
        known = latest.get(each.time // window)
        if known is None or (known.time, known.event) < (each.time, each.event):
            latest[each.time // window] = each
    return latest.values()
