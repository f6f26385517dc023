"""Every named statement: right on the real schema, used somewhere, and answered from an index."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import apsw
import pytest

from drawdown.core.types import GrantState, HoldState, Id, Instant
from drawdown.engine.ports import EventFilter, GrantFilter, HoldFilter
from drawdown.store.queries import load_queries
from drawdown.store.sqlite import connection as opening
from drawdown.store.sqlite.reads import event_list, grant_list, hold_list

QUERIES = load_queries("drawdown.store.sqlite")
SOURCES = "\n".join(
    path.read_text(encoding="utf-8")
    for folder in Path(opening.__file__).parents[:2]
    for path in folder.glob("*.py")
)
#: Statements that look at a whole table, and why they may.
SCANS = {
    "count_entries": "verify",
    "count_stray_entries": "verify",
    "count_stray_holds": "verify",
    "count_wallets": "verify",
    "count_stray_counts": "verify",
    "count_wrong_events": "verify",
    "find_keys": "the hashes that are given to it",
    "list_accounts": "accounts are few",
    "list_books": "books are few",
    "list_endpoints": "endpoints are few",
    "operations_of": "the owners that are given to it",
    "tally_retries": "what waits is little",
    "list_api_keys": "keys are few",
    "list_customers": "the filter that comes with it chooses the rows",
    "list_grants": "the filter that comes with it chooses the rows",
    "list_holds": "the filter that comes with it chooses the rows",
    "list_schedules": "the filter that comes with it chooses the rows",
    "watched_entitlements": "an index that has those alone",
    "list_alerts": "the filter that comes with it chooses the rows",
    "list_documents": "the filter that comes with it chooses the rows",
    "list_top_ups": "the filter that comes with it chooses the rows",
    "list_top_up_requests": "the filter that comes with it chooses the rows",
    "list_events": "the filter that comes with it chooses the rows",
}
BOOK = Id(b"b" * 16)


@pytest.fixture
def connection(tmp_path: Path) -> Iterator[apsw.Connection]:
    opened = opening.open_writer(str(tmp_path / "ledger.db"))
    opening.migrate(opened)
    yield opened
    opened.close()


def plan_of(connection: apsw.Connection, statement: str) -> list[str]:
    """How SQLite would answer, one line a step."""
    explained = connection.execute("EXPLAIN QUERY PLAN " + statement, unset(statement))
    return [row[3] for row in explained]


def unset(statement: str) -> tuple[None, ...]:
    """As many NULLs as the statement takes parameters."""
    return (None,) * statement.count("?")


@pytest.mark.parametrize("name", sorted(QUERIES))
def test_a_statement_can_be_prepared(connection: apsw.Connection, name: str) -> None:
    """Run on the real schema, explained, with every parameter unset."""
    assert connection.execute("EXPLAIN " + QUERIES[name], unset(QUERIES[name])).fetchall()


@pytest.mark.parametrize("name", sorted(QUERIES))
def test_a_statement_is_used(name: str) -> None:
    used = re.search(rf'"{name}"', SOURCES)
    numbered = name.startswith("last_") and f'"{name.removeprefix("last_")}"' in SOURCES
    assert used or numbered


@pytest.mark.parametrize("name", sorted(QUERIES.keys() - SCANS))
def test_a_statement_touches_only_the_rows_it_is_about(
    connection: apsw.Connection, name: str
) -> None:
    """No table is walked from end to end, and nothing that grows is sorted."""
    steps = plan_of(connection, QUERIES[name])
    scans = [step for step in steps if re.match(r"SCAN (?!chain|CONSTANT)", step)]
    assert not scans
    if name != "outstanding_grants":  # at most 10,000 of each of a customer's few wallets
        assert not [step for step in steps if "TEMP B-TREE" in step]


def test_the_named_scans_are_scans(connection: apsw.Connection) -> None:
    """The list of exceptions holds nothing that it need not."""
    for name in SCANS:
        assert any(step.startswith("SCAN") for step in plan_of(connection, QUERIES[name])), name


def test_changes_of_a_grant_or_a_customer_are_found_by_that(connection: apsw.Connection) -> None:
    """From an index that only such operations write, in their order."""
    assert plan_of(connection, QUERIES["later_changes"])[0] == (
        "SEARCH operation USING INDEX operation_change (subject=? AND rowid>?)"
    )


def test_grants_burn_from_the_index(connection: apsw.Connection) -> None:
    """In burn-down order, without a sort, however many there are."""
    assert plan_of(connection, QUERIES["first_grants"]) == [
        "SEARCH w USING INTEGER PRIMARY KEY (rowid=?)",
        "SEARCH g USING INDEX credit_grant_burn (wallet=?)",
    ]


@pytest.mark.parametrize(
    "more",
    [
        {},
        {"states": frozenset({GrantState.ACTIVE})},
        {"after": BOOK},
        {"before": BOOK},
        {"monetary": True},
    ],
    ids=["all", "state", "after", "before", "monetary"],
)
def test_a_page_of_a_books_grants_is_read_in_order(
    connection: apsw.Connection, more: dict[str, object]
) -> None:
    """From the book's index, newest first, without sorting all of them for one page."""
    asked = GrantFilter(book=BOOK, now=Instant(0), limit=10, **more)  # type: ignore[arg-type]
    text, bindings = grant_list(QUERIES["list_grants"], asked)
    steps = [row[3] for row in connection.execute("EXPLAIN QUERY PLAN " + text, bindings)]
    assert steps[0].startswith("SEARCH g USING INDEX credit_grant_by_book (book=?")
    assert not [step for step in steps if "TEMP B-TREE" in step]


def test_a_page_of_a_customers_events_starts_from_the_customer(
    connection: apsw.Connection,
) -> None:
    """Not from the book: one who used nothing would have all of its events looked at."""
    asked = EventFilter(book=BOOK, limit=10, customer=BOOK)
    text, bindings = event_list(QUERIES["list_events"], asked)
    steps = [row[3] for row in connection.execute("EXPLAIN QUERY PLAN " + text, bindings)]
    assert steps[0].startswith("SEARCH e USING INDEX usage_event_by_customer (customer=?")
    assert not [step for step in steps if "TEMP B-TREE" in step]


def test_a_page_of_a_customers_grants_starts_from_the_customer(
    connection: apsw.Connection,
) -> None:
    """Not from the book, which may have millions of grants."""
    asked = GrantFilter(book=BOOK, now=Instant(0), limit=10, customer=BOOK)
    text, bindings = grant_list(QUERIES["list_grants"], asked)
    steps = [row[3] for row in connection.execute("EXPLAIN QUERY PLAN " + text, bindings)]
    assert steps[0].startswith("SEARCH w USING")
    assert "(customer=?" in steps[0]


@pytest.mark.parametrize(
    ("more", "first"),
    [
        ({}, "SEARCH h USING INDEX hold_by_book (book=?"),
        ({"state": HoldState.OPEN, "after": BOOK}, "SEARCH h USING INDEX hold_by_book (book=?"),
        ({"customer": BOOK}, "SEARCH w USING"),
    ],
    ids=["book", "state", "customer"],
)
def test_a_page_of_holds_is_read_from_where_it_lies(
    connection: apsw.Connection, more: dict[str, object], first: str
) -> None:
    """A book's from its index, in order; a customer's from his wallets."""
    asked = HoldFilter(book=BOOK, now=Instant(0), limit=10, **more)  # type: ignore[arg-type]
    text, bindings = hold_list(QUERIES["list_holds"], asked)
    steps = [row[3] for row in connection.execute("EXPLAIN QUERY PLAN " + text, bindings)]
    assert steps[0].startswith(first)
    if "customer" not in more:
        assert not [step for step in steps if "TEMP B-TREE" in step]


def test_a_name_that_comes_twice_is_our_mistake(tmp_path: Path) -> None:
    assert len(QUERIES) == len(set(QUERIES)) > 40
    assert all(body and ";" not in body for body in QUERIES.values())
