"""Meters: usage events to one number for each customer, period and group, kept as they arrive.

    count     how many events
    sum       the sum of a property
    max       its greatest value
    last      its value in the latest event, by the time of use, then by the event's id
    unique    how many different values it has had

What is kept is a ``Tally`` of fixed size, and for ``unique`` one row for each different value: a hash and
how many events had it. Events that come twice are not added twice by whoever keeps them; one that is
replaced is taken out and its successor added. For ``count``, ``sum`` and ``unique`` that is exact from what
is kept. For ``max`` and ``last`` it is, too, unless the very event that set the number no longer does: then
``replace`` and ``remove`` answer None, and ``recount`` reads the group's events once, one at a time.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from enum import StrEnum
from hashlib import sha256
from types import MappingProxyType

import msgspec

from drawdown.core.errors import FieldInvalid
from drawdown.core.types import Instant
from drawdown.core.usage import quantities
from drawdown.core.usage.filters import Filter, matches
from drawdown.core.usage.properties import NAME_RULE, Properties, is_name, number_in, text_of
from drawdown.core.usage.quantities import ONE, QUANTITY_RULE, Quantity

GROUP_BY_MAX = 5
#: How many events have each value, by its hash: of every value at hand, 0 where none has it.
Seen = Mapping[bytes, int]
NOT_UNIQUE: Seen = MappingProxyType({})


class Aggregation(StrEnum):
    """How events become one number. ``count`` and ``sum`` are additive."""

    COUNT = "count"
    SUM = "sum"
    MAX = "max"
    LAST = "last"
    UNIQUE = "unique"


#: Those that may be of the latest event of each window alone.
_WINDOWED = frozenset({Aggregation.COUNT, Aggregation.SUM, Aggregation.LAST})


class Measure(msgspec.Struct, frozen=True, kw_only=True):
    """What a meter counts. It never changes: what was counted is counted by the same rule again.

    Event names match exactly. ``property`` is None for ``count`` only. ``case_sensitive`` is about the
    filter: groups and unique values always tell cases apart. ``window``, in microseconds: of a customer's
    events in each so long time, from 1970 on, only the latest counts; no rate counts such usage as it comes.
    """

    event_name: str
    aggregation: Aggregation
    property: str | None = None
    filter: Filter | None = None
    group_by: tuple[str, ...] = ()
    case_sensitive: bool = True
    window: int | None = None


class Contribution(msgspec.Struct, frozen=True):
    """What one event means to a measure. ``value``: the hash of what ``unique`` counts, else empty."""

    quantity: Quantity
    time: Instant
    event: bytes
    value: bytes = b""


class Tally(msgspec.Struct, frozen=True, array_like=True, omit_defaults=True):
    """What is kept of all events so far. ``quantity`` is the number itself, in steps of 10**-12.

    ``holders``: for ``max``, how many events have that value; for ``sum``, how many have one below zero.
    ``time`` and ``event``: for ``last``, which event it is from.
    """

    quantity: Quantity = Quantity(0)
    events: int = 0
    holders: int = 0
    time: Instant = Instant(0)
    event: bytes = b""


#: A tally as it is kept, at most about 130 bytes, and back.
to_bytes = msgspec.json.Encoder().encode
from_bytes = msgspec.json.Decoder(Tally).decode


def check(measure: Measure, field: str = "meter") -> None:
    """Raises ``FieldInvalid`` for a measure that cannot be; its filter was checked when it was read."""
    below = f"{field}." if field else ""
    if not is_name(measure.event_name):
        raise FieldInvalid(f"{below}event_name", NAME_RULE)
    counts = measure.aggregation is Aggregation.COUNT
    if counts and measure.property is not None:
        raise FieldInvalid(f"{below}property", "left out: a count is of events")
    if not counts and not is_name(measure.property):
        raise FieldInvalid(f"{below}property", NAME_RULE)
    if measure.window is not None and measure.aggregation not in _WINDOWED:
        raise FieldInvalid(f"{below}window", "left out, but for a count, a sum or a last value")
    names = measure.group_by
    if len(names) > GROUP_BY_MAX or len(set(names)) < len(names):
        raise FieldInvalid(f"{below}group_by", f"at most {GROUP_BY_MAX} different properties")
    for number, name in enumerate(names):
        if not is_name(name):
            raise FieldInvalid(f"{below}group_by[{number}]", NAME_RULE)


def contribution(
    measure: Measure, time: Instant, event: bytes, properties: Properties
) -> Contribution | None:
    """What an event of the measure's name contributes; None when the measure does not count it.

    ``event`` is its unique id. An event that passes the filter, but has not the number that a sum, maximum
    or last value is of, raises ``FieldInvalid``: usage is never lost unsaid. One without the property that
    ``unique`` counts has no value, and is not counted.
    """
    if measure.filter is not None and not matches(
        measure.filter, properties, case_sensitive=measure.case_sensitive
    ):
        return None
    if measure.aggregation is Aggregation.COUNT:
        return Contribution(ONE, time, event)
    assert measure.property is not None
    value = properties.get(measure.property)
    if measure.aggregation is Aggregation.UNIQUE:
        return None if value is None else Contribution(ONE, time, event, _hash(text_of(value)))
    quantity = number_in(value)
    if quantity is None:
        raise FieldInvalid(f"properties.{measure.property}", f"given, as {QUANTITY_RULE}")
    return Contribution(quantity, time, event)


def add(measure: Measure, tally: Tally, new: Contribution, seen: Seen = NOT_UNIQUE) -> Tally:
    """The tally with one more event.

    Raises ``FieldInvalid`` when a sum would leave the bounds of quantities.
    """
    events = tally.events + 1
    match measure.aggregation:
        case Aggregation.COUNT | Aggregation.SUM:
            return _moved(measure, tally, events, new.quantity, tally.holders + (new.quantity < 0))
        case Aggregation.MAX:
            return _raised(tally, new.quantity)
        case Aggregation.LAST:
            if tally.events and (new.time, new.event) < (tally.time, tally.event):
                return msgspec.structs.replace(tally, events=events)
            return Tally(new.quantity, events, 0, new.time, new.event)
        case Aggregation.UNIQUE:
            return _moved(measure, tally, events, 0 if seen[new.value] else ONE)


def remove(
    measure: Measure, tally: Tally, old: Contribution, seen: Seen = NOT_UNIQUE
) -> Tally | None:
    """The tally without an event that it has; None when what is kept does not say (see above)."""
    events = tally.events - 1
    if events == 0:
        return Tally()
    match measure.aggregation:
        case Aggregation.COUNT | Aggregation.SUM:
            below = tally.holders - (old.quantity < 0)
            return _moved(measure, tally, events, -old.quantity, below)
        case Aggregation.MAX:
            assert old.quantity <= tally.quantity
            holders = tally.holders - (old.quantity == tally.quantity)
            return Tally(tally.quantity, events, holders) if holders else None
        case Aggregation.LAST:
            if old.event == tally.event:
                return None
            return msgspec.structs.replace(tally, events=events)
        case Aggregation.UNIQUE:
            return _moved(measure, tally, events, -ONE if seen[old.value] == 1 else 0)


def replace(
    measure: Measure,
    tally: Tally,
    old: Contribution,
    new: Contribution,
    seen: Seen = NOT_UNIQUE,
) -> Tally | None:
    """The tally with ``new`` in place of ``old``, of the same event; None when ``recount`` must be asked."""
    match measure.aggregation:
        case Aggregation.COUNT | Aggregation.SUM:
            below = tally.holders + (new.quantity < 0) - (old.quantity < 0)
            return _moved(measure, tally, tally.events, new.quantity - old.quantity, below)
        case Aggregation.UNIQUE:
            after = seen_after(seen, old, new)
            fewer, more = after[old.value] == 0, seen[new.value] == 0
            return _moved(measure, tally, tally.events, (more - fewer) * ONE)
        case Aggregation.MAX if new.quantity >= tally.quantity == old.quantity:
            holders = tally.holders if new.quantity == old.quantity else 1
            return Tally(new.quantity, tally.events, holders)
        case Aggregation.LAST if old.event == tally.event and new.time >= old.time:
            return Tally(new.quantity, tally.events, 0, new.time, new.event)
    without = remove(measure, tally, old)
    return None if without is None else add(measure, without, new)


def seen_after(
    seen: Seen, old: Contribution | None = None, new: Contribution | None = None
) -> dict[bytes, int]:
    """The rows of ``seen`` after ``old`` has gone and ``new`` has come; one of 0 need not be kept."""
    after = dict(seen)
    if old is not None and old.value:
        after[old.value] -= 1
    if new is not None and new.value:
        after[new.value] += 1
    return after


def recount(measure: Measure, contributions: Iterable[Contribution]) -> Tally:
    """The tally of these events, in any order. For ``unique`` it holds a hash of each value meanwhile."""
    tally, seen = Tally(), Counter[bytes]()
    for each in contributions:
        tally = add(measure, tally, each, seen)
        seen[each.value] += bool(each.value)
    return tally


def _moved(
    measure: Measure, tally: Tally, events: int, quantity: int, below_zero: int = 0
) -> Tally:
    total = tally.quantity + quantity
    if not quantities.within_bounds(total):
        raise FieldInvalid(
            f"properties.{measure.property}",
            f"small enough for the meter's total to be {QUANTITY_RULE}",
        )
    return Tally(Quantity(total), events, below_zero)


def _raised(tally: Tally, quantity: Quantity) -> Tally:
    events = tally.events + 1
    if tally.events == 0 or quantity > tally.quantity:
        return Tally(quantity, events, 1)
    return Tally(tally.quantity, events, tally.holders + (quantity == tally.quantity))


def _hash(text: str) -> bytes:
    """16 bytes: two values share one once in about 10**19 values."""
    return sha256(text.encode("utf-8", "surrogatepass")).digest()[:16]
