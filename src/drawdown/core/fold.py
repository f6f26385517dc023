"""Balances as a fold over entries: computed again from nothing but what was recorded.

Every kind of entry moves credit between two accounts of its wallet, so that the accounts always sum to
zero: ``granted`` is the source, every other account a place where granted credit can be. Only holding and
releasing leave it where it is, in ``posted``.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from drawdown.core.chain import GENESIS, link
from drawdown.core.types import DRAWS, Entry, EntryKind, Id

#: Held credit is a part of what is posted: setting it aside moves it between no accounts.
HELD_CHANGE = {EntryKind.HELD: 1, EntryKind.RELEASED: -1, EntryKind.CAPTURED: -1}


class Fault(Exception):
    """The books do not add up. The message says where and how."""


class GrantFold(msgspec.Struct):
    """One grant's credit, from its entries."""

    amount: int = 0
    remaining: int = 0
    used: int = 0
    expired: int = 0
    voided: int = 0
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
    overage: int = 0
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
        if entry.kind is EntryKind.GRANTED:
            if entry.grant in self.grants:
                raise Fault(f"entry {entry.seq} grants a grant a second time")
            self.grants[entry.grant] = GrantFold()
        elif entry.grant not in self.grants:
            raise Fault(f"entry {entry.seq} moves a grant that was never granted")
        grant = self.grants[entry.grant]
        before = (entry.posted_before, entry.held_before, entry.overage_before, entry.grant_before)
        if before != (self.posted, self.held, self.overage, grant.remaining):
            raise Fault(f"entry {entry.seq} does not start from where entry {self.seq} ended")

    def _move(self, entry: Entry) -> None:
        grant, amount = self.grants[entry.grant], entry.amount
        if entry.kind is EntryKind.GRANTED:
            grant.amount = grant.remaining = amount
            grant.pending = entry.posted_after == entry.posted_before
        elif entry.kind in DRAWS:
            grant.remaining, grant.used = grant.remaining - amount, grant.used + amount
        elif entry.kind is EntryKind.REVERSED:
            grant.remaining, grant.used = grant.remaining + amount, grant.used - amount
        elif entry.kind is EntryKind.EXPIRED:
            grant.remaining, grant.expired = grant.remaining - amount, grant.expired + amount
        elif entry.kind is EntryKind.VOIDED:
            grant.remaining, grant.voided = grant.remaining - amount, grant.voided + amount
        held = HELD_CHANGE.get(entry.kind, 0) * amount
        grant.held, self.held = grant.held + held, self.held + held
        if entry.kind not in (EntryKind.HELD, EntryKind.RELEASED):
            self._transfer(*accounts_of(entry.kind, grant.pending), amount)
        if entry.kind is EntryKind.ACTIVATED:
            grant.pending = False

    def _transfer(self, source: str, target: str, amount: int) -> None:
        setattr(self, source, getattr(self, source) + (amount if source == "granted" else -amount))
        setattr(self, target, getattr(self, target) + amount)

    def _check_after(self, entry: Entry) -> None:
        grant = self.grants[entry.grant]
        after = (entry.posted_after, entry.held_after, entry.overage_after, entry.grant_after)
        if after != (self.posted, self.held, self.overage, grant.remaining):
            raise Fault(f"entry {entry.seq} does not end where its amount leads")
        free = (grant.remaining - grant.held, self.posted - self.held)
        if min(*free, grant.held, grant.used, self.held, self.pending) < 0:
            raise Fault(f"entry {entry.seq} takes a balance below zero")


def accounts_of(kind: EntryKind, pending: bool) -> tuple[str, str]:
    """The account an entry takes from and the one it adds to."""
    here = "pending" if pending else "posted"
    return {
        EntryKind.GRANTED: ("granted", here),
        EntryKind.ACTIVATED: ("pending", "posted"),
        EntryKind.DEBITED: ("posted", "used"),
        EntryKind.CAPTURED: ("posted", "used"),
        EntryKind.REVERSED: ("used", "posted"),
        EntryKind.EXPIRED: (here, "expired"),
        EntryKind.VOIDED: (here, "voided"),
    }[kind]


def fold(entries: Iterable[Entry]) -> WalletFold:
    """A wallet from all of its entries, oldest first. Raises ``Fault``."""
    wallet = WalletFold()
    for entry in entries:
        wallet.apply(entry)
    return wallet
