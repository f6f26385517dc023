"""Opening a ledger from a database URL: the one place that knows which store a URL means."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from drawdown.engine.batcher import BatchObserver
from drawdown.engine.clocks import SystemClock, TimeOrderedIds
from drawdown.engine.jobs import CLAIMS_KEPT_DAYS
from drawdown.engine.ledger import Ledger
from drawdown.engine.ports import Clock
from drawdown.store.sqlite.store import SqliteStore

SQLITE_PREFIX = "sqlite:///"


class DatabaseUrlInvalid(ValueError):
    """The database URL is of a kind that this release does not know."""


def sqlite_path(url: str) -> Path:
    """``sqlite:///name`` is relative to the working folder, ``sqlite:////name`` absolute."""
    path = url.removeprefix(SQLITE_PREFIX)
    if not url.startswith(SQLITE_PREFIX) or not path or "\0" in path:
        raise DatabaseUrlInvalid(
            f"{url!r} is not a database URL Drawdown knows. Use sqlite:///drawdown.db for a file in "
            "the working folder, or sqlite:////var/lib/drawdown.db for one anywhere."
        )
    return Path(path)


@asynccontextmanager
async def open_ledger(
    url: str,
    *,
    clock: Clock | None = None,
    observer: BatchObserver | None = None,
    jobs: bool = True,
    claims_kept_days: int = CLAIMS_KEPT_DAYS,
) -> AsyncIterator[Ledger]:
    """A ledger to use within ``async with``; the file is made, and its schema kept up to date.

    ``jobs`` False: nothing happens in the background (for commands that come and go).
    """
    store = SqliteStore.open(sqlite_path(url))
    ledger = Ledger(store, clock or SystemClock(), TimeOrderedIds(), observer, claims_kept_days)
    ledger.open(jobs=jobs)
    try:
        yield ledger
    finally:
        await ledger.close()
