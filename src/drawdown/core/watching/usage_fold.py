"""What a customer ever used by the meters that are watched, counted again from his events: for ``verify``."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from drawdown.core.fold import Fault
from drawdown.core.types import Document, Id
from drawdown.core.usage import meters, totals
from drawdown.core.usage.meters import Contribution, Measure, Tally
from drawdown.core.usage.records import Catalog, Event
from drawdown.core.usage.spans import contribution, later
from drawdown.core.watching.usage_crossings import place_of, read


class _Folded(msgspec.Struct):
    """Of a measure with windows: the latest event of each."""

    measure: Measure
    code: str
    tally: Tally = Tally()
    windows: dict[int, Contribution] = {}

    def add(self, new: Contribution) -> None:
        if self.measure.window is None:
            self.tally = meters.add(self.measure, self.tally, new)
            return
        place = new.time // self.measure.window
        known = self.windows.get(place)
        self.windows[place] = new if known is None else later(known, new)

    def whole(self) -> Tally:
        if self.measure.window is None:
            return self.tally
        return meters.recount(self.measure, self.windows.values())


class TotalsFold:
    """One customer's events, in any order."""

    def __init__(self, customer: Id, catalog: Catalog) -> None:
        self._catalog = catalog
        self._folded = {
            place_of(customer, meter.id): _Folded(totals.measure_of(meter.measure), meter.code)
            for meter in catalog.watched_meters()
        }

    @property
    def watches(self) -> bool:
        return bool(self._folded)

    def add(self, event: Event) -> None:
        for meter in self._catalog.watched_of(event.name):
            folded = self._folded[place_of(event.customer, meter.id)]
            found = contribution(folded.measure, event.time, event.id, event.properties)
            if found is not None:
                folded.add(found)

    def check(self, documents: Iterable[Document]) -> None:
        """Compare with what is kept, where that is sure. Raises ``Fault`` at the first difference."""
        for document in documents:
            folded = self._folded.get(document.id)
            if folded is None:
                raise Fault("use of a meter is kept that nobody watches")
            try:
                total = read(document).total
            except msgspec.MsgspecError as error:
                raise Fault(f"use of meter {folded.code} cannot be read: {error}") from error
            if total is not None and total.sure and total.tally != folded.whole():
                raise Fault(
                    f"use of meter {folded.code} is {total.tally}, its events make {folded.whole()}"
                )
