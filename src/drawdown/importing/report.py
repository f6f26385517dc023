"""What was found there and is here now, side by side."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

import msgspec

from drawdown.core.amounts import render

#: So many customers are named; the numbers are of all.
NAMED_MAX = 100


class Sums:
    """Counts and amounts by their names. Amounts are units at the scale of one entitlement."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self.amounts: Counter[str] = Counter()

    def count(self, name: str, number: int = 1) -> None:
        self.counts[name] += number

    def amount(self, name: str, units: int) -> None:
        self.amounts[name] += units

    def add(self, other: Sums) -> None:
        self.counts.update(other.counts)
        self.amounts.update(other.amounts)

    def only(self, names: Iterable[str]) -> Sums:
        """What there is under some names, which may be 0."""
        found = Sums()
        for name in names:
            if name in self.counts:
                found.count(name, self.counts[name])
            if name in self.amounts:
                found.amount(name, self.amounts[name])
        return found

    def differences(self, other: Sums) -> list[str]:
        """The names of what is not the same in both."""
        found = []
        for mine, theirs in ((self.counts, other.counts), (self.amounts, other.amounts)):
            found += [
                name for name in dict.fromkeys((*mine, *theirs)) if mine[name] != theirs[name]
            ]
        return found


class Line(msgspec.Struct, frozen=True):
    """One total: there, here, and here less there. Amounts are decimals as texts."""

    name: str
    there: str
    here: str
    difference: str


class Compared(msgspec.Struct):
    """One entitlement: its totals, and the customers in whom they are not the same."""

    id: str
    name: str
    totals: list[Line]
    differing: int = 0
    customers: list[str] = []

    @property
    def is_equal(self) -> bool:
        return not self.differing and all(line.there == line.here for line in self.totals)


class Report(msgspec.Struct, kw_only=True):
    """``findings``: what the vendor's own numbers do not add up to; of ``findings_count`` the first.

    ``business`` is whose pages they are, by their own word. ``left_out``: what of them is not brought over.
    """

    vendor: str
    business: str
    source: str
    fetched_at: str | None
    dry_run: bool
    customers_there: int
    customers_here: int = 0
    entitlements: list[Compared] = []
    findings: list[str] = []
    findings_count: int = 0
    left_out: list[str] = []

    def find(self, finding: str) -> None:
        self.findings_count += 1
        if len(self.findings) < NAMED_MAX:
            self.findings.append(finding)

    @property
    def is_equal(self) -> bool:
        everybody = self.customers_there == self.customers_here
        return everybody and all(each.is_equal for each in self.entitlements)


class Adding:
    """The totals of one entitlement on the way, by the names in ``order``; whatever differs is named, too."""

    def __init__(self, id: str, name: str, scale: int, order: Sequence[str]) -> None:
        self._scale, self._order = scale, order
        self._there, self._here = Sums(), Sums()
        self._found = Compared(id=id, name=name, totals=[])

    def add(self, customer: str, there: Sums, here: Sums) -> None:
        self._there.add(there.only(self._order))
        self._here.add(here.only(self._order))
        differences = there.differences(here)
        if differences:
            self._found.differing += 1
            if len(self._found.customers) < NAMED_MAX:
                self._found.customers.append(f"{customer}: {', '.join(differences)}")

    def compared(self) -> Compared:
        self._found.totals = lines(self._there, self._here, self._scale, self._order)
        return self._found


def lines(there: Sums, here: Sums, scale: int, order: Iterable[str]) -> list[Line]:
    """Counts and amounts of both, by their names in ``order``; what neither has is left out."""
    found = []
    for name in order:
        if name in there.counts or name in here.counts:
            one, other = there.counts[name], here.counts[name]
            found.append(Line(name, *(str(each) for each in (one, other, other - one))))
        elif name in there.amounts or name in here.amounts:
            one, other = there.amounts[name], here.amounts[name]
            found.append(Line(name, *(render(each, scale) for each in (one, other, other - one))))
    return found
