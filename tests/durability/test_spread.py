"""A spread ledger under load, its servers and its database killed: what is kept apart ends the same, too."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.durability.test_kill import KINDS
from tests.durability.torture_database import DatabaseTorture
from tests.support.postgres import DURABLE, VERSIONS, Cluster, started
from tests.support.spread import spread_on

ROUNDS = 2


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    running = started(VERSIONS[-1], DURABLE)
    yield running
    running.close()


def test_killed_under_load_a_spread_ledger_loses_and_doubles_nothing(
    cluster: Cluster, tmp_path: Path
) -> None:
    """In every dialect, with keys that are claims in other shards than what is done under them."""
    with spread_on(cluster) as url:
        torture = DatabaseTorture(tmp_path, seed=20_260_104, database=url, cluster=cluster)
        for _ in range(ROUNDS):
            torture.round()
        torture.finish()
        assert torture.kinds.keys() >= KINDS
        assert sum(one.acknowledged for one in torture.rounds) > 100, torture.rounds
        assert sum(one.unanswered for one in torture.rounds) > 0, torture.rounds
