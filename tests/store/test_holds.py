"""Holds on a real store: kept whole, found again by another process, ended by time alone."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from drawdown.core.amounts import Amount
from drawdown.core.commands import (
    Authorize,
    Capture,
    Debit,
    ExpireGrant,
    Extend,
    OverCapture,
    Price,
    Release,
    ReverseDebit,
    Spend,
    VoidGrant,
)
from drawdown.core.errors import GrantHeld, HoldEnded, HoldNotFound, InsufficientCredit
from drawdown.core.requests import Accepted
from drawdown.core.types import EntryKind, Hold, HoldState, Id, Instant
from drawdown.engine.clocks import ManualClock
from drawdown.engine.jobs import Jobs
from drawdown.engine.ledger import Ledger
from drawdown.engine.ports import Store
from tests.support.books import (
    CREDITS,
    HOUR,
    START,
    Book,
    Observed,
    open_book,
    open_ledger_on,
    verified,
    worked_off,
)
from tests.support.stores import Database, opened

pytestmark = pytest.mark.anyio

MINUTE = HOUR // 60
#: More grants than a store loads at first.
MANY = 40


async def authorize(book: Book, customer: str, amount: int, **more: Any) -> Hold:
    command = Authorize(customer=customer, entitlement=CREDITS, amount=Amount(amount), **more)
    held = (await book.ledger.apply(book.id, command)).hold
    assert held is not None
    return held


async def capture(book: Book, hold: Id, amount: int, **more: Any) -> Accepted:
    return await book.ledger.apply(book.id, Capture(hold=hold, amount=Amount(amount), **more))


async def of_both(book: Book, customer: str) -> tuple[int, int, int]:
    """(posted, held, available)."""
    balance = await book.balance(customer)
    return balance.posted, balance.held, balance.available


async def test_a_hold_is_kept_whole(database: Database, ledger: Ledger) -> None:
    """After each step another process reads exactly what the step answered."""
    book = await open_book(ledger)
    customer = await book.customer()
    for amount in (5, 7):
        await book.grant(customer, amount)
    held = await authorize(
        book, customer, 9, attributes={"model": "m"}, metadata={"ü": 1.5, "b": True}
    )
    assert [part.amount for part in held.slices] == [5, 4]
    answered = held
    steps = (
        Extend(hold=held.id, expires_in=HOUR),
        Capture(hold=held.id, amount=Amount(6)),
        Release(hold=held.id),
    )
    for step in steps:
        await check_kept(database, answered)
        after = (await ledger.apply(book.id, step)).hold
        assert after is not None
        answered = after
    await check_kept(database, answered)
    assert (answered.state, answered.captured, answered.slices) == (HoldState.RELEASED, 6, ())
    await verified(ledger)


async def check_kept(database: Database, hold: Hold) -> None:
    async with opened(database) as store:
        assert await store.find_hold(hold.id) == hold


async def test_another_process_captures_what_this_one_held(
    database: Database, ledger: Ledger, clock: ManualClock
) -> None:
    """Back and forth, so that each has to load again what it knew."""
    mine = await open_book(ledger)
    customer = await mine.customer()
    for _ in range(MANY):
        await mine.grant(customer, 1)
    held = await authorize(mine, customer, MANY - 2)
    other = open_ledger_on(await database.open(), clock)
    theirs = Book(other, mine.id)
    await capture(theirs, held.id, 10)
    await capture(mine, held.id, 10)
    assert await of_both(theirs, customer) == (MANY - 20, MANY - 22, 2)
    with pytest.raises(InsufficientCredit):
        await theirs.debit(customer, 3)
    await capture(theirs, held.id, MANY - 20)
    assert await of_both(mine, customer) == (0, 0, 0)
    await other.close()
    await verified(ledger)


async def test_a_hold_reaches_beyond_the_grants_that_are_loaded_at_first(
    database: Database, clock: ManualClock
) -> None:
    """Its slices lie at the end of the order, where a fresh process has not looked yet."""
    ledger = open_ledger_on(await database.open(), clock)
    book = await open_book(ledger)
    customer = await book.customer()
    for _ in range(MANY):
        await book.grant(customer, 1)
    await book.debit(customer, 1)
    first = await authorize(book, customer, MANY - 3)
    last = await authorize(book, customer, 2)
    await ledger.apply(book.id, Release(hold=first.id))
    await ledger.close()
    again = open_ledger_on(await database.open(), clock)
    book = Book(again, book.id)
    spent = await capture(book, last.id, 1)
    assert spent.entries[0].grant == last.slices[0].grant
    assert await of_both(book, customer) == (MANY - 2, 1, MANY - 3)
    await book.debit(customer, MANY - 3)
    await capture(book, last.id, 1, final=True)
    assert await of_both(book, customer) == (0, 0, 0)
    await verified(again)
    await again.close()


async def test_a_hold_ends_by_itself(
    ledger: Ledger, store: Store, clock: ManualClock, observed: Observed
) -> None:
    """Every read says so at once; the job records it, once."""
    book = await open_book(ledger)
    customer = await book.customer()
    await book.grant(customer, 10)
    held = await authorize(book, customer, 8)
    clock.instant = Instant(START + 15 * MINUTE - 1)
    assert await of_both(book, customer) == (10, 8, 2)
    clock.instant = Instant(START + 15 * MINUTE)
    assert await of_both(book, customer) == (10, 0, 10)
    shown = await ledger.hold(book.id, held.id)
    assert (shown.state, shown.held, shown.ended_at) == (HoldState.EXPIRED, 0, held.expires_at)
    before = (await book.balance(customer)).seq
    jobs = Jobs(store, clock, ledger.accounts, ledger._settle, observed)
    await worked_off(jobs)
    assert (await book.balance(customer)).seq == before + 1
    assert await ledger.hold(book.id, held.id) == shown
    with pytest.raises(HoldEnded, match="expired"):
        await capture(book, held.id, 1)
    await verified(ledger)


async def test_what_is_held_outlives_its_grant_until_the_hold_ends(
    ledger: Ledger, clock: ManualClock
) -> None:
    book = await open_book(ledger)
    customer = await book.customer()
    made = await book.grant(customer, 10, expires_at=Instant(START + 5 * MINUTE))
    held = await authorize(book, customer, 6)
    clock.instant = Instant(START + 6 * MINUTE)
    shown = await ledger.grant(book.id, made.id)
    assert (shown.remaining, shown.held, shown.expired) == (6, 6, 4)
    assert await of_both(book, customer) == (6, 6, 0)
    await capture(book, held.id, 2)
    clock.instant = Instant(START + 16 * MINUTE)
    shown = await ledger.grant(book.id, made.id)
    assert (shown.remaining, shown.held, shown.used, shown.expired) == (0, 0, 2, 8)
    assert [grant.id for grant in await ledger.outstanding(book.id, customer)] == []
    await ledger.apply(book.id, ExpireGrant(grant=(await book.grant(customer, 1)).id))
    entries, _ = await ledger.entries(book.id, customer, limit=100)
    kinds = [(entry.kind, entry.amount, entry.at - START) for entry in reversed(entries)]
    assert kinds[:6] == [
        (EntryKind.GRANTED, 10, 0),
        (EntryKind.HELD, 6, 0),
        (EntryKind.EXPIRED, 4, 5 * MINUTE),
        (EntryKind.CAPTURED, 2, 6 * MINUTE),
        (EntryKind.RELEASED, 4, 15 * MINUTE),
        (EntryKind.EXPIRED, 4, 15 * MINUTE),
    ]
    await verified(ledger)


async def test_holds_and_debits_at_once_never_take_more_than_there_is(ledger: Ledger) -> None:
    """Of 100 holds and 100 debits of 1 on 50, exactly 50 are taken."""
    book = await open_book(ledger)
    customer = await book.customer()
    await book.grant(customer, 50)
    asked = [authorize(book, customer, 1) for _ in range(100)]
    debits = [book.debit(customer, 1) for _ in range(100)]
    mixed = [one for pair in zip(asked, debits, strict=True) for one in pair]
    outcomes = await asyncio.gather(*mixed, return_exceptions=True)
    refused = [outcome for outcome in outcomes if isinstance(outcome, InsufficientCredit)]
    assert len(outcomes) - len(refused) == 50
    assert (await book.balance(customer)).available == 0
    await verified(ledger)


async def test_captures_at_once_take_what_is_held_once(ledger: Ledger) -> None:
    book = await open_book(ledger)
    customer = await book.customer()
    await book.grant(customer, 30)
    held = await authorize(book, customer, 20)
    refuse = {"over_capture": OverCapture.REFUSE}
    asked = [capture(book, held.id, 3, **refuse) for _ in range(30)]
    outcomes = await asyncio.gather(*asked, return_exceptions=True)
    assert sum(isinstance(outcome, Accepted) for outcome in outcomes) == 6
    assert await of_both(book, customer) == (12, 2, 10)
    await verified(ledger)


async def test_a_grant_that_is_held_cannot_be_voided(ledger: Ledger) -> None:
    book = await open_book(ledger)
    customer = await book.customer()
    made = await book.grant(customer, 3)
    held = await authorize(book, customer, 1)
    with pytest.raises(GrantHeld):
        await ledger.apply(book.id, VoidGrant(grant=made.id))
    await ledger.apply(book.id, Release(hold=held.id))
    await ledger.apply(book.id, VoidGrant(grant=made.id))
    await verified(ledger)


async def test_a_hold_of_another_book_is_not_there(ledger: Ledger) -> None:
    mine, other = await open_book(ledger), await open_book(ledger)
    customer = await mine.customer()
    await mine.grant(customer, 3)
    held = await authorize(mine, customer, 1)
    for command in (Capture(hold=held.id, amount=Amount(1)), Release(hold=held.id)):
        with pytest.raises(HoldNotFound):
            await ledger.apply(other.id, command)
    with pytest.raises(HoldNotFound):
        await ledger.hold(other.id, held.id)
    assert await ledger.holds(other.id, limit=10) == []


async def test_holds_are_listed_by_customer_and_state(ledger: Ledger, clock: ManualClock) -> None:
    """Newest first; the state is as of now, whether or not the end has been recorded."""
    book = await open_book(ledger)
    one, two = await book.customer(), await book.customer()
    for customer in (one, two):
        await book.grant(customer, 50)
    made = [await authorize(book, one, number) for number in range(1, 5)]
    other = await authorize(book, two, 9, expires_in=HOUR)
    await ledger.apply(book.id, Release(hold=made[0].id))
    await capture(book, made[1].id, 1, final=True)
    clock.instant = Instant(START + 20 * MINUTE)

    async def listed(**more: Any) -> list[Id]:
        return [hold.id for hold in await ledger.holds(book.id, limit=10, **more)]

    assert await listed() == [other.id, *(hold.id for hold in reversed(made))]
    assert await listed(customer=one, after=made[2].id) == [made[1].id, made[0].id]
    assert await listed(state=HoldState.OPEN) == [other.id]
    assert await listed(state=HoldState.EXPIRED) == [made[3].id, made[2].id]
    assert await listed(state=HoldState.CAPTURED, customer=one) == [made[1].id]
    assert await listed(state=HoldState.RELEASED) == [made[0].id]
    assert await listed(customer=two, entitlement=CREDITS, state=HoldState.RELEASED) == []


async def test_one_operation_over_several_wallets_is_kept_and_reversed(
    database: Database, ledger: Ledger
) -> None:
    """Its entries know their wallets; what was reversed is counted in each."""
    book = await open_book(ledger)
    customer = await book.customer()
    await book.grant(customer, 3)
    await book.grant(customer, 10**9, "usd")
    wallets = (Price(CREDITS, Amount(1)), Price("usd", Amount(2, 2)))
    spend = Spend(customer=customer, quantity=Amount(5), wallets=wallets)
    spent = await ledger.apply(book.id, spend)
    assert spent.operation is not None
    assert [(part.entitlement.code, part.amount) for part in spent.parts] == [
        (CREDITS, 3),
        ("usd", 40_000_000),
    ]
    async with opened(database) as store:
        kept = await store.find_debit(spent.operation.id)
        assert kept is not None
        assert (kept.operation, kept.entries) == (spent.operation, spent.entries)
    part = ReverseDebit(debit=spent.operation.id, entitlement="usd", amount=Amount(1, 2))
    await ledger.apply(book.id, part)
    await ledger.apply(book.id, ReverseDebit(debit=spent.operation.id))
    shown = await ledger.debit(book.id, spent.operation.id)
    assert [shown.reversed[kind.id] for kind in shown.entitlements] == [3, 40_000_000]
    assert (await book.balance(customer)).available == 3
    assert (await book.balance(customer, "usd")).available == 10**9 * 10**9
    await verified(ledger)


async def test_a_scoped_grant_is_found_behind_those_that_are_not_for_it(
    database: Database, clock: ManualClock
) -> None:
    """A fresh process loads as many grants as it takes."""
    ledger = open_ledger_on(await database.open(), clock)
    book = await open_book(ledger)
    customer = await book.customer()
    for _ in range(MANY):
        await book.grant(customer, 1, scope={"model": ("a",)})
    last = await book.grant(customer, 1, scope={"model": ("b", "c")}, priority=90)
    await ledger.close()
    again = open_ledger_on(await database.open(), clock)
    book = Book(again, book.id)
    command = Debit(
        customer=customer, entitlement=CREDITS, amount=Amount(1), attributes={"model": "c"}
    )
    spent = await again.apply(book.id, command)
    assert [entry.grant for entry in spent.entries] == [last.id]
    with pytest.raises(InsufficientCredit) as refused:
        await again.apply(book.id, command)
    assert (refused.value.available, refused.value.available_total) == ("0", str(MANY))
    await again.close()
