"""Requests and answers on a connection: real sockets, the connection of the server, an app of the test's."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
import uvicorn
from structlog.testing import capture_logs
from uvicorn.server import ServerState

from drawdown.web.protocol import BODY_BYTES_WAITING_MAX, Connection

GET = b"GET /%b HTTP/1.1\r\nhost: x\r\n\r\n"
#: Seconds that nobody is late for.
LONG = 1000.0

App = Callable[[Any, Any, Any], Awaitable[None]]


class Recorded(Connection):
    """A connection that remembers its writes, each of which is a system call, and how much has come."""

    made: list[Recorded]

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.writes: list[bytes] = []
        self.taken = 0
        self.made.append(self)
        super().connection_made(transport)

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        self.taken += len(data)

    @property
    def takes_more(self) -> bool:
        return self._reading and not self._transport.is_closing()

    def write(self, data: bytes) -> None:
        self.writes.append(data)
        super().write(data)


class Client:
    """``there``: the server's end of it."""

    def __init__(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, there: Recorded
    ) -> None:
        self._reader, self._writer, self._there = reader, writer, there
        self._sent = 0

    async def send(self, *parts: bytes) -> None:
        """Each in a packet of its own, which the server has read, unless it reads no more for now."""
        for part in parts:
            self._writer.write(part)
            self._sent += len(part)
            await asyncio.wait_for(self._writer.drain(), 60)
            await until(lambda: self._there.taken >= self._sent or not self._there.takes_more)

    async def until(self, end: bytes) -> bytes:
        return await asyncio.wait_for(self._reader.readuntil(end), 60)

    async def rest(self) -> bytes:
        """All that comes until the server closes the connection."""
        return await asyncio.wait_for(self._reader.read(), 60)

    async def until_lost(self) -> bytes:
        """All that comes until the connection breaks off."""
        parts: list[bytes] = []
        with contextlib.suppress(ConnectionError):
            while part := await asyncio.wait_for(self._reader.read(1_000_000), 60):
                parts.append(part)
        return b"".join(parts)

    def leave(self) -> None:
        self._writer.close()


async def until(holds: Callable[[], bool]) -> None:
    """Others have their turn once in any case."""
    async with asyncio.timeout(60):
        while True:
            await asyncio.sleep(0.001)
            if holds():
                return


@asynccontextmanager
async def serving(
    app: App,
) -> AsyncIterator[tuple[list[Recorded], Callable[[], Awaitable[Client]]]]:
    """The connections that were made to a server of ``app``, and what makes another."""
    config = uvicorn.Config(app, http=Connection, ws="none", lifespan="off", log_config=None)
    config.load()
    made: list[Recorded] = []
    clients: list[Client] = []

    class Here(Recorded):
        pass

    Here.made = made
    state = ServerState()
    server = await asyncio.get_running_loop().create_server(
        lambda: Here(config, state, {}), "127.0.0.1", 0
    )

    async def connect() -> Client:
        port = server.sockets[0].getsockname()[1]
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        await until(lambda: len(made) > len(clients))
        clients.append(Client(reader, writer, made[-1]))
        return clients[-1]

    try:
        yield made, connect
    finally:
        for client in clients:
            client.leave()
        server.close()
        await asyncio.wait_for(server.wait_closed(), 60)
        if state.tasks:
            _, left = await asyncio.wait(state.tasks, timeout=60)
            assert not left


async def answer(send: Any, body: bytes, *headers: tuple[bytes, bytes], status: int = 200) -> None:
    length = (b"content-length", b"%d" % len(body))
    await send({"type": "http.response.start", "status": status, "headers": [length, *headers]})
    await send({"type": "http.response.body", "body": body})


async def body_of(receive: Any) -> bytes | None:
    """The whole body; None when the client did not send it all."""
    parts: list[bytes] = []
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            return None
        parts.append(message["body"])
        if not message["more_body"]:
            return b"".join(parts)


async def echo(scope: Any, receive: Any, send: Any) -> None:
    """Says what was asked, and how long the body was; nothing to whom it was cut off from."""
    body = await body_of(receive)
    if body is not None:
        said = b"%b %b %d" % (scope["raw_path"], scope["query_string"], len(body))
        await answer(send, said)


def post(body: bytes, *headers: bytes) -> bytes:
    lines = b"\r\n".join((b"POST / HTTP/1.1", b"host: x", *headers))
    return lines + b"\r\ncontent-length: %d\r\n\r\n" % len(body) + body


def test_an_answer_is_one_packet() -> None:
    async def run() -> None:
        async with serving(echo) as (made, connect):
            client = await connect()
            for _ in range(2):
                await client.send(GET % b"a")
                await client.until(b"/a  0")
            assert [len(each.writes) for each in made] == [2]
            assert made[0].writes[0].startswith(b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n")

    asyncio.run(run())


def test_a_scope_has_what_asgi_says() -> None:
    seen: list[dict[str, Any]] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        seen.append(scope)
        await answer(send, b".")

    async def run() -> None:
        async with serving(app) as (_, connect):
            client = await connect()
            await client.send(b"PUT /a%20b/c?d=%20 HTTP/1.1\r\nHost: x\r\nX-Two: Y\r\n\r\n")
            await client.until(b"\r\n\r\n.")

    asyncio.run(run())
    [scope] = seen
    assert (scope["type"], scope["method"], scope["http_version"]) == ("http", "PUT", "1.1")
    assert (scope["path"], scope["raw_path"], scope["query_string"]) == (
        "/a b/c",
        b"/a%20b/c",
        b"d=%20",
    )
    assert scope["headers"] == [(b"host", b"x"), (b"x-two", b"Y")]
    assert (scope["scheme"], scope["root_path"]) == ("http", "")
    assert (scope["client"][0], scope["server"][0]) == ("127.0.0.1", "127.0.0.1")


def test_a_target_with_an_origin_is_its_path() -> None:
    async def run() -> None:
        async with serving(echo) as (_, connect):
            client = await connect()
            await client.send(b"GET http://x/a/b?c HTTP/1.1\r\nhost: x\r\n\r\n")
            await client.until(b"/a/b c 0")

    asyncio.run(run())


def test_requests_in_one_packet_are_answered_one_after_the_other() -> None:
    """Though the first takes longest."""
    running: list[int] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        running.append(len(running))
        at_once = len(running)
        await asyncio.sleep(0.05 if scope["path"] == "/1" else 0)
        assert len(running) == at_once
        await echo(scope, receive, send)

    async def run() -> None:
        async with serving(app) as (_, connect):
            client = await connect()
            await client.send(b"".join(GET % b"%d" % number for number in range(1, 9)))
            for number in range(1, 9):
                await client.until(b"/%d  0" % number)

    asyncio.run(run())


@pytest.mark.parametrize("size", [0, 1, BODY_BYTES_WAITING_MAX, 40 * BODY_BYTES_WAITING_MAX])
@pytest.mark.parametrize("slow", [False, True])
def test_a_body_of_any_length_arrives_whole(size: int, slow: bool) -> None:
    """Also when the app takes its time, so that reading pauses meanwhile; and what follows it."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await asyncio.sleep(0.1 if slow else 0)
        await echo(scope, receive, send)

    async def run() -> None:
        async with serving(app) as (_, connect):
            client = await connect()
            await client.send(post(b"x" * size) + GET % b"next")
            await client.until(b"/  %d" % size)
            await client.until(b"/next  0")

    asyncio.run(run())


def test_a_body_that_nobody_reads_is_passed_over() -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await answer(send, b"no", status=401)

    async def run() -> None:
        async with serving(app) as (_, connect):
            client = await connect()
            body = b"GET /smuggled HTTP/1.1\r\nhost: x\r\n\r\n"
            await client.send(post(body * 10_000), GET % b"next")
            for _ in range(2):
                head = await client.until(b"\r\n\r\nno")
                assert head.startswith(b"HTTP/1.1 401 ")
            client._writer.write_eof()
            assert await client.rest() == b""

    asyncio.run(run())


def test_a_client_that_asks_may_send_its_body_when_the_app_wants_it() -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["method"] == "PUT":
            await answer(send, b"no", status=401)
        else:
            await echo(scope, receive, send)

    async def run() -> None:
        async with serving(app) as (_, connect):
            client = await connect()
            request = post(b"abc", b"expect: 100-continue")
            await client.send(request[:-3])
            assert await client.until(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
            await client.send(b"abc")
            await client.until(b"/  3")
            await client.send(request.replace(b"POST", b"PUT")[:-3])
            assert (await client.until(b"\r\n\r\n")).startswith(b"HTTP/1.1 401 ")

    asyncio.run(run())


def test_head_has_the_length_of_the_body_and_no_body() -> None:
    async def run() -> None:
        async with serving(echo) as (_, connect):
            client = await connect()
            await client.send((GET % b"a").replace(b"GET", b"HEAD"))
            assert b"content-length: 5\r\n" in await client.until(b"\r\n\r\n")
            await client.send(GET % b"b")
            assert (await client.until(b"/b  0")).startswith(b"HTTP/1.1 200 ")

    asyncio.run(run())


@pytest.mark.parametrize(
    "request_", [GET.replace(b"1.1", b"1.0"), GET[:-2] + b"connection: close\r\n\r\n"]
)
def test_a_client_that_wants_no_more_is_told_goodbye(request_: bytes) -> None:
    """And what it sends after all is not carried out."""
    asked: list[str] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        asked.append(scope["path"])
        await echo(scope, receive, send)

    async def run() -> None:
        async with serving(app) as (_, connect):
            client = await connect()
            await client.send(request_ % b"a" + GET % b"b")
            said = await client.rest()
            assert said.count(b"connection: close\r\n") == said.count(b"HTTP/1.1 ") == 1

    asyncio.run(run())
    assert asked == ["/a"]


@pytest.mark.parametrize("value", [b"a\r\nx-made-up: yes", b"a\nx", b"a\rx"])
def test_a_header_cannot_bring_another_one(value: bytes) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await answer(send, b"ok", (b"x-echoed", value))

    async def run() -> None:
        async with serving(app) as (_, connect):
            client = await connect()
            await client.send(GET % b"a")
            said = await client.rest()
            assert said.startswith(b"HTTP/1.1 500 ")
            assert b"x-" not in said

    with capture_logs() as logged:
        asyncio.run(run())
    assert [line["event"] for line in logged] == ["unexpected error"]


def test_a_fault_of_the_app_is_logged_and_harms_nobody_else() -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["path"] == "/fault":
            raise RuntimeError("the password is swordfish")
        await echo(scope, receive, send)

    async def run() -> None:
        async with serving(app) as (_, connect):
            client, other = await connect(), await connect()
            await client.send(GET % b"fault")
            said = await client.rest()
            assert said.startswith(b"HTTP/1.1 500 ")
            assert b"swordfish" not in said
            await other.send(GET % b"a")
            await other.until(b"/a  0")

    with capture_logs() as logged:
        asyncio.run(run())
    assert [(line["path"], line["exc_info"]) for line in logged] == [("/fault", True)]


@pytest.mark.parametrize("garbage", [b"\x16\x03\x01\x02\x00\x01\x00", b"HELLO\r\n\r\n", b"GET\r\n"])
def test_what_is_not_http_is_refused(garbage: bytes) -> None:
    async def run() -> None:
        async with serving(echo) as (_, connect):
            client = await connect()
            await client.send(garbage)
            assert (await client.rest()).startswith(b"HTTP/1.1 400 Bad Request\r\n")

    asyncio.run(run())


def test_garbage_after_a_request_does_not_spoil_its_answer() -> None:
    """The request was whole; nothing that follows the garbage is read."""
    answering = asyncio.Event()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await answering.wait()
        await echo(scope, receive, send)

    async def run() -> None:
        async with serving(app) as (_, connect):
            client = await connect()
            await client.send(GET % b"a", b"\x00\x00\r\n\r\n" + GET % b"b")
            answering.set()
            said = await client.rest()
            assert said.endswith(b"/a  0")
            assert said.count(b"HTTP/1.1 ") == 1

    asyncio.run(run())


def test_a_body_whose_chunks_are_broken_is_refused() -> None:
    async def run() -> None:
        async with serving(echo) as (_, connect):
            client = await connect()
            head = b"POST / HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n"
            await client.send(head, b"3\r\nabc\r\n", b"nonsense\r\n")
            assert (await client.rest()).startswith(b"HTTP/1.1 400 ")

    asyncio.run(run())


@pytest.mark.parametrize(
    "part", [b"P", GET[:-2], post(b"abc")[:-1], b"POST / HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n1"]
)  # fmt: skip
def test_a_request_that_does_not_end_is_given_up(part: bytes) -> None:
    """In its head or in its body, however often a little more of it comes."""

    async def run() -> None:
        async with serving(echo) as (made, connect):
            client = await connect()
            await client.send(*(part[at : at + 1] for at in range(len(part))))
            made[0].close_if_late(LONG, LONG)
            assert made[0].writes == []
            made[0].close_if_late(0.0, LONG)
            assert (await client.rest()).startswith(b"HTTP/1.1 408 Request Timeout\r\n")

    asyncio.run(run())


async def early(scope: Any, receive: Any, send: Any) -> None:
    """Answers without asking for the body, as what is refused for its key is answered."""
    await answer(send, b"no", status=401)


def test_a_body_that_does_not_end_after_its_answer_is_given_up() -> None:
    """There is nothing left to say: the answer was given."""

    async def run() -> None:
        async with serving(early) as (made, connect):
            client = await connect()
            await client.send(post(b"abc")[:-1])
            await client.until(b"no")
            made[0].close_if_late(0.0, LONG)
            assert await client.rest() == b""

    asyncio.run(run())


def test_a_body_that_breaks_after_its_answer_ends_the_connection() -> None:
    async def run() -> None:
        async with serving(early) as (_, connect):
            client = await connect()
            await client.send(b"POST / HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n")
            await client.until(b"no")
            await client.send(b"nonsense\r\n")
            assert await client.rest() == b""

    asyncio.run(run())


def test_a_client_that_was_told_to_continue_is_told_that_it_is_late() -> None:
    async def run() -> None:
        async with serving(echo) as (made, connect):
            client = await connect()
            await client.send(post(b"abc", b"expect: 100-continue")[:-3])
            await client.until(b"HTTP/1.1 100 Continue\r\n\r\n")
            made[0].close_if_late(0.0, LONG)
            assert (await client.rest()).startswith(b"HTTP/1.1 408 ")

    asyncio.run(run())


def test_a_client_of_http_1_0_is_not_told_to_continue() -> None:
    """RFC 9110, 10.1.1: it would take that for the answer."""

    async def run() -> None:
        async with serving(echo) as (_, connect):
            client = await connect()
            asked = post(b"abc", b"expect: 100-continue").replace(b"HTTP/1.1", b"HTTP/1.0")
            await client.send(asked[:-3], asked[-3:])
            assert (await client.rest()).startswith(b"HTTP/1.1 200 OK")

    asyncio.run(run())


TRAILED = b"POST / HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n"


def test_what_follows_a_body_is_no_header() -> None:
    """Else whoever looks at the headers before us would not see what opens a request."""
    asked: list[list[tuple[bytes, bytes]]] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await echo(scope, receive, send)
        asked.append(scope["headers"])

    async def run() -> None:
        async with serving(app) as (_, connect):
            client = await connect()
            await client.send(TRAILED + b"authorization: Bearer secret\r\n\r\n")
            await client.until(b"/  3")
            await client.send(GET % b"next")
            await client.until(b"/next  0")

    asyncio.run(run())
    framing = (b"transfer-encoding", b"chunked")
    assert asked == [[(b"host", b"x"), framing], [(b"host", b"x")]]


@pytest.mark.parametrize(
    "lines", [b"a: b\r\n" * 8000, b"a: " + b"b" * 48_000], ids=["many", "long"]
)
def test_what_follows_a_body_is_bounded(lines: bytes) -> None:
    async def run() -> None:
        async with serving(early) as (_, connect):
            client = await connect()
            with pytest.raises(ConnectionError):
                await client.send(TRAILED, *([lines] * 20))

    asyncio.run(run())


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (b"GET / HTTP/1.1\r\nhost: x\r\na: %b\r\n\r\n" % (b"a" * 65_400), b"200"),
        (b"GET / HTTP/1.1\r\nhost: x\r\na: %b\r\n\r\n" % (b"a" * 65_600), b"400"),
        (b"GET / HTTP/1.1\r\nhost: x\r\n%b\r\n" % (b"a: a\r\n" * 12_000), b"400"),
        (b"GET /%b HTTP/1.1\r\nhost: x\r\n\r\n" % (b"a" * 65_600), b"400"),
    ],
    ids=["below", "long", "many", "target"],
)
def test_a_head_has_a_limit_however_much_of_it_comes_at_once(
    request_: bytes, status: bytes
) -> None:
    async def run() -> None:
        async with serving(echo) as (made, connect):
            client = await connect()
            await client.send(GET % b"a")
            await client.until(b"/a  0")
            made[0].data_received(request_)
            assert (await client.until(b"\r\n")).startswith(b"HTTP/1.1 " + status)

    asyncio.run(run())


def test_a_request_that_does_not_end_lets_those_before_it_be_answered() -> None:
    answering = asyncio.Event()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await answering.wait()
        await echo(scope, receive, send)

    async def run() -> None:
        async with serving(app) as (made, connect):
            client = await connect()
            await client.send(GET % b"a" + b"GET /b")
            made[0].close_if_late(0.0, LONG)
            answering.set()
            said = await client.rest()
            assert said.endswith(b"/a  0")
            assert said.count(b"HTTP/1.1 ") == 1

    asyncio.run(run())


@pytest.mark.parametrize("first", [b"", GET % b"a"])
def test_a_connection_without_a_request_is_closed_in_time(first: bytes) -> None:
    """Before the first request and between two; but not while one is being answered."""
    answering = asyncio.Event()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await answering.wait()
        await echo(scope, receive, send)

    async def run() -> None:
        async with serving(app) as (made, connect):
            client = await connect()
            if first:
                await client.send(first)
                made[0].close_if_late(0.0, 0.0)
                answering.set()
                await client.until(b"/a  0")
            await asyncio.sleep(0.01)
            made[0].close_if_late(0.0, LONG)
            assert not made[0]._transport.is_closing()
            made[0].close_if_late(0.0, 0.0)
            with pytest.raises((ConnectionError, EOFError)):
                await client.until(b"\n")

    asyncio.run(run())


def test_a_client_that_takes_nothing_of_its_answer_is_given_up() -> None:
    """Once the buffers between are full; one that takes it slowly is not."""
    large = b"x" * 50_000_000

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await answer(send, large)

    async def run() -> None:
        async with serving(app) as (made, connect):
            client = await connect()
            await client.send(GET % b"a")
            for _ in range(5):
                made[0].close_if_late(LONG, 0.0)
                await asyncio.wait_for(client._reader.readexactly(5_000_000), 60)
            assert not made[0]._transport.is_closing()
            for _ in range(200):
                made[0].close_if_late(LONG, 0.0)
                if made[0]._transport.is_closing():
                    break
                await asyncio.sleep(0.02)
            assert made[0]._transport.is_closing()
            assert len(await client.until_lost()) < 25_000_000

    asyncio.run(run())


def test_a_whole_request_is_carried_out_though_its_client_has_gone() -> None:
    """And one that was cut short is not."""
    done: list[bytes | None] = []
    both = asyncio.Event()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await asyncio.sleep(0.05)
        done.append(await body_of(receive))
        await answer(send, b"nobody hears this")
        if len(done) == 2:
            both.set()

    async def run() -> None:
        async with serving(app) as (_, connect):
            for request in (post(b"whole"), post(b"whole")[:-1]):
                client = await connect()
                client._writer.write(request)
                client.leave()
            await asyncio.wait_for(both.wait(), 60)

    asyncio.run(run())
    assert sorted(done, key=str) == [None, b"whole"]


def test_a_server_that_stops_answers_what_is_under_way_and_closes() -> None:
    begun, answering = asyncio.Event(), asyncio.Event()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        begun.set()
        await answering.wait()
        await echo(scope, receive, send)

    async def run() -> None:
        async with serving(app) as (made, connect):
            busy, idle = await connect(), await connect()
            await busy.send(GET % b"a")
            await begun.wait()
            for connection in made:
                connection.shutdown()
            answering.set()
            assert await idle.rest() == b""
            said = await busy.rest()
            assert said.endswith(b"/a  0")
            assert b"connection: close\r\n" in said

    asyncio.run(run())
