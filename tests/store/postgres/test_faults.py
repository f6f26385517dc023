"""Errors, lost replies and broken connections: never a debit twice, never one lost that was acknowledged."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import asyncpg
import pytest

from drawdown.core.commands import CreateCustomer, CreateEntitlement, CreateSchedule, Settle
from drawdown.core.identity import slot_of
from drawdown.core.requests import Answer
from drawdown.core.schedules.calendar import CalendarUnit, Every
from drawdown.core.state import Wanted
from drawdown.core.types import DAY, Instant
from drawdown.engine import batcher, jobs
from drawdown.engine.clocks import ManualClock
from drawdown.engine.ledger import Ledger
from drawdown.engine.ports import StoreUnavailable
from drawdown.store.postgres import connection as opening
from drawdown.store.postgres import store as postgres_store
from drawdown.store.postgres.store import PostgresStore
from drawdown.store.postgres.transaction import PostgresTransaction
from tests.support.books import (
    CREDITS,
    HOUR,
    START,
    Book,
    Observed,
    open_book,
    open_ledger_on,
    units,
    verified,
)
from tests.support.proxy import BEGIN, COMMIT, CUT, PREPARED, STALL, Fault, Proxy
from tests.support.waiting import until_one_waits

pytestmark = pytest.mark.anyio

#: What PostgreSQL undoes the transaction for.
REFUSED = ("40001", "40P01", "55P03", "0A000", "23505")
#: After these nobody knows whether a commit was carried out.
UNKNOWN = (
    "08006", "08003", "XX000", "57P01", "57P02", "57P03", "57014", "53100", "53200", "53300", "58030",
    CUT,
)  # fmt: skip
BEFORE = [
    Fault(at, done, code)
    for at, done in ((BEGIN, False), (PREPARED, True))
    for code in (*REFUSED, *UNKNOWN, "25006")
]
AT_COMMIT = [
    *[Fault(COMMIT, False, code) for code in REFUSED + UNKNOWN],
    *[Fault(COMMIT, True, code) for code in UNKNOWN],
]


@pytest.fixture
async def proxy(url: str) -> AsyncIterator[Proxy]:
    async with Proxy(url) as running:
        yield running


@pytest.fixture
async def time_flies(proxy: Proxy, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[None]:
    """When a reply does not come, the driver's time for it is over at once. Until then it is as long as ever,
    or a busy machine would not get to the fault."""
    loop = asyncio.get_running_loop()
    time, passed = loop.time, 0.0

    async def fly() -> None:
        nonlocal passed
        await proxy.stalled.wait()
        passed = opening.STATEMENT_SECONDS

    monkeypatch.setattr(loop, "time", lambda: time() + passed)
    flying = asyncio.create_task(fly())
    yield
    proxy.stalled.set()
    await flying


@asynccontextmanager
async def ledger_behind(proxy: Proxy, observed: Observed | None = None) -> AsyncIterator[Ledger]:
    ledger = open_ledger_on(await PostgresStore.open(proxy.url), observer=observed or Observed())
    try:
        yield ledger
    finally:
        await ledger.close()


async def funded(ledger: Ledger) -> tuple[Book, str]:
    book = await open_book(ledger)
    customer = await book.customer()
    await book.grant(customer, 1_000)
    return book, customer


async def check_used(book: Book, customer: str, used: int) -> None:
    assert (await book.balance(customer)).used == used
    await verified(book.ledger)


@pytest.mark.parametrize(
    "fault", BEFORE + AT_COMMIT, ids=lambda f: f"{f.at.decode()}-{f.done}-{f.reply}"
)
async def test_a_batch_is_stored_once_whatever_becomes_of_it(proxy: Proxy, fault: Fault) -> None:
    """Twenty debits, half of them without a key, gathered into one transaction: all once, none refused."""
    async with ledger_behind(proxy) as ledger:
        book, customer = await funded(ledger)
        proxy.faults.append(fault)
        answers = await asyncio.gather(
            *(book.debit(customer, 1, f"key-{n}" if n % 2 else None) for n in range(20))
        )
        assert not proxy.faults
        assert len({answer.body for answer in answers}) == 20
        assert not any(answer.replayed for answer in answers)
        await check_used(book, customer, 20)
        again = await asyncio.gather(
            *(book.debit(customer, 1, f"key-{n}") for n in range(1, 20, 2))
        )
        assert [answer.body for answer in again] == [answer.body for answer in answers[1::2]]
        await check_used(book, customer, 20)


@pytest.mark.parametrize("done", [True, False])
async def test_what_another_process_has_recorded_of_time_does_not_stand_for_a_lost_batch(
    url: str, proxy: Proxy, done: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A cycle has one id, whoever plays it: here another does before it is looked what became of a commit."""
    clock = ManualClock(START)
    other = open_ledger_on(await PostgresStore.open(url), clock)
    ledger = open_ledger_on(await PostgresStore.open(proxy.url), clock)
    book, customer = await funded(ledger)
    every = Every(CalendarUnit.DAY, 1)
    terms = CreateSchedule(customer=customer, entitlement=CREDITS, amount=units("5"), every=every)
    await ledger.apply(book.id, terms)
    clock.instant = Instant(START + DAY)
    was_stored = PostgresStore._was_stored

    async def late(store: PostgresStore, current: PostgresTransaction) -> bool:
        settle = Settle(customer=customer, entitlement=CREDITS)
        await other.submit(book.id, settle, lambda _: Answer(status=200, body=b""))
        return await was_stored(store, current)

    monkeypatch.setattr(PostgresStore, "_was_stored", late)
    proxy.faults.append(Fault(COMMIT, done, CUT))
    await book.debit(customer, 7)
    assert not proxy.faults
    await check_used(book, customer, 7)
    await ledger.close()
    await other.close()


@pytest.mark.parametrize("done", [True, False])
async def test_a_commit_that_is_never_answered_is_stored_once(
    proxy: Proxy, done: bool, time_flies: None
) -> None:
    """The driver gives up after its time; what became of the commit is looked for."""
    async with ledger_behind(proxy) as ledger:
        book, customer = await funded(ledger)
        proxy.faults.append(Fault(COMMIT, done, STALL))
        await asyncio.gather(*(book.debit(customer, 1) for _ in range(20)))
        assert not proxy.faults
        await check_used(book, customer, 20)


@pytest.mark.parametrize("done", [True, False])
async def test_a_statement_that_is_never_answered_is_told_and_stores_nothing(
    proxy: Proxy, done: bool, time_flies: None
) -> None:
    """Who asks has waited long enough; the key is free, and connections to the same server are made anew."""
    async with ledger_behind(proxy) as ledger:
        book, customer = await funded(ledger)
        proxy.faults.append(Fault(PREPARED, done, STALL))
        with pytest.raises(StoreUnavailable):
            await book.debit(customer, 1, "key")
        assert not proxy.faults
        assert not (await book.debit(customer, 1, "key")).replayed
        await check_used(book, customer, 1)


@pytest.mark.parametrize("done", [True, False])
@pytest.mark.parametrize(
    "command",
    [CreateCustomer(own_id="new"), CreateEntitlement(code="new", unit="u", scale=0)],
    ids=["customer", "entitlement"],
)
async def test_what_has_no_operation_is_made_once(
    proxy: Proxy, command: CreateCustomer | CreateEntitlement, done: bool
) -> None:
    """Its own row tells whether it was stored."""
    async with ledger_behind(proxy) as ledger:
        book = await open_book(ledger)
        proxy.faults.append(Fault(COMMIT, done, CUT))
        made = await ledger.apply(book.id, command)
        assert not proxy.faults
        found = (
            await ledger.customer(book.id, "new")
            if isinstance(command, CreateCustomer)
            else await ledger.entitlement(book.id, "new")
        )
        assert found == (made.customer or made.entitlement)


@pytest.mark.parametrize("code", ["0A000", "25006"])
async def test_a_connection_to_a_standby_is_not_used_again(proxy: Proxy, code: str) -> None:
    """Another one may lead to the primary by now."""
    async with ledger_behind(proxy) as ledger:
        book, customer = await funded(ledger)
        ended = proxy.ended
        proxy.faults.append(Fault(BEGIN, False, code))
        await book.debit(customer, 1)
        assert proxy.ended == ended + 1
        await check_used(book, customer, 1)


async def test_a_fault_at_every_attempt_is_told_and_stores_nothing(proxy: Proxy) -> None:
    """After ten attempts the asker is told to come back; then all is well again."""
    async with ledger_behind(proxy) as ledger:
        book, customer = await funded(ledger)
        proxy.faults.extend([Fault(COMMIT, False, "40001")] * 10)
        with pytest.raises(StoreUnavailable, match="40001"):
            await book.debit(customer, 1, "key")
        await check_used(book, customer, 0)
        assert not (await book.debit(customer, 1, "key")).replayed
        await check_used(book, customer, 1)


async def test_when_the_answer_cannot_be_found_the_key_still_can(
    proxy: Proxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The commit is through, and nobody can be asked: an error; later the key replays."""
    monkeypatch.setattr(postgres_store, "PROBE_SECONDS", 0.001)
    async with ledger_behind(proxy) as ledger:
        book, customer = await funded(ledger)
        proxy.faults.append(Fault(COMMIT, True, CUT))
        proxy.faults.extend([Fault(BEGIN, False, "57P03")] * postgres_store.PROBES_MAX)
        with pytest.raises(StoreUnavailable, match="same key"):
            await book.debit(customer, 1, "key")
        assert not proxy.faults
        assert (await book.debit(customer, 1, "key")).replayed
        await check_used(book, customer, 1)


async def test_backends_that_are_ended_are_replaced(proxy: Proxy, url: str) -> None:
    """An operator ends every connection, again and again, under load: all debits once, reads answered."""
    observed = Observed()
    async with ledger_behind(proxy, observed) as ledger:
        book, customer = await funded(ledger)
        admin = await asyncpg.connect(url)
        stop = asyncio.Event()

        async def end_all() -> None:
            while not stop.is_set():
                await admin.execute(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                    "WHERE datname = current_database() AND pid <> pg_backend_pid()"
                )
                committed = len(observed.sizes)
                await asyncio.sleep(0.05)
                # On a machine on which none is through so soon, all would be tried in vain for ever.
                while len(observed.sizes) == committed and not stop.is_set():  # noqa: ASYNC110
                    await asyncio.sleep(0.01)

        task = asyncio.create_task(end_all())
        used = 0
        for _ in range(10):
            asked = [book.debit(customer, 1, f"key-{used + n}") for n in range(20)]
            answers = await asyncio.gather(*asked, return_exceptions=True)
            again = await asyncio.gather(
                *(patiently(book, customer, f"key-{used + n}") for n in range(20))
            )
            used += 20
            for answer, second in zip(answers, again, strict=True):
                if isinstance(answer, BaseException):
                    assert isinstance(answer, StoreUnavailable)
                else:
                    assert answer.body == second
        stop.set()
        await task
        await admin.close()
        await check_used(book, customer, used)


@pytest.mark.parametrize("step", ["load", "write"])
async def test_a_connection_that_ends_in_a_transaction_is_replaced(
    url: str, step: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between two statements, or just before the commit: what was asked is done, once."""
    ledger = open_ledger_on(await PostgresStore.open(url))
    book, customer = await funded(ledger)
    carry_out = getattr(PostgresTransaction, step)
    ends = iter([True])

    async def and_end(transaction: PostgresTransaction, *arguments: object) -> None:
        await carry_out(transaction, *arguments)
        if next(ends, False):
            await end_connections(url)
            await asyncio.sleep(0.05)  # so that the driver has noticed

    monkeypatch.setattr(PostgresTransaction, step, and_end)
    await book.debit(customer, 1)
    assert next(ends, False) is False
    await check_used(book, customer, 1)
    await ledger.close()


async def test_a_job_that_fails_is_tried_again(
    proxy: Proxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever it failed at, a later tick does it; the fault is told."""
    monkeypatch.setattr(jobs, "TICK_SECONDS", 0.02)
    monkeypatch.setattr(batcher, "PAUSE_SECONDS", 0.0001)
    clock, observed = ManualClock(START), Observed()
    ledger = open_ledger_on(
        await PostgresStore.open(proxy.url), clock, observer=observed, jobs=True
    )
    book, customer = await funded(ledger)
    await book.grant(customer, 10, expires_at=Instant(START + HOUR))
    proxy.faults.extend([Fault(BEGIN, False, "57P03")] * 2 * batcher.ATTEMPTS_MAX)
    clock.instant = Instant(START + HOUR)
    async with asyncio.timeout(60):
        while proxy.faults:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
        written = len(observed.sizes)
        while len(observed.sizes) == written:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    shown = await book.balance(customer)
    assert (shown.expired, shown.posted) == (10, 1_000)
    assert {type(error) for error in observed.errors} == {StoreUnavailable}
    assert not proxy.faults
    await verified(ledger)
    await ledger.close()


async def end_connections(url: str) -> None:
    """All but the one that ends them; once they are gone."""
    administrator = await asyncpg.connect(url)
    await administrator.fetch(
        "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity "
        "WHERE datname = current_database() AND pid <> pg_backend_pid()"
    )
    await administrator.close()


async def patiently(book: Book, customer: str, key: str) -> bytes:
    """As a client does it: the same key again while there is no answer."""
    while True:
        try:
            return (await book.debit(customer, 1, key)).body
        except StoreUnavailable:
            await asyncio.sleep(0.02)


async def test_a_deadlock_is_tried_again(url: str) -> None:
    """A stranger locks wallets in another order than the ledger does: every debit is made, once."""
    stranger = await asyncpg.connect(url)
    database = await stranger.fetchval("SELECT current_database()")
    # So long the stranger has to close the circle: who waits looks for one once, and after that no more.
    await stranger.execute(f"ALTER DATABASE {database} SET deadlock_timeout = '3s'")
    observed = Observed()
    ledger = open_ledger_on(await PostgresStore.open(url), observer=observed)
    book = await open_book(ledger)
    names = [await book.customer() for _ in range(2)]
    for name in names:
        await book.grant(name, 100)
    ids = [(await ledger.customer(book.id, name)).id for name in names]
    first, second = sorted(ids, key=lambda one: (slot_of(one), one))
    lock = "SELECT 1 FROM wallet WHERE customer = $1 FOR UPDATE"
    await stranger.execute("BEGIN; SET LOCAL deadlock_timeout = '1min'")
    await stranger.fetch(lock, second.hex())
    debits = [asyncio.create_task(book.debit(name, 1)) for name in names]
    await until_one_waits(stranger)
    await stranger.fetch(lock, first.hex())
    await stranger.execute("COMMIT")
    await asyncio.gather(*debits)
    await stranger.close()
    assert "40P01" in str(observed.conflicts[0])
    for name in names:
        assert (await book.balance(name)).used == 1
    await ledger.close()


@pytest.mark.parametrize(
    ("setting", "code"), [("lock_timeout", "55P03"), ("statement_timeout", "57014")]
)
async def test_a_wait_that_is_cut_short_is_tried_again(
    url: str, setting: str, code: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Somebody keeps a wallet locked for longer than the operator, at first, lets anybody wait."""
    observed = Observed()
    ledger = open_ledger_on(await PostgresStore.open(url), observer=observed)
    book, customer = await funded(ledger)
    load, limits = PostgresTransaction.load, iter([f"SET LOCAL {setting} = '50ms'"])

    async def limited(transaction: PostgresTransaction, wanted: Wanted) -> None:
        for limit in limits:
            await transaction._connection.execute(limit)
        await load(transaction, wanted)

    monkeypatch.setattr(PostgresTransaction, "load", limited)
    stranger = await asyncpg.connect(url)
    await stranger.execute("BEGIN")
    await stranger.fetch("SELECT 1 FROM wallet FOR UPDATE")
    debit = asyncio.create_task(book.debit(customer, 1))
    async with asyncio.timeout(60):
        while not observed.conflicts:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    await stranger.execute("COMMIT")
    await debit
    assert [str(conflict)[:5] for conflict in observed.conflicts] == [code]
    await check_used(book, customer, 1)
    await stranger.close()
    await ledger.close()


async def test_nothing_is_left_of_who_was_broken_off_while_the_server_hung(proxy: Proxy) -> None:
    """The connection is given up by itself; an error that nobody can hear any more is no one's alarm."""
    alarms: list[str] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, told: alarms.append(told["message"]))
    pool = await opening.open_pool(proxy.url, 1)
    proxy.faults.append(Fault(BEGIN, False, STALL))

    async def ask() -> None:
        async with opening.lent(pool, 0.2) as connection:
            await connection.execute("BEGIN")

    asking = asyncio.create_task(ask())
    while proxy.faults:  # noqa: ASYNC110 - the proxy takes it when it befalls
        await asyncio.sleep(0.01)
    for _ in range(2):  # in its statement, and while it gives back its connection
        asking.cancel()
        await asyncio.sleep(0.05)
    with pytest.raises(asyncio.CancelledError):
        await asking
    async with asyncio.timeout(60), opening.lent(pool, 50) as again:
        assert await again.fetchval("SELECT 1") == 1
    pool.terminate()
    gc.collect()
    await asyncio.sleep(0)
    assert alarms == []
