"""Copying random plays that go on meanwhile, ended anywhere and gone on with: nothing lost, nothing twice."""

from __future__ import annotations

import contextlib
import itertools
import random
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.resources import files
from pathlib import Path
from typing import NamedTuple
from unittest import mock

import apsw
import pytest

from drawdown.core.commands import Command, CreateCustomer, CreateEntitlement
from drawdown.core.errors import LedgerError
from drawdown.core.requests import Accepted, Answer, Claim, LedgerKey
from drawdown.core.types import Id, Mode
from drawdown.engine.clocks import ManualClock
from drawdown.engine.ledger import Ledger
from drawdown.opening import open_store
from drawdown.store import copier as copying
from drawdown.store.copier import Comparison, Told, open_copier
from drawdown.store.copying import TABLES, Row, Table
from drawdown.store.postgres.copying import Target
from drawdown.store.queries import load_queries
from drawdown.store.sqlite import copying as source
from tests.support.books import START, open_ledger_on, render, verified
from tests.support.commands import sqlite_url
from tests.support.random_play import CUSTOMER, KINDS, RandomPlay, Seen

pytestmark = pytest.mark.anyio

BOOKS = 3
EMPTY = Answer(status=200, body=b"{}")
#: Each of these must have been copied, or the plays prove nothing.
PLAYED = {"grant", "debit", "hold", "capture", "reverse"}


class Killed(Exception):
    """The copy ends here, as a process that is killed does: nothing of its transaction stays."""


class Answered(NamedTuple):
    """What was asked under a key, and the answer."""

    book: Id
    command: Command
    key: LedgerKey
    claim: Claim | None
    answer: Answer


class Plays:
    """Plays in several books of one file. Each round opens it anew, as another process would."""

    def __init__(self, path: Path, seed: int, books: int = BOOKS) -> None:
        self._url = sqlite_url(path)
        self._count = books
        self._random = random.Random(seed)
        self._books: dict[Id, RandomPlay] = {}
        self._number = 0
        self.clock = ManualClock(START)
        self.seen = Seen()
        self.answered: list[Answered] = []

    @property
    def books(self) -> list[Id]:
        return list(self._books)

    async def begin(self) -> None:
        ledger = await self._open()
        for number in range(self._count):
            account = await ledger.accounts.create_account(f"account {number}")
            book = await ledger.accounts.book(account.id, Mode.TEST)
            await ledger.apply(
                book, CreateCustomer(own_id=CUSTOMER, profiles={"stripe": {"phone": "é"}})
            )
            for code in KINDS:
                await ledger.apply(book, CreateEntitlement(code=code, unit="credit", scale=0))
            self._books[book] = RandomPlay(self._random.randrange(1 << 30), START)
        await ledger.close()

    async def go_on(self, commands: int) -> None:
        ledger = await self._open()
        for _ in range(commands):
            await self.step_of(ledger, self._random.choice(self.books))
        await ledger.close()

    async def _open(self) -> Ledger:
        return open_ledger_on(await open_store(self._url), self.clock)

    async def step_of(self, ledger: Ledger, book: Id) -> None:
        """The next command in a book. What is accepted is remembered with its answer."""
        play = self._books[book]
        command, at = play.next()
        self.clock.instant = at
        self._number += 1
        got: list[Accepted] = []

        def note(accepted: Accepted) -> Answer:
            got.append(accepted)
            whole = accepted.operation is not None and accepted.balance is not None
            return render(accepted) if whole else EMPTY

        key = LedgerKey("play", f"key {self._number}")
        claim = None
        if self._random.random() < 0.3:
            claim = Claim("requests", f"claim {self._number}", bytes([self._number % 256]) * 4)
        with contextlib.suppress(LedgerError):  # a refusal is a part of a play
            answer = await ledger.submit(book, command, note, key=key, claim=claim)
            if claim is not None or (got and got[-1].operation is not None):
                self.answered.append(Answered(book, command, key, claim, answer))
        for accepted in got:
            play.tell(accepted)
            self.seen.note(accepted)
        if self._random.random() < 0.1:
            await ledger.apply(book, CreateCustomer(own_id=f"customer-{self._number}"))


@pytest.fixture
def small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(copying, "ROWS_AT_ONCE", 7)
    monkeypatch.setattr(copying, "CUSTOMERS_AT_ONCE", 1)
    monkeypatch.setattr(source, "OPERATIONS_AT_ONCE", 11)
    monkeypatch.setattr(source, "ENTRIES_AT_ONCE", 9)


def killed_after(chunks: int) -> Told:
    left = itertools.count(chunks, -1)

    def told(_table: str, _rows: int) -> None:
        if next(left) <= 0:
            raise Killed

    return told


def quiet(_table: str, _rows: int) -> None:
    """Nobody looks."""


async def finished(path: Path, target: str) -> Comparison:
    async with open_copier(path, target, quiet, begin=True) as copier:
        with copier.fenced():
            assert (await copier.finish()).fault is None
            found = await copier.compare()
            await copier.seal()
    return found


#: What no play makes. Each has a test of its own beside this one; webhooks have it where the feed is told of.
NOT_PLAYED = {
    "alert",
    "api_key",
    "document",
    "meter",
    "rate",
    "rate_customer",
    "repayment",
    "schedule",
    "test_clock",
    "top_up",
    "top_up_request",
    "usage_count",
    "usage_event",
    "usage_value",
    "webhook_attempt",
    "webhook_endpoint",
    "webhook_retry",
}


async def test_a_copy_that_is_killed_anywhere_goes_on_there(
    path: Path, each_target: str, small_chunks: None
) -> None:
    """The ledger is written to between the attempts, and in the middle of them."""
    chance = random.Random(5)
    plays = Plays(path, 5)
    await plays.begin()
    await plays.go_on(150)
    kills = 0
    for _ in range(25):
        try:
            async with open_copier(
                path, each_target, killed_after(chance.randrange(12)), begin=True
            ) as copier:
                await copier.catch_up()
        except Killed:
            kills += 1
        await plays.go_on(chance.randrange(15))
    assert kills > 10
    found = await finished(path, each_target)
    assert found.fault is None
    assert found.rows == sum(there for _, there in found.tables.values())
    assert plays.seen.kinds.keys() >= PLAYED, plays.seen.kinds
    empty = {name for name, (_, there) in found.tables.items() if not there}
    assert empty <= NOT_PLAYED
    there, here = [await checked(url) for url in (each_target, sqlite_url(path))]
    assert there == here


async def checked(url: str) -> dict[str, object]:
    """What a ledger adds up to, verified."""
    ledger = open_ledger_on(await open_store(url))
    try:
        found = await verified(ledger)
        return {"wallets": found.wallets, "entries": found.entries, "totals": found.totals}
    finally:
        await ledger.close()


async def test_what_is_written_while_a_pass_goes_on_is_in_the_copy(
    path: Path, target: str, small_chunks: None
) -> None:
    """After each chunk the ledger goes on; so a table is gone over while it changes."""
    plays = Plays(path, 7)
    await plays.begin()
    await plays.go_on(60)
    add = Target.add

    async def add_and_play(
        self: Target, table: Table, columns: Sequence[str], found: Sequence[Row]
    ) -> None:
        await add(self, table, columns, found)
        await plays.go_on(2)

    with mock.patch.object(Target, "add", add_and_play):
        async with open_copier(path, target, quiet, begin=True) as copier:
            await copier.catch_up()
    assert (await finished(path, target)).fault is None


async def test_nobody_writes_to_the_source_while_it_is_fenced_off(path: Path, target: str) -> None:
    plays = Plays(path, 1)
    await plays.begin()
    async with open_copier(path, target, quiet, begin=True) as copier:
        with copier.fenced():
            other = apsw.Connection(str(path))
            with pytest.raises(apsw.BusyError):
                other.execute("BEGIN IMMEDIATE")
            other.close()


async def test_a_clock_that_was_put_back_hides_nothing(path: Path, target: str) -> None:
    """Customers and claims are looked for by their time: what that misses is found by counting."""
    plays = Plays(path, 2)
    await plays.begin()
    async with open_copier(path, target, quiet, begin=True) as copier:
        await copier.catch_up()
        copier.progress.since = 2**60  # far ahead of what is made from now on
        await copier.catch_up()
    await plays.go_on(80)
    found = await finished(path, target)
    assert found.fault is None
    assert found.tables["customer"][1] > BOOKS


@contextmanager
def changed(path: Path) -> Iterator[apsw.Connection]:
    file = apsw.Connection(str(path))
    try:
        yield file
    finally:
        file.close()


async def test_a_wallet_that_changed_without_an_operation_is_found(path: Path, target: str) -> None:
    """Settling what turns out not to be due writes when to look again, and nothing else."""
    plays = Plays(path, 4)
    await plays.begin()
    await plays.go_on(60)
    async with open_copier(path, target, quiet, begin=True) as copier:
        await copier.catch_up()
    with changed(path) as file:
        file.execute("UPDATE wallet SET next_due_at = 5 WHERE number = 1")
        assert file.changes() == 1
    assert (await finished(path, target)).fault is None


async def test_answers_that_were_forgotten_are_forgotten_in_the_copy(
    path: Path, target: str
) -> None:
    plays = Plays(path, 3)
    await plays.begin()
    await plays.go_on(120)
    async with open_copier(path, target, quiet, begin=True) as copier:
        await copier.catch_up()
        before = (await copier.compare()).tables["claim"][1]
    with changed(path) as file:  # as pruning does, but not only the oldest
        file.execute("DELETE FROM claim WHERE answer IS NOT NULL AND substr(key, -1) IN ('1', '2')")
    found = await finished(path, target)
    assert found.fault is None
    assert found.tables["claim"][1] < before


def test_all_that_changes_in_place_is_known_to_the_copy() -> None:
    """Who adds such a statement sees to it that `drawdown copy` notices what it changes."""
    queries = load_queries("drawdown.store.sqlite")
    in_place = {
        name
        for name, sql in queries.items()
        if re.match("UPDATE|DELETE|.*DO UPDATE", sql, re.DOTALL)
    }
    assert in_place == {
        "update_wallet",  # of an operation's customer, or found by comparing wallets
        "draw_wallet",
        "draw_grant",
        "write_back_grant",  # changes nothing that is read
        "update_grant",
        "update_hold",
        "update_schedule",
        "upsert_count",  # of an operation's customer
        "upsert_value",
        "amend_event",
        "attach_rate",  # of an operation's customer
        "detach_rate",
        "upsert_repayment",
        "upsert_reversal",  # compared in every pass
        "prune_claims",  # counted at the end
        "release_name",  # the same
        "revoke_api_key",  # replaced in every pass
        "set_zone",
        "touch_api_key",
        "update_endpoint",
        "move_cursor",
        "delete_endpoint",
        "delete_retries",
        "delete_attempts",
        "delete_retry",
        "prune_attempts",
        "prune_dead",
        "amend_customer",  # of an operation's customer
        "amend_entitlement",  # replaced in every pass
        "change_meter",
        "watch_meter",
        "close_rate",
        "change_clock",  # replaced in every pass, as every small table
        "reach_target",
        "set_clock",  # of a wallet that is new
        "set_watch",  # of an operation's customer, or found by comparing wallets
        "close_top_up",  # of an operation's customer
        "end_top_up_request",
        "change_document",  # the same
        "close_alert",  # of an operation's customer, or of the book that stands for one
    }


def test_every_table_is_copied() -> None:
    """But for what a file keeps for itself: where its operations are found by their keys."""
    folder = files("drawdown.store.sqlite").joinpath("migrations")
    text = "".join(file.read_text("utf-8") for file in folder.iterdir())
    tables = set(re.findall(r"CREATE TABLE (\w+)", text))
    assert tables - {"operation_key"} == {table.name for table in TABLES}
