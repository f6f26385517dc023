"""The real app on a real socket, in this process, so that a test can set its clock."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import socket
import threading
from collections.abc import Coroutine, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import uvicorn

from drawdown.app import create_app
from drawdown.config import Config
from drawdown.core.types import Instant, Mode
from drawdown.engine.accounts import Role
from drawdown.engine.clocks import ManualClock
from drawdown.engine.ledger import Ledger
from drawdown.opening import open_ledger
from drawdown.web.metrics import Metrics

Result = TypeVar("Result")
START_SECONDS = 20
_OPTIONS: dict[str, Any] = {
    "lifespan": "off",
    "ws": "none",
    "access_log": False,
    "log_config": None,
}


@dataclass
class Clocked:
    """A running server whose ``clock`` stands still until it is set."""

    clock: ManualClock
    ledger: Ledger
    url: str
    loop: asyncio.AbstractEventLoop

    def run(self, coroutine: Coroutine[Any, Any, Result]) -> Result:
        """Do something with the ledger, on the server's own loop."""
        return asyncio.run_coroutine_threadsafe(coroutine, self.loop).result(START_SECONDS)

    def secret(self) -> str:
        """An editor's key of a new account's test book."""
        return self.run(self._new_secret())

    async def _new_secret(self) -> str:
        account = await self.ledger.accounts.create_account(f"tenant-{secrets.token_hex(8)}")
        _, secret = await self.ledger.accounts.create_key(account.id, Mode.TEST, Role.EDITOR)
        return secret


class Server(uvicorn.Server):
    """Says when it has started."""

    def __init__(self, config: uvicorn.Config, started: threading.Event) -> None:
        super().__init__(config)
        self._said = started

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._said.set()


@contextlib.contextmanager
def clocked_server(folder: Path, now: Instant) -> Iterator[Clocked]:
    """The server runs in a thread of its own until the context is left."""
    started = threading.Event()
    made: list[tuple[Clocked, Server]] = []

    async def serve() -> None:
        clock, database = ManualClock(now), f"sqlite:///{folder / 'clocked.db'}"
        with socket.create_server(("127.0.0.1", 0)) as listener:
            async with open_ledger(database, clock=clock, jobs=False) as ledger:
                app = create_app(Config(access_log=False), ledger, Metrics())
                server = Server(uvicorn.Config(app, **_OPTIONS), started)
                url = "http://{}:{}".format(*listener.getsockname())
                made.append((Clocked(clock, ledger, url, asyncio.get_running_loop()), server))
                await server.serve(sockets=[listener])

    thread = threading.Thread(target=lambda: asyncio.run(serve()), daemon=True)
    thread.start()
    assert started.wait(START_SECONDS), "the server did not start"
    clocked, server = made[0]
    yield clocked
    server.should_exit = True
    thread.join(START_SECONDS)
    assert not thread.is_alive(), "the server did not stop"
