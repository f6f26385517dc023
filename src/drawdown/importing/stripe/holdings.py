"""One customer's credit, as the pages have it, added up.

Times are whole seconds, as the vendor has them, and amounts whole minor units.
"""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from drawdown.core import amounts, currencies
from drawdown.core.types import Metadata
from drawdown.dialects.stripe.imported import CREDITS, DEBITS, GrantThere, TransactionThere
from drawdown.importing.report import Sums
from drawdown.importing.stripe import records
from drawdown.importing.writing import Person


class Given(msgspec.Struct, frozen=True, kw_only=True):
    """A grant. ``left`` was neither used nor lost; ``ends_at``: also when it ended before its expiry."""

    there: GrantThere
    record: records.Grant
    number: int
    currency: str
    amount: int
    used: int
    left: int
    effective_at: int
    ends_at: int | None
    metadata: Metadata

    @property
    def is_void(self) -> bool:
        return self.there.voided_at is not None

    def ledger(self, moment: int) -> int:
        """What of it counts then."""
        over = self.is_void or (self.ends_at is not None and self.ends_at <= moment)
        return 0 if over or self.effective_at > moment else self.left

    def turns(self) -> Iterator[int]:
        """When time alone changes what of it counts."""
        if self.left and not self.is_void:
            yield self.effective_at
            if self.ends_at is not None:
                yield self.ends_at

    def state(self, moment: int) -> str:
        return state_of(self.is_void, self.ends_at, self.effective_at, self.left, moment)


class Happened(msgspec.Struct, frozen=True):
    """A transaction. ``rank`` counts those of one second, the oldest first."""

    there: TransactionThere
    rank: int


#: Of each currency the ledger balance and the available one.
Balances = dict[str, tuple[int, int]]


class Holding(msgspec.Struct, kw_only=True):
    """Grants and transactions of one customer, the oldest first; balances by what they are of."""

    person: Person
    page: str
    grants: list[Given]
    rows: list[Happened]
    balances: dict[str, Balances] = {}

    def with_balance(self) -> list[Given]:
        """The grants whose own balance is asked for: those with something left."""
        return [each for each in self.grants if each.left and not each.is_void]

    def currencies(self) -> list[str]:
        return list(dict.fromkeys(each.currency for each in self.grants))

    def of(self, currency: str) -> list[Given]:
        return [each for each in self.grants if each.currency == currency]

    def told(self, of: str, given: list[Given], currency: str, now: int) -> tuple[int, int]:
        """The vendor's ledger balance and available one, less what has come due since it was asked."""
        ledger = sum(each.ledger(now) for each in given)
        if of not in self.balances:
            return ledger, ledger
        said, available = self.balances[of].get(currency, (0, 0))
        if not self.adds_up(given, said, now):
            return said, available
        return ledger, max(ledger - (said - available), 0)

    def adds_up(self, given: list[Given], said: int, now: int) -> bool:
        """Whether a balance is what the transactions leave: now, or when the pages can have been made."""
        known = max(
            [each.record.updated for each in self.grants]
            + [each.there.created for each in self.rows]
        )
        moments = {now, *(turn for each in given for turn in each.turns() if known < turn <= now)}
        return any(
            sum(each.ledger(moment) for each in given) == said
            for moment in (min(known, now), *moments)
        )

    def findings(self, now: int) -> Iterator[str]:
        """What of the vendor's balances is not what its transactions say."""
        for currency in self.currencies():
            given = self.of(currency)
            reserved = 0
            for each in given:
                said = self.balances.get(each.there.id)
                if said is not None:
                    reserved += _reserved(said, currency)
                    yield from self._finding(each.there.id, [each], currency, now)
            total = self.balances.get(self.person.there)
            if total is not None and _reserved(total, currency) != reserved:
                yield f"drafts reserve {_money(_reserved(total, currency), currency)} of all he has"
            if total is not None and not self.adds_up(given, total.get(currency, (0, 0))[0], now):
                left = _money(sum(each.ledger(now) for each in given), currency)
                yield (
                    f"the ledger balance is {_money(total.get(currency, (0, 0))[0], currency)}, "
                    f"and the transactions leave {left}"
                )

    def _finding(self, of: str, given: list[Given], currency: str, now: int) -> Iterator[str]:
        said, available = self.balances[of].get(currency, (0, 0))
        if not self.adds_up(given, said, now):
            left = _money(sum(each.ledger(now) for each in given), currency)
            yield (
                f"the ledger balance of grant {of} is {_money(said, currency)}, and its transactions "
                f"leave {left}"
            )
        if available < said:
            yield (
                f"drafts of invoices reserve {_money(said - available, currency)} of grant {of}: make "
                "them final there, or delete them, before you fetch"
            )

    def sums(self, currency: str, now: int) -> Sums:
        """What there is to compare, in the vendor's numbers."""
        totals = Totals()
        given = self.of(currency)
        totals.balance(*self.told(self.person.there, given, currency, now))
        for each in given:
            totals.grant(each.state(now), each.amount)
            totals.grant_balance(each.there.id, *self.told(each.there.id, [each], currency, now))
        self._count_rows(totals, currency)
        return totals.sums

    def planned(self, currency: str, now: int) -> Sums:
        """What will be here once the grants are: transactions decide, whatever the balance was said to be."""
        totals = Totals()
        given = self.of(currency)
        ledger = sum(each.ledger(now) for each in given)
        totals.balance(ledger, ledger)
        for each in given:
            totals.grant(each.state(now), each.amount)
            totals.grant_balance(each.there.id, each.ledger(now), each.ledger(now))
        self._count_rows(totals, currency)
        return totals.sums

    def _count_rows(self, totals: Totals, currency: str) -> None:
        for each in self.rows:
            if each.there.currency == currency:
                totals.row(each.there)


def state_of(is_void: bool, ends_at: int | None, effective_at: int, left: int, moment: int) -> str:
    """The vendor's words for where a grant is; the first that holds."""
    if is_void:
        return "voided"
    if ends_at is not None and ends_at <= moment:
        return "expired"
    if effective_at > moment:
        return "pending"
    return "granted" if left else "depleted"


class Totals:
    """What is compared, by the names that it is told under."""

    ORDER = (
        _HOLDERS := "customers with grants",
        _LEDGER := "ledger balance",
        _AVAILABLE := "available balance",
        *(
            f"{state} grants{what}"
            for state in ("pending", "granted", "depleted", "expired", "voided")
            for what in ("", ", amount")
        ),
        *(f"{kind}{what}" for kind in (*CREDITS, *DEBITS) for what in ("", ", amount")),
    )

    def __init__(self) -> None:
        self.sums = Sums()

    def balance(self, ledger: int, available: int) -> None:
        self.sums.count(self._HOLDERS)
        self.sums.amount(self._LEDGER, ledger)
        self.sums.amount(self._AVAILABLE, available)

    def grant(self, state: str, amount: int) -> None:
        self.sums.count(f"{state} grants")
        self.sums.amount(f"{state} grants, amount", amount)

    def grant_balance(self, grant: str, ledger: int, available: int) -> None:
        """Compared one by one, and not added up."""
        self.sums.amount(f"ledger balance of {grant}", ledger)
        self.sums.amount(f"available balance of {grant}", available)

    def row(self, there: TransactionThere) -> None:
        self.sums.count(there.kind)
        self.sums.amount(f"{there.kind}, amount", there.value)


def _reserved(said: Balances, currency: str) -> int:
    ledger, available = said.get(currency, (0, 0))
    return ledger - available


def _money(value: int, currency: str) -> str:
    return f"{amounts.render(value, currencies.MINOR_PLACES[currency])} {currency.upper()}"
