"""Servers, accounts and clients for every test that speaks HTTP."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

from tests.support.postgres import Clusters
from tests.support.server import Server, Tenant, start_server

StartServer = Callable[..., Server]


@pytest.fixture(scope="session")
def clusters() -> Iterator[Clusters]:
    """PostgreSQL of each version, started when a test first wants it; nothing of it is left behind."""
    running = Clusters()
    yield running
    running.close()


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One server for all tests that need nothing special of it; it must survive them without fault."""
    running = start_server(tmp_path_factory.mktemp("server"))
    yield running
    running.stop()


@pytest.fixture
def tenant(server: Server) -> Tenant:
    """A fresh account on the shared server, with a key of each role and mode."""
    return server.tenant()


@pytest.fixture
def native(tenant: Tenant) -> Iterator[httpx.Client]:
    """The native API with the fresh account's editor key of its test book."""
    with tenant.client() as client:
        yield client


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[StartServer]:
    """Starts servers of one's own (``start_server``); those still running are stopped at the end."""
    running: list[Server] = []

    def start(*options: str, **settings: str) -> Server:
        running.append(start_server(tmp_path, *options, **settings))
        return running[-1]

    yield start
    for one in running:
        if one.process.poll() is None:
            one.stop()
