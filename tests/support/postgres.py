"""Real PostgreSQL for the tests: one cluster of each version in a test run, one database for each test."""

from __future__ import annotations

import asyncio
import itertools
import os
import shutil
import signal
import tempfile
from collections.abc import Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import asyncpg
import pytest

from bench.postgres import Postgres, PostgresMissing, find_binaries
from drawdown.store.postgres.store import PostgresStore
from tests.support.places import quick_place

#: Others that are installed may be named instead, such as "15,17"; the last one is used where one will do.
VERSIONS = tuple(int(each) for each in os.environ.get("TEST_POSTGRES_VERSIONS", "16,18").split(","))
TEMPLATE = "migrated"
Result = TypeVar("Result")
#: A test's database is thrown away with its cluster: nothing needs to reach the disk.
THROWN_AWAY = {
    "fsync": "off",
    "full_page_writes": "off",
    "synchronous_commit": "on",
    "shared_buffers": "64MB",
    "max_wal_size": "128MB",
    "max_connections": "200",
    "autovacuum": "off",
    "listen_addresses": "",
}
#: As in production, for tests that kill the server.
DURABLE = {**THROWN_AWAY, "fsync": "on", "full_page_writes": "on"}


class Cluster:
    """A running server. ``postgres`` starts and stops it."""

    def __init__(self, version: int, settings: dict[str, str]) -> None:
        binaries = find_binaries(version)
        self._numbers = itertools.count(1)
        self._folder = Path(tempfile.mkdtemp(prefix="drawdown-tests-", dir=quick_place()))
        self._folder.chmod(0o755)  # the server's user must be able to reach its own folder in it
        self.postgres = Postgres(self._folder / "postgres", binaries, settings)
        self.postgres.start()
        self.sql(f"CREATE DATABASE {TEMPLATE}")
        apart(_migrated(self.postgres.url(TEMPLATE)))

    def sql(self, text: str, database: str = "postgres") -> str:
        """What ``psql`` makes of it."""
        return self.postgres.psql(database, "-c", text)

    @contextmanager
    def database(self, template: str = TEMPLATE) -> Iterator[str]:
        """The URL of a fresh copy of the template; ``template0`` is an empty database."""
        name = f"test_{next(self._numbers)}"
        self._order(f"CREATE DATABASE {name} TEMPLATE {template}")
        yield self.postgres.url(name)
        self._order(f"DROP DATABASE {name} WITH (FORCE)")

    def _order(self, statement: str) -> None:
        """Without a process of its own, which would take half of the time."""
        apart(execute(self.postgres.url(), statement))

    def close(self) -> None:
        self.postgres.stop(signal.SIGQUIT)  # at once: what is thrown away need not be written out
        self.postgres.close()
        shutil.rmtree(self._folder)


def apart(work: Coroutine[Any, Any, Result]) -> Result:
    """Run it in a thread of its own: a test's event loop is left alone."""
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(asyncio.run, work).result()


async def execute(url: str, statements: str) -> None:
    connection = await asyncpg.connect(url)
    try:
        await connection.execute(statements)
    finally:
        await connection.close()


async def _migrated(url: str) -> None:
    await (await PostgresStore.open(url)).close()


class Clusters:
    """The clusters of a test run, each started when it is first asked for."""

    def __init__(self) -> None:
        self._started: dict[int, Cluster] = {}

    def of(self, version: int) -> Cluster:
        """Skips the test where there is no PostgreSQL of that version."""
        if version not in self._started:
            self._started[version] = started(version)
        return self._started[version]

    def close(self) -> None:
        for cluster in self._started.values():
            cluster.close()


def started(version: int, settings: dict[str, str] = THROWN_AWAY) -> Cluster:
    """A cluster of one's own. Skips the test where there is no PostgreSQL of that version."""
    try:
        return Cluster(version, settings)
    except PostgresMissing as missing:
        pytest.skip(str(missing))
