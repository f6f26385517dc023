"""What listens: one process by itself, or several that share a socket."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import socket
from collections.abc import Awaitable, Callable, Iterator
from typing import cast

import uvicorn

from drawdown.cli.failures import Failure
from drawdown.web.dispatch import Receive, Scope, Send
from drawdown.web.protocol import Connection

CONNECTIONS_WAITING_MAX = 2048
GRACE_SECONDS = 30
#: How long a connection waits for its next request, or for a client that takes nothing of an answer.
IDLE_SECONDS = 75
#: How often the server is called on, which is uvicorn's measure.
TICKS_PER_SECOND = 10
#: How long a process that has accepted a connection leaves the next one to the others.
TURN_SECONDS = 0.001
#: How long nothing is accepted when there is nothing left to accept it with, such as file descriptors.
EXHAUSTED_SECONDS = 1.0

App = Callable[[Scope, Receive, Send], Awaitable[None]]


class Server(uvicorn.Server):
    """Stops on SIGTERM or SIGINT, and then ends like a program that did what it was asked to.

    ``listening`` is called once both hold: it answers, and a signal will be heeded. A request that takes
    longer than ``request_seconds`` to arrive is given up.
    """

    def __init__(self, app: App, listening: Callable[[], None], request_seconds: float) -> None:
        super().__init__(_server_config(app))
        self._listening = listening
        self._request_seconds = request_seconds

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._listening()

    async def on_tick(self, counter: int) -> bool:
        if counter % TICKS_PER_SECOND == 0:
            for connection in cast(set[Connection], self.server_state.connections).copy():
                connection.close_if_late(self._request_seconds, IDLE_SECONDS)
        return await super().on_tick(counter)

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self.handle_exit, number, None)
        try:
            yield
        finally:
            for number in (signal.SIGTERM, signal.SIGINT):
                loop.remove_signal_handler(number)


class SharingServer(Server):
    """One of several processes that accept from one socket.

    Each accepts one connection at a time, and then leaves the next to the others for a moment. Otherwise
    whoever wakes first takes a whole burst, such as a client's pool, and the others stay idle.
    """

    def __init__(
        self,
        app: App,
        listening: Callable[[], None],
        request_seconds: float,
        listener: socket.socket,
    ) -> None:
        super().__init__(app, listening, request_seconds)
        self._listener = listener
        self._joining: set[asyncio.Task[object]] = set()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        self._listener.setblocking(False)
        self._accept_from_now_on()
        await super().startup(sockets)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        asyncio.get_running_loop().remove_reader(self._listener)
        self._listener.close()
        await asyncio.gather(*self._joining)
        await super().shutdown(sockets)

    def _accept_from_now_on(self) -> None:
        if not self.should_exit:
            asyncio.get_running_loop().add_reader(self._listener, self._accept)

    def _pause(self, seconds: float) -> None:
        loop = asyncio.get_running_loop()
        loop.remove_reader(self._listener)
        loop.call_later(seconds, self._accept_from_now_on)

    def _accept(self) -> None:
        loop = asyncio.get_running_loop()
        try:
            connection, _ = self._listener.accept()
        except (BlockingIOError, InterruptedError, ConnectionAbortedError):
            return  # another was first, or the client did not wait
        except OSError:
            self._pause(EXHAUSTED_SECONDS)
            return
        self._pause(TURN_SECONDS)
        connection.setblocking(False)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        joining = loop.create_task(loop.connect_accepted_socket(self._protocol, connection))
        self._joining.add(joining)
        joining.add_done_callback(self._joining.discard)

    def _protocol(self) -> asyncio.Protocol:
        return Connection(
            config=self.config, server_state=self.server_state, app_state=self.lifespan.state
        )


def _server_config(app: App) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        loop="none",
        http=Connection,
        ws="none",
        lifespan="off",
        interface="asgi3",
        access_log=False,
        log_config=None,
        server_header=False,
        proxy_headers=False,
        backlog=CONNECTIONS_WAITING_MAX,
        timeout_graceful_shutdown=GRACE_SECONDS,
    )


def listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=CONNECTIONS_WAITING_MAX)
    except OSError as error:
        cause = str(error.strerror).partition(" (while")[0]  # Python tells the address once more
        raise Failure(
            f"Cannot listen on {host} port {port}: {cause}.",
            "Choose another with --port; 0 takes any that is free.",
        ) from None


def address_of(listener: socket.socket) -> str:
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
