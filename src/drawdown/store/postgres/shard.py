"""One shard of a spread database: a store of the slots that are kept together in it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

import msgspec

from drawdown.core.requests import ClaimRecord
from drawdown.core.state import Name
from drawdown.core.types import Id, Instant
from drawdown.engine.ports import Audit, BatchConflict, StoreUnavailable
from drawdown.store.postgres.facts import Facts
from drawdown.store.postgres.faults import code_of
from drawdown.store.postgres.reads import Columns, uncounted
from drawdown.store.postgres.shard_audit import ShardAudit
from drawdown.store.postgres.slots import claim_slot
from drawdown.store.postgres.store import PostgresStore
from drawdown.store.postgres.transaction import PostgresTransaction
from drawdown.store.queries import load_queries

Refresh = Callable[[], Awaitable[None]]


class ShardStore(PostgresStore):
    """What is in one shard. A statement or a transaction of it is about its slots and no others."""

    def __init__(
        self, server: PostgresStore, facts: Facts, slots: Sequence[int], refresh: Refresh
    ) -> None:
        super().__init__(server._pool, server._connections)
        self._facts = facts
        self._queries = {**self._queries, **load_queries("drawdown.store.postgres", "spread.sql")}
        self._snapshots = server._snapshots
        self._slots = list(slots)
        self._refresh = refresh

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[PostgresTransaction]:
        try:
            async with super().transaction() as current:
                yield current
        except (BatchConflict, StoreUnavailable) as error:
            if has_moved(error):
                await self._refresh()
            raise

    async def fetch(self, query: str, *args: object, seconds: float | None = None) -> list[Any]:
        try:
            return await super().fetch(query, *args, seconds=seconds)
        except StoreUnavailable as error:
            if not has_moved(error):
                raise
        await self._refresh()
        return await super().fetch(query, *args, seconds=seconds)

    async def due_wallets(self, now: Instant, limit: int) -> list[tuple[Id, Id, Id]]:
        found = await self._fetch("group_due_wallets", now, limit, self._slots)
        return [(row[0], row[1], row[2]) for row in found]

    async def uncounted_wallets(
        self, entitlement: Id, alert: Id, after: Id | None, limit: int
    ) -> list[tuple[Id, Id]]:
        bindings = uncounted(entitlement, alert, after, limit)
        found = await self._fetch("group_uncounted_wallets", *bindings, self._slots)
        return [(row[0], row[1]) for row in found]

    async def prune_claims(self, before: Instant, limit: int) -> int:
        old = await self._fetch("group_prunable_claims", before, limit, self._slots)
        if not old:
            return 0
        columns = list(zip(*old, strict=True))
        return await self._change("group_prune_claims", *columns, sorted(set(columns[0])))

    @asynccontextmanager
    async def audit(self) -> AsyncIterator[Audit]:
        async with self._snapshot() as connection:
            audit = ShardAudit(connection, self._queries, self._slots)
            await audit.begin()
            yield audit

    # Claims --------------------------------------------------------------------------------------

    async def open_claims(self, claims: Sequence[ClaimRecord]) -> list[ClaimRecord]:
        """In the order of their keys: processes that open the same ones do not wait for each other."""
        asked = {name_of(claim): claim for claim in claims}
        opened: dict[Name, ClaimRecord] = {}
        while missing := asked.keys() - opened.keys():
            columns = _columns(
                [asked[name] for name in missing], "created_at", "fingerprint", "target"
            )
            for book, space, key, target in await self._find("open_claims", columns):
                name = (book, space, key)
                opened[name] = msgspec.structs.replace(asked[name], target=target)
            # Of the others some may have been given free in between.
            opened |= await self.find_claims(list(missing - opened.keys()))
        return [opened[name] for name in asked]

    async def keep_claims(self, claims: Sequence[ClaimRecord]) -> None:
        await self._change_claims(claims, "keep_claims")

    async def leave_claims(self, claims: Sequence[ClaimRecord]) -> None:
        await self._change_claims(claims, "leave_claims", "free_claims")

    async def release_claims(self, claims: Sequence[ClaimRecord]) -> None:
        await self._change_claims(claims, "release_claims")

    async def _change_claims(self, claims: Sequence[ClaimRecord], *queries: str) -> None:
        if claims:
            columns = _columns(claims, "target")
            for query in queries:
                await self._change(query, *columns, sorted(set(columns[0])))

    async def close_claim(self, claim: ClaimRecord) -> ClaimRecord:
        assert claim.answer is not None
        answer = (claim.answer.status, claim.answer.body, claim.answer.request_id)
        await self._change("close_claim", *_place(claim), claim.target, *answer)
        return await self.find_claim(name_of(claim)) or claim

    async def close(self) -> None:
        """The connections are the server's."""
        await self._close_gatherers()


def has_moved(error: BaseException) -> bool:
    """Whether the shard may be elsewhere by now, or another server in the place of its own."""
    code = "" if error.__cause__ is None else code_of(error.__cause__)
    return code in ("0A000", "25006") or code.startswith(("08", "57P"))


def name_of(claim: ClaimRecord) -> Name:
    return claim.book, claim.space, claim.key


def _columns(claims: Sequence[ClaimRecord], *fields: str) -> Columns:
    """The places of claims, and what else a statement takes of them."""
    rows_found = sorted(
        (*_place(each), *(getattr(each, field) for field in fields)) for each in claims
    )
    return list(zip(*rows_found, strict=True))


def _place(claim: ClaimRecord) -> tuple[int, Id, str, str]:
    slot = claim_slot(claim.book, claim.space, claim.key)
    return slot, claim.book, claim.space, claim.key
