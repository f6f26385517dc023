"""Where the tables are spread, processes share the background work by shard, and the reference tables."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from drawdown.core.types import Instant
from drawdown.engine.access import Accounts
from drawdown.engine.clocks import ManualClock, TimeOrderedIds
from drawdown.engine.jobs import LEASE, Jobs
from drawdown.engine.ledger import Ledger
from drawdown.engine.ports import Placement
from drawdown.opening import open_store
from tests.support.books import HOUR, START, Book, Observed, open_book, open_ledger_on, verified
from tests.support.spread import SHARDS
from tests.support.transactions import Recorder

pytestmark = pytest.mark.anyio


class Process:
    def __init__(self, ledger: Ledger, clock: ManualClock) -> None:
        self.ledger = ledger
        store = ledger._store
        accounts = Accounts(store, clock, TimeOrderedIds())
        self.jobs = Jobs(store, clock, accounts, ledger._settle, Observed())

    @property
    def placement(self) -> Placement:
        found = self.ledger._store.placement
        assert found is not None
        return found

    def works_on(self) -> set[str]:
        """The shards in which it settles what is due."""
        return {name for name in self.jobs._held if name.startswith("settle")}


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(START)


@pytest.fixture
async def processes(
    spread_url: str, recorder: Recorder, clock: ManualClock
) -> AsyncIterator[list[Process]]:
    with recorder.listening():
        made = [Process(open_ledger_on(await open_store(spread_url), clock), clock) for _ in "ab"]
    yield made
    for process in made:
        await process.ledger.close()


async def test_processes_that_begin_together_share_the_shards(processes: list[Process]) -> None:
    one, other = processes
    for _ in range(3):
        await one.jobs.tick()
        await other.jobs.tick()
    assert (len(one.works_on()), len(other.works_on())) == (SHARDS // 2, SHARDS // 2)
    assert not one.works_on() & other.works_on()


async def test_what_a_dead_process_had_is_taken_up(
    processes: list[Process], clock: ManualClock
) -> None:
    """Once its leases are out. Every wallet is settled, whichever shard it is in."""
    one, other = processes
    book = await open_book(one.ledger)
    customers = [await book.customer() for _ in range(12)]
    for customer in customers:
        await book.grant(customer, 5, expires_at=Instant(START + LEASE))
    for process in processes * 3:
        await process.jobs.tick()
    clock.instant = Instant(START + LEASE)
    for _ in range(3):
        await other.jobs.tick()
    assert len(other.works_on()) == SHARDS
    for customer in customers:
        assert (await book.balance(customer)).seq == 2
    assert await one.ledger._store.due_wallets(Instant(START + HOUR), 10) == []
    await verified(one.ledger)


async def test_two_processes_may_make_a_currency_s_kind_of_credit_at_once(
    processes: list[Process],
) -> None:
    """It comes with the first grant, in whichever shard; all are accepted, and it is there once."""
    book = await open_book(processes[0].ledger)
    customers = [await book.customer() for _ in range(8)]
    books = [book, Book(processes[1].ledger, book.id)]
    grants = [
        each.grant(customer, 5, entitlement=currency)
        for number, customer in enumerate(customers)
        for currency in ("usd", "eur")
        for each in [books[number % 2]]
    ]
    await asyncio.gather(*grants)
    kinds = await book.ledger.entitlements(book.id, limit=10)
    assert sorted(kind.code for kind in kinds) == ["credits", "eur", "usd"]
    for customer in customers:
        assert (await books[1].balance(customer, "usd")).posted == 5 * 10**9
    await verified(book.ledger)
