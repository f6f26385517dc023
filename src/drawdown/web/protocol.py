"""HTTP/1.1 on one connection: requests are read, given to an ASGI app one after the other, and answered.

uvicorn is the server around it, and llhttp the parser under it. What stands here is what both leave to a
protocol: bounds on what a client may send and how long it may take, and one packet for each answer.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Any, cast
from urllib.parse import unquote

import httptools
import structlog
from uvicorn import Config
from uvicorn.server import ServerState

from drawdown.web.exchange import Exchange, Header, Message, refusal

HEAD_BYTES_MAX = 64 * 1024
#: More of a body is read only when the app has taken what there is.
BODY_BYTES_WAITING_MAX = 64 * 1024
HEAD_TOO_LONG = "The request line and headers must be at most 64 KiB."
_FRAMING = frozenset({b"content-length", b"transfer-encoding"})

App = Callable[[Message, Any, Any], Awaitable[None]]

log = structlog.get_logger("drawdown.web")


class Unreadable(Exception):
    """Raised out of the parser: what follows cannot be told apart. The message is for the client."""


class Connection(asyncio.Protocol):
    """A client. A task of its own gives its requests to the app, in their order.

    A head ends within 64 KiB; so does what is neither head nor body, such as a trailer, which is passed
    over: nobody between would look there for what opens a request. Bodies are bounded where they are read
    (``dispatch``), since only there is their limit known. For how long a client may be waited for, the
    server asks with ``close_if_late``.

    An offer to speak another protocol is passed over, as RFC 9110 (7.8) allows. Beside a body it is
    refused: the parser takes what follows such a head for the other protocol, so the body would be lost,
    and a part of it read as the next request. Java's own client makes that offer unless it is told
    to speak HTTP/1.1.

    A request that has arrived whole is carried out although its client has hung up.
    """

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        self._app = cast(App, config.loaded_app)
        self._server = server_state
        self._loop = asyncio.get_running_loop()
        self._parser = httptools.HttpRequestParser(self)
        # What follows a request that ends the connection must not spoil its answer.
        self._parser.set_dangerous_leniencies(lenient_data_after_close=True)
        self._waiting: deque[Exchange] = deque()
        self._answering: Exchange | None = None
        self._arriving: Exchange | None = None
        self._wake: asyncio.Future[None] | None = None
        self._in_message = False
        #: How often a head or a part of a body has come; how many bytes since then.
        self._progress = self._head_bytes = 0
        self._reading = True
        self._began = self._since = self._loop.time()
        self._unsent = 0
        self.writable: asyncio.Future[None] | None = None
        self.stopping = False

    # Told by the transport -----------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._scope = _scope_of(transport)
        self._server.connections.add(self)  # type: ignore[arg-type]
        task = self._loop.create_task(self._serve())
        self._server.tasks.add(task)
        task.add_done_callback(self._server.tasks.discard)

    def connection_lost(self, error: Exception | None) -> None:
        self._server.connections.discard(self)
        if self._answering is not None:
            self._answering.over()
        if self._arriving is not None:
            self._arriving.cut_short()
        self.resume_writing()
        self._wake_up()
        del self._parser  # it knows this connection, too

    def data_received(self, data: bytes) -> None:
        before = self._progress
        self._head_bytes += len(data)
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            pass  # an offer that is passed over
        except httptools.HttpParserError as error:
            cause = error.__context__
            self._refuse(400, str(cause) if isinstance(cause, Unreadable) else "This is not HTTP.")
        if self._progress != before:
            self._head_bytes = 0
        elif self._head_bytes > HEAD_BYTES_MAX:
            self._refuse(400, HEAD_TOO_LONG)

    def pause_writing(self) -> None:
        self.writable = self._loop.create_future()

    def resume_writing(self) -> None:
        if self.writable is not None:
            self.writable.set_result(None)
            self.writable = None

    # Told by the parser --------------------------------------------------------------------------

    def on_message_begin(self) -> None:
        self._in_message, self._began = True, self._loop.time()
        self._url = b""
        self._headers: list[Header] = []

    def on_url(self, part: bytes) -> None:
        self._url += part

    def on_header(self, name: bytes, value: bytes) -> None:
        if self._arriving is None:
            self._headers.append((name.lower(), value))

    def on_headers_complete(self) -> None:
        self._progress += 1
        if self._head_bytes > HEAD_BYTES_MAX and self._measured() > HEAD_BYTES_MAX:
            raise Unreadable(HEAD_TOO_LONG)
        parser = self._parser
        if parser.should_upgrade() and self._announces_body():
            raise Unreadable("A request with a body must speak HTTP/1.1 only: leave out Upgrade.")
        version = parser.get_http_version()
        raw_path, query = _parts_of(self._url)
        path = raw_path.decode("ascii")
        scope = {
            **self._scope,
            "http_version": version,
            "method": parser.get_method().decode("ascii"),
            "path": unquote(path) if "%" in path else path,
            "raw_path": raw_path,
            "query_string": query,
            "headers": self._headers,
        }
        keep_alive = version != "1.0" and parser.should_keep_alive()
        self._arriving = Exchange(self, scope, keep_alive)
        self._waiting.append(self._arriving)
        if self._answering is None:
            self._wake_up()
        else:
            self._pause_reading()

    def on_body(self, part: bytes) -> None:
        self._progress += 1
        if self._arriving is not None and self._arriving.take(part) > BODY_BYTES_WAITING_MAX:
            self._pause_reading()

    def on_message_complete(self) -> None:
        self._in_message = False
        if self._arriving is not None:
            self._arriving.end()
            self._arriving = None

    # Told by the server --------------------------------------------------------------------------

    def shutdown(self) -> None:
        """End as soon as nothing is under way."""
        self.stopping = True
        if self._answering is not None:
            self._answering.over()
        if self._answering is None and not self._waiting:
            self._transport.close()

    def close_if_late(self, request_seconds: float, idle_seconds: float) -> None:
        """End it if its client keeps us waiting: for a request's rest, the next one, or to take an answer.

        Asked about once a second. A client that has taken anything since the last time is not late.
        """
        now, unsent = self._loop.time(), self._transport.get_write_buffer_size()
        if unsent and not 0 < self._unsent <= unsent:
            self._since = now
        self._unsent = unsent
        if self._in_message and self._reading and now - self._began > request_seconds:
            self._refuse(408, f"A request must arrive within {request_seconds:g} seconds.")
        elif (unsent or self._idle) and now - self._since > idle_seconds:
            self._transport.abort()

    @property
    def _idle(self) -> bool:
        return self._answering is None and not self._waiting and not self._in_message

    # Told by an exchange -------------------------------------------------------------------------

    @property
    def default_headers(self) -> list[Header]:
        return self._server.default_headers

    def write(self, data: bytes) -> None:
        """What is said to a client that has gone is said to nobody."""
        if not self._transport.is_closing():
            self._transport.write(data)

    def resume_reading(self) -> None:
        if not self._reading and not self._transport.is_closing():
            self._reading = True
            self._transport.resume_reading()

    def _pause_reading(self) -> None:
        if self._reading and not self._transport.is_closing():
            self._reading = False
            self._transport.pause_reading()

    # Its life ------------------------------------------------------------------------------------

    async def _serve(self) -> None:
        try:
            while exchange := await self._next():
                await self._answer(exchange)
                if not exchange.leaves_open:
                    break
        finally:
            self._waiting.clear()
            self._transport.close()

    async def _next(self) -> Exchange | None:
        """The next request; None when no more will come."""
        self._answering, self._since = None, self._loop.time()
        if not self._waiting and not self.stopping:
            self.resume_reading()
            if not self._transport.is_closing():
                self._wake = self._loop.create_future()
                await self._wake
        self._answering = self._waiting.popleft() if self._waiting else None
        return self._answering

    async def _answer(self, exchange: Exchange) -> None:
        try:
            await self._app(exchange.scope, exchange.receive, exchange.send)
        except Exception:
            log.exception("unexpected error", request_id=None, path=exchange.scope["path"])
            if not exchange.started:
                self.write(refusal(500, "Something went wrong on our side."))

    def _wake_up(self) -> None:
        if self._wake is not None and not self._wake.done():
            self._wake.set_result(None)

    def _refuse(self, status: int, said: str) -> None:
        """End it, and say why, unless the request has its answer.

        Answers that are under way are given first, and nothing follows them.
        """
        arriving = self._arriving
        if arriving is not None:
            arriving.cut_short()
        is_answered = arriving is not None and arriving.started
        under_way = {self._answering, *self._waiting} - {None, None if is_answered else arriving}
        if under_way:
            self.stopping = True
            self._pause_reading()
            return
        if not is_answered:
            self.write(refusal(status, said))
        self._transport.close()

    def _measured(self) -> int:
        """Bytes of the head, which may have come together with others."""
        return len(self._url) + sum(len(name) + len(value) + 4 for name, value in self._headers)

    def _announces_body(self) -> bool:
        return any(name in _FRAMING and value != b"0" for name, value in self._headers)


def _scope_of(transport: asyncio.BaseTransport) -> dict[str, Any]:
    """What all requests of a connection have in common."""
    server, client = transport.get_extra_info("sockname"), transport.get_extra_info("peername")
    return {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "scheme": "http",
        "root_path": "",
        "server": tuple(server[:2]) if server else None,
        "client": tuple(client[:2]) if client else None,
    }


def _parts_of(url: bytes) -> tuple[bytes, bytes]:
    """Path and query of a request's target. Most are nothing else."""
    if url.startswith(b"/") and b"#" not in url:
        path, _, query = url.partition(b"?")
        return path, query
    parsed = httptools.parse_url(url)
    return parsed.path or b"/", parsed.query or b""
