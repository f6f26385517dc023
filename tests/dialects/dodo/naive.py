"""One balance of Dodo's as a naive list of grants, obviously right: what every call must answer.

It says what the vendor's contract says (oldest grant first, overage beside the balance, a row for each thing
that happened) and shares no code with the ledger. Amounts are hundredths, times hours.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

REPAYS = "carry_deficit_auto_repay"


class Row(NamedTuple):
    """A row of the ledger: before and after are balance and overage."""

    type: str
    is_credit: bool
    amount: int
    before: tuple[int, int]
    after: tuple[int, int]
    at: int


@dataclass
class NaiveGrant:
    initial: int
    remaining: int
    expires_at: int | None
    is_expired: bool = False

    @property
    def status(self) -> str:
        """What was used up before it expired is depleted for good."""
        if self.is_expired:
            return "expired"
        return "active" if self.remaining else "depleted"


@dataclass
class NaiveBalance:
    """``behavior`` None: usage stops at zero; else it goes on to ``limit`` of overage."""

    behavior: str | None
    limit: int
    now: int
    overage: int = 0
    grants: list[NaiveGrant] = field(default_factory=list)
    rows: list[Row] = field(default_factory=list)
    keys: set[str] = field(default_factory=set)

    @property
    def balance(self) -> int:
        """What has expired is gone from it, whether or not that was written down."""
        return sum(each.remaining for each in self.grants if not self._is_over(each))

    def _is_over(self, grant: NaiveGrant) -> bool:
        return grant.expires_at is not None and grant.expires_at <= self.now

    def settle(self) -> None:
        """Write down what expired, in the order of time."""
        over = [each for each in self.grants if each.remaining and self._is_over(each)]
        for grant in sorted(over, key=lambda each: each.expires_at or 0):
            posted = sum(each.remaining for each in self.grants)
            lost, grant.remaining, grant.is_expired = grant.remaining, 0, True
            before, after = (posted, self.overage), (posted - lost, self.overage)
            assert grant.expires_at is not None
            row = Row("credit_expired", False, lost, before, after, grant.expires_at)
            self.rows.append(row)

    def credit(self, amount: int, expires_at: int | None, key: str | None) -> int:
        """The status that it is answered with."""
        if key in self.keys:
            return 409
        self.settle()
        before = (self.balance, self.overage)
        repaid = min(amount, self.overage) if self.behavior == REPAYS else 0
        self.overage -= repaid
        self.grants.append(NaiveGrant(amount, amount - repaid, expires_at))
        self._happened("credit_added", True, amount, before)
        return self._done(key)

    def debit(self, amount: int, key: str | None) -> int:
        if key in self.keys:
            return 409
        if amount > self.balance:
            return 400
        self.settle()
        self._draw(amount)
        return self._done(key)

    def use(self, quantity: int) -> None:
        """What neither credit nor overage has room for is not charged."""
        self.settle()
        drawn = min(quantity, self.balance)
        if drawn:
            self._draw(drawn)
        owed = 0 if self.behavior is None else min(quantity - drawn, self.limit - self.overage)
        if owed:
            before = (self.balance, self.overage)
            self.overage += owed
            self._happened("overage_charged", False, owed, before)

    def _done(self, key: str | None) -> int:
        if key is not None:
            self.keys.add(key)
        return 201

    def _draw(self, amount: int) -> None:
        before, left = (self.balance, self.overage), amount
        for grant in self.grants:
            taken = min(left, grant.remaining)
            grant.remaining, left = grant.remaining - taken, left - taken
        self._happened("credit_deducted", False, amount, before)

    def _happened(self, type: str, is_credit: bool, amount: int, before: tuple[int, int]) -> None:
        after = (self.balance, self.overage)
        self.rows.append(Row(type, is_credit, amount, before, after, self.now))

    def in_status(self, status: str) -> list[tuple[int, int]]:
        """Initial and remaining amount of each grant that has it, newest first."""
        self.settle()
        return [
            (each.initial, each.remaining) for each in self.grants[::-1] if each.status == status
        ]
