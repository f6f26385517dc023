"""What goes to the socket: an answer is one packet, whatever it is made of."""

from __future__ import annotations

import asyncio
from typing import cast

import pytest

from drawdown.web.protocol import OneWrite

HEAD = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n"


class Recorder:
    """A transport's side of it: what was written, call by call."""

    def __init__(self) -> None:
        self.written: list[bytes] = []
        self.closed = False

    def write(self, data: bytes) -> None:
        self.written.append(data)

    def close(self) -> None:
        self.closed = True


@pytest.fixture
def recorder() -> Recorder:
    return Recorder()


@pytest.fixture
def one(recorder: Recorder) -> OneWrite:
    return OneWrite(cast("asyncio.Transport", recorder))


def test_a_head_goes_with_its_body(one: OneWrite, recorder: Recorder) -> None:
    for _ in range(2):
        one.write(HEAD)
        one.write(b"{}")
        one.flush()
    assert recorder.written == [HEAD + b"{}"] * 2


def test_a_head_without_a_body_goes_alone(one: OneWrite, recorder: Recorder) -> None:
    one.write(HEAD)
    assert recorder.written == []
    one.flush()
    assert recorder.written == [HEAD]


def test_a_head_is_not_lost_when_the_connection_is_closed(
    one: OneWrite, recorder: Recorder
) -> None:
    one.write(HEAD)
    one.close()
    assert (recorder.written, recorder.closed) == ([HEAD], True)


def test_the_word_to_go_on_waits_for_nothing(one: OneWrite, recorder: Recorder) -> None:
    """A client that asked whether it may send its body is answered at once."""
    one.write(b"HTTP/1.1 100 Continue\r\n\r\n")
    assert recorder.written == [b"HTTP/1.1 100 Continue\r\n\r\n"]


def test_what_follows_a_body_goes_as_it_comes(one: OneWrite, recorder: Recorder) -> None:
    one.write(HEAD)
    for piece in (b"{", b"}"):
        one.write(piece)
    assert recorder.written == [HEAD + b"{", b"}"]
