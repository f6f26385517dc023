"""One customer's credit of one kind, as the pages have it, added up. Amounts are units."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from drawdown.core import amounts
from drawdown.core.types import Instant
from drawdown.dialects.sequence.credit.wire import TransactionType
from drawdown.dialects.sequence.imported import GrantThere, TransactionThere
from drawdown.importing.report import Sums
from drawdown.importing.sequence import records
from drawdown.importing.writing import Person


class Given(msgspec.Struct, frozen=True, kw_only=True):
    """A grant. ``credit`` is as of ``Holding``; ``left`` was neither used nor lost.

    ``ends_at``: also when it ended before its last day.
    """

    there: GrantThere
    record: records.Grant
    number: int
    credit: str
    amount: int
    used: int
    left: int
    cost: amounts.Amount
    effective_at: Instant
    ends_at: Instant | None

    def left_at(self, moment: Instant) -> int:
        over = self.ends_at is not None and self.ends_at <= moment
        return 0 if over else self.left


class Happened(msgspec.Struct, frozen=True):
    """A transaction. ``rank`` counts those of one instant, the oldest first."""

    there: TransactionThere
    units: int
    rank: int


class Holding(msgspec.Struct, kw_only=True):
    """``credit`` is a currency's code, or the vendor's id of a metric. Grants and rows, the oldest first.

    ``told`` is the vendor's balance.
    """

    person: Person
    page: str
    credit: str
    scale: int
    told: int
    grants: list[Given]
    rows: list[Happened]

    def left_at(self, moment: Instant) -> int:
        return sum(each.left_at(moment) for each in self.grants)

    def adds_up(self, now: Instant) -> bool:
        """Whether the balance is what remains of the grants: now, or when the pages can have been made.

        The vendor need not count what has not begun.
        """
        ends = {each.ends_at for each in self.grants if each.ends_at and each.ends_at <= now}
        moments = {now, Instant(0), *ends}
        waiting = sum(each.left_at(now) for each in self.grants if each.effective_at > now)
        return any(self.told in (left, left - waiting) for left in map(self.left_at, moments))

    def balance_now(self, now: Instant) -> int:
        """The vendor's balance, less what has expired since it was asked."""
        return self.left_at(now) if self.adds_up(now) else self.told

    def findings(self, now: Instant) -> Iterator[str]:
        """What of the vendor's balance is not what its grants say."""
        if not self.adds_up(now):
            told, left = (
                amounts.render(each, self.scale) for each in (self.told, self.left_at(now))
            )
            yield f"{self.credit}: the balance is {told}, and {left} remains of the grants"

    def sums(self, now: Instant) -> Sums:
        """What there is to compare, in the vendor's numbers."""
        return self._sums(self.balance_now(now), now)

    def planned(self, now: Instant) -> Sums:
        """What will be here once the grants are: they decide, whatever the balance was said to be."""
        return self._sums(self.left_at(now), now)

    def _sums(self, balance: int, now: Instant) -> Sums:
        totals = Totals()
        totals.balance(balance)
        for each in self.grants:
            totals.grant(each.there.id, each.amount, each.left_at(now))
        for row in self.rows:
            totals.row(row.there.type, row.units)
        return totals.sums


class Totals:
    """What is compared, by the names that it is told under."""

    ORDER = (
        _HOLDERS := "customers with credit",
        _BALANCE := "balance",
        _GRANTS := "grants",
        _AMOUNT := "grants, amount",
        _OUTSTANDING := "outstanding grants",
        _LEFT := "outstanding grants, balance",
        *(
            f"{each.value} transactions{what}"
            for each in TransactionType
            for what in ("", ", amount")
        ),
    )

    def __init__(self) -> None:
        self.sums = Sums()

    def balance(self, units: int) -> None:
        self.sums.count(self._HOLDERS)
        self.sums.amount(self._BALANCE, units)

    def grant(self, name: str, amount: int, left: int) -> None:
        """``name`` is the vendor's id, or ours of one that was made here."""
        self.sums.count(self._GRANTS)
        self.sums.amount(self._AMOUNT, amount)
        self.sums.amount(f"balance of {name}", left)
        if left:
            self.sums.count(self._OUTSTANDING)
            self.sums.amount(self._LEFT, left)

    def row(self, kind: TransactionType, units: int) -> None:
        self.sums.count(f"{kind.value} transactions")
        self.sums.amount(f"{kind.value} transactions, amount", units)
