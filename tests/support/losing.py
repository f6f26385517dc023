"""A proxy of HTTP that lets answers get lost: what was asked has been done, and nobody is told."""

from __future__ import annotations

import contextlib
import http.client
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import NamedTuple
from urllib.parse import urlsplit

#: Of one connection, not of what is asked over it.
_HOPS = {"connection", "keep-alive", "transfer-encoding", "content-length"}


class Asked(NamedTuple):
    """A request as it came, and the status that it was answered with, whether or not that arrived."""

    method: str
    path: str
    key: str | None
    status: int


class Losing:
    """Stands before the server at ``upstream``. The next ``lost`` answers do not arrive."""

    def __init__(self, upstream: str) -> None:
        self.upstream = urlsplit(upstream).netloc
        self.lost = 0
        self.asked: list[Asked] = []
        self.url = ""

    def lose(self, answers: int) -> None:
        self.lost = answers
        self.asked.clear()


@contextlib.contextmanager
def losing(upstream: str) -> Iterator[Losing]:
    """Serves in threads of its own, while its block is entered."""
    proxy = Losing(upstream)

    class Handler(_Handler):
        known = proxy

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    proxy.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield proxy
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class _Handler(BaseHTTPRequestHandler):
    known: Losing
    protocol_version = "HTTP/1.1"
    #: As small an answer as it is, it waits for no other.
    disable_nagle_algorithm = True

    def _pass_on(self) -> None:
        body = self.rfile.read(int(self.headers.get("content-length", 0)))
        upstream = http.client.HTTPConnection(self.known.upstream, timeout=60)
        try:
            sent = {name: value for name, value in self.headers.items() if name.lower() != "host"}
            upstream.request(self.command, self.path, body, sent)
            answer = upstream.getresponse()
            self._tell(answer, answer.read())
        finally:
            upstream.close()

    do_GET = do_POST = do_DELETE = _pass_on  # noqa: N815

    def _tell(self, answer: http.client.HTTPResponse, body: bytes) -> None:
        key = self.headers.get("idempotency-key")
        self.known.asked.append(Asked(self.command, self.path, key, answer.status))
        self.close_connection = True
        if self.known.lost > 0:
            self.known.lost -= 1
            return
        self.send_response(answer.status)
        for name, value in answer.getheaders():
            if name.lower() not in _HOPS:
                self.send_header(name, value)
        self.send_header("content-length", str(len(body)))
        self.send_header("connection", "close")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Nothing."""
