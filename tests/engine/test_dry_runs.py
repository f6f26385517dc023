"""Dry runs over many customers: bounded, and others are served meanwhile."""

from __future__ import annotations

import asyncio

import pytest

from drawdown.core.amounts import Amount
from drawdown.core.commands import (
    AmendEntitlement,
    AskedOverage,
    CreateMeter,
    CreateRate,
    RecordUsage,
)
from drawdown.core.hindsight.changing import AskedChange
from drawdown.core.types import BurnOrder, Id, Instant, OverageMode
from drawdown.core.usage.meters import Aggregation, Measure
from drawdown.core.usage.rating import PerUnit
from drawdown.engine import dry_runs
from drawdown.engine.dry_runs import Page
from drawdown.engine.ledger import Ledger
from tests.support.books import CREDITS, Book, open_book

pytestmark = pytest.mark.anyio
EVER = Instant(0)


@pytest.fixture
async def book(ledger: Ledger) -> Book:
    return await open_book(ledger)


async def used(book: Book, *customers: str, times: int = 3) -> None:
    for customer in customers:
        await book.customer(customer)
        await book.grant(customer, 100)
        for _ in range(times):
            await book.debit(customer, 1)


async def asked(book: Book, after: Id | None = None, limit: int = 10) -> Page:
    change = AskedChange(burn_order=BurnOrder.OLDEST_FIRST)
    return await book.ledger.dry_run(book.id, CREDITS, change, since=EVER, after=after, limit=limit)


def names(page: Page) -> list[str | None]:
    return [result.customer.own_id for result in page.results]


async def test_a_customer_with_too_long_a_history_is_named_and_in_no_sum(
    book: Book, monkeypatch: pytest.MonkeyPatch
) -> None:
    await used(book, "ada", times=3)
    await used(book, "bob", times=9)
    monkeypatch.setattr(dry_runs, "CUSTOMER_ENTRIES_MAX", 9)
    page = await asked(book)
    assert names(page) == ["ada"]
    assert [(each.customer.own_id, each.reason) for each in page.skipped] == [("bob", "too_long")]
    assert page.before.units == 3


async def test_a_call_ends_when_it_has_read_enough_and_goes_on(
    book: Book, monkeypatch: pytest.MonkeyPatch
) -> None:
    await used(book, "ada", "bob", "eve")
    monkeypatch.setattr(dry_runs, "ENTRIES_MAX", 5)
    found, after = [], None
    while True:
        page = await asked(book, after)
        found.append(names(page))
        after = page.after
        if after is None:
            break
    assert found == [["eve", "bob"], ["ada"]]


async def test_who_has_none_of_the_credit_is_passed_over(book: Book) -> None:
    await used(book, "ada")
    await book.customer("nobody")
    assert names(await asked(book)) == ["ada"]


async def test_others_are_served_while_it_runs(book: Book, monkeypatch: pytest.MonkeyPatch) -> None:
    await used(book, "ada", times=60)
    monkeypatch.setattr(dry_runs, "TURN", 5)
    running = asyncio.create_task(asked(book))
    served = 0
    while not running.done():
        await asyncio.sleep(0)
        served += 1
    assert served >= 60 // 5
    assert (await running).before.units == 60


async def test_a_rule_that_was_amended_is_played_as_it_was(book: Book) -> None:
    """The entitlement's present rule is not what decided then."""
    rule = AskedOverage(mode=OverageMode.LIMITED, limit=Amount(50))
    await used(book, "ada", times=1)
    await book.ledger.apply(book.id, AmendEntitlement(entitlement=CREDITS, overage=rule))
    await book.debit("ada", 120)
    none = AskedOverage(mode=OverageMode.OFF)
    await book.ledger.apply(book.id, AmendEntitlement(entitlement=CREDITS, overage=none))
    page = await asked(book)
    assert page.skipped == []
    assert (page.before.overage, page.before.units) == (21, 100)


async def test_an_overridden_event_makes_its_customer_unknown(book: Book) -> None:
    measure = Measure(event_name="call", aggregation=Aggregation.SUM, property="n")
    await book.ledger.apply(book.id, CreateMeter(code="calls", measure=measure))
    price = PerUnit(price=Amount(2))
    await book.ledger.apply(book.id, CreateRate(meter="calls", entitlement=CREDITS, price=price))
    await used(book, "ada", "bob")
    for customer in ("ada", "bob"):
        event = RecordUsage(
            customer=customer, own_id=customer, name="call", properties={"n": Amount(3)}
        )
        await book.ledger.apply(book.id, event)
    other = RecordUsage(
        customer="bob", own_id="bob", name="call", properties={"n": Amount(4)}, override=True
    )
    await book.ledger.apply(book.id, other)
    page = await asked(book)
    assert names(page) == ["ada"]
    assert page.before.units == 3 + 6
    told = [(each.customer.own_id, each.reason) for each in page.skipped]
    assert told == [("bob", "not_reproducible")]
