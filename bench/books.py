"""A database under measurement, and whether its books hold exactly what was acknowledged."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import msgspec

from bench.children import BenchError, run
from bench.postgres import OWNER, Postgres
from bench.seed import Seeded
from bench.server import VERIFY_SECONDS, drawdown
from bench.traffic import AMOUNT, CODE

SQLITE = "sqlite:///"


class _Totals(msgspec.Struct):
    used: str


class _Verified(msgspec.Struct):
    ok: bool
    entries: int
    totals: dict[str, _Totals]


class Audit(msgspec.Struct, kw_only=True):
    """What was compared: debits and events acknowledged, what they drew, what the books say was used."""

    database: str
    acknowledged: int
    drawn: int
    used: int
    entries: int
    events: int = 0


class Books:
    """A copy of a seeded database. Whoever measures adds what was acknowledged."""

    def __init__(self, name: str, url: str, seeded: Seeded) -> None:
        self.name, self.url, self.secret, self.book = name, url, seeded.secret, seeded.book
        self.acknowledged, self.events, self.used_by_events = 0, 0, 0

    def check(self) -> Audit:
        """Run ``drawdown verify`` and compare. Raises ``BenchError`` for any difference."""
        command = [drawdown(), "verify", "--json", "--database", self.url]
        verified = msgspec.json.decode(run(command, VERIFY_SECONDS), type=_Verified)
        audit = Audit(
            database=self.name,
            acknowledged=self.acknowledged,
            events=self.events,
            drawn=self.acknowledged * AMOUNT + self.used_by_events,
            used=int(verified.totals[CODE].used),
            entries=verified.entries,
        )
        if not verified.ok or audit.drawn != audit.used:
            raise BenchError(
                f"{audit.acknowledged} debits of {AMOUNT} were acknowledged in {audit.database}, "
                f"and {audit.events} usage events that cost {self.used_by_events}; "
                f"the books say {audit.used} was used."
            )
        return audit


@contextmanager
def file_copy(seeded: Seeded, path: Path) -> Iterator[Books]:
    """A copy in a file of SQLite's; it is removed in the end."""
    shutil.copyfile(seeded.url.removeprefix(SQLITE), path)
    sync(path)
    yield Books(path.name, SQLITE + str(path), seeded)
    for suffix in ("", "-wal", "-shm"):
        path.with_name(path.name + suffix).unlink(missing_ok=True)


@contextmanager
def database_copy(postgres: Postgres, seeded: Seeded, name: str) -> Iterator[Books]:
    """A copy in a database of a PostgreSQL that runs; it is dropped in the end."""
    template = urlsplit(seeded.url).path.strip("/")
    postgres.psql(OWNER, "-c", f"CREATE DATABASE {name} TEMPLATE {template}", "-c", "CHECKPOINT")
    yield Books(name, postgres.url(name), seeded)
    postgres.psql(OWNER, "-c", f"DROP DATABASE {name} WITH (FORCE)")


def sync(path: Path) -> None:
    """Write a file out now, so that doing it later does not disturb a measure."""
    with path.open("rb") as file:
        os.fsync(file.fileno())
