"""The access log: which lines there are, and how they reach their stream."""

from __future__ import annotations

import asyncio
import io
import json
from collections.abc import Callable
from datetime import UTC, datetime

import pytest

from drawdown.config import Config
from drawdown.core.identity import spell
from drawdown.core.requests import Answer
from drawdown.core.types import Id, Mode
from drawdown.engine.accounts import Principal, Role
from drawdown.web.access import JsonLines, access_log, log_text
from drawdown.web.endpoints import Call, Context, Endpoint
from drawdown.web.headers import Headers

KEY = Id(bytes.fromhex("019ac6ae8e7a7f55a1b2c3d4e5f60718"))


class Counting(io.BytesIO):
    """A stream that knows how often it was written to."""

    writes = 0

    def write(self, data: object) -> int:
        self.writes += 1
        return super().write(data)  # type: ignore[arg-type]


async def nothing(call: Call) -> Answer:
    return Answer(status=200, body=b"")


def context(known: bool = True) -> Context:
    """Of a request that got as far as a key, or only to a URL that is none of ours."""
    found = Context(
        method="GET",
        path="/things/the-customer-s-id",
        query=b"",
        headers=Headers([(b"authorization", b"Bearer the-secret")]),
        request_id="req_1",
    )
    if known:
        found.endpoint = Endpoint(
            method="GET", path="/things/{thing}", handler=nothing, summary="", role=Role.VIEWER
        )
        found.principal = Principal(
            key_id=KEY, account=KEY, book=KEY, mode=Mode.TEST, role=Role.VIEWER
        )
    return found


def written(stream: io.BytesIO, steps: Callable[[], None]) -> list[dict[str, object]]:
    """What stands in the stream after ``steps`` ran in one turn of an event loop."""

    async def run() -> None:
        steps()
        assert stream.getvalue() == b""
        await asyncio.sleep(0)

    asyncio.run(run())
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_a_line_tells_the_route_and_the_key_and_nothing_of_the_customer() -> None:
    stream = io.BytesIO()
    log = JsonLines(stream, {"worker": 2, "pid": 77})
    [line] = written(stream, lambda: log("native", context(), 200, 0.0123456))
    stamp = line.pop("timestamp")
    assert line == {
        "method": "GET",
        "route": "/things/{thing}",
        "dialect": "native",
        "status": 200,
        "ms": 12.346,
        "request_id": "req_1",
        "key": spell("key_", KEY),
        "event": "request",
        "level": "info",
        "worker": 2,
        "pid": 77,
    }
    assert isinstance(stamp, str)
    assert stamp.endswith("Z")
    assert abs(datetime.fromisoformat(stamp).timestamp() - datetime.now(UTC).timestamp()) < 60


def test_what_was_not_found_out_is_null() -> None:
    stream = io.BytesIO()
    log = JsonLines(stream, {})
    [line] = written(stream, lambda: log("native", context(known=False), 404, 0.001))
    assert (line["route"], line["key"], line["status"]) == (None, None, 404)


def test_the_lines_of_one_turn_of_the_loop_are_one_write_in_their_order() -> None:
    stream = Counting()
    log = JsonLines(stream, {})

    def three() -> None:
        for status in (200, 201, 202):
            log("native", context(), status, 0.001)

    assert [line["status"] for line in written(stream, three)] == [200, 201, 202]
    assert stream.writes == 1


@pytest.mark.parametrize("level", ["warning", "error"])
def test_a_log_of_warnings_has_no_requests(level: str) -> None:
    assert access_log(Config(log_level=level)) is None  # type: ignore[arg-type]


def test_requests_are_told_in_the_form_of_the_other_lines() -> None:
    assert isinstance(access_log(Config(log_format="json")), JsonLines)
    assert access_log(Config(log_format="text")) is log_text
    assert access_log(Config(access_log=False)) is None
