"""Limits as callers meet them, in every dialect, on a server whose clock stands still."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from drawdown.client import Client
from drawdown.client.errors import Unavailable
from drawdown.core.types import MICROSECONDS, Instant
from tests.support.clocked_server import ClockedServer, clocked_server

BEGAN = 1_767_225_600
Serve = Callable[..., AbstractContextManager[ClockedServer]]
HEADERS = ("x-ratelimit-limit", "x-ratelimit-remaining", "x-ratelimit-reset")
#: What each dialect answers to one request too many, but for its message.
REFUSALS: dict[str, Callable[[Any], object]] = {
    "/api/v1/customers/ada": lambda said: (said["code"], said["maximum"], said["status"]),
    "/dodo/customers/ada": lambda said: (said["code"], set(said)),
    "/sequence/credits/ada/grants": lambda said: said["error"]["type"],
    "/v1/billing/credit_grants": lambda said: (said["error"]["type"], said["error"]["code"]),
}
EXPECTED = {
    "/api/v1/customers/ada": ("too_many_requests", 1, 429),
    "/dodo/customers/ada": ("TOO_MANY_REQUESTS", {"code", "message"}),
    "/sequence/credits/ada/grants": "TooManyRequests",
    "/v1/billing/credit_grants": ("invalid_request_error", "rate_limit"),
}


@pytest.fixture
def limited(tmp_path: Path) -> Serve:
    """Servers with the limits that are given."""

    @contextmanager
    def start(**rates: int) -> Iterator[ClockedServer]:
        settings = {f"rate_limit_{name}": value for name, value in rates.items()}
        database = f"sqlite:///{tmp_path / 'ledger.db'}"
        with clocked_server(database, Instant(BEGAN * MICROSECONDS), **settings) as server:
            yield server

    return start


def get(server: ClockedServer, path: str, secret: str | None = None) -> httpx.Response:
    key = server.secret if secret is None else secret
    return httpx.get(server.url + path, headers={"authorization": f"Bearer {key}"} if key else {})


def told(answer: httpx.Response) -> tuple[int, ...]:
    """Status, limit, remaining, reset."""
    return (answer.status_code, *(int(answer.headers[name]) for name in HEADERS))


def test_off_there_is_nothing_to_see(limited: Serve) -> None:
    with limited() as server:
        for path in REFUSALS:
            assert not set(HEADERS) & set(get(server, path).headers)


@pytest.mark.parametrize("path", REFUSALS)
def test_a_dialect_refuses_in_its_own_shape(limited: Serve, path: str) -> None:
    """429 with Retry-After, by one limit for all dialects together; then on again."""
    with limited(per_minute=1) as server:
        assert get(server, "/api/v1/entitlements").status_code == 200
        refused = get(server, path)
        assert (refused.status_code, refused.headers["retry-after"]) == (429, "60")
        assert REFUSALS[path](refused.json()) == EXPECTED[path]
        assert "the limit is 1 a minute. Try again in 60 s." in refused.text
        server.clock.instant = Instant((BEGAN + 60) * MICROSECONDS)
        assert get(server, path).status_code in (200, 404)


#: What reports usage: a request of each, and what it is answered when there is room for it.
USAGE: dict[str, tuple[dict[str, Any], int]] = {
    "/api/v1/events": ({"json": {"id": "e", "customer": "ada", "name": "call"}}, 201),
    "/dodo/events/ingest": (
        {"json": {"events": [{"event_id": "e", "customer_id": "ada", "event_name": "call"}]}},
        200,
    ),
    "/sequence/usage-events": ({"json": {"customerAlias": "ada", "eventType": "call"}}, 201),
    "/v1/billing/meter_events": (
        {"data": {"event_name": "call", "payload[stripe_customer_id]": "ada", "payload[value]": 1}},
        400,
    ),
}


@pytest.mark.parametrize("path", USAGE)
def test_usage_has_a_limit_of_its_own(limited: Serve, path: str) -> None:
    """One for all dialects; who has used up either still has the other."""
    given, status = USAGE[path]
    with limited(per_minute=1, usage_per_minute=2) as server:
        with server.client() as native:
            assert native.post("/customers", json={"id": "ada"}).status_code == 201
        headers = {"authorization": f"Bearer {server.secret}"}
        answers = [httpx.post(server.url + path, headers=headers, **given) for _ in range(3)]
        assert [answer.status_code for answer in answers[::2]] == [status, 429]
        refused = answers[-1]
        assert refused.headers["retry-after"] == "60"
        assert "the limit is 2 a minute. Try again in 60 s." in refused.text
        server.clock.instant = Instant((BEGAN + 60) * MICROSECONDS)
        for _ in range(2):
            httpx.post(server.url + path, headers=headers, **given)
        again = httpx.post(server.url + path, headers=headers, **given)
        found = [get(server, "/api/v1/customers").status_code for _ in range(2)]
        assert [again.status_code, *found] == [429, 200, 429]


def test_stripes_clients_are_told_which_limit_it_was(limited: Serve) -> None:
    """By the vendor's word for a limit of all requests: with and without a key, and of nothing else."""
    reason = "stripe-rate-limited-reason"
    with limited(per_minute=1, unauthenticated_per_minute=1) as server:
        for secret, granted in ((None, 200), ("", 401)):
            answers = [get(server, "/v1/customers", secret) for _ in range(2)]
            assert [answer.status_code for answer in answers] == [granted, 429]
            assert [answer.headers.get(reason) for answer in answers] == [None, "global-rate"]
        assert reason not in get(server, "/api/v1/customers").headers


def test_stripes_clients_are_told_of_a_limit_of_some_endpoints(limited: Serve) -> None:
    reason = "stripe-rate-limited-reason"
    with limited(usage_per_minute=1) as server:
        headers = {"authorization": f"Bearer {server.secret}"}
        answers = [
            httpx.post(f"{server.url}/v1/billing/meter_events", headers=headers) for _ in range(2)
        ]
        assert [answer.headers.get(reason) for answer in answers] == [None, "endpoint-rate"]


@pytest.mark.parametrize("base", ["/api/v1", "/dodo"])
def test_every_answer_tells_what_is_left(limited: Serve, base: str) -> None:
    """Refusals, unknown customers and what cannot be read among them."""
    with limited(per_second=5, per_minute=7) as server:
        reset = (5, 4, BEGAN + 1), (5, 3, BEGAN + 1), (5, 2, BEGAN + 1), (5, 1, BEGAN + 1)
        asked = [
            get(server, f"{base}/customers"),
            get(server, f"{base}/customers/nobody"),
            get(server, f"{base}/customers?created_at_gte=never"),
            httpx.post(
                f"{server.url}{base}/customers",
                content=b"{",
                headers={"authorization": f"Bearer {server.secret}"},
            ),
        ]
        statuses = [answer.status_code for answer in asked]
        assert statuses == [200, 404, 422, 400]
        assert [told(answer)[1:] for answer in asked] == list(reset)
        assert told(get(server, f"{base}/customers")) == (200, 5, 0, BEGAN + 1)
        assert told(get(server, f"{base}/customers")) == (429, 5, 0, BEGAN + 1)
        server.clock.instant = Instant((BEGAN + 1) * MICROSECONDS)
        assert told(get(server, f"{base}/customers")) == (200, 7, 1, BEGAN + 60)
        assert told(get(server, f"{base}/customers")) == (200, 7, 0, BEGAN + 60)
        assert told(get(server, f"{base}/customers")) == (429, 7, 0, BEGAN + 60)


def test_who_has_no_key_is_counted_by_address_and_keeps_nobody_out_who_has_one(
    limited: Serve,
) -> None:
    """No key, a wrong one, an address that is not there, the API's description: all are one caller's."""
    with limited(unauthenticated_per_minute=4) as server:
        asked = [
            get(server, "/dodo/customers/ada", ""),
            get(server, "/dodo/customers/ada", "sk_test_wrong"),
            get(server, "/dodo/nothing", ""),
            get(server, "/dodo/openapi.json", ""),
            get(server, "/dodo/openapi.json", ""),
            get(server, "/dodo/customers/ada", "sk_test_wrong"),
            get(server, "/api/v1/nothing", ""),
        ]
        assert [answer.status_code for answer in asked] == [401, 401, 404, 200, 429, 429, 429]
        assert [told(answer)[2] for answer in asked] == [3, 2, 1, 0, 0, 0, 0]
        assert asked[4].json()["code"] == "TOO_MANY_REQUESTS"
        with_key = get(server, "/dodo/customers")
        assert with_key.status_code == 200
        assert not set(HEADERS) & set(with_key.headers)


def test_what_is_refused_is_not_done(limited: Serve) -> None:
    with limited(per_minute=2) as server, server.client() as native:
        assert native.post("/customers", json={"id": "ada"}).status_code == 201
        assert native.post("/customers", json={"id": "bo"}).status_code == 201
        assert native.post("/customers", json={"id": "cy"}).status_code == 429
        server.clock.instant = Instant((BEGAN + 60) * MICROSECONDS)
        assert native.get("/customers/cy").status_code == 404


def test_what_is_for_the_operator_is_not_limited_and_tells_of_it(limited: Serve) -> None:
    """Health and metrics; the count is there before anybody was refused."""
    with limited(per_minute=1, unauthenticated_per_minute=1) as server:
        for _ in range(3):
            get(server, "/dodo/customers")
            assert get(server, "/health/ready", "").status_code == 200
        exposed = get(server, "/metrics", "").text
        assert 'drawdown_rate_limited_total{caller="account"} 2.0' in exposed
        assert 'drawdown_rate_limited_total{caller="address"} 0.0' in exposed
        assert (
            'drawdown_requests_total{dialect="dodo",method="GET",route="/customers",status="429"} 2.0'
            in exposed
        )


def test_our_own_client_says_that_the_server_cannot_answer_now(limited: Serve) -> None:
    with limited(per_minute=1) as server:
        with Client(server.url, key=server.secret, attempts_max=1) as client:
            client.request("GET", "/api/v1/customers")
            with pytest.raises(Unavailable, match="the limit is 1 a minute") as caught:
                client.request("GET", "/api/v1/customers")
        assert (caught.value.status, caught.value.code) == (429, "too_many_requests")
