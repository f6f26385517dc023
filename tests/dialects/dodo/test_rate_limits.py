"""What the vendor's SDK makes of a limit: its own class of error, and another attempt when it is told to."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from dodopayments import DefaultHttpxClient, DodoPayments, RateLimitError

from drawdown.core.types import MICROSECONDS, Instant
from tests.support.clocked_server import ClockedServer, clocked_server

BEGAN = 1_767_225_600


@pytest.fixture
def limited(tmp_path: Path) -> Iterator[ClockedServer]:
    """One request a second, on a clock that stands still."""
    database = f"sqlite:///{tmp_path / 'ledger.db'}"
    began = Instant(BEGAN * MICROSECONDS)
    with clocked_server(database, began, rate_limit_per_second=1) as server:
        yield server


def test_one_request_too_many_is_a_rate_limit_error(limited: ClockedServer) -> None:
    with DodoPayments(
        base_url=f"{limited.url}/dodo", bearer_token=limited.secret, max_retries=0
    ) as client:
        client.customers.list()
        with pytest.raises(RateLimitError) as caught:
            client.customers.list()
    answer = caught.value.response
    assert caught.value.body == {
        "code": "TOO_MANY_REQUESTS",
        "message": "Too many requests: the limit is 1 a second. Try again in 1 s.",
    }
    assert answer.headers["retry-after"] == "1"
    assert answer.headers["x-ratelimit-reset"] == str(BEGAN + 1)
    assert "x-should-retry" not in answer.headers


def test_the_sdk_waits_as_long_as_it_is_told_and_then_succeeds(limited: ClockedServer) -> None:
    """Left to itself it waits for half a second at most before it asks again."""
    sent: list[float] = []
    statuses: list[int] = []

    def arrived(answer: httpx.Response) -> None:
        statuses.append(answer.status_code)
        if answer.status_code == 429:
            limited.clock.instant = Instant((BEGAN + 1) * MICROSECONDS)

    hooks = {"request": [lambda _: sent.append(time.monotonic())], "response": [arrived]}
    with DodoPayments(
        base_url=f"{limited.url}/dodo",
        bearer_token=limited.secret,
        http_client=DefaultHttpxClient(event_hooks=hooks),
    ) as client:
        client.customers.list()
        assert client.customers.list().items == []
    assert statuses == [200, 429, 200]
    assert sent[2] - sent[1] >= 1
