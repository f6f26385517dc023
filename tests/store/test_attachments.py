"""For when a rate charges a customer: stretches of time, under names, by the time of the use."""

from __future__ import annotations

import pytest

from drawdown.core.amounts import Amount
from drawdown.core.commands import AttachRate, CreateMeter, CreateRate, DetachRate, RecordUsage
from drawdown.core.errors import FieldInvalid, TooManyMeters
from drawdown.core.types import DAY, Id, Instant
from drawdown.core.usage import catalog
from drawdown.core.usage.meters import Aggregation, Measure
from drawdown.core.usage.rating import PerUnit
from drawdown.core.usage.records import Customers
from drawdown.engine.clocks import ManualClock
from drawdown.engine.ledger import Ledger
from tests.support.books import CREDITS, Book, open_book, verified

pytestmark = pytest.mark.anyio


async def attachable(book: Book, code: str = "calls") -> Id:
    """A rate of one credit for each call, for those whom it is attached to."""
    measure = Measure(event_name="call", aggregation=Aggregation.COUNT)
    await book.ledger.apply(book.id, CreateMeter(code=code, measure=measure))
    asked = CreateRate(
        meter=code,
        entitlement=CREDITS,
        price=PerUnit(price=Amount(1)),
        customers=Customers.ATTACHED,
    )
    rate = (await book.ledger.apply(book.id, asked)).rate
    assert rate is not None
    return rate.id


async def charges(book: Book, customer: str, own_id: str, time: Instant | None = None) -> int:
    command = RecordUsage(customer=customer, own_id=own_id, name="call", time=time)
    event = (await book.ledger.apply(book.id, command)).event
    assert event is not None
    return len(event.charges)


async def test_usage_is_charged_by_the_stretch_that_covers_its_time(
    ledger: Ledger, clock: ManualClock
) -> None:
    book = await open_book(ledger)
    customer = await book.customer()
    await book.grant(customer, 100)
    rate, begins = await attachable(book), Instant(clock.now() + DAY)
    ends = Instant(begins + DAY)
    asked = AttachRate(rate=rate, customer=customer, name="a", starts_at=begins, ends_at=ends)
    await ledger.apply(book.id, asked)
    assert await ledger.rates(book.id, customer) == []
    assert await charges(book, customer, "before") == 0
    clock.instant = begins
    assert [each.id for each in await ledger.rates(book.id, customer)] == [rate]
    assert await charges(book, customer, "first") == 1
    clock.instant = ends
    assert await ledger.rates(book.id, customer) == []
    assert await charges(book, customer, "last instant", Instant(ends - 1)) == 1
    assert await charges(book, customer, "end") == 0
    assert (await book.balance(customer)).used == 2
    await verified(ledger)


async def test_under_several_names_usage_is_charged_once_while_one_stretch_lasts(
    ledger: Ledger, clock: ManualClock
) -> None:
    book = await open_book(ledger)
    customer = await book.customer()
    await book.grant(customer, 100)
    rate = await attachable(book)
    ends = Instant(clock.now() + DAY)
    await ledger.apply(book.id, AttachRate(rate=rate, customer=customer, name="a"))
    await ledger.apply(book.id, AttachRate(rate=rate, customer=customer, name="b", ends_at=ends))
    assert await charges(book, customer, "e1") == 1
    await ledger.apply(book.id, DetachRate(rate=rate, customer=customer, name="a"))
    assert await charges(book, customer, "e2") == 1
    clock.instant = ends
    assert await charges(book, customer, "e3") == 0
    await ledger.apply(book.id, AttachRate(rate=rate, customer=customer, name="b"))
    assert await charges(book, customer, "e4") == 1
    await ledger.apply(book.id, DetachRate(rate=rate, customer=customer))
    assert await charges(book, customer, "e5") == 1
    await verified(ledger)


async def test_a_stretch_cannot_end_before_it_begins_and_there_are_so_many(
    ledger: Ledger, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(catalog, "ATTACHMENTS_MAX", 1)
    book = await open_book(ledger)
    customer = await book.customer()
    rate, now = await attachable(book), clock.now()
    before = Instant(now - 1)
    backward = AttachRate(rate=rate, customer=customer, starts_at=now, ends_at=before)
    with pytest.raises(FieldInvalid):
        await ledger.apply(book.id, backward)
    await ledger.apply(book.id, AttachRate(rate=rate, customer=customer, name="a"))
    await ledger.apply(book.id, AttachRate(rate=rate, customer=customer, name="a", ends_at=now))
    with pytest.raises(TooManyMeters):
        await ledger.apply(book.id, AttachRate(rate=rate, customer=customer))
