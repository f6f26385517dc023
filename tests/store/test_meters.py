"""Meters that are renamed, closed and opened again: on every kind of database, and for every ledger on it."""

from __future__ import annotations

import msgspec
import pytest

from drawdown.core.amounts import Amount
from drawdown.core.commands import (
    AmendMeter,
    CloseMeter,
    CreateMeter,
    CreateRate,
    RecordUsage,
    ReopenMeter,
)
from drawdown.core.errors import MeterNotFound, RateNotFound, TooManyMeters
from drawdown.core.types import MICROSECONDS, Id, Instant
from drawdown.core.usage.meters import Aggregation, Measure
from drawdown.core.usage.rating import PerUnit
from drawdown.core.usage.records import METERS_MAX
from drawdown.engine.clocks import ManualClock
from drawdown.engine.ledger import Ledger
from drawdown.engine.positions import BEGINNING
from tests.support.books import CREDITS, Book, open_book, verified
from tests.support.stores import Database, opened

pytestmark = pytest.mark.anyio

CALLS = Measure(event_name="call", aggregation=Aggregation.COUNT)


async def use(book: Book, customer: str, own_id: str) -> int:
    """What it drew."""
    command = RecordUsage(customer=customer, own_id=own_id, name="call")
    event = (await book.ledger.apply(book.id, command)).event
    assert event is not None
    return sum(charge.drawn for charge in event.charges)


async def test_what_was_used_while_a_meter_was_closed_stays_uncounted(ledger: Ledger) -> None:
    book = await open_book(ledger)
    customer = await book.customer()
    await book.grant(customer, 10)
    await ledger.apply(book.id, CreateMeter(code="calls", measure=CALLS))
    rate = CreateRate(meter="calls", entitlement=CREDITS, price=PerUnit(price=Amount(1)))
    await ledger.apply(book.id, rate)
    assert await use(book, customer, "1") == 1
    await ledger.apply(book.id, CloseMeter(meter="calls"))
    assert await use(book, customer, "2") == 0
    await ledger.apply(book.id, ReopenMeter(meter="calls"))
    assert await use(book, customer, "3") == 1
    assert (await book.balance(customer)).posted == 8
    await verified(ledger)


async def test_what_a_meter_is_called_is_kept_and_what_it_counts_stays(
    database: Database, ledger: Ledger, clock: ManualClock
) -> None:
    book = await open_book(ledger)
    made = CreateMeter(code="calls", measure=CALLS, profiles={"a": {"x": 1}, "b": {"y": 2}})
    first = (await ledger.apply(book.id, made)).meter
    assert first is not None
    assert (first.name, first.updated_at) == ("calls", first.created_at)
    clock.instant = Instant(clock.instant + MICROSECONDS)
    amended = AmendMeter(meter="calls", name="Calls", profiles={"a": {"x": 3}})
    meter = (await ledger.apply(book.id, amended)).meter
    assert meter is not None
    assert meter.updated_at > first.updated_at
    assert (meter.name, meter.profiles) == ("Calls", {"a": {"x": 3}, "b": {"y": 2}})
    assert (meter.measure, meter.id, meter.code) == (CALLS, first.id, "calls")
    clock.instant = Instant(clock.instant + MICROSECONDS)
    assert (await ledger.apply(book.id, amended)).meter == meter
    async with opened(database) as store:
        assert (await store.find_catalog(book.id)).meters[first.id] == meter


async def test_a_meter_must_be_there_to_be_changed(ledger: Ledger) -> None:
    book = await open_book(ledger)
    for command in (ReopenMeter(meter="nothing"), AmendMeter(meter=Id(bytes(16)), name="x")):
        with pytest.raises(MeterNotFound):
            await ledger.apply(book.id, command)


async def test_only_so_many_meters_are_open_however_they_came_to_be(ledger: Ledger) -> None:
    book = await open_book(ledger)
    for number in range(METERS_MAX):
        await ledger.apply(book.id, CreateMeter(code=f"m-{number}", measure=CALLS))
    await ledger.apply(book.id, CloseMeter(meter="m-0"))
    await ledger.apply(book.id, CreateMeter(code="one-more", measure=CALLS))
    with pytest.raises(TooManyMeters):
        await ledger.apply(book.id, ReopenMeter(meter="m-0"))
    await ledger.apply(book.id, CloseMeter(meter="m-1"))
    reopened = (await ledger.apply(book.id, ReopenMeter(meter="m-0"))).meter
    assert reopened is not None
    assert reopened.closed_at is None


async def test_a_meter_for_which_there_was_no_room_leaves_its_code_free(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    book = await open_book(ledger)
    asked = CreateMeter(code="calls", measure=CALLS)
    with monkeypatch.context() as full:
        full.setattr("drawdown.core.usage.catalog.METERS_MAX", 0)
        with pytest.raises(TooManyMeters):
            await ledger.apply(book.id, asked)
    meter = (await ledger.apply(book.id, asked)).meter
    assert meter is not None
    assert meter.code == "calls"


async def test_a_meter_that_takes_the_place_of_an_open_one_has_room(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    """For each that is open there may be one: the old one is closed next."""
    monkeypatch.setattr("drawdown.core.usage.catalog.METERS_MAX", 2)
    book = await open_book(ledger)
    old = [await made(book, f"old-{number}") for number in range(2)]
    for number, each in enumerate(old):
        await made(book, f"new-{number}", replaces=each)
    with pytest.raises(TooManyMeters):
        await made(book, "more", replaces=old[0])
    await ledger.apply(book.id, CloseMeter(meter=old[0]))
    with pytest.raises(TooManyMeters):
        await made(book, "more", replaces=old[0])
    with pytest.raises(MeterNotFound):
        await made(book, "more", replaces=Id(bytes(16)))


async def made(book: Book, code: str, replaces: Id | None = None) -> Id:
    asked = CreateMeter(code=code, measure=CALLS, replaces=replaces)
    meter = (await book.ledger.apply(book.id, asked)).meter
    assert meter is not None
    return meter.id


async def test_a_rate_ends_those_in_whose_place_it_is(
    database: Database, ledger: Ledger, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At one instant, and each is told as if it had been closed by itself; where it is refused they go on."""
    monkeypatch.setattr("drawdown.core.usage.catalog.RATES_MAX", 2)
    book = await open_book(ledger)
    await made(book, "calls")
    asked = CreateRate(meter="calls", entitlement=CREDITS, price=PerUnit(price=Amount(1)))
    old = [(await ledger.apply(book.id, asked)).rate for _ in range(2)]
    both = tuple(each.id for each in old if each is not None)
    clock.instant = Instant(clock.instant + MICROSECONDS)
    for refused, replaces in ((TooManyMeters, ()), (RateNotFound, (both[0], Id(bytes(16))))):
        with pytest.raises(refused):
            await ledger.apply(book.id, msgspec.structs.replace(asked, replaces=replaces))
    new = (await ledger.apply(book.id, msgspec.structs.replace(asked, replaces=both))).rate
    assert new is not None
    async with opened(database) as store:
        rates = (await store.find_catalog(book.id)).rates
    assert {name: each.closed_at for name, each in rates.items()} == {
        **dict.fromkeys(both, new.created_at),
        new.id: None,
    }
    page = await ledger.recorded(BEGINNING, book=book.id, limit=100)
    told = [each.operation for each in page.found if each.operation.kind == "close_rate"]
    assert len(told) == len(both)
    assert {each.subject for each in told} == set(both)
    await verified(ledger)
