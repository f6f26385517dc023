"""Whether something stands between us and PostgreSQL, and whether it carries prepared statements.

Every statement is prepared once on its connection and then run by its name. A pooler that gives each
transaction another connection of its own must know which names it has prepared where, or one process's
statements are not found, or are another's. PgBouncer does from 1.21 on, with max_prepared_statements.
"""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from typing import Any

from drawdown.engine.ports import StoreUnavailable, StoreUnusable
from drawdown.store.postgres.faults import FAILURES, code_of
from drawdown.store.postgres.hosts import dial

WAIT_SECONDS = 5.0
#: A name that is not there, and one that is another's already: no PostgreSQL of our own says either.
LOST = frozenset({"26000", "42P05"})
_WHO = "SELECT pg_backend_pid()"
_REFUSAL = (
    "A pooler stands before PostgreSQL that {why}. Use PgBouncer 1.21 or later with "
    "max_prepared_statements above 0 and pool_mode transaction or session, or connect directly."
)


async def is_between(connection: Any) -> bool:
    """A pooler tells its own number when it is connected to, and who answers is another."""
    told: int = connection.get_server_pid()
    answered: int = await connection.fetchval(_WHO)
    return told != answered


def loses_statements() -> StoreUnusable:
    return StoreUnusable(_REFUSAL.format(why="loses prepared statements between transactions"))


async def check(url: str) -> None:
    """Raises ``StoreUnusable`` for a pooler through which a prepared statement cannot be used again.

    One connection prepares a statement; another begins a transaction, and so takes the server's
    connection on which it was prepared, where the pooler would share it; then the first one runs it again.
    """
    try:
        async with _connected(url) as first, _connected(url) as second:
            statement = await first.prepare(_WHO)
            await statement.fetchval()
            await _begin(second, first)
            await second.fetchval(_WHO)
            await statement.fetchval()
    except TimeoutError as error:
        raise StoreUnavailable(
            "The pooler before PostgreSQL gave no second connection: raise its default_pool_size."
        ) from error
    except FAILURES as error:
        if code_of(error) in LOST:
            raise loses_statements() from error
        raise


async def _begin(connection: Any, other: Any) -> None:
    """Raises ``StoreUnusable`` when a transaction ends the connection and all is well on another."""
    try:
        await connection.execute("BEGIN")
    except FAILURES as error:
        if isinstance(error, TimeoutError):
            raise
        await other.execute(_WHO)
        raise StoreUnusable(_REFUSAL.format(why=f"refuses transactions ({error})")) from error


@contextlib.asynccontextmanager
async def _connected(url: str) -> AsyncIterator[Any]:
    connection = await dial(url, timeout=WAIT_SECONDS, command_timeout=WAIT_SECONDS)
    try:
        yield connection
    finally:
        connection.terminate()
