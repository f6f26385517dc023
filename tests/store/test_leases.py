"""Of any number of processes on one database one at a time does each piece of background work."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import pytest

from drawdown.core.commands import Settle
from drawdown.core.types import MICROSECONDS, Id, Instant
from drawdown.engine.access import Accounts
from drawdown.engine.clocks import ManualClock, TimeOrderedIds
from drawdown.engine.jobs import LEASE, PRUNE_EVERY, PRUNING, SETTLING, Jobs
from drawdown.engine.ledger import Ledger
from drawdown.engine.ports import Store
from drawdown.opening import open_store
from tests.support.books import HOUR, START, Book, Observed, open_book, open_ledger_on, verified
from tests.support.postgres import VERSIONS, Clusters

pytestmark = pytest.mark.anyio

ONE, OTHER = Id(b"1" * 16), Id(b"2" * 16)
TERM = 5 * MICROSECONDS


def at(seconds: float) -> Instant:
    return Instant(START + int(seconds * MICROSECONDS))


@pytest.fixture(params=VERSIONS)
def url(request: pytest.FixtureRequest, clusters: Clusters) -> Iterator[str]:
    with clusters.of(request.param).database() as found:
        yield found


@pytest.fixture
async def postgres(url: str) -> AsyncIterator[Store]:
    store = await open_store(url)
    yield store
    await store.close()


async def take(store: Store, holder: Id, seconds: float, term: int = TERM) -> bool:
    now = at(seconds)
    return await store.lease("work", holder, now, Instant(now + term))


async def test_one_has_a_lease_until_it_runs_out(postgres: Store) -> None:
    """At the instant itself it is free, not a microsecond before; a lease of other work is another."""
    assert await take(postgres, ONE, 0)
    assert not await take(postgres, OTHER, 0)
    assert not await take(postgres, OTHER, 5 - 1e-6)
    assert await postgres.lease("other work", OTHER, at(0), at(5))
    assert await take(postgres, OTHER, 5)
    assert not await take(postgres, ONE, 5)


async def test_who_renews_a_lease_keeps_it(postgres: Store) -> None:
    for second in range(20):
        assert await take(postgres, ONE, second)
        assert not await take(postgres, OTHER, second)


async def test_a_lease_that_is_given_back_is_free_at_once(postgres: Store) -> None:
    assert await take(postgres, ONE, 0)
    assert await take(postgres, ONE, 1, term=0)
    assert await take(postgres, OTHER, 1)


async def test_what_another_has_cannot_be_given_back(postgres: Store) -> None:
    assert await take(postgres, ONE, 0)
    assert not await take(postgres, OTHER, 1, term=0)
    assert not await take(postgres, OTHER, 1)


async def test_a_lease_taken_by_a_clock_that_is_far_ahead_is_not_honoured(postgres: Store) -> None:
    """One that is ahead by no more than the term is."""
    assert await take(postgres, ONE, 4)
    assert not await take(postgres, OTHER, 0)
    assert await take(postgres, ONE, 3600)
    assert await take(postgres, OTHER, 0)


async def test_a_lease_in_sqlite_is_always_there(tmp_path_factory: pytest.TempPathFactory) -> None:
    """One server has the file."""
    store = await open_store(f"sqlite:///{tmp_path_factory.mktemp('lease')}/ledger.db")
    assert await take(store, ONE, 0)
    await store.close()


class Process:
    """The jobs of one process, run by hand, and the wallets that they settled."""

    def __init__(self, ledger: Ledger, store: Store, clock: ManualClock) -> None:
        self.settled: list[Id] = []
        self.store = store

        async def settle(book: Id, command: Settle) -> object:
            self.settled.append(command.customer)  # type: ignore[arg-type]
            return await ledger.apply(book, command)

        accounts = Accounts(store, clock, TimeOrderedIds())
        self.jobs = Jobs(store, clock, accounts, settle, Observed())


@pytest.fixture
async def ledger(url: str, clock: ManualClock) -> AsyncIterator[Ledger]:
    opened = open_ledger_on(await open_store(url), clock)
    yield opened
    await opened.close()


@pytest.fixture
async def processes(url: str, ledger: Ledger, clock: ManualClock) -> AsyncIterator[list[Process]]:
    """Two, each with connections of its own."""
    made = [Process(ledger, await open_store(url), clock) for _ in range(2)]
    yield made
    for process in made:
        await process.store.close()


async def expiring(book: Book, hours: int) -> None:
    expires_at = Instant(START + hours * HOUR)
    await book.grant(await book.customer(), 5, expires_at=expires_at)


async def test_only_one_of_two_processes_settles(
    ledger: Ledger, processes: list[Process], clock: ManualClock
) -> None:
    """Whoever was first, hour after hour; each wallet once."""
    book = await open_book(ledger)
    for hour in range(1, 6):
        for _ in range(3):
            await expiring(book, hour)
    for hour in range(1, 6):
        clock.instant = Instant(START + hour * HOUR)
        for process in processes:
            await process.jobs.tick()
    first, second = processes
    assert (len(first.settled), len(set(first.settled)), second.settled) == (15, 15, [])
    await verified(ledger)


async def test_when_the_holder_dies_another_goes_on_once_the_lease_is_out(
    ledger: Ledger, processes: list[Process], clock: ManualClock
) -> None:
    """What was due is recorded at the instant it fell due, however much later that is."""
    book = await open_book(ledger)
    await expiring(book, 1)
    first, second = processes
    clock.instant = Instant(START + HOUR - 1)
    await first.jobs.tick()
    clock.instant = Instant(START + HOUR)
    await second.jobs.tick()
    assert second.settled == []
    clock.instant = Instant(START + HOUR - 1 + LEASE)
    await second.jobs.tick()
    assert len(second.settled) == 1
    entries, _ = await second.store.walk_entries(second.settled[0], None, None, 1)
    assert entries[0].at == START + HOUR


async def test_a_process_that_closes_hands_its_work_on_at_once(
    ledger: Ledger, processes: list[Process], clock: ManualClock
) -> None:
    book = await open_book(ledger)
    await expiring(book, 1)
    first, second = processes
    await first.jobs.tick()
    await first.jobs.close()
    clock.instant = Instant(START + HOUR)
    await second.jobs.tick()
    assert len(second.settled) == 1


async def test_old_claims_are_forgotten_by_one_process(
    postgres: Store, processes: list[Process], clock: ManualClock
) -> None:
    """Once a minute; and by another from the next minute on when that one has died."""
    first, second = processes
    await first.jobs.tick()
    await second.jobs.tick()
    later = Instant(clock.instant + PRUNE_EVERY)
    assert not await postgres.lease(PRUNING, ONE, clock.instant, later)
    clock.instant = later
    await second.jobs.tick()
    await first.jobs.close()  # has nothing any more that it could give back
    assert not await postgres.lease(PRUNING, ONE, later, Instant(later + PRUNE_EVERY))
    assert not await postgres.lease(SETTLING, ONE, later, Instant(later + LEASE))
