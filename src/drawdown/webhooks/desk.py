"""What may be done with a book's endpoints: the same for every dialect that has webhooks."""

from __future__ import annotations

from collections.abc import Callable

from drawdown.core.types import DAY, Id, Instant
from drawdown.engine.endpoints import ENDPOINTS_MAX, Attempt, Endpoint, Retry, Settings
from drawdown.engine.ledger import Ledger
from drawdown.engine.positions import Position, since
from drawdown.webhooks.events import parse_event
from drawdown.webhooks.formats import Format, find_event
from drawdown.webhooks.outlet import RETRYING_MAX

#: A secret that was replaced signs beside the new one for so long.
ROTATION = DAY
CHANGES_TRIED = 5


class EndpointNotFound(Exception):
    """The book has no such endpoint."""


class EventNotFound(Exception):
    """The book has no such event."""


class TooManyEndpoints(Exception):
    """The book has as many as it may have, or as many events wait as may wait."""


class Desk:
    """A book's endpoints. What is changed here, the process that delivers sees within a second."""

    def __init__(self, ledger: Ledger, book: Id) -> None:
        self._ledger, self._store, self._book = ledger, ledger.store, book

    async def create(
        self, settings: Settings, secret: str, *, enabled: bool = True, key: str | None = None
    ) -> Endpoint:
        """An endpoint for what happens from now on; or the one that was made with the idempotency ``key``.

        However many ask at once, one is made. Raises ``TooManyEndpoints``.
        """
        made_with = None if key is None else f"{settings.format}:{key}"
        for _ in range(CHANGES_TRIED):
            existing = await self._store.list_endpoints(self._book)
            for each in existing if made_with is not None else ():
                if each.made_with == made_with:
                    return each
            if len(existing) >= ENDPOINTS_MAX:
                raise TooManyEndpoints
            made = self._new(settings, secret, enabled, made_with)
            if await self._store.insert_endpoint(made):
                return made
        raise RuntimeError("the endpoint of a key is made and deleted by others all the time")

    def _new(
        self, settings: Settings, secret: str, enabled: bool, made_with: str | None
    ) -> Endpoint:
        now = self._ledger.clock.now()
        return Endpoint(
            id=self._ledger.ids.new(),
            book=self._book,
            settings=settings,
            secret=secret,
            created_at=now,
            updated_at=now,
            cursor=since(now),
            enabled=enabled,
            disabled_for=None if enabled else "request",
            made_with=made_with,
        )

    async def endpoints(self) -> list[Endpoint]:
        """Newest first."""
        return (await self._store.list_endpoints(self._book))[::-1]

    async def get(self, endpoint: Id) -> Endpoint:
        """Raises ``EndpointNotFound``."""
        found = await self._store.find_endpoint(endpoint)
        if found is None or found.book != self._book:
            raise EndpointNotFound
        return found

    async def change(self, endpoint: Id, change: Callable[[Endpoint], None]) -> Endpoint:
        """Change it, as it is now. Raises ``EndpointNotFound``."""
        for _ in range(CHANGES_TRIED):
            found = await self.get(endpoint)
            change(found)
            found.revision += 1
            found.updated_at = self._ledger.clock.now()
            if await self._store.update_endpoint(found):
                return found
        raise RuntimeError("the endpoint is changed by others all the time")

    async def enable(self, endpoint: Id, enabled: bool) -> Endpoint:
        """An endpoint that is enabled again goes on where it stood: nothing is left out."""

        def change(found: Endpoint) -> None:
            found.enabled = enabled
            found.disabled_for = None if enabled else "request"
            found.failing_since = None

        return await self.change(endpoint, change)

    async def rotate(self, endpoint: Id, secret: str) -> Endpoint:
        """Sign with a new secret; the one before stays valid beside it for a day."""
        until = Instant(self._ledger.clock.now() + ROTATION)

        def change(found: Endpoint) -> None:
            found.previous_secret, found.previous_until = found.secret, until
            found.secret = secret

        return await self.change(endpoint, change)

    async def delete(self, endpoint: Id) -> None:
        await self.get(endpoint)
        await self._store.delete_endpoint(endpoint)

    async def redeliver(self, endpoint: Id, event: str, form: Format) -> None:
        """Send one event again, whatever became of it. Raises ``EventNotFound``."""
        await self.get(endpoint)
        named = parse_event(event)
        position = None if named is None else await self._ledger.position(self._book, named[0])
        if named is None or position is None:
            raise EventNotFound
        if await find_event(self._ledger, form, self._book, position, named[1]) is None:
            raise EventNotFound
        await self._queue(endpoint, position, named[1])

    async def replay(self, endpoint: Id, instant: Instant) -> None:
        """Send everything again that was recorded at an instant or since, in its order."""

        def change(found: Endpoint) -> None:
            found.cursor = min(found.cursor, since(instant))

        await self.change(endpoint, change)

    async def test(self, endpoint: Id) -> Id:
        """Send an event that says nothing; its operation, which only its id speaks of."""
        await self.get(endpoint)
        operation = self._ledger.ids.new()
        await self._queue(endpoint, Position(Instant(0), operation), 0)
        return operation

    async def _queue(self, endpoint: Id, position: Position, ordinal: int) -> None:
        if len(await self._store.list_retries(endpoint, False, RETRYING_MAX)) >= RETRYING_MAX:
            raise TooManyEndpoints
        row = Retry(
            endpoint=endpoint,
            position=position,
            ordinal=ordinal,
            customer=None,
            type="",
            attempts=0,
            next_at=self._ledger.clock.now(),
        )
        await self._store.put_retries([row])
        await self.change(endpoint, lambda _: None)

    async def attempts(self, endpoint: Id, after: Id | None, limit: int) -> list[Attempt]:
        """The newest attempts, newest first; only so many are kept (``deliver.ATTEMPTS_KEPT``)."""
        await self.get(endpoint)
        return await self._store.list_attempts(endpoint, after, limit)

    async def dead(
        self, endpoint: Id, after: tuple[Position, int] | None, limit: int
    ) -> list[Retry]:
        """What was given up, in the order in which it was recorded, after a position and ordinal."""
        await self.get(endpoint)
        return await self._store.list_retries(endpoint, True, limit, after)
