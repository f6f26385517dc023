"""Plays about invoices on the real engine: two servers on one database, what befalls them, who asks again."""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from typing import Any, TypeVar
from unittest.mock import AsyncMock, patch

import msgspec

from drawdown.core.billing.records import INVOICE
from drawdown.core.commands import (
    AdvanceTestClock,
    Command,
    CreateCustomer,
    CreateTestClock,
    RecordUsage,
    Settle,
)
from drawdown.core.requests import Accepted, Answer, LedgerKey
from drawdown.core.types import Balance, Document, Id, Instant, Mode
from drawdown.engine import batcher
from drawdown.engine.clocks import ManualClock
from drawdown.engine.ports import DocumentFilter, StoreUnavailable
from drawdown.engine.test_clocks import TestClocks
from drawdown.naming import NAMING
from drawdown.store.postgres import transaction as postgres_transaction
from drawdown.store.sqlite import connection, transaction
from tests.simulation import faults, plays
from tests.simulation.billing_plays import BillingPlay, Turn
from tests.simulation.clustered import SimulatedPostgres
from tests.simulation.powered import Site
from tests.simulation.servers import CommitFailed, RisingIds, Server
from tests.support.billing_play import CURRENCY, START, LedgerSubject, Step, read_step
from tests.support.naive_billing import HOUR

#: More than any advance takes.
PLAY_SECONDS = 60.0
MINUTE = HOUR // 60
MANY = 10_000
T = TypeVar("T")


@contextlib.contextmanager
def few_at_a_time() -> Iterator[None]:
    """Grants are loaded two at a time, and few wallets are kept in mind."""
    with (
        patch.object(connection, "LOG_PAGES_MAX", 40),  # no thread: a play is the same each time
        patch.multiple(
            transaction, FIRST_GRANTS=2, MORE_GRANTS=2, WALLETS_CACHED_MAX=2, NAMES_CACHED_MAX=4
        ),
        patch.multiple(postgres_transaction, FIRST_GRANTS=2, MORE_GRANTS=2),
        patch.object(batcher, "PAUSE_SECONDS", 0.0001),
        patch.object(TestClocks, "_is_mine", AsyncMock(return_value=True)),
    ):
        yield


class Done(msgspec.Struct):
    """What of an acceptance a client is told."""

    grant: str | None = None
    documents: list[tuple[str, str, str]] = []


def told(accepted: Accepted) -> Answer:
    grant = None if accepted.grant is None else accepted.grant.id.hex()
    documents = [(each.id.hex(), each.kind, each.body) for each in accepted.documents]
    return Answer(status=200, body=msgspec.json.encode(Done(grant, documents)))


class Told(msgspec.Struct):
    """An acceptance as a client knows it, who may have heard of it only when he asked again."""

    grant: Any
    documents: list[Any]


class Named(msgspec.Struct):
    id: Id
    kind: str = ""
    body: str = ""


def read(body: bytes) -> Told:
    done = msgspec.json.decode(body, type=Done)
    grant = None if done.grant is None else Named(Id(bytes.fromhex(done.grant)))
    return Told(
        grant, [Named(Id(bytes.fromhex(each)), kind, body) for each, kind, body in done.documents]
    )


class EngineWorld:
    """Servers that may die, and the clients of a play."""

    def __init__(self, play: BillingPlay, site: Site, counts: Counter[str]) -> None:
        self._play, self._site, self._book, self._counts = play, site, site.book, counts
        self._clock = ManualClock(Instant(START))
        self._ids = RisingIds()
        self._servers: dict[int, Server] = {}
        self._starting = asyncio.Lock()
        self._number, self._keys = 0, 0
        self._fault, self._wait = "", 0
        self._clocks: list[Id] = []
        self._subjects: list[LedgerSubject] = []
        self._races: list[asyncio.Task[object]] = []

    async def open(self) -> list[LedgerSubject]:
        ledger = (await self._server(0)).ledger
        for number in range(self._play.customers):
            clock = None
            if number < self._play.clocked:
                asked = CreateTestClock(frozen_at=Instant(START), mode=Mode.TEST)
                made = (await ledger.apply(self._book, asked)).clock
                assert made is not None
                clock = made.id
                self._clocks.append(clock)
            name = f"customer-{number}"
            await ledger.apply(self._book, CreateCustomer(own_id=name, test_clock=clock))
            self._subjects.append(await self._subject(name))
        return self._subjects

    async def _subject(self, name: str) -> LedgerSubject:
        owner = (await (await self._server(0)).ledger.customer(self._book, name)).id

        async def apply(command: Command, at: int) -> Any:
            return await self._ask(command)

        async def documents() -> list[Document]:
            asked = DocumentFilter(
                book=self._book, owner=owner, kind=INVOICE, deleted=None, limit=MANY
            )
            return await self._read(lambda server: server.ledger.documents(asked))

        async def balance() -> Balance | None:
            settle = Settle(customer=name, entitlement=CURRENCY)
            await self._ask(settle)
            return await self._read(
                lambda server: server.ledger.balance(self._book, name, CURRENCY)
            )

        return LedgerSubject(name, apply, documents, balance)

    # Servers -------------------------------------------------------------------------------------

    async def _server(self, number: int) -> Server:
        """The server of that number; it starts when it is first wanted, and again after it died."""
        async with self._starting:  # of several that find it dead, one starts another
            await self._bury(number)
            if number not in self._servers:
                store = await self._site.store()
                self._servers[number] = Server(store, self._clock, self._ids, self._counts)
            return self._servers[number]

    async def _bury(self, number: int) -> None:
        """Where it has died."""
        found = self._servers.get(number)
        if found is not None and found.store.died.is_set():
            del self._servers[number]
            self._check(found)
            await found.die()

    @staticmethod
    def _check(server: Server) -> None:
        for fault in server.failures.unexpected:
            raise fault

    async def close(self) -> None:
        for task in self._races:
            task.cancel()
        await asyncio.gather(*self._races, return_exceptions=True)
        for server in self._servers.values():
            await (server.die() if server.store.died.is_set() else server.ledger.close())
        await self._site.close()

    async def verify(self) -> None:
        async for _ in (await self._server(0)).ledger.verify(NAMING):
            pass

    # Asking --------------------------------------------------------------------------------------

    async def _ask(self, command: Command) -> Told:
        """Ask until it is heard what became of it. What has no key of its own does no harm twice."""
        self._keys += 1
        keyed = not isinstance(command, Settle | RecordUsage | AdvanceTestClock)
        key = LedgerKey("play", str(self._keys)) if keyed else None

        async def submit(server: Server) -> Answer:
            return await server.ledger.submit(self._book, command, told, key=key)

        return read((await self._until_heard(submit)).body)

    async def _until_heard(self, ask: Callable[[Server], Awaitable[T]]) -> T:
        while True:
            number = self._number
            server = await self._server(number)
            lost = await self._prepare(server)
            asked = asyncio.ensure_future(ask(server))
            died = asyncio.create_task(server.store.died.wait())
            await asyncio.wait({asked, died}, return_when=asyncio.FIRST_COMPLETED)
            died.cancel()
            if not asked.done():
                asked.cancel()
                await asyncio.gather(asked, return_exceptions=True)
                async with self._starting:
                    await self._bury(number)
                self._number = 1 - number
                continue
            try:
                answer = asked.result()
            except (StoreUnavailable, CommitFailed):
                continue
            if not lost:
                return answer
            self._counts["a lost answer is asked for again"] += 1

    async def _prepare(self, server: Server) -> bool:
        """Let the turn's fault befall the server's next transaction, once its time has come."""
        if not self._fault:
            return False
        if self._wait:
            self._wait -= 1
            return False
        fault, self._fault = self._fault, ""
        self._counts[f"fault: {fault}"] += 1
        await self._site.prepare(server.store, plays.Turn(now=0, fault=fault))
        return fault == faults.LOST

    async def _read(self, read: Callable[[Server], Awaitable[T]]) -> T:
        """A read is of whatever server there is."""
        return await read(await self._server(1 - self._number))

    # Turns ---------------------------------------------------------------------------------------

    async def begin(self, turn: Turn) -> None:
        """Time comes to where the turn is; what falls due for customers on a clock is played there."""
        self._number, self._fault, self._wait = turn.server, turn.fault, turn.step
        steps = [(ask.customer, read_step(ask.text)) for ask in turn.asks]
        for customer, step in steps:
            if customer < self._play.clocked:
                await self._advance(self._clocks[customer], step, turn.stops)
            else:
                self._clock.instant = Instant(max(self._clock.instant, step.at))
        if turn.races:
            self._races = [
                asyncio.create_task(self._race(1 - turn.server, customer)) for customer, _ in steps
            ]

    async def _race(self, number: int, customer: int) -> object:
        """Another server settles the wallet."""
        server = await self._server(number)
        command = Settle(customer=f"customer-{customer}", entitlement=CURRENCY)
        self._counts["two servers at once"] += 1
        return await server.ledger.submit(self._book, command, told)

    async def end(self, turn: Turn) -> None:
        """What was to go wrong and did not, does not any more."""
        for found in await asyncio.gather(*self._races, return_exceptions=True):
            if isinstance(found, BaseException) and not isinstance(
                found, StoreUnavailable | CommitFailed
            ):
                raise found
        self._races, self._fault = [], ""
        for server in self._servers.values():
            self._check(server)
            server.store.fault = ""
            if isinstance(server.store, SimulatedPostgres):
                server.store.proxy.faults.clear()
        if turn.jobs:
            self._counts["jobs run"] += 1
            await (await self._server(turn.server)).jobs.tick()

    async def _advance(self, clock: Id, step: Step, stops: tuple[int, ...]) -> None:
        frozen = (await self._find(clock)).frozen_at
        between = sorted({step.at - minutes * MINUTE for minutes in stops})
        for to in (*(each for each in between if frozen < each), step.at):
            self._counts["an advance stops on its way"] += to != step.at
            await self._ask(AdvanceTestClock(clock=clock, to=Instant(to)))
            while (await self._find(clock)).target is not None:
                await self._until_heard(
                    lambda server: server.ledger.test_clocks.play(self._book, clock, PLAY_SECONDS)
                )

    async def _find(self, clock: Id) -> Any:
        return await self._read(lambda server: server.ledger.test_clocks.find(self._book, clock))
