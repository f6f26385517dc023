"""What a customer used in a time that no rate knows of: the events of that time, counted anew."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

import msgspec

from drawdown.core.errors import FieldInvalid
from drawdown.core.types import Id, Instant
from drawdown.core.usage import meters
from drawdown.core.usage.meters import Contribution, Measure, Tally
from drawdown.core.usage.properties import Properties
from drawdown.core.usage.quantities import Quantity
from drawdown.core.usage.records import Charge


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


def use_of(span: Span, events: Iterable[Used]) -> Use:
    """Count events of a span's name and time; any order, each once."""
    measure, others = span.measure, (each for each in events if each.event != span.without)
    kept = others if measure.window is None else _latest(measure, others, measure.window)
    tally, seen, paid = Tally(), Counter[bytes](), Counter[str]()
    latest: Contribution | None = None
    for each in kept:
        found = contribution(measure, each.time, each.event, each.properties)
        if found is not None:
            tally = meters.add(measure, tally, found, seen)
            seen[found.value] += bool(found.value)
            latest = found if latest is None else later(latest, found)
            for charge in each.charges:
                paid[charge.entitlement] += charge.paid
    return Use(
        Quantity(max(tally.quantity, 0)),
        {code: units for code, units in paid.items() if units},
        tally,
        latest,
    )


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


def _latest(measure: Measure, events: Iterable[Used], window: int) -> Iterable[Used]:
    """Of the events that count in each window."""
    latest: dict[int, Used] = {}
    for each in events:
        if contribution(measure, each.time, each.event, each.properties) is None:
            continue
        known = latest.get(each.time // window)
        if known is None or (known.time, known.event) < (each.time, each.event):
            latest[each.time // window] = each
    return latest.values()
