"""A database as the target of a copy: rows come in by COPY, a chunk and how far it led in one transaction."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import msgspec

from drawdown.store.copying import CLAIM, CopyRefused, Progress, Row, Table
from drawdown.store.postgres import connection as opening
from drawdown.store.postgres.faults import translated
from drawdown.store.queries import load_queries

#: A chunk is COPY and a commit; looking at all of a table takes longer.
STATEMENT_SECONDS = 6 * 3600.0
_TYPES = {
    "slot": "int",
    "seq": "bigint",
    "name": "text",
    "space": "text",
    "key": "text",
    "recorded_at": "bigint",
    "ordinal": "int",
    "period": "bigint",
    "grouping": "bytea",
    "value": "bytea",
}
_FIRST_CLAIM = (-1, bytes(16), "", "")
CLAIMS_AT_ONCE = 5_000


class Target:
    """A database that a ledger is copied into. Nobody else writes to it until the copy is finished."""

    def __init__(self, connection: Any) -> None:
        self._connection = connection
        self._queries = load_queries("drawdown.store.postgres", "copying.sql")
        self._kept = ""

    async def _fetch(self, sql: str, *bindings: object) -> list[Any]:
        found: list[Any] = await self._connection.fetch(sql, *bindings, timeout=STATEMENT_SECONDS)
        return found

    # How far it has come -------------------------------------------------------------------------

    async def progress(self) -> Progress | None:
        """How far a copy into this database has come; None where none was begun.

        Raises ``SchemaNewer``.
        """
        await opening.schema_of(self._connection)
        if not await self._connection.fetchval(self._queries["has_progress"]):
            return None
        self._kept = await self._connection.fetchval(self._queries["find_progress"])
        return msgspec.json.decode(self._kept, type=Progress)

    async def begin(self, progress: Progress) -> None:
        """Make the schema, and the place where progress is kept.

        Raises ``CopyRefused`` where there is a ledger already, ``SchemaNewer`` and ``NotALedger``.
        """
        await opening.migrate(self._connection)
        if (await self._fetch(self._queries["is_used"]))[0][0]:
            raise CopyRefused(
                "There is another ledger in the database to copy to.",
                "Make an empty database for the copy.",
            )
        self._kept = _text(progress)
        async with self._connection.transaction():
            await self._connection.execute(self._queries["make_progress"])
            await self._connection.execute(self._queries["begin_progress"], self._kept)

    @asynccontextmanager
    async def chunk(self, progress: Progress) -> AsyncIterator[None]:
        """One transaction: what is written in here, and how far it leads.

        Raises ``CopyRefused`` when another copy has come further meanwhile.
        """
        text = _text(progress)
        async with self._connection.transaction():
            yield
            bindings = (text, self._kept)
            said = await self._connection.execute(self._queries["keep_progress"], *bindings)
            if said != "UPDATE 1":
                raise CopyRefused("Another copy into this database is running.", "End one of them.")
        self._kept = text

    # Writing -------------------------------------------------------------------------------------

    async def add(self, table: Table, columns: Sequence[str], found: Sequence[Row]) -> None:
        if found:
            await self._connection.copy_records_to_table(
                table.name, records=found, columns=list(columns), timeout=STATEMENT_SECONDS
            )

    async def empty(self, table: Table) -> None:
        await self._connection.execute(f"DELETE FROM {table.name}")  # noqa: S608

    async def remove(self, table: Table, keys: Sequence[Row]) -> None:
        """The rows with those keys, the slot first; of wallets, grants and holds all of a customer's."""
        if keys:
            columns = list(zip(*keys, strict=True))
            await self._connection.execute(
                self._queries[f"remove_{table.name}"],
                *columns,
                sorted(set(columns[0])),
                timeout=STATEMENT_SECONDS,
            )

    async def prune_answers(self, before: int) -> None:
        await self._connection.execute(self._queries["prune_answers"], before)

    async def analyze(self) -> None:
        """Tell the planner what has come in, before servers ask it for plans."""
        await self._connection.execute("ANALYZE", timeout=STATEMENT_SECONDS)

    # Reading back --------------------------------------------------------------------------------

    async def find(
        self, table: Table, columns: Sequence[str], found: Sequence[Row]
    ) -> list[Row | None]:
        """The row here for each of ``found``, by its key; None where there is none."""
        key = ["slot", *table.key] if "slot" in columns else list(table.key)
        places = [columns.index(name) for name in key]
        keys = [tuple(row[place] for place in places) for row in found]
        sql = _find_sql(table.name, key, columns)
        kept = await self._fetch(sql, *zip(*keys, strict=True))
        by_key = {tuple(row[place] for place in places): tuple(row) for row in kept}
        return [by_key.get(one) for one in keys]

    async def count(self, table: Table) -> int:
        count: int = (await self._fetch(f"SELECT count(*) FROM {table.name}"))[0][0]  # noqa: S608
        return count

    async def claims(self) -> AsyncIterator[list[Row]]:
        """The keys of all claims, some at a time."""
        after: Row = _FIRST_CLAIM
        while found := await self._fetch(self._queries["next_claims"], *after, CLAIMS_AT_ONCE):
            yield [tuple(row) for row in found]
            after = tuple(found[-1])

    async def remove_claims(self, keys: Sequence[Row]) -> None:
        await self.remove(CLAIM, keys)


def _find_sql(name: str, key: Sequence[str], columns: Sequence[str]) -> str:
    """Every table is read back alike: its columns, by its key. Names are those of our own schema."""
    arrays = ", ".join(
        f"${place}::{_TYPES.get(column, 'uuid')}[]" for place, column in enumerate(key, 1)
    )
    joined = " AND ".join(f"t.{column} = u.{column}" for column in key)
    slots = " WHERE t.slot = ANY ($1::int[])" if key[0] == "slot" else ""
    wanted = ", ".join(f"t.{column}" for column in columns)
    return (
        f"SELECT {wanted} FROM unnest({arrays}) AS u ({', '.join(key)}) "  # noqa: S608
        f"JOIN {name} t ON {joined}{slots}"
    )


def _text(progress: Progress) -> str:
    return msgspec.json.encode(progress).decode()


@asynccontextmanager
async def open_target(url: str) -> AsyncIterator[Target]:
    """Raises ``StoreUnavailable`` and ``StoreUnusable``."""
    connection = await opening.connect(url)
    try:
        with translated():
            yield Target(connection)
    finally:
        await connection.close()
