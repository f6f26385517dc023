"""``verify`` of a spread database: shard after shard, each as of one moment of its own.

No moment is the same on all servers; nothing that is compared is in two shards.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any, Protocol

import asyncpg

from drawdown.core.types import Document, Id
from drawdown.core.usage.records import Catalog, Count, Event, ValueKey
from drawdown.engine.ports import Audit, WalletAudit
from drawdown.store.postgres.audit import PostgresAudit


class ShardAudit(PostgresAudit):
    """One shard: what otherwise is about everything is about its slots."""

    def __init__(
        self, connection: asyncpg.Connection, queries: Mapping[str, str], slots: Sequence[int]
    ) -> None:
        super().__init__(connection, queries)
        self._slots = slots

    async def _fetch(self, query: str, *bindings: object) -> list[Any]:
        if f"group_{query}" in self._queries:
            return await super()._fetch(f"group_{query}", *bindings, self._slots)
        return await super()._fetch(query, *bindings)


class Audited(Protocol):
    def audit(self) -> AbstractAsyncContextManager[Audit]: ...


class SpreadAudit:
    """All shards, one after the other."""

    def __init__(self, parts: Sequence[Audited]) -> None:
        self._parts = parts
        self._fault: str | None = None
        self._walked: Audit | None = None
        self.wallets = 0

    async def begin(self) -> None:
        for part in self._parts:
            async with part.audit() as audit:
                self.wallets += audit.wallets

    async def walk(self) -> AsyncIterator[WalletAudit]:
        for part in self._parts:
            async with part.audit() as audit:
                entries = 0
                async for wallet in audit.walk():
                    entries += len(wallet.entries)
                    yield wallet
                self._fault = self._fault or await audit.find_fault(entries)

    async def walk_events(self) -> AsyncIterator[Event | None]:
        for part in self._parts:
            async with part.audit() as self._walked:
                async for event in self._walked.walk_events():
                    yield event

    async def usage_of(self, customer: Id) -> tuple[list[Count], dict[ValueKey, int]]:
        return await self._audited().usage_of(customer)

    async def watched_of(self, customer: Id) -> list[Document]:
        return await self._audited().watched_of(customer)

    async def find_catalog(self, book: Id) -> Catalog:
        return await self._audited().find_catalog(book)

    def _audited(self) -> Audit:
        assert self._walked is not None, "it is asked for on the way"
        return self._walked

    async def find_fault(self, entries_seen: int) -> str | None:
        """The first that was found on the way: each shard's entries were counted with its wallets."""
        return self._fault
