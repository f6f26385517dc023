"""`verify` finds a schedule, or what its cycles gave, changed behind the ledger's back, on every store."""

from __future__ import annotations

import pytest

from drawdown.core.amounts import Amount
from drawdown.core.commands import (
    AmendSchedule,
    AskedOverage,
    ChangeTime,
    CreateSchedule,
    PauseSchedule,
    ResumeSchedule,
    RolloverTerms,
    Settle,
)
from drawdown.core.fold import Fault
from drawdown.core.schedules.calendar import CalendarUnit, Every
from drawdown.core.types import DAY, Id, Instant, OverageMode
from drawdown.engine.clocks import ManualClock
from drawdown.engine.ledger import Ledger
from tests.support.books import CREDITS, START, Book, open_book, open_ledger_on, verified
from tests.support.stores import Database, tamper

pytestmark = pytest.mark.anyio

#: What is done to the database, and what the fault must speak of.
TAMPERINGS = {
    "UPDATE schedule SET next_at = next_at + 1 WHERE state = 'active'": "next_at",
    "UPDATE schedule SET cycle = cycle + 1 WHERE state = 'active'": "next_at",
    "UPDATE schedule SET cycle_at = cycle_at + 1 WHERE state = 'active'": "did not begin at",
    "UPDATE schedule SET state = 'paused', cycle_at = NULL WHERE state = 'active'": "next_at",
    "UPDATE schedule SET next_at = 1 WHERE state = 'paused'": "next_at",
    "UPDATE schedule SET overage_rule = NULL WHERE state = 'active'": "rule for overage",
    "UPDATE wallet SET overage_rule = NULL": "rule for overage",
    "UPDATE wallet SET next_due_at = next_due_at + 1": "the wallet is due later",
    "UPDATE wallet SET next_due_at = NULL": "the wallet is due later",
    "UPDATE schedule SET terms = '{}'": "cannot be read",
    "DELETE FROM schedule WHERE state = 'active'": "rule for overage",
    "DELETE FROM schedule WHERE state = 'paused'": "names a schedule that the wallet has not",
    "UPDATE credit_grant SET schedule = NULL WHERE generation = 0": "not carried over|another schedule",
    "UPDATE credit_grant SET created_at = created_at + 86400000000": "was not made when",
    "UPDATE credit_grant SET generation = generation + 1 WHERE generation > 0": "does not follow",
    "UPDATE credit_grant SET parent = NULL WHERE generation > 0": "children|not the one of its cycle",
    "UPDATE credit_grant SET parent = id WHERE generation > 0": "carried over",
}


async def recurring(database: Database) -> Ledger:
    """A ledger in whose one wallet two schedules have seen some cycles, a change and a pause."""
    clock = ManualClock(START)
    ledger = open_ledger_on(await database.open(), clock)
    book = await open_book(ledger)
    customer = await book.customer()
    daily = await _schedule(book, customer, rollover=RolloverTerms(percentage=50))
    other = await _schedule(book, customer)
    clock.instant = Instant(clock.instant + 5 * DAY // 2)
    change = AmendSchedule(schedule=daily, amount=Amount(150), when=ChangeTime.NOW, prorate=True)
    await ledger.apply(book.id, change)
    rule = AskedOverage(mode=OverageMode.UNLIMITED)
    await ledger.apply(book.id, AmendSchedule(schedule=daily, overage=rule))
    await ledger.apply(book.id, PauseSchedule(schedule=other))
    clock.instant = Instant(clock.instant + 5 * DAY // 2)
    await ledger.apply(book.id, Settle(customer=customer, entitlement=CREDITS))
    return ledger


async def _schedule(book: Book, customer: str, rollover: RolloverTerms | None = None) -> Id:
    command = CreateSchedule(
        customer=customer,
        entitlement=CREDITS,
        amount=Amount(100),
        every=Every(CalendarUnit.DAY),
        rollover=rollover,
    )
    made = (await book.ledger.apply(book.id, command)).schedule
    assert made is not None
    return made.id


async def test_schedules_that_nobody_touched_are_in_order(database: Database) -> None:
    ledger = await recurring(database)
    end = await verified(ledger)
    assert end.wallets == 1
    assert end.entries > 20
    await ledger.close()


async def test_a_schedule_that_was_taken_up_or_resumed_is_in_order(database: Database) -> None:
    """A start in the past, a pause over its first cycles, an end: each as the calendar has it."""
    clock = ManualClock(START)
    ledger = open_ledger_on(await database.open(), clock)
    book = await open_book(ledger)
    customer = await book.customer()
    for starts_at, ends_at in ((-5 * DAY // 2, None), (DAY, 4 * DAY), (2 * DAY, None)):
        command = CreateSchedule(
            customer=customer,
            entitlement=CREDITS,
            amount=Amount(10),
            every=Every(CalendarUnit.DAY),
            starts_at=Instant(START + starts_at),
            ends_at=None if ends_at is None else Instant(START + ends_at),
        )
        made = (await ledger.apply(book.id, command)).schedule
        assert made is not None
        await verified(ledger)
        await ledger.apply(book.id, PauseSchedule(schedule=made.id))
        await verified(ledger)
        clock.instant = Instant(clock.instant + DAY // 3)
        await ledger.apply(book.id, ResumeSchedule(schedule=made.id))
        await verified(ledger)
    for _ in range(12):
        clock.instant = Instant(clock.instant + DAY // 2)
        await ledger.apply(book.id, Settle(customer=customer, entitlement=CREDITS))
        await verified(ledger)
    await ledger.close()


@pytest.mark.parametrize("tampering", TAMPERINGS)
async def test_a_change_behind_its_back_is_found(database: Database, tampering: str) -> None:
    ledger = await recurring(database)
    await tamper(database.url, tampering)
    with pytest.raises(Fault, match=TAMPERINGS[tampering]):
        await verified(ledger)
    await ledger.close()
