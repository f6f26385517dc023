"""Auto top-ups on a real store: asked for once whoever draws, paid for once whoever says so, kept whole."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from drawdown.core.amounts import Amount
from drawdown.core.commands import (
    AdvanceTestClock,
    CapTerms,
    CloseTopUp,
    ConfirmTopUp,
    CreateSchedule,
    CreateTestClock,
    CreateTopUp,
    FailTopUp,
    Money,
    Settle,
)
from drawdown.core.errors import (
    InsufficientCredit,
    LedgerError,
    TopUpNotFound,
    TopUpPaid,
    TopUpRequestNotFound,
)
from drawdown.core.fold import Fault
from drawdown.core.requests import Accepted, LedgerKey
from drawdown.core.schedules.calendar import CalendarUnit, Every
from drawdown.core.times import moment_of
from drawdown.core.types import DAY, Category, CostBasis, Id, Instant, Mode
from drawdown.core.watching.top_ups import Cap, CapPeriod, RequestState, TopUp, TopUpRequest
from drawdown.engine.clocks import ManualClock
from drawdown.engine.jobs import Jobs
from drawdown.engine.ledger import Ledger
from drawdown.engine.positions import BEGINNING
from tests.support.books import (
    CREDITS,
    HOUR,
    SECOND,
    START,
    Book,
    Observed,
    open_book,
    open_ledger_on,
    render,
    units,
    verified,
    worked_off,
)
from tests.support.stores import Database, tamper

pytestmark = pytest.mark.anyio


async def top_up(book: Book, customer: str, threshold: int = 0, **more: Any) -> TopUp:
    more.setdefault("amount", Amount(100) if "target" not in more else None)
    command = CreateTopUp(
        customer=customer, entitlement=CREDITS, threshold=Amount(threshold), **more
    )
    made = (await book.ledger.apply(book.id, command)).top_up
    assert made is not None
    return made


async def requests(book: Book, **which: Any) -> list[TopUpRequest]:
    """Oldest first."""
    found = await book.ledger.top_up_requests(book.id, limit=100, **which)
    return list(reversed(found))


async def answer(
    book: Book, request: TopUpRequest, paid: bool = True, reference: str | None = None
) -> Accepted:
    command: ConfirmTopUp | FailTopUp = FailTopUp(request=request.id, reason=reference)
    if paid:
        command = ConfirmTopUp(request=request.id, reference=reference)
    return await book.ledger.apply(book.id, command)


async def settle(book: Book, customer: str) -> None:
    await book.ledger.apply(book.id, Settle(customer=customer, entitlement=CREDITS))


async def operations(book: Book, clock: ManualClock) -> list[str]:
    """The kinds of all that was recorded, in the feed's order."""
    clock.instant = Instant(clock.instant + 3 * SECOND)
    page = await book.ledger.feed(BEGINNING, books=frozenset({book.id}), limit=1_000)
    assert not page.more
    return [recorded.operation.kind for recorded in page.found]


async def test_a_rule_and_its_requests_are_kept_whole(ledger: Ledger, clock: ManualClock) -> None:
    book = await open_book(ledger)
    customer = await book.customer()
    made = await top_up(
        book,
        customer,
        threshold=5,
        cap=CapTerms(Amount(150), CapPeriod.WEEK),
        cool_down=HOUR,
        answer_within=2 * HOUR,
        attempts_max=7,
        price_per_unit=Money(units("0.015"), "usd"),
        priority=3,
        expires_after_days=30,
        name="Top-up",
        metadata={"plan": "pro"},
    )
    rule, standing = await ledger.top_up(book.id, made.id)
    assert rule == made
    assert made.cap == Cap(150, CapPeriod.WEEK)
    [request] = await requests(book)
    assert standing.request == request
    assert (request.amount, request.available, request.state) == (100, 0, RequestState.OPEN)
    assert request.cost_basis == CostBasis(1_500_000_000, "usd")
    assert request.expires_at == START + 2 * HOUR
    clock.instant = Instant(START + HOUR)
    accepted = await answer(book, request, reference="pay_1")
    assert accepted.grant is not None
    grant = await ledger.grant(book.id, accepted.grant.id)
    assert (grant.source, grant.category, grant.name) == ("top_up", Category.PAID, "Top-up")
    assert (grant.priority, grant.metadata) == (3, {"plan": "pro"})
    assert grant.cost_basis == request.cost_basis
    assert grant.expires_at == START + HOUR + 30 * DAY
    [paid] = await requests(book, customer=customer, entitlement=CREDITS)
    assert paid == accepted.top_up_request
    assert (paid.state, paid.reference, paid.grant) == (RequestState.CONFIRMED, "pay_1", grant.id)
    assert paid == await ledger.top_up_request(book.id, request.id)
    assert (await verified(ledger)).wallets == 1


async def test_parallel_debits_make_one_request_with_two_ledgers(
    database: Database, clock: ManualClock
) -> None:
    ledgers = [open_ledger_on(await database.open(), clock) for _ in range(2)]
    first = await open_book(ledgers[0])
    books = [first, Book(ledgers[1], first.id)]
    customer = await first.customer()
    await first.grant(customer, 50)
    await top_up(first, customer, threshold=20)
    asked = [books[turn % 2].debit(customer, 1) for turn in range(60)]
    outcomes = await asyncio.gather(*asked, return_exceptions=True)
    refused = [each for each in outcomes if isinstance(each, BaseException)]
    assert len(refused) == 10
    assert all(isinstance(each, InsufficientCredit) for each in refused)
    [request] = await requests(first)
    assert (request.amount, request.available) == (100, 20)
    assert await requests(books[1]) == [request]
    for ledger in ledgers:
        await ledger.close()


async def test_confirmations_at_once_grant_once_with_two_ledgers(
    database: Database, clock: ManualClock
) -> None:
    """Whatever key they come with; of two payments the later is refused."""
    ledgers = [open_ledger_on(await database.open(), clock) for _ in range(2)]
    first = await open_book(ledgers[0])
    books = [first, Book(ledgers[1], first.id)]
    customer = await first.customer()
    await top_up(first, customer)
    [request] = await requests(first)
    confirmations = [answer(books[turn % 2], request, reference="pay_1") for turn in range(8)]
    accepted = await asyncio.gather(*confirmations)
    assert len({each.top_up_request.grant for each in accepted if each.top_up_request}) == 1
    assert sum(each.operation is not None for each in accepted) == 1
    with pytest.raises(TopUpPaid):
        await answer(books[1], request, reference="pay_2")
    with pytest.raises(TopUpPaid):
        await answer(books[1], request, paid=False)
    assert (await first.balance(customer)).granted == 100
    assert (await verified(ledgers[0])).wallets == 1
    for ledger in ledgers:
        await ledger.close()


async def test_a_confirmation_under_a_used_key_is_answered_as_before(ledger: Ledger) -> None:
    book = await open_book(ledger)
    customer = await book.customer()
    await top_up(book, customer)
    [request] = await requests(book)
    command, key = ConfirmTopUp(request=request.id), LedgerKey("test.confirm", "k")
    first = await ledger.submit(book.id, command, render, key=key)
    await book.debit(customer, 30)
    again = await ledger.submit(book.id, command, render, key=key)
    assert (again.body, again.replayed) == (first.body, True)
    assert (await book.balance(customer)).posted == 70


async def test_time_alone_expires_a_request_and_asks_again_in_whatever_process(
    database: Database, clock: ManualClock
) -> None:
    """Three times at most; the rule is made anew by another process, and goes on."""
    first = open_ledger_on(await database.open(), clock)
    book = await open_book(first)
    customer = await book.customer()
    await top_up(book, customer, cool_down=HOUR, answer_within=HOUR)
    await first.close()
    observed = Observed()
    second = open_ledger_on(await database.open(), clock, observer=observed)
    book = Book(second, book.id)
    jobs = Jobs(second.store, clock, second.accounts, second._settle, observed)
    seen = []
    for hours in range(1, 9):
        clock.instant = Instant(START + hours * HOUR)
        await worked_off(jobs)
        seen.append([each.state.value for each in await requests(book)])
    assert seen == [
        ["expired"],
        ["expired", "open"],
        ["expired", "expired"],
        ["expired", "expired", "open"],
        *[["expired"] * 3] * 4,
    ]
    assert observed.errors == []
    ends = [each.ended_at for each in await requests(book)]
    assert ends == [START + hours * HOUR for hours in (1, 3, 5)]
    await top_up(book, customer)
    assert len(await requests(book, state=RequestState.OPEN)) == 1
    await jobs.close()
    await second.close()


async def test_a_request_that_expired_unseen_is_shown_as_expired(
    ledger: Ledger, clock: ManualClock
) -> None:
    book = await open_book(ledger)
    customer = await book.customer()
    await top_up(book, customer)
    [request] = await requests(book)
    clock.instant = Instant(START + 9 * DAY)
    seen = await ledger.top_up_request(book.id, request.id)
    assert (seen.state, seen.ended_at) == (RequestState.EXPIRED, START + DAY)
    assert await requests(book) == [seen]


async def test_money_that_was_taken_late_is_granted_beside_the_request_in_flight(
    ledger: Ledger, clock: ManualClock
) -> None:
    book = await open_book(ledger)
    customer = await book.customer()
    made = await top_up(book, customer, cool_down=HOUR, answer_within=HOUR)
    clock.instant = Instant(START + 2 * HOUR)
    await settle(book, customer)
    late, current = await requests(book)
    assert (late.state, current.state) == (RequestState.EXPIRED, RequestState.OPEN)
    await answer(book, late, reference="pay_late")
    assert (await book.balance(customer)).available == 100
    assert [each.state for each in await requests(book)] == [
        RequestState.CONFIRMED,
        RequestState.OPEN,
    ]
    _, standing = await ledger.top_up(book.id, made.id)
    assert standing.unpaid == 0
    assert standing.request is not None
    assert standing.request.id == current.id


async def test_a_cap_is_exact_over_the_ends_of_months_on_a_test_clock(ledger: Ledger) -> None:
    """However the advance is split: 100 for each month, of which 60 and then 40 are asked for."""
    book = await open_book(ledger)
    january = Instant(1_769_817_600_000_000)  # 2026-01-31T00:00:00Z
    command = CreateTestClock(frozen_at=january, mode=Mode.TEST)
    made = (await ledger.apply(book.id, command)).clock
    assert made is not None
    customer = await book.customer(test_clock=made.id)
    cap = CapTerms(Amount(100), CapPeriod.MONTH)
    await top_up(book, customer, amount=Amount(60), cap=cap, cool_down=60 * SECOND)
    at = january
    for days in (1, 27, 2, 30, 1, 9, 22, 30, 1):
        open_requests = await requests(book, state=RequestState.OPEN)
        while open_requests:
            await answer(book, open_requests[0])
            await book.debit(customer, open_requests[0].amount)
            at = Instant(at + 120 * SECOND)
            await advanced(book, made.id, at)
            open_requests = await requests(book, state=RequestState.OPEN)
        at = Instant(at + days * DAY)
        await advanced(book, made.id, at)
    by_month: dict[int, list[int]] = {}
    for each in await requests(book):
        by_month.setdefault(moment_of(each.requested_at).month, []).append(each.amount)
    assert by_month == {month: [60, 40] for month in range(1, 6)} | {6: [60]}
    times = [each.requested_at for each in await requests(book)]
    february, march = Instant(january + DAY), Instant(january + 29 * DAY)
    assert (times[2], times[4]) == (february, march)


async def advanced(book: Book, clock: Id, to: Instant) -> None:
    await book.ledger.apply(book.id, AdvanceTestClock(clock=clock, to=to))
    found = await book.ledger.test_clocks.play(book.id, clock, 10)
    assert found.target is None


@pytest.mark.parametrize("steps", [2, 7, 40])
async def test_any_split_of_an_advance_makes_the_same_requests(ledger: Ledger, steps: int) -> None:
    """Grants expire, cycles give and take, requests expire and are made again: in one go, or in many."""
    book, seen = await open_book(ledger), []
    for parts in (1, steps):
        made = (await ledger.apply(book.id, CreateTestClock(frozen_at=START, mode=Mode.TEST))).clock
        assert made is not None
        customer = await book.customer(test_clock=made.id)
        await book.grant(customer, 30, expires_at=Instant(START + 5 * DAY + HOUR))
        cycles = CreateSchedule(
            customer=customer,
            entitlement=CREDITS,
            amount=Amount(12),
            every=Every(CalendarUnit.WEEK),
        )
        await ledger.apply(book.id, cycles)
        cap = CapTerms(Amount(150), CapPeriod.WEEK)
        await top_up(book, customer, 15, cap=cap, cool_down=7 * HOUR, attempts_max=9)
        for part in range(1, parts + 1):
            await advanced(book, made.id, Instant(START + part * 30 * DAY // parts))
        found = await requests(book, customer=customer)
        seen.append([(each.amount, each.requested_at, each.ended_at) for each in found])
    assert seen[0] == seen[1]
    assert [amount for amount, _, _ in seen[0]][:3] == [100, 50, 100]
    assert seen[0][0][1] == START + 5 * DAY + HOUR
    assert len(seen[0]) >= 7


async def test_the_event_of_a_request_comes_right_after_the_debit(
    ledger: Ledger, clock: ManualClock
) -> None:
    book = await open_book(ledger)
    customer = await book.customer()
    await book.grant(customer, 10)
    await top_up(book, customer, cap=CapTerms(Amount(100), CapPeriod.DAY), cool_down=60 * SECOND)
    await book.debit(customer, 10)
    [request] = await requests(book)
    await answer(book, request)
    clock.instant = Instant(START + HOUR)
    await book.debit(customer, 100)
    await settle(book, customer)
    assert (await operations(book, clock))[-6:] == [
        "create_top_up",
        "debit",
        "request_top_up",
        "confirm_top_up",
        "debit",
        "cap_top_up",
    ]


async def test_a_closed_rule_asks_for_nothing(ledger: Ledger) -> None:
    book = await open_book(ledger)
    customer = await book.customer()
    await book.grant(customer, 10)
    made = await top_up(book, customer)
    [closed, again] = [
        (await ledger.apply(book.id, CloseTopUp(top_up=made.id))).top_up for _ in range(2)
    ]
    assert closed == again == (await ledger.top_up(book.id, made.id))[0]
    assert closed is not None
    assert closed.closed_at == START
    await book.debit(customer, 10)
    assert await requests(book) == []
    assert await ledger.top_ups(book.id, live=True, limit=5) == []
    assert [rule for rule, _ in await ledger.top_ups(book.id, live=False, limit=5)] == [closed]


async def test_lists_are_of_one_book_newest_first_and_page_by_page(ledger: Ledger) -> None:
    ours, theirs = await open_book(ledger), await open_book(ledger)
    customers = [await ours.customer() for _ in range(3)]
    made = [await top_up(ours, each) for each in customers]
    foreign = await top_up(theirs, await theirs.customer())
    newest = sorted((each.id for each in made), reverse=True)
    first = await ledger.top_ups(ours.id, limit=2)
    rest = await ledger.top_ups(ours.id, limit=2, after=first[-1][0].id)
    assert [rule.id for rule, _ in (*first, *rest)] == newest
    asked = await ledger.top_up_requests(ours.id, limit=2)
    further = await ledger.top_up_requests(ours.id, limit=2, after=asked[-1].id)
    assert {each.top_up for each in (*asked, *further)} == set(newest)
    [own] = await ledger.top_up_requests(ours.id, customer=customers[1], limit=5)
    assert own.top_up == made[1].id
    with pytest.raises(TopUpNotFound):
        await ledger.top_up(ours.id, foreign.id)
    with pytest.raises(TopUpNotFound):
        await ledger.apply(ours.id, CloseTopUp(top_up=foreign.id))
    [request] = await requests(theirs)
    with pytest.raises(TopUpRequestNotFound):
        await ledger.top_up_request(ours.id, request.id)
    with pytest.raises(TopUpRequestNotFound):
        await answer(ours, request)


async def test_a_refused_debit_leaves_no_trace_of_a_request(ledger: Ledger) -> None:
    book = await open_book(ledger)
    customer = await book.customer()
    await book.grant(customer, 10)
    await top_up(book, customer, threshold=5)
    with pytest.raises(LedgerError):
        await book.debit(customer, 11)
    assert await requests(book) == []


async def test_a_wallet_without_a_rule_remembers_nothing(ledger: Ledger) -> None:
    book = await open_book(ledger)
    customer = await book.customer()
    await book.grant(customer, 10)
    await book.debit(customer, 10)
    kind, owner = (
        await ledger.entitlement(book.id, CREDITS),
        await ledger.customer(book.id, customer),
    )
    wallet = await ledger.store.find_wallet(owner.id, kind.id, START)
    assert wallet is not None
    assert wallet.watch is None


@pytest.mark.parametrize(
    ("tampering", "fault"),
    [
        (
            "UPDATE top_up_request SET amount = amount - 1 WHERE state = 'confirmed'",
            "its grant|count",
        ),
        (
            "UPDATE top_up_request SET state = 'failed', grant_id = NULL WHERE state = 'confirmed'",
            "count",
        ),
        (
            "UPDATE top_up_request SET state = 'expired' WHERE state = 'open'",
            "0 top-up requests are",
        ),
        ("DELETE FROM top_up_request WHERE state = 'open'", "0 top-up requests are open"),
        ("UPDATE wallet SET watch = NULL", "paid for by no top-up request"),
        ("UPDATE wallet SET next_due_at = NULL", "the top-up is due at"),
        ("UPDATE wallet SET watch = '{'", "cannot be read"),
        (
            "UPDATE top_up_request SET state = 'stolen' WHERE state = 'open'",
            "cannot be read.*stolen",
        ),
    ],
)
async def test_what_somebody_changed_of_a_top_up_is_found(
    database: Database, clock: ManualClock, tampering: str, fault: str
) -> None:
    ledger = open_ledger_on(await database.open(), clock)
    book = await open_book(ledger)
    customer = await book.customer()
    await top_up(book, customer, threshold=50)
    [request] = await requests(book)
    await answer(book, request)
    clock.instant = Instant(START + HOUR)
    await book.debit(customer, 60)
    assert [each.state.value for each in await requests(book)] == ["confirmed", "open"]
    await verified(ledger)
    await tamper(database.url, tampering)
    with pytest.raises(Fault, match=fault):
        await verified(ledger)
    await ledger.close()
