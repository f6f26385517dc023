"""The scenario tables once more, by test clocks: time passes by advances alone, and real time stands still.

One code path for time: whatever a scenario says of real time holds of a clock's.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from drawdown.core.times import text_of
from drawdown.core.types import DAY, Instant
from tests.support.clocked_server import ClockedServer, clocked_server
from tests.support.commands import sqlite_url
from tests.support.native_subject import NativeSubject, can_say
from tests.support.scenarios import START, Scenario, load, run

SCENARIOS = [
    scenario for scenario in load(Path(__file__).parents[2] / "scenarios") if can_say(scenario)
]
#: Real time is another: what were judged by it would be judged wrong.
REAL = Instant(START + 10_000 * DAY)
#: What is due is recorded while a clock is advanced, and not when it is come upon.
RECORDED_SOONER = frozenset({"seq"})


class OnAClock(NativeSubject):
    """A step comes after an advance to its time. A clock never goes back: what is earlier comes now."""

    def prepare(self, units: dict[str, dict[str, str]]) -> None:
        made = self._client.post("/test-clocks", json={"frozen_at": text_of(START)}).json()
        self._clock, self._at = made["id"], START
        super().prepare(units)

    def _at_time(self, at: Instant) -> None:
        self._server.clock.instant = REAL
        if at > self._at:
            body = {"to": text_of(at)}
            path = f"/test-clocks/{self._clock}/advance"
            while self._ok(self._client.post(path, json=body))["status"] != "ready":
                pass  # it has played for two seconds; asked again, it goes on
            self._at = at

    def _new_customer(self) -> dict[str, str]:
        return super()._new_customer() | {"test_clock": self._clock}


@pytest.fixture(scope="module")
def clocked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ClockedServer]:
    """On SQLite. What a store has to do with an advance is in its contract (``tests.store``)."""
    path = tmp_path_factory.mktemp("clocked") / "ledger.db"
    with clocked_server(sqlite_url(path), REAL) as server:
        yield server


@pytest.fixture(scope="module")
def client(clocked: ClockedServer) -> Iterator[httpx.Client]:
    with clocked.client() as client:
        yield client


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.title)
def test_a_scenario_is_the_same_on_a_test_clock(
    scenario: Scenario, clocked: ClockedServer, client: httpx.Client
) -> None:
    run(scenario, OnAClock(clocked, client), RECORDED_SOONER)
