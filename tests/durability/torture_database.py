"""Kills PostgreSQL under the load of two servers, and one of the servers with it; asks as ``torture``."""

from __future__ import annotations

import asyncio
import contextlib
import time
from dataclasses import dataclass, field

import httpx

from tests.durability.torture import WORKERS, Asked, Json, Round, Torture
from tests.support.postgres import Cluster
from tests.support.server import Server

RETURNS_SECONDS = 20
UNAVAILABLE = "the database is unavailable"


def until(url: str, status: int) -> None:
    """Wait until the server says so of itself."""
    last = time.monotonic() + RETURNS_SECONDS
    while httpx.get(f"{url}/health/ready", timeout=30).status_code != status:
        assert time.monotonic() < last, f"{url} was not {status} within {RETURNS_SECONDS} s"
        time.sleep(0.02)


@dataclass
class DatabaseTorture(Torture):
    """Kills the database under the load of two servers, and one of the servers after that."""

    cluster: Cluster | None = field(kw_only=True, default=None)

    def round(self) -> Round:
        return self.check(self.load_and_kill())

    def load_and_kill(self) -> int:
        before = len(self.asked)
        with self._server() as first, self._server() as second:
            asyncio.run(self._until_killed_and_back([first, second]))
            first.stop(UNAVAILABLE)
        return before

    def _is_taken(self, response: httpx.Response, status: int) -> bool:
        if response.status_code == 503:
            assert int(response.headers["retry-after"]) >= 1
            return False
        return super()._is_taken(response, status)

    def _take_result(self, asked: Asked, result: Json) -> None:
        if result["status"] != 503:
            super()._take_result(asked, result)

    async def _until_killed_and_back(self, servers: list[Server]) -> None:
        stop = asyncio.Event()
        async with contextlib.AsyncExitStack() as stack:
            clients = [
                await stack.enter_async_context(self._client(servers[number % 2]))
                for number in range(WORKERS)
            ]
            workers = [asyncio.create_task(self._work_until(stop, client)) for client in clients]
            try:
                await asyncio.sleep(self._chance.uniform(0.1, self.load_seconds))
                await asyncio.to_thread(self._kill_and_restart, servers)
                acknowledged = self._acknowledged()
                await asyncio.sleep(0.5)
                assert self._acknowledged() > acknowledged + WORKERS, "service did not return"
                servers[1].process.kill()
                await asyncio.sleep(0.2)
            finally:
                stop.set()
                await asyncio.gather(*workers)
        servers[1].kill()

    def _kill_and_restart(self, servers: list[Server]) -> None:
        assert self.cluster is not None
        self.cluster.postgres.kill()
        for server in servers:
            until(server.url, 503)
        self.cluster.postgres.start()
        for server in servers:
            until(server.url, 200)

    def _acknowledged(self) -> int:
        return sum(asked.acknowledged for asked in self.asked)

    async def _work_until(self, stop: asyncio.Event, client: httpx.AsyncClient) -> None:
        with contextlib.suppress(httpx.TransportError):
            while not stop.is_set():
                await self._one(client)
