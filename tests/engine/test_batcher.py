"""Requests gather while another is on its way to the disk, and none of them can harm its neighbours."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Coroutine, Iterator
from contextlib import asynccontextmanager
from unittest.mock import patch

import apsw
import asyncpg
import pytest

from drawdown.core.amounts import Amount
from drawdown.core.commands import Debit, IssueGrant, Settle
from drawdown.core.errors import InsufficientCredit
from drawdown.core.plan import plan
from drawdown.core.requests import Accepted, Answer, LedgerKey, Outcome, Request
from drawdown.core.state import State
from drawdown.core.types import Instant
from drawdown.engine import batcher
from drawdown.engine.batcher import BatchObserver
from drawdown.engine.clocks import ManualClock
from drawdown.engine.ledger import Ledger
from drawdown.engine.ports import StoreUnavailable
from drawdown.opening import is_postgres, sqlite_path
from drawdown.store.postgres.store import PostgresStore
from drawdown.store.sqlite.store import SqliteStore
from tests.support.books import (
    CREDITS,
    HOUR,
    START,
    Book,
    Observed,
    open_book,
    open_ledger_on,
    render,
    verified,
)
from tests.support.stores import Database, database

__all__ = ["database"]

pytestmark = pytest.mark.anyio

#: Longer than any turn of the loop takes, however busy the machine.
EAGER_SECONDS = 120.0


@asynccontextmanager
async def locked(database: Database) -> AsyncIterator[None]:
    """Another process is writing to all wallets: whoever wants to waits until the block is left."""
    if is_postgres(database.url):
        other = await asyncpg.connect(database.url)
        await other.execute("BEGIN; SELECT 1 FROM wallet FOR UPDATE")
        yield
        await other.close()
        return
    file = apsw.Connection(str(sqlite_path(database.url)))
    file.execute("BEGIN IMMEDIATE")
    try:
        yield
    finally:
        file.execute("ROLLBACK")
        file.close()


@asynccontextmanager
async def under_way(
    database: Database, book: Book, customer: str
) -> AsyncIterator[asyncio.Task[Answer]]:
    """One debit of 1 that has left the queue and waits for the database until the block is left."""
    async with locked(database):
        first = asyncio.create_task(book.debit(customer, 1))
        await asyncio.sleep(0.05)
        yield first


@pytest.fixture
def eager() -> Iterator[None]:
    """Each batch waits for all who were just answered, as though its transaction cost very much."""
    with (
        patch.object(batcher, "GATHER_SECONDS_MAX", EAGER_SECONDS),
        patch.object(PostgresStore, "worth_waiting", 1e6),
        patch.object(SqliteStore, "worth_waiting", 1e6),
    ):
        yield


async def funded(book: Book, amount: int = 1_000) -> str:
    customer = await book.customer()
    await book.grant(customer, amount)
    return customer


def broken(accepted: Accepted) -> Answer:
    raise ZeroDivisionError("this answer cannot be written")


async def test_what_arrives_while_one_is_written_is_written_together(
    database: Database, book: Book, observed: Observed
) -> None:
    """Each in a loop turn of its own, so that nothing but the wait gathers them."""
    customer = await funded(book)
    observed.sizes.clear()
    async with under_way(database, book, customer) as first:
        later = []
        for _ in range(50):
            later.append(asyncio.create_task(book.debit(customer, 1)))
            await asyncio.sleep(0)
    answers = await asyncio.gather(first, *later)
    assert [answer.status for answer in answers] == [201] * 51
    assert observed.sizes == [1, 50]
    assert (await book.balance(customer)).used == 51


async def test_a_lone_request_waits_for_nobody(book: Book, observed: Observed) -> None:
    customer = await funded(book)
    observed.sizes.clear()
    for _ in range(3):
        await book.debit(customer, 1)
    assert observed.sizes == [1, 1, 1]


async def test_who_was_just_answered_may_join_the_next_batch(
    database: Database, book: Book, observed: Observed, eager: None
) -> None:
    """Without that, the one who was alone would be alone each time, beside a batch of the others."""
    customer = await funded(book)

    async def ask_again(before: asyncio.Task[Answer] | None = None) -> None:
        if before is not None:
            await before
        for _ in range(5):
            await book.debit(customer, 1)

    observed.sizes.clear()
    async with under_way(database, book, customer) as first:
        others = [asyncio.create_task(ask_again()) for _ in range(7)]
        await asyncio.sleep(0)
    await asyncio.gather(ask_again(first), *others)
    assert observed.sizes == [1, 8, 8, 8, 8, 8]


async def test_who_does_not_come_is_not_waited_for_long(book: Book, eager: None) -> None:
    customer = await funded(book)
    await asyncio.gather(*(book.debit(customer, 1) for _ in range(8)))
    with patch.object(batcher, "GATHER_SECONDS_MAX", 0.0):
        await asyncio.gather(*(book.debit(customer, 1) for _ in range(8)))
        async with asyncio.timeout(EAGER_SECONDS / 2):
            await book.debit(customer, 1)


async def test_a_batch_holds_at_most_256(book: Book, observed: Observed) -> None:
    customer = await funded(book)
    observed.sizes.clear()
    await asyncio.gather(*(book.debit(customer, 1) for _ in range(600)))
    assert observed.sizes == [256, 256, 88]
    assert (await book.balance(customer)).used == 600


async def test_a_large_batch_lets_single_requests_in_between(book: Book) -> None:
    """A debit that arrives after 1,000 others of one caller does not wait for all of them."""
    customer, other = await funded(book, 2_000), await funded(book)
    asked = [
        (Debit(customer=customer, entitlement=CREDITS, amount=Amount(1)), render, None)
        for _ in range(1_000)
    ]
    many = asyncio.create_task(book.ledger.submit_many(book.id, asked))
    await asyncio.sleep(0)
    await book.debit(other, 1)
    assert not many.done()
    assert all(isinstance(answer, Answer) for answer in await many)


async def test_one_customers_debits_apply_in_their_order(book: Book) -> None:
    """Also across the pieces in which a large batch is carried out."""
    customer = await funded(book, 600)
    asked = [
        (Debit(customer=customer, entitlement=CREDITS, amount=Amount(1)), render, None)
        for _ in range(610)
    ]
    answers = await book.ledger.submit_many(book.id, asked)
    posted = [
        int(answer.body.rpartition(b":")[2].rstrip(b"}"))
        for answer in answers
        if isinstance(answer, Answer)
    ]
    assert posted == list(range(599, -1, -1))
    assert [type(answer) for answer in answers[600:]] == [InsufficientCredit] * 10


async def test_an_answer_that_cannot_be_written_harms_only_its_own_request(
    database: Database, ledger: Ledger, book: Book, observed: Observed
) -> None:
    """The others of its batch are carried out, in their order; of it nothing remains."""
    customer = await funded(book, 10)
    poison = Debit(customer=customer, entitlement=CREDITS, amount=Amount(3))
    async with under_way(database, book, customer) as first:
        before = [asyncio.create_task(book.debit(customer, 2)) for _ in range(2)]
        await asyncio.sleep(0)
        poisoned = asyncio.create_task(ledger.submit(book.id, poison, broken))
        await asyncio.sleep(0)
        after = [asyncio.create_task(book.debit(customer, 2)) for _ in range(3)]
    with pytest.raises(ZeroDivisionError):
        await poisoned
    outcomes = await asyncio.gather(first, *before, *after, return_exceptions=True)
    assert [type(outcome) for outcome in outcomes] == [Answer] * 5 + [InsufficientCredit]
    assert [type(error) for error in observed.errors] == [ZeroDivisionError] * 2
    assert (await book.balance(customer)).used == 9
    await verified(ledger)


async def test_a_command_that_trips_an_assertion_harms_only_itself(
    database: Database, ledger: Ledger, book: Book
) -> None:
    """Whatever it had already changed in memory is forgotten with it."""
    customer = await funded(book, 10)

    def assertive(request: Request, state: State) -> Outcome:
        outcome = plan(request, state)
        assert not isinstance(request.command, Debit) or request.command.amount != Amount(7)
        return outcome

    with patch.object(batcher, "plan", assertive):
        async with under_way(database, book, customer) as first:
            others = [asyncio.create_task(book.debit(customer, n)) for n in (2, 7, 3)]
        outcomes = await asyncio.gather(first, *others, return_exceptions=True)
    assert [type(outcome) for outcome in outcomes] == [Answer, Answer, AssertionError, Answer]
    assert (await book.balance(customer)).used == 6
    await verified(ledger)


async def test_a_key_of_a_request_that_failed_is_free(ledger: Ledger, book: Book) -> None:
    """Nothing was done under it, so repeating it does it, once."""
    customer = await funded(book)
    command = Debit(customer=customer, entitlement=CREDITS, amount=Amount(5))
    key = LedgerKey("test.debit", "once")
    with pytest.raises(ZeroDivisionError):
        await ledger.submit(book.id, command, broken, key=key)
    first = await book.debit(customer, 5, "once")
    again = await book.debit(customer, 5, "once")
    assert (first.replayed, again.replayed, again.body) == (False, True, first.body)
    assert (await book.balance(customer)).used == 5


def test_a_fault_in_counting_batches_repeats_none_of_them(
    database: Database, clock: ManualClock
) -> None:
    """What was stored stays stored once, whoever trips over the news of it; and the fault is told."""
    told: list[BaseException] = []

    class Clumsy(BatchObserver):
        def committed(self, size: int, seconds: float) -> None:
            raise ZeroDivisionError("cannot count")

    async def play() -> int:
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(lambda _, fault: told.append(fault["exception"]))
        ledger = open_ledger_on(await database.open(), clock, observer=Clumsy())
        book = await open_book(ledger)
        customer = await funded(book)
        assert (await book.debit(customer, 5)).status == 201
        used = (await book.balance(customer)).used
        await ledger.close()
        return used

    assert asyncio.run(play()) == 5
    assert [type(fault) for fault in told] == [ZeroDivisionError] * 4


async def test_a_caller_that_goes_away_undoes_nothing(database: Database, book: Book) -> None:
    """Its debit happens once, and its neighbours' happen too."""
    customer = await funded(book)
    async with under_way(database, book, customer) as first:
        gone = asyncio.create_task(book.debit(customer, 20, "gone"))
        stayed = asyncio.create_task(book.debit(customer, 300))
        await asyncio.sleep(0)
        first.cancel()
        gone.cancel()
    assert (await stayed).status == 201
    for task in (first, gone):
        with pytest.raises(asyncio.CancelledError):
            await task
    assert (await book.balance(customer)).used == 321
    assert (await book.debit(customer, 20, "gone")).replayed
    assert (await book.balance(customer)).used == 321


async def test_a_caller_that_goes_away_during_the_commit_undoes_nothing(book: Book) -> None:
    """Cancelled at every loop turn of its way; each time the debit is there, once."""
    customer = await funded(book)
    for turns in range(12):
        key = f"turn-{turns}"
        task = asyncio.create_task(book.debit(customer, 1, key))
        for _ in range(turns + 1):
            await asyncio.sleep(0)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        assert (await book.debit(customer, 1, key)).status == 201
        assert (await book.balance(customer)).used == turns + 1


async def test_closing_finishes_what_was_accepted(
    database: Database, clock: ManualClock, observed: Observed
) -> None:
    """And takes nothing more: who comes later is told to try again."""
    ledger = open_ledger_on(await database.open(), clock, observer=observed)
    book = await open_book(ledger)
    customer = await funded(book)
    async with under_way(database, book, customer) as first:
        accepted = [asyncio.create_task(book.debit(customer, 1)) for _ in range(300)]
        await asyncio.sleep(0)
        closing = asyncio.create_task(ledger.close())
        await asyncio.sleep(0)
        with pytest.raises(StoreUnavailable):
            await book.debit(customer, 1)
    assert {answer.status for answer in await asyncio.gather(first, *accepted)} == {201}
    await closing
    reopened = open_ledger_on(await database.open(), clock)
    assert (await Book(reopened, book.id).balance(customer)).used == 301
    await verified(reopened)
    await reopened.close()


async def test_more_than_can_wait_is_refused_whole(database: Database, book: Book) -> None:
    """The queue has a limit; what does not fit is told so, and none of it is done."""
    customer = await funded(book)
    with patch.object(batcher, "WAITING_MAX", 10):
        async with under_way(database, book, customer) as first:
            tasks = [asyncio.create_task(book.debit(customer, 1)) for _ in range(12)]
            await asyncio.sleep(0)
        outcomes = await asyncio.gather(first, *tasks, return_exceptions=True)
    assert [type(outcome) for outcome in outcomes] == [Answer] * 11 + [StoreUnavailable] * 2
    assert (await book.balance(customer)).used == 11


async def test_a_batch_is_of_one_moment(database: Database, book: Book, clock: ManualClock) -> None:
    """What is granted in a batch cannot have expired for a later request of the same batch.

    Time that went on within a batch would settle a wallet of which not everything due is loaded.
    """
    customer = await book.customer()
    for _ in range(40):
        await book.grant(customer, 1)
    await book.grant(customer, 7, priority=90, expires_at=Instant(START + HOUR))
    await reopen_elsewhere(database)

    def ticking() -> Instant:
        clock.instant = Instant(clock.instant + 1)
        return clock.instant

    soon = IssueGrant(
        customer=customer, entitlement=CREDITS, amount=Amount(5), expires_at=Instant(START + 4)
    )
    settle = Settle(customer=customer, entitlement=CREDITS)
    with patch.object(clock, "now", ticking):
        await asyncio.gather(book.ledger.apply(book.id, soon), *settled(book, settle, 5))
    clock.instant = Instant(START + HOUR)
    shown = await book.balance(customer)
    assert (shown.posted, shown.expired) == (40, 12)


async def reopen_elsewhere(database: Database) -> None:
    """Another process writes, so that this one has to load again what it knew."""
    other = open_ledger_on(await database.open())
    await open_book(other)
    await other.close()


def settled(book: Book, settle: Settle, times: int) -> list[Coroutine[None, None, Answer]]:
    written = Answer(status=200, body=b"")
    return [book.ledger.submit(book.id, settle, lambda _: written) for _ in range(times)]
