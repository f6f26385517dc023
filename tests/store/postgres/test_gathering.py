"""Reads that come together are one statement, and each answers what was there when it was asked."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from drawdown.core.types import Instant, Mode
from drawdown.engine.accounts import Role
from drawdown.engine.clocks import ManualClock
from drawdown.store.postgres.gathering import AT_ONCE_MAX, Gatherer
from drawdown.store.postgres.store import PostgresStore
from tests.support.books import HOUR, SECOND, START, open_book, open_ledger_on

pytestmark = pytest.mark.anyio


class Reader:
    """Doubles what is even; answers when it is let go on."""

    def __init__(self) -> None:
        self.asked: list[list[int]] = []
        self.go_on = asyncio.Event()
        self.error: Exception | None = None

    async def __call__(self, keys: Sequence[int]) -> dict[int, int]:
        self.asked.append(list(keys))
        await self.go_on.wait()
        if self.error is not None:
            raise self.error
        return {key: 2 * key for key in keys if key % 2 == 0}


async def test_those_who_come_meanwhile_are_the_next_statement() -> None:
    """Nobody is given what was read before he came, though it is of the same key."""
    reader = Reader()
    gatherer = Gatherer(reader)
    first = [asyncio.create_task(gatherer.find(key)) for key in (1, 2, 2)]
    await asyncio.sleep(0.01)
    second = [asyncio.create_task(gatherer.find(key)) for key in (2, 3, 4, 4)]
    await asyncio.sleep(0.01)
    assert reader.asked == [[1, 2]]
    reader.go_on.set()
    assert await asyncio.gather(*first) == [None, 4, 4]
    assert await asyncio.gather(*second) == [4, None, 8, 8]
    assert reader.asked == [[1, 2], [2, 3, 4]]


async def test_one_who_hangs_up_takes_nothing_from_the_others() -> None:
    reader = Reader()
    gatherer = Gatherer(reader)
    gone, stays = (asyncio.create_task(gatherer.find(2)) for _ in range(2))
    await asyncio.sleep(0.01)
    gone.cancel()
    reader.go_on.set()
    assert await stays == 4


async def test_a_failure_is_told_to_all_who_wait_and_to_nobody_else() -> None:
    reader = Reader()
    gatherer = Gatherer(reader)
    reader.error = OSError("no luck")
    tasks = [asyncio.create_task(gatherer.find(key)) for key in (2, 4)]
    await asyncio.sleep(0.01)
    reader.go_on.set()
    told = await asyncio.gather(*tasks, return_exceptions=True)
    assert [type(error) for error in told] == [OSError, OSError]
    reader.error = None
    assert await gatherer.find(2) == 4


async def test_a_statement_has_a_limit() -> None:
    reader = Reader()
    reader.go_on.set()
    gatherer = Gatherer(reader)
    found = await asyncio.gather(*(gatherer.find(key) for key in range(AT_ONCE_MAX + 5)))
    assert found[-1] == 2 * (AT_ONCE_MAX + 4)
    assert [len(keys) for keys in reader.asked] == [AT_ONCE_MAX, 5]


async def test_many_balances_at_once_are_a_few_statements(url: str) -> None:
    """A hundred balances of a hundred customers, and what each says is its own."""
    store = await PostgresStore.open(url)
    ledger = open_ledger_on(store)
    book = await open_book(ledger)
    names = [await book.customer() for _ in range(100)]
    for amount, name in enumerate(names, start=1):
        await book.grant(name, amount)
    statements = counted(store)
    balances = await asyncio.gather(*(book.balance(name) for name in names))
    assert [balance.posted for balance in balances] == list(range(1, 101))
    assert len(statements) <= 10
    await ledger.close()


async def test_a_key_that_many_use_at_once_is_read_once(url: str) -> None:
    """Or every worker would open all its connections with its first requests."""
    store = await PostgresStore.open(url)
    ledger = open_ledger_on(store)
    account = await ledger.accounts.create_account("many")
    _, secret = await ledger.accounts.create_key(account.id, Mode.TEST, Role.EDITOR)
    statements = counted(store)
    principals = await asyncio.gather(*(ledger.authenticate(secret) for _ in range(100)))
    assert None not in principals
    assert len(statements) == 1
    await ledger.close()


def counted(store: PostgresStore) -> list[str]:
    """The statements that a store reads by from now on."""
    statements: list[str] = []
    fetch = store.fetch

    async def noted(query: str, *args: object) -> list[object]:
        statements.append(query)
        return await fetch(query, *args)

    store._reader = type("Counting", (), {"fetch": staticmethod(noted)})()
    return statements


async def test_what_falls_due_is_read_in_one_moment_with_its_wallet(url: str) -> None:
    """While another process records the expiry, a balance has the credit or not, and never half of it."""
    clock = ManualClock(START)
    ledgers = [open_ledger_on(await PostgresStore.open(url), clock) for _ in range(2)]
    book = await open_book(ledgers[0])
    customer = await book.customer()
    for hour in range(1, 31):
        await book.grant(customer, 1, expires_at=Instant(START + hour * HOUR))
    for hour in range(1, 31):
        clock.instant = Instant(START + hour * HOUR + SECOND)
        reads = [asyncio.create_task(book.balance(customer)) for _ in range(5)]
        await ledgers[1].entries(book.id, customer, limit=1)
        assert {balance.available for balance in await asyncio.gather(*reads)} == {30 - hour}
    for ledger in ledgers:
        await ledger.close()
