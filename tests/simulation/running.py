"""Running plays: from a seed while they are being made, or as they were written down."""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from random import Random
from unittest.mock import AsyncMock, patch

import msgspec

from drawdown.core import holds, spending
from drawdown.core.schedules import changes as recurring
from drawdown.core.schedules import cycles
from drawdown.engine import batcher
from drawdown.engine.test_clocks import TestClocks
from drawdown.store.postgres import transaction as postgres_transaction
from drawdown.store.sqlite import connection, transaction
from tests.simulation.clustered import database_site
from tests.simulation.core_play import CorePlay
from tests.simulation.engine_play import EnginePlay
from tests.simulation.generate import Generator, setting
from tests.simulation.plays import GRANTS_MAX, HOLDS_MAX, SCHEDULES_MAX, Play, Turn
from tests.simulation.powered import FileSite, Site
from tests.simulation.servers import copied, template
from tests.simulation.shrinking import SHRINK_SECONDS, shrink
from tests.simulation.world import World
from tests.support.stores import SQLITE

#: How many requests a play has, about.
LENGTHS = (60, 200, 200, 600)


class Failed(Exception):
    """A play showed a fault. ``play`` ends with the turn that showed it."""

    def __init__(self, play: Play, fault: Exception) -> None:
        notes = "; ".join(getattr(fault, "__notes__", ()))
        super().__init__(f"{type(fault).__name__}: {fault} ({notes})" if notes else repr(fault))
        self.play, self.fault = play, fault

    @property
    def kind(self) -> str:
        """What the fault says, without its numbers."""
        return re.split(r"[\d{(\[]", f"{type(self.fault).__name__}: {self.fault}", maxsplit=1)[0]


@contextlib.contextmanager
def small_limits() -> Iterator[None]:
    """Limits that plays can reach."""
    with (
        patch.object(spending, "GRANTS_OPEN_MAX", GRANTS_MAX),
        patch.object(cycles, "GRANTS_OPEN_MAX", GRANTS_MAX),
        patch.multiple(recurring, GRANTS_OPEN_MAX=GRANTS_MAX, SCHEDULES_LIVE_MAX=SCHEDULES_MAX),
        patch.object(holds, "HOLDS_OPEN_MAX", HOLDS_MAX),
        patch.object(connection, "LOG_PAGES_MAX", 40),  # no thread: a play is the same each time
        patch.multiple(
            transaction,
            FIRST_GRANTS=2,
            MORE_GRANTS=2,
            WALLETS_CACHED_MAX=3,
            NAMES_CACHED_MAX=6,
        ),
        patch.multiple(postgres_transaction, FIRST_GRANTS=2, MORE_GRANTS=2),
        patch.object(batcher, "PAUSE_SECONDS", 0.0001),
        patch.object(
            TestClocks, "_is_mine", AsyncMock(return_value=True)
        ),  # leases outlive the dead
    ):
        yield


def run_seed(seed: int, depth: str, counts: Counter[str], database: str = SQLITE) -> None:
    """Make and run the play of a seed. Raises ``Failed``."""
    chance = Random(seed)
    commands = chance.choice(LENGTHS)
    play = setting(chance, depth, seed, database)
    world = World(play, counts)
    _run(play, Generator(chance, play, world).turns(commands), world)


def run_play(play: Play, counts: Counter[str] | None = None) -> None:
    """Run a play as it was written down. Raises ``Failed``."""
    world = World(play, Counter() if counts is None else counts)
    _run(play, play.turns, world)


def _run(play: Play, turns: Iterable[Turn], world: World) -> None:
    played: list[Turn] = []
    try:
        with small_limits():
            if play.depth == "engine":
                with site_of(play.database, play.power, world.counts) as site:
                    asyncio.run(_play_engine(play, turns, world, played, site))
            else:
                _play_core(play, turns, world, played)
    except Exception as fault:  # whatever it is, it is a fault of the ledger or of the simulation
        raise Failed(msgspec.structs.replace(play, turns=tuple(played)), fault) from fault


def _play_core(play: Play, turns: Iterable[Turn], world: World, played: list[Turn]) -> None:
    subject = CorePlay(play, world)
    for turn in turns:
        played.append(turn)
        subject.turn(turn)
    subject.finish()


@contextlib.contextmanager
def site_of(database: str, power: bool, counts: Counter[str]) -> Iterator[Site]:
    """What a play's servers stand on: a file or a database of its own."""
    if database == SQLITE:
        original = template()
        with copied(original) as path:
            yield FileSite(path, original.book, power, counts)
        return
    with database_site(database, counts) as site:
        yield site


async def _play_engine(
    play: Play, turns: Iterable[Turn], world: World, played: list[Turn], site: Site
) -> None:
    subject = EnginePlay(play, world, site)
    try:
        await subject.open()
        for turn in turns:
            played.append(turn)
            await subject.turn(turn)
        await subject.finish()
    finally:
        await subject.close()


def smallest(failed: Failed, seconds: float = SHRINK_SECONDS) -> Failed:
    """The failing play cut down; what it shows then is of the same kind."""

    def fails(play: Play) -> bool:
        return _failure(play, failed.kind) is not None

    return _failure(shrink(failed.play, fails, seconds), failed.kind) or failed


def _failure(play: Play, kind: str) -> Failed | None:
    try:
        run_play(play)
    except Failed as failed:
        return failed if failed.kind == kind else None
    return None
