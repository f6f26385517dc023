"""Every database a ledger can be kept in, for the tests that hold for all of them."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Protocol

import apsw
import asyncpg
import pytest

from drawdown.engine.ports import Store
from drawdown.opening import is_postgres, open_store, sqlite_path
from tests.support.postgres import VERSIONS, Clusters
from tests.support.spread import citus_database, spread_database

SQLITE = "sqlite"
#: PostgreSQL that looks as if Citus had spread it over four shards (``tests.support.spread``).
SPREAD = "spread"
#: A real Citus: the URL of a database on its coordinator, in which others are made and dropped.
CITUS = "citus"
CITUS_URL = os.environ.get("TEST_CITUS_URL", "")
#: The names by which tests are told on which database they run.
DATABASES = (
    SQLITE,
    *((CITUS,) if CITUS_URL else ()),
    SPREAD,
    *(f"postgres-{version}" for version in VERSIONS),
)
#: Those that keep everything together: their batches are of all that has come.
TOGETHER = tuple(name for name in DATABASES if name not in (SPREAD, CITUS))


class Database(Protocol):
    """One empty database; every store opened on it sees the same records."""

    @property
    def url(self) -> str: ...
    async def open(self) -> Store: ...


class OpenedByUrl:
    """A database as an operator names it."""

    def __init__(self, url: str) -> None:
        self.url = url

    async def open(self) -> Store:
        return await open_store(self.url)


@contextmanager
def new_database(name: str, folder: Path, clusters: Clusters) -> Iterator[Database]:
    """An empty database of the kind ``name``. Skips the test where there is no such PostgreSQL."""
    if name == SQLITE:
        yield OpenedByUrl(f"sqlite:///{folder / 'ledger.db'}")
        return
    if name in (SPREAD, CITUS):
        with spread_database(clusters) if name == SPREAD else citus_database(CITUS_URL) as url:
            yield OpenedByUrl(url)
        return
    version = int(name.removeprefix("postgres-"))
    with clusters.of(version).database() as url:
        yield OpenedByUrl(url)


@asynccontextmanager
async def opened(database: Database) -> AsyncIterator[Store]:
    store = await database.open()
    try:
        yield store
    finally:
        await store.close()


async def tamper(url: str, statement: str) -> None:
    """Change a database behind its ledger's back; the statement must change something."""
    if is_postgres(url):
        connection = await asyncpg.connect(url)
        changed = int((await connection.execute(statement)).rpartition(" ")[2])
        await connection.close()
    else:
        file = apsw.Connection(str(sqlite_path(url)))
        file.set_busy_timeout(60_000)
        file.execute(statement)
        changed = file.changes()
        file.close()
    assert changed > 0


@pytest.fixture(params=DATABASES)
def database(
    request: pytest.FixtureRequest, tmp_path: Path, clusters: Clusters
) -> Iterator[Database]:
    with new_database(request.param, tmp_path, clusters) as found:
        yield found


@pytest.fixture
async def store(database: Database) -> AsyncIterator[Store]:
    async with opened(database) as found:
        yield found
