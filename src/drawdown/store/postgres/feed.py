"""What was recorded, in its order, over all that many processes write at once."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection
from typing import Any

from drawdown.core.identity import slot_of
from drawdown.core.types import MICROSECONDS, Id, Instant, Operation
from drawdown.engine.ports import FeedFilter, FeedPage, Recorded
from drawdown.engine.positions import Position
from drawdown.store import rows
from drawdown.store.postgres.operations import spans
from drawdown.store.postgres.reads import PostgresReads, id_columns

#: What clocks of several machines may differ by, and then some.
FEED_LAG = 2 * MICROSECONDS
#: Before what the oldest transaction under way may have recorded: its time is its machine's.
WRITER_LAG = MICROSECONDS
#: Of how many operations entries are read at a time.
WALKED = 500


class PostgresFeed(PostgresReads):
    """Operations in the order of their times. A transaction that has not ended yet may still bring some."""

    async def recorded_until(self, now: Instant) -> Instant:
        """Two seconds ago, and before whatever is being written now, however long that takes."""
        age = await self.oldest_writer()
        return Instant(now - max(FEED_LAG, age + WRITER_LAG if age else 0))

    async def oldest_writer(self) -> int:
        """For how many microseconds a transaction that writes has been under way; 0 without any."""
        [(age,)] = await self._fetch("oldest_writer")
        return max(age or 0, 0)

    async def read_feed(self, asked: FeedFilter) -> FeedPage:
        after = asked.after
        bindings: list[Any] = [after.recorded_at, after.operation, asked.until, asked.limit]
        if asked.customer is None:
            found = await self._fetch("list_operations", *bindings)
        else:
            place = (slot_of(asked.customer), asked.customer)
            found = await self._fetch("customer_operations", *bindings, *place)
        chosen = [row for row in found if asked.books is None or row[0] in asked.books]
        end = Position(found[-1][6], found[-1][1]) if found else after
        more = len(found) == asked.limit
        return FeedPage(found=await self._with_entries(chosen), end=end, more=more)

    async def walk_operations(self, book: Id, owners: Collection[Id]) -> AsyncIterator[Recorded]:
        """One owner after the other."""
        for owner in owners:
            found = await self._fetch("operations_of", book, slot_of(owner), owner)
            for start in range(0, len(found), WALKED):
                for each in await self._with_entries(found[start : start + WALKED]):
                    yield each

    async def _with_entries(self, found: list[Any]) -> list[Recorded]:
        places = [
            (slot_of(row[2]), row[2], kind, first, first + count)
            for row in found
            for kind, (first, count) in spans(row[-1]).items()
        ]
        entries: dict[Id, list[Any]] = {}
        if places:
            columns = list(zip(*places, strict=True))
            for row in await self._find("entries_of_operation", columns):
                entries.setdefault(row[2], []).append(row)
        return [
            Recorded(
                book=row[0],
                operation=_operation_of(row),
                entries=tuple(
                    rows.entry_of(each[0], each[1], each[2], tuple(each[3:]))
                    for each in entries.get(row[1], ())
                ),
            )
            for row in found
        ]

    async def find_position(self, book: Id, operation: Id) -> Position | None:
        slots = [slot_of(operation), slot_of(book)]
        found = await self._fetch("operation_time", slots, operation)
        return Position(found[0][0], operation) if found else None

    async def wallet_seqs(self, customers: Collection[Id]) -> dict[Id, dict[Id, int]]:
        found: dict[Id, dict[Id, int]] = {customer: {} for customer in customers}
        for customer, entitlement, seq in await self._find("wallet_seqs", id_columns(customers)):
            found[customer][entitlement] = seq
        return found


def _operation_of(row: Any) -> Operation:
    return Operation(
        id=row[1],
        customer=row[2],
        entitlement=row[3],
        kind=row[4],
        at=row[5],
        recorded_at=row[6],
        subject=row[7],
        facts=row[8].encode(),
        changed=(row[9] or "").encode(),
        namespace=row[10],
        key=None if row[11] is None else row[11].decode(),
    )
