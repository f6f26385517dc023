"""Writing entries: one movement at a time, with balances before and after and the next link of the chain."""

from __future__ import annotations

import msgspec

from drawdown.core import burn, chain, lifecycle
from drawdown.core.identity import derive
from drawdown.core.state import Changes, Wallet
from drawdown.core.types import Entry, EntryKind, Grant, Id, Instant, Operation


class Posting(msgspec.Struct, kw_only=True):
    """One operation in the making: what it has moved so far."""

    operation: Operation
    changes: Changes
    entries: list[Entry] = []

    def commit(self) -> None:
        """Hand the operation over to be stored; from here on it has happened."""
        self.changes.operations.append((self.operation, self.entries))


def post(
    posting: Posting,
    wallet: Wallet,
    grant: Grant,
    kind: EntryKind,
    amount: int,
    at: Instant,
    order_key: str | None = None,
) -> None:
    """Move ``amount`` of ``grant`` as ``kind`` says; wallet, grant and chain follow."""
    operation = posting.operation
    posted_before, grant_before = wallet.posted, grant.remaining
    _move(wallet, grant, kind, amount)
    wallet.seq += 1
    entry = Entry(
        customer=wallet.customer,
        entitlement=wallet.entitlement,
        operation=operation.id,
        ordinal=len(posting.entries),
        seq=wallet.seq,
        grant=grant.id,
        kind=kind,
        amount=amount,
        posted_before=posted_before,
        posted_after=wallet.posted,
        overage_before=wallet.overage,
        overage_after=wallet.overage,
        grant_before=0 if kind is EntryKind.GRANTED else grant_before,
        grant_after=grant.remaining,
        at=at,
        recorded_at=operation.recorded_at,
        order_key=order_key,
    )
    wallet.chain = chain.link(wallet.chain, entry)
    msgspec.structs.force_setattr(entry, "hash", wallet.chain)
    posting.entries.append(entry)
    _touch(posting.changes, wallet, grant, kind)


def _touch(changes: Changes, wallet: Wallet, grant: Grant, kind: EntryKind) -> None:
    """Note what must be written: of a drawn wallet or grant only what a draw changes."""
    drawn = kind is EntryKind.DEBITED
    wallets = changes.drawn_wallets if drawn else changes.wallets
    wallets[(wallet.customer, wallet.entitlement)] = wallet
    grants = changes.drawn_grants if drawn and grant.remaining > 0 else changes.grants
    grants[grant.id] = grant


def _move(wallet: Wallet, grant: Grant, kind: EntryKind, amount: int) -> None:
    """The arithmetic of each kind. Credit of a pending grant is in ``pending``, else in ``posted``."""
    if kind is EntryKind.DEBITED:
        wallet.posted -= amount
        wallet.used += amount
        grant.remaining -= amount
        grant.used += amount
        grant.drawn = True
    elif kind is EntryKind.REVERSED:
        wallet.posted += amount
        wallet.used -= amount
        grant.remaining += amount
        grant.used -= amount
    elif kind is EntryKind.ACTIVATED:
        wallet.pending -= amount
        wallet.posted += amount
        grant.pending = False
    elif kind is EntryKind.GRANTED:
        wallet.granted += amount
        _shift(wallet, grant, amount)
    else:
        _shift(wallet, grant, -amount)
        grant.remaining -= amount
        if kind is EntryKind.EXPIRED:
            wallet.expired += amount
            grant.expired += amount
        else:
            wallet.voided += amount
            grant.voided += amount


def _shift(wallet: Wallet, grant: Grant, amount: int) -> None:
    if grant.pending:
        wallet.pending += amount
    else:
        wallet.posted += amount


def draw(posting: Posting, wallet: Wallet, draws: list[tuple[Grant, int]], at: Instant) -> None:
    """Take each (grant, units) draw; grants that are used up leave the queue."""
    for grant, units in draws:
        post(posting, wallet, grant, EntryKind.DEBITED, units, at, burn.order_key(grant))
        if grant.remaining == 0:
            close(wallet, grant)


def write_off(posting: Posting, wallet: Wallet, grant: Grant, kind: EntryKind, at: Instant) -> None:
    """Expire or void what remains of a grant. One with nothing left moves nothing."""
    if grant.remaining > 0:
        wallet.dequeue(grant)
        wallet.open_grants -= 1
        post(posting, wallet, grant, kind, grant.remaining, at)
    if kind is EntryKind.EXPIRED:
        grant.expired_at = at
    else:
        grant.voided_at = at
    grant.pending = False
    posting.changes.grants[grant.id] = grant


def give_back(posting: Posting, wallet: Wallet, grant: Grant, units: int, at: Instant) -> None:
    """Return ``units`` to a grant; one that has ended loses them again at once, for the same reason."""
    reopened = grant.remaining == 0
    post(posting, wallet, grant, EntryKind.REVERSED, units, at)
    if lifecycle.is_ended(grant, at):
        voided = grant.voided_at is not None
        post(posting, wallet, grant, EntryKind.VOIDED if voided else EntryKind.EXPIRED, units, at)
    elif reopened:
        wallet.open_grants += 1
        wallet.enqueue(grant)
        note_due(wallet, grant)


def close(wallet: Wallet, grant: Grant) -> None:
    wallet.dequeue(grant)
    wallet.open_grants -= 1


def note_due(wallet: Wallet, grant: Grant) -> None:
    """Remember the grant's next instant if it comes before the wallet's."""
    if grant.due_at is not None:
        known = wallet.next_due_at
        wallet.next_due_at = grant.due_at if known is None else min(known, grant.due_at)


def settle(
    wallet: Wallet, changes: Changes, origin: Id, at: Instant, recorded_at: Instant
) -> Posting | None:
    """Record what time has done to the wallet by ``at``, as an operation of its own.

    None when nothing was due. Its id follows from ``origin``, the request that came upon it.
    """
    if wallet.next_due_at is None or wallet.next_due_at > at:
        return None
    wallet.next_due_at = None
    changes.wallets[(wallet.customer, wallet.entitlement)] = wallet
    items = lifecycle.due(wallet.grants.values(), at)
    posting = _settlement(wallet, changes, origin, at, recorded_at) if items else None
    for item in items:
        if posting is not None:
            _apply_due(posting, wallet, item)
    wallet.next_due_at = lifecycle.next_due_at(wallet.grants.values())
    if posting is not None:
        wallet.last_at = max(wallet.last_at, at)
        posting.commit()
    return posting


def _apply_due(posting: Posting, wallet: Wallet, item: lifecycle.Due) -> None:
    if item.kind is EntryKind.EXPIRED:
        write_off(posting, wallet, item.grant, EntryKind.EXPIRED, item.at)
    else:
        post(posting, wallet, item.grant, EntryKind.ACTIVATED, item.grant.remaining, item.at)
        wallet.enqueue(item.grant)


def _settlement(
    wallet: Wallet, changes: Changes, origin: Id, at: Instant, recorded_at: Instant
) -> Posting:
    label = "settle:" + wallet.entitlement.hex()
    operation = Operation(
        id=derive(origin, label),
        customer=wallet.customer,
        entitlement=wallet.entitlement,
        kind="settle",
        at=at,
        recorded_at=recorded_at,
        facts=b"{}",
    )
    return Posting(operation=operation, changes=changes)
