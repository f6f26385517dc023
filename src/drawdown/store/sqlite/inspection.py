"""Looking at a ledger's file without changing it, whatever its schema: for `drawdown doctor` and its kin."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import apsw

from drawdown.core.types import Instant, Mode
from drawdown.engine.accounts import Role
from drawdown.store.inspection import Late, LiveKey
from drawdown.store.queries import load_queries
from drawdown.store.sqlite import connection as opening


class Inspection:
    """What a ledger's file tells. ``schema`` is 0 for a file that no ledger was made in yet."""

    def __init__(self, connection: apsw.Connection) -> None:
        self._connection = connection
        self._queries = load_queries("drawdown.store.sqlite", "inspection.sql")
        self.schema = opening.schema_of(connection)
        self.schema_newest = len(opening.migrations())

    @property
    def pending(self) -> int:
        """How many migrations of this release the file has not had."""
        return self.schema_newest - self.schema

    def newest_record(self) -> Instant | None:
        """When the newest operation was recorded, by the clock of whoever recorded it."""
        row = self._connection.execute(self._queries["newest_record"]).fetchone()
        return None if row is None else Instant(row[0])

    def accounts(self) -> list[str]:
        """Their names, in the order they were made."""
        return [row[0] for row in self._connection.execute(self._queries["account_names"])]

    def keys(self) -> list[LiveKey]:
        """The keys that open something, in the order they were made."""
        found = self._connection.execute(self._queries["live_keys"])
        return [
            LiveKey(id=key, account=account, mode=Mode(mode), role=Role(role), name=name)
            for mode, role, name, key, account in found
        ]

    def late(self, before: Instant) -> Late:
        """What fell due before ``before``."""
        row = self._connection.execute(self._queries["late_wallets"], (before,)).fetchone()
        assert row is not None
        return Late(wallets=row[0], since=row[1])

    def check_writable(self) -> None:
        """Take the write lock and give it back. Raises the ``apsw.Error`` that says why it cannot be had."""
        self._connection.pragma("query_only", False)
        try:
            self._connection.execute("BEGIN IMMEDIATE")
            self._connection.execute("ROLLBACK")
        finally:
            self._connection.pragma("query_only", True)


@contextmanager
def inspect(path: Path) -> Iterator[Inspection]:
    """The file at ``path``, which must be there. Raises ``NotALedger``, ``SchemaNewer``, ``apsw.Error``."""
    with closing(opening.open_existing(str(path))) as connection:
        yield Inspection(connection)
