"""A disk that is full or fails, a file that is locked: nothing acknowledged is lost; all goes on later."""

from __future__ import annotations

import asyncio
import itertools
import secrets
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from unittest.mock import patch

import apsw
import pytest

from drawdown.core.types import Instant, Mode
from drawdown.engine import jobs as engine_jobs
from drawdown.engine.accounts import Role
from drawdown.engine.batcher import BATCH_MAX
from drawdown.engine.clocks import ManualClock
from drawdown.engine.ports import StoreUnavailable
from drawdown.store.sqlite import store as sqlite_store
from drawdown.store.sqlite.store import SqliteStore
from tests.support.books import (
    HOUR,
    START,
    Book,
    Observed,
    open_book,
    open_ledger_on,
    verified,
)
from tests.support.commands import sqlite_url
from tests.support.stores import Database, OpenedByUrl

pytestmark = pytest.mark.anyio


class BrokenDisk(apsw.VFS):
    """A disk on which every write fails with ``error`` while there is one."""

    def __init__(self) -> None:
        self.name = f"broken-{secrets.token_hex(8)}"
        self.error: type[apsw.Error] | None = None
        super().__init__(self.name, "")

    def xOpen(self, name: str | apsw.URIFilename | None, flags: list[int]) -> BrokenFile:  # noqa: N802
        return BrokenFile(self, name, flags)

    def check(self) -> None:
        if self.error is not None:
            raise self.error("no luck")


class BrokenFile(apsw.VFSFile):
    def __init__(
        self, disk: BrokenDisk, name: str | apsw.URIFilename | None, flags: list[int]
    ) -> None:
        self._disk = disk
        super().__init__("", name, flags)

    def xWrite(self, data: bytes, offset: int) -> None:  # noqa: N802
        self._disk.check()
        super().xWrite(data, offset)

    def xSync(self, flags: int) -> None:  # noqa: N802
        self._disk.check()
        super().xSync(flags)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "ledger.db"


@pytest.fixture
def database(path: Path) -> Database:
    return OpenedByUrl(sqlite_url(path))


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Another process is writing until the block is left."""
    other = apsw.Connection(str(path))
    other.execute("BEGIN IMMEDIATE")
    try:
        yield
    finally:
        other.execute("ROLLBACK")
        other.close()


@pytest.mark.parametrize("error", [apsw.FullError, apsw.IOError])
async def test_a_disk_that_cannot_write_is_unavailable_and_comes_back(
    path: Path, clock: ManualClock, observed: Observed, error: type[apsw.Error]
) -> None:
    """What could not be written is told so and is not there; a key that failed is free."""
    disk = BrokenDisk()
    ledger = open_ledger_on(SqliteStore(str(path), vfs=disk.name), clock, observer=observed)
    book = await open_book(ledger)
    customer = await book.customer()
    await book.grant(customer, 100)
    await book.debit(customer, 1, "before")
    disk.error = error
    outcomes = await asyncio.gather(
        *(book.debit(customer, 1, f"during-{n}") for n in range(20)), return_exceptions=True
    )
    assert {type(outcome) for outcome in outcomes} == {StoreUnavailable}
    assert (await book.balance(customer)).used == 1
    disk.error = None
    again = await asyncio.gather(*(book.debit(customer, 1, f"during-{n}") for n in range(20)))
    assert not any(answer.replayed for answer in again)
    assert (await book.debit(customer, 1, "before")).replayed
    assert (await book.balance(customer)).used == 21
    await verified(ledger)
    await ledger.close()
    disk.unregister()


async def test_a_file_that_may_not_grow_is_unavailable_and_comes_back(
    path: Path, clock: ManualClock
) -> None:
    """SQLite itself finds no page left, in the middle of writing a batch and not at its commit."""
    opened: list[apsw.Connection] = []
    with patch.object(apsw, "connection_hooks", [opened.append]):
        ledger = open_ledger_on(SqliteStore.open(path), clock)
    book = await open_book(ledger)
    customer = await book.customer()
    await book.grant(customer, 10_000)
    writer = opened[0]
    writer.pragma("max_page_count", writer.pragma("page_count") + 3)
    done = await debits_until_refused(book, customer)
    assert 0 < done < 5_000
    with pytest.raises(StoreUnavailable):
        await book.debit(customer, 1, f"debit-{done}")
    assert (await book.balance(customer)).used == done
    await verified(ledger)
    writer.pragma("max_page_count", 1_000_000)
    assert not (await book.debit(customer, 1, f"debit-{done}")).replayed
    assert (await book.balance(customer)).used == done + 1
    await verified(ledger)
    await ledger.close()


async def debits_until_refused(book: Book, customer: str) -> int:
    """How many debits of 1, one after the other, were carried out before the store was unavailable."""
    for done in range(10_000):
        try:
            await book.debit(customer, 1, f"debit-{done}")
        except StoreUnavailable:
            return done
    return 10_000


async def test_a_locked_file_is_waited_for(path: Path, book: Book, observed: Observed) -> None:
    """Another process that writes for a moment delays, and refuses nothing. Reads go on meanwhile."""
    customer = await book.customer()
    await book.grant(customer, 10)
    with locked(path):
        waiting = asyncio.create_task(book.debit(customer, 3))
        await asyncio.sleep(0.3)
        assert (await book.balance(customer)).used == 0
        assert not waiting.done()
    assert (await waiting).status == 201
    assert observed.errors == []


async def test_a_file_that_stays_locked_is_unavailable(
    path: Path, book: Book, observed: Observed
) -> None:
    """All who wait are told at once: one after the other would take 25 seconds. Then all goes on."""
    customer = await book.customer()
    await book.grant(customer, 1_000)
    with patch.object(sqlite_store, "BEGIN_TRIES", 4), locked(path):
        started = time.monotonic()
        tasks = [asyncio.create_task(book.debit(customer, 1)) for _ in range(BATCH_MAX)]
        outcomes = await asyncio.gather(*tasks, return_exceptions=True)
        assert time.monotonic() - started < 20
    assert {type(outcome) for outcome in outcomes} == {StoreUnavailable}
    assert [type(error) for error in observed.errors] == [StoreUnavailable]
    assert (await book.debit(customer, 1)).status == 201
    assert (await book.balance(customer)).used == 1


async def test_a_job_that_fails_is_tried_again(
    path: Path, clock: ManualClock, observed: Observed
) -> None:
    """Whatever it failed at, the next tick does it; the fault is told."""
    disk = BrokenDisk()
    ledger = open_ledger_on(SqliteStore(str(path), vfs=disk.name), clock, observer=observed)
    book = await open_book(ledger)
    customer = await book.customer()
    await book.grant(customer, 10, expires_at=Instant(START + HOUR))
    await ledger.close()
    clock.instant = Instant(START + HOUR)
    with patch.object(engine_jobs, "TICK_SECONDS", 0.02):
        store = SqliteStore(str(path), vfs=disk.name)
        disk.error = apsw.FullError
        ledger = open_ledger_on(store, clock, observer=observed, jobs=True)
        book = Book(ledger, book.id)
        await until(lambda: len(observed.errors) >= 4)
        assert (await book.balance(customer)).seq == 1
        written = len(observed.sizes)
        disk.error = None
        await until(lambda: len(observed.sizes) > written)
    assert {type(error) for error in observed.errors} == {StoreUnavailable}
    shown = await book.balance(customer)
    assert (shown.seq, shown.expired) == (2, 10)
    await ledger.close()
    disk.unregister()


async def until(condition: Callable[[], bool]) -> None:
    """Looks at the ledger's own turns, at most a minute long."""
    async with asyncio.timeout(60):
        for _ in itertools.count():
            if condition():
                return
            await asyncio.sleep(0.01)


async def test_a_ledger_closes_while_its_file_is_locked(path: Path, clock: ManualClock) -> None:
    """What it only wanted to note for people is given up, and the file is let go of."""
    ledger = open_ledger_on(SqliteStore.open(path), clock)
    account = await ledger.accounts.create_account("one")
    _, secret = await ledger.accounts.create_key(account.id, Mode.TEST, Role.VIEWER)
    assert await ledger.accounts.authenticate(secret) is not None
    with patch.object(sqlite_store, "BEGIN_TRIES", 2), locked(path):
        await ledger.close()
    reopened = open_ledger_on(SqliteStore.open(path), clock)
    assert (await reopened.accounts.keys())[0].last_used_at is None
    await reopened.close()
    assert [found.name for found in path.parent.iterdir()] == [path.name]
