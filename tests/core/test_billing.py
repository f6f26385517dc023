"""Invoices and the credit that pays them: a table with exact numbers, and plays beside a naive ledger."""

from __future__ import annotations

import asyncio
from collections import Counter
from pathlib import Path
from random import Random
from typing import Any

import pytest

from drawdown.core import currencies
from drawdown.core.billing.records import INVOICE
from drawdown.core.commands import Command, CreateCustomer
from drawdown.core.requests import Accepted, Refused
from drawdown.core.types import Balance, Document, Instant
from tests.support.billing_choices import OF_INVOICES, Choices
from tests.support.billing_play import (
    CURRENCY,
    START,
    LedgerSubject,
    NaiveSubject,
    Step,
    Subject,
    run,
    scenarios,
)
from tests.support.memory import CoreLedger

TABLE = Path(__file__).parents[1] / "tables" / "billing.txt"
SCENARIOS = scenarios(TABLE.read_text())


def core_subject(core: CoreLedger | None = None) -> LedgerSubject:
    core = core or CoreLedger()
    core.one(CreateCustomer(own_id="ann"), Instant(START))
    kind = currencies.entitlement_id(core.book, CURRENCY)

    async def apply(command: Command, at: int) -> Accepted:
        outcome = core.one(command, Instant(at))
        core.check()
        if isinstance(outcome, Refused):
            raise outcome.error
        assert isinstance(outcome, Accepted)
        return outcome

    async def documents() -> list[Document]:
        found = core.state.documents.values()
        return [each for each in found if each is not None and each.kind == INVOICE]

    async def balance() -> Balance | None:
        found = [each for each in core.wallets if each.entitlement == kind]
        return found[0].balance(9, found[0].last_at) if found else None

    return LedgerSubject("ann", apply, documents, balance)


@pytest.mark.parametrize("make", [core_subject, NaiveSubject])
@pytest.mark.parametrize(("rule", "steps"), SCENARIOS, ids=[rule for rule, _ in SCENARIOS])
def test_the_core_and_the_naive_ledger_do_what_the_table_says(
    make: Any, rule: str, steps: list[Step]
) -> None:
    subject: Subject = make()
    asyncio.run(run(subject, steps))


class Play:
    """A random play beside the naive ledger, which says what there is to act on."""

    def __init__(self, seed: int) -> None:
        self.core, self.naive = core_subject(), NaiveSubject()
        self.choices = Choices(Random(seed), self.naive.naive)
        self.told: Counter[str] = Counter()

    async def run(self, length: int) -> None:
        await self.step(self.choices.first())
        for _ in range(length):
            self.choices.wait()
            await self.step(self.choices.next())
        for fact in (await self.naive.facts(self.choices.now)).values():
            if ":" in fact:
                paid = "nothing" if fact.endswith("-0.00") else "credit"
                self.told[f"{fact.split(':')[0]} {paid}"] += 1

    async def step(self, step: Step) -> None:
        refusals = (await self.core.act(step), await self.naive.act(step))
        assert refusals[0] == refusals[1], step
        assert await self.core.facts(step.at) == await self.naive.facts(step.at), step
        if step.verb in (*OF_INVOICES, "change", "undo") and refusals[0] is None:
            change = step.verb == "change"
            self.told[" ".join([step.verb, *step.words[1:2]]) if change else step.verb] += 1


@pytest.mark.parametrize("hundred", range(2))
def test_a_naive_ledger_comes_to_the_same_invoices_and_the_same_credit(hundred: int) -> None:
    """A failure names its seed's hundred; every kind of invoice and of action is met many times."""
    told: Counter[str] = Counter()
    for seed in range(hundred * 100, hundred * 100 + 100):
        play = Play(seed)
        asyncio.run(play.run(40))
        told += play.told
    for each in (
        "open credit",
        "paid credit",
        "void credit",
        "uncollectible credit",
        *OF_INVOICES,
        "undo",
    ):
        assert told[each] >= 3, (each, told)
