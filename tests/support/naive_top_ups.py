"""Auto top-up as slowly as it can be said: every request there ever was is kept, and all follows from them.

Knows nothing of the core. Instants are microseconds since 1970 in UTC, amounts whole units.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from tests.support.naive import DAY, NaiveWallet, Refusal, looked_at

#: Where the rule is gone that could say how long to wait.
COOL_DOWN = 5 * 60_000_000
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def period(per: str, at: int) -> Any:
    """Something that is equal for two instants of one period, and for no others."""
    moment = EPOCH + timedelta(microseconds=at)
    if per == "day":
        return moment.date()
    if per == "week":
        return moment.isocalendar()[:2]
    return moment.year, moment.month


def next_period(per: str, at: int) -> int:
    """The first midnight in another period, found day by day."""
    moment = (EPOCH + timedelta(microseconds=at)).replace(hour=0, minute=0, second=0, microsecond=0)
    while True:
        moment += timedelta(days=1)
        found = (moment - EPOCH) // timedelta(microseconds=1)
        if period(per, found) != period(per, at):
            return found


@dataclass
class NaiveRequest:
    """``days``: how many what is granted for it lives; None: by the entitlement's rule."""

    number: int
    amount: int
    at: int
    expires_at: int
    days: int | None = None
    state: str = "open"
    reference: str | None = None


@dataclass
class NaiveRule:
    threshold: int
    amount: int | None
    target: int | None
    cap: tuple[int, str] | None
    cool_down: int
    answer_within: int
    attempts: int
    days: int | None = None


@dataclass
class NaiveTopUp:
    """``turns``: requests as they ended unpaid, by number; None where one was paid, or the rule is new."""

    rule: NaiveRule | None = None
    requests: list[NaiveRequest] = field(default_factory=list)
    turns: list[int | None] = field(default_factory=list)
    ready_at: int = 0

    def in_flight(self) -> NaiveRequest | None:
        return next((each for each in self.requests if each.state == "open"), None)

    def counted(self, per: str, at: int) -> int:
        return sum(
            each.amount
            for each in self.requests
            if period(per, each.at) == period(per, at) and each.state != "failed"
        )

    def unpaid(self) -> int:
        since_paid = [0, *(place + 1 for place, turn in enumerate(self.turns) if turn is None)]
        return len(self.turns) - since_paid[-1]

    def set_rule(self, rule: NaiveRule | None) -> None:
        self.rule = rule
        self.turns.append(None)

    def ask(self, available: int, owed: int, at: int) -> tuple[int, int | None]:
        """How much is asked for at ``at``, and when to look again if nothing is."""
        rule = self.rule
        if rule is None or self.in_flight() is not None or available > rule.threshold:
            return 0, None
        if self.unpaid() >= rule.attempts:
            return 0, None
        if at < self.ready_at:
            return 0, self.ready_at
        units = rule.amount
        if units is None:
            assert rule.target is not None
            units = rule.target - available + owed
        if rule.cap is not None:
            most, per = rule.cap
            left = max(most - self.counted(per, at), 0)
            if left == 0:
                return 0, next_period(per, at)
            units = min(units, left)
        number, expires_at = len(self.requests) + 1, at + rule.answer_within
        self.requests.append(NaiveRequest(number, units, at, expires_at, rule.days))
        return units, None

    def end(self, request: NaiveRequest, state: str, at: int, cool_down: int) -> None:
        """Answer a request, or let it expire; only what was in flight begins a cool-down."""
        was_open = request.state == "open"
        request.state = state
        if was_open:
            self.ready_at = at + (self.rule.cool_down if self.rule else cool_down)
        if state == "confirmed":
            self.turns.append(None)
        elif was_open:
            self.turns.append(request.number)


class NaiveToppingUp(ABC):
    """What a naive ledger does about top-ups: one for each of its wallets."""

    wallets: dict[str, NaiveWallet]
    top_ups: dict[str, NaiveTopUp]
    _key: tuple[str, str] | None
    _body: object

    def look(self, at: int) -> None:
        """Let what is over expire, then ask for what lacks, in every wallet."""
        for unit, top_up in self.top_ups.items():
            wallet, now = looked_at(self.wallets[unit], at)
            request = top_up.in_flight()
            if request is not None and request.expires_at <= now:
                top_up.end(request, "expired", request.expires_at, COOL_DOWN)
            repays = wallet.behavior == "carry_deficit_auto_repay"
            top_up.ask(wallet.available(now), wallet.overage if repays else 0, now)

    def _topup(
        self,
        at: int,
        unit: str,
        below: str,
        amount: str | None,
        target: str | None,
        cap: tuple[str, str] | None,
        numbers: tuple[int, int, int],
        days: int | None,
    ) -> None:
        wallet = self.wallets[unit]
        wallet.arrive(at)
        self._once(unit, below, amount, target, cap, numbers, days)
        threshold = 0 if Decimal(below) == 0 else wallet.units(below)
        amounts = [
            None if text is None else positive(wallet, text)
            for text in (amount, target, None if cap is None else cap[0])
        ]
        if (amounts[0] is None) == (amounts[1] is None):
            raise Refusal("field_invalid")
        if amounts[1] is not None and amounts[1] <= threshold:
            raise Refusal("field_invalid")
        limit = None if cap is None or amounts[2] is None else (amounts[2], cap[1])
        rule = NaiveRule(threshold, amounts[0], amounts[1], limit, *numbers, days=days)
        self.top_ups.setdefault(unit, NaiveTopUp()).set_rule(rule)

    def _close(self, at: int, unit: str, rule: NaiveRule | None) -> None:
        self.wallets[unit].arrive(at)
        self._once(unit)
        if self.top_ups[unit].rule is rule:
            self.top_ups[unit].set_rule(None)

    def _confirm(self, at: int, unit: str, number: int, reference: str | None) -> None:
        top_up, wallet = self.top_ups[unit], self.wallets[unit]
        now = wallet.arrive(at)
        self._once(unit, number, reference)
        request = top_up.requests[number - 1]
        if request.state == "confirmed":
            if request.reference != reference:
                raise Refusal("top_up_paid")
            return
        days = request.days
        exp = None if days is None else now + days * DAY
        key, body, self._key = self._key, self._body, None
        self._grant(at, -number, unit, wallet.text(request.amount), exp=exp)
        self._key, self._body = key, body
        request.reference = reference
        top_up.end(request, "confirmed", now, COOL_DOWN)

    def _fail(self, at: int, unit: str, number: int) -> None:
        now = self.wallets[unit].arrive(at)
        self._once(unit, number)
        request = self.top_ups[unit].requests[number - 1]
        if request.state == "confirmed":
            raise Refusal("top_up_paid")
        if request.state != "failed":
            self.top_ups[unit].end(request, "failed", now, COOL_DOWN)

    @abstractmethod
    def _once(self, *body: object) -> None:
        """Refuse what was asked before under the same key."""

    @abstractmethod
    def _grant(self, at: int, name: int, unit: str, amount: str, *, exp: int | None) -> None:
        """Give credit that was paid for."""


def positive(wallet: NaiveWallet, text: str) -> int:
    if Decimal(text) == 0:
        raise Refusal("field_invalid")
    return wallet.units(text)
