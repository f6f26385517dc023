"""A database of PostgreSQL, its servers behind proxies: connections break, the whole of it is killed."""

from __future__ import annotations

import asyncio
import contextlib
import functools
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from multiprocessing.util import Finalize
from typing import Any
from unittest.mock import patch

import asyncpg

from drawdown.core.state import Wanted
from drawdown.core.types import Id, Instant
from drawdown.engine.batcher import ATTEMPTS_MAX
from drawdown.store.postgres.store import PostgresStore
from drawdown.store.postgres.transaction import PostgresTransaction
from tests.simulation import faults
from tests.simulation.planned import Recorded
from tests.simulation.plays import Turn
from tests.simulation.powered import RECORDED, CarryOut, Heard, check_kept
from tests.simulation.servers import CommitFailed, FragileStore, Server, make_book
from tests.support.postgres import THROWN_AWAY, Cluster
from tests.support.proxy import BEGIN, COMMIT, CUT, Fault, Proxy

TEMPLATE = "simulated"
#: What the proxy does to one transaction.
BROKEN = {
    faults.CUT_BEFORE: [Fault(BEGIN, False, CUT)],
    faults.CUT_AT: [Fault(COMMIT, False, CUT)],
    faults.CUT_AFTER: [Fault(COMMIT, True, CUT)],
    faults.UNDONE: [Fault(COMMIT, False, code) for code in ("40001", "40P01")],
    faults.ERROR: [Fault(COMMIT, False, "XX000")],
    faults.UNAVAILABLE: [Fault(COMMIT, False, "40001")] * ATTEMPTS_MAX,
}
_END = (
    "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity "
    "WHERE datname = current_database() AND application_name = 'drawdown'"
)


class SimulatedPostgres(PostgresStore):
    """A store behind a proxy of its own; its next transaction can go wrong (``faults``).

    ``on_commit`` is called when a commit begins: what arrives then must wait for the next transaction.
    """

    def __init__(self, *arguments: Any, **more: Any) -> None:
        super().__init__(*arguments, **more)
        self.counts: Counter[str] = Counter()
        self.fault = ""
        self.on_commit: Callable[[], None] | None = None
        self.died = asyncio.Event()
        self.proxy: Proxy
        self.direct: str

    @classmethod
    async def behind_proxy(cls, url: str, counts: Counter[str]) -> SimulatedPostgres:
        proxy = await Proxy(url).__aenter__()
        store = await cls.open(proxy.url)
        assert isinstance(store, SimulatedPostgres)
        store.counts, store.proxy, store.direct = counts, proxy, url
        return store

    @asynccontextmanager
    async def transaction(self, *of: Any) -> AsyncIterator[PostgresTransaction]:
        async with super().transaction(*of) as current:
            with patch.object(current, "load", self._counted(current)):
                yield current
            fault, self.fault = self.fault, ""
            await self._before_commit(fault)
        if fault == faults.DIES_AFTER:
            await self._dead()

    def _counted(self, current: PostgresTransaction) -> Callable[[Wanted], Any]:
        load = current.load

        async def counted(wanted: Wanted) -> None:
            if wanted.wallets_longer:
                self.counts["more grants are loaded than at first"] += 1
            await load(wanted)

        return counted

    async def _before_commit(self, fault: str) -> None:
        arriving, self.on_commit = self.on_commit, None
        if arriving is not None:
            self.counts["requests gather while others are committed"] += 1
            arriving()
        if fault == faults.FAILS:
            raise CommitFailed
        if fault == faults.DIES_BEFORE:
            await self._dead()
        if fault == faults.ENDED:
            await end_connections(self.direct)

    async def _dead(self) -> None:
        self.died.set()
        await asyncio.Event().wait()  # a dead process does nothing more

    async def die(self) -> None:
        """Its connections break; the database undoes what was not committed."""
        self._pool.terminate()
        await self.proxy.__aexit__(None, None, None)

    async def close(self) -> None:
        await super().close()
        await self.proxy.__aexit__(None, None, None)


async def end_connections(url: str) -> None:
    """As an operator does it; until they are gone."""
    administrator = await asyncpg.connect(url)
    await administrator.fetch(_END)
    await administrator.close()


class DatabaseSite:
    """A fresh database of a cluster. ``book`` is there from the beginning."""

    def __init__(self, cluster: Cluster, url: str, book: Id, counts: Counter[str]) -> None:
        self.book = book
        self._cluster, self._url, self._counts = cluster, url, counts

    async def store(self) -> SimulatedPostgres:
        return await SimulatedPostgres.behind_proxy(self._url, self._counts)

    async def prepare(self, store: FragileStore, turn: Turn) -> None:
        """The fault of the turn will befall the store's next transaction."""
        assert isinstance(store, SimulatedPostgres)
        assert not store.proxy.faults, "what was to go wrong before has not"
        store.proxy.faults.extend(BROKEN.get(turn.fault, ()))
        if turn.fault == faults.ENDED_IDLE:
            await end_connections(self._url)
        if turn.fault not in BROKEN:
            store.fault = turn.fault

    async def fail(
        self, servers: dict[int, Server], turn: Turn, carry_out: CarryOut
    ) -> tuple[list[Heard | None], bool]:
        """Carry a turn out while the database is killed. What was heard, and whether it was kept."""
        before = await self._kept()
        carried_out = asyncio.ensure_future(carry_out(turn))
        await asyncio.sleep(turn.step / 1000)
        await asyncio.to_thread(self._cluster.postgres.kill)
        await asyncio.to_thread(self._cluster.postgres.start)
        heard = await carried_out
        kept = await self._kept() > before
        told = all(one is not None and one[0] != "unavailable" for one in heard)
        acknowledged = check_kept(turn, heard, kept)
        if not told and not acknowledged:
            fate = "survives" if kept else "is lost with"
            self._counts[f"a transaction {fate} a killed database unacknowledged"] += 1
        return heard, kept or told

    async def _kept(self) -> int:
        """How many operations and claims are in the database: a refusal under a claim is kept, too."""
        [row] = await self._fetch(
            "SELECT (SELECT count(*) FROM operation) + (SELECT count(*) FROM claim)"
        )
        return int(row[0])

    async def recorded(self) -> set[Recorded]:
        """All operations in the database."""
        return {(Id(row[0].bytes), Instant(row[1])) for row in await self._fetch(RECORDED)}

    async def _fetch(self, query: str) -> list[Any]:
        connection = await asyncpg.connect(self._url)
        try:
            return list(await connection.fetch(query))
        finally:
            await connection.close()

    async def close(self) -> None:
        """The database is thrown away by who made it."""


@functools.cache
def cluster(version: int) -> tuple[Cluster, Id]:
    """The one of this process, with a template that has a book. Not within a running event loop."""
    running = Cluster(version, THROWN_AWAY)
    Finalize(None, running.close, exitpriority=1)
    running.sql(f"CREATE DATABASE {TEMPLATE} TEMPLATE migrated")
    return running, asyncio.run(_made(running.postgres.url(TEMPLATE)))


async def _made(url: str) -> Id:
    return await make_book(await SimulatedPostgres.behind_proxy(url, Counter()))


@contextmanager
def database_site(database: str, counts: Counter[str]) -> Iterator[DatabaseSite]:
    """A database of one's own in the version that ``database`` names."""
    running, book = cluster(int(database.removeprefix("postgres-")))
    with contextlib.ExitStack() as stack:
        url = stack.enter_context(running.database(TEMPLATE))
        yield DatabaseSite(running, url, book, counts)
