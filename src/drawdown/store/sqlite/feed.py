"""What was recorded, in its order: the file's own numbers are that order but for a batch's own."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Collection, Sequence
from itertools import groupby, takewhile

import msgspec

from drawdown.core.types import Id, Instant, Operation
from drawdown.engine.ports import FeedFilter, FeedPage, Recorded
from drawdown.engine.positions import Position
from drawdown.store import rows
from drawdown.store.sqlite.reads import SqliteReads

#: Where the parts of an operation stand in a row of ``list_operations``.
_BOOK, _AT, _RECORDED_AT, _FIRST = 1, 6, 7, 13
#: Of how many numbers whose operations they are is looked at, at a time: some milliseconds.
WALKED = 10_000


class SqliteFeed(SqliteReads):
    """Operations as they were committed. Nobody can commit one before another that is seen."""

    async def recorded_until(self, now: Instant) -> Instant:
        """Now: operations are numbered within the one transaction that may write."""
        return now

    async def read_feed(self, asked: FeedFilter) -> FeedPage:
        """Rows by their numbers, those of one instant in the order of their ids."""
        with self._moment():
            start = self._number_before(asked.after)
            found, more = self._runs(start, asked)
            chosen = [row for row in found if _is_chosen(row, asked)]
            read = [self._recorded(row) for row in chosen]
        end = Position(found[-1][_RECORDED_AT], found[-1][2]) if found else asked.after
        return FeedPage(found=read, end=end, more=more)

    async def walk_operations(self, book: Id, owners: Collection[Id]) -> AsyncIterator[Recorded]:
        """Over all there are, since no index is kept of whose they are: so many numbers at a time."""
        last, wanted = self._last_number(), json_of(owners)
        for start in range(0, last, WALKED):
            with self._moment():
                found = self._rows("operations_of", (start, min(start + WALKED, last), wanted))
                read = [self._recorded(row) for row in found]
            for each in read:
                yield each
            await asyncio.sleep(0)

    def _runs(self, start: int, asked: FeedFilter) -> tuple[list[rows.Row], bool]:
        """About ``limit`` rows after ``start``: whole runs of one instant, sorted; whether more follow."""
        length = asked.limit
        while True:
            found = self._rows("list_operations", (start, length + 1))
            whole = len(found) <= length
            kept = _sorted_runs(found if whole else _without_last_run(found), asked.after)
            if whole or kept:
                # A clock may be put back: what was recorded after a later time waits for that time, too.
                seen = list(takewhile(lambda row: row[_RECORDED_AT] <= asked.until, kept))
                next_at = None if whole or len(seen) < len(kept) else found[-1][_RECORDED_AT]
                return seen, next_at is not None and next_at <= asked.until
            length *= 2

    def _number_before(self, after: Position) -> int:
        """The last number before the run in which ``after`` lies, or would."""
        known = self._row("operation_number", (after.operation,))
        if known is not None:
            before = self._row("run_before", (known[0], after.recorded_at))
            return 0 if before is None else before[0]
        low, high = 0, self._last_number()
        while low < high:  # all up to low were recorded earlier
            middle = (low + high + 1) // 2
            row = self._row("recorded_at", (middle,))
            if row is None or row[0] < after.recorded_at:
                low = middle
            else:
                high = middle - 1
        return low

    def _last_number(self) -> int:
        row = self._row("last_operation")
        assert row is not None
        number: int = row[0]
        return number

    def _recorded(self, row: rows.Row) -> Recorded:
        operation = Operation(
            id=row[2],
            customer=row[3],
            entitlement=row[4],
            kind=row[5],
            at=row[_AT],
            recorded_at=row[_RECORDED_AT],
            subject=row[8],
            facts=row[9].encode(),
            changed=(row[10] or "").encode(),
            namespace=row[11],
            key=row[12],
        )
        first, count = row[_FIRST:]
        entries = self._rows("entries_of_operation", (first, first + count)) if count else ()
        return Recorded(
            book=row[_BOOK],
            operation=operation,
            entries=tuple(
                rows.entry_of(operation.customer, entry[0], operation.id, entry[1:])
                for entry in entries
            ),
        )

    async def find_position(self, book: Id, operation: Id) -> Position | None:
        row = self._row("operation_time", (operation,))
        return None if row is None else Position(row[0], operation)

    async def wallet_seqs(self, customers: Collection[Id]) -> dict[Id, dict[Id, int]]:
        return {customer: dict(self._rows("wallet_seqs", (customer,))) for customer in customers}


def json_of(owners: Collection[Id]) -> str:
    """Ids as the statements read a list of them."""
    return msgspec.json.encode([owner.hex().upper() for owner in owners]).decode()


def _without_last_run(found: list[rows.Row]) -> list[rows.Row]:
    """Of which there may be more."""
    last = found[-1][_RECORDED_AT]
    length = len(found)
    while length and found[length - 1][_RECORDED_AT] == last:
        length -= 1
    return found[:length]


def _sorted_runs(found: list[rows.Row], after: Position) -> list[rows.Row]:
    """By time, then by id; of the first run only what comes after the place."""
    runs = [list(run) for _, run in groupby(found, key=lambda row: row[_RECORDED_AT])]
    return [
        row
        for place, run in enumerate(runs)
        for row in sorted(run, key=lambda row: bytes(row[2]))
        if place or Position(row[_RECORDED_AT], row[2]) > after
    ]


def _is_chosen(row: Sequence[object], asked: FeedFilter) -> bool:
    of_book = asked.books is None or row[_BOOK] in asked.books
    return of_book and (asked.customer is None or row[3] == asked.customer)
