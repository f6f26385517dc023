"""What the ledger was and will be: balances and grants at an instant, balances over time, debits explained.

Everything is read in one moment of the store and in chunks, between which others are served.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection

import msgspec

from drawdown.core import instants
from drawdown.core.hindsight import explain
from drawdown.core.hindsight.explain import Explanation
from drawdown.core.instants import Segment
from drawdown.core.schedules.terms import Schedule
from drawdown.core.state import Wallet
from drawdown.core.types import (
    NOTHING,
    USES,
    Balance,
    Entitlement,
    Entry,
    EntryKind,
    Grant,
    Id,
    Instant,
)
from drawdown.engine.ports import GrantFilter, Moment, Store, StoredDebit

#: How many entries or grants are read at once.
CHUNK = 500
#: Up to so many grants and holds may fall due on the event loop; more do in a thread.
DUE_AT_ONCE = 200
#: Of the grants that a debit found without credit, so many, the newest, are considered.
ENDED_CONSIDERED = 50
_NOTHING_DUE = Instant(0)


async def balance_at(store: Store, owner: Id, kind: Entitlement, at: Instant) -> Balance:
    """A wallet at an instant; zeros before it was made, and where it never was."""
    async with store.moment(owner) as moment:
        wallet = await moment.find_wallet(owner, kind.id, at)
        if wallet is None:
            return Balance(customer=owner, entitlement=kind.id, scale=kind.scale, as_of=at)
        wallet.overage_default = kind.overage
        await _travel(moment, wallet, at)
        return wallet.balance(kind.scale, at)


async def find_rule(store: Store, wallet: Wallet) -> None:
    """Give the wallet its entitlement's rule for overage: what becomes effective may have to repay some."""
    if wallet.overage:
        kind = await store.find_entitlement(wallet.entitlement)
        assert kind is not None, "what has overage is an entitlement's"
        wallet.overage_default = kind.overage


async def grants_at(store: Store, asked: GrantFilter, at: Instant) -> list[Grant]:
    """Grants of one wallet at an instant, of those made by then."""
    assert asked.customer is not None
    assert asked.entitlement is not None
    async with store.moment(asked.customer) as moment:
        found = await moment.list_grants(msgspec.structs.replace(asked, made_by=at))
        wallet = await moment.find_wallet(asked.customer, asked.entitlement, at)
        if wallet is None or not found:
            return []
        await find_rule(store, wallet)
        return await _grants_at(moment, wallet, found, at)


async def grant_at(store: Store, grant: Id, at: Instant) -> Grant | None:
    """One grant at an instant; None when it was made later."""
    async with store.moment(grant) as moment:
        found = await moment.find_grant(grant)
        if found is None or found.created_at > at:
            return None
        wallet = await moment.find_wallet(found.customer, found.entitlement, at)
        assert wallet is not None
        await find_rule(store, wallet)
        return (await _grants_at(moment, wallet, [found], at))[0]


async def _grants_at(
    moment: Moment, wallet: Wallet, grants: Collection[Grant], at: Instant
) -> list[Grant]:
    """The wallet's own records of what is due take the place of ``grants``: those are what is changed."""
    wallet.grants = {grant.id: grant for grant in grants} | wallet.grants
    await _travel(moment, wallet, at)
    return [wallet.grants[grant.id] for grant in grants]


async def schedule_now(store: Store, schedule: Schedule, at: Instant) -> Schedule:
    """The schedule as time will have made it by ``at``, whether or not that was recorded."""
    if schedule.next_at is None or schedule.next_at > at:
        return schedule
    async with store.moment(schedule.customer) as moment:
        wallet = await moment.find_wallet(schedule.customer, schedule.entitlement, at)
        if wallet is None or schedule.id not in wallet.schedules:
            return schedule
        found = wallet.schedules[schedule.id]
        await _settle(wallet, at)
        return found


async def history(
    store: Store, owner: Id, kind: Entitlement, since: Instant | None, until: Instant, limit: int
) -> tuple[list[Segment], Instant | None]:
    """Segments of a wallet from ``since`` (None: since it was made) to ``until``, newest first.

    Beside them: where the next page ends, if there is one.
    """
    async with store.moment(owner) as moment:
        wallet = await moment.find_wallet(owner, kind.id, until)
        if wallet is None:
            wallet = Wallet(
                customer=owner,
                entitlement=kind.id,
                burn_order=kind.burn_order,
                created_at=until,
            )
        wallet.overage_default = kind.overage
        walk = instants.History(wallet, wallet.created_at if since is None else since, until)
        coming = await _settle(wallet, until)
        if not walk.walk(reversed(coming), limit):
            recorded = _Recorded(moment, wallet)
            while (entries := await recorded.older()) and not walk.walk(entries, limit):
                pass
        return walk.page(limit)


async def explained(store: Store, book: Id, debit: Id, kinds: dict[Id, Entitlement]) -> Explanation:
    """Why a debit drew on the grants it drew on. ``kinds``: the entitlements that it drew on."""
    async with store.moment(debit) as moment:
        found = await moment.find_debit(debit)
        assert found is not None
        operation = found.operation
        captures = operation.kind == "capture" and operation.subject is not None
        hold = await moment.find_hold(operation.subject) if captures else None  # type: ignore[arg-type]
        explanation = explain.explain(operation, hold)
        uses = [entry for entry in found.entries if entry.kind in USES]
        for entitlement in dict.fromkeys(entry.entitlement for entry in uses):
            first = next(entry for entry in uses if entry.entitlement == entitlement)
            entries = [
                entry
                for entry in found.entries
                if entry.entitlement == entitlement and entry.seq >= first.seq
            ]
            wallet = await _just_before(moment, book, found, entries[0])
            explain.add_part(
                explanation,
                kinds[entitlement],
                wallet,
                entries,
                found.reversed.get(entitlement, 0),
            )
    return explanation


async def _just_before(moment: Moment, book: Id, debit: StoredDebit, first: Entry) -> Wallet:
    """The debit's wallet before its ``first`` entry in it, with the grants that it found there."""
    wallet = await moment.find_wallet(first.customer, first.entitlement, _NOTHING_DUE)
    assert wallet is not None
    born: set[Id] = set()
    recorded = _Recorded(moment, wallet)
    while entries := await recorded.older():
        newer = [entry for entry in entries if entry.seq >= first.seq]
        await _load(moment, wallet, {entry.grant for entry in newer} - born - {NOTHING})
        for entry in newer:
            instants.undo(wallet, entry)
            if entry.kind in (EntryKind.GRANTED, EntryKind.ROLLED_IN):
                born.add(entry.grant)
        if len(newer) < len(entries):
            break
    for grant in await _others(moment, book, first, debit.operation.at):
        if grant.id not in born:
            wallet.grants.setdefault(grant.id, grant)
    instants.forget_ends(wallet.grants.values(), debit.operation.at)
    await _undo_changes(moment, wallet, debit, first.seq)
    return wallet


async def _load(moment: Moment, wallet: Wallet, grants: Collection[Id]) -> None:
    for grant in grants:
        if grant not in wallet.grants:
            found = await moment.find_grant(grant)
            assert found is not None
            wallet.grants[grant] = found


async def _others(moment: Moment, book: Id, first: Entry, at: Instant) -> list[Grant]:
    """The wallet's grants with something left, and the newest of all, made by ``at``."""
    asked = GrantFilter(
        book=book,
        now=at,
        limit=ENDED_CONSIDERED,
        customer=first.customer,
        entitlement=first.entitlement,
        made_by=at,
    )
    others = await moment.list_grants(asked)
    asked = msgspec.structs.replace(asked, unspent=True, limit=CHUNK)
    while found := await moment.list_grants(asked):
        others += found
        asked = msgspec.structs.replace(asked, after=found[-1].id)
        await asyncio.sleep(0)
    return others


async def _undo_changes(moment: Moment, wallet: Wallet, debit: StoredDebit, seq: int) -> None:
    """Expiries as they were; only of a grant that was changed since the debit may they differ.

    ``seq`` is that of the debit's first entry in the wallet.
    """
    for grant in list(wallet.grants.values()):
        if grant.updated_at >= debit.operation.at:
            changes = await moment.later_changes(grant.id, debit.operation.id)
            explain.undo_changes(grant, changes, seq)
            await asyncio.sleep(0)


async def _travel(moment: Moment, wallet: Wallet, at: Instant) -> None:
    """Take the wallet and its loaded grants to an instant: forward by time alone, back by undoing."""
    if at >= wallet.last_at:
        await _settle(wallet, at)
        return
    recorded = _Recorded(moment, wallet)
    while (entries := await recorded.older()) and not instants.rewind(wallet, entries, at):
        pass
    instants.forget_ends(wallet.grants.values(), at)


async def _settle(wallet: Wallet, at: Instant) -> list[Entry]:
    if len(wallet.grants) + len(wallet.holds) > DUE_AT_ONCE:
        return await asyncio.to_thread(instants.foreseen, wallet, at)
    return instants.foreseen(wallet, at)


class _Recorded:
    """A wallet's entries, newest first, chunk by chunk; an empty one at the end."""

    def __init__(self, moment: Moment, wallet: Wallet) -> None:
        self._moment, self._wallet = moment, wallet
        self._place: str | None = None
        self._begun = False

    async def older(self) -> list[Entry]:
        if self._begun:
            if self._place is None:
                return []
            await asyncio.sleep(0)
        self._begun = True
        entries, self._place = await self._moment.walk_entries(
            self._wallet.customer, self._wallet.entitlement, self._place, CHUNK
        )
        return entries
