"""Any split of an advance ends in the same ledger also where documents stand with a wallet, on a real file.

The toy player's cadences hold and draw what grants, native debits and holds of the same wallet compete for.
"""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from drawdown.core.amounts import Amount
from drawdown.core.commands import (
    Act,
    AdvanceTestClock,
    Authorize,
    Command,
    CreateSchedule,
    CreateTestClock,
    Debit,
    IssueGrant,
    RecordUsage,
)
from drawdown.core.errors import LedgerError
from drawdown.core.schedules.calendar import CalendarUnit, Every
from drawdown.core.types import DAY, Id, Instant, Mode
from drawdown.engine.clocks import ManualClock
from drawdown.engine.ledger import Ledger
from drawdown.engine.ports import DocumentFilter
from drawdown.opening import open_store
from tests.store.test_splits_of_an_advance import StepIds
from tests.support import toy
from tests.support.books import CREDITS, START, Book, open_book, verified

HOUR = DAY // 24
BEGAN = Instant(START + 60 * DAY)
LASTS = 60 * DAY

amounts = st.integers(1, 60)
hours = st.integers(1, 15 * 24).map(lambda count: count * HOUR)
asked = st.one_of(
    st.tuples(st.just("cadence"), st.builds(toy.Begin, every=hours, wait=hours, base=amounts)),
    st.tuples(st.just("grant"), st.tuples(amounts, st.none() | hours, st.integers(0, 3 * 24))),
    st.tuples(st.just("debit"), amounts),
    st.tuples(st.just("hold"), amounts),
    st.tuples(st.just("use"), st.integers(0, 9)),
    st.tuples(st.just("schedule"), amounts),
    st.tuples(st.just("end"), st.just(0)),
)
moments = st.integers(0, LASTS // HOUR).map(lambda count: count * HOUR)
plays = st.lists(st.tuples(moments, asked), min_size=3, max_size=12).map(
    lambda found: sorted(found, key=lambda step: step[0])
)


class Player:
    """One customer on a clock of his own, asked for things at the clock's times."""

    def __init__(self, book: Book, customer: str, owner: Id, clock: Id) -> None:
        self.book, self.customer, self.owner, self.clock = book, customer, owner, clock
        self.cadences: list[Id] = []
        self.refused: list[str] = []
        self.used = 0

    async def advance(self, to: int) -> None:
        self.now = Instant(BEGAN + to)
        await self.book.ledger.apply(self.book.id, AdvanceTestClock(clock=self.clock, to=self.now))
        found = await self.book.ledger.test_clocks.play(self.book.id, self.clock, 60)
        assert found.frozen_at == self.now

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
        if verb == "cadence":
            self.cadences.append(accepted.documents[0].id)

    def _command(self, verb: str, said: Any) -> Command | None:
        place: dict[str, Any] = {"customer": self.customer, "entitlement": CREDITS}
        match verb:
            case "cadence":
                return Act(**place, kind=toy.CADENCE, action=said)
            case "grant":
                units, life, wait = said
                begins = Instant(self.now + wait * HOUR)
                ends = None if life is None else Instant(begins + life)
                amount = Amount(units)
                return IssueGrant(**place, amount=amount, effective_at=begins, expires_at=ends)
            case "debit":
                return Debit(**place, amount=Amount(said))
            case "hold":
                return Authorize(**place, amount=Amount(said), expires_in=DAY)
            case "schedule":
                every = Every(CalendarUnit.DAY, 10)
                return CreateSchedule(**place, amount=Amount(said), every=every)
            case "use":
                self.used += 1
                return RecordUsage(
                    customer=self.customer,
                    own_id=f"event-{self.used}",
                    name="work",
                    properties={"units": str(said)},
                )
        if not self.cadences:
            return None
        return Act(**place, kind=toy.CADENCE, action=toy.End(self.cadences.pop()))

    async def told(self) -> list[object]:
        """All that can be seen of it, but for ids and real time."""
        ledger, book = self.book.ledger, self.book.id
        entries, _ = await ledger.entries(book, self.customer, limit=1_000)
        balance = await self.book.balance(self.customer)
        asked = DocumentFilter(
            book=book, owner=self.owner, kind=toy.SLIP, deleted=None, limit=1_000
        )
        slips = [(each, toy.slip_of(each)) for each in await ledger.documents(asked)]
        return [
            [(e.seq, e.kind, e.amount, e.at, e.posted_after, e.held_after) for e in entries],
            (balance.available, balance.held, balance.used, balance.expired, balance.seq),
            [
                (each.created_at, each.due_at, slip.units, slip.held, slip.paid, each.revision)
                for each, slip in slips
            ],
            self.refused,
        ]


async def play(folder: str, steps: Sequence[tuple[int, Any]], stops: Sequence[int]) -> list[object]:
    """What is told of a customer whose clock stops here and there on its way from step to step."""
    ids = StepIds()
    store = await open_store(f"sqlite:///{Path(folder) / f'{len(stops)}.db'}")
    ledger = Ledger(store, ManualClock(START), ids, players=toy.PLAYERS)
    ledger.open(jobs=False)
    book = await open_book(ledger)
    clock = (await ledger.apply(book.id, CreateTestClock(frozen_at=BEGAN, mode=Mode.TEST))).clock
    assert clock is not None
    customer = await book.customer("ann", test_clock=clock.id)
    owner = (await ledger.customer(book.id, customer)).id
    player = Player(book, customer, owner, clock.id)
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


@settings(max_examples=25, deadline=None)
@given(steps=plays, stops=st.lists(moments, min_size=1, max_size=12))
def test_any_split_of_an_advance_with_documents_ends_in_the_same_ledger(
    steps: Sequence[tuple[int, Any]], stops: Sequence[int]
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        straight = asyncio.run(play(folder, steps, []))
        stopping = asyncio.run(play(folder, steps, stops))
    assert stopping == straight
