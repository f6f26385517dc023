"""Any split of an advance ends in the same ledger: schedules, rollover, overage, holds, on a real file.

Two ledgers see the same requests at the same times of a clock. One clock goes straight from each to the next,
the other stops at any instants in between; what falls due is played wherever it is come upon.
"""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Sequence
from pathlib import Path
from random import Random
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from drawdown.core import identity
from drawdown.core.amounts import Amount
from drawdown.core.commands import (
    AdvanceTestClock,
    AmendEntitlement,
    AmendSchedule,
    AskedOverage,
    Authorize,
    CancelSchedule,
    ChangeTime,
    Command,
    CreateSchedule,
    CreateTestClock,
    Debit,
    IssueGrant,
    PauseSchedule,
    ResumeSchedule,
    RolloverTerms,
)
from drawdown.core.errors import LedgerError
from drawdown.core.schedules.calendar import CalendarUnit, Every
from drawdown.core.schedules.terms import CycleExpiry
from drawdown.core.types import DAY, Id, Instant, Mode, OverageBehavior, OverageMode
from drawdown.engine.clocks import ManualClock
from drawdown.engine.ledger import Ledger
from drawdown.opening import open_store
from tests.support.books import CREDITS, START, Book, open_book, verified

HOUR = DAY // 24
#: Clocks are put forward or back in all of them within the months that are played.
ZONES = ("Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "America/Santiago", "UTC")
BEGAN = Instant(START + 60 * DAY)
LASTS = 400 * DAY

amounts = st.integers(1, 60).map(Amount)
everies = st.builds(
    Every,
    st.sampled_from([CalendarUnit.DAY, CalendarUnit.WEEK, CalendarUnit.MONTH]),
    st.integers(5, 9),
)
rollovers = st.builds(
    RolloverTerms,
    percentage=st.integers(1, 100),
    generations_max=st.none() | st.integers(1, 3),
    timeframe=st.none() | st.builds(Every, st.just(CalendarUnit.DAY), st.integers(10, 90)),
    maximum=st.none() | st.integers(20, 50).map(Amount),
)
rules = st.builds(
    AskedOverage, mode=st.just(OverageMode.UNLIMITED), behavior=st.sampled_from(OverageBehavior)
)
schedules = st.fixed_dictionaries(
    {
        "amount": amounts,
        "every": everies,
        "zone": st.sampled_from(ZONES),
        "anchor": st.none() | st.integers(0, 90).map(lambda days: Instant(START + days * DAY)),
        "expires": st.sampled_from([CycleExpiry.CYCLE_END, CycleExpiry.NEVER]),
        "rollover": st.none() | rollovers,
        "overage": st.none() | rules,
    }
)
grants = st.fixed_dictionaries(
    {
        "amount": amounts,
        "expires_at": st.integers(0, LASTS // DAY).map(lambda days: Instant(BEGAN + days * DAY)),
        "rollover": st.none() | rollovers,
    }
) | st.fixed_dictionaries({"amount": amounts})
asked = st.one_of(
    st.tuples(st.just("schedule"), schedules),
    st.tuples(st.just("grant"), grants),
    st.tuples(st.just("debit"), amounts),
    st.tuples(st.just("hold"), amounts),
    st.tuples(st.just("amend"), amounts),
    st.tuples(st.sampled_from(["pause", "resume", "cancel"]), st.booleans()),
)
moments = st.integers(0, LASTS // HOUR).map(lambda hours: hours * HOUR)
plays = st.lists(st.tuples(moments, asked), min_size=3, max_size=12).map(
    lambda found: sorted(found, key=lambda step: step[0])
)


class Player:
    """One customer on a clock of his own, asked for things at the clock's times."""

    def __init__(self, book: Book, customer: str, clock: Id) -> None:
        self.book, self.customer, self.clock = book, customer, clock
        self.schedules: list[Id] = []
        self.refused: list[str] = []

    async def advance(self, to: int) -> None:
        at = Instant(BEGAN + to)
        await self.book.ledger.apply(self.book.id, AdvanceTestClock(clock=self.clock, to=at))
        found = await self.book.ledger.test_clocks.play(self.book.id, self.clock, 60)
        assert found.frozen_at == at

    async def ask(self, verb: str, said: Any) -> None:
        """Do it; a refusal is a part of what happened."""
        command = self._command(verb, said)
        if command is None:
            return
        try:
            accepted = await self.book.ledger.apply(self.book.id, command)
        except LedgerError as refusal:
            self.refused.append(f"{verb} {refusal.code}")
            return
        if verb == "schedule":
            assert accepted.schedule is not None
            self.schedules.append(accepted.schedule.id)

    def _command(self, verb: str, said: Any) -> Command | None:
        place: dict[str, Any] = {"customer": self.customer, "entitlement": CREDITS}
        if verb == "schedule":
            return CreateSchedule(**place, **said)
        if verb == "grant":
            return IssueGrant(**place, **said)
        if verb == "debit":
            return Debit(**place, amount=said)
        if verb == "hold":
            return Authorize(**place, amount=said, expires_in=DAY)
        if verb == "end" or not self.schedules:
            return None
        schedule = self.schedules[-1]
        if verb == "amend":
            return AmendSchedule(schedule=schedule, amount=said, when=ChangeTime.NOW, prorate=True)
        if verb == "cancel":
            return CancelSchedule(schedule=schedule, at_cycle_end=said)
        return (PauseSchedule if verb == "pause" else ResumeSchedule)(schedule=schedule)

    async def told(self) -> list[object]:
        """All that can be seen of it, but for ids and real time."""
        ledger, book = self.book.ledger, self.book.id
        entries, _ = await ledger.entries(book, self.customer, limit=500)
        balance = await self.book.balance(self.customer)
        found = [await ledger.schedule(book, each) for each in self.schedules]
        return [
            [
                (e.seq, e.kind, e.amount, e.at, e.posted_after, e.held_after, e.overage_after)
                for e in entries
            ],
            (balance.available, balance.held, balance.overage, balance.used, balance.expired),
            (balance.granted, balance.voided, balance.seq, balance.as_of),
            [(one.state, one.cycle, one.cycle_at, one.next_at, one.amount) for one in found],
            self.refused,
        ]


class StepIds:
    """The same ids for the same step, whatever is asked for between the steps: ids break ties."""

    def __init__(self) -> None:
        self.between = 1_000
        self.begin(0)

    def begin(self, step: int) -> None:
        self._random, self._next = Random(step), 1_700_000_000_000 + step * 1_000

    def new(self, slot: int | None = None) -> Id:
        self._next += 1
        drawn = self._random.randrange(identity.SLOTS)
        where = drawn if slot is None else slot
        return identity.compose(self._next, 0, self._random.getrandbits(48), where)


async def play(
    folder: str, rule: AskedOverage, steps: Sequence[tuple[int, Any]], stops: Sequence[int]
) -> list[object]:
    """What is told of a customer whose clock stops here and there on its way from step to step."""
    ids = StepIds()
    store = await open_store(f"sqlite:///{Path(folder) / f'{len(stops)}.db'}")
    ledger = Ledger(store, ManualClock(START), ids)
    ledger.open(jobs=False)
    book = await open_book(ledger)
    await ledger.apply(book.id, AmendEntitlement(entitlement=CREDITS, overage=rule))
    command = CreateTestClock(frozen_at=BEGAN, mode=Mode.TEST)
    clock = (await ledger.apply(book.id, command)).clock
    assert clock is not None
    player = Player(book, await book.customer(test_clock=clock.id), clock.id)
    waits = sorted(stops)
    for number, (at, (verb, said)) in enumerate((*steps, (LASTS, ("end", None))), 1):
        for stop in (*(stop for stop in waits if stop < at), at):
            ids.begin(ids.between)
            ids.between += 1
            await player.advance(stop)
        waits = [stop for stop in waits if stop >= at]
        ids.begin(number)
        await player.ask(verb, said)
    found = await player.told()
    await verified(ledger)
    await ledger.close()
    return found


@settings(max_examples=60, deadline=None)
@given(rule=rules, steps=plays, stops=st.lists(moments, min_size=1, max_size=12))
def test_any_split_of_an_advance_ends_in_the_same_ledger(
    rule: AskedOverage, steps: Sequence[tuple[int, Any]], stops: Sequence[int]
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        straight = asyncio.run(play(folder, rule, steps, []))
        stopping = asyncio.run(play(folder, rule, steps, stops))
    assert stopping == straight
