"""Test clocks in PostgreSQL: what of theirs falls due, and how they move."""

from __future__ import annotations

from drawdown.core.types import Id, Instant, TestClock
from drawdown.store import clock_rows
from drawdown.store.postgres.endpoints import PostgresEndpoints
from drawdown.store.postgres.reads import NEWEST


class PostgresClocks(PostgresEndpoints):
    async def find_clock(self, clock: Id) -> TestClock | None:
        found = await self._fetch("find_clock", [clock])
        return clock_rows.clock_of(tuple(found[0])) if found else None

    async def list_clocks(self, book: Id, after: Id | None, limit: int) -> list[TestClock]:
        found = await self._fetch("list_clocks", book, after or NEWEST, limit)
        return [clock_rows.clock_of(tuple(row)) for row in found]

    async def has_clocks(self, book: Id) -> bool:
        return bool(await self._fetch("has_clocks", book))

    async def advancing_clocks(self) -> list[TestClock]:
        return [clock_rows.clock_of(tuple(row)) for row in await self._fetch("advancing_clocks")]

    async def clock_due(
        self, clock: Id, until: Instant, limit: int
    ) -> list[tuple[Id, Id, Instant]]:
        found = await self._fetch("clock_due", clock, until, limit)
        return [(row[0], row[1], row[2]) for row in found]

    async def count_clock(self, clock: Id, until: Instant) -> tuple[int, int]:
        [(wallets, due)] = await self._fetch("count_clock", until, clock)
        return wallets, due

    async def reach_target(self, clock: Id, target: Instant) -> bool:
        return (await self._steps(("reach_target", [(clock, target)])))[0] > 0
