"""Test clocks in the file: what of theirs falls due, and how they move."""

from __future__ import annotations

from drawdown.core.types import Id, Instant, TestClock
from drawdown.store import clock_rows
from drawdown.store.sqlite.endpoints import SqliteEndpoints
from drawdown.store.sqlite.reads import NEWEST


class SqliteClocks(SqliteEndpoints):
    async def find_clock(self, clock: Id) -> TestClock | None:
        row = self._row("find_clock", (clock,))
        return None if row is None else clock_rows.clock_of(row)

    async def list_clocks(self, book: Id, after: Id | None, limit: int) -> list[TestClock]:
        found = self._rows("list_clocks", (book, after or NEWEST, limit))
        return [clock_rows.clock_of(row) for row in found]

    async def has_clocks(self, book: Id) -> bool:
        return self._row("has_clocks", (book,)) is not None

    async def advancing_clocks(self) -> list[TestClock]:
        return [clock_rows.clock_of(row) for row in self._rows("advancing_clocks")]

    async def clock_due(
        self, clock: Id, until: Instant, limit: int
    ) -> list[tuple[Id, Id, Instant]]:
        found = self._rows("clock_due", (clock, until, limit))
        return [(row[0], row[1], row[2]) for row in found]

    async def count_clock(self, clock: Id, until: Instant) -> tuple[int, int]:
        row = self._row("count_clock", (until, clock))
        assert row is not None
        return row[0], row[1]

    async def reach_target(self, clock: Id, target: Instant) -> bool:
        return (await self._steps(("reach_target", [(clock, target)])))[0] > 0
