"""Writes down what every transaction says, and which slots it names."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch

import msgspec

from drawdown.store.postgres import connection as opening
from tests.store.postgres.sql_rules import SMALL
from tests.support.spread import SHARDS

_SLOTS = re.compile(r"\bslot = (ANY \()?\$(\d+)")
_INSERTED = re.compile(r"\s*INSERT INTO ([a-z_]+)")
_TABLE = re.compile(r"\b(?:FROM|JOIN|INTO|UPDATE)\s+([a-z_]+)\b(?!\s*\()")


class Transaction(msgspec.Struct):
    """What was said on one connection between BEGIN and its end, or one statement alone."""

    statements: list[str] = []
    shards: set[int] = set()
    scattered: list[str] = []


class Recorder:
    """Every transaction on every connection that is opened while it listens."""

    def __init__(self) -> None:
        self.transactions: list[Transaction] = []

    @contextmanager
    def listening(self) -> Iterator[None]:
        prepare = opening.prepare

        async def heard(connection: Any) -> None:
            await prepare(connection)
            connection.add_query_logger(Listener(self))

        with patch.object(opening, "prepare", heard):
            yield

    def faults(self) -> list[Transaction]:
        """Those that were about two shards, or about all of them and not alone."""
        return [
            each
            for each in self.transactions
            if len(each.shards) > 1 or (each.scattered and len(each.statements) > 1)
        ]


class Listener:
    """One connection."""

    def __init__(self, recorder: Recorder) -> None:
        self._recorder = recorder
        self._open: Transaction | None = None

    def __call__(self, said: Any) -> None:
        if said.query.startswith("BEGIN"):
            self._open = Transaction()
            self._recorder.transactions.append(self._open)
        elif said.query.startswith(("COMMIT", "ROLLBACK")):
            self._open = None
        else:
            current = self._open
            if current is None:
                current = Transaction()
                self._recorder.transactions.append(current)
            note(current, said.query, said.args)


def note(transaction: Transaction, sql: str, args: Any) -> None:
    transaction.statements.append(sql)
    found = _SLOTS.search(sql)
    if found is not None:
        slots = args[int(found[2]) - 1]
        transaction.shards |= {slot % SHARDS for slot in (slots if found[1] else [slots])}
    elif (inserted := _INSERTED.match(sql)) and inserted[1] not in SMALL:
        transaction.shards.add(args[0] % SHARDS)
    elif set(_TABLE.findall(sql)) - SMALL - {"pg_extension"} and "pg_" not in sql:
        transaction.scattered.append(sql)
