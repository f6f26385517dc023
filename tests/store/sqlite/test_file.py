"""The SQLite file: how it is opened, migrated and refused, and what it must never do to another's file."""

from __future__ import annotations

from pathlib import Path
from unittest.mock import patch

import apsw
import pytest

from drawdown.engine.ports import NotALedger, SchemaNewer, StoreUnavailable, StoreUnusable
from drawdown.naming import NAMING
from drawdown.store.sqlite import connection as opening
from drawdown.store.sqlite.connection import (
    APPLICATION_ID,
    migrations,
)
from drawdown.store.sqlite.store import SqliteStore
from tests.support.books import open_book, open_ledger_on, verified

pytestmark = pytest.mark.anyio


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "ledger.db"


def look(path: Path, pragma: str) -> object:
    connection = apsw.Connection(str(path))
    try:
        return connection.pragma(pragma)
    finally:
        connection.close()


async def test_a_fresh_file_gets_every_migration_once(path: Path) -> None:
    store = SqliteStore.open(path)
    assert store.migrations_run == len(migrations()) > 0
    await store.close()
    again = SqliteStore.open(path)
    assert again.migrations_run == 0
    await again.close()
    assert look(path, "user_version") == migrations()[-1][0]
    assert look(path, "application_id") == APPLICATION_ID
    assert look(path, "journal_mode") == "wal"


def test_migrations_are_numbered_without_a_gap() -> None:
    assert [number for number, _ in migrations()] == list(range(1, len(migrations()) + 1))


async def test_a_migration_that_fails_leaves_nothing(path: Path) -> None:
    """Neither its tables nor its number; the next start runs it from its beginning."""
    broken = [(1, "CREATE TABLE half (a); CREATE TABLE half (a);")]
    with (
        patch.object(opening, "migrations", lambda: broken),
        pytest.raises(StoreUnusable, match="half"),
    ):
        SqliteStore.open(path)
    assert look(path, "user_version") == 0
    store = SqliteStore.open(path)
    assert store.migrations_run == len(migrations())
    await store.close()


async def test_a_later_migration_keeps_what_is_there(path: Path) -> None:
    """Only the new step runs, and the records stay."""
    ledger = open_ledger_on(SqliteStore.open(path))
    book = await open_book(ledger)
    await book.grant(await book.customer(), 5)
    await ledger.close()
    number = migrations()[-1][0] + 1
    longer = [*migrations(), (number, "CREATE TABLE another (a INTEGER) STRICT;")]
    with patch.object(opening, "migrations", lambda: longer):
        store = SqliteStore.open(path)
    assert store.migrations_run == 1
    grown = open_ledger_on(store)
    assert (await verified(grown)).entries == 1
    await grown.close()
    with pytest.raises(SchemaNewer, match=f"schema {number}"):
        SqliteStore.open(path)


def test_a_file_of_a_newer_release_is_refused_untouched(path: Path) -> None:
    connection = opening.open_writer(str(path))
    opening.migrate(connection)
    connection.pragma("user_version", 9_999)
    connection.close()
    before = path.read_bytes()
    with pytest.raises(SchemaNewer, match="9999"):
        SqliteStore.open(path)
    assert path.read_bytes() == before


@pytest.mark.parametrize("journal", ["delete", "wal"])
def test_a_database_of_something_else_is_refused_untouched(path: Path, journal: str) -> None:
    """Not one byte of it is changed, nor its journal mode."""
    connection = apsw.Connection(str(path))
    connection.pragma("journal_mode", journal)
    connection.execute("CREATE TABLE theirs (a); INSERT INTO theirs VALUES (1)")
    connection.close()
    before = path.read_bytes()
    with pytest.raises(NotALedger):
        SqliteStore.open(path)
    assert path.read_bytes() == before
    assert look(path, "journal_mode") == journal


def test_a_database_with_a_version_of_its_own_is_refused(path: Path) -> None:
    """Even when it has no tables yet."""
    connection = apsw.Connection(str(path))
    connection.pragma("user_version", 1)
    connection.close()
    with pytest.raises(NotALedger):
        SqliteStore.open(path)


def test_a_file_that_is_no_database_is_refused_untouched(path: Path) -> None:
    path.write_bytes(b"Dear diary, " * 500)
    with pytest.raises(StoreUnusable):
        SqliteStore.open(path)
    assert path.read_bytes() == b"Dear diary, " * 500


def test_a_refused_file_is_not_kept_open(path: Path) -> None:
    """Whoever owns it can lock it at once."""
    connection = apsw.Connection(str(path))
    connection.execute("CREATE TABLE theirs (a)")
    with pytest.raises(NotALedger):
        SqliteStore.open(path)
    connection.execute("PRAGMA locking_mode = exclusive; BEGIN EXCLUSIVE; COMMIT")
    connection.close()


def test_a_folder_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(StoreUnavailable):
        SqliteStore.open(tmp_path / "nowhere" / "ledger.db")


@pytest.mark.parametrize("version", ["3.51.2", "3.50.99", "3.9.0", "2.99.99"])
def test_a_sqlite_that_can_corrupt_the_log_is_refused(path: Path, version: str) -> None:
    at_hand = patch.object(apsw, "sqlite_lib_version", lambda: version)
    with at_hand, pytest.raises(RuntimeError, match=version):
        SqliteStore.open(path)
    assert not path.exists()


@pytest.mark.parametrize("version", ["3.51.3", "3.52.0", "4.0.0"])
async def test_a_sqlite_that_cannot_is_taken(path: Path, version: str) -> None:
    with patch.object(apsw, "sqlite_lib_version", lambda: version):
        store = SqliteStore.open(path)
    assert store.migrations_run > 0
    await store.close()


def test_the_writer_syncs_every_commit(path: Path) -> None:
    """A write-ahead log, synced in full; the reader cannot write."""
    writer = opening.open_writer(str(path))
    opening.migrate(writer)
    assert writer.pragma("journal_mode") == "wal"
    assert writer.pragma("synchronous") == 2
    assert writer.pragma("foreign_keys") == 1
    reader = opening.open_reader(str(path))
    with pytest.raises(apsw.ReadOnlyError):
        reader.execute("DELETE FROM wallet")
    reader.close()
    writer.close()


async def test_verify_sees_one_moment_of_the_file(path: Path) -> None:
    """Debits that come in between two wallets of its walk do not show in any of them."""
    ledger = open_ledger_on(SqliteStore.open(path))
    book = await open_book(ledger)
    customers = [await book.customer() for _ in range(5)]
    for customer in customers:
        await book.grant(customer, 100)
    entries = []
    async for progress in ledger.verify(NAMING):
        entries.append(progress.entries)
        for customer in customers:
            await book.debit(customer, 1)
    assert entries == [1, 2, 3, 4, 5, 5]
    assert (await verified(ledger)).entries == 5 + 6 * 5
    await ledger.close()
