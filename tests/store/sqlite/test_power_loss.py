"""What was acknowledged survives a power failure at any moment, whatever becomes of unsynced writes.

A disk that loses or tears every unsynced write (``tests.support.power``) fails at a random step under a
load of debits, grants and reversals. After each failure the file is opened on an ordinary disk: every
acknowledged operation is there once, every other one once or not at all, and ``verify`` finds no fault.
The same play on a disk that lies about syncing must lose something, or it would prove nothing.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from unittest.mock import patch

import apsw
import msgspec
import pytest

from drawdown.core.amounts import Amount
from drawdown.core.commands import Debit, IssueGrant, ReverseDebit
from drawdown.core.requests import Answer, LedgerKey
from drawdown.core.types import Id
from drawdown.engine.ports import StoreUnavailable
from drawdown.store.sqlite import connection as opening
from drawdown.store.sqlite.store import SqliteStore
from tests.support.books import CREDITS, Book, open_book, open_ledger_on, render, verified
from tests.support.power import Disk

CLIENTS = 4
CUSTOMERS = 3
ROUNDS_MAX = 12
FUNDS = 1_000_000
#: Small, so that many failures fall into a checkpoint: within commits, and mostly beside them.
WITHIN = ("LOG_PAGES_MAX", 20)
BESIDE = ("CHECKPOINT_PAGES", 20)
LIVES = 3
#: What fails, and about how often that happens in a life in which nothing fails; None: any step.
Failures = tuple[tuple[str | None, int], ...]
ANY_STEP: Failures = ((None, 350),)
FAILURES = (*ANY_STEP, ("sync wal", 40), ("write database", 60), ("sync database", 5))
SEEDS = 40


class Lost(Exception):
    """Something acknowledged is gone, changed, or there twice."""


@dataclass
class Asked:
    """One operation that was asked for; ``answer`` once it was acknowledged."""

    command: Debit | IssueGrant | ReverseDebit
    key: LedgerKey
    answer: Answer | None = None

    @property
    def effect(self) -> tuple[int, int]:
        """What it adds to granted and to used."""
        assert self.command.amount is not None
        amount = self.command.amount.digits
        if isinstance(self.command, IssueGrant):
            return amount, 0
        return 0, amount if isinstance(self.command, Debit) else -amount


@dataclass
class History:
    """Everything that was ever asked of one book."""

    book: Id
    asked: list[Asked] = field(default_factory=list)

    async def ask(self, book: Book, command: Debit | IssueGrant | ReverseDebit) -> Answer:
        """Ask under a fresh key, and write down what came of it."""
        kind = type(command).__name__
        asked = Asked(command, LedgerKey(kind, f"key-{len(self.asked)}"))
        self.asked.append(asked)
        asked.answer = await book.ledger.submit(book.id, command, render, key=asked.key)
        return asked.answer


async def client(book: Book, history: History, chance: random.Random) -> None:
    """Debits, mostly; now and then a grant, or part of a debit returned."""
    for _ in range(ROUNDS_MAX):
        customer = f"customer-{chance.randrange(CUSTOMERS)}"
        amount = Amount(chance.randint(2, 9))
        debit = Debit(customer=customer, entitlement=CREDITS, amount=amount)
        answer = await history.ask(book, debit)
        if chance.random() < 0.2:
            await history.ask(
                book, IssueGrant(customer=customer, entitlement=CREDITS, amount=amount)
            )
        if chance.random() < 0.2:
            operation = Id(bytes.fromhex(msgspec.json.decode(answer.body)["operation"]))
            await history.ask(book, ReverseDebit(debit=operation, amount=Amount(1)))


async def prepared(path: Path) -> History:
    """A file with a few funded customers, safely on the disk."""
    ledger = open_ledger_on(SqliteStore.open(path))
    book = await open_book(ledger)
    history = History(book.id)
    for number in range(CUSTOMERS):
        customer = await book.customer(f"customer-{number}")
        grant = IssueGrant(customer=customer, entitlement=CREDITS, amount=Amount(FUNDS))
        await history.ask(book, grant)
    await ledger.close()
    return history


@contextlib.contextmanager
def connections_closed(checkpoints: tuple[str, int] = WITHIN) -> Iterator[None]:
    """Small checkpoints meanwhile; at the end every connection is closed, as the power left it."""
    opened: list[apsw.Connection] = []

    apsw.connection_hooks.append(opened.append)
    try:
        with patch.object(opening, *checkpoints):
            yield
    finally:
        apsw.connection_hooks.remove(opened.append)
        for connection in opened:
            with contextlib.suppress(apsw.Error):
                connection.close()


async def under_load(path: Path, disk: Disk, history: History, seed: int) -> None:
    """Clients on the ledger until the power fails, or until they are done."""
    chance = random.Random(seed)
    with contextlib.suppress(StoreUnavailable, apsw.Error):
        ledger = open_ledger_on(SqliteStore(str(path), vfs=disk.name))
        book = Book(ledger, history.book)
        seeds = [random.Random(chance.random()) for _ in range(CLIENTS)]
        clients = (client(book, history, one) for one in seeds)
        await asyncio.gather(*clients, return_exceptions=True)
        await ledger.close()


async def check(path: Path, history: History) -> None:
    """Raises ``Lost``, or whatever the file is too broken for."""
    ledger = open_ledger_on(SqliteStore.open(path))
    try:
        await verified(ledger)
        for asked in history.asked:
            await _check_one(Book(ledger, history.book), asked)
        await _check_sums(Book(ledger, history.book), history)
        await verified(ledger)
    finally:
        await ledger.close()


async def _check_one(book: Book, asked: Asked) -> None:
    """Asking again answers the same bytes; what was not acknowledged exists from now on."""
    again = await book.ledger.submit(book.id, asked.command, render, key=asked.key)
    if asked.answer is None:
        asked.answer = again
    elif not again.replayed or again.body != asked.answer.body:
        raise Lost(f"{asked.key} was acknowledged, and is not there as it was answered")


async def _check_sums(book: Book, history: History) -> None:
    balances = [await book.balance(f"customer-{number}") for number in range(CUSTOMERS)]
    found = (sum(b.granted for b in balances), sum(b.used for b in balances))
    effects = [asked.effect for asked in history.asked]
    expected = (sum(granted for granted, _ in effects), sum(used for _, used in effects))
    if found != expected:
        raise Lost(f"granted and used are {found}, what was asked for is {expected}")


async def live(
    path: Path, disk: Disk, history: History, seed: int, checkpoints: tuple[str, int]
) -> None:
    """One stretch under load, ended by the power, and what was found after it. Raises ``Lost``."""
    with connections_closed(checkpoints):
        await under_load(path, disk, history, seed)
    disk.pull_the_plug()
    try:
        await check(path, history)
    except Exception as error:
        error.add_note(f"seed {seed}, failed at step {disk.steps}: {disk.failure}")
        raise


async def lives(
    folder: Path,
    seed: int,
    *,
    failures: Failures = FAILURES,
    honest: bool = True,
    checkpoints: tuple[str, int] = WITHIN,
) -> list[str | None]:
    """Several lives of one file; how each ended (None: the load was over before)."""
    chance = random.Random(seed)
    path = folder / f"ledger-{seed}.db"
    history, ends = await prepared(path), []
    for _ in range(LIVES):
        kind, last = chance.choice(failures)
        disk = Disk(chance.getrandbits(32), chance.randint(1, last), honest, kind)
        await live(path, disk, history, chance.getrandbits(32), checkpoints)
        ends.append(disk.failure)
    assert any(asked.answer for asked in history.asked)
    return ends


@pytest.mark.parametrize("checkpoints", [WITHIN, BESIDE], ids=["within", "beside"])
def test_what_was_acknowledged_survives_a_power_failure(
    tmp_path: Path, checkpoints: tuple[str, int]
) -> None:
    """At any step: a write to the log, its sync, a checkpoint's writes and their sync."""
    ends = [
        end
        for seed in range(SEEDS)
        for end in asyncio.run(lives(tmp_path, seed, checkpoints=checkpoints))
    ]
    assert {"write wal", "sync wal", "write database", "sync database"} <= {*ends}, ends


def test_a_disk_that_lies_about_syncing_is_found_out(tmp_path: Path) -> None:
    """The same plays lose acknowledged operations on it, or the file: the proof above can fail."""
    found_out = [outcome(tmp_path, seed, honest=False) for seed in range(10)]
    assert sum(one is not None for one in found_out) >= 5, found_out


@pytest.mark.parametrize("level", ["off", "normal"])
def test_a_log_that_is_not_synced_at_each_commit_is_found_out(tmp_path: Path, level: str) -> None:
    """Also by the disk that does what it is told."""
    honest = opening.open_writer

    def careless(path: str, vfs: str | None = None) -> apsw.Connection:
        connection = honest(path, vfs)
        connection.pragma("synchronous", level)
        return connection

    with patch.object(opening, "open_writer", careless):
        found_out = [outcome(tmp_path, seed) for seed in range(10)]
    assert sum(one is not None for one in found_out) >= 5, found_out
    assert level == "off" or Lost in found_out


def outcome(folder: Path, seed: int, *, honest: bool = True) -> type[Exception] | None:
    """What the check found wrong with a play: something lost, or a file that makes no sense any more."""
    try:
        asyncio.run(lives(folder, seed, failures=ANY_STEP, honest=honest))
    except Exception as error:  # rows of a torn file may hold anything, and fail anywhere
        return type(error)
    return None


@pytest.mark.parametrize("fails_at", range(1, 40))
def test_a_failure_while_the_file_is_made_leaves_one_that_can_be_made(
    tmp_path: Path, fails_at: int
) -> None:
    """Half a schema is none: the next start finds an empty file, or a whole one."""
    path = tmp_path / "ledger.db"
    disk = Disk(fails_at, fails_at)
    with connections_closed(), contextlib.suppress(apsw.Error):
        SqliteStore(str(path), vfs=disk.name)
    disk.pull_the_plug()
    assert disk.failure is not None
    history = asyncio.run(prepared(path))
    asyncio.run(check(path, history))
