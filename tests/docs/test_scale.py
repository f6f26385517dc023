"""The capacity that a page promises is what the measured figures come to."""

from __future__ import annotations

from bench.capacity import BUSY, CITUS_FACTOR, PRIMARY_CORES, lines, medians, table
from bench.report import read
from tests.docs.pages import ROOT

FIGURES = medians(read(ROOT / "docs" / "figures.json"))
PAGE = (ROOT / "docs" / "scale.md").read_text(encoding="utf-8")


def test_the_table_of_capacity_is_computed_from_the_figures() -> None:
    """``python -m bench.capacity docs/figures.json`` prints it."""
    assert table(lines(FIGURES)) in PAGE


def test_what_is_assumed_is_said() -> None:
    """Who plans by the table must know what it leaves free."""
    assert (BUSY, PRIMARY_CORES, CITUS_FACTOR) == (0.5, 32, 2.6)
    for words in ("Half of every core", "at most 32 cores", "2.6 times"):
        assert words in PAGE


def test_ten_times_the_rate_takes_ten_times_the_cores() -> None:
    """On one rung; what is rounded up is never more than a core."""
    found = {line.rate: line for line in lines(FIGURES)}
    assert {found[rate].rung for rate in (10_000, 100_000)} == {"PostgreSQL"}
    assert 0 <= 10 * found[10_000].server_cores - found[100_000].server_cores <= 10
