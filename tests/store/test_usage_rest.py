"""A rate of what another leaves uncovered: units pay first, then money, in one operation."""

from __future__ import annotations

import asyncio
from random import Random

import pytest

from drawdown.core.amounts import Amount
from drawdown.core.commands import (
    AttachRate,
    CloseEntitlement,
    CloseMeter,
    CloseRate,
    CreateMeter,
    CreateRate,
    IssueGrant,
    RecordUsage,
)
from drawdown.core.errors import AmountTooLarge, FieldInvalid
from drawdown.core.fold import Fault
from drawdown.core.types import Id, Instant
from drawdown.core.usage.meters import Aggregation, Measure
from drawdown.core.usage.rating import PerCredit, PerUnit, Tier, Volume
from drawdown.core.usage.records import Customers, Event
from drawdown.engine.clocks import ManualClock
from drawdown.engine.ledger import Ledger
from tests.support.books import (
    CREDITS,
    SECOND,
    START,
    Book,
    open_book,
    open_ledger_on,
    units,
    verified,
)
from tests.support.stores import Database, tamper

pytestmark = pytest.mark.anyio

ONE_EACH = PerCredit(units_per_credit=Amount(1))


async def metered(
    ledger: Ledger, aggregation: str = "sum", price: str = "0.015", scale: int = 1
) -> tuple[Book, Id, Id]:
    """A call costs a credit for each ``n``; what credits do not pay, 0.015 dollars. Both rates' ids."""
    book = await open_book(ledger, scale)
    measure = Measure(event_name="call", aggregation=Aggregation(aggregation), property="n")
    await ledger.apply(book.id, CreateMeter(code="calls", measure=measure))
    first = await ledger.apply(
        book.id, CreateRate(meter="calls", entitlement=CREDITS, price=ONE_EACH)
    )
    assert first.rate is not None
    cash = PerUnit(price=units(price))
    second = await ledger.apply(
        book.id,
        CreateRate(meter="calls", entitlement="usd", price=cash, rest_of=first.rate.id),
    )
    assert second.rate is not None
    return book, first.rate.id, second.rate.id


async def use(book: Book, customer: str, own_id: str, size: str) -> Event:
    command = RecordUsage(
        customer=customer,
        own_id=own_id,
        name="call",
        properties={"n": units(size)},
        override=True,
    )
    event = (await book.ledger.apply(book.id, command)).event
    assert event is not None
    return event


def paid(event: Event) -> list[tuple[str, int, int]]:
    """By which credit, how much was drawn, how much was not."""
    return [(each.entitlement, each.drawn, each.uncovered) for each in event.charges]


async def test_what_units_do_not_pay_money_pays_in_the_same_operation(ledger: Ledger) -> None:
    book, _, _ = await metered(ledger)
    ada = await book.customer()
    await book.grant(ada, 10)
    await ledger.apply(book.id, issue(ada, "0.08"))
    assert paid(await use(book, ada, "1", "4")) == [(CREDITS, 40, 0), ("usd", 0, 0)]
    assert paid(await use(book, ada, "2", "8.5")) == [
        (CREDITS, 60, 25),
        ("usd", 37_500_000, 0),
    ]
    assert paid(await use(book, ada, "3", "3")) == [
        (CREDITS, 0, 30),
        ("usd", 42_500_000, 2_500_000),
    ]
    assert (await book.balance(ada)).available == 0
    assert (await book.balance(ada, "usd")).available == 0
    operations = {entry.operation for entry in (await ledger.entries(book.id, ada, limit=99))[0]}
    assert len(operations) == 5  # two grants, three events
    await verified(ledger)


def issue(customer: str, amount: str) -> IssueGrant:
    return IssueGrant(customer=customer, entitlement="usd", amount=units(amount))


async def test_nothing_of_the_rest_is_lost_to_rounding(ledger: Ledger) -> None:
    """A third of a nanodollar each: three events make one, to the last."""
    book, _, _ = await metered(ledger, price="0.000000000333", scale=0)
    ada = await book.customer()
    await ledger.apply(book.id, issue(ada, "1"))
    for number in range(1_000 // 50):
        await use(book, ada, f"{number}", "50")
    assert (await book.balance(ada, "usd")).used == 333
    await verified(ledger)


async def test_an_override_returns_both_and_draws_both_again(ledger: Ledger) -> None:
    book, _, _ = await metered(ledger)
    ada = await book.customer()
    await book.grant(ada, 10)
    await ledger.apply(book.id, issue(ada, "1"))
    await use(book, ada, "1", "12")
    assert (await book.balance(ada, "usd")).used == 30_000_000
    assert paid(await use(book, ada, "1", "11")) == [(CREDITS, 100, 10), ("usd", 15_000_000, 0)]
    assert paid(await use(book, ada, "1", "3")) == [(CREDITS, 30, 0), ("usd", 0, 0)]
    assert (await book.balance(ada)).available == 70
    assert (await book.balance(ada, "usd")).used == 0
    await verified(ledger)


async def test_what_part_of_the_rest_would_cost_too_much_is_refused_before_anything_moves(
    ledger: Ledger,
) -> None:
    """More may cost less: the rest of eleven calls is free, that of nine more than there can be."""
    book, first, _ = await metered(ledger)
    tiers = (Tier(up_to=Amount(10), price=units("1000000000000000000")), Tier())
    falling = CreateRate(meter="calls", entitlement="eur", price=Volume(tiers=tiers), rest_of=first)
    await ledger.apply(book.id, falling)
    ada = await book.customer()
    await book.grant(ada, 2)
    asked = (use(book, ada, "1", "11"), book.grant(ada, 3))
    refused, _ = await asyncio.gather(*asked, return_exceptions=True)
    assert isinstance(refused, AmountTooLarge)
    assert paid(await use(book, ada, "1", "0"))[0] == (CREDITS, 0, 0)
    asked = (use(book, ada, "1", "11"), book.grant(ada, 4))
    refused, _ = await asyncio.gather(*asked, return_exceptions=True)
    assert isinstance(refused, AmountTooLarge)
    balance = await book.balance(ada)
    assert (balance.available, balance.used) == (90, 0)
    await verified(ledger)


@pytest.mark.parametrize("rest", ["2500000000000", "1500000000000"])
async def test_a_rest_that_is_not_what_was_left_is_found(database: Database, rest: str) -> None:
    """Two credits lacked; the count says the same as the event, and nothing was drawn for either."""
    ledger = open_ledger_on(await database.open(), ManualClock(START))
    book, _, _ = await metered(ledger, price="0")
    await use(book, await book.customer(), "1", "2")
    await verified(ledger)
    for table, column in (("usage_event", "charges"), ("usage_count", "tally")):
        change = f"{column} = replace({column}, '2000000000000', '{rest}')"
        await tamper(database.url, f"UPDATE {table} SET {change} WHERE {column} LIKE '%,%'")
    with pytest.raises(Fault, match="another rest than was left"):
        await verified(ledger)
    await ledger.close()


async def test_a_closed_first_rate_leaves_nothing_to_charge(ledger: Ledger) -> None:
    book, first, _ = await metered(ledger)
    ada = await book.customer()
    await ledger.apply(book.id, issue(ada, "1"))
    await ledger.apply(book.id, CloseRate(rate=first))
    assert paid(await use(book, ada, "1", "5")) == []
    await verified(ledger)


async def test_an_override_is_paid_by_what_charged_the_event_though_all_of_it_is_closed(
    database: Database,
) -> None:
    """Units in part, money for the rest: also by an entitlement that refuses where there is too little."""
    clock = ManualClock(START)
    ledger = open_ledger_on(await database.open(), clock)
    book, first, rest = await metered(ledger)
    ada = await book.customer()
    await book.grant(ada, 10)
    await ledger.apply(book.id, issue(ada, "1"))
    await use(book, ada, "1", "4")
    clock.instant = Instant(clock.instant + SECOND)
    for step in (
        CloseRate(rate=rest),
        CloseRate(rate=first),
        CloseMeter(meter="calls"),
        CloseEntitlement(entitlement=CREDITS),
    ):
        await ledger.apply(book.id, step)
        assert paid(await use(book, ada, "1", "12")) == [(CREDITS, 100, 20), ("usd", 30_000_000, 0)]
        assert paid(await use(book, ada, "1", "4")) == [(CREDITS, 40, 0), ("usd", 0, 0)]
    assert paid(await use(book, ada, "2", "1")) == []
    await verified(ledger)
    await ledger.close()


async def test_who_is_charged_no_rest_is_refused_what_his_units_do_not_pay(ledger: Ledger) -> None:
    """A rate of the rest is of those that it is attached to: others pay all or nothing, as without it."""
    book = await open_book(ledger, 1)
    measure = Measure(event_name="call", aggregation=Aggregation.SUM, property="n")
    await ledger.apply(book.id, CreateMeter(code="calls", measure=measure))
    asked = CreateRate(meter="calls", entitlement=CREDITS, price=ONE_EACH)
    first = (await ledger.apply(book.id, asked)).rate
    assert first is not None
    asked = CreateRate(
        meter="calls",
        entitlement="usd",
        price=PerUnit(price=Amount(1)),
        rest_of=first.id,
        customers=Customers.ATTACHED,
    )
    rest = (await ledger.apply(book.id, asked)).rate
    assert rest is not None
    ada, bob = await book.customer(), await book.customer()
    for each in (ada, bob):
        await book.grant(each, 10)
    await ledger.apply(book.id, AttachRate(rate=rest.id, customer=bob))
    assert paid(await use(book, ada, "1", "12")) == [(CREDITS, 0, 120)]
    assert paid(await use(book, bob, "2", "12")) == [(CREDITS, 100, 20), ("usd", 0, 2 * 10**9)]
    await verified(ledger)


async def test_the_rest_is_of_an_open_rate_of_the_meter_in_other_credit(ledger: Ledger) -> None:
    book, first, second = await metered(ledger)
    other = Measure(event_name="call", aggregation=Aggregation.COUNT)
    await ledger.apply(book.id, CreateMeter(code="other", measure=other))
    for meter, entitlement, of in (
        ("other", "usd", first),
        ("calls", CREDITS, first),
        ("calls", "eur", second),
        ("calls", "usd", book.id),
    ):
        with pytest.raises(FieldInvalid) as refused:
            await ledger.apply(
                book.id,
                CreateRate(meter=meter, entitlement=entitlement, price=ONE_EACH, rest_of=of),
            )
        assert refused.value.fields["field"] == "rest_of"


@pytest.mark.parametrize("aggregation", ["sum", "max", "last", "unique"])
@pytest.mark.parametrize("seed", range(3))
async def test_whatever_comes_it_adds_up(ledger: Ledger, aggregation: str, seed: int) -> None:
    """Grants, events and overrides at random, also under a price that falls."""
    book, first, _ = await metered(ledger, aggregation)
    tiers = (Tier(up_to=Amount(20), price=units("0.03")), Tier(price=units("0.01")))
    await ledger.apply(
        book.id,
        CreateRate(meter="calls", entitlement="eur", price=Volume(tiers=tiers), rest_of=first),
    )
    chance, ada = Random(seed), await book.customer()
    for number in range(40):
        what = chance.randrange(6)
        if what == 0:
            await book.grant(ada, chance.randrange(1, 12))
        elif what == 1:
            await ledger.apply(book.id, issue(ada, f"0.{chance.randrange(1, 20):02}"))
        else:
            own_id = f"{chance.randrange(number + 1)}"
            await use(book, ada, own_id, f"{chance.randrange(0, 300) / 10:.1f}")
    events = await ledger.usage_events(book.id, customer=ada, limit=100)
    for code in (CREDITS, "usd"):
        drawn = sum(c.drawn for each in events for c in each.charges if c.entitlement == code)
        assert drawn == (await book.balance(ada, code)).used
    await verified(ledger)
