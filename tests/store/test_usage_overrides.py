"""Overrides of usage on a real store: kept whole, by several ledgers at once, and as `verify` counts them."""

from __future__ import annotations

import asyncio
from random import Random

import msgspec
import pytest

from drawdown.core.amounts import Amount
from drawdown.core.commands import (
    AttachRate,
    CloseRate,
    CreateMeter,
    CreateRate,
    DetachRate,
    RecordUsage,
    ReverseDebit,
)
from drawdown.core.errors import EventReused, TooManyEvents
from drawdown.core.types import Id, Instant
from drawdown.core.usage.meters import Aggregation, Measure
from drawdown.core.usage.rating import PerUnit
from drawdown.core.usage.records import Customers, Event
from drawdown.engine.clocks import ManualClock
from drawdown.engine.ledger import Ledger
from tests.support.books import CREDITS, SECOND, Book, open_book, open_ledger_on, verified
from tests.support.stores import Database

pytestmark = pytest.mark.anyio


async def metered(book: Book, *aggregations: str, free: int = 0) -> None:
    """A rate of half a credit for each of some meters, of the property ``n``."""
    for name in aggregations:
        measure = Measure(event_name="call", aggregation=Aggregation(name), property="n")
        await book.ledger.apply(book.id, CreateMeter(code=name, measure=measure))
        price = PerUnit(price=Amount(5, 1), free=Amount(free))
        await book.ledger.apply(book.id, CreateRate(meter=name, entitlement=CREDITS, price=price))


async def use(book: Book, customer: str, own_id: str, size: int) -> Event:
    command = RecordUsage(
        customer=customer,
        own_id=own_id,
        name="call",
        properties={"n": Amount(size)},
        override=True,
    )
    event = (await book.ledger.apply(book.id, command)).event
    assert event is not None
    return event


async def charged(book: Book, customer: str) -> int:
    events = await book.ledger.usage_events(book.id, customer=customer, limit=100)
    return sum(charge.drawn for event in events for charge in event.charges)


async def test_what_was_overridden_since_it_was_read_is_not_overridden(ledger: Ledger) -> None:
    """Who names the revision that was read is told; the same again is no override."""
    book = await open_book(ledger)
    await metered(book, "sum")
    ada = await book.customer()
    await book.grant(ada, 100)
    read = await use(book, ada, "event", 10)
    await use(book, ada, "event", 20)
    late = RecordUsage(
        customer=ada, own_id="event", name="call", properties={"n": Amount(30)}, override=True
    )
    with pytest.raises(EventReused):
        await ledger.apply(book.id, msgspec.structs.replace(late, revision=read.revision))
    assert await charged(book, ada) == 10
    same = msgspec.structs.replace(late, properties={"n": Amount(20)}, revision=read.revision)
    found = (await ledger.apply(book.id, same)).event
    assert found is not None
    assert found.revision == 1
    await ledger.apply(book.id, msgspec.structs.replace(late, revision=1))
    assert await charged(book, ada) == 15


async def test_overrides_at_once_by_two_ledgers_leave_one_truth(
    database: Database, clock: ManualClock
) -> None:
    """Whichever comes first: what all events are charged is what was drawn, and all of it adds up."""
    ledgers = [open_ledger_on(await database.open(), clock) for _ in range(2)]
    first = await open_book(ledgers[0])
    books = [first, Book(ledgers[1], first.id)]
    customer = await first.customer()
    await first.grant(customer, 1_000)
    await metered(first, "sum", "max", "last")
    chance = Random(5)
    asked = [
        use(books[turn % 2], customer, f"e{chance.randrange(4)}", chance.randrange(20))
        for turn in range(48)
    ]
    await asyncio.gather(*asked)
    assert await charged(first, customer) == (await first.balance(customer)).used
    await verified(ledgers[0])
    for ledger in ledgers:
        await ledger.close()


async def test_an_overridden_event_is_kept_whole(ledger: Ledger) -> None:
    book = await open_book(ledger)
    customer = await book.customer()
    await book.grant(customer, 100)
    await metered(book, "sum")
    first = await use(book, customer, "e1", 8)
    again = await use(book, customer, "e1", 6)
    assert again.id == first.id
    assert again.overridden_by not in (None, first.id)
    assert await ledger.usage_event(book.id, "e1") == again
    assert await charged(book, customer) == 3
    await verified(ledger)


async def test_what_another_event_is_charged_less_is_kept(ledger: Ledger) -> None:
    """It had paid for what is free for it now; an operator had returned a part of that by hand."""
    book = await open_book(ledger)
    customer = await book.customer()
    await book.grant(customer, 100)
    await metered(book, "sum", free=10)
    await use(book, customer, "e1", 10)
    other = await use(book, customer, "e2", 16)
    await ledger.apply(book.id, ReverseDebit(debit=Id(other.drawn_by), amount=Amount(2)))
    assert (await book.balance(customer)).used == 6
    await use(book, customer, "e1", 5)
    [charge] = (await ledger.usage_event(book.id, "e2")).charges
    assert (charge.amount, charge.drawn) == (5, 5)
    assert (await book.balance(customer)).used == 3
    await verified(ledger)


async def test_a_rate_counts_no_override_of_what_was_taken_before_it(
    ledger: Ledger, clock: ManualClock
) -> None:
    """As if the event had said so from the beginning: by whom it was counted then, and by no other."""
    book = await open_book(ledger)
    await metered(book, "sum")
    ada = await book.customer()
    await book.grant(ada, 100)
    await use(book, ada, "event", 10)
    clock.instant = Instant(clock.instant + SECOND)
    [old] = (await ledger.catalog(book.id)).rates.values()
    await ledger.apply(book.id, CloseRate(rate=old.id))
    price = PerUnit(price=Amount(1))
    await ledger.apply(book.id, CreateRate(meter="sum", entitlement=CREDITS, price=price))
    clock.instant = Instant(clock.instant + SECOND)
    await use(book, ada, "event", 20)
    assert await charged(book, ada) == 10
    await use(book, ada, "later", 20)
    assert await charged(book, ada) == 30
    await verified(ledger)


async def test_an_override_that_needs_more_events_than_are_looked_at_is_refused(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in ("sqlite", "postgres"):
        monkeypatch.setattr(f"drawdown.store.{module}.usage.LATEST_MAX", 3)
    book = await open_book(ledger)
    customer = await book.customer()
    await book.grant(customer, 100)
    await metered(book, "max")
    for number in range(6):
        await use(book, customer, f"e{number}", 20 - number)
    with pytest.raises(TooManyEvents):
        await use(book, customer, "e0", 1)
    assert (await book.balance(customer)).used == 10
    assert (await use(book, customer, "e5", 3)).charges[0].drawn == 0


async def test_whom_a_rate_is_attached_to_is_kept(ledger: Ledger) -> None:
    book = await open_book(ledger)
    customer = await book.customer()
    await book.grant(customer, 100)
    await metered(book, "sum")
    asked = CreateRate(
        meter="sum",
        entitlement=CREDITS,
        price=PerUnit(price=Amount(1)),
        customers=Customers.ATTACHED,
    )
    rate = (await ledger.apply(book.id, asked)).rate
    assert rate is not None
    await ledger.apply(book.id, AttachRate(rate=rate.id, customer=customer))
    assert rate in await ledger.rates(book.id, customer)
    assert len((await use(book, customer, "e1", 4)).charges) == 2
    await ledger.apply(book.id, DetachRate(rate=rate.id, customer=customer))
    assert rate not in await ledger.rates(book.id, customer)
    assert len((await use(book, customer, "e2", 4)).charges) == 1
    assert len((await use(book, customer, "e1", 6)).charges) == 2
    await verified(ledger)
