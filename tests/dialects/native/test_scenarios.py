"""The scenario tables through the native API: real app, socket and databases, and a clock that is set.

On SQLite and the newest PostgreSQL, as all that goes over HTTP. The core plays them too, and each store keeps
its contract by itself.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.support.clocked_server import ClockedServer, clocked_server
from tests.support.native_subject import NativeSubject, can_say
from tests.support.postgres import VERSIONS, Clusters
from tests.support.scenarios import START, Scenario, load, run
from tests.support.stores import SQLITE, new_database

SCENARIOS = [
    scenario for scenario in load(Path(__file__).parents[2] / "scenarios") if can_say(scenario)
]


@pytest.fixture(scope="module", params=[SQLITE, f"postgres-{VERSIONS[-1]}"])
def clocked(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, clusters: Clusters
) -> Iterator[ClockedServer]:
    folder = tmp_path_factory.mktemp("clocked")
    with (
        new_database(request.param, folder, clusters) as database,
        clocked_server(database.url, START) as server,
    ):
        yield server


@pytest.fixture(scope="module")
def client(clocked: ClockedServer) -> Iterator[httpx.Client]:
    with clocked.client() as client:
        yield client


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.title)
def test_scenario_through_the_native_api(
    scenario: Scenario, clocked: ClockedServer, client: httpx.Client
) -> None:
    run(scenario, NativeSubject(clocked, client))


def test_at_least_a_hundred_and_fifty_scenarios_can_be_said_natively() -> None:
    assert len(SCENARIOS) >= 150
