"""When the log is written back into the file, and by whom."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import AsyncIterator
from pathlib import Path

import apsw
import pytest

from drawdown.store.sqlite import checkpoints
from drawdown.store.sqlite import connection as opening
from drawdown.store.sqlite.store import SqliteStore
from tests.support.books import Book, open_book, open_ledger_on, verified

pytestmark = pytest.mark.anyio

PAGES = 20


@pytest.fixture
def path(tmp_path: Path) -> str:
    return str(tmp_path / "ledger.db")


@pytest.fixture
async def book(path: str, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Book]:
    monkeypatch.setattr(opening, "CHECKPOINT_PAGES", PAGES)
    ledger = open_ledger_on(SqliteStore(path))
    made = await open_book(ledger)
    await made.customer("customer")
    await made.grant("customer", 1_000)
    yield made
    await ledger.close()


def log_bytes(path: str) -> int:
    """How long it has been at most: the file of the log does not shrink."""
    return Path(path + "-wal").stat().st_size


def log_pages(path: str) -> int:
    """How long the log is at the moment."""
    with contextlib.closing(opening.open_reader(path)) as connection:
        connection.execute("SELECT count(*) FROM sqlite_schema").fetchall()
        return connection.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_PASSIVE)[0]


async def until_written_back(book: Book) -> None:
    """Until the thread has come to the end of what is under way, if anything is."""
    store = book.ledger._store
    assert isinstance(store, SqliteStore)
    under_way = store._checkpoints._under_way
    if under_way is not None:
        await asyncio.wait_for(asyncio.wrap_future(under_way), 60)


async def test_under_a_steady_load_the_log_begins_anew(
    book: Book, path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Mostly by a thread of its own: a commit takes what is left, or the log would grow for ever."""
    write_back, by = checkpoints._write_back, []

    def noted(connection: apsw.Connection) -> None:
        by.append(threading.current_thread().name.partition("_")[0])
        write_back(connection)

    monkeypatch.setattr(checkpoints, "_write_back", noted)
    for number in range(200):
        await book.debit("customer", 1)
        if number % 10 == 9:
            await until_written_back(book)  # a busy machine may not have begun with it yet
    assert log_bytes(path) < 20 * PAGES * 4096
    assert {*by} == {"drawdown-checkpoint", "drawdown-commit"}
    assert abs(by.count("drawdown-checkpoint") - by.count("drawdown-commit")) <= 1


async def test_a_log_that_somebody_still_reads_is_written_back_once_he_has_gone(
    book: Book, path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(opening, "LOG_PAGES_MAX", 3 * PAGES)
    owner = (await book.balance("customer")).customer
    async with book.ledger._store.moment(owner) as moment:
        assert await moment.find_debit(owner) is None  # what it reads stays as of now
        for _ in range(100):
            await book.debit("customer", 1)
        assert log_pages(path) > 3 * PAGES
    for _ in range(3):
        await book.debit("customer", 1)
    assert log_pages(path) < PAGES
    await verified(book.ledger)
