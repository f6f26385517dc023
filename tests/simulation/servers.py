"""The real engine as processes that can die, and the real SQLite store under it."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import itertools
import tempfile
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Protocol
from unittest.mock import patch

import apsw
import msgspec

from drawdown.core import identity
from drawdown.core.requests import Accepted, Answer
from drawdown.core.state import Wanted
from drawdown.core.types import Id, Instant, Mode
from drawdown.engine.batcher import BatchObserver
from drawdown.engine.clocks import ManualClock
from drawdown.engine.jobs import Jobs
from drawdown.engine.ledger import Ledger
from drawdown.engine.ports import Clock, Ids, Store, StoreUnavailable
from drawdown.store.sqlite.store import SqliteStore
from drawdown.store.sqlite.transaction import SqliteTransaction
from tests.simulation import faults

#: Claims on answers are not forgotten: when they are depends on when jobs ran before.
FOREVER_DAYS = 36_500


class CommitFailed(Exception):
    """A transaction failed for a reason of its own."""


class RisingIds(Ids):
    """Ids in the order in which they were asked for, from whichever server; the same in every run."""

    def __init__(self) -> None:
        self._numbers = itertools.count(1)

    def new(self, slot: int | None = None) -> Id:
        number = next(self._numbers)
        place = number * 7919 % identity.SLOTS if slot is None else slot
        return identity.compose(1_700_000_000_000 + number, 0, number * 0x9E3779B97F4A7, place)


class SimulatedStore(SqliteStore):
    """A store whose next commit can go wrong (``faults``).

    ``on_commit`` is called when a commit begins: what arrives then must wait for the next transaction.
    """

    def __init__(self, path: str, counts: Counter[str], vfs: str | None = None) -> None:
        super().__init__(path, vfs)
        self.counts = counts
        self.fault = ""
        self.on_commit: Callable[[], None] | None = None
        self.died = asyncio.Event()

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[SqliteTransaction]:
        async with super().transaction() as current:
            load = current.load

            async def counted(wanted: Wanted) -> None:
                if wanted.wallets_longer:
                    self.counts["more grants are loaded than at first"] += 1
                await load(wanted)

            with patch.object(current, "load", counted):
                yield current

    def _refresh(self) -> None:
        known = self._transaction.state
        super()._refresh()
        if self._transaction.state is not known:
            self.counts["another server has written"] += 1

    async def _commit(self) -> None:
        fault, self.fault = self.fault, ""
        arriving, self.on_commit = self.on_commit, None
        if arriving is not None:
            self.counts["requests gather while others are committed"] += 1
            arriving()
        if fault == faults.FAILS:
            raise CommitFailed
        if fault == faults.UNAVAILABLE:
            raise apsw.FullError("database or disk is full")
        if fault != faults.DIES_BEFORE:
            await super()._commit()
        if fault in faults.DEATHS:
            self.died.set()
            await asyncio.Event().wait()  # a dead process does nothing more

    async def die(self) -> None:
        """What it was doing is undone, unless it is on the disk; its caches are gone."""
        with contextlib.suppress(apsw.Error):  # a disk without power
            await self.close()


class FragileStore(Store, Protocol):
    """A store whose next transaction can go wrong, as ``SimulatedStore``."""

    fault: str
    on_commit: Callable[[], None] | None
    died: asyncio.Event

    async def die(self) -> None: ...


def nothing_to_say(accepted: Accepted) -> Answer:
    return Answer(status=200, body=b"")


class Failures(BatchObserver):
    """Counts the transactions that failed as they were made to; others are faults."""

    def __init__(self, counts: Counter[str]) -> None:
        self.counts = counts
        self.unexpected: list[BaseException] = []

    def failed(self, error: BaseException) -> None:
        if isinstance(error, CommitFailed):
            self.counts["a batch is tried one by one"] += 1
        elif not isinstance(error, StoreUnavailable):
            self.unexpected.append(error)


class Server:
    """One process: a ledger with a store and caches of its own."""

    def __init__(self, store: FragileStore, clock: Clock, ids: Ids, counts: Counter[str]) -> None:
        before = asyncio.all_tasks()
        self.store = store
        self.failures = Failures(counts)
        self.ledger = Ledger(self.store, clock, ids, self.failures)
        self.ledger.open(jobs=False)
        self._tasks = asyncio.all_tasks() - before
        self.jobs = Jobs(
            self.store,
            clock,
            self.ledger.accounts,
            lambda book, command: self.ledger.submit(book, command, nothing_to_say),
            self.failures,
            FOREVER_DAYS,
        )

    async def die(self) -> None:
        """It does nothing more."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self.store.die()


async def make_book(store: FragileStore) -> Id:
    """A new account's book, on a server that is closed again."""
    server = Server(store, ManualClock(Instant(1)), RisingIds(), Counter())
    account = await server.ledger.accounts.create_account("simulated")
    book = await server.ledger.accounts.book(account.id, Mode.TEST)
    await server.ledger.close()
    return book


class Template(msgspec.Struct, frozen=True):
    """A file with a schema, an account and its book, made once and written out for each play."""

    content: bytes
    book: Id


@functools.cache
def template() -> Template:
    """The one of this process. Not within a running event loop."""
    with tempfile.TemporaryDirectory(prefix="drawdown-sim-", dir=fast_folder()) as folder:
        path = Path(folder) / "template.db"
        book = asyncio.run(_made(path))
        return Template(path.read_bytes(), book)


async def _made(path: Path) -> Id:
    return await make_book(SimulatedStore(str(path), Counter()))


@contextmanager
def copied(original: Template) -> Iterator[Path]:
    """A file of one's own."""
    with tempfile.TemporaryDirectory(prefix="drawdown-sim-", dir=fast_folder()) as folder:
        path = Path(folder) / "play.db"
        path.write_bytes(original.content)
        yield path


def fast_folder() -> str | None:
    """Memory that looks like a disk, where there is some: nothing here is about losing power."""
    memory = Path("/dev/shm")
    return str(memory) if memory.is_dir() else None
