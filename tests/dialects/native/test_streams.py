"""Live balances: what a stream says, when it says it, and how it ends."""

from __future__ import annotations

import json
import threading
import time
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from drawdown.cli.server import GRACE_SECONDS
from tests.conftest import StartServer
from tests.dialects.native.test_events import post
from tests.support.server import Tenant


@pytest.fixture
def ada(native: httpx.Client) -> httpx.Client:
    post(native, "/customers", id="ada")
    post(native, "/entitlements", code="images", unit="image", scale=0)
    post(native, "/grants", customer="ada", entitlement="images", amount="10")
    return native


class Stream:
    """A stream that is read in the background; its events so far, as (id, balance)."""

    def __init__(
        self, client: httpx.Client, customer: str = "ada", last: str | None = None
    ) -> None:
        headers = {} if last is None else {"last-event-id": last}
        path = f"/customers/{customer}/balances/stream"
        self._opened = client.stream("GET", path, headers=headers)
        self.answer = self._opened.__enter__()
        self.events: list[tuple[str, Any]] = []
        self.ended = threading.Event()
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def _read(self) -> None:
        identifier = ""
        try:
            for line in self.answer.iter_lines():
                if line.startswith("id: "):
                    identifier = line.removeprefix("id: ")
                if line.startswith("data: "):
                    self.events.append((identifier, json.loads(line.removeprefix("data: "))))
        except httpx.HTTPError:
            pass
        self.ended.set()

    def wait(self, count: int, seconds: float = 60) -> list[tuple[str, Any]]:
        deadline = time.monotonic() + seconds
        while len(self.events) < count:
            assert time.monotonic() < deadline, self.events
            time.sleep(0.01)
        return self.events

    def close(self) -> None:
        self._opened.__exit__(None, None, None)


def test_a_stream_shows_the_balance_at_once_and_after_each_change(ada: httpx.Client) -> None:
    stream = Stream(ada)
    assert stream.answer.headers["content-type"] == "text/event-stream"
    [(_, first)] = stream.wait(1)
    assert first == {**ada.get("/balances/ada/images").json(), "as_of": first["as_of"]}
    post(ada, "/debits", customer="ada", entitlement="images", amount="4", idempotency_key="1")
    assert stream.wait(2)[1][1]["available"] == "6"
    post(ada, "/grants", customer="ada", entitlement="usd", amount="2")
    assert stream.wait(3)[2][1]["entitlement"] == "usd"
    identifiers = [int(identifier) for identifier, _ in stream.events]
    assert identifiers == sorted(set(identifiers))
    stream.close()


def test_who_comes_again_is_shown_only_what_has_changed(ada: httpx.Client) -> None:
    stream = Stream(ada)
    [(last, _)] = stream.wait(1)
    stream.close()
    again = Stream(ada, last=last)
    time.sleep(0.6)
    assert again.events == []
    post(ada, "/debits", customer="ada", entitlement="images", amount="1", idempotency_key="1")
    assert again.wait(1)[0][1]["available"] == "9"
    again.close()
    late = Stream(ada, last=last)
    assert late.wait(1)[0][1]["available"] == "9"
    late.close()


def test_time_changes_a_balance_too(ada: httpx.Client) -> None:
    """In two seconds, and not before it is there, the grant can be used."""
    stream = Stream(ada)
    assert stream.wait(1)[0][1]["available"] == "10"
    soon = datetime.now(UTC) + timedelta(seconds=2)
    asked = {"amount": "5", "effective_at": soon.isoformat()}
    post(ada, "/grants", customer="ada", entitlement="images", **asked)
    count = 2
    while (balance := stream.wait(count)[-1][1])["available"] != "15":
        assert (balance["available"], balance["pending"]) == ("10", "5")
        count += 1
    assert datetime.fromisoformat(balance["as_of"]) >= soon
    stream.close()


def test_a_customer_who_is_not_there_has_no_stream(ada: httpx.Client, tenant: Tenant) -> None:
    assert ada.get("/customers/nobody/balances/stream").status_code == 404
    with tenant.client(tenant.live.editor) as live:
        assert live.get("/customers/ada/balances/stream").status_code == 404


def test_streams_end_when_the_server_stops(serve: StartServer) -> None:
    """At once, and not when its patience with what it still answers is over."""
    running = serve()
    with running.tenant().client() as client:
        post(client, "/customers", id="ada")
        post(client, "/grants", customer="ada", entitlement="usd", amount="1")
        streams = [Stream(client) for _ in range(5)]
        for stream in streams:
            stream.wait(1)
        began = time.monotonic()
        running.stop()
        assert time.monotonic() - began < GRACE_SECONDS
        for stream in streams:
            assert stream.ended.wait(60)
        for stream in streams:
            stream.close()
