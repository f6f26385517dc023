"""Webhook endpoints in the file. What happened to a batch of deliveries is one transaction."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Collection, Sequence

from drawdown.core.types import Id
from drawdown.engine.endpoints import Attempt, Delivered, Endpoint, Kept, Retry
from drawdown.engine.positions import Position
from drawdown.store import endpoint_rows, rows
from drawdown.store.sqlite.feed import SqliteFeed
from drawdown.store.sqlite.reads import NEWEST

#: Before every id.
OLDEST = Id(bytes(16))
#: A statement by its name, and the rows that it is run with.
Step = tuple[str, Sequence[rows.Row]]


class SqliteEndpoints(SqliteFeed):
    @abstractmethod
    async def _steps(self, *steps: Step) -> list[int]:
        """Run all of it in one transaction; how many rows each step changed."""

    async def list_endpoints(self, book: Id | None) -> list[Endpoint]:
        found = (
            self._rows("list_endpoints") if book is None else self._rows("book_endpoints", (book,))
        )
        return [endpoint_rows.endpoint_of(row) for row in found]

    async def find_endpoint(self, endpoint: Id) -> Endpoint | None:
        row = self._row("find_endpoint", (endpoint,))
        return None if row is None else endpoint_rows.endpoint_of(row)

    async def insert_endpoint(self, endpoint: Endpoint) -> bool:
        row = endpoint_rows.endpoint_row(endpoint)
        return (await self._steps(("insert_endpoint", [row])))[0] > 0

    async def update_endpoint(self, endpoint: Endpoint) -> bool:
        row = endpoint_rows.changed_endpoint_row(endpoint)
        return (await self._steps(("update_endpoint", [row])))[0] > 0

    async def delete_endpoint(self, endpoint: Id) -> None:
        names = ("delete_retries", "delete_attempts", "delete_endpoint")
        await self._steps(*((name, [(endpoint,)]) for name in names))

    async def note_delivered(self, delivered: Delivered) -> bool:
        found = self._row("find_endpoint", (delivered.endpoint,))
        attempts = [endpoint_rows.attempt_row(each) for each in delivered.attempts]
        if found is None:
            return False
        if endpoint_rows.endpoint_of(found).revision != delivered.revision:
            await self._steps(("insert_attempt", attempts))
            return False
        keys = [retry.key for retry in delivered.put] + delivered.removed
        moved, *_ = await self._steps(
            ("move_cursor", [endpoint_rows.cursor_row(delivered)]),
            ("delete_retry", [endpoint_rows.retry_key(delivered.endpoint, key) for key in keys]),
            ("insert_retry", [endpoint_rows.retry_row(retry) for retry in delivered.put]),
            ("insert_attempt", attempts),
        )
        return moved > 0

    async def put_retries(self, retries: Sequence[Retry]) -> None:
        await self._steps(
            (
                "delete_retry",
                [endpoint_rows.retry_key(each.endpoint, each.key) for each in retries],
            ),
            ("insert_retry", [endpoint_rows.retry_row(each) for each in retries]),
        )

    async def list_retries(
        self, endpoint: Id, dead: bool, limit: int, after: tuple[Position, int] | None = None
    ) -> list[Retry]:
        place = endpoint_rows.place_row(after)
        found = self._rows("list_retries", (endpoint, dead, *place, limit))
        return [endpoint_rows.retry_of(row) for row in found]

    async def count_retries(self) -> dict[bool, int]:
        return {bool(dead): count for dead, count in self._rows("tally_retries")}

    async def list_attempts(self, endpoint: Id, after: Id | None, limit: int) -> list[Attempt]:
        found = self._rows("list_attempts", (endpoint, after or NEWEST, limit))
        return [endpoint_rows.attempt_of(row) for row in found]

    async def prune_deliveries(self, endpoints: Collection[Id], kept: Kept) -> None:
        attempts: list[rows.Row] = []
        dead: list[rows.Row] = []
        for endpoint in endpoints:
            oldest = self._row("oldest_kept_attempt", (endpoint, kept.attempts))
            attempts.append((endpoint, oldest[0] if oldest else OLDEST, kept.since))
            found = self._row("oldest_kept_dead", (endpoint, kept.dead))
            place = found or endpoint_rows.place_row(None)
            dead.append((endpoint, *place, kept.since))
        if dead:
            await self._steps(("prune_dead", dead), ("prune_attempts", attempts))
