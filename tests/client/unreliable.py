"""A real socket between a client and a server, where requests and replies get lost."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Literal
from urllib.parse import urlsplit

import msgspec
from msgspec import Struct


class Answers(Struct, frozen=True):
    """A reply that is made up on the way; the server never sees the request."""

    status: int
    body: bytes = b""
    headers: Mapping[str, str] = {}


#: What happens to one request: it is lost on its way there; its reply is lost, or comes too late.
Fault = Literal["request lost", "reply lost", "reply late"] | Answers

LATE_SECONDS = 1.5


class Seen(Struct, frozen=True):
    """A request that came by, and when."""

    method: str
    path: str
    body: Any
    at: float


class Unreliable:
    """``faults`` befall the next requests, one each; after them all goes well, unless ``dead``."""

    def __init__(self, target: str) -> None:
        self.url = ""
        self.target = target
        self.faults: list[Fault] = []
        self.dead = False
        self.seen: list[Seen] = []

    def next_fault(self) -> Fault | None:
        if self.dead:
            return "request lost"
        return self.faults.pop(0) if self.faults else None

    def keys(self) -> list[str]:
        """The idempotency keys of the writes that came by."""
        return [seen.body["idempotency_key"] for seen in self.seen if seen.method != "GET"]


@contextmanager
def unreliable(target: str) -> Iterator[Unreliable]:
    network = Unreliable(target)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            _pass_on(self, network)

        def do_POST(self) -> None:
            _pass_on(self, network)

        def do_PATCH(self) -> None:
            _pass_on(self, network)

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        server.block_on_close = False
        network.url = f"http://127.0.0.1:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield network
        finally:
            server.shutdown()
            thread.join()


def _pass_on(handler: BaseHTTPRequestHandler, network: Unreliable) -> None:
    body = handler.rfile.read(int(handler.headers.get("content-length", "0")))
    seen = msgspec.json.decode(body) if body else None
    network.seen.append(Seen(handler.command, handler.path, seen, time.monotonic()))
    fault = network.next_fault()
    if fault == "request lost":
        handler.close_connection = True
        return
    answer = fault if isinstance(fault, Answers) else _asked(handler, network.target, body)
    if fault == "reply lost":
        handler.close_connection = True
        return
    if fault == "reply late":
        time.sleep(LATE_SECONDS)
        handler.close_connection = True
        return
    _reply(handler, answer)


def _asked(handler: BaseHTTPRequestHandler, target: str, body: bytes) -> Answers:
    connection = HTTPConnection(urlsplit(target).netloc, timeout=60)
    try:
        headers = {name: value for name, value in handler.headers.items() if name != "Host"}
        connection.request(handler.command, handler.path, body or None, headers)
        response = connection.getresponse()
        return Answers(response.status, response.read(), dict(response.getheaders()))
    finally:
        connection.close()


def _reply(handler: BaseHTTPRequestHandler, answer: Answers) -> None:
    handler.send_response(answer.status)
    for name, value in answer.headers.items():
        if name.lower() not in {"content-length", "connection", "transfer-encoding"}:
            handler.send_header(name, value)
    handler.send_header("content-length", str(len(answer.body)))
    handler.end_headers()
    handler.wfile.write(answer.body)
