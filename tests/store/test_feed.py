"""All that was recorded, in one order: nothing is left out and nothing comes twice, on any store."""

from __future__ import annotations

import asyncio
import random
import sys
from pathlib import Path

import pytest

from drawdown.core.amounts import Amount
from drawdown.core.commands import (
    AmendEntitlement,
    AskedOverage,
    CreateMeter,
    CreateRate,
    Settle,
)
from drawdown.core.types import Id, Instant, OverageMode
from drawdown.core.usage.meters import Aggregation, Measure
from drawdown.core.usage.rating import PerUnit
from drawdown.engine.clocks import ManualClock
from drawdown.engine.endpoints import Attempt, Delivered, Endpoint, Retry, Settings
from drawdown.engine.ledger import Ledger
from drawdown.engine.ports import Recorded
from drawdown.engine.positions import BEGINNING, LAST, Position, read_token, since, token
from drawdown.opening import open_ledger
from drawdown.store.copier import open_copier
from drawdown.store.postgres.transaction import PostgresTransaction
from tests.support.books import CREDITS, HOUR, SECOND, Book, open_book
from tests.support.postgres import VERSIONS, Clusters

pytestmark = pytest.mark.anyio


async def feed(
    ledger: Ledger,
    book: Book | None = None,
    after: Position = BEGINNING,
    limit: int = 3,
    **more: Id,
) -> list[Recorded]:
    """All of it, page by page."""
    books = None if book is None else frozenset({book.id})
    found: list[Recorded] = []
    while True:
        page = await ledger.feed(after, books=books, limit=limit, customer=more.get("customer"))
        found += page.found
        if page.end == after:
            return found
        after = page.end


@pytest.fixture
async def book(ledger: Ledger) -> Book:
    return await open_book(ledger)


def later(clock: ManualClock, seconds: float = 5) -> None:
    clock.instant = Instant(clock.instant + round(seconds * SECOND))


async def test_what_is_made_and_moved_is_recorded_in_its_order(
    ledger: Ledger, book: Book, clock: ManualClock
) -> None:
    later(clock, 1)
    ada = await book.customer("ada")
    later(clock, 1)
    await book.grant(ada, 10)
    later(clock, 1)
    await book.debit(ada, 4)
    later(clock)
    found = await feed(ledger, book)
    assert [each.operation.kind for each in found] == ["entitlement", "customer", "grant", "debit"]
    made, customer, grant, debit = found
    assert {each.book for each in found} == {book.id}
    assert (made.operation.customer, made.entries) == (book.id, ())
    assert customer.operation.subject == (await ledger.customer(book.id, ada)).id
    assert [entry.posted_after for entry in (*grant.entries, *debit.entries)] == [10, 6]


async def test_what_a_book_says_of_usage_is_recorded_as_the_books_own(
    ledger: Ledger, book: Book, clock: ManualClock
) -> None:
    """Nobody's credit: in every store they are kept, and told, all the same."""
    measure = Measure(event_name="call", aggregation=Aggregation.COUNT)
    meter = (await ledger.apply(book.id, CreateMeter(code="calls", measure=measure))).meter
    price = PerUnit(price=Amount(1))
    asked = CreateRate(meter="calls", entitlement=CREDITS, price=price)
    rate = (await ledger.apply(book.id, asked)).rate
    rule = AskedOverage(mode=OverageMode.UNLIMITED)
    await ledger.apply(book.id, AmendEntitlement(entitlement=CREDITS, overage=rule))
    later(clock)
    told = (await feed(ledger, book))[1:]
    assert meter is not None
    assert rate is not None
    assert [(each.operation.kind, each.operation.customer) for each in told] == [
        ("meter", book.id),
        ("rate", book.id),
        ("amend_entitlement", book.id),
    ]
    assert [each.operation.subject for each in told[:2]] == [meter.id, rate.id]


async def test_any_pages_are_the_same_feed(ledger: Ledger, book: Book, clock: ManualClock) -> None:
    """Also where many operations have one time, as those of a batch do."""
    chance = random.Random(1)
    names = [await book.customer() for _ in range(3)]
    for name in names:
        await book.grant(name, 100)
    for _ in range(6):
        await asyncio.gather(*(book.debit(chance.choice(names), 1) for _ in range(9)))
        later(clock, chance.choice((0, 0.001, 1)))
    later(clock)
    whole = await feed(ledger, book, limit=1_000)
    assert len(whole) == 1 + 3 + 3 + 54
    assert len({each.operation.id for each in whole}) == len(whole)
    assert [each.position for each in whole] == sorted(each.position for each in whole)
    for limit in (1, 2, 7):
        assert await feed(ledger, book, limit=limit) == whole
    for start in (0, 5, 20, len(whole) - 1):
        assert await feed(ledger, book, whole[start].position, limit=4) == whole[start + 1 :]


async def test_a_customers_own_feed_has_only_his(
    ledger: Ledger, book: Book, clock: ManualClock
) -> None:
    ada, bob = await book.customer("ada"), await book.customer("bob")
    for name in (ada, bob, ada):
        await book.grant(name, 1)
        later(clock, 1)
    later(clock)
    owner = (await ledger.customer(book.id, ada)).id
    found = await feed(ledger, book, customer=owner)
    assert [each.operation.kind for each in found] == ["customer", "grant", "grant"]
    assert {each.operation.customer for each in found} == {owner}


async def test_books_are_apart_and_may_be_read_together(
    ledger: Ledger, book: Book, clock: ManualClock
) -> None:
    other = await open_book(ledger)
    await other.customer()
    await book.customer()
    later(clock)
    ours, theirs = await feed(ledger, book), await feed(ledger, other)
    assert [len(ours), len(theirs)] == [2, 2]
    together = await feed(ledger)
    assert sorted(each.position for each in together) == sorted(
        each.position for each in (*ours, *theirs)
    )


async def test_what_time_did_comes_before_what_came_upon_it(
    ledger: Ledger, book: Book, clock: ManualClock
) -> None:
    """Both are recorded at one time; a hundred of them would not be in order by chance."""
    names = [await book.customer() for _ in range(20)]
    for name in names:
        await book.grant(name, 10)
        await book.grant(name, 10, expires_at=Instant(clock.instant + 10 * SECOND))
    later(clock, 20)
    await asyncio.gather(*(book.debit(name, 1) for name in names))
    later(clock)
    found = (await feed(ledger, book, limit=100))[-40:]
    for name in names:
        owner = (await ledger.customer(book.id, name)).id
        kinds = [each.operation.kind for each in found if each.operation.customer == owner]
        assert kinds == ["settle", "debit"]


async def test_from_a_time_on_is_a_place_too(
    ledger: Ledger, book: Book, clock: ManualClock
) -> None:
    await book.customer("before")
    later(clock, 10)
    instant = clock.instant
    await book.customer("at")
    later(clock, 10)
    await book.customer("after")
    later(clock)
    for place, count in ((instant, 2), (Instant(instant + 1), 1), (Instant(instant - 1), 2)):
        assert len(await feed(ledger, book, since(place))) == count
    assert len(await feed(ledger, book, since(Instant(0)))) == 4
    assert await feed(ledger, book, since(clock.instant)) == []


async def test_a_settlement_says_which_holds_it_ended(
    ledger: Ledger, book: Book, clock: ManualClock
) -> None:
    from drawdown.core.amounts import Amount
    from drawdown.core.commands import Authorize
    from tests.support.books import CREDITS

    ada = await book.customer("ada")
    await book.grant(ada, 10)
    command = Authorize(customer=ada, entitlement=CREDITS, amount=Amount(4), expires_in=HOUR)
    held = (await ledger.apply(book.id, command)).hold
    assert held is not None
    later(clock, 2 * 3_600)
    await ledger.apply(book.id, Settle(customer=ada, entitlement=CREDITS))
    later(clock)
    settled = (await feed(ledger, book))[-1]
    assert settled.operation.kind == "settle"
    expected = f'{{"holds":{{"{held.id.hex()}":[{held.expires_at},4]}}}}'
    assert settled.operation.facts.decode() == expected


def test_a_token_is_read_as_it_was_written_and_nothing_else_is() -> None:
    place = Position(Instant(1_767_225_600_000_000), Id(bytes(range(16))))
    assert read_token(token(place, 7)) == (place, 7)
    assert read_token(token(BEGINNING, LAST)) == (BEGINNING, LAST)
    for text in (
        "",
        "x",
        "é",
        token(place, 7).upper(),
        token(place, 7)[:-1],
        token(place, 7) + "0",
    ):
        assert read_token(text) is None


# Endpoints -----------------------------------------------------------------------------------------


def endpoint_of(ledger: Ledger, book: Book) -> Endpoint:
    now = ledger.clock.now()
    return Endpoint(
        id=ledger.ids.new(),
        book=book.id,
        settings=Settings(
            url="https://example.com/hooks",
            format="native",
            types=("grant.*",),
            customer=ledger.ids.new(),
            ordered=True,
            description="Zoë's",
            metadata={"a": 1},
            profile={"headers": {"x": "y"}},
        ),
        secret="whsec_1",
        created_at=now,
        updated_at=now,
        cursor=since(now),
    )


def retry_of(endpoint: Endpoint, ordinal: int, *, dead: bool = False) -> Retry:
    return Retry(
        endpoint=endpoint.id,
        position=Position(Instant(5), endpoint.id),
        ordinal=ordinal,
        customer=None,
        type="grant.created",
        attempts=1,
        next_at=Instant(9),
        dead=dead,
    )


def attempt_of(ledger: Ledger, endpoint: Endpoint) -> Attempt:
    return Attempt(
        id=ledger.ids.new(),
        endpoint=endpoint.id,
        event="evt_1",
        type="grant.created",
        attempt=1,
        at=Instant(7),
        milliseconds=12,
        outcome="failed",
        status=500,
        answer="no",
    )


async def test_an_endpoint_is_read_as_it_was_written(ledger: Ledger, book: Book) -> None:
    made = endpoint_of(ledger, book)
    store = ledger.store
    await store.insert_endpoint(made)
    assert await store.find_endpoint(made.id) == made
    assert await store.list_endpoints(book.id) == await store.list_endpoints(None) == [made]
    other = await open_book(ledger)
    assert await store.list_endpoints(other.id) == []
    made.enabled, made.disabled_for, made.revision = False, "failing", 1
    made.previous_secret, made.previous_until = "whsec_0", Instant(3)
    assert await store.update_endpoint(made)
    assert await store.find_endpoint(made.id) == made
    assert not await store.update_endpoint(made)  # somebody else was first


async def test_what_was_delivered_is_kept_whole_or_not_at_all(ledger: Ledger, book: Book) -> None:
    made = endpoint_of(ledger, book)
    store = ledger.store
    await store.insert_endpoint(made)
    await store.put_retries([retry_of(made, 0), retry_of(made, 1)])
    moved = Position(Instant(77), made.id)
    told = Delivered(
        endpoint=made.id,
        revision=0,
        cursor=moved,
        failing_since=Instant(70),
        put=[retry_of(made, 1, dead=True), retry_of(made, 2)],
        removed=[retry_of(made, 0).key],
        attempts=[attempt_of(ledger, made)],
    )
    assert await store.note_delivered(told)
    found = await store.find_endpoint(made.id)
    assert found is not None
    assert (found.cursor, found.failing_since) == (moved, Instant(70))
    assert [each.ordinal for each in await store.list_retries(made.id, False, 9)] == [2]
    assert [each.ordinal for each in await store.list_retries(made.id, True, 9)] == [1]
    assert await store.count_retries() == {False: 1, True: 1}
    assert await store.list_attempts(made.id, None, 9) == told.attempts
    late = Delivered(
        endpoint=made.id,
        revision=9,
        cursor=since(Instant(0)),
        failing_since=None,
        put=[retry_of(made, 5)],
        attempts=[attempt_of(ledger, made)],
    )
    assert not await store.note_delivered(late)
    assert await store.find_endpoint(made.id) == found
    assert len(await store.list_retries(made.id, False, 9)) == 1
    assert len(await store.list_attempts(made.id, None, 9)) == 2


# Several processes ---------------------------------------------------------------------------------


@pytest.mark.parametrize("version", VERSIONS)
async def test_a_transaction_that_takes_its_time_holds_the_feed_back(
    version: int, clusters: Clusters
) -> None:
    """However long that is: what it records is in its place before anything behind it is read."""
    with clusters.of(version).database() as url:
        async with open_ledger(url, jobs=False) as slow, open_ledger(url, jobs=False) as other:
            book = await open_book(slow)
            ada, bob = await book.customer("ada"), await book.customer("bob")
            for name in (ada, bob):
                await book.grant(name, 10)
            async with slow.store.transaction() as current:
                assert isinstance(current, PostgresTransaction)
                began = slow.clock.now()
                await current._connection.execute("SELECT pg_sleep(0.1)")
                await Book(other, book.id).debit(bob, 1)
                await asyncio.sleep(4)
                until = await other.store.recorded_until(other.clock.now())
                assert until < began
                kinds = [each.operation.kind for each in await feed(other, book, limit=50)]
                assert kinds.count("debit") == 0
            async with asyncio.timeout(60):
                while kinds.count("debit") == 0:
                    await asyncio.sleep(0.05)
                    kinds = [each.operation.kind for each in await feed(other, book, limit=50)]
            assert kinds.count("debit") == 1


WRITER = """
import asyncio, random, sys
from drawdown.core.types import Id
from drawdown.opening import open_ledger
from tests.support.books import Book

async def main(url, book, seed):
    chance = random.Random(seed)
    async with open_ledger(url, jobs=False) as ledger:
        here = Book(ledger, Id(bytes.fromhex(book)))
        print("ready", flush=True)
        for number in range(40):
            name = chance.choice(("ada", "bob", "cy", "di"))
            await asyncio.gather(*(
                here.debit(name, 1, f"{seed}-{number}-{each}") for each in range(chance.randrange(1, 6))
            ))
            await asyncio.sleep(chance.random() * 0.15)

asyncio.run(main(sys.argv[1], sys.argv[2], int(sys.argv[3])))
"""


@pytest.mark.parametrize("version", VERSIONS[-1:])
async def test_no_event_is_skipped_while_two_processes_write(
    version: int, clusters: Clusters
) -> None:
    """Whoever reads along sees in the end what there is, each once, in order; also past a slow commit."""
    with clusters.of(version).database() as url:
        async with open_ledger(url, jobs=False) as ledger:
            book = await open_book(ledger)
            for name in ("ada", "bob", "cy", "di"):
                await book.customer(name)
                await book.grant(name, 10_000)
            command = [sys.executable, "-c", WRITER, url, book.id.hex()]
            root = str(Path(__file__).parents[2])
            writers = [
                await asyncio.create_subprocess_exec(*command, str(seed), cwd=root)
                for seed in (1, 2)
            ]
            ended = asyncio.gather(*(writer.wait() for writer in writers))
            seen, after = [], BEGINNING
            quiet_since, is_over = None, False
            while not is_over:
                is_quiet = quiet_since is not None and ledger.clock.now() > quiet_since + 4 * SECOND
                page = await ledger.feed(after, books=frozenset({book.id}), limit=20)
                seen += [each.position for each in page.found]
                is_over, after = is_quiet and page.end == after, page.end
                if ended.done() and quiet_since is None:
                    quiet_since = ledger.clock.now()
                await asyncio.sleep(0.02)
            assert await ended == [0, 0]
            whole = [each.position for each in await feed(ledger, book, limit=500)]
            assert len(whole) > 100
            assert seen == whole
            seqs: dict[Id, list[int]] = {}
            for each in await feed(ledger, book, limit=500):
                seqs.setdefault(each.operation.customer, []).extend(
                    entry.seq for entry in each.entries
                )
            for found in seqs.values():  # in the order in which the wallet was moved
                assert found == list(range(1, len(found) + 1))


async def test_a_place_and_an_endpoint_outlive_a_copy(
    tmp_path: Path, clusters: Clusters, clock: ManualClock
) -> None:
    """A reader of the file goes on in PostgreSQL with what it had; nothing is missed or seen twice."""
    path = tmp_path / "ledger.db"
    async with open_ledger(f"sqlite:///{path}", clock=clock, jobs=False) as ledger:
        book = await open_book(ledger)
        made = endpoint_of(ledger, book)
        await ledger.store.insert_endpoint(made)
        await ledger.store.put_retries([retry_of(made, 0), retry_of(made, 1, dead=True)])
        await ledger.store.note_delivered(
            Delivered(
                endpoint=made.id,
                revision=0,
                cursor=made.cursor,
                failing_since=None,
                attempts=[attempt_of(ledger, made)],
            )
        )
        names = [await book.customer() for _ in range(4)]
        for _ in range(3):
            await asyncio.gather(*(book.grant(name, 5) for name in names))
            later(clock, 1)
        later(clock)
        whole = await feed(ledger, book, limit=50)
    with clusters.of(VERSIONS[-1]).database() as url:
        async with open_copier(path, url, lambda *_: None, begin=True) as copier:
            with copier.fenced():
                assert (await copier.finish()).fault is None
                assert (await copier.compare()).fault is None
                await copier.seal()
        async with open_ledger(url, clock=clock, jobs=False) as ledger:
            for place in (0, 3, 7, len(whole) - 2):
                found = await feed(ledger, book, whole[place].position)
                assert found == whole[place + 1 :]
            assert await ledger.store.find_endpoint(made.id) == made
            assert await ledger.store.count_retries() == {False: 1, True: 1}
