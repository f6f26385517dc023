"""Every endpoint through the official Python SDK in its three forms, and through one of 2025.

The dialect's own table says what there is to drive, so that an endpoint which no call drives fails.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

from drawdown.dialects.stripe.dialect import StripeDialect
from drawdown.web.endpoints import Endpoint
from tests.dialects.stripe.calls import CALLS
from tests.dialects.stripe.python_sdk import FORMS, PythonSdk
from tests.dialects.stripe.world import World
from tests.support.server import Server

ENDPOINTS = StripeDialect().endpoints


def name_of(endpoint: Endpoint) -> str:
    return f"{endpoint.method} {endpoint.path}"


each_endpoint = pytest.mark.parametrize("endpoint", ENDPOINTS, ids=name_of)


@pytest.fixture(scope="module", params=FORMS)
def sdk(request: pytest.FixtureRequest, one: Server) -> Iterator[PythonSdk]:
    """On an account that all calls of this module share, in each form of the SDK another."""
    here = one.tenant()
    with PythonSdk(request.param, here.url, here.test.editor.secret) as made:
        yield made


@pytest.fixture(scope="module")
def world(sdk: PythonSdk) -> World:
    return World(sdk)


def test_there_is_a_call_for_each_endpoint_and_no_other() -> None:
    assert set(CALLS) == {name_of(each) for each in ENDPOINTS}


@each_endpoint
def test_it_does_what_it_is_for(endpoint: Endpoint, sdk: PythonSdk, world: World) -> None:
    """And the request that the SDK sent for it is this endpoint's."""
    before = len(sdk.sent)
    CALLS[name_of(endpoint)](sdk, world)
    pattern = re.sub(r"\\{\w+\\}", "[^/]+", re.escape(endpoint.path))
    sent = [each for each in sdk.sent[before:] if each.method == endpoint.method]
    assert any(re.fullmatch(pattern, each.path) for each in sent)
