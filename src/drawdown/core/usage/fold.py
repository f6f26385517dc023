"""What one customer's usage is counted as, computed again from the events that are kept: for ``verify``."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping

import msgspec

from drawdown.core.errors import LedgerError
from drawdown.core.fold import Fault
from drawdown.core.types import Id
from drawdown.core.usage import meters, rating
from drawdown.core.usage.counting import attributes_of, contribution_to, measure_of, rest_of
from drawdown.core.usage.meters import Aggregation, Contribution, Measure, Tally
from drawdown.core.usage.records import (
    Catalog,
    Charge,
    Count,
    CountKey,
    Debits,
    Event,
    Meter,
    Rate,
    ValueKey,
    group_hash,
)

#: Rates with their meters, by their ids as charges write them.
RatesByText = Mapping[str, tuple[Meter, Rate]]


def rates_by_text(catalog: Catalog) -> RatesByText:
    return {rate.id.hex(): (catalog.meters[rate.meter], rate) for rate in catalog.rates.values()}


class FoldedCount(msgspec.Struct):
    """One count; ``charged`` is what its events were. ``may_fall``: so may what they cost together."""

    meter: Meter
    measure: Measure
    price: rating.Price | None = None
    scale: int = 0
    tally: Tally = Tally()
    charged: int = 0
    may_fall: bool = False

    @property
    def due(self) -> int:
        if self.price is None or self.meter.debits is Debits.ON_INVOICE:
            return 0
        return rating.units(self.price, self.tally.quantity, self.scale)


class UsageFold:
    """One customer's events, in any order, become counts. Each says by which rates it was counted."""

    def __init__(self, rates: RatesByText) -> None:
        self._rates = rates
        self._counts: dict[CountKey, FoldedCount] = {}
        self._values: defaultdict[ValueKey, int] = defaultdict(int)

    def add(self, event: Event) -> None:
        """Raises ``Fault`` for an event that its own rates do not count."""
        for charge in event.charges:
            try:
                self._add(event, charge)
            except LedgerError as error:
                raise Fault(f"event {event.own_id} cannot be counted: {error}") from error

    def _add(self, event: Event, charge: Charge) -> None:
        if charge.rate not in self._rates:
            raise Fault(f"event {event.own_id} is charged by a rate that is not there")
        meter, rate = self._rates[charge.rate]
        key = charge.key(event.customer)
        count = self._counts.setdefault(key, FoldedCount(meter, measure_of(meter, rate)))
        count.charged += charge.amount
        if charge.left:
            return
        if rate.rest_of is not None:
            _check_rest(event, charge, rate.rest_of)
        found = contribution_to(meter, rate, event, charge)
        period = rate.period
        elsewhere = not period.cycle and period.start(event.time) != charge.period
        if found is None or elsewhere or key[3] != group_hash(rate.group(meter, event.properties)):
            raise Fault(
                f"event {event.own_id} is charged by meter {meter.code}, which counts it otherwise"
            )
        if count.price is None:
            count.price = rating.price_for(rate.price, attributes_of(event.properties))
            count.scale = charge.scale
            count.may_fall = isinstance(count.price, rating.Volume) or rate.rest_of is not None
        self._count(count, key, found)

    def _count(self, count: FoldedCount, key: CountKey, new: Contribution) -> None:
        value = (key, new.value)
        seen = {new.value: self._values.get(value, 0)}
        count.tally = meters.add(count.measure, count.tally, new, seen)
        count.may_fall |= new.quantity < 0 or count.measure.aggregation is Aggregation.LAST
        if new.value:
            self._values[value] += 1

    def check(self, counts: Iterable[Count], values: Mapping[ValueKey, int]) -> None:
        """Compare with what is kept. Raises ``Fault`` at the first difference."""
        kept = {count.key: count for count in counts if count.tally.events or count.charged}
        folded = {k: each for k, each in self._counts.items() if each.tally.events or each.charged}
        for key in folded.keys() ^ kept.keys():
            raise Fault(
                f"usage by rate {key[1].hex()}: events and counts are not of the same periods"
            )
        for key, each in folded.items():
            _check_count(each, kept[key])
        if {key: events for key, events in values.items() if events} != dict(self._values):
            raise Fault("the values that are kept as seen are not those of the events")


def _check_rest(event: Event, charge: Charge, first: Id) -> None:
    """What the other rate left is what is counted; one that is charged less by now had left more."""
    left = [
        rest_of(each.uncovered, each.scale)
        for each in event.charges
        if each.rate == first.hex() and not each.left
    ]
    if len(left) != 1 or charge.rest < left[0] or (event.revision == 0 and charge.rest > left[0]):
        raise Fault(f"event {event.own_id} is charged another rest than was left")


def _check_count(folded: FoldedCount, kept: Count) -> None:
    """A sum that fell, or a price that is lower for more, leaves what was charged above what is due."""
    where = f"usage by meter {folded.meter.code}"
    if kept.tally != folded.tally:
        raise Fault(f"{where}: the count is {kept.tally}, its events make {folded.tally}")
    if kept.charged < folded.due or (kept.charged > folded.due and not folded.may_fall):
        raise Fault(f"{where}: charged is {kept.charged}, it costs {folded.due}")
    if kept.charged != folded.charged:
        raise Fault(f"{where}: charged is {kept.charged}, its events were charged {folded.charged}")
