"""Connections, and the schema of the database they lead to."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from importlib.resources import files
from typing import Any, NamedTuple

import asyncpg

from drawdown.engine.ports import (
    NotALedger,
    SchemaNewer,
    StoreUnavailable,
    StoreUnusable,
)
from drawdown.store.postgres import pooler
from drawdown.store.postgres.arrays import write_columns_at_once
from drawdown.store.postgres.distribution import distribute
from drawdown.store.postgres.faults import FAILURES, code_of
from drawdown.store.postgres.hosts import dial

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
_DONE = (
    "SELECT coalesce(max(step), 0), "
    "coalesce(max(step) FILTER (WHERE name LIKE '%.post'), 0) FROM drawdown_schema"
)
_IS_COPIED = "SELECT to_regclass('drawdown_copy') IS NOT NULL"
_UNFINISHED = (
    "SELECT EXISTS (SELECT 1 FROM drawdown_copy WHERE progress::json ->> 'finished_at' IS NULL)"
)
_NOTE = "INSERT INTO drawdown_schema (step, name) VALUES ($1, $2)"
#: Two that make the same table at once: one of them is told so, and finds it there the next time.
_RACED = frozenset({"23505", "42P07", "42710"})
_TAKEN = "42P07"


async def connect(url: str) -> asyncpg.Connection:
    """One connection. Raises ``StoreUnavailable`` and ``StoreUnusable``."""
    try:
        connection = await dial(url, timeout=CONNECT_SECONDS, command_timeout=STATEMENT_SECONDS)
    except (*FAILURES, ValueError) as error:
        raise unreachable(error) from error
    try:
        await prepare(connection)
    except BaseException as error:
        connection.terminate()
        if isinstance(error, FAILURES):
            raise unreachable(error) from error
        raise
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
            connect=dial,
            server_settings={"application_name": "drawdown"},
        )
    except (*FAILURES, ValueError) as error:
        raise unreachable(error) from error


@asynccontextmanager
async def lent(pool: Any, seconds: float = CONNECT_SECONDS) -> AsyncIterator[Any]:
    """One of the pool's connections, given back to its end. ``seconds``: how long to wait for one."""
    connection = await pool.acquire(timeout=seconds)
    try:
        yield connection
    finally:
        await give_back(pool, connection)


async def give_back(pool: Any, connection: Any) -> None:
    """To its end, although whoever waits for it is broken off; then nobody is left to hear how it went.

    The pool waits with it for the statement that was broken off, and where the server hangs gives up.
    """
    task = asyncio.ensure_future(pool.release(connection))
    task.add_done_callback(lambda done: done.cancelled() or done.exception())
    await asyncio.shield(task)


async def prepare(connection: Any) -> None:
    """Ids are the 16 bytes of a UUID on both sides. Raises ``StoreUnusable``."""
    check_server(connection)
    await connection.set_type_codec(
        "uuid", schema="pg_catalog", encoder=bytes, decoder=bytes, format="binary"
    )
    write_columns_at_once(connection)


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
    if code_of(error) in pooler.LOST:
        return pooler.loses_statements()
    return StoreUnavailable(
        f"PostgreSQL cannot be reached: {str(error) or type(error).__name__} {code_of(error)}".strip()
    )


class Step(NamedTuple):
    """One migration. A ``post`` step breaks what an older release does; every other only adds to it.

    ``name`` ends in ``.pre`` or ``.post``.
    """

    number: int
    name: str
    script: str

    @property
    def is_post(self) -> bool:
        return self.name.endswith(".post")


async def schema_of(connection: Any, steps: Sequence[Step] | None = None) -> int:
    """The number of the last migration that the database has had; 0 where no ledger was made in it.

    It may be one of a newer release, as long as that only added to the schema: the previous release runs
    on it. Raises ``SchemaNewer`` once a newer release has run a ``post`` step.
    """
    if not await connection.fetchval(_IS_THERE):
        return 0
    newest = len(migrations() if steps is None else steps)
    step, post = await connection.fetchrow(_DONE)
    if post > newest:
        raise SchemaNewer(
            f"The database has schema {step}, this release knows {newest}. Install the newer release."
        )
    return int(step)


async def migrate(
    connection: Any, *, finish: bool = False, steps: Sequence[Step] | None = None
) -> int:
    """Bring the database to this release's schema, each step in a transaction. Returns how many were run.

    Without ``finish`` up to the first ``post`` step only, since servers of the release before may still be
    running. Processes that start at once wait for each other on the table's lock. Raises ``SchemaNewer``,
    ``NotALedger``, and ``StoreUnusable`` where a step waits behind a ``post`` step or a copy is unfinished.
    Where there is Citus, the tables are spread after that.
    """
    steps = migrations() if steps is None else steps
    await _check_copied(connection)
    schema = await schema_of(connection, steps)
    wanted = steps_to_run(steps, schema, finish)
    if wanted:
        await _make_table(connection)
    run = 0
    for step in wanted:
        async with connection.transaction():
            await connection.execute(_LOCK_TABLE)
            if await schema_of(connection, steps) < step.number:
                await _run_script(connection, step.script)
                await connection.execute(_NOTE, step.number, step.name)
                run += 1
    await distribute(connection)
    return run


def steps_to_run(steps: Sequence[Step], schema: int, finish: bool) -> list[Step]:
    """Those a database of ``schema`` has not had, in order; without ``finish`` those before the first post.

    A new database has them all: nobody uses it yet. Raises ``StoreUnusable``.
    """
    pending = [step for step in steps if step.number > schema]
    posts = [place for place, step in enumerate(pending) if step.is_post]
    if finish or schema == 0 or not posts:
        return pending
    if any(not step.is_post for step in pending[posts[0] :]):
        raise StoreUnusable(
            "The upgrade before this one was not finished. End every server, and run "
            "`drawdown migrate --finish`"
        )
    return pending[: posts[0]]


async def is_half_copied(connection: Any) -> bool:
    """Whether a ledger is being copied into the database; nobody else may use it before that has ended."""
    return bool(await connection.fetchval(_IS_COPIED) and await connection.fetchval(_UNFINISHED))


async def _check_copied(connection: Any) -> None:
    if await is_half_copied(connection):
        raise StoreUnusable(
            "A ledger is being copied into the database. `drawdown copy --finish` ends the copy"
        )


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


def migrations() -> list[Step]:
    """Every step in order; its number is what its file's name begins with."""
    folder = files("drawdown.store.postgres").joinpath("migrations")
    scripts = [file for file in folder.iterdir() if file.name.endswith(".sql")]
    named = [re.fullmatch(r"(\d{4})_(\w+\.(?:pre|post))\.sql", file.name) for file in scripts]
    assert all(named), "a migration is called NNNN_name.pre.sql or NNNN_name.post.sql"
    return sorted(
        Step(int(match[1]), match[2], file.read_text(encoding="utf-8"))
        for match, file in zip(named, scripts, strict=True)
        if match
    )
