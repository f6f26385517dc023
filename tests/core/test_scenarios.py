"""Every scenario table, on the core alone and on the naive ledger."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.core_subject import CoreSubject
from tests.support.metered import corrects
from tests.support.oracle_subject import OracleSubject
from tests.support.scenarios import Scenario, load, run

SCENARIOS = load(Path(__file__).parent.parent / "scenarios")


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.title)
def test_scenario_on_the_core(scenario: Scenario) -> None:
    run(scenario, CoreSubject())


@pytest.mark.parametrize(
    "scenario",
    [scenario for scenario in SCENARIOS if not corrects(scenario)],
    ids=lambda scenario: scenario.title,
)
def test_scenario_on_the_naive_ledger(scenario: Scenario) -> None:
    """What it knows nothing of, the count of entries, is left out; and so are corrections of usage.

    Those have a naive reckoning of their own (``test_usage_overrides``).
    """
    run(scenario, OracleSubject(), unknown=frozenset({"seq"}))


def test_there_are_at_least_a_hundred_and_seventy_scenarios() -> None:
    titles = [scenario.title for scenario in SCENARIOS]
    assert len(titles) >= 170
    assert len(set(titles)) == len(titles), "two scenarios have one title"
