"""What goes on by itself ends with its customer, and rests while its entitlement is closed: on each store."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

import pytest

from drawdown.core.amounts import Amount
from drawdown.core.commands import (
    CloseCustomer,
    CloseEntitlement,
    CreateAlert,
    CreateSchedule,
    CreateTopUp,
    ReopenEntitlement,
    Settle,
)
from drawdown.core.errors import CustomerClosed
from drawdown.core.schedules.calendar import CalendarUnit, Every
from drawdown.core.schedules.terms import ScheduleState
from drawdown.core.types import DAY, AlertKind, Id, Instant
from drawdown.engine.clocks import ManualClock
from drawdown.engine.ledger import Ledger
from drawdown.engine.positions import BEGINNING
from tests.support.books import CREDITS, SECOND, Book, open_book, open_ledger_on, verified
from tests.support.stores import Database

pytestmark = pytest.mark.anyio

BELOW, NEAR = AlertKind.AVAILABLE_BELOW, AlertKind.DAYS_TO_EXPIRY


@pytest.fixture
async def book(ledger: Ledger) -> Book:
    return await open_book(ledger)


async def watched(book: Book) -> str:
    """A customer with 10 credits a day, an alert of his own and everybody's, and a top-up below 4."""
    customer = await book.customer()
    every = Every(CalendarUnit.DAY)
    asked = (
        CreateSchedule(customer=customer, entitlement=CREDITS, amount=Amount(10), every=every),
        CreateAlert(customer=customer, entitlement=CREDITS, kind=BELOW, amount=Amount(5)),
        CreateAlert(entitlement=CREDITS, kind=NEAR, days=1),
        CreateTopUp(
            customer=customer, entitlement=CREDITS, threshold=Amount(4), amount=Amount(100)
        ),
    )
    for command in asked:
        await book.ledger.apply(book.id, command)
    return customer


async def later(book: Book, customer: str, clock: ManualClock, days: int) -> None:
    clock.instant = Instant(clock.instant + days * DAY)
    await book.ledger.apply(book.id, Settle(customer=customer, entitlement=CREDITS))


async def told(book: Book, clock: ManualClock, after: int = 0) -> list[str]:
    """The kinds of what was recorded, in their order, and after which notices were given."""
    clock.instant = Instant(clock.instant + 3 * SECOND)
    page = await book.ledger.feed(BEGINNING, books=frozenset({book.id}), limit=1_000)
    found: list[str] = []
    for each in page.found[after:]:
        operation = each.operation
        found.append(operation.kind + ("!" if b'"alerts"' in operation.changed else ""))
    return found


async def states(book: Book, customer: Id | str) -> tuple[list[ScheduleState], list[bool]]:
    """Of his schedules; and whether his top-ups and alerts are closed."""
    schedules = await book.ledger.schedules(book.id, customer=customer, limit=10)
    top_ups = await book.ledger.top_ups(book.id, customer=customer, limit=10)
    alerts = await book.ledger.alerts(book.id, customer=customer, limit=10)
    ended = [rule.closed_at for rule, *_ in top_ups]
    ended += [each.closed_at for each in alerts if each.customer is not None]
    return [each.state for each in schedules], [at is not None for at in ended]


async def test_with_a_customer_ends_what_would_go_on_by_itself(
    book: Book, ledger: Ledger, clock: ManualClock
) -> None:
    """What he was given stays until it expires, and nobody is told of it any more, or asked for payment."""
    customer = await watched(book)
    await later(book, customer, clock, 1)
    before = len(await told(book, clock))
    await ledger.apply(book.id, CloseCustomer(customer=customer))
    assert await states(book, customer) == ([ScheduleState.CANCELLED], [True, True])
    assert await told(book, clock, before) == [
        "close_customer",
        "cancel_schedule",
        "close_top_up",
        "close_alert",
    ]
    await later(book, customer, clock, 3)
    balance = await book.balance(customer)
    assert (balance.posted, balance.granted) == (0, 20)
    assert await told(book, clock, before + 4) == ["settle"]
    await ledger.apply(book.id, CloseCustomer(customer=customer))
    assert len(await told(book, clock, before)) == 5
    await verified(ledger)


async def test_a_customer_is_closed_as_he_was_by_then(
    book: Book, ledger: Ledger, clock: ManualClock
) -> None:
    """What fell due before he was closed is recorded as if it had been then."""
    customer = await watched(book)
    clock.instant = Instant(clock.instant + 2 * DAY)
    await ledger.apply(book.id, CloseCustomer(customer=customer))
    assert (await book.balance(customer)).granted == 30
    await verified(ledger)


async def test_two_processes_that_close_a_customer_at_once_close_him_once(
    database: Database, book: Book, ledger: Ledger, clock: ManualClock
) -> None:
    customer = await watched(book)
    clock.instant = Instant(clock.instant + 2 * DAY)
    before = len(await told(book, clock))
    other = open_ledger_on(await database.open(), clock)
    closing = [each.apply(book.id, CloseCustomer(customer=customer)) for each in (ledger, other)]
    await asyncio.gather(*closing, *closing_beside(book, customer), return_exceptions=True)
    kinds = await told(book, clock, before)
    for kind in ("close_customer", "cancel_schedule", "close_top_up", "close_alert"):
        assert kinds.count(kind) == 1
    assert kinds.count("cycle") + kinds.count("cycle!") == 2
    await verified(ledger)
    await other.close()


def closing_beside(book: Book, customer: str) -> list[Coroutine[Any, Any, Any]]:
    """What is asked while he is closed: it is done before that, or refused."""
    every = Every(CalendarUnit.DAY)
    schedule = CreateSchedule(customer=customer, entitlement=CREDITS, amount=Amount(1), every=every)
    return [book.debit(customer, 1, "one"), book.ledger.apply(book.id, schedule)]


async def test_nothing_begins_for_a_customer_whom_another_process_closes(
    database: Database, book: Book, ledger: Ledger, clock: ManualClock
) -> None:
    """It is there before he is closed, and ends with him; or it is refused."""
    other = open_ledger_on(await database.open(), clock)
    for _ in range(6):
        customer = await book.customer()
        begins = [
            CreateSchedule(
                customer=customer,
                entitlement=entitlement,
                amount=Amount(1),
                every=Every(CalendarUnit.DAY),
            )
            for entitlement in (CREDITS, "usd", "eur")
        ]
        asked = [other.apply(book.id, each) for each in begins]
        closing = ledger.apply(book.id, CloseCustomer(customer=customer))
        said = await asyncio.gather(asked[0], closing, *asked[1:], return_exceptions=True)
        refused = sum(isinstance(each, CustomerClosed) for each in said)
        assert refused == sum(isinstance(each, BaseException) for each in said)
        found, _ = await states(book, customer)
        assert found == [ScheduleState.CANCELLED] * (3 - refused)
    await verified(ledger)
    await other.close()


async def test_what_is_asked_in_the_batch_that_closes_a_customer_ends_or_is_refused(
    book: Book, ledger: Ledger
) -> None:
    customer = await watched(book)
    every = Every(CalendarUnit.DAY)
    asked = [
        CreateSchedule(customer=customer, entitlement=kind, amount=Amount(1), every=every)
        for kind in (CREDITS, "usd")
    ]
    said = await asyncio.gather(
        ledger.apply(book.id, asked[0]),
        ledger.apply(book.id, asked[1]),
        ledger.apply(book.id, CloseCustomer(customer=customer)),
        ledger.apply(book.id, asked[0]),
        return_exceptions=True,
    )
    assert [isinstance(each, CustomerClosed) for each in said] == [False, False, False, True]
    found, closed = await states(book, customer)
    assert found == [ScheduleState.CANCELLED] * 3
    assert all(closed)
    await verified(ledger)


async def test_while_an_entitlement_is_closed_time_goes_on_and_nobody_is_told(
    book: Book, ledger: Ledger, clock: ManualClock
) -> None:
    """Reopened, it is as if it had never been closed."""
    customer = await watched(book)
    before = len(await told(book, clock))
    await ledger.apply(book.id, CloseEntitlement(entitlement=CREDITS))
    await later(book, customer, clock, 3)
    assert await told(book, clock, before) == ["close_entitlement", "cycle", "cycle", "cycle"]
    await ledger.apply(book.id, ReopenEntitlement(entitlement=CREDITS))
    assert await states(book, customer) == ([ScheduleState.ACTIVE], [False, False])
    balance = await book.balance(customer)
    assert (balance.posted, balance.granted) == (10, 40)
    before = len(await told(book, clock))
    await book.debit(customer, 7)
    assert await told(book, clock, before) == ["debit!", "request_top_up"]
    await verified(ledger)
