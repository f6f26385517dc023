"""Grants that roll over by terms of their own: kept, read and played the same on every store."""

from __future__ import annotations

import pytest

from drawdown.core.amounts import Amount
from drawdown.core.commands import AmendGrant, IssueGrant, RolloverTerms, Settle
from drawdown.core.errors import FieldInvalid
from drawdown.core.lifecycle import state_of
from drawdown.core.schedules.calendar import CalendarUnit, Every
from drawdown.core.schedules.terms import Rollover
from drawdown.core.types import DAY, EntryKind, GrantState, Instant
from drawdown.engine.clocks import ManualClock
from drawdown.engine.jobs import Jobs
from drawdown.engine.ledger import Ledger
from tests.support.books import CREDITS, START, Book, Observed, open_book, verified, worked_off

pytestmark = pytest.mark.anyio
DAILY = Every(CalendarUnit.DAY, 1)
TERMS = RolloverTerms(percentage=75, generations_max=1, timeframe=DAILY)
ONE_DAY = Instant(START + DAY)


async def told(book: Book, customer: str) -> list[tuple[EntryKind, int, int]]:
    """Kind, amount and day of its entries, the oldest first."""
    found, _ = await book.ledger.entries(book.id, customer, limit=500)
    return [(each.kind, each.amount, (each.at - START) // DAY) for each in reversed(found)]


ALL = [
    (EntryKind.GRANTED, 200, 0),
    (EntryKind.ROLLED_OUT, 150, 1),
    (EntryKind.ROLLED_IN, 150, 1),
    (EntryKind.EXPIRED, 50, 1),
    (EntryKind.FORFEITED, 150, 2),
]


async def test_it_is_kept_with_its_terms_and_played_by_jobs(
    ledger: Ledger, clock: ManualClock, observed: Observed
) -> None:
    jobs = Jobs(ledger.store, clock, ledger.accounts, ledger._settle, observed)
    book = await open_book(ledger)
    customer = await book.customer()
    made = await book.grant(customer, 200, expires_at=ONE_DAY, rollover=TERMS)
    kept = await ledger.grant(book.id, made.id)
    assert kept.rollover == Rollover(percentage=75, generations_max=1, timeframe=DAILY)
    clock.instant = ONE_DAY
    await worked_off(jobs)
    carried, parent = await ledger.grants(book.id, customer=customer, by_creation=True, limit=5)
    assert (carried.amount, carried.generation, carried.parent) == (150, 1, made.id)
    assert (carried.rollover, carried.schedule) == (kept.rollover, None)
    assert (carried.created_at, carried.expires_at) == (ONE_DAY, ONE_DAY + DAY)
    assert (parent.rolled_over, parent.expired, parent.remaining) == (150, 50, 0)
    clock.instant = Instant(START + 2 * DAY)
    await worked_off(jobs)
    assert await told(book, customer) == ALL
    await verified(ledger)


async def test_reads_say_the_same_before_it_is_recorded(ledger: Ledger, clock: ManualClock) -> None:
    book = await open_book(ledger)
    customer = await book.customer()
    made = await book.grant(customer, 200, expires_at=ONE_DAY, rollover=TERMS)
    foreseen = await ledger.balance(book.id, customer, CREDITS, at=ONE_DAY)
    assert (foreseen.available, foreseen.expired) == (150, 50)
    clock.instant = Instant(ONE_DAY + 1)
    balance = await book.balance(customer)
    assert (balance.available, balance.expired, balance.granted) == (150, 50, 200)
    seen = await ledger.grant(book.id, made.id)
    assert (seen.rolled_over, seen.expired, seen.remaining) == (150, 50, 0)
    assert state_of(seen, clock.instant) is GrantState.EXPIRED
    await ledger.apply(book.id, Settle(customer=customer, entitlement=CREDITS))
    assert await ledger.grant(book.id, made.id) == seen
    assert await told(book, customer) == ALL[:4]


async def test_after_a_year_of_downtime_it_is_played_once_in_its_order(
    ledger: Ledger, clock: ManualClock
) -> None:
    """Ten grants roll over at one instant, each for itself, again and again."""
    book = await open_book(ledger)
    customer = await book.customer()
    terms = RolloverTerms(percentage=50, timeframe=Every(CalendarUnit.MONTH))
    for _ in range(10):
        await book.grant(customer, 8, expires_at=ONE_DAY, rollover=terms)
    clock.instant = Instant(START + 366 * DAY)
    for _ in range(2):
        await ledger.apply(book.id, Settle(customer=customer, entitlement=CREDITS))
    found = await told(book, customer)
    days = [day for kind, _, day in found if kind is EntryKind.EXPIRED]
    assert days == sorted(days)
    assert sorted(set(days)) == [1, 32, 60, 91]  # 2, 1, 1 of each; then a unit whose share is none
    assert sum(amount for kind, amount, _ in found if kind is EntryKind.ROLLED_IN) == 10 * (
        4 + 2 + 1
    )
    assert len(found) == 10 * (1 + 3 + 3 + 3 + 1)
    await verified(ledger)


async def test_another_expiry_moves_it(ledger: Ledger, clock: ManualClock) -> None:
    book = await open_book(ledger)
    customer = await book.customer()
    made = await book.grant(customer, 200, expires_at=ONE_DAY, rollover=TERMS)
    later = Instant(START + 3 * DAY)
    await ledger.apply(book.id, AmendGrant(grant=made.id, expires_at=later))
    clock.instant = Instant(START + 2 * DAY)
    assert (await book.balance(customer)).available == 200
    clock.instant = later
    await book.debit(customer, 150)
    assert (await book.balance(customer)).available == 0
    await verified(ledger)


async def test_terms_without_an_expiry_are_refused(ledger: Ledger) -> None:
    book = await open_book(ledger)
    customer = await book.customer()
    command = IssueGrant(
        customer=customer, entitlement=CREDITS, amount=Amount(1), rollover=RolloverTerms()
    )
    with pytest.raises(FieldInvalid) as refused:
        await ledger.apply(book.id, command)
    assert refused.value.fields["field"] == "rollover"
    assert (await book.balance(customer)).created_at is None
