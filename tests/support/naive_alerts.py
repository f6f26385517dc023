"""Alerts, naively: the wallet is looked at right before and at each instant at which anything may happen.

Nothing is remembered but which alerts have fired, what a percentage is of, and what was used on which day.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from decimal import Decimal

from tests.support.naive import DAY, NEVER, NaiveGrant, NaiveWallet, looked_at


@dataclass
class NaiveAlert:
    """``line``: what must come true; ``shape``: ``below``, ``used``, ``expiry`` or ``depletes``."""

    shape: str
    line: str
    fired: bool = False
    told: list[tuple[int, int]] = field(default_factory=list)
    known: set[int] = field(default_factory=set)
    open: bool = True


@dataclass
class NaiveLook:
    """How a wallet stands at an instant."""

    at: int
    available: int
    overage: int
    use: int

    def moved_from(self, before: NaiveLook) -> bool:
        """Whether any number is another."""
        numbers = (self.available, self.overage, self.use)
        return numbers != (before.available, before.overage, before.use)

    @property
    def net(self) -> int:
        return self.available - self.overage


class NaiveAlerts:
    """Those on one wallet. ``base``: what percentages are of."""

    def __init__(self) -> None:
        self.alerts: dict[str, NaiveAlert] = {}
        self.base: int | None = None
        self.spent: dict[int, int] = {}
        self.at = 0

    def make(self, name: str, shape: str, line: str, wallet: NaiveWallet, at: int) -> None:
        """A grant that is near its end by then is told of at once."""
        self.alerts[name] = made = NaiveAlert(shape, line)
        if shape == "expiry":
            self._near(made, wallet, at)

    def _open(self) -> list[NaiveAlert]:
        return [alert for alert in self.alerts.values() if alert.open]

    def pass_time(self, wallet: NaiveWallet, at: int) -> None:
        """Whatever time does up to ``at``, instant by instant."""
        for instant in sorted(set(self._instants(wallet, at))):
            before, after = look(wallet, instant - 1), look(wallet, instant)
            seen, _ = looked_at(wallet, instant)
            came = any(grant.effective_at == instant for grant in seen.grants)
            self.step(wallet, before, after, came=came, spent=0)
        self.at = max(self.at, at)

    def _instants(self, wallet: NaiveWallet, until: int) -> Iterator[int]:
        seen, now = looked_at(wallet, until)
        for grant in seen.grants:
            yield from (
                instant
                for instant in (grant.effective_at, grant.expires_at)
                if self.at < instant <= now
            )
            for alert in self.alerts.values():
                if alert.shape == "expiry" and grant.expires_at != NEVER:
                    near = max(grant.expires_at - int(alert.line) * DAY, grant.effective_at)
                    if self.at < near <= now:
                        yield near
        for hold in seen.holds:
            if self.at < hold.expires_at <= now:
                yield hold.expires_at

    def step(
        self,
        wallet: NaiveWallet,
        before: NaiveLook,
        after: NaiveLook,
        *,
        came: bool,
        spent: int,
    ) -> None:
        """Something happened at one instant."""
        known = before.available if self.base is None else self.base
        self.base = after.available if came else max(known, after.available)
        if not any(each.line.endswith("%") for each in self._open()):
            self.base = None  # it is kept as long as there is need of it
        if not any(each.shape == "depletes" for each in self._open()):
            self.spent, spent = {}, 0
        today = after.at // DAY
        self.spent[today] = max(0, self.spent.get(today, 0) + spent)
        for alert in self._open():
            if alert.shape == "expiry":
                self._near(alert, wallet, after.at)
                continue
            if not after.moved_from(before):
                continue
            there = self._is_there(alert, wallet, after)
            moved = after.use > before.use if alert.shape == "used" else after.net < before.net
            if there and moved and not alert.fired:
                alert.told.append((after.at, after.available))
            alert.fired = there and (alert.fired or moved)

    def _is_there(self, alert: NaiveAlert, wallet: NaiveWallet, now: NaiveLook) -> bool:
        if alert.shape == "depletes":
            days = [
                day for day in range(now.at // DAY - 6, now.at // DAY + 1) if self.spent.get(day)
            ]
            if not days:
                return False
            span, used = now.at // DAY - days[0] + 1, sum(self.spent[day] for day in days)
            return Decimal(now.available) / used * span <= int(alert.line)
        if alert.line.endswith("%"):
            assert self.base is not None
            return (
                self.base > 0 and now.available <= Decimal(self.base) * int(alert.line[:-1]) / 100
            )
        line = wallet.units(alert.line) if alert.line != "0" else 0
        return now.use >= line if alert.shape == "used" else now.available <= line

    def _near(self, alert: NaiveAlert, wallet: NaiveWallet, at: int) -> None:
        """Grants that are so near their end, each once, unless its end was moved away meanwhile."""
        seen, now = looked_at(wallet, at)
        for grant in seen.grants:
            if not is_living(grant, now) or grant.expires_at - int(alert.line) * DAY > now:
                alert.known.discard(grant.number)
                continue
            if grant.number not in alert.known:
                alert.told.append((now, look(wallet, at).available))
            alert.known.add(grant.number)


def is_living(grant: NaiveGrant, now: int) -> bool:
    return grant.effective_at <= now < grant.expires_at != NEVER and grant.remaining > 0


def look(wallet: NaiveWallet, at: int) -> NaiveLook:
    seen, now = looked_at(wallet, at)
    used = sum(grant.used for grant in seen.grants)
    return NaiveLook(now, seen.available(now), seen.overage, used + seen.overage)
