"""A ledger with what delivers its events, on a clock that tests move; nothing happens by itself."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from drawdown.core.types import Instant
from drawdown.dialects.native.events import FORMAT
from drawdown.engine.clocks import ManualClock
from drawdown.engine.endpoints import DeliveryObserver, Endpoint, Settings
from drawdown.engine.ledger import Ledger
from drawdown.webhooks.deliver import Deliverer
from drawdown.webhooks.desk import Desk
from drawdown.webhooks.formats import Formats
from drawdown.webhooks.sending import Sender
from tests.support.books import SECOND, START, Book, open_book, open_ledger_on
from tests.support.stores import Database

FORMATS = Formats([FORMAT])


class Counted(DeliveryObserver):
    """Remembers what it was told."""

    def __init__(self) -> None:
        self.outcomes: list[str] = []
        self.errors: list[BaseException] = []
        self.disabled_count = 0
        self.stood: tuple[int, int, float] = (0, 0, 0.0)

    def attempted(self, format_name: str, outcome: str) -> None:
        assert format_name == "native"
        self.outcomes.append(outcome)

    def standing(self, waiting: int, dead: int, lag_seconds: float) -> None:
        self.stood = (waiting, dead, lag_seconds)

    def disabled(self) -> None:
        self.disabled_count += 1

    def failed(self, error: BaseException) -> None:
        self.errors.append(error)


def patient_sender() -> Sender:
    """To which no answer that comes is late, however busy the machine is."""
    return Sender(allow_private=True, seconds_max=60.0)


class World:
    """One book, its desk, and a process that delivers."""

    def __init__(self, ledger: Ledger, clock: ManualClock, book: Book) -> None:
        self.ledger, self.clock, self.book = ledger, clock, book
        self.desk = Desk(ledger, book.id)
        self.seen = Counted()
        self.deliverer = self.another()

    def another(self) -> Deliverer:
        return Deliverer(self.ledger, FORMATS, patient_sender(), self.seen)

    async def endpoint(self, url: str, **more: Any) -> Endpoint:
        settings = Settings(url=url, format="native", **more)
        made = await self.desk.create(settings, FORMAT.new_secret())
        self.move(1)
        return made

    def move(self, seconds: float) -> None:
        self.clock.instant = Instant(self.clock.instant + round(seconds * SECOND))

    async def round(self, deliverer: Deliverer | None = None) -> None:
        """As much as a few ticks do, and all that they have begun."""
        self.move(3)
        deliverer = deliverer or self.deliverer
        before = -1
        while deliverer._flights or len(self.seen.outcomes) != before:
            before = len(self.seen.outcomes)
            deliverer._look_at = 0
            await deliverer.tick()
            if deliverer._flights:
                await asyncio.wait(deliverer._flights)
        deliverer._look_at = 0
        await deliverer.tick()


@asynccontextmanager
async def world(database: Database) -> AsyncIterator[World]:
    clock = ManualClock(START)
    ledger = open_ledger_on(await database.open(), clock)
    made = World(ledger, clock, await open_book(ledger))
    made.move(1)
    try:
        yield made
    finally:
        await made.deliverer.close()
        await ledger.close()
    assert not made.seen.errors
