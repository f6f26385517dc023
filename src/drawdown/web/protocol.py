"""The HTTP protocol of the server: uvicorn's, with a bound on what it does not bound itself."""

from __future__ import annotations

import asyncio
from typing import Any, cast

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

HEAD_BYTES_MAX = 64 * 1024
_FRAMING = frozenset({b"content-length", b"transfer-encoding"})


class UpgradeWithBody(Exception):
    """Raised out of the parser: what follows the head cannot be read."""


class OneWrite:
    """A transport that keeps the head of a response until its body comes, so that both are one packet.

    A system call costs as much as a good part of the answer does. Everything else is the transport's own.
    """

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport = transport
        self._head = b""

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)

    def write(self, data: bytes) -> None:
        if self._head:
            self._transport.write(self._head + data)
            self._head = b""
        elif data.startswith(b"HTTP/1.1 ") and not data.startswith(b"HTTP/1.1 1"):
            self._head = data
        else:
            self._transport.write(data)

    def flush(self) -> None:
        """Write a head that no body follows."""
        if self._head:
            self.write(b"")

    def close(self) -> None:
        self.flush()
        self._transport.close()


class BoundedProtocol(HttpToolsProtocol):
    """Closes a connection whose request line and headers do not end within 64 KiB.

    Bodies are bounded where they are read (``dispatch``), since only there is their limit known.

    An offer to speak another protocol is passed over, as RFC 9110 (7.8) allows. Beside a body it is
    refused: the parser takes what follows such a head for the other protocol, so the body would be lost,
    and a part of it read as the next request. Java's own client makes that offer unless it is told
    to speak HTTP/1.1.
    """

    _in_head = True
    _heads = 0
    _head_bytes = 0
    _refusal: str | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        self._one_write = OneWrite(transport)
        super().connection_made(cast("asyncio.Transport", self._one_write))

    def on_response_complete(self) -> None:
        self._one_write.flush()
        super().on_response_complete()

    def data_received(self, data: bytes) -> None:
        was_in_head, heads = self._in_head, self._heads
        super().data_received(data)
        if not was_in_head or self._heads != heads:
            self._head_bytes = 0
            return
        self._head_bytes += len(data)
        if self._head_bytes > HEAD_BYTES_MAX and not self.transport.is_closing():
            self.send_400_response("The request line and headers must be at most 64 KiB.")

    def on_headers_complete(self) -> None:
        self._in_head = False
        self._heads += 1
        if self.parser.should_upgrade() and self._announces_body():
            self._refusal = "A request with a body must speak HTTP/1.1 only: leave out Upgrade."
            raise UpgradeWithBody
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        super().on_message_complete()
        self._in_head = True

    def send_400_response(self, msg: str) -> None:
        super().send_400_response(self._refusal or msg)

    def _announces_body(self) -> bool:
        return any(name in _FRAMING and value != b"0" for name, value in self.headers)

    def _unsupported_upgrade_warning(self) -> None:
        """An offer that is passed over is nothing that an operator should do something about."""
