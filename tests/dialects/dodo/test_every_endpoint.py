"""Every endpoint through the official Python SDK, blocking and not, and the official TypeScript SDK.

The dialect's own table says what there is to drive, so that an endpoint which no call drives fails.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

from drawdown.dialects.dodo.dialect import DodoDialect
from drawdown.web.endpoints import Endpoint
from tests.dialects.dodo.calls import CALLS
from tests.dialects.dodo.official import FORMS, Official, official
from tests.dialects.dodo.world import World
from tests.support.server import Server, Tenant

ENDPOINTS = DodoDialect(0, allow_private=False).endpoints


def name_of(endpoint: Endpoint) -> str:
    return f"{endpoint.method} {endpoint.path}"


each_endpoint = pytest.mark.parametrize("endpoint", ENDPOINTS, ids=name_of)


@pytest.fixture(scope="module", params=FORMS)
def form(request: pytest.FixtureRequest) -> str:
    found: str = request.param
    return found


@pytest.fixture(scope="module")
def here(server: Server, form: str) -> Tenant:
    """An account that all calls of this module share, in each form of the SDK another."""
    return server.tenant()


@pytest.fixture(scope="module")
def sdk(form: str, here: Tenant) -> Iterator[Official]:
    made = official(form, here.url, here.test.editor.secret)
    yield made
    made.close()


@pytest.fixture(scope="module")
def world(sdk: Official) -> World:
    return World(sdk)


def test_there_is_a_call_for_each_endpoint_and_no_other() -> None:
    assert set(CALLS) == {name_of(each) for each in ENDPOINTS}


@each_endpoint
def test_it_does_what_it_is_for(endpoint: Endpoint, sdk: Official, world: World) -> None:
    """And the request that the SDK sent for it is this endpoint's."""
    before = len(sdk.sent)
    CALLS[name_of(endpoint)](sdk, world)
    pattern = re.sub(r"\\{\w+\\}", "[^/]+", re.escape(endpoint.path))
    sent = [each for each in sdk.sent[before:] if each.method == endpoint.method]
    assert any(re.fullmatch(pattern, each.path) for each in sent)
