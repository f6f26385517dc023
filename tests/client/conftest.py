"""Each test runs with both clients, against the real server over a real socket."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from drawdown.client import Client
from tests.client.driven import KINDS, Connect, connecting
from tests.client.unreliable import Unreliable, unreliable
from tests.support.server import Tenant


@pytest.fixture(params=KINDS)
def connect(request: pytest.FixtureRequest) -> Iterator[Connect]:
    """Makes a client: ``Client`` itself, or an ``AsyncClient`` that is driven as if it were one."""
    with connecting(request.param) as connecter:
        yield connecter


@pytest.fixture
def client(connect: Connect, tenant: Tenant) -> Client:
    """With the fresh account's editor key of its test book."""
    return connect(tenant.url, tenant.test.editor.secret)


@pytest.fixture
def ada(client: Client) -> Client:
    """The client, and a customer ``ada`` with 100 tokens."""
    client.create_customer("ada")
    client.create_entitlement("tokens", unit="token", scale=2)
    client.grant("ada", "tokens", 100, idempotency_key="first")
    return client


@pytest.fixture
def between(tenant: Tenant) -> Iterator[Unreliable]:
    """A network to the server that fails as it is told."""
    with unreliable(tenant.url) as network:
        yield network
