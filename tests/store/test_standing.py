"""Documents that stand with a wallet have their turns in the order of its instants, on every store."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import msgspec
import pytest

from drawdown.core.commands import (
    Act,
    AdvanceTestClock,
    CloseCustomer,
    Command,
    CreateTestClock,
    RecordUsage,
    Settle,
)
from drawdown.core.errors import CustomerClosed
from drawdown.core.requests import Accepted, Answer
from drawdown.core.types import DAY, Document, EntryKind, Id, Instant, Mode
from drawdown.engine.clocks import ManualClock
from drawdown.engine.ledger import Ledger
from drawdown.engine.ports import DocumentFilter
from tests.support import toy
from tests.support.books import CREDITS, HOUR, START, Book, open_book, open_ledger_on, verified
from tests.support.stores import Database
from tests.support.toy import Begin, End, Slip, Undo

pytestmark = pytest.mark.anyio


@pytest.fixture
async def ledger(database: Database, clock: ManualClock) -> AsyncIterator[Ledger]:
    opened = open_ledger_on(await database.open(), clock, players=toy.PLAYERS)
    yield opened
    await opened.close()


class Stand:
    """A customer with credit, and what stands with it."""

    def __init__(self, book: Book, customer: str, owner: Id) -> None:
        self.book, self.customer, self.owner = book, customer, owner

    async def act(self, action: object, kind: str = toy.CADENCE) -> Accepted:
        begins = isinstance(action, Begin)
        command = Act(
            customer=self.customer, entitlement=CREDITS, kind=kind, action=action, begins=begins
        )
        return await self.book.ledger.apply(self.book.id, command)

    async def slips(self) -> list[tuple[Document, Slip]]:
        """Oldest first."""
        asked = DocumentFilter(
            book=self.book.id, owner=self.owner, kind=toy.SLIP, deleted=None, limit=100
        )
        found = await self.book.ledger.documents(asked)
        return [(each, toy.slip_of(each)) for each in reversed(found)]

    async def settle(self) -> None:
        command = Settle(customer=self.customer, entitlement=CREDITS)
        await self.book.ledger.apply(self.book.id, command)

    async def use(self, number: int, units: int, time: Instant | None = None) -> None:
        await self.book.ledger.apply(
            self.book.id,
            RecordUsage(
                customer=self.customer,
                own_id=f"event-{number}",
                name="work",
                time=time,
                properties={"units": str(units)},
            ),
        )

    async def kinds(self) -> list[tuple[EntryKind, int, int]]:
        """Kind, amount and instant of each entry, oldest first."""
        found, _ = await self.book.ledger.entries(self.book.id, self.customer, limit=500)
        return [(each.kind, each.amount, each.at - START) for each in reversed(found)]


async def stand(ledger: Ledger) -> Stand:
    book = await open_book(ledger)
    customer = await book.customer()
    return Stand(book, customer, (await ledger.customer(book.id, customer)).id)


async def test_what_is_due_is_played_at_its_instant_however_late(
    ledger: Ledger, clock: ManualClock
) -> None:
    """A slip each day holds its units, and an hour later draws them; the grant ends between two of these."""
    own = await stand(ledger)
    ends = Instant(START + DAY + HOUR // 2)
    await own.book.grant(own.customer, 7, expires_at=ends)
    await own.book.grant(own.customer, 100)
    await own.act(Begin(every=DAY, wait=HOUR, base=5))
    clock.instant = Instant(clock.instant + 2 * DAY + HOUR)
    await own.settle()
    hours = [(kind, amount, at // (HOUR // 2)) for kind, amount, at in await own.kinds()]
    assert hours == [
        (EntryKind.GRANTED, 7, 0),
        (EntryKind.GRANTED, 100, 0),
        (EntryKind.HELD, 5, 48),
        (EntryKind.EXPIRED, 2, 49),
        (EntryKind.RELEASED, 5, 50),
        (EntryKind.DEBITED, 5, 50),
        (EntryKind.HELD, 5, 96),
        (EntryKind.RELEASED, 5, 98),
        (EntryKind.DEBITED, 5, 98),
    ]
    balance = await own.book.balance(own.customer)
    assert (balance.posted, balance.held, balance.used, balance.expired) == (95, 0, 10, 2)
    assert [(slip.paid, slip.units) for _, slip in await own.slips()] == [(True, 5), (True, 5)]
    await verified(ledger)


async def test_usage_counts_for_its_time_until_that_has_had_its_turn(
    ledger: Ledger, clock: ManualClock
) -> None:
    own = await stand(ledger)
    await own.book.grant(own.customer, 100)
    await own.act(Begin(every=DAY, wait=HOUR))
    clock.instant = Instant(START + DAY - 1)
    await own.use(1, 3)
    clock.instant = Instant(START + DAY)
    await own.use(2, 4)
    await own.use(3, 2, Instant(START + 6))
    await own.settle()
    await own.use(4, 8, Instant(START + 5))
    clock.instant = Instant(START + 2 * DAY)
    await own.settle()
    assert [slip.units for _, slip in await own.slips()] == [5, 4]
    await verified(ledger)


async def test_usage_in_the_same_batch_counts(ledger: Ledger, clock: ManualClock) -> None:
    own = await stand(ledger)
    await own.book.grant(own.customer, 100)
    await own.act(Begin(every=DAY, wait=HOUR))
    clock.instant = Instant(clock.instant + DAY + 1)

    def used(number: int, time: int) -> RecordUsage:
        return RecordUsage(
            customer=own.customer,
            own_id=f"event-{number}",
            name="work",
            time=Instant(START + time),
            properties={"units": "2"},
        )

    settle = Settle(customer=own.customer, entitlement=CREDITS)
    asked: list[Command] = [used(1, 5), used(2, 7)]
    if (
        ledger.shards
    ):  # there the ids of events are claimed first, and what follows does not wait for that
        await ledger.submit_many(own.book.id, [(each, seen, None) for each in asked])
        asked.clear()
    asked.append(settle)
    answers = await ledger.submit_many(own.book.id, [(each, seen, None) for each in asked])
    assert all(not isinstance(each, BaseException) for each in answers), answers
    assert [slip.units for _, slip in await own.slips()] == [4]


def seen(accepted: Accepted) -> Answer:
    return Answer(status=200, body=b"")


async def test_first_come_first_paid_and_the_others_hold_what_is_left(
    ledger: Ledger, clock: ManualClock
) -> None:
    own = await stand(ledger)
    await own.book.grant(own.customer, 10)
    await own.act(Begin(every=DAY, wait=3 * HOUR, base=6))
    await own.act(Begin(every=DAY + HOUR, wait=HOUR, base=7))
    clock.instant = Instant(clock.instant + DAY + HOUR)
    await own.settle()
    assert sorted(slip.held for _, slip in await own.slips()) == [4, 6]
    clock.instant = Instant(clock.instant + HOUR)
    await own.settle()
    assert sorted((slip.paid, slip.held) for _, slip in await own.slips()) == [
        (False, 3),
        (True, 0),
    ]
    assert (await own.book.balance(own.customer)).available == 0
    clock.instant = Instant(clock.instant + HOUR)
    await own.settle()
    drawn = [sum(units for _, units in slip.drawn) for _, slip in await own.slips()]
    assert sorted(drawn) == [3, 7]
    await verified(ledger)


async def test_what_was_reserved_of_a_grant_outlives_it_until_it_is_paid_or_let_go(
    ledger: Ledger, clock: ManualClock
) -> None:
    own = await stand(ledger)
    await own.book.grant(own.customer, 10, expires_at=Instant(START + DAY + HOUR))
    await own.act(Begin(every=DAY, wait=2 * HOUR, base=6))
    clock.instant = Instant(clock.instant + DAY + HOUR)
    await own.settle()
    balance = await own.book.balance(own.customer)
    assert (balance.posted, balance.held, balance.expired) == (6, 6, 4)
    clock.instant = Instant(clock.instant + HOUR)
    await own.settle()
    balance = await own.book.balance(own.customer)
    assert (balance.posted, balance.held, balance.used, balance.expired) == (0, 0, 6, 4)
    [(slip, _)] = await own.slips()
    await own.act(Undo(slip.id))
    balance = await own.book.balance(own.customer)
    assert (balance.posted, balance.used, balance.expired) == (0, 0, 10)
    await verified(ledger)


async def test_a_balance_counts_what_a_document_has_set_aside_though_no_job_has_run(
    ledger: Ledger, clock: ManualClock
) -> None:
    own = await stand(ledger)
    await own.book.grant(own.customer, 10)
    await own.act(Begin(every=DAY, wait=HOUR, base=6))
    clock.instant = Instant(clock.instant + DAY)
    balance = await own.book.balance(own.customer)
    assert (balance.available, balance.held) == (4, 6)


async def test_what_stands_no_more_is_not_due(ledger: Ledger, clock: ManualClock) -> None:
    own = await stand(ledger)
    made = (await own.act(Begin(every=DAY, wait=HOUR, base=6))).documents[0]
    assert (made.entitlement is None, made.due_at) == (False, START + DAY)
    [ended] = (await own.act(End(made.id))).documents
    assert (ended.entitlement, ended.due_at, ended.revision) == (None, None, 2)
    clock.instant = Instant(clock.instant + 2 * DAY)
    await own.settle()
    assert await own.slips() == []


async def test_with_a_customer_end_his_documents_and_what_they_have_set_aside(
    ledger: Ledger, clock: ManualClock
) -> None:
    own = await stand(ledger)
    await own.book.grant(own.customer, 10)
    await own.act(Begin(every=DAY, wait=2 * HOUR, base=6))
    clock.instant = Instant(clock.instant + DAY + HOUR)
    await ledger.apply(own.book.id, CloseCustomer(customer=own.customer))
    balance = await own.book.balance(own.customer)
    assert (balance.posted, balance.held) == (10, 0)
    clock.instant = Instant(clock.instant + 5 * DAY)
    await own.settle()
    assert [document.deleted_at for document, _ in await own.slips()] == [START + DAY + HOUR]
    await verified(ledger)


async def test_nothing_new_stands_with_a_closed_customer(ledger: Ledger) -> None:
    own = await stand(ledger)
    await ledger.apply(own.book.id, CloseCustomer(customer=own.customer))
    with pytest.raises(CustomerClosed):
        await own.act(Begin(every=DAY, wait=HOUR, base=6))


async def test_a_clock_is_ready_when_its_documents_have_had_their_turns(ledger: Ledger) -> None:
    book = await open_book(ledger)
    command = CreateTestClock(frozen_at=Instant(START + 400 * DAY), mode=Mode.TEST)
    clock = (await ledger.apply(book.id, command)).clock
    assert clock is not None
    customer = await book.customer(test_clock=clock.id)
    own = Stand(book, customer, (await ledger.customer(book.id, customer)).id)
    await book.grant(customer, 100)
    await own.act(Begin(every=DAY, wait=HOUR, base=6))
    to = Instant(START + 403 * DAY + 5)
    await ledger.apply(book.id, AdvanceTestClock(clock=clock.id, to=to))
    await ledger.test_clocks.play(book.id, clock.id, 60)
    found = await own.slips()
    assert [(slip.paid, document.created_at) for document, slip in found] == [
        (True, START + 401 * DAY),
        (True, START + 402 * DAY),
        (False, START + 403 * DAY),
    ]
    balance = await book.balance(customer)
    assert (balance.available, balance.held, balance.used) == (82, 6, 12)
    await verified(ledger)


async def test_an_operation_tells_what_its_documents_said(ledger: Ledger) -> None:
    own = await stand(ledger)
    accepted = await own.act(Begin(every=DAY, wait=HOUR, base=6))
    operation = accepted.operation
    assert operation is not None
    [made] = accepted.documents
    assert operation.kind == "act"
    assert operation.changed is not None
    assert msgspec.json.decode(operation.changed) == {
        "documents": [[made.id.hex(), made.kind, None, made.body]]
    }


async def test_two_processes_that_come_upon_a_turn_at_once_play_it_once(
    database: Database, clock: ManualClock
) -> None:
    first = open_ledger_on(await database.open(), clock, players=toy.PLAYERS)
    second = open_ledger_on(await database.open(), clock, players=toy.PLAYERS)
    own = await stand(first)
    await own.book.grant(own.customer, 100)
    await own.act(Begin(every=DAY, wait=HOUR, base=6))
    clock.instant = Instant(clock.instant + 3 * DAY)
    settle = Settle(customer=own.customer, entitlement=CREDITS)
    both = [ledger.apply(own.book.id, settle) for ledger in (first, second) for _ in range(4)]
    await asyncio.gather(*both)
    assert [slip.paid for _, slip in await own.slips()] == [True, True, False]
    balance = await own.book.balance(own.customer)
    assert (balance.used, balance.held, balance.available) == (12, 6, 82)
    await verified(second)
    await second.close()
    await first.close()
