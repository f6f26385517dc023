"""The rules that every statement and the schema keep, so that tables can be spread over machines.

Each is a function that answers its faults in words, so that it can be shown to fail as well as to hold.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

#: Few rows, rarely written: the same on every machine. All others are owned by customers.
SMALL = frozenset(
    {
        "account", "book", "api_key", "entitlement", "meter", "rate", "drawdown_schema", "webhook_endpoint",
        "webhook_retry", "webhook_attempt", "test_clock",
    }
)  # fmt: skip
#: Lists over a whole book and the walk of ``verify``: they ask every machine.
SCATTERED = frozenset(
    {
        "list_customers", "list_grants", "list_holds", "list_schedules", "list_alerts", "list_events",
        "uncounted_wallets",
        "list_top_ups", "list_top_up_requests", "list_documents", "due_wallets", "entitlement_wallets",
        "prunable_claims", "late_wallets",
        "next_wallets", "count_wallets", "count_entries", "count_stray_entries",
        "count_wrong_operations", "count_stray_holds", "list_operations", "oldest_writer",
        "next_events", "count_stray_counts", "count_wrong_events", "walk_claims",
        "clock_due", "count_clock",
    }
)  # fmt: skip
BANNED = {
    r"\bSERIALIZABLE\b": "isolation beyond READ COMMITTED",
    r"\bpg_(try_)?advisory": "an advisory lock",
    r"\b(LISTEN|NOTIFY|pg_notify)\b": "a notification",
    r"\bSET\s+(LOCAL|SESSION)\b|\bset_config\b": "a connection's setting",
    r"\bTEMP(ORARY)?\s+TABLE\b": "a temporary table",
    r"\bMERGE\b": "MERGE",
    r"\bWITH\b[^;]*\bAS\s*\(\s*(INSERT|UPDATE|DELETE)\b": "a CTE that writes",
    r"\b(now|current_timestamp|nextval|gen_random_uuid)\b": "what the application must bind",
    r"\b(CREATE|ALTER)\s+(OR\s+REPLACE\s+)?(TRIGGER|FUNCTION|PROCEDURE|EXTENSION|TYPE|SEQUENCE)\b": (
        "what cannot be moved to every machine"
    ),
    r"\b(big)?serial\b|\bGENERATED\b": "a sequence",
}
_TABLE = re.compile(r"CREATE TABLE (\w+) \((.*?)^\)", re.DOTALL | re.MULTILINE)
_USED = re.compile(
    r"\b(?:FROM|JOIN|UPDATE|DELETE FROM)\s+(?!unnest|LATERAL)([a-z_]+)\b(?!\()(?:\s+(?:AS\s+)?([a-z]+)\b)?",
    re.IGNORECASE,
)
_KEYWORDS = frozenset({"where", "set", "on", "order", "join", "group", "cross", "left", "using"})


def plain(sql: str) -> str:
    """Without its comments."""
    return re.sub(r"--[^\n]*", "", sql)


def banned_faults(name: str, sql: str) -> Iterator[str]:
    for pattern, what in BANNED.items():
        if re.search(pattern, plain(sql), re.IGNORECASE | re.DOTALL):
            yield f"{name} uses {what}"


def schema_faults(script: str) -> Iterator[str]:
    """Tables that customers own: slot comes first in every key. Foreign keys come after the tables."""
    text = plain(script)
    tables: Mapping[str, str] = dict(_TABLE.findall(text))
    for name, body in tables.items():
        if re.search(r"\b(REFERENCES|FOREIGN KEY)\b", body):
            yield f"{name} has a foreign key in its CREATE TABLE"
        if name in SMALL:
            continue
        if not re.match(r"\s*slot\s+int\s+NOT NULL", body):
            yield f"{name} does not begin with slot int NOT NULL"
        if not re.search(r"PRIMARY KEY \(slot,", body):
            yield f"{name}'s primary key does not begin with slot"
        if re.search(r"UNIQUE(?! \(slot,)", body):
            yield f"a unique constraint of {name} does not begin with slot"
    for index, table, columns in re.findall(r"UNIQUE INDEX (\w+) ON (\w+) \(([^)]*)\)", text):
        if table not in SMALL and not columns.startswith("slot"):
            yield f"{index} does not begin with slot"


def statement_faults(name: str, sql: str) -> Iterator[str]:
    """What customers own is named with its slot, in every table that a statement touches."""
    text = plain(sql)
    yield from banned_faults(name, text)
    inserted = re.match(r"\s*INSERT INTO (\w+) \(([^)]*)\)", text)
    if inserted and inserted[1] not in SMALL:
        yield from _insert_faults(name, text, inserted[2])
    if name in SCATTERED:
        if re.search(r"\bFOR UPDATE\b|^\s*(UPDATE|DELETE)\b", text):
            yield f"{name} locks or writes on every machine"
        return
    for table, alias in _USED.findall(text):
        short = "" if not alias or alias.lower() in _KEYWORDS else alias
        if table not in SMALL | {"unnest"} and table.islower() and not _has_slot(text, short):
            yield f"{name} does not name the slot of {table}"


def _insert_faults(name: str, text: str, columns: str) -> Iterator[str]:
    if not columns.startswith("slot"):
        yield f"{name} does not insert slot first"
    if "VALUES" not in text and not re.search(r"\.slot = ANY \(\$\d+::int\[\]\)", text):
        yield f"{name} does not name the distinct slots"


def _has_slot(text: str, alias: str) -> bool:
    """Whether a table's rows are told by their slots alone: nothing follows from those of a joined one.

    Citus finds a table's shards from what is said of that table (``TargetShardIntervalsForRestrictInfo``),
    and PostgreSQL says of both sides of a join only what is equal to one value.
    """
    prefix = rf"\b{alias}\." if alias else r"\b"
    if re.search(prefix + r"slot = (ANY \()?\$\d", text):
        return True
    equal = re.search(r"\b(\w+)\.slot = \$\d", text)
    return equal is not None and bool(re.search(rf"{prefix}slot = {equal[1]}\.slot", text))
