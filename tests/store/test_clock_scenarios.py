"""The scenarios about test clocks themselves (``tests/scenarios/clocks``), on every store.

All other scenarios are played on a clock, too (``tests.dialects.native.test_scenarios_on_a_clock``). Here
real time and clocks go apart. Commands, besides those of the other tables:

    clock C d100, advance C d105, delete C
    on=C, on=real             whose: the customer who is on the clock, or the one who is on none

Facts: ``available``, ``granted`` and ``now`` (what time it is) of the customer, and ``entries``, the kinds of
his with their times, the oldest first; of a clock ``C.at`` and ``C.status``; of a grant ``A.created`` and
``A.state``; of a schedule ``S.cycle``.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from drawdown.core import lifecycle
from drawdown.core.commands import (
    AdvanceTestClock,
    Authorize,
    Command,
    CreateTestClock,
    Debit,
    DeleteTestClock,
    IssueGrant,
)
from drawdown.core.errors import LedgerError
from drawdown.core.requests import Accepted
from drawdown.core.types import DAY, Id, Instant, Mode
from drawdown.engine.clocks import ManualClock
from drawdown.engine.ledger import Ledger
from tests.support import scheduling
from tests.support.books import CREDITS, START, Book, open_book, verified
from tests.support.scenarios import Scenario, Step, instant, load, span

pytestmark = pytest.mark.anyio

SCENARIOS = load(Path(__file__).parents[1] / "scenarios" / "clocks")


class Play:
    """What a scenario has made, by the names that it gives."""

    def __init__(self, book: Book) -> None:
        self.book, self.ledger = book, book.ledger
        self.customers: dict[str, str] = {}
        self.clocks: dict[str, Id] = {}
        self.grants: dict[str, Id] = {}
        self.schedules: dict[str, Id] = {}

    async def act(self, step: Step) -> str:
        try:
            if step.verb == "clock":
                await self._new_clock(step)
            elif step.verb != "read":
                self._name(step, await self.ledger.apply(self.book.id, await self._command(step)))
            if step.verb == "advance":
                await self.ledger.test_clocks.play(self.book.id, self.clocks[step.words[0]], 60)
        except LedgerError as refusal:
            return refusal.code
        return "ok"

    async def _new_clock(self, step: Step) -> None:
        name, at = step.words
        command = CreateTestClock(frozen_at=instant(at), mode=Mode.TEST)
        made = (await self.ledger.apply(self.book.id, command)).clock
        assert made is not None
        self.clocks[name] = made.id
        self.customers[name] = await self.book.customer(test_clock=made.id)

    async def _command(self, step: Step) -> Command:
        words, options = step.words, step.options
        if step.verb == "advance":
            return AdvanceTestClock(clock=self.clocks[words[0]], to=instant(words[1]))
        if step.verb == "delete":
            return DeleteTestClock(clock=self.clocks[words[0]])
        customer = await self._customer(step)
        if step.verb == "schedule":
            return scheduling.create(customer, CREDITS, step)
        amount = scheduling.amount(words[-1])
        if step.verb == "grant":
            return IssueGrant(
                customer=customer,
                entitlement=CREDITS,
                amount=amount,
                effective_at=scheduling.moment(options, "eff"),
                expires_at=scheduling.moment(options, "exp"),
            )
        if step.verb == "hold":
            return Authorize(
                customer=customer,
                entitlement=CREDITS,
                amount=amount,
                expires_in=span(options["for"]),
            )
        return Debit(customer=customer, entitlement=CREDITS, amount=amount)

    async def _customer(self, step: Step) -> str:
        name = step.options["on"]
        if name not in self.customers:
            assert name == "real"
            self.customers[name] = await self.book.customer()
        return self.customers[name]

    def _name(self, step: Step, accepted: Accepted) -> None:
        if accepted.schedule is not None:
            self.schedules[step.words[0]] = accepted.schedule.id
        elif accepted.grant is not None:
            self.grants[step.words[0]] = accepted.grant.id

    async def fact(self, fact: str, step: Step) -> str:
        name, _, field = fact.partition(".")
        if name in self.clocks:
            clock = await self.ledger.test_clocks.find(self.book.id, self.clocks[name])
            return day(clock.frozen_at) if field == "at" else clock.status.value
        if name in self.grants:
            grant = await self.ledger.grant(self.book.id, self.grants[name])
            balance = await self.book.balance(await self._customer(step))
            state = lifecycle.state_of(grant, balance.as_of).value
            return day(grant.created_at) if field == "created" else state
        if name in self.schedules:
            return str((await self.ledger.schedule(self.book.id, self.schedules[name])).cycle)
        return await self._of_customer(fact, await self._customer(step))

    async def _of_customer(self, fact: str, customer: str) -> str:
        if fact == "entries":
            found, _ = await self.ledger.entries(self.book.id, customer, limit=500)
            return ",".join(f"{e.kind.value}@{day(e.at)}" for e in reversed(found)) or "none"
        balance = await self.book.balance(customer)
        return day(balance.as_of) if fact == "now" else str(getattr(balance, fact))


def day(at: Instant) -> str:
    """``d10.5``: twelve hours after the beginning of the tenth day."""
    return f"d{(at - START) / DAY:g}"


@pytest.mark.parametrize("scenario", SCENARIOS, ids=[each.title for each in SCENARIOS])
async def test_scenario_of_clocks(ledger: Ledger, clock: ManualClock, scenario: Scenario) -> None:
    play = Play(await open_book(ledger))
    for step in scenario.steps:
        clock.instant = max(clock.instant, step.at)
        assert await play.act(step) == step.result, step.line
        for fact, expected in step.facts.items():
            assert await play.fact(fact, step) == expected, f"{step.line}\n  {fact}"
    await verified(ledger)
