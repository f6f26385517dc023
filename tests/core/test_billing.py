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
from drawdown.core.types import DAY, Balance, Document, Instant
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
from tests.support.naive_billing import HOUR, Subscription

MINUTE = HOUR // 60
#: Those that are used in random plays.
PRICES = ("calls", "tokens", "packs", "tiers")
LICENSED = ("desks*1", "desks*2", "lamps*1", "lamps*7")
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


VERBS = "grant grant use use use use subscribe change change debit cancel expire undo read".split()
OF_INVOICES = "finalize delete void pay uncollectible".split()


class Play:
    """A random play beside the naive ledger, which says what there is to act on."""

    def __init__(self, seed: int) -> None:
        self.random = Random(seed)
        self.core, self.naive = core_subject(), NaiveSubject()
        self.now, self.number = START, 0
        self.told: Counter[str] = Counter()

    async def run(self, length: int) -> None:
        await self.step("subscribe", ["S", *self.prices()], every=str(self.random.randint(4, 9)))
        for _ in range(length):
            self.wait()
            await self.any()
        for name, fact in (await self.naive.facts(self.now)).items():
            if ":" in fact:
                paid = "nothing" if fact.endswith("-0.00") else "credit"
                self.told[f"{fact.split(':')[0]} {paid}"] += 1
            assert name

    def wait(self) -> None:
        """Some hours, or to just when something is due, or some minutes after that."""
        ledger = self.naive.naive
        ends = [each.end for each in ledger.subscriptions.values() if not each.over]
        ends += [each.expires for each in ledger.grants if each.expires and not each.ended]
        ends = [each for each in ends if each > self.now]
        chosen = self.random.random()
        if any(each.status == "draft" for each in ledger.invoices.values()) and chosen < 0.6:
            self.now += self.random.choice([0, 10, 20]) * MINUTE
        elif ends and chosen < 0.5:
            self.now = min(ends) + self.random.choice([0, 0, 20, 40]) * MINUTE
        elif chosen < 0.97:
            self.now += self.random.randint(1, 40) * HOUR
        else:
            self.now += self.random.randint(2, 20) * DAY

    async def any(self) -> None:
        random, ledger = self.random, self.naive.naive
        drafts = [name for name, each in ledger.invoices.items() if each.status == "draft"]
        ended = [each for each in ledger.invoices if each not in drafts][-6:]
        owed = [each for each in ended if ledger.invoices[each].status != "paid"] or ended
        if drafts and random.random() < 0.25:
            return await self.step(random.choice(["finalize", "delete"]), [random.choice(drafts)])
        if owed and random.random() < 0.15:
            return await self.step(random.choice(OF_INVOICES), [random.choice(owed)])
        verb = random.choice(VERBS)
        self.number += 1
        if verb == "grant":
            cents = random.choice([random.randint(1, 50), random.randint(50, 900)])
            words = [f"G{self.number}", f"{cents // 100}.{cents % 100:02d}"]
            return await self.step(verb, words, **self.options_of_a_grant())
        if verb == "use":
            running = [each for each in ledger.subscriptions.values() if not each.over]
            counted = [price for each in running for price in each.prices] or list(PRICES)
            words = [random.choice(counted), str(random.randint(1, 120))]
            time = self.now - random.choice([0, 0, 0, 1, 5, 60]) * HOUR
            return await self.step(verb, words, time=day(max(time, START)))
        if verb == "subscribe":
            words = [f"S{self.number}x", *self.prices()]
            return await self.step(verb, words, every=str(random.randint(3, 12)))
        if verb == "cancel":
            words = [
                random.choice(list(ledger.subscriptions)),
                *random.choice([["end"], ["invoice"]]),
            ]
            return await self.step(verb, words)
        if verb == "change":
            name = random.choice(list(ledger.subscriptions))
            words = [name, *random.choice([[], [], ["now"], ["none"]])]
            return await self.step(verb, words, **self.change_of(ledger.subscriptions[name]))
        if verb in ("expire", "undo") and ledger.grants:
            return await self.step(verb, [random.choice(ledger.grants).name])
        if verb == "debit":
            return await self.step(verb, [f"0.{random.randint(1, 60):02d}"])
        return await self.step("read", [])

    def prices(self) -> list[str]:
        return self.random.sample(PRICES, self.random.randint(1, 3))

    def change_of(self, subscription: Subscription) -> dict[str, str]:
        """One price comes, goes, or gets another or another quantity; it may be one that is there already."""
        random, found = self.random, dict[str, str]()
        priced = random.choice([*PRICES, *LICENSED, *LICENSED])
        known = random.choice(subscription.prices)
        chosen = random.random()
        if chosen < 0.45:
            found["add"] = priced
        elif chosen < 0.6:
            found["drop"] = known
        else:
            found["swap"] = f"{known}>{priced}"
        return found

    def options_of_a_grant(self) -> dict[str, str]:
        random, found = self.random, dict[str, str]()
        effective = self.now
        if random.random() < 0.2:
            effective += random.randint(1, 100) * HOUR
            found["effective"] = day(effective)
        if random.random() < 0.6:
            found["expires"] = day(effective + random.randint(1, 15 * 24) * HOUR + 30 * MINUTE)
        if random.random() < 0.3:
            found["priority"] = str(random.randint(49, 51))
        if random.random() < 0.3:
            found["category"] = "promotional"
        if random.random() < 0.3:
            found["prices"] = ",".join(self.prices())
        return found

    async def step(self, verb: str, words: list[str], **options: str) -> None:
        step = Step(self.now, verb, words, options, {}, None)
        refusals = (await self.core.act(step), await self.naive.act(step))
        assert refusals[0] == refusals[1], step
        assert await self.core.facts(step.at) == await self.naive.facts(step.at), step
        if verb in (*OF_INVOICES, "change") and refusals[0] is None:
            self.told[" ".join([verb, *words[1:2]]) if verb == "change" else verb] += 1


def day(at: int) -> str:
    minutes = (at - START) // MINUTE
    return f"d{minutes // 1440}+{minutes // 60 % 24}h+{minutes % 60}m"


@pytest.mark.parametrize("hundred", range(2))
def test_a_naive_ledger_comes_to_the_same_invoices_and_the_same_credit(hundred: int) -> None:
    """A failure names its seed's hundred; every kind of invoice and of action is met many times."""
    told: Counter[str] = Counter()
    for seed in range(hundred * 100, hundred * 100 + 100):
        play = Play(seed)
        asyncio.run(play.run(40))
        told += play.told
    for each in ("open credit", "paid credit", "void credit", "uncollectible credit", *OF_INVOICES):
        assert told[each] >= 3, (each, told)
