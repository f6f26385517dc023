"""Connections, and the schema of the database they lead to."""

from __future__ import annotations

import re
from importlib.resources import files
from typing import Any

import asyncpg

from drawdown.engine.ports import (
    NotALedger,
    SchemaNewer,
    StoreUnavailable,
    StoreUnusable,
)
from drawdown.store.postgres.faults import FAILURES, code_of

CONNECT_SECONDS = 5.0
STATEMENT_SECONDS = 10.0
STATEMENTS_CACHED = 300
#: The oldest PostgreSQL whose SQL this is.
VERSION_MIN = 15

_MAKE_TABLE = (
    "CREATE TABLE IF NOT EXISTS drawdown_schema (step int PRIMARY KEY, name text NOT NULL)"
)
_IS_THERE = "SELECT to_regclass('drawdown_schema') IS NOT NULL"
_LOCK_TABLE = "LOCK TABLE drawdown_schema IN EXCLUSIVE MODE"
_NEWEST = "SELECT coalesce(max(step), 0) FROM drawdown_schema"
_NOTE = "INSERT INTO drawdown_schema (step, name) VALUES ($1, $2)"
#: Two that make the same table at once: one of them is told so, and finds it there the next time.
_RACED = frozenset({"23505", "42P07", "42710"})
_TAKEN = "42P07"


async def connect(url: str) -> asyncpg.Connection:
    """One connection. Raises ``StoreUnavailable`` and ``StoreUnusable``."""
    try:
        connection = await asyncpg.connect(
            url, timeout=CONNECT_SECONDS, command_timeout=STATEMENT_SECONDS
        )
        await prepare(connection)
    except (*FAILURES, ValueError) as error:
        raise unreachable(error) from error
    return connection


async def open_pool(url: str, connections: int) -> Any:
    """Up to so many connections; the first is there. Raises ``StoreUnavailable`` and ``StoreUnusable``."""
    try:
        return await asyncpg.create_pool(
            url,
            min_size=1,
            max_size=connections,
            timeout=CONNECT_SECONDS,
            command_timeout=STATEMENT_SECONDS,
            statement_cache_size=STATEMENTS_CACHED,
            max_cached_statement_lifetime=0,
            init=prepare,
            reset=_leave,
            server_settings={"application_name": "drawdown"},
        )
    except (*FAILURES, ValueError) as error:
        raise unreachable(error) from error


async def prepare(connection: Any) -> None:
    """Ids are the 16 bytes of a UUID on both sides. Raises ``StoreUnusable``."""
    check_server(connection)
    await connection.set_type_codec(
        "uuid", schema="pg_catalog", encoder=bytes, decoder=bytes, format="binary"
    )


async def _leave(connection: Any) -> None:
    """Nothing that is done here outlives its transaction, so there is nothing to reset."""


def check_server(connection: Any) -> None:
    """Raises ``StoreUnusable`` for a PostgreSQL that is too old, or a database that is not UTF-8."""
    found = connection.get_server_version()
    if found.major < VERSION_MIN:
        raise StoreUnusable(
            f"This is PostgreSQL {found.major}; Drawdown needs {VERSION_MIN} or later."
        )
    if connection.get_settings().server_encoding.upper() not in ("UTF8", "UTF-8"):
        raise StoreUnusable("The database is not in UTF-8; make one with ENCODING 'UTF8'.")


def unreachable(error: BaseException) -> Exception:
    if isinstance(error, ValueError):  # the driver's word for what is no URL
        return StoreUnusable(f"The URL is none of PostgreSQL: {error}")
    return StoreUnavailable(
        f"PostgreSQL cannot be reached: {str(error) or type(error).__name__} {code_of(error)}".strip()
    )


async def schema_of(connection: Any) -> int:
    """The number of the last migration that the database has had; 0 where no ledger was made in it.

    Raises ``SchemaNewer``.
    """
    if not await connection.fetchval(_IS_THERE):
        return 0
    step: int = await connection.fetchval(_NEWEST)
    newest = len(migrations())
    if step > newest:
        raise SchemaNewer(
            f"The database has schema {step}, this release knows {newest}. Install the newer release."
        )
    return step


async def migrate(connection: Any) -> int:
    """Bring the database to this release's schema, each step in a transaction. Returns how many were run.

    Processes that start at once wait for each other on the table's lock. Raises ``SchemaNewer`` and
    ``NotALedger``.
    """
    if await schema_of(connection) == len(migrations()):
        return 0
    await _make_table(connection)
    run = 0
    for step, name, script in migrations():
        async with connection.transaction():
            await connection.execute(_LOCK_TABLE)
            if await schema_of(connection) < step:
                await _run_script(connection, script)
                await connection.execute(_NOTE, step, name)
                run += 1
    return run


async def _make_table(connection: Any) -> None:
    try:
        await connection.execute(_MAKE_TABLE)
    except asyncpg.PostgresError as error:
        if code_of(error) not in _RACED:
            raise


async def _run_script(connection: Any, script: str) -> None:
    try:
        await connection.execute(script)
    except asyncpg.PostgresError as error:
        if code_of(error) != _TAKEN:
            raise
        raise NotALedger(
            f"The database is in use by another program ({error}). Give Drawdown one of its own."
        ) from error


def migrations() -> list[tuple[int, str, str]]:
    """Every step as (number, name, SQL), in order; the number is what its file's name begins with."""
    folder = files("drawdown.store.postgres").joinpath("migrations")
    matches = ((re.fullmatch(r"(\d{4})_(\w+)\.sql", file.name), file) for file in folder.iterdir())
    return sorted(
        (int(match[1]), match[2], file.read_text(encoding="utf-8"))
        for match, file in matches
        if match
    )
