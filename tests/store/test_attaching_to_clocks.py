"""A customer who is there already is put on a test clock: from then on that is his now, for good."""

from __future__ import annotations

import asyncio
import time

import pytest

from drawdown.core.commands import (
    AdvanceTestClock,
    CloseCustomer,
    CreateMeter,
    CreateTestClock,
    RecordUsage,
)
from drawdown.core.errors import CustomerClosed, CustomerNotFound, FieldInvalid
from drawdown.core.requests import Accepted, Answer, Claim
from drawdown.core.types import DAY, Customer, Id, Instant, Mode
from drawdown.core.usage.meters import Aggregation, Measure
from drawdown.engine.clocks import ManualClock
from drawdown.engine.ledger import Ledger
from tests.store.test_time_and_claims import jobs_of
from tests.support.books import HOUR, START, Book, Observed, open_book, open_ledger_on, verified
from tests.support.stores import Database

pytestmark = pytest.mark.anyio

LATER = Instant(START + 2 * DAY)


async def attach(book: Book, customer: str, frozen_at: Instant) -> Id:
    asked = CreateTestClock(frozen_at=frozen_at, mode=Mode.TEST, customer=customer)
    made = (await book.ledger.apply(book.id, asked)).clock
    assert made is not None
    return made.id


async def test_his_time_is_the_clocks_from_then_on(ledger: Ledger, clock: ManualClock) -> None:
    """What falls due by then is done at once; later things wait for the clock, and for nothing else."""
    book = await open_book(ledger)
    customer = await book.customer()
    await book.grant(customer, 10, expires_at=Instant(START + DAY))
    await book.grant(customer, 20, expires_at=Instant(START + 10 * DAY))
    await book.debit(customer, 3)
    assert (await book.balance(customer)).available == 27
    made = await attach(book, customer, Instant(START + 2 * DAY))
    assert (await ledger.customer(book.id, customer)).test_clock == made
    shown = await book.balance(customer)
    assert (shown.available, shown.expired, shown.as_of) == (20, 7, START + 2 * DAY)
    clock.instant = Instant(START + 100 * DAY)
    await jobs_of(ledger.store, ledger, clock, Observed()).tick()
    assert (await book.balance(customer)).available == 20
    await book.debit(customer, 5)
    await ledger.apply(book.id, AdvanceTestClock(clock=made, to=Instant(START + 11 * DAY)))
    await ledger.test_clocks.play(book.id, made, 60)
    shown = await book.balance(customer)
    assert (shown.available, shown.expired, shown.as_of) == (0, 22, START + 11 * DAY)
    entries, _ = await ledger.entries(book.id, customer, limit=20)
    assert [(each.kind, each.at - START) for each in reversed(entries)] == [
        ("granted", 0),
        ("granted", 0),
        ("debited", 0),
        ("expired", DAY),
        ("debited", 2 * DAY),
        ("expired", 10 * DAY),
    ]
    await verified(ledger)


async def test_who_was_on_none_a_moment_ago_is_on_it_at_once(ledger: Ledger) -> None:
    book = await open_book(ledger)
    customer = await book.customer()
    assert await ledger.time_of(book.id, customer) == START
    await attach(book, customer, LATER)
    assert await ledger.time_of(book.id, customer) == LATER


async def test_so_is_who_is_put_on_it_while_he_is_read(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    book = await open_book(ledger)
    customer = await book.customer()
    read = ledger.store.find_customer

    async def reads_and_is_overtaken(found: Id) -> Customer | None:
        before = await read(found)
        monkeypatch.setattr(ledger.store, "find_customer", read)
        await attach(book, customer, LATER)
        return before

    monkeypatch.setattr(ledger.store, "find_customer", reads_and_is_overtaken)
    assert await ledger.time_of(book.id, customer) == START
    assert await ledger.time_of(book.id, customer) == LATER


async def test_another_process_learns_of_it_soon(
    ledger: Ledger, database: Database, clock: ManualClock
) -> None:
    other = open_ledger_on(await database.open(), clock)
    book = await open_book(ledger)
    customer = await book.customer()
    assert await other.time_of(book.id, customer) == START
    await attach(book, customer, LATER)
    begun = time.monotonic()
    while await other.time_of(book.id, customer) != LATER:
        assert time.monotonic() < begun + 60
        await asyncio.sleep(0.05)
    await other.close()


async def test_he_may_be_on_one_only_and_no_clock_begins_before_what_is_there(
    ledger: Ledger, clock: ManualClock
) -> None:
    book = await open_book(ledger)
    customer = await book.customer()
    await book.grant(customer, 10)
    clock.instant = Instant(START + DAY)
    await book.debit(customer, 1)
    with pytest.raises(FieldInvalid, match=r"frozen_at must be no earlier .* 2026-01-02T00:00:00Z"):
        await attach(book, customer, Instant(START + DAY - 1))
    assert (await ledger.customer(book.id, customer)).test_clock is None
    made = await attach(book, customer, Instant(START + DAY))
    with pytest.raises(FieldInvalid, match="on no test clock"):
        await attach(book, customer, Instant(START + 2 * DAY))
    assert (await ledger.customer(book.id, customer)).test_clock == made
    assert len(await ledger.test_clocks.list(book.id, limit=10)) == 1
    await verified(ledger)


async def test_usage_that_no_rate_counts_is_his_too(ledger: Ledger, clock: ManualClock) -> None:
    book = await open_book(ledger)
    measure = Measure(event_name="call", aggregation=Aggregation.COUNT)
    await ledger.apply(book.id, CreateMeter(code="calls", measure=measure))
    customer = await book.customer()
    await ledger.apply(book.id, RecordUsage(customer=customer, own_id="one", name="call"))
    with pytest.raises(FieldInvalid, match="frozen_at"):
        await attach(book, customer, Instant(START - 1))
    await attach(book, customer, START)


async def test_nobody_else_is_put_on_one(ledger: Ledger) -> None:
    """Neither one who is closed, nor one of another book, nor one who is not there."""
    book, other = await open_book(ledger), await open_book(ledger)
    customer = await book.customer()
    owner = (await ledger.customer(book.id, customer)).id
    asked = CreateTestClock(frozen_at=START, mode=Mode.TEST, customer=owner)
    with pytest.raises(CustomerNotFound):
        await ledger.apply(other.id, asked)
    with pytest.raises(CustomerNotFound):
        await attach(book, "nobody", START)
    await ledger.apply(book.id, CloseCustomer(customer=customer))
    with pytest.raises(CustomerClosed):
        await attach(book, customer, START)


async def test_what_is_asked_again_is_answered_with_the_clock_that_was_made(
    ledger: Ledger,
) -> None:
    book = await open_book(ledger)
    customer = await book.customer()
    asked = CreateTestClock(frozen_at=Instant(START + HOUR), mode=Mode.TEST, customer=customer)

    def render(accepted: Accepted) -> Answer:
        assert accepted.clock is not None
        return Answer(status=201, body=accepted.clock.id)

    claim = Claim("test.clock", "key", b"asked")
    answers = [await ledger.submit(book.id, asked, render, claim=claim) for _ in range(2)]
    assert (
        answers[0].body == answers[1].body == (await ledger.customer(book.id, customer)).test_clock
    )
    await verified(ledger)
