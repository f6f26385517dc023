"""Shards move while the ledger is used: where they are is read again when that shows, and every minute."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch
from urllib.parse import parse_qs, urlsplit

import asyncpg
import pytest

from drawdown.core.commands import CreateCustomer
from drawdown.core.state import Wanted
from drawdown.core.types import Id, Mode
from drawdown.engine.clocks import ManualClock, TimeOrderedIds
from drawdown.engine.ledger import Ledger
from drawdown.engine.ports import Group, StoreUnavailable, StoreUnusable
from drawdown.store.postgres import citus
from drawdown.store.postgres.citus import CitusStore, open_postgres
from drawdown.store.postgres.placement import Map, Node, Reader, url_of
from drawdown.store.postgres.store import PostgresStore
from drawdown.store.postgres.transaction import PostgresTransaction
from tests.support.books import START, Book, open_book, verified
from tests.support.spread import SHARDS

pytestmark = pytest.mark.anyio


class FakeMap:
    """A map that the test changes; ``reads`` counts how often it was looked at."""

    def __init__(self, url: str) -> None:
        [host] = parse_qs(urlsplit(url).query)["host"]
        self.elsewhere = Node(host, 5432)
        self.nodes: dict[Group, Node | None] = dict.fromkeys(range(SHARDS))
        self.reads = 0
        self.read_thrice = asyncio.Event()
        self.fails = False

    async def read(self, reader: Reader, known: Map | None) -> Map:
        self.reads += 1
        if self.reads == 3:
            self.read_thrice.set()
        if self.fails:
            raise StoreUnavailable("The coordinator does not answer.")
        shards = list(self.nodes)
        return Map([shards[slot % len(shards)] for slot in range(16384)], dict(self.nodes))


@pytest.fixture
def fake(spread_url: str) -> FakeMap:
    return FakeMap(spread_url)


@pytest.fixture(autouse=True)
def at_once() -> Iterator[None]:
    """What was read just now may be read again."""
    with patch.object(citus, "REFRESHED_SECONDS", 0.0):
        yield


@pytest.fixture
async def store(spread_url: str, fake: FakeMap) -> CitusStore:
    opened = await open_postgres(spread_url, read=fake.read)
    assert isinstance(opened, CitusStore)
    return opened


@pytest.fixture
async def book(store: CitusStore) -> AsyncIterator[Book]:
    """With the customer ``ada``, who has 10."""
    ledger = Ledger(store, ManualClock(START), TimeOrderedIds())
    ledger.open(jobs=False)
    made = await open_book(ledger)
    await made.customer("ada")
    await made.grant("ada", 10)
    yield made
    await ledger.close()


@contextmanager
def refused_once() -> Iterator[list[str]]:
    """The first lock of a wallet is refused as Citus does when a shard is not where it was."""
    lock = PostgresTransaction._lock
    refused: list[str] = []

    async def refusing(transaction: PostgresTransaction, wanted: Wanted) -> None:
        if not refused:
            refused.append("lock")
            raise asyncpg.FeatureNotSupportedError("the shard was moved")
        await lock(transaction, wanted)

    with patch.object(PostgresTransaction, "_lock", refusing):
        yield refused
    assert refused


async def test_a_batch_that_finds_its_shard_moved_is_carried_out_where_it_is_now(
    book: Book, store: CitusStore, fake: FakeMap
) -> None:
    """The map is read once more, the batch tried once more, and there is one debit."""
    before = fake.reads
    fake.nodes = dict.fromkeys(fake.nodes, fake.elsewhere)
    with refused_once():
        await book.debit("ada", 3)
    assert fake.reads - before == 1
    assert list(store._shards.servers) == [fake.elsewhere]
    moved = store._shards.part(store._shards.groups()[0])
    assert moved._pool is store._shards.servers[fake.elsewhere]._pool
    assert (await book.balance("ada")).posted == 7
    await verified(book.ledger)


async def test_a_read_that_finds_its_shard_moved_is_asked_again(
    book: Book, store: CitusStore, fake: FakeMap
) -> None:
    before = fake.reads
    fetch = PostgresStore._fetch_once
    refused: list[str] = []

    async def refusing(
        self: PostgresStore, query: str, *args: object, seconds: float | None = None
    ) -> Any:
        if "wallet w" in query and not refused:
            refused.append(query)
            raise asyncpg.FeatureNotSupportedError("the shard was moved")
        return await fetch(self, query, *args, seconds=seconds)

    with patch.object(PostgresStore, "_fetch_once", refusing):
        assert (await book.balance("ada")).posted == 10
    assert (len(refused), fake.reads - before) == (1, 1)


async def test_a_shard_that_was_split_is_refused_and_then_found(book: Book, fake: FakeMap) -> None:
    """Those that were under way are told to ask again; who asks again is served by the shards there are."""
    fake.nodes = dict.fromkeys(range(10, 10 + 2 * SHARDS))
    with refused_once():
        with pytest.raises(StoreUnavailable, match="split"):
            await book.debit("ada", 3)
        await book.debit("ada", 2)
    assert (await book.balance("ada")).posted == 8
    await verified(book.ledger)


async def test_while_the_coordinator_is_away_things_are_where_they_were(
    book: Book, fake: FakeMap
) -> None:
    fake.fails = True
    with refused_once():
        await book.debit("ada", 3)
    assert (await book.balance("ada")).posted == 7
    fake.fails = False


async def test_the_map_is_read_again_every_so_often(spread_url: str, fake: FakeMap) -> None:
    with patch.object(citus, "REFRESH_SECONDS", 0.01):
        store = await open_postgres(spread_url, read=fake.read)
        async with asyncio.timeout(60):
            await fake.read_thrice.wait()
        await store.close()


async def test_a_server_that_is_away_takes_only_its_own_customers_with_it(
    spread_url: str, fake: FakeMap
) -> None:
    """Also when a server of the ledger starts meanwhile; once it is back, all are served."""
    one = Node("/nowhere", 5432)
    with patch.object(citus, "RETRY_SECONDS", 0.05):
        fake.nodes[0] = fake.nodes[1] = one
        store = await open_postgres(spread_url, read=fake.read)
        ledger = Ledger(store, ManualClock(START), TimeOrderedIds())
        ledger.open(jobs=False)
        book = await ledger.accounts.book((await ledger.accounts.create_account("a")).id, Mode.TEST)
        said = [await _made(ledger, book, number) for number in range(16)]
        assert set(said) == {True, False}
        fake.nodes[0] = fake.nodes[1] = fake.elsewhere
        assert isinstance(store, CitusStore)
        shards = store._shards
        await _until(lambda: fake.elsewhere in shards.servers)
        again = [await _made(ledger, book, number) for number, made in enumerate(said) if not made]
        assert all(again)
        await ledger.close()


async def _made(ledger: Ledger, book: Id, number: int) -> bool:
    try:
        await ledger.apply(book, CreateCustomer(own_id=f"customer-{number}"))
    except StoreUnavailable:
        return False
    return True


async def _until(done: Callable[[], bool]) -> None:
    async with asyncio.timeout(60):
        while not done():  # noqa: ASYNC110
            await asyncio.sleep(0.05)


async def test_a_worker_is_no_coordinator(spread_url: str) -> None:
    connection = await asyncpg.connect(spread_url)
    await connection.execute("UPDATE pg_dist_local_group SET groupid = 3")
    await connection.close()
    with pytest.raises(StoreUnusable, match="Name the coordinator"):
        await open_postgres(spread_url)


def test_a_worker_is_asked_as_the_coordinator_is() -> None:
    """The same user, password, database and security; only host and port are its own."""
    node = Node("worker-1.example", 5433)
    asked = url_of("postgresql://me:s%3Acret@main.example:5432/credits?sslmode=require", node)
    assert asked == (
        "postgresql://me:s%3Acret@/credits?sslmode=require&host=worker-1.example&port=5433"
    )
    assert url_of("postgresql:///credits?host=/run/pg&port=1", node) == (
        "postgresql:///credits?host=worker-1.example&port=5433"
    )
