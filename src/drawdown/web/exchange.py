"""One request and its answer, as ASGI has them: ``scope``, ``receive`` and ``send``."""

from __future__ import annotations

import asyncio
from collections.abc import MutableMapping
from http import HTTPStatus
from typing import Any, Protocol

Message = MutableMapping[str, Any]
Header = tuple[bytes, bytes]

_STATUS_LINES = {
    status.value: f"HTTP/1.1 {status.value} {status.phrase}".encode() for status in HTTPStatus
}
_CLOSE = (b"connection", b"close")
_EXPECT = b"expect"


class Wire(Protocol):
    """What an exchange needs of its connection. ``writable`` is None while what is written leaves at once."""

    writable: asyncio.Future[None] | None
    stopping: bool

    @property
    def default_headers(self) -> list[Header]: ...
    def write(self, data: bytes) -> None: ...
    def resume_reading(self) -> None: ...


class Exchange:
    """The connection tells it what arrives; the app takes that, and gives the answer.

    The app that asks for more once it was told that the body has ended waits for the end of the connection.
    Its answer says its length, or ends with the connection; its head waits for the first part of its body:
    a system call costs as much as a good part of the answer.
    """

    __slots__ = (
        "_arrival", "_body", "_cut_short", "_head", "_invited", "_keep_alive", "_left", "_over", "_told",
        "_wire",
        "complete", "scope", "started",
    )  # fmt: skip

    def __init__(self, wire: Wire, scope: Message, keep_alive: bool) -> None:
        self.scope = scope
        #: Whether the request has arrived whole; whether anything of the answer was written.
        self.complete = self.started = False
        self._wire, self._keep_alive = wire, keep_alive
        self._body = self._head = b""
        self._cut_short = self._invited = self._over = self._told = False
        self._arrival: asyncio.Future[None] | None = None
        #: Bytes of the answer that are still to come; None before it began.
        self._left: int | None = None

    @property
    def leaves_open(self) -> bool:
        """Whether another request may follow on the connection."""
        return self._keep_alive and self._left == 0

    # Told by the connection ----------------------------------------------------------------------

    def take(self, part: bytes) -> int:
        """Keep a part of the body for the app; answers how much waits for it. After the answer: nothing."""
        if self._left == 0:
            return 0
        self._body = self._body + part if self._body else part
        self._arrived()
        return len(self._body)

    def end(self) -> None:
        self.complete = True
        self._arrived()

    def cut_short(self) -> None:
        """No more of the request will come."""
        self._cut_short = True
        self._arrived()

    def over(self) -> None:
        """The connection ends, or the server does: an answer that would not end by itself does now."""
        self._over = True
        self._arrived()

    def _arrived(self) -> None:
        if self._arrival is not None and not self._arrival.done():
            self._arrival.set_result(None)

    # Called by the app ---------------------------------------------------------------------------

    async def receive(self) -> Message:
        """What has come of the body; once that was all, the end of the connection, when it comes."""
        while self._told and not self._over:
            self._arrival = asyncio.get_running_loop().create_future()
            await self._arrival
        if self._told:
            return {"type": "http.disconnect"}
        if not (self.complete or self._body or self._cut_short):
            await self._more()
        if self._cut_short:
            return {"type": "http.disconnect"}
        body, self._body, self._told = self._body, b"", self.complete
        return {"type": "http.request", "body": body, "more_body": not self.complete}

    async def _more(self) -> None:
        if not (self._invited or self.started):
            self._invite()
        self._wire.resume_reading()
        self._arrival = asyncio.get_running_loop().create_future()
        await self._arrival

    def _invite(self) -> None:
        """Tell a client that waits for it that its body is wanted. HTTP/1.0 does not know of that."""
        self._invited = True
        expects = any(name == _EXPECT for name, _ in self.scope["headers"])
        if expects and self.scope["http_version"] != "1.0":
            self._wire.write(b"HTTP/1.1 100 Continue\r\n\r\n")

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self._head = self._head_of(message["status"], message["headers"])
            return
        body = message["body"]
        if self._left is not None:
            self._left -= len(body)
            assert self._left >= 0, "an answer is as long as it says"
        else:
            assert not self._keep_alive, (
                "an answer begins with its head, and says its length or closes"
            )
        data = self._head if self.scope["method"] == "HEAD" else self._head + body
        self._head, self.started = b"", True
        if self._wire.writable is not None:
            await self._wire.writable
        self._wire.write(data)

    def _head_of(self, status: int, headers: list[Header]) -> bytes:
        lines = [_STATUS_LINES[status]]
        if self._wire.stopping or _CLOSE in headers:
            self._keep_alive = False
        if not self._keep_alive and _CLOSE not in headers:
            headers = [*headers, _CLOSE]
        for header in (*headers, *self._wire.default_headers):
            if header[0] == b"content-length":
                self._left = int(header[1])
            lines.append(b": ".join(header))
        lines += (b"", b"")
        head = b"\r\n".join(lines)
        ends = len(lines) - 1
        assert head.count(b"\n") == head.count(b"\r") == ends, "a header is one line"
        return head


def refusal(status: int, said: str) -> bytes:
    """An answer to what is no request, after which the connection ends."""
    headers = f"content-type: text/plain\r\ncontent-length: {len(said)}\r\nconnection: close"
    return _STATUS_LINES[status] + f"\r\n{headers}\r\n\r\n{said}".encode("ascii")
