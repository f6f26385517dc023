"""Any instant: a wallet as it was, as it is, and as it will be, by the same code that records it.

Forward, time alone acts: what is known to fall due is done, and nothing else. Back, entries are undone,
newest first. Facts that are no movement of credit (expiry, name, metadata) are as known now.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from drawdown.core.errors import FieldInvalid
from drawdown.core.fold import GRANT_CHANGE, SOURCES, transfers_of
from drawdown.core.settling import settle
from drawdown.core.state import Changes, Wallet
from drawdown.core.types import DAY, DRAWS, NOTHING, Entry, EntryKind, Grant, Instant

#: Ten years, whatever leap years are among them.
FORESIGHT_MAX = 3_653 * DAY


class Segment(msgspec.Struct, frozen=True, kw_only=True):
    """A time in which a wallet's balance is constant: from ``start``, up to but without ``end``."""

    start: Instant
    end: Instant
    posted: int
    held: int
    pending: int
    overage: int

    @property
    def available(self) -> int:
        return self.posted - self.held

    @property
    def values(self) -> tuple[int, ...]:
        return (self.posted, self.held, self.pending, self.overage)


def check_foresight(at: Instant, now: Instant, field: str = "at") -> None:
    """Raises ``FieldInvalid`` for an instant more than ten years ahead."""
    if at > now + FORESIGHT_MAX:
        raise FieldInvalid(field, "at most 10 years from now")


def settled(wallet: Wallet, at: Instant) -> Wallet:
    """The wallet, of which all that is due is loaded, as time alone will have made it by ``at``.

    It is changed in place and nothing is recorded: its entries, and so ``seq``, are those it has. Time
    never runs back: an earlier ``at`` is its last.
    """
    recorded = (wallet.seq, wallet.chain, wallet.last_at)
    foreseen(wallet, at)
    wallet.seq, wallet.chain, wallet.last_at = recorded
    return wallet


def foreseen(wallet: Wallet, at: Instant) -> list[Entry]:
    """Settle the wallet up to ``at``, as ``settled``: the entries that time will write, oldest first."""
    changes = Changes()
    settle(wallet, changes, NOTHING, Instant(max(at, wallet.last_at)), at)
    return [entry for _, entries in changes.operations for entry in entries]


def undo(wallet: Wallet, entry: Entry) -> None:
    """Take back the wallet's newest entry: its accounts and, where the grant is loaded, the grant.

    A grant whose granting is undone is not there any more. ``drawn`` of one whose last use is undone
    becomes false, though it may have been drawn and wholly given back before.
    """
    for source, target in transfers_of(entry.kind, _was_pending(entry)):
        _take_back(wallet, source, -entry.amount if source in SOURCES else entry.amount)
        _take_back(wallet, target, entry.amount if target in SOURCES else -entry.amount)
    wallet.held, wallet.overage, wallet.seq = entry.held_before, entry.overage_before, entry.seq - 1
    if entry.kind is EntryKind.GRANTED or entry.kind is EntryKind.ROLLED_IN:
        wallet.grants.pop(entry.grant, None)
    elif entry.grant in wallet.grants:
        _undo_in(wallet.grants[entry.grant], entry)


def _take_back(wallet: Wallet, account: str, amount: int) -> None:
    """A wallet keeps no account of what only passes through, nor of where its overage came from."""
    if account not in _NOT_KEPT:
        setattr(wallet, account, getattr(wallet, account) + amount)


_NOT_KEPT = frozenset({"rolled", "unfunded", "overage"})


def _was_pending(entry: Entry) -> bool:
    """Whether a grant was pending when it was made, or ended: then its credit was never posted."""
    return entry.posted_before == entry.posted_after


def _undo_in(grant: Grant, entry: Entry) -> None:
    kind = entry.kind
    for name, times in GRANT_CHANGE[kind].items():
        setattr(grant, name, getattr(grant, name) - times * entry.amount)
    if kind in _USED:
        grant.drawn = grant.used > 0
    elif kind is EntryKind.REVERSED:
        grant.drawn = True
    elif kind is EntryKind.ACTIVATED:
        grant.pending = True
    elif kind in _ENDED:
        grant.pending = _was_pending(entry)


_USED = DRAWS | {EntryKind.OVERAGE_REPAID}
_ENDED = frozenset({EntryKind.EXPIRED, EntryKind.VOIDED, EntryKind.FORFEITED})


def rewind(wallet: Wallet, entries: Iterable[Entry], at: Instant) -> bool:
    """Undo those of some entries, newest first, that came after ``at``; whether that was far enough."""
    for entry in entries:
        if entry.at <= at:
            return True
        undo(wallet, entry)
    return False


def forget_ends(grants: Iterable[Grant], at: Instant) -> None:
    """Of grants whose entries after ``at`` are undone: an end that came later has not come yet.

    A grant is never voided without losing credit, but may expire with none to lose.
    """
    for grant in grants:
        if grant.expired_at is not None and grant.expired_at > at:
            grant.expired_at = None
        if grant.voided == 0:
            grant.voided_at = None


class History:
    """A wallet's segments between two instants, newest first, from its entries, newest first.

    Segments begin and end with the instants asked for; entries of one instant, and neighbours that are
    equal, are one. The wallet is undone as it goes.
    """

    def __init__(self, wallet: Wallet, since: Instant, until: Instant) -> None:
        self.segments: list[Segment] = []
        self._wallet, self._since, self._end = wallet, since, until

    def walk(self, entries: Iterable[Entry], limit: int) -> bool:
        """Go back over some entries; whether that was far enough for ``limit`` finished segments."""
        for entry in entries:
            if entry.at <= self._since or len(self.segments) > limit:
                return True
            self._begin_at(entry.at)
            undo(self._wallet, entry)
        return len(self.segments) > limit

    def page(self, limit: int) -> tuple[list[Segment], Instant | None]:
        """The first ``limit`` segments, and where the next page ends, if there is one."""
        if len(self.segments) <= limit:
            self._begin_at(self._since)
        shown = self.segments[:limit]
        return shown, shown[-1].start if len(self.segments) > limit else None

    def _begin_at(self, start: Instant) -> None:
        """The wallet has been as it is now since ``start``."""
        if start >= self._end:
            return
        wallet = self._wallet
        values = (wallet.posted, wallet.held, wallet.pending, wallet.overage)
        end, self._end = self._end, start
        if self.segments and self.segments[-1].values == values:
            self.segments[-1] = msgspec.structs.replace(self.segments[-1], start=start)
            return
        posted, held, pending, overage = values
        self.segments.append(
            Segment(
                start=start, end=end, posted=posted, held=held, pending=pending, overage=overage
            )
        )
