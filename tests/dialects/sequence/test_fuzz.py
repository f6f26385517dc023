"""Whatever JSON is sent, it is granted, or refused in the dialect's own shape: never a mistake of ours.

The server logs no error: that is looked at when it stops.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from drawdown.web.endpoints import Endpoint
from tests.dialects.sequence.calls import CALLS
from tests.dialects.sequence.contract import VERSION, Envelope, read
from tests.dialects.sequence.fields import FIELDS, changed
from tests.dialects.sequence.support import client
from tests.dialects.sequence.test_every_endpoint import ENDPOINTS, name_of
from tests.dialects.sequence.world import World
from tests.support.server import Server

BODIES = [row for row in ENDPOINTS if row.body is not None]
TEXTS = (
    *("", "VOID", "usd", "USD", "METRIC", "CURRENCY", "DEBIT", "CREDIT", "ON_INVOICE", "UNIQUE"),
    *("2031-01-01", "9999-12-31", "1970-01-01T00:00:00Z", "9999-12-31T23:59:59.999999Z"),
    *(
        "1e3",
        "0",
        "-1",
        "٣",
        "\x00",
        "\ud800",
        "a\x1fb",
        "\N{SYMBOL FOR UNIT SEPARATOR}1",
        "x" * 300,
    ),
    *("https://hooks.example.com/ä", "https://[::1]/", "http://a:b@c/", "//x", "https://x:99999/"),
)
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.sampled_from([0, -0.0, 1e308, -1e-308, 2**63, 10**40])
    | st.text(max_size=20)
    | st.sampled_from(TEXTS)
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.text(max_size=8) | st.sampled_from(TEXTS), inner, max_size=4)
    ),
    max_leaves=12,
)
KEYS = st.none() | st.sampled_from(["one", "other", "x" * 300])


@pytest.fixture
def world(server: Server) -> Iterator[World]:
    """On an account for each endpoint: a book has room for 100 recipients, and for 200 metrics."""
    tenant = server.tenant()
    with client(tenant) as opened:
        yield World(opened, tenant)


@settings(
    max_examples=15,
    derandomize=True,
    deadline=None,
    database=None,
    suppress_health_check=list(HealthCheck),
)
@given(data=st.data())
@pytest.mark.parametrize("endpoint", BODIES, ids=name_of)
def test_no_body_brings_the_server_down(
    endpoint: Endpoint, world: World, data: st.DataObject
) -> None:
    """One that would be granted, with other values in some of its places; or anything at all."""
    ask = CALLS[name_of(endpoint)](world)
    places = st.sampled_from(sorted(FIELDS[name_of(endpoint)]))
    content: Any = ask.body
    if data.draw(st.integers(0, 4)):
        for place, value in data.draw(
            st.dictionaries(places, VALUES, min_size=1, max_size=3)
        ).items():
            content = put(content, place, value)
    else:
        content = data.draw(VALUES)
    key = data.draw(KEYS)
    headers = ask.headers | ({} if key is None else {"Idempotency-Key": key})
    check(
        world.client, ask.method, ask.path, json.dumps(content).encode(), headers, endpoint.status
    )


def put(body: Any, place: str, value: Any) -> Any:
    """Where what the place is in was replaced before, that stays."""
    try:
        return changed(body, place, value)
    except (KeyError, TypeError, IndexError, AttributeError):
        return body


def check(
    http: httpx.Client, method: str, path: str, content: bytes, headers: dict[str, str], status: int
) -> None:
    answer = http.request(method, path, content=content, headers=headers)
    assert answer.headers["sequence-version"] == VERSION
    if answer.status_code != status:
        assert answer.status_code in (400, 404, 409), answer.text
        read(answer, answer.status_code, Envelope)


@settings(
    max_examples=15,
    derandomize=True,
    deadline=None,
    database=None,
    suppress_health_check=list(HealthCheck),
)
@given(
    content=st.binary(max_size=60)
    | st.text(max_size=60).map(lambda text: text.encode("utf-8", "replace"))
)
@pytest.mark.parametrize("endpoint", BODIES, ids=name_of)
def test_no_bytes_bring_the_server_down(endpoint: Endpoint, world: World, content: bytes) -> None:
    path = endpoint.path.format(id="nothing")
    check(world.client, endpoint.method, path, content, {}, endpoint.status)
