"""``verify`` of a spread database: shard after shard, each as of one moment of its own.

No moment is the same on all servers; nothing that is compared is in two shards, but for claims: what they
lead to is looked up as it is now, wherever it is.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

import asyncpg

from drawdown.core.claims import Claimed
from drawdown.core.state import Name
from drawdown.core.types import Customer, Document, Entitlement, Id
from drawdown.core.usage.records import Catalog, Count, Event, Meter, ValueKey
from drawdown.engine.ports import Audit, CustomerFilter, DocumentFilter, Group, Sought, WalletAudit
from drawdown.store.postgres.audit import PostgresAudit
from drawdown.store.postgres.reads import PostgresReads

if TYPE_CHECKING:
    from drawdown.store.postgres.citus import Shards

Key = TypeVar("Key")


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


class SpreadAudit:
    """All shards, one after the other."""

    claims_apart = True

    def __init__(self, store: PostgresReads, placement: Shards) -> None:
        self._store = store
        self._placement = placement
        self._parts = [placement.part(group) for group in placement.groups()]
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

    async def walk_claims(self) -> AsyncIterator[list[Claimed]]:
        for part in self._parts:
            async with part.audit() as audit:
                async for claims in audit.walk_claims():
                    yield claims

    async def read_names(self, names: Sequence[Name]) -> dict[Name, Id]:
        found: dict[Name, Id] = {}
        for group, some in _grouped(names, self._placement.of_name).items():
            found |= await self._placement.part(group).read_names(some)
        return found

    async def find_bearers(self, kind: type[Sought], ids: Sequence[Id]) -> dict[Id, Sought]:
        found: dict[Id, Sought] = {}
        for group, some in _grouped(ids, self._placement.of).items():
            found |= await self._placement.part(group).find_bearers(kind, some)
        return found

    async def list_books(self) -> list[Id]:
        return await self._store.list_books()

    async def list_meters(self, book: Id) -> list[Meter]:
        return await self._store.list_meters(book)

    async def list_customers(self, customers: CustomerFilter) -> list[Customer]:
        return await self._store.list_customers(customers)

    async def list_entitlements(self, book: Id, after: Id | None, limit: int) -> list[Entitlement]:
        return await self._store.list_entitlements(book, after, limit)

    async def list_documents(self, documents: DocumentFilter) -> list[Document]:
        return await self._store.list_documents(documents)

    async def find_fault(self, entries_seen: int) -> str | None:
        """The first that was found on the way: each shard's entries were counted with its wallets."""
        return self._fault


def _grouped(keys: Iterable[Key], group_of: Callable[[Key], Group]) -> dict[Group, list[Key]]:
    found: dict[Group, list[Key]] = {}
    for key in keys:
        found.setdefault(group_of(key), []).append(key)
    return found
