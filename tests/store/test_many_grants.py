"""Wallets with more grants than are loaded at once: every debit is exact, in any batch.

A store loads a wallet's first grants in burn-down order, and more while a shortfall may be covered.
"""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from drawdown.core.amounts import Amount
from drawdown.core.commands import (
    Command,
    CreateMeter,
    CreateRate,
    Debit,
    ExpireGrant,
    IssueGrant,
    RecordUsage,
    ReverseDebit,
    VoidGrant,
)
from drawdown.core.errors import InsufficientCredit, TooManyGrants
from drawdown.core.requests import Answer
from drawdown.core.types import GRANTS_OPEN_MAX, Category, Grant, Instant
from drawdown.core.usage.meters import Aggregation, Measure
from drawdown.core.usage.rating import Graduated, PerCredit, PerUnit, Price, Tier
from drawdown.engine.clocks import ManualClock
from drawdown.engine.ledger import Ledger
from tests.support.books import (
    CREDITS,
    HOUR,
    START,
    Book,
    Observed,
    open_book,
    open_ledger_on,
    render,
    verified,
)
from tests.support.stores import Database

pytestmark = pytest.mark.anyio

#: As many as a store loads at first, and a few around it.
FIRST = 32


async def granted(book: Book, count: int, amount: int = 1, **more: Any) -> str:
    customer = await book.customer()
    await more_grants(book, customer, count, amount, **more)
    return customer


async def more_grants(
    book: Book, customer: str, count: int, amount: int = 1, **more: Any
) -> list[Grant]:
    return await asyncio.gather(*(book.grant(customer, amount, **more) for _ in range(count)))


async def forget(database: Database) -> None:
    """Another process writes, so that the ledger under test has to load again what it knew."""
    other = open_ledger_on(await database.open())
    await open_book(other)
    await other.close()


async def check(ledger: Ledger, observed: Observed) -> None:
    """The books add up, and no batch had to be taken apart on the way."""
    await verified(ledger)
    assert observed.errors == []


@pytest.mark.parametrize("count", [FIRST - 1, FIRST, FIRST + 1, 256, 257, 1_000])
async def test_a_debit_draws_over_any_number_of_grants(
    database: Database, ledger: Ledger, observed: Observed, count: int
) -> None:
    """All but one, then one too many, then the last one."""
    book = await open_book(ledger)
    customer = await granted(book, count)
    await forget(database)
    await book.debit(customer, count - 1)
    with pytest.raises(InsufficientCredit) as refused:
        await book.debit(customer, 2)
    assert refused.value.available == "1"
    await book.debit(customer, 1)
    shown = await book.balance(customer)
    assert (shown.posted, shown.used) == (0, count)
    await check(ledger, observed)


async def test_ten_thousand_grants_are_the_limit(
    database: Database, ledger: Ledger, observed: Observed
) -> None:
    """Open ones; the next fits once one is used up. A debit of everything draws on all of them."""
    book = await open_book(ledger)
    customer = await granted(book, GRANTS_OPEN_MAX)
    with pytest.raises(TooManyGrants) as refused:
        await book.grant(customer, 1)
    assert refused.value.maximum == 10_000
    await forget(database)
    with pytest.raises(TooManyGrants):
        await book.grant(customer, 1)
    await book.debit(customer, 1)
    await book.grant(customer, 5)
    with pytest.raises(TooManyGrants):
        await book.grant(customer, 1)
    with pytest.raises(InsufficientCredit):
        await book.debit(customer, GRANTS_OPEN_MAX + 5)
    await book.debit(customer, GRANTS_OPEN_MAX + 4)
    assert (await book.balance(customer)).posted == 0
    await check(ledger, observed)


async def test_grants_come_in_burn_down_order_over_many_chunks(
    database: Database, ledger: Ledger, observed: Observed
) -> None:
    """Debits of odd sizes over 700 grants draw in the order a sort of all of them gives."""
    book = await open_book(ledger)
    customer = await book.customer()
    kinds: list[dict[str, Any]] = [
        {
            "priority": 10 * (number * 7 % 5),
            "category": Category.PAID if number % 2 else Category.PROMOTIONAL,
            "expires_at": Instant(START + HOUR * (1 + number * 11 % 13)) if number % 3 else None,
        }
        for number in range(700)
    ]
    grants = await asyncio.gather(*(book.grant(customer, 3, **kind) for kind in kinds))
    await forget(database)
    for _ in range(60):
        await book.debit(customer, 31)
    entries, _ = await ledger.entries(book.id, customer, limit=5_000)
    drawn = [entry.grant for entry in reversed(entries) if entry.kind == "debited"]
    order = {grant.id: place for place, grant in enumerate(sorted(grants, key=burn_place))}
    places = [order[grant] for grant in drawn]
    assert places == sorted(places)
    assert sorted(set(places)) == list(range(620))
    await check(ledger, observed)


def burn_place(grant: Grant) -> tuple[object, ...]:
    """Written down again from the design: priority, expiry, promotional first, effective, recorded, id."""
    never = 2**63
    return (
        grant.priority,
        grant.expires_at or never,
        grant.category is Category.PAID,
        grant.effective_at,
        grant.recorded_at,
        grant.id,
    )


async def together(book: Book, *commands: Command) -> list[Answer | BaseException]:
    """Several commands in one batch: they are in the queue before the writer looks."""
    asked = [(command, render, None) for command in commands]
    return await book.ledger.submit_many(book.id, asked)


def debit(customer: str, amount: int) -> Debit:
    return Debit(customer=customer, entitlement=CREDITS, amount=Amount(amount))


def issue(customer: str, amount: int, **more: Any) -> IssueGrant:
    return IssueGrant(
        customer=customer,
        entitlement=CREDITS,
        amount=Amount(amount),
        **more,
    )


def kinds_of(outcomes: list[Answer | BaseException]) -> list[type]:
    return [type(outcome) for outcome in outcomes]


@pytest.mark.parametrize("count", [FIRST - 1, FIRST, FIRST + 1, 300])
async def test_a_grant_of_the_same_batch_pays_for_a_debit(
    database: Database, ledger: Ledger, observed: Observed, count: int
) -> None:
    """Even when it burns after everything that is loaded."""
    book = await open_book(ledger)
    customer = await granted(book, count)
    await forget(database)
    outcomes = await together(
        book, issue(customer, 50, priority=90), debit(customer, count + 40), debit(customer, 11)
    )
    assert kinds_of(outcomes) == [Answer, Answer, InsufficientCredit]
    assert (await book.balance(customer)).posted == 10
    await check(ledger, observed)


@pytest.mark.parametrize("count", [FIRST - 1, FIRST, FIRST + 1])
async def test_a_grant_into_a_wallet_that_was_just_used_up_pays_for_a_debit(
    database: Database, ledger: Ledger, observed: Observed, count: int
) -> None:
    """In the same batch, and in the next one."""
    book = await open_book(ledger)
    customer = await granted(book, count)
    await forget(database)
    await book.debit(customer, count)
    outcomes = await together(book, issue(customer, 10), debit(customer, 10), debit(customer, 1))
    assert kinds_of(outcomes) == [Answer, Answer, InsufficientCredit]
    await book.grant(customer, 4)
    await book.debit(customer, 4)
    assert (await book.balance(customer)).posted == 0
    await check(ledger, observed)


@pytest.mark.parametrize("count", [FIRST - 1, FIRST, FIRST + 1, 300])
async def test_a_grant_that_has_become_effective_pays_for_a_debit(
    database: Database, ledger: Ledger, observed: Observed, clock: ManualClock, count: int
) -> None:
    """Whether or not a job has run, and though it burns after everything that is loaded."""
    book = await open_book(ledger)
    customer = await granted(book, count)
    await book.grant(customer, 100, priority=90, effective_at=Instant(START + HOUR))
    await forget(database)
    with pytest.raises(InsufficientCredit):
        await book.debit(customer, count + 1)
    clock.instant = Instant(START + HOUR)
    await book.debit(customer, count + 60)
    shown = await book.balance(customer)
    assert (shown.posted, shown.pending) == (40, 0)
    await check(ledger, observed)


@pytest.mark.parametrize("count", [FIRST, FIRST + 1, 300])
async def test_grants_that_have_expired_leave_the_others_to_pay(
    database: Database, ledger: Ledger, observed: Observed, clock: ManualClock, count: int
) -> None:
    """All of the first chunk has expired; what burns after it pays."""
    book = await open_book(ledger)
    customer = await granted(book, count, expires_at=Instant(START + HOUR))
    await more_grants(book, customer, 70, priority=90)
    await forget(database)
    clock.instant = Instant(START + HOUR)
    with pytest.raises(InsufficientCredit) as refused:
        await book.debit(customer, 71)
    assert refused.value.available == "70"
    await book.debit(customer, 70)
    shown = await book.balance(customer)
    assert (shown.posted, shown.expired, shown.used) == (0, count, 70)
    await check(ledger, observed)


async def test_a_batch_of_every_kind_on_a_wallet_of_many_chunks(
    database: Database, ledger: Ledger, observed: Observed
) -> None:
    """Issue, expire, void, reverse and debit in one batch, each seeing those before it."""
    book = await open_book(ledger)
    customer = await book.customer()
    grants = await more_grants(book, customer, 400)
    spent = await book.ledger.apply(book.id, debit(customer, 100))
    assert spent.operation is not None
    await forget(database)
    outcomes = await together(
        book,
        debit(customer, 40),  # 300 -> 260: the grants 100 to 139
        ExpireGrant(grant=grants[150].id),  # 259
        VoidGrant(grant=grants[399].id),  # 258
        issue(customer, 7, priority=90),  # 265
        ReverseDebit(debit=spent.operation.id, amount=Amount(30)),  # 295
        debit(customer, 295),  # everything
        debit(customer, 1),  # too much
        VoidGrant(grant=grants[5].id),  # drawn to the end: refused
        ReverseDebit(debit=spent.operation.id, amount=Amount(50)),  # 50
        debit(customer, 50),
    )
    refusals = {
        place: error for place, error in enumerate(outcomes) if not isinstance(error, Answer)
    }
    assert {place: getattr(error, "code", error) for place, error in refusals.items()} == {
        6: "insufficient_credit",
        7: "grant_used",
    }
    shown = await book.balance(customer)
    assert (shown.posted, shown.expired, shown.voided) == (0, 1, 1)
    assert shown.granted == 407
    assert shown.used == 405
    await check(ledger, observed)


async def test_debits_of_one_batch_share_what_is_loaded(
    database: Database, ledger: Ledger, observed: Observed
) -> None:
    """250 debits of 2 on 499 grants of 1: the last one finds one unit too few."""
    book = await open_book(ledger)
    customer = await granted(book, 499)
    await forget(database)
    outcomes = await together(book, *(debit(customer, 2) for _ in range(250)))
    assert kinds_of(outcomes) == [Answer] * 249 + [InsufficientCredit]
    assert (await book.balance(customer)).posted == 1
    await check(ledger, observed)


@pytest.mark.parametrize(
    "price",
    [
        PerUnit(price=Amount(199, 2)),
        PerCredit(units_per_credit=Amount(5, 1), free=Amount(1)),
        Graduated(tiers=(Tier(price=Amount(2)),)),
    ],
    ids=["per unit", "per credit", "tiers"],
)
async def test_events_of_one_batch_share_what_is_loaded(
    database: Database, ledger: Ledger, observed: Observed, price: Price
) -> None:
    """250 events of up to 2 credits each: what they cost together is what 490 grants of 1 pay, or not."""
    book = await open_book(ledger)
    customer = await granted(book, 490)
    measure = Measure(event_name="call", aggregation=Aggregation.COUNT)
    await ledger.apply(book.id, CreateMeter(code="calls", measure=measure))
    await ledger.apply(book.id, CreateRate(meter="calls", entitlement=CREDITS, price=price))
    await forget(database)
    events = [RecordUsage(customer=customer, own_id=f"e{n}", name="call") for n in range(250)]
    asked = [(event, lambda _: Answer(status=201, body=b""), None) for event in events]
    assert kinds_of(await ledger.submit_many(book.id, asked)) == [Answer] * 250
    assert (await book.balance(customer)).posted <= 1
    await check(ledger, observed)


@pytest.mark.parametrize(
    "model", [PerUnit(price=Amount(2)), Graduated(tiers=(Tier(price=Amount(2)),))]
)
async def test_units_and_the_rest_in_money_share_what_is_loaded(
    database: Database, ledger: Ledger, observed: Observed, model: Price
) -> None:
    """Of 250 calls 90 grants of one credit pay 90, and 300 of a dollar 150 at two dollars each."""
    book = await open_book(ledger)
    customer = await granted(book, 90)
    await more_grants(book, customer, 300, entitlement="usd")
    measure = Measure(event_name="call", aggregation=Aggregation.COUNT)
    await ledger.apply(book.id, CreateMeter(code="calls", measure=measure))
    one_each = PerCredit(units_per_credit=Amount(1))
    made = await ledger.apply(
        book.id, CreateRate(meter="calls", entitlement=CREDITS, price=one_each)
    )
    assert made.rate is not None
    rest = CreateRate(meter="calls", entitlement="usd", price=model, rest_of=made.rate.id)
    await ledger.apply(book.id, rest)
    await forget(database)
    events = [RecordUsage(customer=customer, own_id=f"e{n}", name="call") for n in range(250)]
    asked = [(event, lambda _: Answer(status=201, body=b""), None) for event in events]
    assert kinds_of(await ledger.submit_many(book.id, asked)) == [Answer] * 250
    assert (await book.balance(customer)).posted == 0
    assert (await book.balance(customer, "usd")).posted == 0
    found = await ledger.usage_events(book.id, customer=customer, uncovered=True, limit=300)
    assert sum(charge.uncovered > 0 for each in found for charge in each.charges[1:]) == 10
    await check(ledger, observed)


async def test_a_grant_far_down_the_order_can_be_named(
    database: Database, ledger: Ledger, observed: Observed
) -> None:
    """Voiding one that was not loaded, and debiting what is left."""
    book = await open_book(ledger)
    customer = await book.customer()
    grants = await more_grants(book, customer, 100)
    await forget(database)
    await book.ledger.apply(book.id, VoidGrant(grant=grants[80].id))
    await book.debit(customer, 98)
    with pytest.raises(InsufficientCredit):
        await book.debit(customer, 2)
    await book.debit(customer, 1)
    await check(ledger, observed)


async def test_a_grant_put_in_front_is_drawn_first(
    database: Database, ledger: Ledger, observed: Observed
) -> None:
    """Though the wallet's first chunk was loaded before it was there."""
    book = await open_book(ledger)
    customer = await granted(book, 200)
    await forget(database)
    await book.debit(customer, 1)
    first = await book.grant(customer, 5, priority=0)
    await book.debit(customer, 5)
    assert (await ledger.grant(book.id, first.id)).remaining == 0
    last = await book.grant(customer, 5, priority=90)
    await book.debit(customer, 199)
    assert (await ledger.grant(book.id, last.id)).remaining == 5
    await check(ledger, observed)
