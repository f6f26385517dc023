"""Asking a server: what is repeated, what is an answer, what is a failure."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from drawdown.cli.client import ATTEMPTS_MAX, Client
from drawdown.cli.failures import Failure
from tests.support.server import Tenant

JSON = b'{"amount": 0.10000000000000000001, "whole": 9007199254740993}'


@contextmanager
def answering(*answers: tuple[int, bytes] | None) -> Iterator[tuple[str, list[str]]]:
    """A server that gives these answers one after the other; None: it hangs up without one."""
    left, asked = list(answers), []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            answer = left.pop(0)
            if answer is None:
                return
            status, body = answer
            self.send_response(status)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}", asked
        finally:
            server.shutdown()
            thread.join()


def client(url: str, pauses: list[float] | None = None) -> Client:
    waits: list[float] = [] if pauses is None else pauses
    return Client(url, "sk_test_x", direct=True, sleep=waits.append)


def test_a_number_keeps_every_digit() -> None:
    """Amounts in Sequence are JSON numbers: none becomes a binary float."""
    with answering((200, JSON)) as (url, _), client(url) as asker:
        found = asker.get("/")
    assert found == {"amount": Decimal("0.10000000000000000001"), "whole": 9007199254740993}


@pytest.mark.parametrize("trouble", [None, (503, b"{}"), (429, b"{}"), (502, b"x"), (504, b"")])
def test_what_could_not_be_delivered_is_sent_again(trouble: tuple[int, bytes] | None) -> None:
    """With growing pauses, so that a server has time to come back."""
    pauses: list[float] = []
    with answering(trouble, trouble, (200, b"[]")) as (url, asked), client(url, pauses) as asker:
        assert asker.get("/x") == []
    assert asked == ["/x"] * 3
    assert pauses == sorted(set(pauses))
    assert len(pauses) == 2


def test_a_server_that_is_not_there_is_given_up_in_the_end() -> None:
    """The failure names it, and says that running the command again is safe."""
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    pauses: list[float] = []
    with client(f"http://127.0.0.1:{port}", pauses) as asker, pytest.raises(Failure) as caught:
        asker.get("/")
    assert f"http://127.0.0.1:{port} cannot be reached" in str(caught.value)
    assert "debits nothing twice" in str(caught.value)
    assert len(pauses) == ATTEMPTS_MAX - 1


@pytest.mark.parametrize("body", [b"<html>", b"", b"\xff"])
def test_another_kind_of_server_is_told_from_drawdown(body: bytes) -> None:
    with (
        answering((200, body)) as (url, _),
        client(url) as asker,
        pytest.raises(Failure, match="no Drawdown server"),
    ):
        asker.get("/")


def test_a_key_the_server_does_not_know_is_a_failure_at_once(tenant: Tenant) -> None:
    """Not one refusal a row."""
    with client(tenant.url) as asker, pytest.raises(Failure, match="does not know this key"):
        asker.answer("/api/v1/debits", {})


def test_a_key_that_may_not_write_is_a_failure_at_once(tenant: Tenant) -> None:
    viewer = Client(tenant.url, tenant.test.viewer.secret)
    with viewer as asker, pytest.raises(Failure, match="refused"):
        asker.answer("/api/v1/debits", {})


def test_a_refusal_is_an_answer(tenant: Tenant) -> None:
    """Which ``post`` makes a failure in the server's words, and ``answer`` hands on."""
    with Client(tenant.url, tenant.test.editor.secret) as asker:
        assert asker.answer("/api/v1/customers", {"id": "a b"}).status == 422
        with pytest.raises(Failure, match="id"):
            asker.post("/api/v1/customers", {"id": "a b"})


@pytest.mark.parametrize(
    "url",
    ["", "localhost:8080", "ftp://x", "http://", "http://[", "//x", "http://x:99999", "http://x:0"],
)
def test_an_url_of_no_server_is_refused(url: str) -> None:
    with pytest.raises(Failure, match="is no URL of a server"):
        Client(url, "sk_test_x")


@pytest.mark.parametrize("key", ["sk_test_é", "sk\n", "sk_test_\x00"])
def test_a_key_with_characters_no_key_has_is_refused_without_repeating_it(key: str) -> None:
    with pytest.raises(Failure) as caught:
        Client("http://127.0.0.1", key)
    assert key not in str(caught.value)
