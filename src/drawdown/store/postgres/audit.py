"""Walking the whole database for ``verify``: one snapshot, so that what is compared is of one moment."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from functools import partial
from typing import Any

import asyncpg
import msgspec

from drawdown.core.claims import Claimed, check_slot
from drawdown.core.fold import Fault
from drawdown.core.identity import slot_of
from drawdown.core.types import Document, Id
from drawdown.core.usage.records import Count, Event, ValueKey
from drawdown.core.watching.usage_crossings import KIND
from drawdown.engine.ports import WalletAudit
from drawdown.store import document_rows, top_up_rows, usage_rows
from drawdown.store.bearers import CLAIMS_AT_ONCE, claimed_of
from drawdown.store.postgres.reads import (
    SEQ_MAX,
    PostgresReads,
    entry_of,
    grant_of,
    hold_of,
    schedule_of,
)
from drawdown.store.postgres.slots import claim_slot
from drawdown.store.rows import optional_overage
from drawdown.store.usage_rows import readable

_CHUNK = 100
#: Some statements read all that there is.
STATEMENT_SECONDS = 6 * 3600.0
_FIRST = (-1, bytes(16), bytes(16))


def _claimed(row: Any) -> Claimed:
    """Raises ``Fault`` for a claim that stands where nobody looks for it."""
    claim = claimed_of(tuple(row)[1:])
    check_slot(claim, claim_slot(*claim.name) == row[0])
    return claim


class _Patient:
    """A connection whose statements may take long."""

    def __init__(self, connection: asyncpg.Connection) -> None:
        self._connection = connection

    async def fetch(self, query: str, *args: object) -> list[Any]:
        found: list[Any] = await self._connection.fetch(query, *args, timeout=STATEMENT_SECONDS)
        return found


class PostgresAudit(PostgresReads):
    """Every wallet with its grants and entries, and what can only be seen over all of them."""

    claims_apart = False

    def __init__(self, connection: asyncpg.Connection, queries: Mapping[str, str]) -> None:
        super().__init__(_Patient(connection), queries)
        self.wallets = 0

    async def begin(self) -> None:
        self.wallets = await self._count("count_wallets")

    async def _count(self, query: str) -> int:
        count: int = (await self._fetch(query))[0][0]
        return count

    async def walk(self) -> AsyncIterator[WalletAudit]:
        """Every wallet, in the order of their keys."""
        after: tuple[Any, ...] = _FIRST
        while found := await self._fetch("next_wallets", *after, _CHUNK):
            for row in found:
                yield await self._readable(row)
            last = found[-1]
            after = (slot_of(last[0]), last[0], last[1])

    async def _readable(self, row: Any) -> WalletAudit:
        """The wallet of a row. Raises ``Fault`` when something of it was never written by a ledger."""
        try:
            return await self._wallet(row)
        except (msgspec.MsgspecError, LookupError, TypeError, ValueError) as error:
            raise Fault(f"wallet {row[0].hex()} cannot be read: {error!r}") from error

    async def _wallet(self, row: Any) -> WalletAudit:
        place = (slot_of(row[0]), row[0], row[1])
        entries = await self._fetch("walk_entries", *place, SEQ_MAX, None)
        standing = top_up_rows.standing_in(row[20])
        requests = await self._fetch("requests_of_wallet", *place) if standing else []
        return WalletAudit(
            customer=row[0],
            entitlement=row[1],
            code=row[2],
            scale=row[3] or 0,
            posted=row[5],
            pending=row[6],
            held=row[7],
            overage=row[8],
            granted=row[9],
            used=row[10],
            expired=row[11],
            voided=row[12],
            open_grants=row[13],
            open_holds=row[14],
            seq=row[15],
            chain=row[16],
            next_due_at=row[18],
            overage_override=optional_overage(row[19]),
            grants=[grant_of(found) for found in await self._fetch("grants_of_wallet", *place)],
            holds=[hold_of(found) for found in await self._fetch("holds_of_wallet", *place)],
            schedules=[
                schedule_of(found) for found in await self._fetch("schedules_of_wallet", *place)
            ],
            entries=[entry_of(found) for found in reversed(entries)],
            standing=standing,
            requests=[top_up_rows.request_of(tuple(found)) for found in requests],
            documents=[
                document_rows.document_of(tuple(found))
                for found in await self._fetch("documents_of_wallet", *place)
            ],
        )

    def walk_events(self) -> AsyncIterator[Event | None]:
        return usage_rows.with_ends(self._events())

    async def _events(self) -> AsyncIterator[Event]:
        """Customer by customer."""
        after: tuple[Any, ...] = _FIRST
        while found := await self._fetch("next_events", *after, _CHUNK):
            for row in found:
                yield readable(usage_rows.event_of, tuple(row))
            last = found[-1]
            after = (slot_of(last[1]), last[1], last[0])

    async def usage_of(self, customer: Id) -> tuple[list[Count], dict[ValueKey, int]]:
        place = (slot_of(customer), customer)
        counts = await self._fetch("counts_of_customer", *place)
        values = await self._fetch("values_of_customer", *place)
        return (
            readable(partial(usage_rows.counts_of, customer), counts),
            usage_rows.values_of(customer, values),
        )

    async def watched_of(self, customer: Id) -> list[Document]:
        found = await self._fetch("customer_documents", slot_of(customer), customer, KIND)
        return [document_rows.document_of(tuple(row)) for row in found]

    async def walk_claims(self) -> AsyncIterator[list[Claimed]]:
        after: tuple[Any, ...] = (-1, bytes(16), "", "")
        while found := await self._fetch("walk_claims", *after, CLAIMS_AT_ONCE):
            yield [_claimed(row) for row in found]
            after = tuple(found[-1])[:4]

    async def find_fault(self, entries_seen: int) -> str | None:
        """What is wrong with the database as a whole, given how many entries the wallets led to."""
        kept = await self._count("count_entries")
        if kept != entries_seen:
            return f"{kept} entries are kept, the wallets' histories hold {entries_seen}"
        stray = await self._count("count_stray_entries")
        if stray:
            return f"{stray} entries are of no operation"
        wrong = await self._count("count_wrong_operations")
        if wrong:
            return f"{wrong} operations have other entries than they say"
        stray = await self._count("count_stray_holds")
        if stray:
            return f"{stray} holds have ended and hold credit still"
        stray = await self._count("count_stray_counts")
        if stray:
            return f"{stray} counts are of customers without usage"
        wrong = await self._count("count_wrong_events")
        if wrong:
            return f"{wrong} usage events have other entries than their charges"
        return None
