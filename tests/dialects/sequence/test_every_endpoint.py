"""Every endpoint through a client that reads the contract's typed records, strictly.

The dialect's own table says what there is to drive, so that an endpoint which no call drives fails. Each
answer is held to the OpenAPI document, too.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from urllib.parse import urlencode

import httpx
import msgspec
import pytest

from drawdown.dialects.sequence.routes import endpoints
from drawdown.web.endpoints import Endpoint
from tests.dialects.sequence.calls import CALLS
from tests.dialects.sequence.contract import VERSION, refusal
from tests.dialects.sequence.support import BASE, client
from tests.dialects.sequence.world import World
from tests.support.openapi import Described, document_at
from tests.support.server import Server, Tenant

ENDPOINTS = endpoints(allow_private=False)


def name_of(endpoint: Endpoint) -> str:
    return f"{endpoint.method} {endpoint.path}"


each_endpoint = pytest.mark.parametrize("endpoint", ENDPOINTS, ids=name_of)


@pytest.fixture(scope="module")
def here(server: Server) -> Tenant:
    """An account that all calls of this module share."""
    return server.tenant()


@pytest.fixture(scope="module")
def opened(here: Tenant) -> Iterator[httpx.Client]:
    with client(here) as found:
        yield found


@pytest.fixture(scope="module")
def world(opened: httpx.Client, here: Tenant) -> World:
    return World(opened, here)


@pytest.fixture(scope="module")
def described(here: Tenant) -> Described:
    return Described(document_at(f"{here.url}{BASE}/openapi.json"), BASE)


def test_there_is_a_call_for_each_endpoint_and_no_other() -> None:
    assert set(CALLS) == {name_of(each) for each in ENDPOINTS}


@each_endpoint
def test_it_answers_as_the_contract_has_it(
    endpoint: Endpoint, opened: httpx.Client, world: World, described: Described
) -> None:
    """And the request that was sent for it is this endpoint's."""
    ask = CALLS[name_of(endpoint)](world)
    pattern = re.sub(r"\\{\w+\\}", "[^/]+", re.escape(endpoint.path))
    assert ask.method == endpoint.method
    assert re.fullmatch(pattern, ask.path)
    ask.granted(opened)
    again = CALLS[name_of(endpoint)](world)
    answer = again.send(opened)
    target = answer.request.url.raw_path.decode()
    described.check(again.method, target, answer.status_code, answer.content)
    assert (endpoint.method, endpoint.path, endpoint.status) in described.seen


#: What a database may not keep, or may take for its own.
ODD = ("%00", "a%00b", "%ED%A0%80", "%EF%BF%BF", "%1F1", "%27", "%25", "%5C", "%F0%9F%92%B8")


@pytest.mark.parametrize("endpoint", [row for row in ENDPOINTS if "{" in row.path], ids=name_of)
def test_whatever_is_written_in_its_path_it_is_not_there(
    endpoint: Endpoint, opened: httpx.Client, world: World
) -> None:
    """On every database: some keep no NUL, some keep no half of a character."""
    ask = CALLS[name_of(endpoint)](world)
    for text in ODD:
        path = re.sub(r"{\w+}", text, endpoint.path)
        answer = opened.request(
            endpoint.method, path, json=ask.body, params=ask.query or None, headers=ask.headers
        )
        refusal(answer, 404, "NotFound")


@pytest.mark.parametrize("endpoint", [row for row in ENDPOINTS if row.query], ids=name_of)
def test_whatever_is_written_in_its_query_it_is_no_mistake_of_ours(
    endpoint: Endpoint, opened: httpx.Client, world: World
) -> None:
    ask = CALLS[name_of(endpoint)](world)
    assert endpoint.query is not None
    for field in msgspec.structs.fields(endpoint.query):
        given = {name: value for name, value in ask.query.items() if name != field.encode_name}
        for text in ODD:
            query = f"{urlencode(given)}&{field.encode_name}={text}"
            answer = opened.get(f"{ask.path}?{query}")
            if answer.status_code == 200:
                assert answer.json()["items"] == []
            else:
                refusal(answer, 400, "ValidationError")


@each_endpoint
def test_it_is_the_same_below_the_vendors_path(
    endpoint: Endpoint, here: Tenant, world: World
) -> None:
    """The vendor's hosts have ``/api`` in theirs."""
    with client(here, base="/sequence/api") as other:
        CALLS[name_of(endpoint)](world).granted(other)


@pytest.mark.parametrize("endpoint", [row for row in ENDPOINTS if row.method == "GET"], ids=name_of)
def test_head_is_answered_like_get_without_its_body(
    endpoint: Endpoint, opened: httpx.Client, world: World
) -> None:
    ask = CALLS[name_of(endpoint)](world)
    read = ask.send(opened)
    head = opened.head(ask.path, params=ask.query or None)
    assert (head.status_code, head.content) == (200, b"")
    assert head.headers["content-length"] == str(len(read.content))
    assert head.headers["sequence-version"] == VERSION


@each_endpoint
def test_the_version_may_be_named(endpoint: Endpoint, opened: httpx.Client, world: World) -> None:
    """And no other: then nothing is done."""
    ask = CALLS[name_of(endpoint)](world)
    refused = ask.send(opened, sequence_version="2017-01-01")
    assert (refused.status_code, refused.json()["error"]["type"]) == (400, "UnrecognisedApiVersion")
    answer = ask.send(opened, sequence_version=VERSION)
    assert (answer.status_code, answer.headers["sequence-version"]) == (endpoint.status, VERSION)
