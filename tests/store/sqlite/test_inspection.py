"""What is read of a file of any schema: right on the first one, and from an index."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import apsw
import pytest

from drawdown.store.queries import load_queries
from drawdown.store.sqlite import connection as opening
from drawdown.store.sqlite import inspection

QUERIES = load_queries("drawdown.store.sqlite", "inspection.sql")
#: Statements that look at a whole table, which is small.
SCANS = {"account_names", "live_keys"}


@pytest.fixture
def connection(tmp_path: Path) -> Iterator[apsw.Connection]:
    """A file as the first release left it."""
    opened = opening.open_writer(str(tmp_path / "ledger.db"))
    opened.execute(opening.migrations()[0][1])
    yield opened
    opened.close()


@pytest.mark.parametrize("name", sorted(QUERIES))
def test_a_statement_runs_on_the_first_schema_without_walking_what_grows(
    connection: apsw.Connection, name: str
) -> None:
    """So that a ledger of millions of operations is looked at in no time."""
    unset = (None,) * QUERIES[name].count("?")
    steps = [row[3] for row in connection.execute("EXPLAIN QUERY PLAN " + QUERIES[name], unset)]
    walked = [step for step in steps if step.startswith("SCAN") and "LIMIT 1" not in QUERIES[name]]
    assert bool(walked) == (name in SCANS)
    assert not [step for step in steps if "TEMP B-TREE" in step]


def test_every_statement_is_used() -> None:
    source = Path(inspection.__file__).read_text("utf-8")
    assert set(re.findall(r'_queries\["(\w+)"\]', source)) == set(QUERIES)
