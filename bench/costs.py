"""What a debit costs the engine alone: time of the process and of the database, statements, pages, bytes.

Counted, not timed: what else the machine does makes less of a difference to it than to a rate.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import apsw
import asyncpg
import msgspec

from drawdown.opening import is_postgres

#: PostgreSQL's sessions tell what pages they have touched once a second, at the end of a transaction.
TOLD_SECONDS = 1.1
_COUNTERS = """
SELECT pg_current_wal_insert_lsn() - '0/0'::pg_lsn AS wal, blks_hit + blks_read AS pages,
  pg_database_size(current_database()) AS kept
FROM pg_stat_database WHERE datname = current_database()
"""
_SESSIONS = """
SELECT pid FROM pg_stat_activity
WHERE datname = current_database() AND backend_type = 'client backend' AND pid <> pg_backend_pid()
"""


class Costs(msgspec.Struct, kw_only=True, omit_defaults=True):
    """Microseconds of processor time, pages and bytes a debit; statements a batch.

    ``written_bytes``: to SQLite's files, or to PostgreSQL's log; ``kept_bytes``: by which the database has
    grown. None: not to be had here.
    """

    process_us: float
    database_us: float | None = None
    statements: float | None = None
    pages: float | None = None
    written_bytes: float | None = None
    kept_bytes: float


class Reading(msgspec.Struct):
    """Counters as they stand: seconds, bytes, statements, pages."""

    process: float
    kept: int
    database: float | None = None
    statements: int | None = None
    pages: int | None = None
    written: int | None = None


class Meter:
    """Reads the counters of this process and its database. ``open`` before the first statement."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._connection: Any = None
        self._statements = 0
        self.pause_seconds = TOLD_SECONDS if is_postgres(url) else 0.0

    async def open(self) -> None:
        if is_postgres(self._url):
            self._connection = await asyncpg.connect(self._url)
            for name in ("fetch", "execute"):
                self._count(name)

    def _count(self, name: str) -> None:
        """Each call of the driver is one way to the server and back."""
        method = getattr(asyncpg.Connection, name)

        async def counted(*given: Any, **more: Any) -> Any:
            self._statements += 1
            return await method(*given, **more)

        setattr(asyncpg.Connection, name, counted)

    async def read(self) -> Reading:
        process, statements = time.process_time(), self._statements
        if self._connection is None:
            return Reading(process, _size(self._url), written=_written())
        [(wal, pages, kept)] = await self._connection.fetch(_COUNTERS)
        reading = Reading(process, kept, statements=statements, pages=pages, written=int(wal))
        sessions = await self._connection.fetch(_SESSIONS)
        reading.database = processor_seconds([row[0] for row in sessions])
        self._statements = statements
        return reading

    async def close(self) -> None:
        if self._connection is not None:
            await self._connection.close()


def between(before: Reading, after: Reading, debits: int, batch: int) -> Costs:
    """What each of so many debits cost, in batches of one size."""

    def each(name: str) -> float | None:
        first, last = getattr(before, name), getattr(after, name)
        return None if first is None or last is None else (last - first) / debits

    database, statements = each("database"), each("statements")
    return Costs(
        process_us=1e6 * (after.process - before.process) / debits,
        database_us=None if database is None else 1e6 * database,
        statements=None if statements is None else statements * batch,
        pages=each("pages"),
        written_bytes=each("written"),
        kept_bytes=(after.kept - before.kept) / debits,
    )


def _size(url: str) -> int:
    """Bytes of a database in a file, what is only in its log so far included."""
    connection = apsw.Connection(url.removeprefix("sqlite:///"), apsw.SQLITE_OPEN_READONLY)
    try:
        pages, page_size = connection.pragma("page_count"), connection.pragma("page_size")
    finally:
        connection.close()
    return int(pages) * int(page_size)


def _written() -> int | None:
    """Bytes that this process has written; None where the system does not say."""
    counters = Path("/proc/self/io")
    if not counters.exists():
        return None
    lines = dict(line.split(": ") for line in counters.read_text().splitlines())
    return int(lines["wchar"])


def family(process: int) -> list[int]:
    """A process and its children; the process alone where the system does not say."""
    told = Path(f"/proc/{process}/task/{process}/children")
    return [process, *map(int, told.read_text().split())] if told.exists() else [process]


def processor_seconds(processes: list[int]) -> float | None:
    """What so many processes have taken; None where the system does not say."""
    if not Path("/proc/self/schedstat").exists():
        return None
    threads = [each for process in processes for each in Path(f"/proc/{process}/task").iterdir()]
    return sum(int((each / "schedstat").read_text().split()[0]) for each in threads) / 1e9
