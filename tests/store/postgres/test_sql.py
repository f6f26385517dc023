"""Every statement and the schema: they keep the rules, can be prepared, and scan no table."""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Iterator
from importlib.resources import files
from typing import Any
from urllib.parse import urlsplit

import asyncpg
import pytest

from drawdown.core.schedules.terms import ScheduleState
from drawdown.core.types import GrantState, HoldState, Id, Instant
from drawdown.core.watching.top_ups import RequestState
from drawdown.engine.ports import (
    AlertFilter,
    CustomerFilter,
    DocumentFilter,
    EventFilter,
    GrantFilter,
    HoldFilter,
    ScheduleFilter,
    TopUpFilter,
    TopUpRequestFilter,
)
from drawdown.store.directory_rows import customer_list
from drawdown.store.document_rows import document_list
from drawdown.store.postgres import connection as opening
from drawdown.store.postgres.distribution import citus_queries
from drawdown.store.postgres.inspection import inspection_queries
from drawdown.store.postgres.reads import (
    alert_list,
    event_list,
    grant_list,
    hold_list,
    schedule_list,
)
from drawdown.store.postgres.statements import on_one_server
from drawdown.store.queries import load_queries
from drawdown.store.top_up_rows import request_list, top_up_list
from tests.store.postgres.sql_rules import SMALL, banned_faults, schema_faults, statement_faults
from tests.support.postgres import VERSIONS, Cluster, Clusters

pytestmark = pytest.mark.anyio

QUERIES = load_queries("drawdown.store.postgres")
SPREAD = load_queries("drawdown.store.postgres", "spread.sql")
ON_ONE_SERVER = on_one_server(QUERIES)
SQLITE = load_queries("drawdown.store.sqlite")
#: SQLite numbers its rows, keeps keys beside operations and what a wallet's first grant has left beside the
#: wallet, and tells when another process has written.
ONLY_SQLITE = {
    "last_operation", "last_entry", "last_wallet", "insert_key", "entry_place", "data_version",
    "write_back_grant", "find_count", "upsert_count", "operation_number", "recorded_at", "run_before",
}  # fmt: skip
#: Others write to PostgreSQL at once, and a connection to it may break.
ONLY_POSTGRES = {
    "lock_count", "insert_count", "update_count",
    "lock_wallet", "lock_entitlement", "lock_customer", "lock_document", "lock_meter",
    "debit_wallets", "take_lease",
    "prunable_claims",
    "count_wrong_operations", "top_up_wallet", "top_up_request_wallet",
    "customer_operations", "oldest_writer", "insert_book_operation",
    "probe_operation", "probe_customer", "probe_entitlement",
    "confirm_operation", "confirm_customer", "confirm_entitlement",
}  # fmt: skip
#: ``verify`` and a doctor look at everything.
READ_EVERYTHING = {name for name in QUERIES if name.startswith("count_")} | {"next_wallets"}
READ_EVERYTHING |= {f"group_{name}" for name in READ_EVERYTHING}
CUSTOMERS = 4_000

BOOK, OWNER, KIND = Id(bytes(15) + b"\1"), Id(bytes(15) + b"\2"), Id(bytes(15) + b"\3")


def lists() -> Iterator[tuple[str, str]]:
    """The lists whose filters are put together in Python, with every filter alone and all at once."""
    some: dict[str, Any] = {"customer": OWNER, "entitlement": KIND, "after": KIND}
    of_grants: dict[str, Any] = {
        **some,
        "states": frozenset(GrantState),
        "monetary": True,
        "made_by": Instant(1),
    }
    single = ({name: value} for name, value in of_grants.items())
    for given in ({}, *single, of_grants):
        asked = GrantFilter(book=BOOK, now=Instant(1), limit=10, **given)
        yield "list_grants", grant_list(QUERIES["list_grants"], asked)[0]
    for state, given in itertools.product((None, *HoldState), ({}, some)):
        asked_holds = HoldFilter(book=BOOK, now=Instant(1), limit=10, state=state, **given)
        yield "list_holds", hold_list(QUERIES["list_holds"], asked_holds)[0]
    for schedule_state, given in itertools.product((None, *ScheduleState), ({}, some)):
        asked_schedules = ScheduleFilter(book=BOOK, limit=10, state=schedule_state, **given)
        yield "list_schedules", schedule_list(QUERIES["list_schedules"], asked_schedules)[0]
    watching: tuple[dict[str, Any], ...] = ({}, some, {"meter": BOOK})
    for live, given in itertools.product((None, True, False), watching):
        asked_alerts = AlertFilter(book=BOOK, limit=10, live=live, **given)
        yield "list_alerts", alert_list(QUERIES["list_alerts"], asked_alerts)[0]
    for live, given in itertools.product((None, True, False), ({}, some)):
        asked_rules = TopUpFilter(book=BOOK, limit=10, live=live, **given)
        select = QUERIES["list_top_ups"]
        yield "list_top_ups", top_up_list(select, asked_rules, "${}".format)[0]
    for request_state, given in itertools.product((None, *RequestState), ({}, some)):
        asked_for = TopUpRequestFilter(book=BOOK, limit=10, state=request_state, **given)
        select = QUERIES["list_top_up_requests"]
        yield "list_top_up_requests", request_list(select, asked_for, "${}".format)[0]
    of_customers: dict[str, Any] = {"name": "da", "since": Instant(1), "until": Instant(2)}
    for given in (
        {},
        {"email": "ada@example.com"},
        of_customers,
        {"after": KIND, "offset": 10},
        {"before": KIND},
    ):
        asked_customers = CustomerFilter(book=BOOK, limit=10, **given)
        select = QUERIES["list_customers"]
        yield "list_customers", customer_list(select, asked_customers, "${}".format)[0]
    for deleted, given in itertools.product(
        (None, True, False), ({}, {"owner": OWNER, "after": KIND}, {"owner": OWNER, "before": KIND})
    ):
        asked_documents = DocumentFilter(book=BOOK, kind="k", limit=10, deleted=deleted, **given)
        select = QUERIES["list_documents"]
        yield "list_documents", document_list(select, asked_documents, "${}".format)[0]
    of_events: dict[str, Any] = {
        "customer": OWNER,
        "name": "call",
        "since": Instant(1),
        "until": Instant(2),
        "uncovered": True,
        "after": KIND,
        "offset": 10,
    }
    turned = {"customer": OWNER, "before": KIND}
    for given in ({}, *({name: value} for name, value in of_events.items()), of_events, turned):
        asked_events = EventFilter(book=BOOK, limit=10, **given)
        yield "list_events", event_list(QUERIES["list_events"], asked_events)[0]


LISTED = (
    "list_customers",
    "list_grants",
    "list_holds",
    "list_schedules",
    "list_alerts",
    "list_documents",
    "list_top_ups",
    "list_top_up_requests",
    "list_events",
)
STATEMENTS = [
    *((name, sql) for name, sql in QUERIES.items() if name not in LISTED),
    *SPREAD.items(),
    *inspection_queries().items(),
    *lists(),
]


@pytest.mark.parametrize(("name", "sql"), STATEMENTS, ids=[name for name, _ in STATEMENTS])
def test_a_statement_keeps_the_rules(name: str, sql: str) -> None:
    assert list(statement_faults(name, sql)) == []


def test_what_is_asked_of_citus_keeps_the_rules() -> None:
    for name, sql in citus_queries().items():
        assert list(banned_faults(name, sql)) == []


def test_the_schema_keeps_the_rules() -> None:
    for name, script in scripts():
        assert list(schema_faults(script)) == []
        assert list(banned_faults(name, script)) == []


def scripts() -> Iterator[tuple[str, str]]:
    """Every migration."""
    for file in files("drawdown.store.postgres").joinpath("migrations").iterdir():
        yield file.name, file.read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("sql", "fault"),
    [
        ("SELECT * FROM wallet WHERE customer = $1", "the slot of wallet"),
        ("SELECT * FROM wallet w JOIN hold h ON h.id = $1 WHERE w.slot = $2", "the slot of hold"),
        (
            "SELECT 1 FROM wallet w JOIN hold h ON h.slot = w.slot WHERE w.slot = ANY ($1::int[])",
            "the slot of hold",
        ),
        ("UPDATE wallet w SET posted = 1 WHERE w.customer = $1", "the slot of wallet"),
        ("DELETE FROM claim c WHERE c.key = $1", "the slot of claim"),
        ("SELECT 1 FROM wallet WHERE slot = $1 AND pg_advisory_lock(1)", "advisory"),
        ("SELECT 1 FROM wallet WHERE slot = $1 AND next_due_at < now()", "bind"),
        ("WITH w AS (DELETE FROM hold WHERE slot = $1 RETURNING *) SELECT * FROM w", "CTE"),
        ("MERGE INTO wallet w USING x ON w.slot = x.slot", "MERGE"),
        ("INSERT INTO wallet (customer, slot) VALUES ($1, $2)", "slot first"),
        ("INSERT INTO wallet (slot, customer) SELECT * FROM unnest($1::int[]) u", "distinct slots"),
        ("SET LOCAL lock_timeout = 1", "setting"),
        ("NOTIFY wallets", "notification"),
    ],
)
def test_a_statement_that_breaks_a_rule_is_told(sql: str, fault: str) -> None:
    assert any(fault in said for said in statement_faults("x", sql)), list(
        statement_faults("x", sql)
    )


@pytest.mark.parametrize(
    ("script", "fault"),
    [
        ("CREATE TABLE t (\n  id uuid,\n  PRIMARY KEY (id)\n);", "begin with slot int"),
        ("CREATE TABLE t (\n  slot int NOT NULL,\n  PRIMARY KEY (id)\n);", "primary key"),
        (
            "CREATE TABLE t (\n  slot int NOT NULL,\n  UNIQUE (id),\n  PRIMARY KEY (slot, id)\n);",
            "unique constraint",
        ),
        ("CREATE UNIQUE INDEX i ON wallet (customer);", "i does not begin"),
        ("CREATE TABLE book (\n  id uuid REFERENCES account\n);", "foreign key"),
    ],
)
def test_a_schema_that_breaks_a_rule_is_told(script: str, fault: str) -> None:
    assert any(fault in said for said in schema_faults(script)), list(schema_faults(script))


def test_both_stores_call_their_statements_alike() -> None:
    """Where both have the role, it has one name."""
    assert SQLITE.keys() - QUERIES.keys() == ONLY_SQLITE
    assert QUERIES.keys() - SQLITE.keys() == ONLY_POSTGRES


@pytest.mark.parametrize("version", VERSIONS)
async def test_every_statement_can_be_prepared(clusters: Clusters, version: int) -> None:
    """On the real schema, where every column and type is looked up."""
    with clusters.of(version).database() as url:
        connection = await asyncpg.connect(url)
        for _, sql in STATEMENTS:
            await connection.prepare(sql)
        await connection.close()


@pytest.fixture(scope="module")
def crowded(clusters: Clusters) -> Iterator[tuple[Cluster, str]]:
    """Thousands of customers, each with a wallet, five grants, debits with their entries, a hold, a claim."""
    cluster = clusters.of(VERSIONS[-1])
    with cluster.database() as url:
        name = urlsplit(url).path[1:]
        cluster.sql(CROWD, name)
        yield cluster, name


@pytest.mark.parametrize(
    ("name", "sql"),
    [(name, sql) for name, sql in STATEMENTS if name not in READ_EVERYTHING],
    ids=[name for name, _ in STATEMENTS if name not in READ_EVERYTHING],
)
def test_no_statement_scans_a_table(crowded: tuple[Cluster, str], name: str, sql: str) -> None:
    """In the plan for any values, which a prepared statement ends with."""
    cluster, database = crowded
    said = cluster.sql(f"EXPLAIN (GENERIC_PLAN, FORMAT JSON) {sql}", database)
    scanned = {
        node["Relation Name"]
        for node in nodes(json.loads(said)[0]["Plan"])
        if node["Node Type"] == "Seq Scan"
    }
    assert scanned - SMALL - {"pg_database"} == set(), said


@pytest.mark.parametrize(
    "name", [name for name, sql in QUERIES.items() if ON_ONE_SERVER[name] != sql]
)
def test_on_one_server_a_statement_reads_only_what_it_names(
    crowded: tuple[Cluster, str], name: str
) -> None:
    """Whatever else is in the slots: every index is entered by more than the slot."""
    cluster, database = crowded
    said = cluster.sql(f"EXPLAIN (GENERIC_PLAN, FORMAT JSON) {ON_ONE_SERVER[name]}", database)
    for node in nodes(json.loads(said)[0]["Plan"]):
        assert node["Node Type"] not in ("Seq Scan", "Bitmap Heap Scan"), said
        if "Index Name" in node:
            assert re.search(
                r"\b(id|customer|owner|book|debit|operation) = ", node["Index Cond"]
            ), said


def test_on_one_server_arrays_are_read_row_by_row_and_no_shard_is_told() -> None:
    given = """
    SELECT h.id FROM unnest($1::int[], $2::uuid[]) AS u (slot,
      id)
JOIN customer c ON c.slot = u.slot AND c.id = u.customer -- shard
    JOIN hold h ON h.slot = c.slot AND h.id = u.id WHERE c.slot = ANY ($3::int[])"""
    wanted = """
    SELECT h.id FROM (SELECT unnest((SELECT $1::int[])) AS slot, unnest($2::uuid[]) AS id) AS u
    JOIN hold h ON h.slot = u.slot AND h.id = u.id WHERE $3::int[] IS NOT NULL"""
    assert on_one_server({"a": given, "b": "SELECT 1"}) == {"a": wanted, "b": "SELECT 1"}


async def test_a_small_batch_is_not_planned_anew(crowded: tuple[Cluster, str]) -> None:
    """After PostgreSQL has tried five plans made for one row, it stays with the plan for any."""
    cluster, database = crowded
    connection = await opening.connect(cluster.postgres.url(database))
    one = ([1], [bytes(16)], [bytes(16)])
    given = {"lock_wallet": (*one, [1]), "first_grants": (*one, 2, [1])}
    statements = {name: await connection.prepare(ON_ONE_SERVER[name]) for name in given}
    for name, arguments in given.items():
        for _ in range(10):
            await statements[name].fetch(*arguments)
    plans = await connection.fetch("SELECT generic_plans, custom_plans FROM pg_prepared_statements")
    await connection.close()
    assert [tuple(row) for row in plans if row[0] + row[1] == 10] == [(5, 5), (5, 5)]


@pytest.mark.parametrize("version", VERSIONS)
async def test_every_statement_can_be_prepared_on_one_server(
    clusters: Clusters, version: int
) -> None:
    with clusters.of(version).database() as url:
        connection = await asyncpg.connect(url)
        for sql in ON_ONE_SERVER.values():
            await connection.prepare(sql)
        await connection.close()


def nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for below in plan.get("Plans", []):
        yield from nodes(below)


CROWD = f"""
CREATE FUNCTION pg_temp.id(n int, kind text) RETURNS uuid LANGUAGE sql AS
  $$ SELECT md5(kind || n)::uuid $$;
INSERT INTO customer SELECT n % 16384, pg_temp.id(n, 'c'), pg_temp.id(n % 50, 'b'), 'own' || n, NULL,
  NULL, '{{}}', '{{}}', n, NULL FROM generate_series(1, {CUSTOMERS}) n;
INSERT INTO claim SELECT n % 16384, pg_temp.id(n % 50, 'b'), 'space', 'key' || n, n, NULL, NULL, 200, '', NULL
  FROM generate_series(1, {CUSTOMERS}) n;
INSERT INTO wallet SELECT n % 16384, pg_temp.id(n, 'c'), pg_temp.id(k, 'e'), pg_temp.id(n % 50, 'b'), n,
  100, 0, 0, 0, 100, 0, 0, 0, 5, 1, 5, '', n, n
  FROM generate_series(1, {CUSTOMERS}) n, generate_series(1, 2) k;
INSERT INTO credit_grant SELECT n % 16384, pg_temp.id(n * 10 + k, 'g'), pg_temp.id(n, 'c'),
  pg_temp.id(1, 'e'), pg_temp.id(n % 50, 'b'), 20, 20 - k / 5 * 9, 0, k / 5 * 9, 0, 0, 0, k, 'paid',
  n, n, n, n, n, false, false,
  NULL, NULL, 'native', NULL, NULL, NULL, NULL, '{{}}', '{{}}', '{{}}',
  CASE WHEN k = 1 THEN pg_temp.id(n, 's') END, 0, NULL, true, n, true, n
  FROM generate_series(1, {CUSTOMERS}) n, generate_series(1, 5) k;
INSERT INTO schedule SELECT n % 16384, pg_temp.id(n, 'c'), pg_temp.id(1, 'e'), pg_temp.id(n, 's'),
  pg_temp.id(n % 50, 'b'), 'active', 5, NULL, 1, n, n, NULL, NULL, n, true, NULL, n, n, '{{}}'
  FROM generate_series(1, {CUSTOMERS}) n;
INSERT INTO top_up SELECT n % 16384, pg_temp.id(n, 't'), pg_temp.id(n, 'c'), pg_temp.id(1, 'e'),
  pg_temp.id(n % 50, 'b'), NULL, '{{}}' FROM generate_series(1, {CUSTOMERS}) n;
INSERT INTO top_up_request SELECT n % 16384, pg_temp.id(n, 'q'), pg_temp.id(n, 'c'), pg_temp.id(1, 'e'),
  pg_temp.id(n % 50, 'b'), pg_temp.id(n, 't'), 5, 0, NULL, NULL, n, n, n, 'open'
  FROM generate_series(1, {CUSTOMERS}) n;
INSERT INTO document SELECT n % 16384, pg_temp.id(n, 'd'), pg_temp.id(n % 50, 'b'), pg_temp.id(n, 'c'),
  'k' || n % 20, '{{}}', 1, n, n, NULL FROM generate_series(1, {CUSTOMERS}) n;
INSERT INTO alert SELECT n % 16384, pg_temp.id(n, 'a'), pg_temp.id(n, 'c'), pg_temp.id(n % 50, 'b'),
  pg_temp.id(1, 'e'), '{{}}', '{{}}', n, NULL FROM generate_series(1, {CUSTOMERS}) n;
INSERT INTO hold SELECT n % 16384, pg_temp.id(n, 'h'), pg_temp.id(n, 'c'), pg_temp.id(1, 'e'),
  pg_temp.id(n % 50, 'b'), 5, 5, 0, '{{}}', 'open', n, n, n, NULL, '{{}}', '{{}}', n
  FROM generate_series(1, {CUSTOMERS}) n;
INSERT INTO operation SELECT n % 16384, pg_temp.id(n * 10 + k, 'o'), pg_temp.id(n, 'c'),
  pg_temp.id(1, 'e'), CASE WHEN k = 1 THEN 'amend' ELSE 'debit' END, n, n, pg_temp.id(n * 10 + k, 'g'),
  '{{}}', NULL, 'native', ('k' || n * 10 + k)::bytea, 200, '', '{{}}'
  FROM generate_series(1, {CUSTOMERS}) n, generate_series(1, 5) k;
INSERT INTO reversal SELECT slot, id, entitlement, 1 FROM operation;
INSERT INTO repayment SELECT n % 16384, pg_temp.id(n, 'c'), pg_temp.id(1, 'e'), k, pg_temp.id(n, 'g'), 5,
  k % 2
  FROM generate_series(1, {CUSTOMERS}) n, generate_series(1, 5) k;
INSERT INTO usage_event SELECT n % 16384, pg_temp.id(n * 10 + k, 'u'), pg_temp.id(n, 'c'),
  pg_temp.id(n % 50, 'b'), 'event' || n * 10 + k, 'call', n, n, '{{}}', '[]', n % 100 = 0
  FROM generate_series(1, {CUSTOMERS}) n, generate_series(1, 5) k;
INSERT INTO usage_count SELECT n % 16384, pg_temp.id(n, 'c'), pg_temp.id(1, 'r'), n, '', '[]', '[]', 0
  FROM generate_series(1, {CUSTOMERS}) n;
INSERT INTO usage_value SELECT slot, customer, rate, period, grouping, '', 1 FROM usage_count;
INSERT INTO rate_customer SELECT slot, customer, rate, '' FROM usage_count;
INSERT INTO entry SELECT n % 16384, pg_temp.id(n, 'c'), pg_temp.id(1, 'e'), k, pg_temp.id(n * 10 + k, 'o'),
  0, pg_temp.id(n * 10 + k, 'g'), 'debited', 1, 0, 0, 0, 0, 0, 0, 0, 0, n, n, '', NULL
  FROM generate_series(1, {CUSTOMERS}) n, generate_series(1, 5) k;
ANALYZE;
"""
