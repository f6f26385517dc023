"""``docs/dialects/sequence.md``: its tables say what the code does. Its examples run with all others."""

from __future__ import annotations

import re
from pathlib import Path

from drawdown.dialects.sequence.dialect import VERSION
from drawdown.dialects.sequence.errors import ROWS
from drawdown.dialects.sequence.routes import endpoints

PAGE = (Path(__file__).parents[3] / "docs" / "dialects" / "sequence.md").read_text("utf-8")


def test_the_page_lists_what_is_answered_and_nothing_else() -> None:
    rows = re.findall(r"^\| `([A-Z]+) (/\S*)` \| (\d+) \|", PAGE, re.MULTILINE)
    assert set(rows) == {
        (each.method, each.path, str(each.status)) for each in endpoints(allow_private=False)
    }


def test_the_page_lists_every_type_of_error_with_its_status() -> None:
    rows = re.findall(r"^\| (\d{3}) \| `(\w+)` \|", PAGE, re.MULTILINE)
    assert len(rows) == len(set(rows))
    assert set(rows) == {(str(row.status), row.type) for row in ROWS.values()}


def test_the_page_names_the_version_that_is_answered() -> None:
    assert VERSION in PAGE
