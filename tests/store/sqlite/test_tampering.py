"""`verify` finds what somebody, or a disk, changed behind the ledger's back."""

from __future__ import annotations

from pathlib import Path

import apsw
import pytest

from drawdown.core.fold import Fault
from drawdown.engine.clocks import ManualClock
from drawdown.store.sqlite.store import SqliteStore
from tests.store.test_tampering import busy
from tests.support.books import START, open_ledger_on, verified
from tests.support.commands import sqlite_url
from tests.support.stores import Database, OpenedByUrl, tamper

pytestmark = pytest.mark.anyio

#: What only a file has, and what the fault must speak of.
TAMPERINGS = {
    "UPDATE wallet SET head = 0": "seq|posted|granted",
    "UPDATE operation SET entries = entries + 1 WHERE number = 4": "operations",
    "INSERT INTO entry SELECT 99, wallet, operation, 0, 0, 9, grant_id, kind, 1, 0, 0, 0, 0, 0, 0,"
    " 0, 0, 0, 0, zeroblob(32), NULL FROM entry WHERE number = 1": "entries are kept",
}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "ledger.db"


@pytest.fixture
def database(path: Path) -> Database:
    return OpenedByUrl(sqlite_url(path))


@pytest.mark.parametrize("tampering", TAMPERINGS)
async def test_a_change_behind_its_back_is_found(database: Database, tampering: str) -> None:
    ledger = await busy(database)
    await tamper(database.url, tampering)
    with pytest.raises(Fault, match=TAMPERINGS[tampering]):
        await verified(ledger)
    await ledger.close()


async def test_a_damaged_page_is_found(path: Path, database: Database) -> None:
    """A page of an index, which no balance is computed from."""
    await (await busy(database)).close()
    connection = apsw.Connection(str(path))
    connection.execute("PRAGMA wal_checkpoint(truncate)")
    root = connection.execute(
        "SELECT rootpage FROM sqlite_schema WHERE name = 'credit_grant_by_book'"
    ).get
    size = connection.pragma("page_size")
    connection.close()
    spoil(path, (root - 1) * size)
    ledger = open_ledger_on(SqliteStore.open(path), ManualClock(START))
    with pytest.raises(Fault, match="damaged"):
        await verified(ledger)
    await ledger.close()


def spoil(path: Path, offset: int) -> None:
    with path.open("r+b") as file:
        file.seek(offset)
        file.write(b"\xff" * 64)
