"""Opening a ledger from a database URL: the one place that knows which store a URL means."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from drawdown.engine.batcher import BatchObserver
from drawdown.engine.clocks import SystemClock, TimeOrderedIds
from drawdown.engine.jobs import CLAIMS_KEPT_DAYS
from drawdown.engine.ledger import Ledger
from drawdown.engine.ports import Clock, Store
from drawdown.store.sqlite.store import SqliteStore

SQLITE_PREFIX = "sqlite:///"
POSTGRES_PREFIXES = ("postgresql://", "postgres://")
_PASSWORD = re.compile(r"(?<=://)([^/?#@:]*):[^/?#@]*(?=@)|(?<=[?&])(password=)[^&]*")


class DatabaseUrlInvalid(ValueError):
    """The database URL is of a kind that this release does not know."""


def is_postgres(url: str) -> bool:
    return url.startswith(POSTGRES_PREFIXES)


def shown(url: str) -> str:
    """The URL as it may be printed: a password in it is left out."""
    return _PASSWORD.sub(
        lambda found: f"{found[1] or ''}:***" if found[2] is None else f"{found[2]}***", url
    )


def sqlite_path(url: str) -> Path:
    """``sqlite:///name`` is relative to the working folder, ``sqlite:////name`` absolute."""
    path = url.removeprefix(SQLITE_PREFIX)
    if not url.startswith(SQLITE_PREFIX) or not path or "\0" in path:
        raise DatabaseUrlInvalid(
            f"{shown(url)!r} is not a database URL Drawdown knows. Use sqlite:///drawdown.db for a file "
            "in the working folder, sqlite:////var/lib/drawdown.db for one anywhere, or "
            "postgresql://user@host/name for PostgreSQL."
        )
    return Path(path)


async def open_store(url: str, connections: int | None = None) -> Store:
    """The store of a URL, made and brought to this release's schema.

    ``connections``: to PostgreSQL, at most. Raises ``DatabaseUrlInvalid``, ``StoreUnavailable`` and
    ``StoreUnusable``.
    """
    if not is_postgres(url):
        return SqliteStore.open(sqlite_path(url))
    from drawdown.store.postgres.citus import open_postgres
    from drawdown.store.postgres.store import CONNECTIONS_MAX

    return await open_postgres(url, connections or CONNECTIONS_MAX)


@asynccontextmanager
async def open_ledger(
    url: str,
    *,
    clock: Clock | None = None,
    observer: BatchObserver | None = None,
    jobs: bool = True,
    claims_kept_days: int = CLAIMS_KEPT_DAYS,
    connections: int | None = None,
) -> AsyncIterator[Ledger]:
    """A ledger to use within ``async with``; what it needs is made, and its schema kept up to date.

    ``jobs`` False: nothing happens in the background (for commands that come and go). Raises as
    ``open_store``.
    """
    store = await open_store(url, connections)
    ledger = Ledger(store, clock or SystemClock(), TimeOrderedIds(), observer, claims_kept_days)
    ledger.open(jobs=jobs)
    try:
        yield ledger
    finally:
        await ledger.close()
