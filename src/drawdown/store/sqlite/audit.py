"""Walking the whole file for ``verify``: one read transaction, so that what is compared is of one moment."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Sequence
from functools import partial

import apsw
import msgspec

from drawdown.core.claims import Claimed
from drawdown.core.fold import Fault
from drawdown.core.state import Name
from drawdown.core.types import Document, Id
from drawdown.core.usage.records import Count, Event, Meter, ValueKey
from drawdown.core.watching.usage_crossings import KIND
from drawdown.engine.ports import Sought, WalletAudit
from drawdown.store import document_rows, rows, top_up_rows, usage_rows
from drawdown.store.bearers import BEARERS, CLAIMS_AT_ONCE, claimed_of
from drawdown.store.sqlite.reads import SqliteReads
from drawdown.store.usage_rows import readable

_CHUNK = 100


class SqliteAudit(SqliteReads):
    """Every wallet with its grants and entries, and what can only be seen over all of them."""

    claims_apart = False

    def __init__(self, connection: apsw.Connection, queries: dict[str, str]) -> None:
        super().__init__(connection, queries)
        connection.execute("BEGIN")
        self.wallets: int = self._count("count_wallets")

    def close(self) -> None:
        self._connection.close()

    def _rows(self, query: str, bindings: tuple[object, ...] = ()) -> list[rows.Row]:
        return self._connection.execute(self._queries[query], bindings).fetchall()

    def _count(self, query: str) -> int:
        count: int = self._rows(query)[0][0]
        return count

    async def walk(self) -> AsyncIterator[WalletAudit]:
        """Every wallet, in the order they were made."""
        for row in self._wallet_rows():
            yield self._readable(row)

    def _wallet_rows(self) -> Iterator[rows.Row]:
        after = 0
        while found := self._rows("next_wallets", (after, _CHUNK)):
            yield from found
            after = found[-1][0]

    def _readable(self, row: rows.Row) -> WalletAudit:
        """The wallet of a row. Raises ``Fault`` when something of it was never written by a ledger."""
        try:
            return self._audited(row)
        except (
            apsw.CorruptError,
            msgspec.MsgspecError,
            LookupError,
            TypeError,
            ValueError,
        ) as error:
            raise Fault(f"wallet {row[0]} cannot be read: {error!r}") from error

    def _audited(self, row: rows.Row) -> WalletAudit:
        number, customer, entitlement = row[:3]
        grants = self._rows("grants_of_wallet", (number,))
        holds = self._rows("holds_of_wallet", (number,))
        schedules = self._rows("schedules_of_wallet", (number,))
        standing = top_up_rows.standing_in(row[19])
        requests = self._rows("requests_of_wallet", (customer, entitlement)) if standing else []
        walked = self._rows("walk_entries", (row[-1], -1)) if row[-1] else []
        return WalletAudit(
            customer=customer,
            entitlement=entitlement,
            code=row[3],
            scale=row[4] or 0,
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
            next_due_at=row[17],
            overage_override=rows.optional_overage(row[18]),
            grants=[rows.grant_of(customer, entitlement, grant) for grant in grants],
            holds=[rows.hold_of(customer, entitlement, hold) for hold in holds],
            schedules=[rows.schedule_of(customer, entitlement, found) for found in schedules],
            entries=[
                rows.entry_of(customer, entitlement, entry[0], entry[1:])
                for entry in reversed(walked)
            ],
            standing=standing,
            requests=[top_up_rows.request_of(found) for found in requests],
            documents=[
                document_rows.document_of(found)
                for found in self._rows("documents_of_wallet", (customer, entitlement))
            ],
        )

    def walk_events(self) -> AsyncIterator[Event | None]:
        return usage_rows.with_ends(self._events())

    async def _events(self) -> AsyncIterator[Event]:
        """Customer by customer."""
        after = (b"", b"")
        while found := self._rows("next_events", (*after, _CHUNK)):
            for row in found:
                yield readable(usage_rows.event_of, row)
            after = (found[-1][1], found[-1][0])

    async def usage_of(self, customer: Id) -> tuple[list[Count], dict[ValueKey, int]]:
        counts = self._rows("counts_of_customer", (customer,))
        values = self._rows("values_of_customer", (customer,))
        return (
            readable(partial(usage_rows.counts_of, customer), counts),
            usage_rows.values_of(customer, values),
        )

    async def watched_of(self, customer: Id) -> list[Document]:
        found = self._rows("customer_documents", (customer, KIND))
        return [document_rows.document_of(row) for row in found]

    async def list_books(self) -> list[Id]:
        return [row[0] for row in self._rows("list_books")]

    async def list_meters(self, book: Id) -> list[Meter]:
        return [usage_rows.meter_of(row) for row in self._rows("book_meters", (book,))]

    async def walk_claims(self) -> AsyncIterator[list[Claimed]]:
        after: tuple[object, ...] = (b"", "", "")
        while found := self._rows("walk_claims", (*after, CLAIMS_AT_ONCE)):
            yield [claimed_of(row) for row in found]
            after = found[-1][:3]

    async def read_names(self, names: Sequence[Name]) -> dict[Name, Id]:
        found = ((name, self._row("find_name", name)) for name in names)
        return {name: row[0] for name, row in found if row is not None}

    async def find_bearers(self, kind: type[Sought], ids: Sequence[Id]) -> dict[Id, Sought]:
        query, read = BEARERS[kind]
        found = (self._row(query, (each,)) for each in ids)
        return {row[0]: readable(read, row) for row in found if row is not None}

    async def find_fault(self, entries_seen: int) -> str | None:
        """What is wrong with the file as a whole, given how many entries the wallets led to."""
        kept = self._count("count_entries")
        if kept != entries_seen:
            return f"{kept} entries are kept, the wallets' histories hold {entries_seen}"
        stray = self._count("count_stray_entries")
        if stray:
            return f"{stray} operations do not have the entries they name"
        stray = self._count("count_stray_holds")
        if stray:
            return f"{stray} holds have ended and hold credit still"
        stray = self._count("count_stray_counts")
        if stray:
            return f"{stray} counts are of customers without usage"
        wrong = self._count("count_wrong_events")
        if wrong:
            return f"{wrong} usage events have other entries than their charges"
        integrity = self._integrity()
        return None if integrity == "ok" else f"SQLite finds the file damaged: {integrity}"

    def _integrity(self) -> str:
        """What SQLite says of its tables and indices; ``ok`` when each row is where it belongs."""
        try:
            return str(self._connection.pragma("integrity_check"))
        except apsw.CorruptError as error:
            return str(error)
