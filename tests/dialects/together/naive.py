"""A customer's credit in the simplest way that is right: a list of grants, looked through from the start."""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal

NEVER = 10**12


@dataclass
class NaiveGrant:
    """Times are seconds since the beginning; ``number`` is its place among all that were made."""

    number: int
    amount: Decimal
    made: int
    begins: int
    ends: int | None
    priority: int = 50
    paid: bool = True
    used: Decimal = Decimal(0)
    expired: Decimal = Decimal(0)
    voided: Decimal = Decimal(0)
    is_voided: bool = False
    was_drawn: bool = False

    @property
    def left(self) -> Decimal:
        return self.amount - self.used - self.expired - self.voided

    def is_over(self, now: int) -> bool:
        return self.is_voided or (self.ends is not None and self.ends <= now)

    def is_active(self, now: int) -> bool:
        return self.begins <= now and not self.is_over(now)

    def place(self) -> tuple[int, ...]:
        """Lower burns first."""
        ends = NEVER if self.ends is None else self.ends
        return self.priority, ends, self.paid, self.begins, self.made, self.number

    def draw(self, amount: Decimal) -> None:
        self.used += amount
        self.was_drawn = True

    def state(self, now: int) -> str:
        if self.is_voided:
            return "voided"
        if self.expired:
            return "expired"
        if not self.left:
            return "depleted"
        return "pending" if self.begins > now else "active"


@dataclass
class NaiveCredit:
    """All of one kind. What is asked answers whether it is carried out."""

    grants: list[NaiveGrant] = field(default_factory=list)
    now: int = 0

    def pass_time(self, now: int) -> None:
        self.now = now
        for each in self.grants:
            if each.is_over(now) and each.left:
                each.expired += each.left

    def give(
        self, amount: Decimal, begins: int, ends: int | None, priority: int, *, paid: bool
    ) -> None:
        number = len(self.grants)
        self.grants.append(
            NaiveGrant(number, amount, self.now, begins, ends, priority=priority, paid=paid)
        )

    def available(self) -> Decimal:
        return sum((each.left for each in self.grants if each.is_active(self.now)), Decimal(0))

    def draw(self, amount: Decimal, reserved: Decimal | None = None) -> bool:
        """``reserved``: more than is drawn must be there."""
        if (amount if reserved is None else reserved) > self.available():
            return False
        active = [each for each in self.grants if each.is_active(self.now)]
        for each in sorted(active, key=NaiveGrant.place):
            part = min(each.left, amount)
            if part:
                each.draw(part)
                amount -= part
        return True

    def expire(self, grant: NaiveGrant) -> bool:
        if grant.is_over(self.now):
            return False
        grant.ends = self.now
        grant.expired += grant.left
        return True

    def void(self, grant: NaiveGrant, *, only_untouched: bool) -> bool:
        if grant.is_over(self.now) or not grant.left or (only_untouched and grant.was_drawn):
            return False
        grant.is_voided = True
        grant.voided = grant.left
        return True

    def take(self, grant: NaiveGrant, amount: Decimal) -> bool:
        if not grant.is_active(self.now) or amount > grant.left:
            return False
        grant.draw(amount)
        return True

    def put_back(self, grant: NaiveGrant, amount: Decimal) -> bool:
        if grant.is_voided or amount > grant.used:
            return False
        grant.used -= amount
        if grant.is_over(self.now):
            grant.expired += amount
        return True
