"""Test clocks on every store: their customers live by them, and an advance plays what falls due."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Sequence

import pytest

from drawdown.core.commands import (
    AdvanceTestClock,
    Authorize,
    CreateTestClock,
    DeleteTestClock,
)
from drawdown.core.errors import (
    ClockAdvancing,
    ClockNotFound,
    CustomerClosed,
    FieldInvalid,
    InsufficientCredit,
    OnlyInTestMode,
)
from drawdown.core.types import DAY, Entry, GrantState, HoldState, Id, Instant, Mode
from drawdown.engine import test_clocks
from drawdown.engine.clocks import ManualClock
from drawdown.engine.ledger import Ledger
from drawdown.engine.ports import Store
from tests.store.test_time_and_claims import jobs_of
from tests.support.books import (
    CREDITS,
    HOUR,
    START,
    Book,
    Observed,
    open_book,
    open_ledger_on,
    units,
    verified,
    worked_off,
)
from tests.support.stores import Database

pytestmark = pytest.mark.anyio

#: Where the clocks of these tests begin: years before and after what is real there.
PAST, FUTURE = Instant(START - 3_000 * DAY), Instant(START + 3_000 * DAY)


async def new_clock(book: Book, frozen_at: Instant = FUTURE) -> Id:
    made = await book.ledger.apply(book.id, CreateTestClock(frozen_at=frozen_at, mode=Mode.TEST))
    assert made.clock is not None
    return made.clock.id


async def advance(book: Book, clock: Id, to: Instant) -> None:
    await book.ledger.apply(book.id, AdvanceTestClock(clock=clock, to=to))
    found = await book.ledger.test_clocks.play(book.id, clock, 60)
    assert (found.frozen_at, found.target) == (to, None)


async def entries_of(book: Book, customer: str) -> list[Entry]:
    found, _ = await book.ledger.entries(book.id, customer, limit=500)
    return found[::-1]


@pytest.mark.parametrize("began", [PAST, FUTURE])
async def test_a_customers_clock_is_now_for_all_that_is_his(ledger: Ledger, began: Instant) -> None:
    book = await open_book(ledger)
    clock = await new_clock(book, began)
    customer = await book.customer(test_clock=clock)
    other = await book.customer()
    soon = Instant(began + DAY)
    grant = await book.grant(customer, 5, expires_at=soon)
    await book.grant(other, 5)
    assert grant.created_at == grant.effective_at == began
    assert (await ledger.customer(book.id, customer)).created_at == began
    assert (await ledger.customer(book.id, other)).created_at == START
    balance = await book.balance(customer)
    assert (balance.as_of, balance.created_at, balance.available) == (began, began, 5)
    assert (await book.balance(other)).as_of == START
    [entry] = await entries_of(book, customer)
    assert (entry.at, entry.recorded_at) == (began, START)
    [segment], _ = await ledger.balance_history(book.id, customer, CREDITS, until=soon, limit=9)
    assert (segment.start, segment.end) == (began, soon)
    assert (await ledger.grant(book.id, grant.id)).remaining == 5
    for at, available in ((began, 5), (soon, 0)):
        assert (await ledger.balance(book.id, customer, CREDITS, at=at)).available == available
    await advance(book, clock, soon)
    assert (await book.balance(customer)).available == 0
    assert [entry.at for entry in await entries_of(book, customer)] == [began, soon]
    with pytest.raises(InsufficientCredit):
        await book.debit(customer, 1)


async def test_lists_judge_each_grant_and_hold_by_its_customers_time(ledger: Ledger) -> None:
    """Also where they are of a whole book, and asked for by their state."""
    book = await open_book(ledger)
    owners = [await book.customer(test_clock=await new_clock(book, at)) for at in (PAST, FUTURE)]
    owners.append(await book.customer())
    made = {}
    for owner, at in zip(owners, (PAST, FUTURE, START), strict=True):
        grant = await book.grant(owner, 9, expires_at=Instant(at + DAY))
        command = Authorize(customer=owner, entitlement=CREDITS, amount=units("2"), expires_in=HOUR)
        hold = (await ledger.apply(book.id, command)).hold
        assert hold is not None
        assert hold.expires_at == at + HOUR
        made[grant.id] = hold.id
    for states in ([], [GrantState.ACTIVE]):
        found = await ledger.grants(book.id, states=states, limit=9)
        assert {grant.id for grant in found} == made.keys()
        assert {grant.held for grant in found} == {2}
    assert await ledger.grants(book.id, states=[GrantState.EXPIRED], limit=9) == []
    for state, count in ((HoldState.OPEN, 3), (HoldState.EXPIRED, 0), (None, 3)):
        assert len(await ledger.holds(book.id, state=state, limit=9)) == count
    for owner in owners:
        [grant] = await ledger.outstanding(book.id, owner)
        [hold] = await ledger.holds(book.id, customer=owner, state=HoldState.OPEN, limit=9)
        assert made[grant.id] == hold.id
        assert (await ledger.hold(book.id, hold.id)).state is HoldState.OPEN


async def test_what_settles_by_real_time_leaves_a_clocks_wallets_alone(
    ledger: Ledger, store: Store, clock: ManualClock, observed: Observed
) -> None:
    book = await open_book(ledger)
    frozen = await new_clock(book, PAST)
    customer = await book.customer(test_clock=frozen)
    await book.grant(customer, 5, expires_at=Instant(PAST + DAY))
    assert await store.due_wallets(Instant(START + DAY), 9) == []
    await worked_off(jobs_of(store, ledger, clock, observed))
    balance = await book.balance(customer)
    assert (balance.available, balance.seq) == (5, 1)


async def test_an_advance_plays_everything_at_its_own_instant_in_order(ledger: Ledger) -> None:
    """Of one customer in the strict order of its instants, whatever wallets they are in."""
    book = await open_book(ledger)
    clock = await new_clock(book)
    customer = await book.customer(test_clock=clock)
    instants = [Instant(FUTURE + day * DAY) for day in (5, 1, 4, 2, 3, 900)]
    for number, at in enumerate(instants):
        await book.grant(customer, 1 + number, "usd" if number % 2 else CREDITS, expires_at=at)
    await advance(book, clock, Instant(FUTURE + 899 * DAY))
    played = [
        (entry.at, entry.operation)
        for entry in await entries_of(book, customer)
        if entry.kind == "expired"
    ]
    assert [at for at, _ in sorted(played)] == sorted(instants)[:5]
    assert [at for at, _ in sorted(played, key=lambda one: one[1])] == sorted(instants)[:5]
    await verified(ledger)


async def test_a_clock_never_goes_back_and_standing_still_is_nothing(ledger: Ledger) -> None:
    book = await open_book(ledger)
    clock = await new_clock(book)
    with pytest.raises(FieldInvalid, match="to must be not before"):
        await ledger.apply(book.id, AdvanceTestClock(clock=clock, to=Instant(FUTURE - 1)))
    await advance(book, clock, FUTURE)
    far = Instant(FUTURE + 40 * 365 * DAY)
    await advance(book, clock, far)
    with pytest.raises(FieldInvalid):
        await ledger.apply(book.id, AdvanceTestClock(clock=clock, to=FUTURE))


async def test_a_clock_on_its_way_goes_nowhere_else(ledger: Ledger) -> None:
    """Its customers are served meanwhile, at the time that their wallets have come to."""
    book = await open_book(ledger)
    clock = await new_clock(book)
    customer = await book.customer(test_clock=clock)
    await book.grant(customer, 5, expires_at=Instant(FUTURE + DAY))
    to = Instant(FUTURE + 2 * DAY)
    await ledger.apply(book.id, AdvanceTestClock(clock=clock, to=to))
    with pytest.raises(ClockAdvancing):
        await ledger.apply(book.id, AdvanceTestClock(clock=clock, to=Instant(to + 1)))
    await ledger.apply(book.id, AdvanceTestClock(clock=clock, to=to))  # is where it goes anyway
    found = await ledger.test_clocks.find(book.id, clock)
    progress = await ledger.test_clocks.progress(found)
    assert progress == test_clocks.Progress(done=0, total=1, at=Instant(FUTURE + DAY))
    await book.debit(customer, 1)
    await advance(book, clock, to)
    assert await ledger.test_clocks.progress(await ledger.test_clocks.find(book.id, clock)) is None
    assert [(one.kind, one.amount) for one in await entries_of(book, customer)] == [
        ("granted", 5),
        ("debited", 1),
        ("expired", 4),
    ]


async def test_a_deleted_clock_stops_and_closes_its_customers(ledger: Ledger) -> None:
    """Also on its way. Nothing is erased: what there was can be read as of where it stopped."""
    book = await open_book(ledger)
    clock = await new_clock(book)
    customer = await book.customer(test_clock=clock)
    await book.grant(customer, 5, expires_at=Instant(FUTURE + DAY))
    to = Instant(FUTURE + 2 * DAY)
    await ledger.apply(book.id, AdvanceTestClock(clock=clock, to=to))
    await ledger.apply(book.id, DeleteTestClock(clock=clock))
    await ledger.test_clocks.tick()
    for command in (DeleteTestClock(clock=clock), AdvanceTestClock(clock=clock, to=to)):
        with pytest.raises(ClockNotFound):
            await ledger.apply(book.id, command)
    with pytest.raises(ClockNotFound):
        await book.customer(test_clock=clock)
    with pytest.raises(ClockNotFound):
        await ledger.test_clocks.find(book.id, clock)
    assert await ledger.test_clocks.list(book.id, limit=9) == []
    for asked in (book.grant(customer, 1), book.debit(customer, 1)):
        with pytest.raises(CustomerClosed):
            await asked
    balance = await book.balance(customer)
    assert (balance.available, balance.as_of) == (5, FUTURE)
    await verified(ledger)


async def test_clocks_are_of_one_test_book(ledger: Ledger) -> None:
    book, other = await open_book(ledger), await open_book(ledger)
    clock = await new_clock(book)
    for asked in (
        other.customer(test_clock=clock),
        ledger.test_clocks.find(other.id, clock),
        ledger.apply(other.id, AdvanceTestClock(clock=clock, to=FUTURE)),
    ):
        with pytest.raises(ClockNotFound):
            await asked
    with pytest.raises(OnlyInTestMode):
        await ledger.apply(book.id, CreateTestClock(frozen_at=START, mode=Mode.LIVE))
    newer = await new_clock(book)
    assert [one.id for one in await ledger.test_clocks.list(book.id, limit=9)] == [newer, clock]
    assert [one.id for one in await ledger.test_clocks.list(book.id, after=newer, limit=9)] == [
        clock
    ]


async def play(book: Book, seed: int, splits: Sequence[int]) -> list[list[object]]:
    """The ledger of some customers with random grants and holds, once a clock went so many days further."""
    chance = random.Random(seed)
    clock = await new_clock(book)
    owners = [await book.customer(test_clock=clock) for _ in range(6)]
    for owner in owners:
        for _ in range(chance.randrange(1, 7)):
            begins = chance.randrange(0, 20 * DAY)
            await book.grant(
                owner,
                chance.randrange(1, 50),
                chance.choice([CREDITS, "usd"]),
                effective_at=Instant(FUTURE + begins),
                expires_at=Instant(FUTURE + begins + chance.randrange(1, 20 * DAY)),
            )
        if (available := (await book.balance(owner)).available) > 1:
            command = Authorize(
                customer=owner,
                entitlement=CREDITS,
                amount=units(str(available // 2)),
                expires_in=chance.randrange(1, DAY),
            )
            await book.ledger.apply(book.id, command)
    for days in splits:
        await advance(book, clock, Instant(FUTURE + days * DAY))
    found: list[list[object]] = []
    for owner in owners:
        entries = [
            (one.kind, one.amount, one.at, one.posted_after, one.held_after, one.grant_after)
            for one in await entries_of(book, owner)
        ]
        balance = await book.balance(owner)
        found.append([*entries, (balance.available, balance.expired, balance.as_of, balance.seq)])
    return found


@pytest.mark.parametrize("seed", range(3))
async def test_any_split_of_an_advance_ends_in_the_same_ledger(ledger: Ledger, seed: int) -> None:
    whole = await play(await open_book(ledger), seed, [30])
    chance = random.Random(seed)
    split = sorted(chance.sample(range(1, 30), 6))
    assert await play(await open_book(ledger), seed, [*split, 30]) == whole
    assert sum(len(each) for each in whole) > 20
    await verified(ledger)


async def test_what_a_dead_process_began_another_ends(
    ledger: Ledger, database: Database, clock: ManualClock
) -> None:
    """It goes on by itself once the lease of the dead one has run out, and does nothing twice."""
    book = await open_book(ledger)
    frozen = await new_clock(book)
    owners = [await book.customer(test_clock=frozen) for _ in range(20)]
    for number, owner in enumerate(owners):
        await book.grant(owner, 3, expires_at=Instant(FUTURE + number * HOUR + 1))
    to = Instant(FUTURE + DAY)
    await ledger.apply(book.id, AdvanceTestClock(clock=frozen, to=to))
    begun = await ledger.test_clocks.find(book.id, frozen)
    assert await ledger.test_clocks._is_mine(begun)
    due = await ledger.store.clock_due(frozen, to, 7)
    await ledger.test_clocks._settle(begun, due)  # and there it dies
    clock.instant = Instant(clock.instant + test_clocks.LEASE)
    other = open_ledger_on(await database.open(), clock)
    await other.test_clocks.tick()
    found = await other.test_clocks.find(book.id, frozen)
    assert (found.frozen_at, found.target) == (to, None)
    for owner in owners:
        assert [one.kind for one in await entries_of(book, owner)] == ["granted", "expired"]
    await verified(other)
    await other.close()


async def test_those_who_ask_at_once_are_given_one_advance(ledger: Ledger) -> None:
    book = await open_book(ledger)
    clock = await new_clock(book)
    to = [Instant(FUTURE + days * DAY) for days in (1, 2, 3)]
    ends = await asyncio.gather(
        *(ledger.apply(book.id, AdvanceTestClock(clock=clock, to=at)) for at in to),
        return_exceptions=True,
    )
    refused = [end for end in ends if isinstance(end, ClockAdvancing)]
    assert len(refused) == 2
