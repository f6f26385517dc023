"""Naive usage that is obviously right: it keeps every event, and reckons everything anew when asked.

What a rate has charged for a customer, a period and a group is the highest cost, truncated to whole units,
that its events came to on the way, in the order in which they were taken. One that is overridden keeps its
place. No state, no code shared with the core.
"""

from __future__ import annotations

from datetime import UTC, datetime
from fractions import Fraction
from typing import Any

import msgspec

from tests.support.naive_meters import NaiveEvent, NaiveMeter
from tests.support.naive_rating import NaivePrice, cost

#: A month of a year, and the texts of the properties that are counted apart.
Place = tuple[int, int, tuple[str, ...]]


class NaiveRate(msgspec.Struct):
    """A meter, by its aggregation and property, and a price. Usage of a month is counted together."""

    price: NaivePrice
    aggregation: str
    property: str = ""
    group_by: tuple[str, ...] = ()
    step: Fraction = Fraction(1)

    def charged(self, events: dict[str, NaiveEvent], scale: int) -> dict[Place, int]:
        """``events`` in the order in which they were first taken, which is also that of their names."""
        found: dict[Place, int] = {}
        for count in range(1, len(events) + 1):
            taken = dict(list(events.items())[:count])
            for place in {self.place(event) for event in taken.values()}:
                here = {name: one for name, one in taken.items() if self.place(one) == place}
                found[place] = max(found.get(place, 0), self._units(here, scale))
        return found

    def place(self, event: NaiveEvent) -> Place:
        day = datetime.fromtimestamp(event.time / 1_000_000, UTC)
        texts = tuple(str(event.properties.get(name)) for name in self.group_by)
        return day.year, day.month, texts

    def _units(self, events: dict[str, NaiveEvent], scale: int) -> int:
        meter = NaiveMeter(self.aggregation, self.property, events=events)
        return int(cost(self.price, meter.total(), self.step) * 10**scale)


class NaiveUsage(msgspec.Struct):
    """One customer's usage, of whatever it was charged to."""

    rates: list[NaiveRate]
    scale: int = 0
    events: dict[str, NaiveEvent] = {}

    def put(self, own_id: str, time: int, properties: dict[str, Any]) -> None:
        """Take an event, or override the one of that id. It is named by its place."""
        known = self.events.get(own_id)
        name = f"{len(self.events):04}" if known is None else known.name
        self.events[own_id] = NaiveEvent(name, time, properties)

    @property
    def charged(self) -> list[dict[Place, int]]:
        return [rate.charged(self.events, self.scale) for rate in self.rates]

    @property
    def total(self) -> int:
        return sum(sum(places.values()) for places in self.charged)
