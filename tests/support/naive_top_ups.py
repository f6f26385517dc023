"""Auto top-up as slowly as it can be said: every request there ever was is kept, and all follows from them.

Knows nothing of the core. Instants are microseconds since 1970 in UTC, amounts whole units.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

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
    """``in_flight_until``: when it was answered for the first time, or expired."""

    number: int
    amount: int
    at: int
    expires_at: int
    state: str = "open"
    in_flight_until: int | None = None


@dataclass
class NaiveRule:
    threshold: int
    amount: int | None
    target: int | None
    cap: tuple[int, str] | None
    cool_down: int
    answer_within: int
    attempts: int


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
        self.requests.append(
            NaiveRequest(len(self.requests) + 1, units, at, at + rule.answer_within)
        )
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
