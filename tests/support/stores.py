"""Every database a ledger can be kept in, for the tests that hold for all of them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Protocol

import pytest

from drawdown.engine.ports import Store
from drawdown.store.sqlite.store import SqliteStore


class Database(Protocol):
    """One empty database; every store opened on it sees the same records."""

    def open(self) -> Store: ...


class SqliteDatabase:
    def __init__(self, folder: Path) -> None:
        self.path = folder / "ledger.db"

    def open(self) -> SqliteStore:
        return SqliteStore.open(self.path)


DATABASES = {"sqlite": SqliteDatabase}


@asynccontextmanager
async def opened(database: Database) -> AsyncIterator[Store]:
    store = database.open()
    try:
        yield store
    finally:
        await store.close()


@pytest.fixture(params=sorted(DATABASES))
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Database:
    return DATABASES[request.param](tmp_path)


@pytest.fixture
async def store(database: Database) -> AsyncIterator[Store]:
    async with opened(database) as found:
        yield found
