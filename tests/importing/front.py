"""A server in front of another, for what that one does not do by itself."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Condition, Event, Thread
from typing import Any

import httpx

#: Asked by nobody but ``Front.settle``.
_LAST = "/last"


class Front:
    """Hands requests on. ``asked``: what it was asked, in its order."""

    def __init__(self) -> None:
        self.url, self.asked = "", list[str]()
        self._halted = Event()
        #: How many have come and not said yet what they want.
        self._coming, self._changed = 0, Condition()

    def go_on(self) -> None:
        self._halted.set()

    def wait(self) -> None:
        self._halted.wait(60)

    def settle(self) -> None:
        """Whatever has been sent by now is in ``asked`` then, also by a process that has ended since."""
        httpx.get(self.url + _LAST).raise_for_status()  # all of it has come before this
        with self._changed:
            assert self._changed.wait_for(lambda: not self._coming, 60)

    def came(self) -> None:
        with self._changed:
            self._coming += 1

    def said(self, path: str | None) -> int:
        """The number of the request; without a ``path`` there was none."""
        with self._changed:
            self._coming -= 1
            self._changed.notify_all()
            self.asked += [] if path is None else [path]
            return len(self.asked)


class _Server(ThreadingHTTPServer):
    front: Front

    def process_request(self, request: Any, client_address: Any) -> None:
        self.front.came()
        super().process_request(request, client_address)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Who asks may have gone, in this process, whose errors a test may be reading."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)


@contextmanager
def in_front_of(
    http: httpx.Client,
    base: str = "",
    *,
    query: Callable[[httpx.QueryParams], httpx.QueryParams] = lambda given: given,
    busy: dict[int, tuple[int, dict[str, str]]] | None = None,
    halt_at: int = 0,
    stopped: Event | None = None,
) -> Iterator[Front]:
    """``busy``: what the n-th request is told instead; 0: the connection ends.

    The ``halt_at``-th and what follows is not answered before it is told to go on; ``stopped`` says so.
    """
    front = Front()

    class Handler(BaseHTTPRequestHandler):
        number = 0

        def do_GET(self) -> None:
            if self.path == _LAST:
                self.send_response_only(204)
                self.end_headers()
                return
            number = self.number = front.said(self.path)
            if halt_at and number >= halt_at:
                assert stopped is not None
                stopped.set()
                front.wait()
            status, headers = (busy or {}).get(number, (200, {}))
            if status == 0:
                self.close_connection = True
                return
            body = b"{}"
            if status == 200:
                url = httpx.URL(self.path)
                asked = {"authorization": self.headers["authorization"]}
                answer = http.get(f"{base}{url.path}", params=query(url.params), headers=asked)
                status, body = answer.status_code, answer.content
            self.send_response(status)
            for name, value in {**headers, "content-length": str(len(body))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def finish(self) -> None:
            if not self.number:
                front.said(None)
            super().finish()

        def log_message(self, format: str, *args: Any) -> None:
            """Nobody reads it."""

    server = _Server(("127.0.0.1", 0), Handler)
    server.front = front
    front.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = Thread(target=server.serve_forever)
    thread.start()
    try:
        yield front
    finally:
        front.go_on()
        server.shutdown()
        thread.join()
        server.server_close()
