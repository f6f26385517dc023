"""Plays about subscriptions, invoices and the credit that pays them, with faults: on the core and the engine.

A play is text (``tests.support.billing_play``): what each customer asks at his own time. Some are on test
clocks that go there in random splits. A client that hears nothing asks again under its key, so whatever goes
wrong, everything happens once; and all that can be seen must be what the naive ledger says, which knows of
no faults.
"""

from __future__ import annotations

import asyncio
from random import Random

import msgspec

from drawdown.core.types import DAY
from tests.simulation import faults
from tests.support.billing_choices import OF_INVOICES, Choices, text_of
from tests.support.billing_play import NaiveSubject, Step
from tests.support.stores import SQLITE

CORE = "core"
#: How many steps a play has, about.
LENGTHS = (30, 60, 60, 150)
FAULTS = faults.FAULTS
FAULTS_ON_POSTGRES = (*faults.FAULTS, *faults.UNNOTICED)
#: What a simulation must have met.
RARE = (
    *(f"{verb}: ok" for verb in (*OF_INVOICES, "undo", "change", "cancel", "expire")),
    "open with credit",
    "paid with credit",
    "void with credit",
    "uncollectible with credit",
    "draft with credit",
)
RARE_IN_THE_ENGINE = (
    *(f"fault: {fault}" for fault in FAULTS),
    "jobs run",
    "an advance stops on its way",
    "a lost answer is asked for again",
)


class Ask(msgspec.Struct, frozen=True):
    customer: int
    text: str


class Turn(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What customers ask at once. ``fault`` meets the transaction after ``step`` others of the turn.

    ``stops``: minutes before its end at which an advance of a test clock stops. ``races``: another server
    settles the wallets at the same time.
    """

    asks: tuple[Ask, ...]
    server: int = 0
    fault: str = ""
    step: int = 0
    stops: tuple[int, ...] = ()
    jobs: bool = False
    races: bool = False


class BillingPlay(msgspec.Struct, frozen=True, kw_only=True):
    """The first ``clocked`` of the customers have a test clock each."""

    seed: int
    place: str
    customers: int
    clocked: int
    turns: tuple[Turn, ...] = ()

    @property
    def size(self) -> int:
        return sum(len(turn.asks) for turn in self.turns)


def made(seed: int, place: str) -> BillingPlay:
    """The play of a seed: what is asked follows from how things stand, faults or not."""
    random = Random(f"{seed} {place}")
    customers = random.randint(1, 3)
    clocked = random.randint(0, customers)
    subjects = [NaiveSubject() for _ in range(customers)]
    choices = [Choices(random, each.naive) for each in subjects]
    turns: list[Turn] = []
    steps, length = 0, random.choice(LENGTHS)
    while steps < length:
        asked = _asked(random, choices, clocked, first=not turns)
        for customer, step in asked:
            asyncio.run(subjects[customer].act(step))
        steps += len(asked)
        asks = tuple(Ask(customer, text_of(step)) for customer, step in asked)
        turns.append(_turn(random, place, asks))
    play = BillingPlay(seed=seed, place=place, customers=customers, clocked=clocked)
    return msgspec.structs.replace(play, turns=tuple(turns))


def _asked(
    random: Random, choices: list[Choices], clocked: int, *, first: bool
) -> list[tuple[int, Step]]:
    """One step of some customers. Those on no clock share the real time."""
    if first:
        return [(customer, each.first()) for customer, each in enumerate(choices)]
    chosen = sorted(random.sample(range(len(choices)), random.randint(1, len(choices))))
    found = []
    real = max((each.now for each in choices[clocked:]), default=0)
    waited = False
    for customer in chosen:
        each = choices[customer]
        if customer < clocked:
            each.wait()
        else:
            each.now = real
            if not waited:
                each.wait()
            real, waited = each.now, True
        found.append((customer, each.next()))
    return found


def _turn(random: Random, place: str, asks: tuple[Ask, ...]) -> Turn:
    if place == CORE:
        return Turn(asks=asks)
    known = FAULTS if place == SQLITE else FAULTS_ON_POSTGRES
    faulty = random.random() < 0.25
    return Turn(
        asks=asks,
        server=random.randrange(2),
        fault=random.choice(known) if faulty else "",
        step=random.choice((0, 0, 1, 2)) if faulty else 0,
        stops=tuple(random.randint(1, 20 * DAY // 60_000_000) for _ in range(random.randrange(3))),
        jobs=random.random() < 0.15,
        races=place != SQLITE and random.random() < 0.3,
    )
