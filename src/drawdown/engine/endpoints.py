"""Webhook endpoints as they are kept: where events go, how far they have come, what failed on the way."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any, Protocol

import msgspec

from drawdown.core.types import Id, Instant, Metadata
from drawdown.engine.positions import Position

ENDPOINT_PREFIX = "whe_"
ENDPOINTS_MAX = 100


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """What an endpoint's owner chose.

    ``types`` are names of events, or their beginnings with a ``*`` at the end. ``customer`` None: of all.
    ``ordered``: a customer's next event waits for the one before. ``profile`` is the dialect's own.
    """

    url: str
    format: str
    types: tuple[str, ...] = ("*",)
    customer: Id | None = None
    ordered: bool = False
    description: str | None = None
    metadata: Metadata = {}
    profile: dict[str, Any] = {}


class Endpoint(msgspec.Struct, kw_only=True):
    """``cursor``: everything up to it was delivered, or is in a row of its own (``Retry``).

    ``revision`` rises with whatever is changed from outside of the delivery: who delivers begins anew.
    ``failing_since``: the first failure since the last success. ``disabled_for`` says why it is disabled.
    ``made_with``: the idempotency key of whoever made it, if he gave one; a book has one endpoint for each.
    """

    id: Id
    book: Id
    settings: Settings
    secret: str
    created_at: Instant
    updated_at: Instant
    cursor: Position
    enabled: bool = True
    disabled_for: str | None = None
    previous_secret: str | None = None
    previous_until: Instant | None = None
    failing_since: Instant | None = None
    revision: int = 0
    made_with: str | None = None

    def secrets(self, now: Instant) -> tuple[str, ...]:
        """What deliveries are signed with: the secret, and for a while the one before it."""
        until = self.previous_until
        if self.previous_secret is None or until is None or until <= now:
            return (self.secret,)
        return self.secret, self.previous_secret


class Retry(msgspec.Struct, kw_only=True):
    """One event that has not arrived yet. ``attempts`` 0: it waits for its turn. ``dead``: given up."""

    endpoint: Id
    position: Position
    ordinal: int
    customer: Id | None
    type: str
    attempts: int
    next_at: Instant
    dead: bool = False

    @property
    def key(self) -> tuple[Position, int]:
        return self.position, self.ordinal


class Attempt(msgspec.Struct, frozen=True, kw_only=True):
    """One try to deliver an event. ``answer`` begins as what came back did; ``error``: why nothing did."""

    id: Id
    endpoint: Id
    event: str
    type: str
    attempt: int
    at: Instant
    milliseconds: int
    outcome: str
    status: int | None = None
    answer: str | None = None
    error: str | None = None


class Delivered(msgspec.Struct, kw_only=True):
    """What became of an endpoint's events since the last time, to be kept at once.

    It is kept only while the endpoint has this ``revision``.
    """

    endpoint: Id
    revision: int
    cursor: Position
    failing_since: Instant | None
    put: list[Retry] = []
    removed: list[tuple[Position, int]] = []
    attempts: list[Attempt] = []


class Kept(msgspec.Struct, frozen=True):
    """How many attempts and dead events are kept of an endpoint, and none from before an instant."""

    attempts: int
    dead: int
    since: Instant


class EndpointStore(Protocol):
    """Where endpoints are kept. All of it is small, and written by one process at a time."""

    async def list_endpoints(self, book: Id | None) -> list[Endpoint]:
        """Oldest first; ``book`` None: of all books."""

    async def find_endpoint(self, endpoint: Id) -> Endpoint | None: ...
    async def insert_endpoint(self, endpoint: Endpoint) -> bool:
        """False when the book has one that was made with the same key."""

    async def update_endpoint(self, endpoint: Endpoint) -> bool:
        """Write an endpoint whose ``revision`` rose by one; False when another was first, or it is gone."""

    async def delete_endpoint(self, endpoint: Id) -> None:
        """With everything that is kept of its deliveries."""

    async def note_delivered(self, delivered: Delivered) -> bool:
        """False when the endpoint was changed meanwhile: nothing of it is kept, but the attempts are."""

    async def put_retries(self, retries: Sequence[Retry]) -> None: ...
    async def list_retries(
        self, endpoint: Id, dead: bool, limit: int, after: tuple[Position, int] | None = None
    ) -> list[Retry]:
        """In the order in which their events were recorded, those after a position and ordinal."""

    async def count_retries(self) -> dict[bool, int]:
        """How many wait (False), and how many are dead (True)."""

    async def list_attempts(self, endpoint: Id, after: Id | None, limit: int) -> list[Attempt]:
        """Newest first."""

    async def prune_deliveries(self, endpoints: Collection[Id], kept: Kept) -> None:
        """Forget what is too old, and all but the newest of each endpoint."""


class DeliveryObserver:
    """Is told how deliveries go. The metrics override what they count."""

    def opened(self, formats: Sequence[str]) -> None:
        """In which formats events may be delivered from now on."""

    def attempted(self, format_name: str, outcome: str) -> None:
        """``outcome``: delivered, failed, or dead for the last failure of an event."""

    def standing(self, waiting: int, dead: int, lag_seconds: float) -> None:
        """What waits, what was given up, and how old the oldest event is that is still to be delivered."""

    def disabled(self) -> None:
        """An endpoint failed for so long that it is asked no more."""

    def failed(self, error: BaseException) -> None:
        """A round of deliveries failed on our side; it is tried again."""
