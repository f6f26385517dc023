"""The real app on a real socket and a real database, with a clock that the test sets."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
from collections.abc import Iterator
from typing import Any

import httpx
import uvicorn

from drawdown.app import create_app
from drawdown.config import Config
from drawdown.core.identity import spell
from drawdown.core.types import Instant
from drawdown.engine.clocks import ManualClock
from drawdown.opening import open_ledger
from drawdown.web.metrics import Metrics
from tests.support.server import Tenant, new_tenant


class ClockedServer:
    """Serves in a thread of its own; ``clock.instant`` is what its ledger takes for now."""

    def __init__(self, database: str, now: Instant, config: Config) -> None:
        self.clock = ManualClock(now)
        self.secret = self.key_id = ""
        self._database, self._config = database, config
        # Named a TCP socket, or asyncio leaves Nagle's algorithm on, and each answer waits for 40 ms.
        self._socket = socket.socket(proto=socket.IPPROTO_TCP)
        self._socket.bind(("127.0.0.1", 0))
        self._socket.listen()  # from now on whoever comes waits, and is not turned away
        self.url = f"http://127.0.0.1:{self._socket.getsockname()[1]}"
        self._started = threading.Event()
        self._server: uvicorn.Server | None = None
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()))

    def start(self) -> None:
        self._thread.start()
        assert self._started.wait(60), "the server did not start"

    def stop(self) -> None:
        assert self._server is not None
        self._server.should_exit = True
        self._thread.join(60)
        assert not self._thread.is_alive(), "the server did not stop"

    async def _serve(self) -> None:
        async with open_ledger(self._database, clock=self.clock, jobs=False) as ledger:
            first = await ledger.accounts.first_start()
            assert first is not None
            self.secret, self.key_id = first[2], spell("key_", first[1].id)
            app = create_app(self._config, ledger, Metrics())
            config = uvicorn.Config(app, log_config=None, lifespan="off", access_log=False)
            self._server = uvicorn.Server(config)
            self._started.set()
            await self._server.serve(sockets=[self._socket])

    def tenant(self) -> Tenant:
        """A fresh account, as on any server."""
        return asyncio.run(new_tenant(self.url, self._database))

    def client(self) -> httpx.Client:
        headers = {"authorization": f"Bearer {self.secret}"}
        return httpx.Client(base_url=self.url + "/api/v1", headers=headers, timeout=60)


@contextlib.contextmanager
def clocked_server(database: str, now: Instant, **settings: Any) -> Iterator[ClockedServer]:
    """On the database of that URL; nothing but the test changes its clock. ``settings`` are of ``Config``."""
    server = ClockedServer(database, now, Config(access_log=False, **settings))
    server.start()
    try:
        yield server
    finally:
        server.stop()
