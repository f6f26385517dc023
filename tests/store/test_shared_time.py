"""An operation over several wallets brings them to one time, that of the latest; a batch may pass it on.

Clocks step back, and servers' clocks differ: a wallet may have seen a later instant than the others.
"""

from __future__ import annotations

import asyncio

import pytest

from drawdown.core.amounts import Amount
from drawdown.core.commands import Authorize, Debit, Price, Release, ReverseDebit, Settle, Spend
from drawdown.core.types import Hold, HoldState, Instant
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
    verified,
)
from tests.support.stores import Database

pytestmark = pytest.mark.anyio

#: How late it is for the credits, when it is one hour after ``START`` for everything else.
LATE = 20 * HOUR
#: More grants than a store loads at first.
MANY = 40


def spend(customer: str, quantity: int, *kinds: str) -> Spend:
    wallets = tuple(Price(kind, Amount(1)) for kind in kinds)
    return Spend(customer=customer, quantity=Amount(quantity), wallets=wallets)


async def authorize(book: Book, customer: str, kind: str, hours: int) -> Hold:
    command = Authorize(
        customer=customer, entitlement=kind, amount=Amount(1), expires_in=hours * HOUR
    )
    held = (await book.ledger.apply(book.id, command)).hold
    assert held is not None
    return held


async def step_back(database: Database, book: Book, clock: ManualClock, customer: str) -> None:
    """The credits have seen ``LATE``; then the clock is set back, and nothing is remembered."""
    clock.instant = Instant(START + LATE)
    await book.debit(customer, 1)
    clock.instant = Instant(START + HOUR)
    other = open_ledger_on(await database.open())
    await open_book(other)
    await other.close()


async def state_a_day_later(book: Book, clock: ManualClock, hold: Hold) -> HoldState:
    """What is recorded of a hold once its wallet has been settled, long after its end."""
    clock.instant = Instant(START + 48 * HOUR)
    settle = Settle(customer=hold.customer, entitlement=hold.entitlement)
    await book.ledger.apply(book.id, settle)
    await verified(book.ledger)
    [found] = await book.ledger.holds(
        book.id, customer=hold.customer, entitlement=hold.entitlement, state=None, limit=1
    )
    balance = await book.ledger.balance(book.id, hold.customer, hold.entitlement)
    assert (balance.held == 0) == (found.state is HoldState.EXPIRED)
    return found.state


async def test_time_is_passed_on_from_spend_to_spend(
    database: Database, ledger: Ledger, clock: ManualClock, observed: Observed
) -> None:
    """The euros share no operation with the credits, but their hold ends by the credits' time."""
    book = await open_book(ledger)
    customer = await book.customer()
    for kind in (CREDITS, "usd", "eur"):
        await book.grant(customer, 10, kind)
    held = await authorize(book, customer, "eur", hours=12)
    await step_back(database, book, clock, customer)
    await asyncio.gather(
        ledger.apply(book.id, spend(customer, 12, CREDITS, "usd")),
        ledger.apply(book.id, spend(customer, 9, "usd", "eur")),
    )
    [found] = await ledger.holds(book.id, customer=customer, entitlement="eur", limit=1)
    assert (found.state, found.ended_at) == (HoldState.EXPIRED, held.expires_at)
    assert await state_a_day_later(book, clock, held) is HoldState.EXPIRED
    assert observed.errors == []


async def test_a_hold_ends_though_a_shorter_one_was_made_and_ended_in_the_same_batch(
    database: Database, ledger: Ledger, clock: ManualClock, observed: Observed
) -> None:
    """What follows the new hold is known to the wallet, though nothing had been due before."""
    book = await open_book(ledger)
    customer = await book.customer()
    for kind in (CREDITS, "usd"):
        await book.grant(customer, 10, kind)
    held = await authorize(book, customer, "usd", hours=23)
    await step_back(database, book, clock, customer)
    await asyncio.gather(
        authorize(book, customer, "usd", hours=2),
        ledger.apply(book.id, spend(customer, 12, CREDITS, "usd")),
    )
    held_now = (await ledger.balance(book.id, customer, "usd")).held
    assert held_now == held.amount
    clock.instant = Instant(START + LATE)
    await ledger.apply(book.id, Settle(customer=customer, entitlement="usd"))
    assert await state_a_day_later(book, clock, held) is HoldState.EXPIRED
    assert observed.errors == []


@pytest.mark.parametrize("is_first_left", [True, False])
async def test_a_hold_ends_though_the_one_before_it_was_released_in_the_same_batch(
    database: Database,
    ledger: Ledger,
    clock: ManualClock,
    observed: Observed,
    is_first_left: bool,
) -> None:
    """Of what is not due yet only the next is known; when that is gone, what follows is looked for again."""
    book = await open_book(ledger)
    customer = await book.customer()
    for kind in (CREDITS, "usd"):
        await book.grant(customer, 10, kind)
    first = await authorize(book, customer, "usd", hours=12)
    if not is_first_left:
        await ledger.apply(book.id, Release(hold=first.id))
    following = await authorize(book, customer, "usd", hours=21)
    held = await authorize(book, customer, "usd", hours=22)
    await step_back(database, book, clock, customer)
    await asyncio.gather(
        ledger.apply(book.id, Release(hold=following.id)),
        ledger.apply(book.id, spend(customer, 12, CREDITS, "usd")),
    )
    assert await state_a_day_later(book, clock, held) is HoldState.EXPIRED
    assert observed.errors == []


async def test_a_reversal_passes_time_on_as_well(
    database: Database, ledger: Ledger, clock: ManualClock, observed: Observed
) -> None:
    book = await open_book(ledger)
    customer = await book.customer()
    for kind in (CREDITS, "usd", "eur"):
        await book.grant(customer, 10, kind)
    spent = await ledger.apply(book.id, spend(customer, 12, CREDITS, "usd"))
    assert spent.operation is not None
    await book.grant(customer, 10)
    held = await authorize(book, customer, "eur", hours=12)
    await step_back(database, book, clock, customer)
    await asyncio.gather(
        ledger.apply(book.id, ReverseDebit(debit=spent.operation.id)),
        ledger.apply(book.id, spend(customer, 12, "usd", "eur")),
    )
    assert await state_a_day_later(book, clock, held) is HoldState.EXPIRED
    assert observed.errors == []


async def test_a_debit_after_a_spend_does_not_count_on_grants_that_have_expired_by_then(
    database: Database, ledger: Ledger, clock: ManualClock, observed: Observed
) -> None:
    """The first grants to be drawn, and to be loaded, are over by the time that the spend brings."""
    book = await open_book(ledger)
    customer = await book.customer()
    await book.grant(customer, 10)
    early = Instant(START + 12 * HOUR)
    await asyncio.gather(
        *(book.grant(customer, 100, "usd", priority=1, expires_at=early) for _ in range(MANY)),
        *(book.grant(customer, 100, "usd", priority=2) for _ in range(MANY)),
    )
    await step_back(database, book, clock, customer)
    debit = Debit(customer=customer, entitlement="usd", amount=Amount(3_000))
    await asyncio.gather(
        ledger.apply(book.id, spend(customer, 12, CREDITS, "usd")), ledger.apply(book.id, debit)
    )
    balance = await ledger.balance(book.id, customer, "usd")
    assert balance.expired == MANY * 100 * 10**9
    assert balance.posted == (MANY * 100 - 3_000 - 3) * 10**9
    await verified(ledger)
    assert observed.errors == []
