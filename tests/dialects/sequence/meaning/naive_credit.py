"""A customer's credit as the contract tells it, obviously right: lists of grants, in exact fractions.

Units pay for nothing but themselves; within a kind what expires soonest goes first, what never expires last,
what was given away before what was paid for. What time does is done in the order of its instants. It shares
no code with the ledger.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from fractions import Fraction
from typing import NamedTuple

NEVER = 1 << 62
NOTHING = Fraction(0)


class Moved(NamedTuple):
    """A transaction. ``grant`` counts grants as they were made."""

    type: str
    amount: Fraction
    reason: str | None
    grant: int


@dataclass
class NaiveGrant:
    number: int
    kind: str
    amount: Fraction
    is_paid: bool
    effective_at: int
    expires_at: int
    remaining: Fraction
    used: Fraction = NOTHING
    held: Fraction = NOTHING
    ended: str | None = None

    @property
    def free(self) -> Fraction:
        return self.remaining - self.held

    @property
    def place(self) -> tuple[int, bool, int, int]:
        return self.expires_at, self.is_paid, self.effective_at, self.number


@dataclass
class NaiveHold:
    kind: str
    ends_at: int
    slices: list[tuple[NaiveGrant, Fraction]]


@dataclass
class NaiveCredit:
    """``repaying`` are the kinds that are used past zero, and repaid by whatever comes after."""

    now: int
    repaying: frozenset[str]
    grants: list[NaiveGrant] = field(default_factory=list)
    holds: dict[str, NaiveHold] = field(default_factory=dict)
    debits: dict[str, list[tuple[NaiveGrant, Fraction]]] = field(default_factory=dict)
    moved: dict[str, list[Moved]] = field(default_factory=dict)
    overage: dict[str, Fraction] = field(default_factory=dict)

    # What is there -------------------------------------------------------------------------------

    def of(self, kind: str) -> list[NaiveGrant]:
        return [each for each in self.grants if each.kind == kind]

    def balance(self, kind: str) -> Fraction:
        return sum((each.remaining for each in self.of(kind)), NOTHING)

    def outstanding(self) -> list[NaiveGrant]:
        """Units before money, then as they burn."""
        left = [each for each in self.grants if each.remaining]
        return sorted(left, key=lambda each: (each.kind in ("USD", "EUR"), each.place))

    def _paying(self, kind: str) -> list[NaiveGrant]:
        able = [each for each in self.of(kind) if each.effective_at <= self.now and each.free > 0]
        return sorted(able, key=lambda each: each.place)

    def can_pay(self, kind: str, amount: Fraction) -> bool:
        return sum((each.free for each in self._paying(kind)), NOTHING) >= amount

    # What time does ------------------------------------------------------------------------------

    def come_to(self, now: int) -> None:
        """Holds end before grants do, and these before others begin."""
        due: list[tuple[int, int, str | int]]
        due = [(hold.ends_at, 0, name) for name, hold in self.holds.items()]
        due += [(each.expires_at, 1, each.number) for each in self.grants if each.ended is None]
        due += [
            (each.effective_at, 2, each.number)
            for each in self.grants
            if each.effective_at > self.now
        ]
        for at, rank, what in sorted(due, key=lambda each: each[:2]):
            if at > now:
                break
            if rank == 0:
                self.release(str(what))
            elif rank == 1:
                self.end(self.grants[int(what)], "Expired")
            elif self.grants[int(what)].ended is None:
                self._repay(self.grants[int(what)], self.grants[int(what)].remaining)
        self.now = now

    # What somebody does --------------------------------------------------------------------------

    def grant(
        self, kind: str, amount: Fraction, is_paid: bool, effective_at: int, expires_at: int
    ) -> NaiveGrant:
        number = len(self.grants)
        made = NaiveGrant(number, kind, amount, is_paid, effective_at, expires_at, amount)
        self.grants.append(made)
        self._note("CREDIT", made, amount, None)
        if effective_at <= self.now:
            self._repay(made, amount)
        return made

    def debit(self, name: str, kind: str, amount: Fraction) -> bool:
        """Whether it was done: all of it or nothing, but where usage goes past zero."""
        if kind not in self.repaying and not self.can_pay(kind, amount):
            return False
        drawn = self._split(kind, amount)
        for grant, taken in drawn:
            self._use(grant, taken, None)
        rest = amount - sum((taken for _, taken in drawn), NOTHING)
        self.overage[kind] = self.overage.get(kind, NOTHING) + rest
        if not rest:
            self.debits[name] = drawn
        return True

    def reverse(self, name: str) -> bool:
        """All that can still go back, the last drawn first."""
        back = [(grant, min(taken, grant.used)) for grant, taken in self.debits.pop(name)[::-1]]
        if not any(taken for _, taken in back):
            return False
        for grant, taken in back:
            if taken:
                self._give_back(grant, taken, "Reversed")
        return True

    def take(self, grant: NaiveGrant, amount: Fraction, reason: str | None) -> bool:
        """A DEBIT of one grant."""
        if grant.ended or grant.effective_at > self.now or amount > grant.free:
            return False
        self._use(grant, amount, reason)
        return True

    def put_back(self, grant: NaiveGrant, amount: Fraction, reason: str | None) -> bool:
        """A CREDIT. Into one that has expired it expires at once."""
        if grant.ended == "Voided" or amount > grant.used:
            return False
        self._give_back(grant, amount, reason)
        return True

    def hold(self, name: str, kind: str, amount: Fraction, ends_at: int) -> bool:
        if not self.can_pay(kind, amount):
            return False
        slices = self._split(kind, amount)
        for grant, taken in slices:
            grant.held += taken
        self.holds[name] = NaiveHold(kind, ends_at, slices)
        return True

    def capture(self, name: str, amount: Fraction) -> None:
        """At most what is held; the rest is let go."""
        left = amount
        hold = self.holds[name]
        for place, (grant, held) in enumerate(hold.slices):
            taken = min(held, left)
            left -= taken
            grant.held -= taken
            hold.slices[place] = (grant, held - taken)
            if taken:
                self._use(grant, taken, None)
        self.release(name)

    def release(self, name: str) -> None:
        for grant, held in self.holds.pop(name).slices:
            grant.held -= held
            if held and grant.ended:
                self._write_off(grant, held, grant.ended)

    def end(self, grant: NaiveGrant, why: str) -> bool:
        """What is held of it is not lost yet; nothing that is held is voided."""
        if grant.ended or (why == "Voided" and (grant.held or not grant.remaining)):
            return False
        grant.ended = why
        self._write_off(grant, grant.free, why)
        return True

    def amend(self, grant: NaiveGrant, expires_at: int) -> bool:
        if grant.ended or expires_at <= max(self.now, grant.effective_at):
            return False
        grant.expires_at = expires_at
        return True

    # Movements -----------------------------------------------------------------------------------

    def _split(self, kind: str, amount: Fraction) -> list[tuple[NaiveGrant, Fraction]]:
        found, left = [], amount
        for grant in self._paying(kind):
            taken = min(left, grant.free)
            if taken:
                found.append((grant, taken))
            left -= taken
        return found

    def _use(self, grant: NaiveGrant, amount: Fraction, reason: str | None) -> None:
        grant.remaining -= amount
        grant.used += amount
        self._note("DEBIT", grant, amount, reason)

    def _give_back(self, grant: NaiveGrant, amount: Fraction, reason: str | None) -> None:
        grant.remaining += amount
        grant.used -= amount
        self._note("CREDIT", grant, amount, reason)
        if grant.ended:
            self._write_off(grant, amount, grant.ended)
        else:
            self._repay(grant, amount)

    def _repay(self, grant: NaiveGrant, amount: Fraction) -> None:
        paid = min(amount, grant.free, self.overage.get(grant.kind, NOTHING))
        if paid:
            self.overage[grant.kind] -= paid
            self._use(grant, paid, "Overage repaid")

    def _write_off(self, grant: NaiveGrant, amount: Fraction, why: str) -> None:
        grant.remaining -= amount
        if amount:
            self._note("DEBIT", grant, amount, why)

    def _note(self, type: str, grant: NaiveGrant, amount: Fraction, reason: str | None) -> None:
        self.moved.setdefault(grant.kind, []).append(Moved(type, amount, reason, grant.number))
