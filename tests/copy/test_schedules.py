"""Schedules in a copy: they go on where they were."""

from __future__ import annotations

from pathlib import Path

import pytest

from drawdown.core.amounts import Amount
from drawdown.core.commands import CreateSchedule, RolloverTerms, Settle
from drawdown.core.schedules.calendar import CalendarUnit, Every
from drawdown.core.types import DAY, Instant
from drawdown.engine.clocks import ManualClock
from drawdown.opening import open_store
from tests.copy.test_passes import finished
from tests.support.books import CREDITS, START, Book, open_book, open_ledger_on, verified

pytestmark = pytest.mark.anyio


async def test_a_schedule_goes_on_in_the_copy(path: Path, each_target: str) -> None:
    """The cycle that follows carries what the one before the copy left."""
    clock = ManualClock(START)
    ledger = open_ledger_on(await open_store(f"sqlite:///{path}"), clock)
    book = await open_book(ledger)
    customer = await book.customer()
    command = CreateSchedule(
        customer=customer,
        entitlement=CREDITS,
        amount=Amount(100),
        every=Every(CalendarUnit.DAY),
        rollover=RolloverTerms(percentage=50),
    )
    made = (await ledger.apply(book.id, command)).schedule
    assert made is not None
    clock.instant = Instant(START + DAY)
    await ledger.apply(book.id, Settle(customer=customer, entitlement=CREDITS))
    kept = await ledger.schedule(book.id, made.id)
    await ledger.close()
    assert (await finished(path, each_target)).fault is None
    ledger = open_ledger_on(await open_store(each_target), clock)
    copied = Book(ledger, book.id)
    assert await ledger.schedule(book.id, made.id) == kept
    clock.instant = Instant(START + 2 * DAY)
    await ledger.apply(book.id, Settle(customer=customer, entitlement=CREDITS))
    assert (await copied.balance(customer)).available == 100 + 50 + 25
    await verified(ledger)
    await ledger.close()


async def test_a_grants_own_rollover_goes_on_in_the_copy(path: Path, each_target: str) -> None:
    """What it carried before the copy is carried on by the same terms."""
    clock = ManualClock(START)
    ledger = open_ledger_on(await open_store(f"sqlite:///{path}"), clock)
    book = await open_book(ledger)
    customer = await book.customer()
    terms = RolloverTerms(percentage=50, timeframe=Every(CalendarUnit.DAY), minimum=Amount(10))
    ends = Instant(START + DAY)
    made = await book.grant(customer, 100, expires_at=ends, rollover=terms)
    clock.instant = ends
    await ledger.apply(book.id, Settle(customer=customer, entitlement=CREDITS))
    kept = await ledger.grants(book.id, customer=customer, limit=9)
    assert {each.rollover for each in kept} == {made.rollover}
    await ledger.close()
    assert (await finished(path, each_target)).fault is None
    ledger = open_ledger_on(await open_store(each_target), clock)
    copied = Book(ledger, book.id)
    assert await ledger.grants(book.id, customer=customer, limit=9) == kept
    clock.instant = Instant(START + 2 * DAY)
    await ledger.apply(book.id, Settle(customer=customer, entitlement=CREDITS))
    assert (await copied.balance(customer)).available == 25
    await verified(ledger)
    await ledger.close()
