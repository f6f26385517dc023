"""Alerts on what is used by a meter, on a real store: kept whole, told once, whoever is asked."""

from __future__ import annotations

import asyncio

import msgspec
import pytest

from drawdown.core.amounts import Amount
from drawdown.core.commands import CloseAlert, CreateMeter, CreateUsageAlert, RecordUsage
from drawdown.core.errors import TooManyAlerts
from drawdown.core.fold import Fault
from drawdown.core.types import Alert, AlertKind, AlertRule, Instant
from drawdown.core.usage.meters import Aggregation, Measure
from drawdown.core.usage.quantities import ONE
from drawdown.core.watching.crossings import HEARD_WITHIN
from drawdown.core.watching.usage_crossings import Reached
from drawdown.engine.clocks import ManualClock
from drawdown.engine.ledger import Ledger
from drawdown.engine.positions import BEGINNING
from tests.support.books import SECOND, Book, open_book, open_ledger_on, verified
from tests.support.stores import Database, tamper

pytestmark = pytest.mark.anyio


class _Changed(msgspec.Struct):
    reached: tuple[list[Reached], list[Reached]] = ([], [])


async def metered(book: Book, aggregation: Aggregation = Aggregation.SUM) -> None:
    counts = aggregation is Aggregation.COUNT
    measure = Measure(event_name="call", aggregation=aggregation, property=None if counts else "n")
    await book.ledger.apply(book.id, CreateMeter(code="calls", measure=measure))


async def alert(book: Book, amount: int, customer: str | None = None) -> Alert:
    command = CreateUsageAlert(meter="calls", amount=Amount(amount), customer=customer)
    made = (await book.ledger.apply(book.id, command)).alert
    assert made is not None
    return made


async def use(book: Book, customer: str, own_id: str, size: int, name: str = "call") -> None:
    command = RecordUsage(
        customer=customer,
        own_id=own_id,
        name=name,
        properties={"n": Amount(size)},
        override=name != "call",
    )
    await book.ledger.apply(book.id, command)


async def told(book: Book, clock: ManualClock) -> list[Reached]:
    """What the feed tells of alerts on use, in its order."""
    clock.instant = Instant(clock.instant + 3 * SECOND)
    page = await book.ledger.feed(BEGINNING, books=frozenset({book.id}), limit=1_000)
    assert not page.more
    return [
        each
        for recorded in page.found
        if recorded.operation.changed
        for each in msgspec.json.decode(recorded.operation.changed, type=_Changed).reached[1]
    ]


async def test_an_alert_is_kept_whole(ledger: Ledger) -> None:
    book = await open_book(ledger)
    customer = await book.customer()
    await metered(book)
    made, for_all = await alert(book, 10, customer), await alert(book, 20)
    meter = await ledger.meter(book.id, "calls")
    kind = AlertKind.METERED_ABOVE
    assert made.rule == AlertRule(alert=made.id, kind=kind, amount=10 * ONE)
    assert (made.meter, made.entitlement) == (meter.id, None)
    assert meter.watch is not None
    assert meter.watch.rules == (for_all.rule,)
    assert await ledger.alert(book.id, made.id) == made
    assert await ledger.alerts(book.id, meter="calls", limit=5) == [for_all, made]
    assert await ledger.alerts(book.id, customer=customer, limit=5) == [made]
    for each in (made, for_all):
        closed = (await ledger.apply(book.id, CloseAlert(alert=each.id))).alert
        assert closed is not None
        assert closed.closed_at is not None
        assert await ledger.alert(book.id, each.id) == closed
    assert await ledger.alerts(book.id, meter="calls", live=True, limit=5) == []
    meter = await ledger.meter(book.id, "calls")
    assert meter.watch is not None
    assert meter.watch.rules == ()
    await verified(ledger)


@pytest.mark.parametrize("aggregation", [Aggregation.SUM, Aggregation.COUNT, Aggregation.LAST])
async def test_it_tells_once_of_each_customer_in_the_operation_that_reaches_the_line(
    ledger: Ledger, clock: ManualClock, aggregation: Aggregation
) -> None:
    """What was used before counts, what is cancelled no more."""
    book = await open_book(ledger)
    ada, bob = await book.customer(), await book.customer()
    await metered(book, aggregation)
    await use(book, ada, "a1", 1)
    for_all, own = await alert(book, 3), await alert(book, 4, ada)
    await use(book, ada, "a2", 1)
    await use(book, ada, "a2", 1, "cancelled")
    assert await told(book, clock) == []
    clock.instant = Instant(clock.instant + HEARD_WITHIN)
    for number, size in enumerate((1, 3, 5, 9)):
        await use(book, ada, f"a{3 + number}", size)
        await use(book, bob, f"b{number}", size)
    lines = {for_all.id: "all", own.id: "own"}
    found = [(lines[each.alert], each.used // ONE) for each in await told(book, clock)]
    expected = {
        Aggregation.SUM: [("all", 5), ("own", 5), ("all", 4)],
        Aggregation.COUNT: [("all", 3), ("own", 4), ("all", 3)],
        Aggregation.LAST: [("all", 3), ("all", 3), ("own", 5)],
    }[aggregation]
    assert sorted(found) == sorted(expected)
    await verified(ledger)


async def test_two_ledgers_tell_once_of_usage_that_comes_to_both(
    database: Database, clock: ManualClock
) -> None:
    """Also of the first, before anything is kept of a customer's use."""
    ledgers = [open_ledger_on(await database.open(), clock) for _ in range(2)]
    first = await open_book(ledgers[0])
    books = [first, Book(ledgers[1], first.id)]
    customers = [await first.customer() for _ in range(3)]
    await metered(first)
    lines = {(await alert(first, line)).id: line for line in (1, 7, 20)}
    await asyncio.gather(
        *(
            use(books[number % 2], customer, f"{customer}:{number}", 1)
            for number in range(20)
            for customer in customers
        )
    )
    found = [(lines[each.alert], each.used // ONE) for each in await told(first, clock)]
    assert sorted(found) == [(1, 1)] * 3 + [(7, 7)] * 3 + [(20, 20)] * 3
    for ledger in ledgers:
        await ledger.close()


async def test_alerts_made_at_once_by_two_ledgers_are_all_there(
    database: Database, clock: ManualClock
) -> None:
    """And no more of them than there may be."""
    ledgers = [open_ledger_on(await database.open(), clock) for _ in range(2)]
    first = await open_book(ledgers[0])
    books = [first, Book(ledgers[1], first.id)]
    customer = await first.customer()
    await metered(first)
    for owner in (None, customer):
        outcomes = await asyncio.gather(
            *(alert(books[number % 2], 100 + number, owner) for number in range(30)),
            return_exceptions=True,
        )
        refused = [each for each in outcomes if isinstance(each, TooManyAlerts)]
        assert (len(refused), len(outcomes)) == (5, 30)
    assert len(await first.ledger.alerts(first.id, meter="calls", limit=100)) == 50
    await use(first, customer, "e1", 500)
    assert len(await told(first, clock)) == 50
    for ledger in ledgers:
        await ledger.close()


@pytest.mark.parametrize("aggregation", [Aggregation.SUM, Aggregation.LAST])
async def test_verify_counts_what_is_kept_of_a_watched_meter_again(
    database: Database, clock: ManualClock, aggregation: Aggregation
) -> None:
    """Once it is sure that nothing was on its way when it was counted."""
    ledger = open_ledger_on(await database.open(), clock)
    book = await open_book(ledger)
    customer = await book.customer()
    await metered(book, aggregation)
    await alert(book, 10)
    clock.instant = Instant(clock.instant + HEARD_WITHIN)
    for number in range(4):
        await use(book, customer, f"e{number}", 2)
    await use(book, customer, "e1", 2, "cancelled")
    await verified(ledger)
    await tamper(database.url, "UPDATE usage_event SET name = 'other' WHERE own_id = 'e3'")
    with pytest.raises(Fault, match="use of meter calls"):
        await verified(ledger)
    await ledger.close()
