"""Any split of requests into batches ends the same, in memory and on every store, hashes included."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from random import Random

import msgspec
import pytest

from drawdown.core.commands import (
    Command,
    CreateCustomer,
    CreateEntitlement,
    CreateMeter,
    CreateRate,
    CreateSchedule,
    CreateTestClock,
    IssueGrant,
)
from drawdown.core.demand import stands_alone
from drawdown.core.needs import needs
from drawdown.core.plan import plan
from drawdown.core.requests import Accepted, Outcome, Refused, Request
from drawdown.core.types import Id
from drawdown.engine.ports import Store
from tests.simulation.core_play import CorePlay
from tests.simulation.generate import Generator, setting
from tests.simulation.running import small_limits
from tests.simulation.world import World
from tests.support.memory import CoreLedger
from tests.support.postgres import VERSIONS, Clusters
from tests.support.stores import SQLITE, Database, new_database, opened

Heads = dict[tuple[Id, Id], bytes]

OPENING = CreateCustomer | CreateEntitlement | CreateTestClock | CreateMeter | CreateRate
COMMANDS = 120
SEEDS = range(12)
#: Where all is kept together: elsewhere no transaction is about customers of several groups.
TOGETHER = (SQLITE, *(f"postgres-{version}" for version in VERSIONS))


@pytest.fixture(params=TOGETHER)
def database(
    request: pytest.FixtureRequest, tmp_path: Path, clusters: Clusters
) -> Iterator[Database]:
    with new_database(request.param, tmp_path, clusters) as found:
        yield found


def played(seed: int) -> tuple[list[Request], list[str], Heads]:
    """The requests of a play, what each was answered, and the head of every wallet's chain.

    Nobody is on a test clock: what moves that is no request (``test_advances``).
    """
    chance = Random(seed)
    setting_of_it = msgspec.structs.replace(setting(chance, "core", seed), clocked=0)
    world = World(setting_of_it, Counter())
    play = CorePlay(setting_of_it, world)
    for turn in Generator(chance, setting_of_it, world).turns(COMMANDS):
        play.turn(turn)
    return play.requests, codes(play.outcomes), heads_of(play.core)


def heads_of(core: CoreLedger) -> Heads:
    return {(wallet.customer, wallet.entitlement): wallet.chain for wallet in core.wallets}


def codes(outcomes: Sequence[Outcome]) -> list[str]:
    return [
        outcome.error.code if isinstance(outcome, Refused) else type(outcome).__name__
        for outcome in outcomes
    ]


def batches(requests: Sequence[Request], chance: Random) -> list[list[Request]]:
    """``requests`` cut into pieces of one to twenty; first those that make customers and entitlements.

    As in the engine, those of a piece have one moment, and none names what another one of it makes:
    nobody could have been told of that. What must be decided by itself is a piece of its own.
    """
    opening = [r for r in requests if isinstance(r.command, OPENING)]
    pieces, size = [opening], 0
    for request in requests[len(opening) :]:
        piece = pieces[-1]
        alone = any(stands_alone(each.command) for each in (piece[-1], request))
        alone = alone or names_what_time_made(request, requests)
        if alone or len(piece) >= size or piece[0].at != request.at or names_one_of(request, piece):
            pieces.append([])
            size = chance.choice((1, 2, 3, 7, 20))
        pieces[-1].append(request)
    return pieces


def names_what_time_made(request: Request, requests: Sequence[Request]) -> bool:
    """Whether it may name what a schedule has given, or what was carried of a grant by its own terms.

    Any request may be the one to come upon that. Its id has the milliseconds of what it follows from.
    """
    grant = getattr(request.command, "grant", None)
    return grant is not None and any(
        each.id[:6] == grant[:6] and makes_in_time(each.command) for each in requests
    )


def makes_in_time(command: Command) -> bool:
    if isinstance(command, IssueGrant):
        return command.rollover is not None
    return isinstance(command, CreateSchedule)


def names_one_of(request: Request, piece: Sequence[Request]) -> bool:
    """Whether it names what another makes: ids begin with the time of the request they come from."""
    command = request.command
    named = [getattr(command, name, None) for name in ("grant", "hold", "debit", "schedule")]
    times = {one.id[:8] for one in piece}
    return any(identifier is not None and identifier[:8] in times for identifier in named)


@pytest.mark.parametrize("seed", SEEDS)
def test_any_split_into_batches_ends_the_same(seed: int) -> None:
    with small_limits():
        requests, answered, heads = played(seed)
        core = CoreLedger()
        outcomes = [one for batch in batches(requests, Random(seed)) for one in core.run(batch)]
    assert codes(outcomes) == answered
    assert heads_of(core) == heads
    core.check()


@pytest.mark.parametrize("seed", SEEDS)
def test_a_store_ends_with_the_chain_heads_of_the_core(seed: int, database: Database) -> None:
    """Loading two grants at a time, in any split, every outcome and hash is the core's own."""
    with small_limits():
        requests, answered, heads = played(seed)
        pieces = batches(requests, Random(seed))
        found = asyncio.run(on_store(database, pieces))
    assert found == (answered, heads)


async def on_store(
    database: Database, pieces: Sequence[Sequence[Request]]
) -> tuple[list[str], Heads]:
    outcomes: list[Outcome] = []
    async with opened(database) as store:
        for batch in pieces:
            outcomes.extend(await carry_out(store, batch))
        async with store.audit() as audit:
            heads = {(w.customer, w.entitlement): w.chain async for w in audit.walk()}
    return codes(outcomes), heads


async def carry_out(store: Store, batch: Sequence[Request]) -> list[Outcome]:
    async with store.transaction() as current:
        for wanted in needs(batch, current.state):
            await current.load(wanted)
        outcomes = [plan(request, current.state) for request in batch]
        await current.write()
    return outcomes


def test_plays_make_customers_and_are_answered() -> None:
    """Or the comparisons above would prove nothing."""
    with small_limits():
        requests, answered, heads = played(0)
    assert any(isinstance(request.command, CreateCustomer) for request in requests)
    assert answered.count(Accepted.__name__) > COMMANDS // 4
    assert heads
