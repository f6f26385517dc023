"""Webhook endpoints in PostgreSQL. What happened to a batch of deliveries is one transaction."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Collection, Sequence

from drawdown.core.types import Id
from drawdown.engine.endpoints import Attempt, Delivered, Endpoint, Kept, Retry
from drawdown.engine.positions import Position
from drawdown.store import endpoint_rows, rows
from drawdown.store.postgres.feed import PostgresFeed
from drawdown.store.postgres.reads import NEWEST

#: Before every id.
OLDEST = Id(bytes(16))
#: A statement by its name, and the rows that it is run with.
Step = tuple[str, Sequence[rows.Row]]


class PostgresEndpoints(PostgresFeed):
    @abstractmethod
    async def _steps(self, *steps: Step, guarded: bool = False) -> list[int]:
        """Run all of it in one transaction; the rows that the last of each step changed.

        ``guarded``: only if the first step changes something.
        """

    async def list_endpoints(self, book: Id | None) -> list[Endpoint]:
        if book is None:
            found = await self._fetch("list_endpoints")
        else:
            found = await self._fetch("book_endpoints", book)
        return [endpoint_rows.endpoint_of(tuple(row)) for row in found]

    async def find_endpoint(self, endpoint: Id) -> Endpoint | None:
        found = await self._fetch("find_endpoint", endpoint)
        return endpoint_rows.endpoint_of(tuple(found[0])) if found else None

    async def insert_endpoint(self, endpoint: Endpoint) -> bool:
        row = endpoint_rows.endpoint_row(endpoint)
        return (await self._steps(("insert_endpoint", [row])))[0] > 0

    async def update_endpoint(self, endpoint: Endpoint) -> bool:
        row = endpoint_rows.changed_endpoint_row(endpoint)
        return (await self._steps(("update_endpoint", [row])))[0] > 0

    async def delete_endpoint(self, endpoint: Id) -> None:
        names = ("delete_endpoint", "delete_retries", "delete_attempts")
        await self._steps(*((name, [(endpoint,)]) for name in names))

    async def note_delivered(self, delivered: Delivered) -> bool:
        attempts = [endpoint_rows.attempt_row(each) for each in delivered.attempts]
        keys = [retry.key for retry in delivered.put] + delivered.removed
        moved, *_ = await self._steps(
            ("move_cursor", [endpoint_rows.cursor_row(delivered)]),
            ("delete_retry", [endpoint_rows.retry_key(delivered.endpoint, key) for key in keys]),
            ("insert_retry", [endpoint_rows.retry_row(retry) for retry in delivered.put]),
            ("insert_attempt", attempts),
            guarded=True,
        )
        if not moved and await self.find_endpoint(delivered.endpoint) is not None:
            await self._steps(("insert_attempt", attempts))
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
        found = await self._fetch("list_retries", endpoint, dead, *place, limit)
        return [endpoint_rows.retry_of(tuple(row)) for row in found]

    async def count_retries(self) -> dict[bool, int]:
        return {row[0]: row[1] for row in await self._fetch("tally_retries")}

    async def list_attempts(self, endpoint: Id, after: Id | None, limit: int) -> list[Attempt]:
        found = await self._fetch("list_attempts", endpoint, after or NEWEST, limit)
        return [endpoint_rows.attempt_of(tuple(row)) for row in found]

    async def prune_deliveries(self, endpoints: Collection[Id], kept: Kept) -> None:
        attempts: list[rows.Row] = []
        dead: list[rows.Row] = []
        for endpoint in endpoints:
            oldest = await self._fetch("oldest_kept_attempt", endpoint, kept.attempts)
            attempts.append((endpoint, oldest[0][0] if oldest else OLDEST, kept.since))
            found = await self._fetch("oldest_kept_dead", endpoint, kept.dead)
            place = tuple(found[0]) if found else endpoint_rows.place_row(None)
            dead.append((endpoint, *place, kept.since))
        if dead:
            await self._steps(("prune_dead", dead), ("prune_attempts", attempts))
