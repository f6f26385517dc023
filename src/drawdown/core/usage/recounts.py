"""What an override does to counts: each is afterwards as if the event had said so from the beginning.

It keeps its place in the order in which events were taken. Where a cost can only have risen, the count alone
says what it is; else, as for a last value or a price by volume, its events are counted once more.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator

import msgspec

from drawdown.core.commands import RecordUsage
from drawdown.core.context import find_entitlement
from drawdown.core.errors import TooManyEvents
from drawdown.core.requests import Request
from drawdown.core.state import State
from drawdown.core.usage import meters, rating
from drawdown.core.usage.counting import (
    attributes_of,
    contribution_to,
    count_of,
    counted_by,
    latest_of,
    measure_of,
    rest_of,
)
from drawdown.core.usage.meters import Aggregation, Contribution, Measure, Tally
from drawdown.core.usage.properties import Properties
from drawdown.core.usage.rating import Price, Volume
from drawdown.core.usage.records import LATEST_MAX, Count, CountKey, Debits, Event, Meter, Rate


class Touched(msgspec.Struct):
    """A count that an override touches: what of it was the event's, and what the event is to it now.

    ``own``: the units that the event was charged in it. ``old`` None: it was not counted here, ``new`` None:
    it is not any more.
    """

    meter: Meter
    rate: Rate
    key: CountKey
    properties: Properties
    own: int = 0
    old: Contribution | None = None
    new: Contribution | None = None

    @property
    def measure(self) -> Measure:
        return measure_of(self.meter, self.rate)

    @property
    def is_rest(self) -> bool:
        """Whether it is known only when another rate has been paid what it is."""
        return self.rate.rest_of is not None

    def leave(self, units: int, scale: int) -> None:
        """Another rate leaves so many units uncovered."""
        if self.new is not None:
            self.new = msgspec.structs.replace(self.new, quantity=rest_of(units, scale))


class Change(msgspec.Struct):
    """What becomes of a count; ``due``: what the event is charged in it now."""

    touched: Touched
    before: Count
    after: Count

    @property
    def due(self) -> int:
        return max(self.after.charged - self.before.charged + self.touched.own, 0)

    @property
    def surplus(self) -> int:
        """What is charged too much, when what the event itself was charged is returned."""
        return max(self.before.charged - self.touched.own - self.after.charged, 0)


def touched_by(request: Request, command: RecordUsage, event: Event, state: State) -> list[Touched]:
    """The counts in which the event was charged, and those in which it is counted from now on."""
    catalog = state.catalogs[request.book]
    found: dict[CountKey, Touched] = {}
    for charge in event.charges:
        key = charge.key(event.customer)
        rate = catalog.rates[key[1]]
        meter = catalog.meters[rate.meter]
        each = found.setdefault(key, Touched(meter, rate, key, event.properties))
        each.own += charge.amount
        if not charge.left:
            each.old = contribution_to(meter, rate, event, charge)
    asked = as_asked(command, event)
    for counted in counted_by(request, asked, event.customer, event.id, state, event):
        key = counted.key
        each = found.setdefault(key, Touched(counted.meter, counted.rate, key, asked.properties))
        each.new, each.properties = counted.contribution, asked.properties
    return list(found.values())


def as_asked(command: RecordUsage, event: Event) -> RecordUsage:
    """The event as it is now: a time left out is the one it had."""
    time = event.time if command.time is None else command.time
    return msgspec.structs.replace(command, time=time)


def changes_of(
    request: Request, found: Iterable[Touched], event: Event, state: State
) -> list[Change]:
    """What becomes of counts: those of the rest of other rates come last, as if these left everything.

    Raises as ``change_of`` does, so that this does not whatever they leave.
    """
    changes: list[Change] = []
    for touched in sorted(found, key=lambda each: each.is_rest):
        for first in changes:
            if first.touched.rate.id == touched.rate.rest_of and first.touched.new is not None:
                scale = find_entitlement(request, first.touched.rate.entitlement, state).scale
                touched.leave(first.due, scale)
        changes.append(change_of(request, touched, event, state))
        if touched.is_rest:
            _check_parts(request, changes[-1], state)
    return changes


def _check_parts(request: Request, change: Change, state: State) -> None:
    touched = change.touched
    price = rating.price_for(touched.rate.price, attributes_of(touched.properties))
    scale = find_entitlement(request, touched.rate.entitlement, state).scale
    rating.check_parts(price, change.after.tally.quantity, scale)


def change_of(request: Request, touched: Touched, event: Event, state: State) -> Change:
    """Raises ``FieldInvalid``, ``AmountTooLarge``, ``TooManyCounts`` and ``TooManyEvents``."""
    meter, rate = touched.meter, touched.rate
    before = count_of(touched.key, rate, meter, touched.properties, state)
    if touched.old is None and touched.new is None:
        return Change(touched, before, before)
    scale = find_entitlement(request, rate.entitlement, state).scale
    price = rating.price_for(rate.price, attributes_of(touched.properties))
    tally = _moved(touched, before, price, state)
    if tally is None:
        tally, charged = _counted_again(touched, before, price, scale, event, state)
    else:
        charged = rating.units(price, tally.quantity, scale)
    if meter.debits is Debits.ON_INVOICE:
        charged = 0
    return Change(touched, before, msgspec.structs.replace(before, tally=tally, charged=charged))


def _moved(touched: Touched, before: Count, price: Price, state: State) -> Tally | None:
    """The tally with the new contribution in the old one's place; None where its events must say.

    They must where the cost may have been higher on the way than it is now.
    """
    measure, old, new = touched.measure, touched.old, touched.new
    if touched.meter.debits is Debits.AT_ONCE and _may_have_fallen(touched, before, price):
        return None
    values = {each.value for each in (old, new) if each is not None}
    seen = {value: state.values.get((touched.key, value), 0) for value in values}
    if old is None:
        assert new is not None
        return meters.add(measure, before.tally, new, seen)
    if new is None:
        return meters.remove(measure, before.tally, old, seen)
    return meters.replace(measure, before.tally, old, new, seen)


def _may_have_fallen(touched: Touched, before: Count, price: Price) -> bool:
    aggregation = touched.measure.aggregation
    if aggregation is Aggregation.LAST or isinstance(price, Volume):
        return True
    both = (touched.old, touched.new)
    below_zero = before.tally.holders or any(each and each.quantity < 0 for each in both)
    return aggregation is Aggregation.SUM and bool(below_zero)


def _counted_again(
    touched: Touched, before: Count, price: Price, scale: int, event: Event, state: State
) -> tuple[Tally, int]:
    """The tally of all of the count's events, and the highest cost on the way."""
    found = list(_contributions(touched, event, state))
    if len(found) < before.tally.events - (touched.old is not None):
        raise TooManyEvents(event=event.own_id, maximum=LATEST_MAX)
    if touched.new is not None:
        found.append(touched.new)
    tally, charged, seen = Tally(), 0, Counter[bytes]()
    for each in sorted(found, key=lambda one: one.event):
        tally = meters.add(touched.measure, tally, each, seen)
        seen[each.value] += bool(each.value)
        charged = max(charged, rating.units(price, tally.quantity, scale))
    return tally, charged


def _contributions(touched: Touched, event: Event, state: State) -> Iterator[Contribution]:
    """What the customer's other events contribute to the count."""
    for other in latest_of(event.customer, state):
        if other.id == event.id:
            continue
        for charge in other.charges:
            if charge.key(other.customer) == touched.key and not charge.left:
                found = contribution_to(touched.meter, touched.rate, other, charge)
                assert found is not None, "what was counted is counted the same way again"
                yield found
                break
