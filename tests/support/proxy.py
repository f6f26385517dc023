"""A proxy before PostgreSQL that lets one reply get lost, or puts an error in its place."""

from __future__ import annotations

import asyncio
import contextlib
import struct
from collections import deque
from pathlib import Path
from types import TracebackType
from typing import NamedTuple
from urllib.parse import urlsplit

BEGIN = b"BEGIN"
COMMIT = b"COMMIT"
#: The next statement that is run by its name, in the middle of a transaction.
PREPARED = b"a prepared statement"
#: In place of a SQLSTATE: the connection ends without a reply, or there never is one.
CUT = "cut"
STALL = "stall"

_QUERY, _BIND, _SYNC, _READY = b"Q", b"B", b"S", b"Z"
_HEADER = 5


class Fault(NamedTuple):
    """What happens to the next statement that begins with ``at``, or is ``PREPARED``.

    ``done``: the server carries it out all the same; a COMMIT that is not becomes a ROLLBACK.
    """

    at: bytes
    done: bool
    reply: str


class Proxy:
    """Listens on loopback for as long as it is entered. ``faults`` befall, one after the other."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self._database = parts.path
        self._socket = Path(parts.query.removeprefix("host=")) / ".s.PGSQL.5432"
        self.faults: deque[Fault] = deque()
        #: Set once a reply does not come (``STALL``).
        self.stalled = asyncio.Event()
        self.connections = 0
        self._tasks: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Proxy:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._server.wait_closed()

    @property
    def ended(self) -> int:
        """How many connections there have been that are no more."""
        return self.connections - len(self._tasks)

    @property
    def url(self) -> str:
        port = self._server.sockets[0].getsockname()[1]
        return f"postgresql://postgres@127.0.0.1:{port}{self._database}?sslmode=disable"

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        task = asyncio.create_task(self._serve(reader, writer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            upstream_reader, upstream = await asyncio.open_unix_connection(str(self._socket))
        except OSError:  # there is no server now
            writer.transport.abort()
            return
        link = _Link(self, reader, writer, upstream_reader, upstream)
        back = asyncio.create_task(link.backward())
        try:
            with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
                await link.forward()
        finally:
            back.cancel()
            for end in (writer, upstream):
                end.transport.abort()


class _Link:
    """One connection through the proxy."""

    def __init__(
        self,
        proxy: Proxy,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        upstream_reader: asyncio.StreamReader,
        upstream: asyncio.StreamWriter,
    ) -> None:
        self._proxy = proxy
        self._reader, self._writer = reader, writer
        self._upstream_reader, self._upstream = upstream_reader, upstream
        self._withheld: asyncio.Event | None = None
        self._inside = False

    async def forward(self) -> None:
        """What the client says, message by message; the first one has no type."""
        size = await self._reader.readexactly(4)
        self._upstream.write(
            size + await self._reader.readexactly(struct.unpack("!I", size)[0] - 4)
        )
        while True:
            kind, message = await _message(self._reader)
            faults = self._proxy.faults
            if kind == _QUERY:
                self._inside = message[_HEADER:].startswith(BEGIN)
            if faults and self._is_at(faults[0], kind, message):
                if kind == _BIND:
                    message += await self._until_sync()
                if not await self._befall(faults.popleft(), message):
                    return
            else:
                self._upstream.write(message)
                await self._upstream.drain()

    def _is_at(self, fault: Fault, kind: bytes, message: bytes) -> bool:
        if fault.at == PREPARED:
            return kind == _BIND and self._inside
        return kind == _QUERY and message[_HEADER:].startswith(fault.at)

    async def _until_sync(self) -> bytes:
        """The rest of what is said about a prepared statement."""
        said = b""
        while True:
            kind, message = await _message(self._reader)
            said += message
            if kind == _SYNC:
                return said

    async def _befall(self, fault: Fault, message: bytes) -> bool:
        """Whether the connection goes on after it."""
        if fault.done or fault.at == COMMIT:
            self._withheld = asyncio.Event()
            self._upstream.write(message if fault.done else _query(b"ROLLBACK"))
            await self._withheld.wait()
            self._withheld = None
        if fault.reply == CUT:
            return False
        if fault.reply == STALL:
            self._proxy.stalled.set()
            await self._reader.read()  # until the client has given up
            return False
        state = b"E" if fault.at == PREPARED else b"I"
        self._writer.write(_error(fault.reply) + _READY + struct.pack("!I", 5) + state)
        return True

    async def backward(self) -> None:
        """What the server says; a reply that is withheld is only noted."""
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            while True:
                kind, message = await _message(self._upstream_reader)
                if self._withheld is None:
                    self._writer.write(message)
                elif kind == _READY:
                    self._withheld.set()
        self._writer.transport.abort()


async def _message(reader: asyncio.StreamReader) -> tuple[bytes, bytes]:
    header = await reader.readexactly(_HEADER)
    return header[:1], header + await reader.readexactly(struct.unpack("!I", header[1:])[0] - 4)


def _query(text: bytes) -> bytes:
    return _QUERY + struct.pack("!I", len(text) + 5) + text + b"\0"


def _error(code: str) -> bytes:
    fields = b"SERROR\0VERROR\0C" + code.encode() + b"\0Minjected\0\0"
    return b"E" + struct.pack("!I", len(fields) + 4) + fields
