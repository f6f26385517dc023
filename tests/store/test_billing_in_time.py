"""Periods and drafts are played each once, at their instants and in their order, whenever and by whomever."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from random import Random

import pytest

from drawdown.core.billing.records import INVOICE, Reason, invoice_of
from drawdown.core.commands import AdvanceTestClock, Command, CreateTestClock, Settle
from drawdown.core.requests import Accepted
from drawdown.core.types import DAY, Balance, Document, Id, Instant, Mode
from drawdown.engine.clocks import ManualClock
from drawdown.engine.jobs import Jobs
from drawdown.engine.ledger import Ledger
from drawdown.engine.ports import DocumentFilter
from tests.simulation.servers import nothing_to_say
from tests.support.billing_choices import MINUTE, Choices
from tests.support.billing_play import (
    CURRENCY,
    START,
    LedgerSubject,
    NaiveSubject,
    Step,
    read_step,
)
from tests.support.books import Book, Observed, open_book, open_ledger_on, verified
from tests.support.naive_billing import HOUR
from tests.support.stores import Database

pytestmark = pytest.mark.anyio

Told = tuple[object, ...]
#: Until a background job has come to every part of a database.
TICKS = 10


class OnClock:
    """One customer on a test clock of his own, who is asked things at the clock's times."""

    def __init__(self, book: Book, customer: str, owner: Id, clock: Id) -> None:
        self.book, self.owner, self.clock = book, owner, clock
        self.now = START
        self.subject = LedgerSubject(customer, self._apply, self.documents, self._balance)

    @classmethod
    async def begin(cls, book: Book) -> OnClock:
        asked = CreateTestClock(frozen_at=Instant(START), mode=Mode.TEST)
        made = (await book.ledger.apply(book.id, asked)).clock
        assert made is not None
        customer = await book.customer(test_clock=made.id)
        owner = (await book.ledger.customer(book.id, customer)).id
        return cls(book, customer, owner, made.id)

    async def _apply(self, command: Command, at: int) -> Accepted:
        return await self.book.ledger.apply(self.book.id, command)

    async def documents(self) -> list[Document]:
        asked = DocumentFilter(
            book=self.book.id, owner=self.owner, kind=INVOICE, deleted=None, limit=1_000
        )
        return await self.book.ledger.documents(asked)

    async def _balance(self) -> Balance:
        return await self.book.balance(self.subject.customer, CURRENCY)

    async def advance(self, to: int) -> None:
        asked = AdvanceTestClock(clock=self.clock, to=Instant(to))
        await self.book.ledger.apply(self.book.id, asked)
        found = await self.book.ledger.test_clocks.play(self.book.id, self.clock, 60)
        assert found.frozen_at == to
        self.now = to

    async def step(self, step: Step, stops: Sequence[int]) -> None:
        for to in (*stops, step.at):
            if to > self.now:
                await self.advance(to)
        await self.subject.act(step)

    async def told(self) -> tuple[list[Told], dict[str, str]]:
        """Its entries without ids and real time, and its invoices."""
        entries, _ = await self.book.ledger.entries(
            self.book.id, self.subject.customer, limit=10_000
        )
        return [
            (e.seq, e.kind, e.amount, e.at, e.posted_after, e.held_after, e.grant_after)
            for e in entries
        ], await self.subject.facts(0)


async def played(seed: int, length: int) -> list[Step]:
    """What the customer of a seed asks."""
    naive = NaiveSubject()
    choices = Choices(Random(seed), naive.naive)
    steps = [choices.first()]
    for _ in range(length):
        await naive.act(steps[-1])
        choices.wait()
        steps.append(choices.next())
    return steps


async def test_any_split_of_an_advance_ends_in_the_same_ledger(ledger: Ledger) -> None:
    book = await open_book(ledger)
    for seed in range(2):
        random = Random(seed)
        straight, stopping = await OnClock.begin(book), await OnClock.begin(book)
        for step in await played(seed, 16):
            await straight.step(step, [])
            waits = range(stopping.now // MINUTE, step.at // MINUTE)
            stops = sorted(random.choices(waits, k=3)) if waits else []
            await stopping.step(step, [minutes * MINUTE for minutes in stops])
        end = straight.now + 20 * DAY
        await straight.advance(end)
        for days in (1, 4, 11, 20):
            await stopping.advance(straight.now - (20 - days) * DAY)
        assert await stopping.told() == await straight.told(), seed
    await verified(ledger)


async def asked(own: LedgerSubject, *lines: str) -> None:
    for line in lines:
        assert await own.act(read_step(line)) is None


async def customer_of(book: Book, clock: ManualClock) -> tuple[LedgerSubject, str]:
    """One who used something in each of his first days, all of it paid by credit."""
    customer = await book.customer()
    owner = (await book.ledger.customer(book.id, customer)).id

    async def apply(command: Command, at: int) -> Accepted:
        clock.instant = Instant(at)
        return await book.ledger.apply(book.id, command)

    async def documents() -> list[Document]:
        wanted = DocumentFilter(book=book.id, owner=owner, kind=INVOICE, deleted=None, limit=100)
        return await book.ledger.documents(wanted)

    async def balance() -> Balance:
        return await book.balance(customer, CURRENCY)

    own = LedgerSubject(customer, apply, documents, balance)
    grants = [f"d0 grant G{number} 0.50 expires=d{number * 60 + 1}" for number in range(1, 7)]
    await asked(own, *grants, "d0 grant rest 100.00", "d0 subscribe S calls every=30")
    return own, customer


def check_year(documents: Sequence[Document]) -> None:
    """One invoice for each period, made at its end and final an hour later."""
    found = sorted((invoice_of(each.body) for each in documents), key=lambda one: one.period_end)
    periods = [each for each in found if each.reason is Reason.CYCLE]
    assert [each.period_end for each in periods] == [
        START + 30 * DAY * number for number in range(1, 13)
    ]
    assert [each.finalized_at for each in periods] == [each.period_end + HOUR for each in periods]
    starts = [each.period_start for each in periods]
    assert starts == [START, *(each.period_end for each in periods[:-1])]


async def test_a_year_without_a_server_is_played_in_the_order_of_its_instants(
    database: Database, clock: ManualClock
) -> None:
    """By the background job; expiries and invoices of one wallet are one row of instants."""
    clock.instant = Instant(START)
    ledger = open_ledger_on(await database.open(), clock)
    book = await open_book(ledger)
    own, customer = await customer_of(book, clock)
    await asked(own, "d0 use calls 30")
    await ledger.close()
    clock.instant = Instant(START + 365 * DAY)
    store = await database.open()
    observed = Observed()
    ledger = open_ledger_on(store, clock, observer=observed)
    jobs = Jobs(
        store,
        clock,
        ledger.accounts,
        lambda where, command: ledger.submit(where, command, nothing_to_say),
        observed,
        30,
    )
    for _ in range(TICKS):  # of a database over several nodes a job takes parts bit by bit
        await jobs.tick()
    wanted = DocumentFilter(
        book=book.id,
        owner=(await ledger.customer(book.id, customer)).id,
        kind=INVOICE,
        deleted=None,
        limit=100,
    )
    check_year(await ledger.documents(wanted))
    entries, _ = await ledger.entries(book.id, customer, limit=1_000)
    instants = [entry.at for entry in sorted(entries, key=lambda entry: entry.seq)]
    assert instants == sorted(instants)
    assert len([entry for entry in entries if entry.kind == "expired"]) == 3
    assert observed.errors == []
    await verified(ledger)
    await ledger.close()


async def test_two_servers_that_come_upon_a_year_at_once_play_it_once(
    database: Database, clock: ManualClock
) -> None:
    clock.instant = Instant(START)
    ledgers = [open_ledger_on(await database.open(), clock) for _ in range(2)]
    book = await open_book(ledgers[0])
    customers = [await customer_of(book, clock) for _ in range(3)]
    for own, _ in customers:
        await asked(own, "d0 use calls 30")
    clock.instant = Instant(START + 365 * DAY)
    settles = [Settle(customer=name, entitlement=CURRENCY) for _, name in customers]
    await asyncio.gather(
        *(ledger.apply(book.id, settle) for settle in settles for ledger in ledgers)
    )
    for own, _ in customers:
        check_year(await own.documents())
    await verified(ledgers[1])
    for ledger in ledgers:
        await ledger.close()
