"""Any split of an advance ends in the same ledger: entries, their instants and all balances."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from random import Random

import msgspec
import pytest

from drawdown.core.types import Entry, Instant
from tests.simulation.core_play import CorePlay
from tests.simulation.generate import Generator, setting
from tests.simulation.plays import BEGIN, DAY, HOUR
from tests.simulation.running import small_limits
from tests.simulation.world import World

COMMANDS = 80
SEEDS = range(16)
YEAR = 366 * DAY
#: An entry without the ids of requests, which differ, and when it was recorded.
Told = tuple[object, ...]


def played(seed: int) -> CorePlay:
    """A play of customers that are all on one test clock, but for what moves it."""
    chance = Random(seed)
    made = setting(chance, "core", seed)
    made = msgspec.structs.replace(made, clocked=made.customers)
    world = World(made, Counter())
    play = CorePlay(made, world)
    for turn in Generator(chance, made, world).turns(COMMANDS):
        if turn.asks[0].verb != "advance":
            play.turn(turn)
    return play


def told(entry: Entry) -> Told:
    moved = (entry.seq, entry.kind, entry.amount, entry.at)
    after = (entry.posted_after, entry.held_after, entry.overage_after, entry.grant_after)
    return (*moved, *after)


def steps(chance: Random, until: int) -> Iterator[Instant]:
    at = BEGIN
    while at < until:
        spans = (1, HOUR, DAY, chance.randint(1, 40 * DAY), chance.randint(1, 200 * DAY))
        at = min(at + chance.choice(spans), until)
        yield Instant(at)


@pytest.mark.parametrize("seed", SEEDS)
def test_any_split_of_an_advance_ends_in_the_same_ledger(seed: int) -> None:
    """Where the ids are the same, which they are but for what lies between cycles, the hashes are too."""
    with small_limits():
        whole = played(seed)
        split = played(seed)
        until = Instant(BEGIN + YEAR)
        whole.advance(until, until)
        for at in steps(Random(seed), until):
            split.advance(at, until)
    for one, other in zip(whole.core.wallets, split.core.wallets, strict=True):
        entries = whole.core.entries_of(one), split.core.entries_of(other)
        assert [told(entry) for entry in entries[0]] == [told(entry) for entry in entries[1]]
        assert (one.posted, one.held, one.pending, one.overage, one.last_at) == (
            other.posted,
            other.held,
            other.pending,
            other.overage,
            other.last_at,
        )
        if [entry.operation for entry in entries[0]] == [entry.operation for entry in entries[1]]:
            assert one.chain == other.chain
    whole.core.check()
    split.core.check()


def test_plays_have_much_to_do_in_a_year() -> None:
    """Or the comparison above would prove nothing."""
    kinds: Counter[str] = Counter()
    with small_limits():
        for seed in SEEDS:
            play = played(seed)
            play.advance(Instant(BEGIN + YEAR), Instant(BEGIN + YEAR))
            kinds += Counter(operation.kind for operation, _ in play.core.state.changes.operations)
    assert kinds["cycle"] > 100
    assert kinds["settle"] > 10
