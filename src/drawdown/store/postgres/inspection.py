"""Looking at a ledger in PostgreSQL, whatever its schema: for `drawdown doctor` and its kin."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

from drawdown.core.types import Instant, Mode
from drawdown.engine.accounts import Role
from drawdown.store.inspection import Late, LiveKey
from drawdown.store.postgres import connection as opening
from drawdown.store.postgres.distribution import undistributed
from drawdown.store.postgres.durability import Settings
from drawdown.store.postgres.faults import translated
from drawdown.store.queries import load_queries


class Inspection:
    """What a database tells. ``schema`` is 0 where no ledger was made in it yet."""

    def __init__(self, connection: Any, queries: Mapping[str, str], schema: int) -> None:
        self._connection = connection
        self._queries = queries
        self.schema = schema
        self.schema_newest = len(opening.migrations())
        version = connection.get_server_version()
        self.version = f"{version.major}.{version.micro}"

    @property
    def pending(self) -> int:
        """How many migrations of this release the database has not had; a newer release's count as none."""
        return max(0, self.schema_newest - self.schema)

    async def _rows(self, query: str, *bindings: object) -> list[Any]:
        found: list[Any] = await self._connection.fetch(self._queries[query], *bindings)
        return found

    async def migrate(self, *, finish: bool = False) -> int:
        """Run what is pending, as ``connection.migrate``; returns how many were run."""
        return await opening.migrate(self._connection, finish=finish)

    async def undistributed(self) -> list[str]:
        """The tables that Citus, where it is, has not spread; ``migrate`` does."""
        return await undistributed(self._connection)

    async def is_half_copied(self) -> bool:
        return await opening.is_half_copied(self._connection)

    async def accounts(self) -> list[str]:
        """Their names, in the order they were made."""
        return [row[0] for row in await self._rows("account_names")]

    async def keys(self) -> list[LiveKey]:
        """The keys that open something, in the order they were made."""
        return [
            LiveKey(id=key, account=account, mode=Mode(mode), role=Role(role), name=name)
            for mode, role, name, key, account in await self._rows("live_keys")
        ]

    async def late(self, before: Instant) -> Late:
        """What fell due before ``before``."""
        [(wallets, since)] = await self._rows("late_wallets", before)
        return Late(wallets=wallets, since=since)

    async def settings(self) -> Settings:
        return await read_settings(self._connection, self._queries)


async def read_settings(reader: Any, queries: Mapping[str, str]) -> Settings:
    [row] = await reader.fetch(queries["settings"])
    return Settings(
        synced=row[0],
        synchronous_commit=row[1],
        standbys=row[2],
        only_reads=row[3],
        bytes=row[4],
        clock=row[5],
    )


def inspection_queries() -> dict[str, str]:
    return load_queries("drawdown.store.postgres", "inspection.sql")


@asynccontextmanager
async def inspect(url: str) -> AsyncIterator[Inspection]:
    """Raises ``StoreUnavailable`` and ``StoreUnusable``."""
    connection = await opening.connect(url)
    try:
        with translated():
            schema = await opening.schema_of(connection)
            yield Inspection(connection, inspection_queries(), schema)
    finally:
        await connection.close()
