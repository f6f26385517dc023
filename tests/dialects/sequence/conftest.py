"""A client of the Sequence dialect on a fresh account."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest

from tests.dialects.sequence.support import client, new_customer
from tests.dialects.sequence.world import World
from tests.support.server import Server, Tenant, start_server


@pytest.fixture
def sequence(tenant: Tenant) -> Iterator[httpx.Client]:
    """Basic credentials of the editor's key to a fresh account's test book."""
    with client(tenant) as opened:
        yield opened


@pytest.fixture
def other(server: Server) -> Iterator[httpx.Client]:
    """The same of another account."""
    with client(server.tenant()) as opened:
        yield opened


@pytest.fixture
def customer(sequence: httpx.Client) -> str:
    """The id of a new customer."""
    return new_customer(sequence).id


@pytest.fixture(scope="session")
def one(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server on SQLite, for what does not depend on the store: there one will do."""
    running = start_server(tmp_path_factory.mktemp("sequence"))
    yield running
    running.stop()


@pytest.fixture(scope="module")
def here(one: Server) -> Tenant:
    """A fresh account of that server."""
    return one.tenant()


@pytest.fixture(scope="module")
def world(here: Tenant) -> Iterator[World]:
    """A client of its own, that makes whatever a call needs."""
    with client(here) as opened:
        yield World(opened, here)
