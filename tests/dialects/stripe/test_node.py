"""Every endpoint through stripe-node over a socket, and how that SDK tells refusals and repeats what is lost.

The dialect's own table says what there is to drive, so that an endpoint which no call drives fails. Every
answer is held to the SDK's own declarations.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

from drawdown.dialects.stripe.dialect import StripeDialect
from drawdown.web.endpoints import Endpoint
from tests.dialects.stripe.node import Node, World
from tests.dialects.stripe.node_calls import CALLS
from tests.support.server import Server, Tenant, start_server

ENDPOINTS = StripeDialect().endpoints


def name_of(endpoint: Endpoint) -> str:
    return f"{endpoint.method} {endpoint.path}"


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """What the SDK makes of the answers does not depend on the store: one will do."""
    running = start_server(tmp_path_factory.mktemp("node"))
    yield running
    running.stop()


@pytest.fixture(scope="module")
def here(served: Server) -> Tenant:
    """An account that all calls of this module share."""
    return served.tenant()


@pytest.fixture(scope="module")
def node(here: Tenant) -> Iterator[Node]:
    with Node(here.url, here.test.editor.secret) as made:
        yield made


@pytest.fixture(scope="module")
def world(node: Node) -> World:
    return World(node)


def test_there_is_a_call_for_each_endpoint_and_no_other() -> None:
    assert set(CALLS) == {name_of(each) for each in ENDPOINTS}


@pytest.mark.parametrize("endpoint", ENDPOINTS, ids=name_of)
def test_it_does_what_it_is_for(endpoint: Endpoint, node: Node, world: World) -> None:
    """And the request that the SDK sent for it is this endpoint's."""
    before = len(node.sent)
    CALLS[name_of(endpoint)](node, world)
    pattern = re.sub(r"\\{\w+\\}", "[^/]+", re.escape(endpoint.path))
    paths = [
        url.partition("?")[0] for method, url in node.sent[before:] if method == endpoint.method
    ]
    assert any(re.fullmatch(pattern, each) for each in paths)
