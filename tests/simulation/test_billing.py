"""Invoices and the credit that pays them, briefly: whatever goes wrong, what there is is what should be."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterable, Sequence
from unittest.mock import patch

import pytest

from drawdown.core.billing import invoicing
from drawdown.core.billing.credits import Claimed, Shares, allocate
from drawdown.core.types import Grant
from tests.simulation.billing import Failed, run_play, run_seed, smallest, write
from tests.simulation.billing_plays import CORE, RARE, RARE_IN_THE_ENGINE
from tests.support.postgres import VERSIONS, Clusters
from tests.support.stores import SQLITE

#: So many are played at least, and more until every rare path was met.
SEEDS = {CORE: 12, SQLITE: 4}
SEEDS_MAX = 60
#: Short plays, in which something goes wrong.
SEEDS_ON_POSTGRES = (2,)


def test_a_short_simulation_of_invoices_shows_no_fault_and_reaches_every_rare_path() -> None:
    counts: Counter[str] = Counter()
    for seed in range(SEEDS_MAX):
        if missing(counts, RARE) or seed < SEEDS[CORE]:
            run_seed(seed, CORE, counts)
        if missing(counts, RARE_IN_THE_ENGINE) or seed < SEEDS[SQLITE]:
            run_seed(seed, SQLITE, counts)
    assert missing(counts, (*RARE, *RARE_IN_THE_ENGINE)) == []


def missing(counts: Counter[str], wanted: tuple[str, ...]) -> list[str]:
    return [each for each in wanted if not counts[each]]


def test_on_postgres_a_short_simulation_of_invoices_shows_no_fault(
    clusters: Clusters, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.CRITICAL, "asyncpg")
    counts: Counter[str] = Counter()
    for version in VERSIONS:
        clusters.of(version)  # or it is skipped
        for seed in SEEDS_ON_POSTGRES:
            run_seed(seed, f"postgres-{version}", counts)
    assert counts["two servers at once"] > 0
    assert sum(count for name, count in counts.items() if name.startswith("fault: ")) > 0


def test_a_fault_in_billing_is_found_and_cut_down_to_a_few_steps() -> None:
    """What is written down of it shows the fault again, until it is mended."""

    def wrong(grants: Sequence[Grant], claims: Iterable[Claimed], step: int) -> list[Shares]:
        """The last in burn-down order pays first."""
        return allocate(grants[::-1], claims, step)

    with patch.object(invoicing, "allocate", wrong):
        found = smallest(first_failure(), seconds=120)
        assert found.play.size <= 8, write(found.play)
        with pytest.raises(Failed):
            run_play(found.play)
    run_play(found.play)


def first_failure() -> Failed:
    for seed in range(200):
        try:
            run_seed(seed, CORE, Counter())
        except Failed as failed:
            return failed
    raise AssertionError("no seed found the fault")
