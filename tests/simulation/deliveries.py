"""A play of deliveries: endpoints that fail at random, processes that die in the middle, changes in between.

Everything follows from a seed but the ledger's secrets. At the end all endpoints are well, and the play looks
back: every event must have arrived wherever it was asked for, once or more, and where order is kept no event
may have been sent before those of its customer that came before it had arrived.
"""

from __future__ import annotations

import asyncio
import ssl
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from random import Random
from unittest.mock import patch

import msgspec

from drawdown.core.types import Id, Instant
from drawdown.dialects.native.events import FORMAT
from drawdown.engine.clocks import ManualClock
from drawdown.engine.endpoints import Endpoint, Settings
from drawdown.engine.ledger import Ledger
from drawdown.engine.positions import BEGINNING
from drawdown.webhooks import outlet
from drawdown.webhooks.deliver import Deliverer
from drawdown.webhooks.desk import Desk
from drawdown.webhooks.events import Event, matches
from drawdown.webhooks.formats import Formats
from drawdown.webhooks.sending import Sender, Sent
from tests.simulation.servers import RisingIds
from tests.support.books import SECOND, START, Book, open_book
from tests.support.stores import Database
from tests.webhooks.world import Counted

STEPS = 60
CUSTOMERS = ("ada", "bob", "eve")
PATTERNS = (("*",), ("grant.*", "hold.*"), ("debit.created",))
#: What an endpoint does in place of taking an event.
FAILURES = (
    Sent(milliseconds=1, status=500),
    Sent(milliseconds=1, status=302),
    Sent(milliseconds=1, status=503, retry_after=40.0),
    Sent(milliseconds=1, status=429, retry_after=3.0),
    Sent(milliseconds=1, error="the connection broke"),
)


class Attempt(msgspec.Struct, frozen=True):
    url: str
    event: str
    body: bytes
    arrived: bool


class Network(Sender):
    """Where events go: endpoints that answer as chance has it, and a log of what they were sent."""

    def __init__(self, random: Random, counts: Counter[str]) -> None:
        super().__init__(allow_private=True, trusted=ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT))
        self._random, self._counts = random, counts
        self.failing, self.hanging = 0.3, 0.0
        self.log: list[Attempt] = []

    async def post(self, url: str, headers: Mapping[str, str], body: bytes) -> Sent:
        """It may break off at any moment: then nobody knows whether the event has arrived."""
        sent = Sent(milliseconds=1, status=200)
        if self._random.random() < self.failing:
            sent = self._random.choice(FAILURES)
            self._counts[f"answered {sent.status}"] += 1
        await self._pass()
        self.log.append(Attempt(url, headers["webhook-id"], body, sent.arrived))
        await self._pass()
        return sent

    async def _pass(self) -> None:
        """A few turns, or for ever."""
        for _ in range(self._random.randrange(8)):
            await asyncio.sleep(0)
        if self._random.random() < self.hanging:
            await asyncio.Event().wait()


class DeliveryPlay:
    """A book, its endpoints, and one process after the other that delivers."""

    def __init__(
        self, random: Random, ledger: Ledger, clock: ManualClock, book: Book, counts: Counter[str]
    ) -> None:
        self._random, self._ledger, self._clock = random, ledger, clock
        self._book, self._counts = book, counts
        self._desk = Desk(ledger, book.id)
        self._network = Network(random, counts)
        self._seen = Counted()
        self._deliverer = self._new_process()
        self._endpoints: list[Endpoint] = []

    def _new_process(self) -> Deliverer:
        return Deliverer(self._ledger, Formats([FORMAT]), self._network, self._seen)

    async def run(self) -> None:
        for number, types in enumerate(PATTERNS * 2):
            url = f"http://receiver.example/{number}"
            settings = Settings(url=url, format="native", types=types, ordered=number % 2 == 0)
            made = await self._desk.create(settings, FORMAT.new_secret())
            self._endpoints.append(made)
        self._move(1)
        for name in CUSTOMERS:
            await self._book.customer(name)
        for _ in range(STEPS):
            await self._step()
        await self._heal()
        await self._look_back()

    async def _step(self) -> None:
        for _ in range(self._random.randrange(4)):
            await self._something_happens()
        self._move(self._random.choice((0.1, 1, 10, 400)))
        chance = self._random.random()
        self._network.hanging = 0.3 if chance < 0.15 else 0.0  # or all would have landed by then
        await self._tick()
        if chance < 0.15:
            await self._die()
        elif chance < 0.25:
            chosen = self._random.choice(self._endpoints)
            self._counts["changed"] += 1
            await self._desk.rotate(chosen.id, FORMAT.new_secret())

    async def _something_happens(self) -> None:
        customer = self._random.choice(CUSTOMERS)
        self._move(0.001)
        grant = await self._book.grant(customer, self._random.randrange(1, 4))
        if self._random.random() < 0.7:
            await self._book.debit(customer, self._random.randrange(1, grant.amount + 1))

    async def _tick(self) -> None:
        self._deliverer._look_at = 0
        await self._deliverer.tick()
        for _ in range(self._random.randrange(10)):
            await asyncio.sleep(0)

    async def _die(self) -> None:
        """As if killed: what is under way breaks off, and nothing of it was kept."""
        flights = list(self._deliverer._flights)
        self._counts["deaths"] += 1
        self._counts["under way at a death"] += len(flights)
        for flight in flights:
            flight.cancel()
        await asyncio.gather(*flights, return_exceptions=True)
        self._deliverer = self._new_process()

    async def _heal(self) -> None:
        self._network.failing = self._network.hanging = 0.0
        quiet = 0
        while quiet < 3:
            before = len(self._network.log)
            self._move(30 * 3_600)
            await self._tick()
            while self._deliverer._flights:
                await asyncio.wait(self._deliverer._flights)
                await self._tick()
            quiet = quiet + 1 if len(self._network.log) == before else 0

    def _move(self, seconds: float) -> None:
        self._clock.instant = Instant(self._clock.instant + round(seconds * SECOND))

    # Looking back --------------------------------------------------------------------------------

    async def _look_back(self) -> None:
        assert not self._seen.errors
        told = await self._told()
        for endpoint in self._endpoints:
            assert await self._desk.dead(endpoint.id, None, 1) == []
            settings = endpoint.settings
            wanted = [event for event in told if matches(settings.types, event.type)]
            attempts = [each for each in self._network.log if each.url == settings.url]
            assert {each.event for each in attempts if each.arrived} == {each.id for each in wanted}
            assert {(each.event, each.body) for each in attempts} == {
                (each.id, each.body) for each in wanted
            }
            self._counts["sent twice"] += len(attempts) - len(wanted)
            if settings.ordered:
                check_order(attempts, wanted)

    async def _told(self) -> list[Event]:
        """All events since the endpoints were made, in the order of the feed."""
        place, found, more = BEGINNING, [], True
        while more:
            page = await self._ledger.feed(place, books=frozenset({self._book.id}), limit=500)
            for recorded in page.found:
                if recorded.position > self._endpoints[-1].cursor:
                    found += await FORMAT.render(self._ledger, recorded)
            place, more = page.end, page.more
        return found


def check_order(attempts: list[Attempt], wanted: list[Event]) -> None:
    """Nothing was sent before all that its customer was to get before it had arrived."""
    before: dict[str, list[str]] = {}
    of_customer: defaultdict[Id | None, list[str]] = defaultdict(list)
    for event in wanted:
        before[event.id] = list(of_customer[event.customer])
        of_customer[event.customer].append(event.id)
    arrived: set[str] = set()
    for attempt in attempts:
        missing = [each for each in before[attempt.event] if each not in arrived]
        assert not missing, f"{attempt.event} was sent before {missing[0]} had arrived"
        if attempt.arrived:
            arrived.add(attempt.event)


async def play(seed: int, database: Database, counts: Counter[str]) -> None:
    """Raises ``AssertionError`` where something is lost, changed or out of order."""
    random = Random(seed)
    with patch.object(outlet, "_random", random):
        async with opened_ledger(database) as (ledger, clock):
            await DeliveryPlay(random, ledger, clock, await open_book(ledger), counts).run()


@asynccontextmanager
async def opened_ledger(database: Database) -> AsyncIterator[tuple[Ledger, ManualClock]]:
    clock = ManualClock(START)
    ledger = Ledger(await database.open(), clock, RisingIds())
    ledger.open(jobs=False)
    try:
        yield ledger, clock
    finally:
        await ledger.close()
