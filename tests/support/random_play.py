"""Random commands of every kind about one customer, for the tests of what was, what will be, and why."""

from __future__ import annotations

import random

import msgspec

from drawdown.core.amounts import Amount
from drawdown.core.commands import (
    AdjustGrant,
    AmendGrant,
    Authorize,
    Capture,
    Command,
    Debit,
    Direction,
    ExpireGrant,
    Extend,
    IssueGrant,
    OverCapture,
    Price,
    Release,
    ReverseDebit,
    Settle,
    Spend,
    VoidGrant,
)
from drawdown.core.requests import Accepted
from drawdown.core.types import DEBITS, HOLD_MAX, Category, Id, Instant

HOUR = 3_600_000_000
CUSTOMER = "c"
KINDS = ("e", "f")
VERBS = (
    ["grant"] * 5 + ["debit"] * 6 + ["hold"] * 4 + ["capture"] * 4 + ["reverse"] * 2 + ["release"]
) + ["extend", "expire", "void", "amend", "amend", "adjust", "spend", "settle"]


class RandomPlay:
    """Chooses the next command and when it comes, from what came of those before."""

    def __init__(self, seed: int, start: Instant) -> None:
        self._random = random.Random(seed)
        self.now = start
        self._grants: list[Id] = []
        self._holds: list[Id] = []
        self._debits: list[Id] = []

    def next(self) -> tuple[Command, Instant]:
        """Most come an hour or three later, some at the same instant, a few after the clock stepped back."""
        steps = self._random.choice([0, 0, 1, 1, 2, 3, 7, -2])
        self.now = Instant(max(0, self.now + steps * HOUR))
        while True:
            command = getattr(self, "_" + self._random.choice(VERBS))()
            if command is not None:
                return command, self.now

    def tell(self, outcome: Accepted) -> None:
        """What came of it, so that later commands may be about it."""
        if outcome.operation is None:
            return
        if outcome.operation.kind in DEBITS:
            self._debits.append(outcome.operation.id)
        elif outcome.operation.kind == "grant" and outcome.grant is not None:
            self._grants.append(outcome.grant.id)
        elif outcome.operation.kind == "hold" and outcome.hold is not None:
            self._holds.append(outcome.hold.id)

    def _amount(self, most: int = 40) -> Amount:
        return Amount(self._random.randint(1, most))

    def _pick(self, things: list[Id]) -> Id | None:
        return self._random.choice(things[-8:]) if things else None

    def _soon(self, hours: int) -> Instant:
        return Instant(self.now + self._random.randint(1, hours) * HOUR)

    def _attributes(self) -> dict[str, str]:
        return {"model": self._random.choice("ab")} if self._random.random() < 0.6 else {}

    def _grant(self) -> Command:
        chance = self._random.random
        effective_at = self._soon(6) if chance() < 0.3 else None
        return IssueGrant(
            customer=CUSTOMER,
            entitlement=self._random.choice("eeef"),
            amount=self._amount(60),
            priority=self._random.randint(1, 3),
            category=self._random.choice(list(Category)),
            effective_at=effective_at,
            expires_at=Instant((effective_at or self.now) + self._soon(20) - self.now)
            if chance() < 0.7
            else None,
            scope={"model": ("a",)} if chance() < 0.3 else {},
        )

    def _debit(self) -> Command:
        shift = self._random.choice([0, 0, 0, -3, 3])
        return Debit(
            customer=CUSTOMER,
            entitlement="e",
            amount=self._amount(),
            attributes=self._attributes(),
            valid_at=Instant(self.now + shift * HOUR) if shift else None,
        )

    def _spend(self) -> Command:
        return Spend(
            customer=CUSTOMER,
            quantity=self._amount(),
            wallets=tuple(Price(kind, Amount(1)) for kind in self._random.sample(KINDS, 2)),
            partial=self._random.random() < 0.5,
            attributes=self._attributes(),
        )

    def _hold(self) -> Command:
        return Authorize(
            customer=CUSTOMER,
            entitlement="e",
            amount=self._amount(),
            expires_in=self._random.randint(1, 12) * HOUR,
            attributes=self._attributes(),
        )

    def _capture(self) -> Command | None:
        hold = self._pick(self._holds)
        final, over = self._random.random() < 0.3, self._random.choice(list(OverCapture))
        if hold is None:
            return None
        return Capture(hold=hold, amount=self._amount(30), final=final, over_capture=over)

    def _release(self) -> Command | None:
        hold = self._pick(self._holds)
        return None if hold is None else Release(hold=hold)

    def _extend(self) -> Command | None:
        hold = self._pick(self._holds)
        return None if hold is None else Extend(hold=hold, expires_in=HOLD_MAX // 3)

    def _reverse(self) -> Command | None:
        debit = self._pick(self._debits)
        amount = self._amount(10) if self._random.random() < 0.5 else None
        return None if debit is None else ReverseDebit(debit=debit, amount=amount)

    def _expire(self) -> Command | None:
        grant = self._pick(self._grants)
        return None if grant is None else ExpireGrant(grant=grant)

    def _void(self) -> Command | None:
        grant = self._pick(self._grants)
        return None if grant is None else VoidGrant(grant=grant)

    def _amend(self) -> Command | None:
        grant = self._pick(self._grants)
        expires_at = self._soon(20) if self._random.random() < 0.7 else None
        return None if grant is None else AmendGrant(grant=grant, expires_at=expires_at)

    def _adjust(self) -> Command | None:
        grant, way = self._pick(self._grants), self._random.choice(list(Direction))
        amount = self._amount(10)
        return None if grant is None else AdjustGrant(grant=grant, direction=way, amount=amount)

    def _settle(self) -> Command:
        return Settle(customer=CUSTOMER, entitlement="e")


class Seen(msgspec.Struct):
    """How often each kind of command was accepted: a play that reaches nothing proves nothing."""

    kinds: dict[str, int] = {}

    def note(self, outcome: Accepted) -> None:
        if outcome.operation is not None:
            kind = outcome.operation.kind
            self.kinds[kind] = self.kinds.get(kind, 0) + 1
