"""Balances as a fold over entries: computed again from nothing but what was recorded.

Every kind of entry moves credit between two accounts of its wallet, so that the accounts always sum to
zero: ``granted`` is the source, every other account a place where granted credit can be. Only holding and
releasing leave it where it is, in ``posted``. What rolls over passes through ``rolled``, which is empty
between operations. Usage past zero has a source of its own, ``unfunded``, and one place to be,
``overage``; repaying it is two movements: the overage goes back to its source, the credit is used.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from drawdown.core.chain import GENESIS, link
from drawdown.core.types import NOTHING, WITHOUT_GRANT, Entry, EntryKind, Id

#: Held credit is a part of what is posted: setting it aside moves it between no accounts.
HELD_CHANGE = {EntryKind.HELD: 1, EntryKind.RELEASED: -1, EntryKind.CAPTURED: -1}
#: What each kind of entry does to its grant: to which of its numbers how many times the amount is added.
GRANT_CHANGE: dict[EntryKind, dict[str, int]] = {
    EntryKind.GRANTED: {"amount": 1, "remaining": 1},
    EntryKind.ACTIVATED: {},
    EntryKind.DEBITED: {"remaining": -1, "used": 1},
    EntryKind.REVERSED: {"remaining": 1, "used": -1},
    EntryKind.EXPIRED: {"remaining": -1, "expired": 1},
    EntryKind.VOIDED: {"remaining": -1, "voided": 1},
    EntryKind.HELD: {"held": 1},
    EntryKind.RELEASED: {"held": -1},
    EntryKind.CAPTURED: {"remaining": -1, "used": 1, "held": -1},
    EntryKind.OVERAGE_REPAID: {"remaining": -1, "used": 1},
    EntryKind.ROLLED_OUT: {"remaining": -1, "rolled_over": 1},
    EntryKind.ROLLED_IN: {"amount": 1, "remaining": 1},
    EntryKind.FORFEITED: {"remaining": -1, "expired": 1},
    EntryKind.RESTORED: {"remaining": 1, "expired": -1},
}
#: The accounts that credit comes from: what is taken from one makes its total grow.
SOURCES = frozenset({"granted", "unfunded"})


class Fault(Exception):
    """The books do not add up. The message says where and how."""


class GrantFold(msgspec.Struct):
    """One grant's credit, from its entries."""

    amount: int = 0
    remaining: int = 0
    used: int = 0
    expired: int = 0
    voided: int = 0
    rolled_over: int = 0
    held: int = 0
    pending: bool = False


class WalletFold(msgspec.Struct):
    """One wallet's accounts (double entry: they sum to zero), chain and grants, from its entries."""

    granted: int = 0
    pending: int = 0
    posted: int = 0
    held: int = 0
    used: int = 0
    expired: int = 0
    voided: int = 0
    rolled: int = 0
    overage: int = 0
    unfunded: int = 0
    seq: int = 0
    chain: bytes = GENESIS
    grants: dict[Id, GrantFold] = {}

    def apply(self, entry: Entry) -> None:
        """Add one entry. Raises ``Fault`` when it cannot follow the ones before it."""
        if entry.seq != self.seq + 1:
            raise Fault(f"entry {entry.seq} follows entry {self.seq}")
        if entry.amount <= 0:
            raise Fault(f"entry {entry.seq} moves {entry.amount}")
        self._check_before(entry)
        self._move(entry)
        self._check_after(entry)
        self.chain = link(self.chain, entry)
        if entry.hash != self.chain:
            raise Fault(f"entry {entry.seq} does not carry the hash of its contents")
        self.seq = entry.seq

    def _check_before(self, entry: Entry) -> None:
        if entry.kind in WITHOUT_GRANT:
            if entry.grant != NOTHING:
                raise Fault(f"entry {entry.seq} moves overage alone, and names a grant")
        elif entry.kind in (EntryKind.GRANTED, EntryKind.ROLLED_IN):
            if entry.grant in self.grants:
                raise Fault(f"entry {entry.seq} grants a grant a second time")
            self.grants[entry.grant] = GrantFold()
        elif entry.grant not in self.grants:
            raise Fault(f"entry {entry.seq} moves a grant that was never granted")
        before = (entry.posted_before, entry.held_before, entry.overage_before, entry.grant_before)
        if before != (self.posted, self.held, self.overage, self._remaining(entry)):
            raise Fault(f"entry {entry.seq} does not start from where entry {self.seq} ended")

    def _remaining(self, entry: Entry) -> int:
        return 0 if entry.kind in WITHOUT_GRANT else self.grants[entry.grant].remaining

    def _move(self, entry: Entry) -> None:
        pending = False
        if entry.kind not in WITHOUT_GRANT:
            pending = self._move_grant(self.grants[entry.grant], entry)
        self.held += HELD_CHANGE.get(entry.kind, 0) * entry.amount
        for source, target in transfers_of(entry.kind, pending):
            self._transfer(source, target, entry.amount)

    def _move_grant(self, grant: GrantFold, entry: Entry) -> bool:
        """Whether it was pending then."""
        for name, times in GRANT_CHANGE[entry.kind].items():
            setattr(grant, name, getattr(grant, name) + times * entry.amount)
        if entry.kind is EntryKind.GRANTED:
            grant.pending = entry.posted_after == entry.posted_before
        pending = grant.pending
        if entry.kind is EntryKind.ACTIVATED:
            grant.pending = False
        return pending

    def _transfer(self, source: str, target: str, amount: int) -> None:
        """A source is what came from it: taking from one adds, giving back to one takes away."""
        setattr(self, source, getattr(self, source) + (amount if source in SOURCES else -amount))
        setattr(self, target, getattr(self, target) + (-amount if target in SOURCES else amount))

    def _check_after(self, entry: Entry) -> None:
        after = (entry.posted_after, entry.held_after, entry.overage_after, entry.grant_after)
        if after != (self.posted, self.held, self.overage, self._remaining(entry)):
            raise Fault(f"entry {entry.seq} does not end where its amount leads")
        least = min(
            self.posted - self.held,
            self.held,
            self.pending,
            self.used,
            self.expired,
            self.rolled,
            self.overage,
        )
        if entry.kind not in WITHOUT_GRANT:
            grant = self.grants[entry.grant]
            least = min(least, grant.remaining - grant.held, grant.held, grant.used, grant.expired)
        if least < 0:
            raise Fault(f"entry {entry.seq} takes a balance below zero")


def transfers_of(kind: EntryKind, pending: bool) -> tuple[tuple[str, str], ...]:
    """Each movement of an entry: the account it takes from, and the one it adds to."""
    here = "pending" if pending else "posted"
    return {
        EntryKind.GRANTED: (("granted", here),),
        EntryKind.ACTIVATED: (("pending", "posted"),),
        EntryKind.DEBITED: (("posted", "used"),),
        EntryKind.CAPTURED: (("posted", "used"),),
        EntryKind.REVERSED: (("used", "posted"),),
        EntryKind.EXPIRED: ((here, "expired"),),
        EntryKind.VOIDED: ((here, "voided"),),
        EntryKind.HELD: (),
        EntryKind.RELEASED: (),
        EntryKind.OVERAGE_CHARGED: (("unfunded", "overage"),),
        EntryKind.OVERAGE_REVERSED: (("overage", "unfunded"),),
        EntryKind.OVERAGE_REPAID: (("overage", "unfunded"), ("posted", "used")),
        EntryKind.OVERAGE_FORGIVEN: (("overage", "unfunded"),),
        EntryKind.OVERAGE_INVOICED: (("overage", "unfunded"),),
        EntryKind.ROLLED_OUT: (("posted", "rolled"),),
        EntryKind.ROLLED_IN: (("rolled", "posted"),),
        EntryKind.FORFEITED: ((here, "expired"),),
        EntryKind.RESTORED: (("expired", "posted"),),
    }[kind]


def fold(entries: Iterable[Entry]) -> WalletFold:
    """A wallet from all of its entries, oldest first. Raises ``Fault``."""
    wallet = WalletFold()
    for entry in entries:
        wallet.apply(entry)
    return wallet
