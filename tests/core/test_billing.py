"""Invoices and the credit that pays them: a table with exact numbers, and plays beside a naive ledger."""

from __future__ import annotations

import asyncio
from collections import Counter
from pathlib import Path
from random import Random
from typing import Any

import pytest

from tests.support.billing_choices import OF_INVOICES, Choices
from tests.support.billing_core import core_subject
from tests.support.billing_play import (
    NaiveSubject,
    Step,
    Subject,
    run,
    scenarios,
)

TABLE = Path(__file__).parents[1] / "tables" / "billing.txt"
SCENARIOS = scenarios(TABLE.read_text())


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
