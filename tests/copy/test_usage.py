"""Usage goes along with a copy: meters, rates, events, and what is counted of them."""

from __future__ import annotations

from pathlib import Path

import pytest

from drawdown.core.amounts import Amount
from drawdown.core.commands import (
    AttachRate,
    CreateCustomer,
    CreateEntitlement,
    CreateMeter,
    CreateRate,
    IssueGrant,
    RecordUsage,
)
from drawdown.core.types import DAY, Id, Instant, Mode
from drawdown.core.usage.meters import Aggregation, Measure
from drawdown.core.usage.rating import PerUnit
from drawdown.core.usage.records import Customers
from drawdown.engine.clocks import ManualClock
from drawdown.engine.ledger import Ledger
from drawdown.opening import open_store
from drawdown.store.copier import open_copier
from tests.support.books import START, open_ledger_on
from tests.support.commands import sqlite_url

pytestmark = pytest.mark.anyio

MEASURES = {
    "tokens": Measure(event_name="call", aggregation=Aggregation.SUM, property="tokens"),
    "users": Measure(event_name="call", aggregation=Aggregation.UNIQUE, property="user"),
}


async def made(ledger: Ledger) -> Id:
    account = await ledger.accounts.create_account("account")
    book = await ledger.accounts.book(account.id, Mode.TEST)
    await ledger.apply(book, CreateCustomer(own_id="ann"))
    await ledger.apply(book, CreateEntitlement(code="credits", unit="credit", scale=0))
    for code, measure in MEASURES.items():
        await ledger.apply(book, CreateMeter(code=code, measure=measure))
        price = PerUnit(price=Amount(5, 1))
        await ledger.apply(book, CreateRate(meter=code, entitlement="credits", price=price))
    own = CreateRate(
        meter="tokens",
        entitlement="credits",
        price=PerUnit(price=Amount(1)),
        customers=Customers.ATTACHED,
    )
    rate = (await ledger.apply(book, own)).rate
    assert rate is not None
    until = Instant(START + DAY)
    for name, ends_at in (("", None), ("plan", until), ("trial", START)):
        attached = AttachRate(rate=rate.id, customer="ann", name=name, ends_at=ends_at)
        await ledger.apply(book, attached)
    await ledger.apply(book, IssueGrant(customer="ann", entitlement="credits", amount=Amount(100)))
    return book


async def used(ledger: Ledger, book: Id, *numbers: int) -> list[int]:
    """How much each event draws by each rate, of 3 tokens and a user of its own."""
    drawn = []
    for number in numbers:
        command = RecordUsage(
            customer="ann",
            own_id=f"e{number}",
            name="call",
            properties={"tokens": Amount(3), "user": f"u{number}"},
        )
        event = (await ledger.apply(book, command)).event
        assert event is not None
        drawn += [charge.drawn for charge in event.charges]
    return drawn


async def test_a_copy_goes_on_counting_where_the_source_left_off(path: Path, target: str) -> None:
    """What was carried of a unit, and which values were seen, is not lost; nothing is taken twice."""
    ledger = open_ledger_on(await open_store(sqlite_url(path)), ManualClock(START))
    book = await made(ledger)
    assert await used(ledger, book, 1) == [1, 0, 3]
    async with open_copier(path, target, lambda table, rows: None, begin=True) as copier:
        await copier.catch_up()
        assert await used(ledger, book, 2) == [2, 1, 3]
        await ledger.close()
        with copier.fenced():
            told = await copier.finish()
            assert told.fault is None
            assert (await copier.compare()).fault is None
            await copier.seal()
    assert told.tables["usage_event"] == (2, 2)
    assert told.tables["usage_value"] == (2, 2)
    assert told.tables["rate_customer"] == (3, 3)
    copy = open_ledger_on(await open_store(target), ManualClock(START))
    ann = (await copy.customer(book, "ann")).id
    kept = {(each.name, each.ends_at) for each in await copy.store.customer_rates(ann)}
    assert kept == {("", None), ("plan", START + DAY), ("trial", START)}
    assert await used(copy, book, 2, 3, 2) == [2, 1, 3, 1, 0, 3, 2, 1, 3]
    assert len(await copy.usage_events(book, limit=10)) == 3
    await copy.close()
