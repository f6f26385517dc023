"""How events go out: each dialect that can, says how it renders, signs and tries again."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import ClassVar

from drawdown.core.types import Id, Instant
from drawdown.engine.endpoints import Endpoint
from drawdown.engine.ledger import Ledger
from drawdown.engine.ports import Recorded
from drawdown.engine.positions import Position
from drawdown.webhooks.events import Event


class Format(ABC):
    """One dialect's events. ``schedule``: the seconds before each further attempt; after the last, an event
    is dead. Each is lengthened by up to a quarter, so that many do not come back at once.
    """

    name: ClassVar[str]
    schedule: ClassVar[tuple[int, ...]]
    #: Every type that may be sent, as the documentation lists them.
    types: ClassVar[tuple[str, ...]]

    @abstractmethod
    async def render(self, ledger: Ledger, recorded: Recorded) -> Sequence[Event]:
        """The events of one operation, in the order of their ordinals; none for what is not told.

        Pure but for names, which are looked up: an operation has the same events whenever it is rendered.
        """

    @abstractmethod
    def test(self, operation: Id, now: Instant) -> Event:
        """An event that says only that the endpoint can be reached."""

    @abstractmethod
    def new_secret(self) -> str:
        """A secret to sign with, from the system's randomness."""

    def rate_limit(self, endpoint: Endpoint) -> int | None:
        """How many deliveries may begin within any second; None: as many as there are."""
        return None

    @abstractmethod
    def headers(self, endpoint: Endpoint, event: Event, now: Instant) -> Mapping[str, str]:
        """What is sent beside the body: the signature, with every secret that is valid now."""


class Formats:
    """The formats of one server, by name."""

    def __init__(self, formats: Sequence[Format]) -> None:
        self._formats = {each.name: each for each in formats}

    def __getitem__(self, name: str) -> Format:
        return self._formats[name]

    def __contains__(self, name: str) -> bool:
        return name in self._formats

    def find(self, name: str) -> Format | None:
        return self._formats.get(name)

    def names(self) -> list[str]:
        return sorted(self._formats)


async def find_event(
    ledger: Ledger, form: Format, book: Id, position: Position, ordinal: int
) -> Event | None:
    """One event rendered again, of the operation at exactly this place in a book."""
    before = int.from_bytes(position.operation, "big") - 1
    after = Position(position.recorded_at, Id(before.to_bytes(16, "big")))
    page = await ledger.feed(after, books=frozenset({book}), limit=1)
    for recorded in page.found:
        if recorded.position == position:
            events = await form.render(ledger, recorded)
            return next((event for event in events if event.ordinal == ordinal), None)
    return None
