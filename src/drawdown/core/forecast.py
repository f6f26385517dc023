"""When a wallet runs dry, if it is used on as it was lately: its time played on by the code that records it.

Use goes on evenly, one unit at a time: the k-th at the first microsecond by which k units are due. Each is
drawn in burn-down order, whatever a grant's scope, and what credit does not pay is overage as far as the
rule lets it. Between two units time does what it will do: grants begin and expire, holds end, cycles come.
Nothing is recorded.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum

import msgspec

from drawdown.core import instants, lifecycle, posting
from drawdown.core.errors import FieldInvalid
from drawdown.core.overage import headroom
from drawdown.core.posting import Posting
from drawdown.core.state import Changes, Wallet
from drawdown.core.times import INSTANT_MAX
from drawdown.core.types import DAY, NOTHING, USES, Entry, EntryKind, Id, Instant, Operation

DAYS_MAX = 366
WINDOW_DAYS_MAX = 366
#: So many losses are told one by one; their sum has them all.
LOSSES_MAX = 100
#: At what places a rate is told that no decimal is equal to.
RATE_PLACES = 12
_RETURNS = frozenset({EntryKind.REVERSED, EntryKind.OVERAGE_REVERSED})
_LOSSES = frozenset({EntryKind.EXPIRED, EntryKind.FORFEITED})


class Lasting(StrEnum):
    """Why no instant can be told at which a wallet is dry."""

    NO_USAGE = "no_usage"
    NOT_WITHIN_HORIZON = "not_within_horizon"


class Use(msgspec.Struct, frozen=True, kw_only=True):
    """``units`` were used from ``since`` on, up to now: what was given back since is taken off."""

    units: int
    since: Instant


class Point(msgspec.Struct, frozen=True, kw_only=True):
    """How the wallet stands at an instant."""

    at: Instant
    posted: int
    held: int
    pending: int
    overage: int

    @property
    def available(self) -> int:
        return self.posted - self.held


class Loss(msgspec.Struct, frozen=True):
    """What of a grant comes to its end unused."""

    grant: Id
    amount: int
    at: Instant


class Forecast(msgspec.Struct, kw_only=True):
    """``depletes_at`` is the first instant at which nothing is available; without one ``lasting`` says why.

    ``losses`` are the first ``LOSSES_MAX`` of what expires, ``lost`` is the sum of all. ``shortfall`` is what
    neither credit nor overage pays of the use up to the last of ``points``, of which there is one a day.
    """

    use: Use
    as_of: Instant
    until: Instant
    available: int = 0
    depletes_at: Instant | None = None
    lost: int = 0
    shortfall: int = 0
    losses: list[Loss] = []
    points: list[Point] = []

    @property
    def lasting(self) -> Lasting | None:
        if self.use.units == 0:
            return Lasting.NO_USAGE
        return Lasting.NOT_WITHIN_HORIZON if self.depletes_at is None else None


def check(days: int, window_days: int) -> None:
    """Raises ``FieldInvalid``."""
    if not 1 <= days <= DAYS_MAX:
        raise FieldInvalid("days", f"a whole number from 1 to {DAYS_MAX}")
    if not 1 <= window_days <= WINDOW_DAYS_MAX:
        raise FieldInvalid("window_days", f"a whole number from 1 to {WINDOW_DAYS_MAX}")


def window_start(wallet: Wallet, as_of: Instant, days: int) -> Instant:
    """Since when use is counted: for some days, or as long as there has been a wallet, but one at least."""
    return Instant(min(as_of - DAY, max(as_of - days * DAY, wallet.created_at)))


def used(entries: Iterable[Entry]) -> int:
    """What some entries use, less what they give back: below zero where that was used before them."""
    total = 0
    for entry in entries:
        if entry.kind in USES:
            total += entry.amount
        elif entry.kind in _RETURNS:
            total -= entry.amount
    return total


def per_day(use: Use, as_of: Instant, scale: int) -> int:
    """The rate in steps of 10**-``RATE_PLACES``, truncated; nothing else is computed from it."""
    steps: int = use.units * 10 ** (RATE_PLACES - scale)
    return steps * DAY // (as_of - use.since)


def look_ahead(wallet: Wallet, use: Use, as_of: Instant, days: int) -> Forecast:
    """Play ``days`` of a wallet's future. It is changed; all that is open of it must be loaded.

    ``as_of`` is no earlier than the wallet's last use. Days that would end after the year 9999 are left out.
    Nobody is told of what is foreseen.
    """
    days = min(days, (INSTANT_MAX - as_of) // DAY)
    wallet.alerts, wallet.watch = (), None
    instants.settled(wallet, as_of)
    until = Instant(as_of + days * DAY)
    found = Forecast(use=use, as_of=as_of, until=until, available=wallet.available)
    _Play(wallet, found).run(days)
    return found


class _Play:
    """A wallet's days to come, one by one."""

    def __init__(self, wallet: Wallet, found: Forecast) -> None:
        self._wallet, self._found = wallet, found
        self._units, self._span = found.use.units, found.as_of - found.use.since
        self._done = 0
        self._open = wallet.grants
        self._posting = _nothing(wallet, found.as_of)

    def run(self, days: int) -> None:
        self._note_dry(self._found.as_of)
        self._note_point(self._found.as_of)
        for day in range(1, days + 1):
            at = Instant(self._found.as_of + day * DAY)
            self._load_due(at)
            while self._wallet.is_due(at):
                assert self._wallet.next_due_at is not None
                self._pass(self._wallet.next_due_at)
            self._use(self._due_by(at))
            self._note_point(at)

    def _load_due(self, at: Instant) -> None:
        """Let the wallet look only at what may change by ``at``: of ten thousand grants those are few."""
        wallet = self._wallet
        everything = self._open | wallet.grants
        self._open = {each.id: each for each in everything.values() if each.remaining}
        wallet.grants = {
            each.id: each
            for each in self._open.values()
            if each.held or each.schedule or (each.due_at is not None and each.due_at <= at)
        }
        wallet.next_due_at = lifecycle.next_due_at(
            (*wallet.grants.values(), *wallet.holds.values(), *wallet.schedules.values())
        )

    def _pass(self, at: Instant) -> None:
        """Come to an instant at which something is due: use before it, what is due, and use at it."""
        self._use(self._due_by(Instant(at - 1)))
        for entry in instants.foreseen(self._wallet, at):
            if entry.kind in _LOSSES:
                self._lose(entry)
        self._note_dry(at)
        self._use(self._due_by(at))

    def _due_by(self, at: Instant) -> int:
        """How many units of use there have been by an instant, itself included."""
        return self._units * (at - self._found.as_of) // self._span

    def _instant_of(self, unit: int) -> Instant:
        """When the use comes to so many units."""
        return Instant(self._found.as_of - -unit * self._span // self._units)

    def _use(self, due: int) -> None:
        """Draw what has become due, as far as it goes."""
        asked, wallet, at = due - self._done, self._wallet, self._found.as_of
        if asked <= 0:
            return
        drawn = min(asked, wallet.available)
        posting.draw(self._posting, wallet, _draws(wallet, drawn), at)
        if wallet.available == 0 and self._found.depletes_at is None:
            self._found.depletes_at = self._instant_of(self._done + drawn)
        beyond = min(asked - drawn, headroom(wallet))
        if beyond:
            posting.post_overage(self._posting, wallet, EntryKind.OVERAGE_CHARGED, beyond, at)
        self._found.shortfall += asked - drawn - beyond
        self._done = due
        self._posting.entries.clear()

    def _note_dry(self, at: Instant) -> None:
        if self._units and self._wallet.available == 0 and self._found.depletes_at is None:
            self._found.depletes_at = at

    def _lose(self, entry: Entry) -> None:
        self._found.lost += entry.amount
        if len(self._found.losses) < LOSSES_MAX:
            self._found.losses.append(Loss(entry.grant, entry.amount, entry.at))

    def _note_point(self, at: Instant) -> None:
        wallet = self._wallet
        self._found.points.append(
            Point(
                at=at,
                posted=wallet.posted,
                held=wallet.held,
                pending=wallet.pending,
                overage=wallet.overage,
            )
        )


def _draws(wallet: Wallet, units: int) -> posting.Draws:
    """The first free credit in burn-down order, whatever its scope: nobody knows what use will be for."""
    found: posting.Draws = []
    for grant in wallet.queue:
        if units == 0:
            break
        part = min(grant.free, units)
        if part:
            found.append((grant, part))
            units -= part
    assert units == 0, "what is available can be drawn"
    return found


def _nothing(wallet: Wallet, at: Instant) -> Posting:
    """An operation that nobody will see."""
    made = Operation(
        id=NOTHING,
        customer=wallet.customer,
        entitlement=wallet.entitlement,
        kind="forecast",
        at=at,
        recorded_at=at,
        facts=b"{}",
    )
    return Posting(made, Changes())
