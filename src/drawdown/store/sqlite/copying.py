"""A ledger's file as the source of a copy: its rows in the columns that PostgreSQL keeps."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path

import apsw
from apsw.ext import query_info

from drawdown.store.copying import CLAIM, STATE, TEXTS, CopyRefused, Row, Table
from drawdown.store.postgres.operations import spans_json
from drawdown.store.postgres.slots import claim_slot
from drawdown.store.queries import load_queries
from drawdown.store.sqlite import connection as opening

OPERATIONS_AT_ONCE = 2_000
ENTRIES_AT_ONCE = 20_000
_FLAGS = frozenset(
    {"pending", "drawn", "active", "burn_paid", "enabled", "dead", "uncovered", "live"}
)
_FLAGGED = frozenset(
    {"credit_grant", "schedule", "webhook_endpoint", "webhook_retry", "usage_event"}
)


class Chunk:
    """Operations that follow each other, with their entries."""

    def __init__(self, last: int, last_id: bytes) -> None:
        self.last, self.last_id = last, last_id
        self.operations: list[Row] = []
        self.entries: list[Row] = []


class Source:
    """A ledger's file, read while others write to it, or fenced off from them."""

    def __init__(self, connection: apsw.Connection) -> None:
        self._connection = connection
        self._queries = load_queries("drawdown.store.sqlite", "copying.sql")
        self._columns: dict[Table, tuple[str, ...]] = {}

    def _rows(self, query: str, bindings: Sequence[object] = ()) -> list[Row]:
        return self._connection.execute(self._queries[query], bindings).fetchall()

    @contextmanager
    def moment(self) -> Iterator[None]:
        """What is read in here is of one moment. Within a fence it is anyway."""
        if self._connection.in_transaction:
            yield
            return
        self._connection.execute("BEGIN")
        try:
            yield
        finally:
            self._connection.execute("ROLLBACK")

    @contextmanager
    def fenced(self) -> Iterator[None]:
        """Nobody else writes in here. Raises ``apsw.BusyError`` while another does."""
        self._connection.pragma("query_only", False)
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            yield
        finally:
            self._connection.execute("ROLLBACK")
            self._connection.pragma("query_only", True)

    def columns(self, table: Table) -> tuple[str, ...]:
        """The columns of the rows of ``next_rows``, as PostgreSQL calls them."""
        if table not in self._columns:
            described = query_info(self._connection, self._queries[f"pass_{table.name}"])
            names = tuple(name for name, _ in described.description)
            self._columns[table] = ("slot", *names) if table == CLAIM else names
        return self._columns[table]

    @staticmethod
    def _first(table: Table) -> Row:
        """What comes before every key: less than any id, and than any text but the empty one."""
        return tuple("" if column in TEXTS else b"" for column in table.key)

    def next_rows(self, table: Table, after: Row | None, limit: int) -> list[Row]:
        """The rows after the one whose key is ``after``, in the order of their keys."""
        found = self._rows(f"pass_{table.name}", (*(after or self._first(table)), limit))
        return self._neutral(table, found)

    def key_of(self, table: Table, row: Row) -> Row:
        """By what a full pass goes on after ``row``."""
        start = 1 if table == CLAIM else 0
        return row[start : start + len(table.key)]

    def _neutral(self, table: Table, found: Iterable[Row]) -> list[Row]:
        if table == CLAIM:
            return [(claim_slot(*row[:3]), *row) for row in found]
        if table.name not in _FLAGGED:
            return list(found)
        columns = self.columns(table)
        flags = [place for place, name in enumerate(columns) if name in _FLAGS]
        rows = []
        for row in found:
            values = list(row)
            for place in flags:
                values[place] = bool(values[place])
            rows.append(tuple(values))
        return rows

    def whole(self, table: Table) -> list[Row]:
        """All rows of a small table."""
        return self.next_rows(table, None, -1)

    def newest(self) -> tuple[int, bytes]:
        """The number and id of the last operation; 0 and nothing where there is none."""
        found = self._rows("newest_operation")
        return (found[0][0], found[0][1]) if found else (0, b"")

    def is_at(self, number: int, operation: bytes) -> bool:
        """Whether the operation of that number is the one that was copied under it."""
        return number == 0 or self._rows("operation_at", (number,)) == [(operation,)]

    def next_operations(self, after: int, until: int) -> Chunk | None:
        """The next operations up to the number ``until``; None when there are none."""
        found = self._rows("next_operations", (after, until, OPERATIONS_AT_ONCE))
        if not found:
            return None
        found = _bounded(found)
        first, last = found[0], found[-1]
        past = max(row[1] + row[2] for row in found)
        begin = min((row[1] for row in found if row[2]), default=first[1])
        entries = self._rows("entries_between", (begin, past))
        chunk = Chunk(last[0], last[3])
        spans: dict[int, dict[str, list[int]]] = {row[0]: {} for row in found}
        for number, *entry in entries:
            span = spans[number].setdefault(entry[2].hex(), [entry[3], 0])
            span[1] += 1
            chunk.entries.append(tuple(entry))
        for number, _, _, *operation in found:
            key = operation[-3]
            operation[-3] = None if key is None else key.encode()
            chunk.operations.append((*operation, spans_json(spans[number])))
        return chunk

    def touched(self, after: int, until: int) -> list[bytes]:
        """Whose operations those are."""
        return [row[0] for row in self._rows("touched_customers", (after, until))]

    def state_of(self, customers: Sequence[bytes]) -> dict[Table, list[Row]]:
        """The customers, and all that is theirs and may change."""
        return {
            table: self._neutral(
                table,
                [row for one in customers for row in self._rows(f"customer_{table.name}", (one,))],
            )
            for table in STATE
        }

    def customers_since(self, identifier: bytes) -> list[Row]:
        return self._rows("customers_since", (identifier,))

    def claims_since(self, instant: int) -> list[Row]:
        return self._neutral(CLAIM, self._rows("claims_since", (instant,)))

    def oldest_answer(self) -> int | None:
        """When the oldest of the claims was made that are pruned with time."""
        oldest: int | None = self._rows("oldest_answer")[0][0]
        return oldest

    def has_claim(self, key: Row) -> bool:
        return bool(self._rows("has_claim", key))

    def first_account(self) -> bytes:
        """Raises ``CopyRefused`` for a ledger in which there is nothing."""
        found = self._rows("first_account")
        if not found:
            raise CopyRefused("There is nothing to copy: the ledger has no account.", "")
        account: bytes = found[0][0]
        return account

    def has_account(self, account: bytes) -> bool:
        return bool(self._rows("has_account", (account,)))

    def count(self, table: Table) -> int:
        count: int = self._rows(f"count_{table.name}")[0][0]
        return count


def _bounded(found: list[Row]) -> list[Row]:
    """As many of the operations as have together a bounded number of entries; at least one."""
    entries = 0
    for place, row in enumerate(found):
        entries += row[2]
        if entries > ENTRIES_AT_ONCE:
            return found[: max(1, place)]
    return found


@contextmanager
def open_source(path: Path) -> Iterator[Source]:
    """Raises ``NotALedger``, ``SchemaNewer``, ``CopyRefused`` and ``apsw.Error``."""
    with closing(opening.open_existing(str(path))) as connection:
        pending = len(opening.migrations()) - opening.schema_of(connection)
        if pending:
            raise CopyRefused(
                "The ledger to copy has an older schema than this release.",
                "Run `drawdown migrate` on it first.",
            )
        yield Source(connection)
