"""`verify` counts all usage again from the events that are kept, on every store."""

from __future__ import annotations

import pytest

from drawdown.core.amounts import Amount
from drawdown.core.commands import (
    AskedOverage,
    CreateEntitlement,
    CreateMeter,
    CreateRate,
    RecordUsage,
)
from drawdown.core.fold import Fault
from drawdown.core.schedules.calendar import CalendarUnit
from drawdown.core.types import DAY, Instant, OverageMode, Shortfall
from drawdown.core.usage.meters import Aggregation, Measure
from drawdown.core.usage.properties import Properties
from drawdown.core.usage.rating import PerUnit, Price, Table, Tier, Volume
from drawdown.core.usage.records import Debits, Period
from drawdown.engine.clocks import ManualClock
from drawdown.engine.ledger import Ledger
from tests.support.books import HOUR, START, Book, open_book, open_ledger_on, verified
from tests.support.stores import Database, tamper

pytestmark = pytest.mark.anyio

MEASURES = {
    "calls": Measure(event_name="call", aggregation=Aggregation.COUNT, group_by=("model",)),
    "tokens": Measure(event_name="call", aggregation=Aggregation.SUM, property="tokens"),
    "peak": Measure(event_name="call", aggregation=Aggregation.MAX, property="tokens"),
    "seats": Measure(event_name="call", aggregation=Aggregation.LAST, property="tokens"),
    "users": Measure(event_name="call", aggregation=Aggregation.UNIQUE, property="user"),
}
VOLUME = Volume(tiers=(Tier(up_to=Amount(20), price=Amount(2)), Tier(up_to=None, price=Amount(1))))
PRICES: dict[str, Price | Table] = {
    "calls": Table(
        attribute="model",
        prices={"large": PerUnit(price=Amount(2))},
        default=PerUnit(price=Amount(1)),
    ),
    "tokens": VOLUME,
    "peak": PerUnit(price=Amount(3, 1)),
    "seats": PerUnit(price=Amount(1)),
    "users": PerUnit(price=Amount(5)),
}
#: What is done to the database, and what the fault must speak of.
TAMPERINGS = {
    "DELETE FROM usage_event WHERE own_id = 'e3'": "usage by|values|count",
    "UPDATE usage_event SET properties = replace(properties, '\"7\"', '\"8\"')": "meter tokens",
    "UPDATE usage_event SET properties = replace(properties, 'user1', 'user0')": "users|values",
    "UPDATE usage_event SET time = time + 100 * 86400000000 WHERE own_id = 'e3'": "otherwise",
    "UPDATE usage_count SET period = period + 1": "periods",
    "UPDATE usage_event SET properties = '{}' WHERE own_id = 'e3'": "otherwise",
    "UPDATE usage_event SET properties = replace(properties, '\"3\"', '\"x\"')": "e4.* cannot be counted",
    "UPDATE usage_event SET properties = '{' WHERE own_id = 'e3'": "cannot be read",
    "UPDATE usage_count SET tally = replace(tally, '[', '[1')": "the count is",
    "UPDATE usage_count SET tally = 'x'": "cannot be read",
    "UPDATE usage_count SET charged = charged + 1": "charged is",
    "UPDATE usage_count SET charged = charged - 1 WHERE charged > 0": "charged is",
    "UPDATE usage_value SET events = events + 1": "values",
    "DELETE FROM usage_value": "values",
    "DELETE FROM usage_count": "periods",
    "DELETE FROM usage_event": "without usage",
    "DELETE FROM rate": "a rate that is not there",
    "UPDATE usage_event SET charges = replace(charges, ',20,20,0,', ',20,19,0,')": "other entries than",
    "UPDATE usage_event SET charges = replace(charges, ',20,20,0,', ',20,20,1,')": "other entries than",
    "UPDATE usage_event SET charges = replace(charges, ',20,20,0,', ',19,20,0,')": "events were charged",
    "UPDATE usage_event SET charges = '[]' WHERE own_id = 'e3'": "count|values",
}


async def metered(book: Book) -> None:
    await book.ledger.apply(
        book.id,
        CreateEntitlement(
            code="fuel",
            unit="l",
            scale=1,
            overage=AskedOverage(mode=OverageMode.UNLIMITED),
            shortfall=Shortfall.OVERAGE,
            late_usage_grace=2 * DAY,
        ),
    )
    for code, measure in MEASURES.items():
        await book.ledger.apply(book.id, CreateMeter(code=code, measure=measure))
        period = Period(unit=None) if code == "seats" else Period(unit=CalendarUnit.MONTH)
        asked = CreateRate(meter=code, entitlement="fuel", price=PRICES[code], period=period)
        await book.ledger.apply(book.id, asked)
    invoiced = CreateMeter(code="billed", measure=MEASURES["calls"], debits=Debits.ON_INVOICE)
    await book.ledger.apply(book.id, invoiced)
    asked = CreateRate(meter="billed", entitlement="fuel", price=PRICES["calls"])
    await book.ledger.apply(book.id, asked)


async def busy(database: Database) -> Ledger:
    """Two customers' usage by every kind of meter: paid, late, beyond credit, and taken back."""
    clock = ManualClock(START)
    ledger = open_ledger_on(await database.open(), clock)
    book = await open_book(ledger)
    await metered(book)
    for name in ("ada", "grace"):
        await book.customer(name)
        await book.grant(name, 30, "fuel", expires_at=Instant(START + HOUR))
        await book.grant(name, 60, "fuel")
    for number, tokens in enumerate((5, 1, 7, 12, 3, -4)):
        clock.instant = Instant(clock.instant + HOUR)
        for name in ("ada", "grace"):
            time = Instant(clock.instant - number % 2 * HOUR * 2)
            properties: Properties = {
                "tokens": str(tokens),
                "user": f"user{number % 3}",
                "model": ("large", "small")[number % 2],
            }
            await book.ledger.apply(book.id, usage(name, number, time, properties))
    corrected: Properties = {"tokens": "2", "user": "user4", "model": "small"}
    override = usage("grace", 2, Instant(START + HOUR), corrected, override=True)
    await ledger.apply(book.id, override)
    return ledger


def usage(
    customer: str, number: int, time: Instant, properties: Properties, *, override: bool = False
) -> RecordUsage:
    own_id = f"e{number}" + ("" if customer == "ada" else customer)
    return RecordUsage(
        customer=customer,
        own_id=own_id,
        name="call",
        time=time,
        properties=properties,
        override=override,
    )


async def test_usage_that_nobody_touched_is_in_order(database: Database) -> None:
    ledger = await busy(database)
    assert (await verified(ledger)).events == 12
    await ledger.close()


@pytest.mark.parametrize("tampering", TAMPERINGS)
async def test_a_change_behind_its_back_is_found(database: Database, tampering: str) -> None:
    ledger = await busy(database)
    await tamper(database.url, tampering)
    with pytest.raises(Fault, match=TAMPERINGS[tampering]):
        await verified(ledger)
    await ledger.close()
