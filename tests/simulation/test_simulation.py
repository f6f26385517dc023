"""The simulator, briefly: it finds no fault, reaches every rare path, and would find a fault."""

from __future__ import annotations

import logging
from collections import Counter
from pathlib import Path
from unittest.mock import patch

import msgspec
import pytest

from drawdown.core import posting
from drawdown.core.state import Wallet
from drawdown.core.types import Hold, HoldState, Instant
from drawdown.store.sqlite.transaction import SqliteTransaction
from tests.simulation.coverage import commands_in, missing, missing_on_postgres
from tests.simulation.plays import Play, read, write
from tests.simulation.running import Failed, run_play, run_seed, smallest
from tests.support.postgres import VERSIONS, Clusters
from tests.support.stores import SQLITE

#: Of each depth so many seeds are played, and of the engine's more until every rare path was met: which
#: seeds meet the rarest shifts with each change of the schema.
SEEDS = {"core": 100, "engine": 24}
SEEDS_MAX = 200
#: As many as it takes to meet every fault, shared out over the versions.
SEEDS_ON_POSTGRES = range(8)
REGRESSIONS = sorted((Path(__file__).parent / "regressions").glob("*.json"))


def test_a_short_simulation_shows_no_fault_and_reaches_every_rare_path() -> None:
    counts: Counter[str] = Counter()
    for depth, seeds in SEEDS.items():
        for seed in range(seeds):
            run_seed(seed, depth, counts)
    seed = SEEDS["engine"]
    while missing(counts) and seed < SEEDS_MAX:
        run_seed(seed, "engine", counts)
        seed += 1
    assert missing(counts) == []
    assert commands_in(counts) > 15_000


def test_on_postgres_a_short_simulation_shows_no_fault_and_reaches_every_fault(
    clusters: Clusters, caplog: pytest.LogCaptureFixture
) -> None:
    """Two servers, each behind a proxy; connections break, and the database is killed."""
    caplog.set_level(logging.CRITICAL, "asyncpg")
    counts: Counter[str] = Counter()
    for place, version in enumerate(VERSIONS):
        clusters.of(version)  # or it is skipped
        for seed in SEEDS_ON_POSTGRES[place :: len(VERSIONS)]:
            run_seed(seed, "engine", counts, f"postgres-{version}")
    assert missing_on_postgres(counts) == []
    assert commands_in(counts) > 1_500


@pytest.mark.parametrize("path", REGRESSIONS, ids=lambda path: path.stem)
def test_what_once_failed_does_not_fail_again(path: Path) -> None:
    """On what it failed on, and wherever else it can be played."""
    play = read(path)
    assert play.why
    run_play(play)
    claims = any(ask.claims for turn in play.turns for ask in turn.asks)
    if not claims and not any(turn.fault for turn in play.turns):
        run_play(msgspec.structs.replace(play, depth="core"))
    if not play.power:
        for database in (SQLITE, *(f"postgres-{version}" for version in VERSIONS)):
            run_play(msgspec.structs.replace(play, depth="engine", database=database))


@pytest.mark.parametrize("depth", ["core", "engine"])
def test_one_seed_is_one_play(depth: str) -> None:
    counts: list[Counter[str]] = [Counter(), Counter()]
    for count in counts:
        run_seed(7, depth, count)
    assert counts[0] == counts[1]
    assert commands_in(counts[0]) > 0


def end_hold_lazily(
    started: posting.Posting, wallet: Wallet, held: Hold, state: HoldState, at: Instant
) -> None:
    """Forgets to give back what the hold still holds."""
    held.state, held.ended_at = state, at
    wallet.open_holds -= 1


def forget_nothing(transaction: SqliteTransaction) -> None:
    """Keeps a cache that is stale."""


@pytest.mark.parametrize(
    ("depth", "where", "name", "wrong"),
    [
        ("core", posting, "end_hold", end_hold_lazily),
        ("engine", SqliteTransaction, "forget", forget_nothing),
    ],
)
def test_a_fault_is_found_and_cut_down_to_a_few_requests(
    depth: str, where: object, name: str, wrong: object
) -> None:
    """And what is written down of it shows the fault again, until it is mended."""
    with patch.object(where, name, wrong):
        found = smallest(first_failure(depth), seconds=120)
        assert found.play.size <= 6, write(found.play)
        again = msgspec.json.decode(write(found.play), type=Play)
        with pytest.raises(Failed):
            run_play(again)
    run_play(again)


def first_failure(depth: str) -> Failed:
    for seed in range(400):
        try:
            run_seed(seed, depth, Counter())
        except Failed as failed:
            return failed
    raise AssertionError("no seed found the fault")
