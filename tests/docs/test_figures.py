"""The figures on the page are those of one run, which is kept beside it."""

from __future__ import annotations

from bench import pages
from bench.report import read
from tests.docs.pages import ROOT

DOCUMENT = read(ROOT / "docs" / "figures.json")
PAGE = (ROOT / "docs" / "performance.md").read_text(encoding="utf-8")


def test_the_tables_are_those_of_the_run() -> None:
    """``python -m bench.pages docs/figures.json`` prints them."""
    assert pages.figures(DOCUMENT) in PAGE
    assert pages.targets(DOCUMENT) in PAGE


def test_every_debit_of_the_run_is_in_the_books() -> None:
    """Figures of a run that lost a debit, or drew one twice, are worth nothing."""
    assert len(DOCUMENT.audits) > 5
    assert all(audit.used == audit.drawn > 0 for audit in DOCUMENT.audits)
