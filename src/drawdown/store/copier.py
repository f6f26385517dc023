"""Moving a ledger from a file into PostgreSQL while a server writes to it: the passes, and the comparison.

First all tables are gone over once. From then on what is recorded is followed: operations and entries are
only ever added, so the file's own numbers say what is new, and whose wallets, grants and holds are to be
copied once more. Each chunk is one transaction, with how far it led; whatever ends the copy, it goes on
there. While the source is fenced off, the last of it is copied, and both sides are compared.
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractContextManager, asynccontextmanager
from pathlib import Path

import msgspec

from drawdown.core.identity import compose, slot_of
from drawdown.store.copying import (
    BULK,
    CLAIM,
    CUSTOMER,
    ENTRY,
    ENTRY_COLUMNS,
    OPERATION,
    OPERATION_COLUMNS,
    REVERSAL,
    SMALL,
    TABLES,
    WALLET,
    CopyRefused,
    Progress,
    Row,
    Table,
)
from drawdown.store.postgres.copying import Target, open_target
from drawdown.store.sqlite.copying import Source, open_source

ROWS_AT_ONCE = 5_000
CUSTOMERS_AT_ONCE = 200
#: What was made so long before a pass began is looked at again: its time is of before its commit.
OVERLAP_MICROSECONDS = 10_000_000

#: Told after each chunk: what it is of, and how many rows there were in it.
Told = Callable[[str, int], None]


class Copied(msgspec.Struct):
    """What one pass copied."""

    rows: int = 0
    operations: int = 0


class Comparison(msgspec.Struct, kw_only=True):
    """By table: how many rows are in the source and in the target; and the first difference, in words."""

    tables: dict[str, tuple[int, int]] = {}
    rows: int = 0
    fault: str | None = None

    def note(self, table: Table, found: Sequence[Row], kept: Sequence[Row | None]) -> None:
        """Remember the first of ``found`` that is not the same in the target, as ``kept``."""
        for row, other in zip(found, kept, strict=True):
            if row != other and self.fault is None:
                self.fault = f"{_described(table.name, row)} is not the same in both"


class Copier:
    """One copy, from wherever the one before it came to."""

    def __init__(self, source: Source, target: Target, progress: Progress, told: Told) -> None:
        self._source = source
        self._target = target
        self.progress = progress
        self._told = told
        self._copied = Copied()

    def remaining(self) -> int:
        """About how many rows the next pass will copy."""
        source, progress = self._source, self.progress
        rows = sum(source.count(table) for table in BULK[progress.bulk :])
        if progress.log == 0:
            return rows + source.count(OPERATION) + source.count(ENTRY)
        return rows + source.newest()[0] - progress.log

    def fenced(self) -> AbstractContextManager[None]:
        """Nobody else writes to the source in here."""
        return self._source.fenced()

    def moment(self) -> AbstractContextManager[None]:
        """What is read of the source in here is of one moment."""
        return self._source.moment()

    async def catch_up(self) -> Copied:
        """One pass: all that is not there yet, as of about now; within a fence, all."""
        self._copied = Copied()
        began = _now()
        await self._copy_bulk()
        until = self._source.newest()[0]
        await self._copy_log(until)
        await self._copy_state(until)
        await self._copy_reversals()
        await self._copy_small()
        await self._copy_made(began)
        return self._copied

    async def analyze(self) -> None:
        """To be done before the source is let go: it takes longer than a last pass."""
        await self._target.analyze()

    def _count(self, table: Table, rows: int) -> None:
        self._copied.rows += rows
        self._told(table.name, rows)

    async def _copy_bulk(self) -> None:
        """Each table once, in the order of its keys. What changes meanwhile is copied once more later."""
        source, progress = self._source, self.progress
        while progress.bulk < len(BULK):
            table = BULK[progress.bulk]
            after = None if progress.after is None else table.read_key(progress.after)
            found = source.next_rows(table, after, ROWS_AT_ONCE)
            if found:
                progress.after = table.write_key(source.key_of(table, found[-1]))
            else:
                progress.bulk, progress.after = progress.bulk + 1, None
            async with self._target.chunk(progress):
                await self._target.add(table, self._columns(table), self._with_slots(table, found))
            self._count(table, len(found))

    def _columns(self, table: Table) -> tuple[str, ...]:
        columns = self._source.columns(table)
        return ("slot", *columns) if table == REVERSAL else columns

    @staticmethod
    def _with_slots(table: Table, found: Sequence[Row]) -> list[Row]:
        """A reversal lives where its debit does."""
        return [(slot_of(row[0]), *row) for row in found] if table == REVERSAL else list(found)

    async def _copy_log(self, until: int) -> None:
        """Operations and their entries, in the order in which they were recorded."""
        while chunk := self._source.next_operations(self.progress.log, until):
            self.progress.log, self.progress.log_id = chunk.last, chunk.last_id
            async with self._target.chunk(self.progress):
                await self._target.add(OPERATION, OPERATION_COLUMNS, chunk.operations)
                await self._target.add(ENTRY, ENTRY_COLUMNS, chunk.entries)
            self._copied.operations += len(chunk.operations)
            self._count(OPERATION, len(chunk.operations))
            self._count(ENTRY, len(chunk.entries))

    async def _copy_state(self, until: int) -> None:
        """What operations changed, as it is now: at least as it was after the last of them."""
        customers = self._source.touched(self.progress.state, until)
        for place in range(0, len(customers), CUSTOMERS_AT_ONCE):
            async with self._target.chunk(self.progress):
                await self._replace_state(customers[place : place + CUSTOMERS_AT_ONCE])
        self.progress.state = until
        async with self._target.chunk(self.progress):
            pass

    async def _replace_state(self, customers: Sequence[bytes]) -> None:
        with self._source.moment():
            state = self._source.state_of(customers)
        keys = [(slot_of(customer), customer) for customer in customers]
        for table, found in state.items():
            await self._target.remove(table, keys)
            await self._target.add(table, self._source.columns(table), found)
            self._count(table, len(found))

    async def _copy_reversals(self) -> None:
        """Few debits are reversed: all that were are compared."""
        async for found in self._different(REVERSAL):
            async with self._target.chunk(self.progress):
                await self._target.remove(REVERSAL, [row[:3] for row in found])
                await self._target.add(REVERSAL, self._columns(REVERSAL), found)
            self._count(REVERSAL, len(found))

    async def _copy_small(self) -> None:
        for table in SMALL:
            found = self._source.whole(table)
            async with self._target.chunk(self.progress):
                await self._target.empty(table)
                await self._target.add(table, self._source.columns(table), found)

    async def _copy_made(self, began: int) -> None:
        """Customers and claims may be made without an operation: those made since the last pass began.

        A name that was given up is found missing at the end.
        """
        since = max(0, self.progress.since - OVERLAP_MICROSECONDS)
        customers = self._source.customers_since(compose(since // 1_000, 0, 0, 0))
        claims = self._source.claims_since(since)
        oldest = self._source.oldest_answer()
        self.progress.since = began
        async with self._target.chunk(self.progress):
            await self._replace(CUSTOMER, customers)
            await self._replace(CLAIM, claims)
            await self._target.prune_answers(_NEVER if oldest is None else oldest)

    async def _replace(self, table: Table, found: list[Row]) -> None:
        columns = self._columns(table)
        places = [columns.index(name) for name in ("slot", *table.key)]
        keys = [tuple(row[place] for place in places) for row in found]
        await self._target.remove(table, keys)
        await self._target.add(table, columns, found)
        self._count(table, len(found))

    # The end -------------------------------------------------------------------------------------

    async def finish(self) -> Comparison:
        """The last pass, and whether both are the same after it. The source must be fenced off.

        What was settled without anything to record changed no balance, but a wallet's row; and a clock that
        was put back may have hidden a customer or a claim from the passes. So wallets are compared one by
        one, and what was made without an operation wherever there are not as many on both sides.
        """
        await self.catch_up()
        for table in (CUSTOMER, CLAIM):
            if self._source.count(table) != await self._target.count(table):
                await self._mend(table)
        found = await self._mend_wallets()
        found.tables = await self._counts()
        return found if found.fault else _with_counts(found)

    async def _mend_wallets(self) -> Comparison:
        """Compare every wallet; one that is not the same is copied once more, and compared again."""
        told = Comparison()
        columns = self._columns(WALLET)
        async for found, kept in self._beside(WALLET):
            different = [row for row, other in zip(found, kept, strict=True) if row != other]
            if different:
                async with self._target.chunk(self.progress):
                    await self._replace_state(sorted({row[0] for row in different}))
                again = await self._target.find(WALLET, columns, different)
                told.note(WALLET, different, again)
            told.rows += len(found)
        return told

    async def _mend(self, table: Table) -> None:
        async for found in self._different(table):
            async with self._target.chunk(self.progress):
                await self._replace(table, found)
        if table == CLAIM:
            async for keys in self._target.claims():
                gone = [key for key in keys if not self._source.has_claim(key[1:])]
                async with self._target.chunk(self.progress):
                    await self._target.remove(CLAIM, gone)

    async def seal(self) -> None:
        """The copy is whole: from now on servers may open it."""
        self.progress.finished_at = _now()
        async with self._target.chunk(self.progress):
            pass

    async def _different(self, table: Table) -> AsyncIterator[list[Row]]:
        """The source's rows that are not the same in the target, some at a time."""
        async for found, kept in self._beside(table):
            different = [row for row, other in zip(found, kept, strict=True) if row != other]
            if different:
                yield different

    async def _beside(self, table: Table) -> AsyncIterator[tuple[list[Row], list[Row | None]]]:
        """All rows of the source, some at a time, each beside its like in the target."""
        after: Row | None = None
        while found := self._source.next_rows(table, after, ROWS_AT_ONCE):
            after = self._source.key_of(table, found[-1])
            rows = self._with_slots(table, found)
            yield rows, await self._target.find(table, self._columns(table), rows)

    # Comparing -----------------------------------------------------------------------------------

    async def compare(self) -> Comparison:
        """Compare every row of all tables, up to the first difference.

        Together with equal counts, no difference means that both hold the same.
        """
        told = Comparison(tables=await self._counts())
        async for table, found, kept in self._all_beside():
            self._told(table.name, len(found))
            told.rows += len(found)
            told.note(table, found, kept)
            if told.fault is not None:
                return told
        return _with_counts(told)

    async def _counts(self) -> dict[str, tuple[int, int]]:
        return {
            table.name: (self._source.count(table), await self._target.count(table))
            for table in TABLES
        }

    async def _all_beside(self) -> AsyncIterator[tuple[Table, Sequence[Row], list[Row | None]]]:
        """All rows of the source, some at a time, each beside its like in the target."""
        for table in (*SMALL, *BULK):
            async for found, kept in self._beside(table):
                yield table, found, kept
        number, until = 0, self._source.newest()[0]
        while chunk := self._source.next_operations(number, until):
            number = chunk.last
            for table, columns, rows in (
                (OPERATION, OPERATION_COLUMNS, chunk.operations),
                (ENTRY, ENTRY_COLUMNS, chunk.entries),
            ):
                if rows:
                    yield table, rows, await self._target.find(table, columns, rows)


_NEVER = 2**63 - 1


def _with_counts(told: Comparison) -> Comparison:
    for name, (here, there) in told.tables.items():
        if here != there and told.fault is None:
            told.fault = f"{name} has {here:,} rows in the source and {there:,} in the target"
    return told


def _now() -> int:
    return time.time_ns() // 1_000


def _described(name: str, row: Row) -> str:
    """A row by its table and key, as an operator can look for it."""
    written = [part.hex() if isinstance(part, bytes) else str(part) for part in row[:4]]
    return f"{name} {' '.join(written)}"


@asynccontextmanager
async def open_copier(path: Path, url: str, told: Told, *, begin: bool) -> AsyncIterator[Copier]:
    """A copy, begun if need be, or gone on with; without ``begin`` one there must be, finished or not.

    Raises ``CopyRefused``, and what opening either side raises.
    """
    with open_source(path) as source:
        async with open_target(url) as target:
            progress = await target.progress()
            if progress is None:
                if not begin:
                    raise CopyRefused(
                        "No ledger was copied into this database.", "Leave out --check."
                    )
                progress = await _begin(source, target)
            if begin and progress.finished_at is not None:
                raise CopyRefused(
                    "The copy is finished: the database is a ledger of its own now.",
                    "`--check` compares the two.",
                )
            _check_same(source, progress)
            yield Copier(source, target, progress, told)


async def _begin(source: Source, target: Target) -> Progress:
    began = _now()
    progress = Progress(account=source.first_account(), since=began, state=source.newest()[0])
    await target.begin(progress)
    return progress


def _check_same(source: Source, progress: Progress) -> None:
    """Raises ``CopyRefused`` unless this source is what was copied so far."""
    is_same = source.has_account(progress.account)
    if not is_same or not source.is_at(progress.log, progress.log_id):
        raise CopyRefused(
            "What was copied so far is of another ledger, or of a later state of this one.",
            "Make an empty database for the copy.",
        )
