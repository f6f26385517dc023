"""What a process keeps of its file answers reads as the file itself would, and never ahead of a commit."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import apsw
import pytest

from drawdown.core.errors import CustomerNotFound
from drawdown.core.types import Mode
from drawdown.engine.accounts import KeyRevoked, Role
from drawdown.engine.clocks import ManualClock
from drawdown.engine.ledger import Ledger
from drawdown.store.sqlite.store import SqliteStore
from tests.support.books import START, Book, open_book, open_ledger_on

pytestmark = pytest.mark.anyio

CUSTOMER = "customer"


class HeldStore(SqliteStore):
    """A store whose commits wait until they are let go, before the file has them or after."""

    before: asyncio.Event | None = None
    after: asyncio.Event | None = None

    async def _commit(self) -> None:
        if self.before is not None:
            await self.before.wait()
        await super()._commit()
        if self.after is not None:
            await self.after.wait()


@pytest.fixture
def statements() -> list[str]:
    return []


@pytest.fixture
async def store(tmp_path: Path, statements: list[str]) -> HeldStore:
    opened = HeldStore(str(tmp_path / "ledger.db"))

    def trace(cursor: apsw.Cursor, text: str, bindings: object) -> bool:
        statements.append(text)
        return True

    opened._connection.exec_trace = trace
    return opened


@pytest.fixture
async def ledger(store: HeldStore) -> AsyncIterator[Ledger]:
    opened = open_ledger_on(store, ManualClock(START))
    yield opened
    for held in (store.before, store.after):
        if held is not None:  # whatever failed, closing must not wait for it
            held.set()
    await opened.close()


@pytest.fixture
async def book(ledger: Ledger) -> Book:
    made = await open_book(ledger)
    await made.customer(CUSTOMER)
    await made.grant(CUSTOMER, 10)
    return made


async def test_a_balance_in_memory_needs_no_statement(book: Book, statements: list[str]) -> None:
    await book.debit(CUSTOMER, 3)
    statements.clear()
    assert (await book.balance(CUSTOMER)).posted == 7
    assert statements == []


async def test_a_balance_in_memory_is_of_its_own_book_only(book: Book) -> None:
    """By whatever it is named: also by ids, which say nothing of the book."""
    balance = await book.balance(CUSTOMER)
    account = (await book.ledger.accounts.accounts())[0]
    live = await book.ledger.accounts.book(account.id, Mode.LIVE)
    assert await book.ledger.balance(book.id, balance.customer, balance.entitlement) == balance
    with pytest.raises(CustomerNotFound):
        await book.ledger.balance(live, balance.customer, balance.entitlement)


async def test_a_balance_is_as_committed_while_a_debit_is_on_its_way(
    book: Book, store: HeldStore
) -> None:
    await book.debit(CUSTOMER, 1)
    store.before = asyncio.Event()
    debit = asyncio.create_task(book.debit(CUSTOMER, 3))
    await asyncio.sleep(0.01)
    assert (await book.balance(CUSTOMER)).posted == 9
    store.before.set()
    await debit
    assert (await book.balance(CUSTOMER)).posted == 6


async def test_a_customer_is_not_there_before_it_is_committed(book: Book, store: HeldStore) -> None:
    store.before = asyncio.Event()
    making = asyncio.create_task(book.customer("another"))
    await asyncio.sleep(0.01)
    with pytest.raises(CustomerNotFound):
        await book.ledger.customer(book.id, "another")
    store.before.set()
    await making
    assert (await book.ledger.customer(book.id, "another")).own_id == "another"


@pytest.fixture
def other(tmp_path: Path, book: Book) -> Callable[[], Ledger]:
    return lambda: open_ledger_on(SqliteStore(str(tmp_path / "ledger.db")), ManualClock(START))


async def test_what_another_server_wrote_is_read_at_once(
    book: Book, other: Callable[[], Ledger]
) -> None:
    second = other()
    for left in range(9, 0, -1):
        debited = (book, Book(second, book.id))[left % 2]
        await debited.debit(CUSTOMER, 1)
        assert (await book.balance(CUSTOMER)).posted == left
    await second.close()


async def test_what_another_server_wrote_is_read_before_an_own_commit_has_returned(
    book: Book, store: HeldStore, other: Callable[[], Ledger]
) -> None:
    """The lock is free by then, though nobody here knows it yet."""
    await book.customer("another")
    second = Book(other(), book.id)
    store.after = asyncio.Event()
    making = asyncio.create_task(book.grant("another", 1))
    await asyncio.sleep(0.05)
    await second.debit(CUSTOMER, 4)
    assert (await book.balance(CUSTOMER)).posted == 6
    store.after.set()
    await making
    assert (await book.balance(CUSTOMER)).posted == 6
    await second.ledger.close()


async def test_a_key_that_another_server_revokes_opens_nothing_any_more(
    book: Book, other: Callable[[], Ledger]
) -> None:
    """Also after an own write, by which everything else in memory has come up to date."""
    account = (await book.ledger.accounts.accounts())[0]
    key, secret = await book.ledger.accounts.create_key(account.id, Mode.TEST, Role.VIEWER)
    assert await book.ledger.authenticate(secret) is not None
    second = other()
    await second.accounts.revoke_key(key.id)
    await book.debit(CUSTOMER, 1)
    with pytest.raises(KeyRevoked):
        await book.ledger.authenticate(secret)
    await second.close()


async def test_what_names_a_customer_is_in_memory_once(book: Book, tmp_path: Path) -> None:
    """In the name that leads to him and in his own record: there may be very many of them."""
    store = SqliteStore(str(tmp_path / "ledger.db"))
    second = Book(open_ledger_on(store, ManualClock(START)), book.id)
    await second.debit(CUSTOMER, 1)
    state = store._transaction.state
    [(name, customer)] = [each for each in state.names.items() if each[0][2] == CUSTOMER]
    kept = state.customers[customer] if customer is not None else None
    assert kept is not None
    assert kept.own_id is name[2]
    assert kept.id is customer
    await second.ledger.close()
