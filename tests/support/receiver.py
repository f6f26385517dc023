"""Servers that events are sent to: honest ones, and such as do all they can to be in the way."""

from __future__ import annotations

import asyncio
import json
import ssl
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from typing import Any

#: What a server does with a connection once a request has arrived whole.
Behaviour = Callable[["Received", asyncio.StreamWriter], Awaitable[None]]


@dataclass(frozen=True)
class Received:
    """One request: its path, its headers in lower case, its body."""

    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def event(self) -> Any:
        return json.loads(self.body)


@dataclass
class Receiver:
    """A server on a free port of the loopback; ``behaviour`` may be changed while it runs."""

    behaviour: Behaviour
    url: str = ""
    port: int = 0
    received: list[Received] = field(default_factory=list)
    arrived: asyncio.Condition = field(default_factory=asyncio.Condition)
    tasks: set[asyncio.Task[None]] = field(default_factory=set)

    @property
    def ids(self) -> list[str]:
        return [each.headers["webhook-id"] for each in self.received]

    @property
    def types(self) -> list[str]:
        return [each.event["type"] for each in self.received]

    async def wait(self, count: int, seconds: float = 60) -> list[Received]:
        """Until so many requests have come."""
        async with asyncio.timeout(seconds), self.arrived:
            await self.arrived.wait_for(lambda: len(self.received) >= count)
        return self.received

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self.tasks.add(task)
        try:
            while (received := await _read(reader)) is not None:
                async with self.arrived:
                    self.received.append(received)
                    self.arrived.notify_all()
                await self.behaviour(received, writer)
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError, ssl.SSLError):
            pass  # gone, or told to end
        finally:
            self.tasks.discard(task)
            writer.transport.abort()


async def _read(reader: asyncio.StreamReader) -> Received | None:
    head = await reader.readuntil(b"\r\n\r\n")
    first, *lines = head.decode().rstrip("\r\n").split("\r\n")
    headers = {name.lower(): value for name, value in (line.split(": ", 1) for line in lines)}
    body = await reader.readexactly(int(headers["content-length"]))
    return Received(first.split(" ")[1], headers, body)


def answering(status: int, body: bytes = b"", *headers: str) -> Behaviour:
    """An answer as it should be."""

    async def behave(received: Received, writer: asyncio.StreamWriter) -> None:
        lines = [f"HTTP/1.1 {status} Said", f"content-length: {len(body)}", *headers, "", ""]
        writer.write("\r\n".join(lines).encode() + body)
        await writer.drain()

    return behave


async def silent(received: Received, writer: asyncio.StreamWriter) -> None:
    """Never says anything."""
    await asyncio.sleep(3_600)


async def endless(received: Received, writer: asyncio.StreamWriter) -> None:
    """An answer that never ends, as fast as it is taken."""
    writer.write(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n")
    while not writer.is_closing():
        writer.write(b"10000\r\n" + b"x" * 0x10000 + b"\r\n")
        await writer.drain()


async def dripping(received: Received, writer: asyncio.StreamWriter) -> None:
    """A head of which a byte comes now and then, so that no single wait is long."""
    for byte in b"HTTP/1.1 200 OK\r\nx-header: " + b"x" * 100_000:
        writer.write(bytes([byte]))
        await writer.drain()
        await asyncio.sleep(0.02)


async def resetting(received: Received, writer: asyncio.StreamWriter) -> None:
    """Breaks the connection in the middle of the answer's head."""
    writer.write(b"HTTP/1.1 200 O")
    await writer.drain()
    writer.transport.abort()


async def babbling(received: Received, writer: asyncio.StreamWriter) -> None:
    """Speaks something else."""
    writer.write(b"220 mail.example ESMTP\r\n\r\n")
    await writer.drain()


async def redirecting(received: Received, writer: asyncio.StreamWriter) -> None:
    """Leads to itself, for ever."""
    await answering(307, b"", f"location: http://{received.headers['host']}/")(received, writer)


@asynccontextmanager
async def receiver(
    behaviour: Behaviour | None = None, tls: ssl.SSLContext | None = None
) -> AsyncIterator[Receiver]:
    made = Receiver(behaviour or answering(200, b"ok"))
    server = await asyncio.start_server(made._serve, "127.0.0.1", 0, ssl=tls)
    made.port = server.sockets[0].getsockname()[1]
    made.url = f"http{'s' if tls else ''}://127.0.0.1:{made.port}/hooks"
    try:
        yield made
    finally:
        server.close()
        for task in made.tasks:
            task.cancel()
        await asyncio.gather(*made.tasks)
        await asyncio.sleep(0)


@dataclass(frozen=True)
class Listening:
    """A receiver that answers while its test does something else."""

    url: str
    wait: Callable[[int], list[Received]]


@contextmanager
def listening(behaviour: Behaviour | None = None) -> Iterator[Listening]:
    """In a thread and a loop of its own."""
    with asyncio.Runner() as runner:
        loop = runner.get_loop()
        thread = threading.Thread(target=loop.run_forever)
        thread.start()

        def run(coroutine: Any) -> Any:
            return asyncio.run_coroutine_threadsafe(coroutine, loop).result(60)

        opened = receiver(behaviour)
        made: Receiver = run(opened.__aenter__())
        try:
            yield Listening(made.url, lambda count: run(made.wait(count)))
        finally:
            run(opened.__aexit__(None, None, None))
            loop.call_soon_threadsafe(loop.stop)
            thread.join()
