"""Schedules on a real store: kept whole, taken up by another process, each cycle played once."""

from __future__ import annotations

from typing import Any

import pytest

from drawdown.core.amounts import Amount
from drawdown.core.commands import (
    AmendSchedule,
    AskedOverage,
    Authorize,
    CancelSchedule,
    ChangeTime,
    CreateSchedule,
    Debit,
    PauseSchedule,
    ResumeSchedule,
    RolloverTerms,
    Settle,
    TrialTerms,
)
from drawdown.core.errors import FieldInvalid, InsufficientCredit, ScheduleNotFound, ScheduleOver
from drawdown.core.schedules.calendar import CalendarUnit, Every
from drawdown.core.schedules.terms import Schedule, ScheduleState
from drawdown.core.types import DAY, Instant, OverageBehavior, OverageMode
from drawdown.engine.clocks import ManualClock
from drawdown.engine.jobs import Jobs
from drawdown.engine.ledger import Ledger
from drawdown.engine.ports import Store
from tests.support.books import (
    CREDITS,
    START,
    Book,
    Observed,
    open_book,
    open_ledger_on,
    verified,
    worked_off,
)
from tests.support.stores import Database

pytestmark = pytest.mark.anyio


async def schedule(book: Book, customer: str, amount: int, **more: Any) -> Schedule:
    more.setdefault("every", Every(CalendarUnit.DAY))
    command = CreateSchedule(customer=customer, entitlement=CREDITS, amount=Amount(amount), **more)
    made = (await book.ledger.apply(book.id, command)).schedule
    assert made is not None
    return made


async def test_a_schedule_is_kept_whole(database: Database) -> None:
    """Every field that was given comes back from the store as it was answered."""
    clock = ManualClock(START)
    ledger = open_ledger_on(await database.open(), clock)
    book = await open_book(ledger)
    customer = await book.customer()
    made = await schedule(
        book,
        customer,
        100,
        every=Every(CalendarUnit.MONTH, 2),
        zone="Europe/Berlin",
        ends_at=Instant(START + 700 * DAY),
        trial=TrialTerms(amount=Amount(20), ends_at=Instant(START + 14 * DAY), expires=False),
        rollover=RolloverTerms(
            percentage=50,
            generations_max=2,
            timeframe=Every(CalendarUnit.WEEK, 3),
            minimum=Amount(1),
            maximum=Amount(60),
        ),
        priority=7,
        scope={"model": ("small", "large")},
        name="Monthly",
        metadata={"plan": "pro"},
    )
    assert await ledger.schedule(book.id, made.id) == made
    assert await ledger.schedules(book.id, customer=customer, limit=5) == [made]
    assert made.cycle == 0
    assert (await book.balance(customer)).available == 20
    await verified(ledger)
    await ledger.close()


async def test_a_year_nobody_looked_at_is_played_by_another_process(database: Database) -> None:
    """Each month once and in order, with its rollover; nothing of it depends on who comes upon it."""
    clock = ManualClock(START)
    ledger = open_ledger_on(await database.open(), clock)
    book = await open_book(ledger)
    customer = await book.customer()
    made = await schedule(
        book,
        customer,
        100,
        every=Every(CalendarUnit.MONTH),
        rollover=RolloverTerms(percentage=50),
    )
    await ledger.close()
    clock.instant = Instant(START + 365 * DAY)
    ledger = open_ledger_on(await database.open(), clock)
    book = Book(ledger, book.id)
    foreseen = await book.balance(customer)
    assert (await ledger.schedule(book.id, made.id)).cycle == 13
    await ledger.apply(book.id, Settle(customer=customer, entitlement=CREDITS))
    found = await book.balance(customer)
    assert found.granted == 1300
    assert (found.posted, found.expired) == (foreseen.posted, foreseen.expired)
    assert found.posted == 100 + sum(100 // 2**age for age in range(1, 7))
    assert (await ledger.schedule(book.id, made.id)).cycle == 13
    await verified(ledger)
    await ledger.close()


async def test_a_future_balance_counts_what_a_schedule_will_give(ledger: Ledger) -> None:
    book = await open_book(ledger)
    customer = await book.customer()
    await schedule(book, customer, 100)
    before = await book.balance(customer)
    coming = await ledger.balance(book.id, customer, CREDITS, at=Instant(START + 10 * DAY))
    assert (coming.posted, coming.granted, coming.expired) == (100, 1100, 1000)
    assert await book.balance(customer) == before


async def test_a_job_plays_what_is_due(
    ledger: Ledger, store: Store, clock: ManualClock, observed: Observed
) -> None:
    book = await open_book(ledger)
    customer = await book.customer()
    made = await schedule(book, customer, 100)
    clock.instant = Instant(START + 3 * DAY)
    await worked_off(Jobs(store, clock, ledger.accounts, ledger._settle, observed))
    [kept] = await ledger.schedules(book.id, customer=customer, limit=5)
    assert (kept.id, kept.cycle, kept.next_at) == (made.id, 4, START + 4 * DAY)


async def test_a_schedule_is_changed_paused_resumed_and_cancelled(
    ledger: Ledger, clock: ManualClock
) -> None:
    book = await open_book(ledger)
    customer = await book.customer()
    made = await schedule(book, customer, 100, every=Every(CalendarUnit.DAY, 10))
    clock.instant = Instant(START + 5 * DAY)
    amended = AmendSchedule(schedule=made.id, amount=Amount(60), when=ChangeTime.NOW, prorate=True)
    await ledger.apply(book.id, amended)
    assert (await book.balance(customer)).available == 80
    await ledger.apply(book.id, PauseSchedule(schedule=made.id))
    clock.instant = Instant(START + 25 * DAY)
    resumed = (await ledger.apply(book.id, ResumeSchedule(schedule=made.id))).schedule
    assert resumed is not None
    assert resumed.next_at == START + 30 * DAY
    clock.instant = Instant(START + 31 * DAY)
    cancelled = CancelSchedule(schedule=made.id, expire_credit=True)
    over = (await ledger.apply(book.id, cancelled)).schedule
    assert over is not None
    assert over.state is ScheduleState.CANCELLED
    found = await book.balance(customer)
    assert (found.available, found.granted, found.voided, found.expired) == (0, 160, 20, 140)
    with pytest.raises(ScheduleOver):
        await ledger.apply(book.id, PauseSchedule(schedule=made.id))
    assert (await ledger.schedule(book.id, made.id)).state is ScheduleState.CANCELLED
    await verified(ledger)


async def test_a_cycle_that_falls_due_under_many_grants_leaves_the_order_right(
    ledger: Ledger, clock: ManualClock
) -> None:
    """More grants than are loaded at first: a debit after a cycle draws all there is, and no more."""
    book = await open_book(ledger)
    customer = await book.customer()
    for _ in range(40):
        await book.grant(customer, 1)
    await schedule(book, customer, 10, rollover=RolloverTerms(percentage=100))
    hold = Authorize(customer=customer, entitlement=CREDITS, amount=Amount(5))
    await ledger.apply(book.id, hold)
    clock.instant = Instant(START + 4 * DAY)
    with pytest.raises(InsufficientCredit):
        await book.debit(customer, 91)
    await book.debit(customer, 90)
    assert (await book.balance(customer)).available == 0
    await verified(ledger)


async def test_a_schedule_of_another_book_is_not_there(ledger: Ledger) -> None:
    book, other = await open_book(ledger), await open_book(ledger)
    made = await schedule(book, await book.customer(), 1)
    with pytest.raises(ScheduleNotFound):
        await ledger.schedule(other.id, made.id)
    with pytest.raises(ScheduleNotFound):
        await ledger.apply(other.id, PauseSchedule(schedule=made.id))


async def test_a_paused_schedule_gives_each_cycle_when_it_is_called_for(
    ledger: Ledger, clock: ManualClock
) -> None:
    """One that is made paused plays what is due then; what was carried is counted over all cycles."""
    book = await open_book(ledger)
    customer = await book.customer()
    terms = RolloverTerms(percentage=50, generations_max=1)
    made = await schedule(
        book, customer, 100, every=Every(CalendarUnit.DAY, 10), rollover=terms, paused=True
    )
    assert (made.state, made.cycle, made.next_at) == (
        ScheduleState.PAUSED,
        1,
        Instant(START + 10 * DAY),
    )
    assert (await book.balance(customer)).available == 100
    clock.instant = Instant(START + 10 * DAY)
    assert (await book.balance(customer)).available == 50
    clock.instant = Instant(START + 33 * DAY)
    assert (await book.balance(customer)).available == 50
    begun = await called_for(book, made)
    assert (begun.state, begun.cycle) == (ScheduleState.ACTIVE, 4)
    assert begun.next_at == Instant(START + 40 * DAY)
    assert (await book.balance(customer)).available == 150
    await ledger.apply(book.id, PauseSchedule(schedule=made.id))
    clock.instant = Instant(START + 40 * DAY)
    assert (await book.balance(customer)).available == 50  # 50 carried once are forfeited
    await called_for(book, made)
    clock.instant = Instant(START + 50 * DAY)
    assert (await book.balance(customer)).available == 50 + 100
    await verified(ledger)


async def called_for(book: Book, found: Schedule) -> Schedule:
    asked = ResumeSchedule(schedule=found.id, at_once=True)
    schedule = (await book.ledger.apply(book.id, asked)).schedule
    assert schedule is not None
    return schedule


async def test_what_is_called_for_while_its_cycle_runs_gives_nothing_more(
    ledger: Ledger, clock: ManualClock
) -> None:
    book = await open_book(ledger)
    customer = await book.customer()
    made = await schedule(book, customer, 100, every=Every(CalendarUnit.DAY, 10), paused=True)
    clock.instant = Instant(START + 5 * DAY)
    await called_for(book, made)
    assert (await book.balance(customer)).available == 100
    clock.instant = Instant(START + 10 * DAY)
    assert (await book.balance(customer)).granted == 200
    later = await schedule(book, customer, 7, starts_at=Instant(clock.instant + DAY), paused=True)
    clock.instant = Instant(clock.instant + 5 * DAY)
    assert (await ledger.schedule(book.id, later.id)).cycle is None
    await called_for(book, later)
    assert (await book.balance(customer)).granted == 207
    await verified(ledger)


async def test_of_several_schedules_the_one_whose_cycle_ends_says_what_becomes_of_overage(
    ledger: Ledger, clock: ManualClock
) -> None:
    book = await open_book(ledger)
    customer = await book.customer()
    for days, behavior in (
        (10, OverageBehavior.CARRY_DEFICIT),
        (15, OverageBehavior.FORGIVE_AT_RESET),
    ):
        rule = AskedOverage(mode=OverageMode.UNLIMITED, behavior=behavior)
        await schedule(book, customer, 1, every=Every(CalendarUnit.DAY, days), overage=rule)
    await book.ledger.apply(
        book.id, Debit(customer=customer, entitlement=CREDITS, amount=Amount(9))
    )
    assert (await book.balance(customer)).overage == 7
    clock.instant = Instant(START + 10 * DAY)
    assert (await book.balance(customer)).overage == 7
    clock.instant = Instant(START + 15 * DAY)
    assert (await book.balance(customer)).overage == 0
    await verified(ledger)


async def test_the_end_of_a_schedule_is_moved_both_ways(ledger: Ledger, clock: ManualClock) -> None:
    """What its cycles carried counts on; it cannot end in the past."""
    book = await open_book(ledger)
    customer = await book.customer()
    terms = RolloverTerms(percentage=50, generations_max=1)
    made = await schedule(book, customer, 100, every=Every(CalendarUnit.DAY, 10), rollover=terms)

    async def ends(at: Instant | None) -> Schedule:
        found = (await ledger.apply(book.id, AmendSchedule(schedule=made.id, ends_at=at))).schedule
        assert found is not None
        return found

    clock.instant = Instant(START + 5 * DAY)
    assert (await ends(Instant(START + 10 * DAY))).next_at == Instant(START + 10 * DAY)
    assert (await ends(None)).ends_at is None
    assert (await ends(Instant(START + 20 * DAY))).next_at == Instant(START + 10 * DAY)
    clock.instant = Instant(START + 10 * DAY)
    assert (await book.balance(customer)).available == 150
    with pytest.raises(FieldInvalid):
        await ends(clock.instant)
    clock.instant = Instant(START + 20 * DAY)
    assert (await book.balance(customer)).available == 50
    assert (await ledger.schedule(book.id, made.id)).state is ScheduleState.ENDED
    with pytest.raises(ScheduleOver):
        await ends(None)
    await verified(ledger)
