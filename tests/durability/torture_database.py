"""Kills PostgreSQL under the load of two servers, and one of the servers with it; asks as ``torture``."""

from __future__ import annotations

import asyncio
import contextlib
import time
from dataclasses import dataclass, field

import httpx

from tests.durability.operations import Asked, Json
from tests.durability.torture import ACKNOWLEDGED_MIN, WORKERS, Round, Torture
from tests.support.postgres import Cluster
from tests.support.server import Server

RETURNS_SECONDS = 60
UNAVAILABLE = "the database is unavailable"


def readiness(url: str) -> int:
    """What the server says of itself; it may have to wait for its database before it can tell."""
    return httpx.get(f"{url}/health/ready", timeout=60).status_code


def until(url: str, status: int) -> None:
    """Wait until the server says so of itself."""
    last = time.monotonic() + RETURNS_SECONDS
    while readiness(url) != status:
        assert time.monotonic() < last, f"{url} was not {status} within {RETURNS_SECONDS} s"
        time.sleep(0.02)


def expel(cluster: Cluster, column: str, value: str) -> None:
    """End the connections that a database or a role has, and wait until they are gone; also those that are
    just being made."""
    now = cluster.sql("SELECT clock_timestamp()").strip()
    whose = f"pg_stat_activity WHERE backend_start <= '{now}' AND {column} = '{value}'"
    last = time.monotonic() + RETURNS_SECONDS
    while cluster.sql(f"SELECT pg_terminate_backend(pid) FROM {whose}").strip():
        assert time.monotonic() < last, f"the connections of {value} do not end"
        time.sleep(0.05)


@dataclass
class DatabaseTorture(Torture):
    """Kills the database under the load of two servers, and one of the servers after that."""

    cluster: Cluster | None = field(kw_only=True, default=None)

    def round(self) -> Round:
        return self.check(self.load_and_kill())

    def load_and_kill(self) -> int:
        before = len(self.asked)
        with self._server() as first, self._server() as second:
            survivor, victim = self._chance.sample([first, second], 2)
            asyncio.run(self._until_killed_and_back(survivor, victim))
            survivor.stop(UNAVAILABLE)
        return before

    def _is_taken(self, response: httpx.Response, status: int) -> bool:
        if response.status_code == 503:
            assert int(response.headers["retry-after"]) >= 1
            return False
        return super()._is_taken(response, status)

    def _take_result(self, asked: Asked, result: Json) -> None:
        if result["status"] != 503:
            super()._take_result(asked, result)

    async def _until_killed_and_back(self, survivor: Server, victim: Server) -> None:
        stop = asyncio.Event()
        async with contextlib.AsyncExitStack() as stack:
            clients = [
                await stack.enter_async_context(self._client((survivor, victim)[number % 2]))
                for number in range(WORKERS)
            ]
            workers = [asyncio.create_task(self._work_until(stop, client)) for client in clients]
            try:
                await self._until_acknowledged(self._acknowledged() + ACKNOWLEDGED_MIN)
                await asyncio.sleep(self._chance.uniform(0.02, self.load_seconds))
                await asyncio.to_thread(self._kill_both, survivor, victim)
                await self._until_acknowledged(self._acknowledged() + 2 * WORKERS)
            finally:
                stop.set()
                await asyncio.gather(*workers)
        victim.kill()

    def _kill_both(self, survivor: Server, victim: Server) -> None:
        """The database, and one of the servers just before it, while it is away, or after its return."""
        moment = self._chance.choice(("before", "meanwhile", "after"))
        if moment == "before":
            victim.process.kill()
            time.sleep(self._chance.uniform(0, 0.1))
        self._break()
        until(survivor.url, 503)
        if moment == "meanwhile":
            victim.process.kill()
        self._restore()
        until(survivor.url, 200)
        if moment == "after":
            until(victim.url, 200)
            victim.process.kill()

    def _break(self) -> None:
        assert self.cluster is not None
        self.cluster.postgres.kill()

    def _restore(self) -> None:
        assert self.cluster is not None
        self.cluster.postgres.start()

    async def _work_until(self, stop: asyncio.Event, client: httpx.AsyncClient) -> None:
        with contextlib.suppress(httpx.TransportError):
            while not stop.is_set():
                await self._one(client)
