"""Servers, accounts and clients for every test that speaks HTTP."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

from tests.support.postgres import Clusters
from tests.support.server import Server, Tenant, start_server
from tests.support.stores import DATABASES, SQLITE, new_database

TESTS = Path(__file__).parent
ON_POSTGRES_TOO = {
    "dialects/dodo/test_ledger_entries.py",
    "dialects/native/test_corrections.py",
    "dialects/native/test_debits.py",
    "dialects/sequence/test_credits.py",
    "dialects/stripe/test_credit_grants.py",
    "durability/test_parallel.py",
}
StartServer = Callable[..., Server]


@pytest.fixture(scope="session")
def clusters() -> Iterator[Clusters]:
    """PostgreSQL of each version, started when a test first wants it; nothing of it is left behind."""
    running = Clusters()
    yield running
    running.close()


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """A choice of what every dialect does runs on a server with the newest PostgreSQL, too."""
    path = metafunc.definition.path.relative_to(TESTS).as_posix()
    if path in ON_POSTGRES_TOO and "server" in metafunc.fixturenames:
        metafunc.parametrize("server", (SQLITE, DATABASES[-1]), indirect=True, scope="session")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--shared-database",
        choices=DATABASES,
        default=SQLITE,
        help="the database of the server that most tests over HTTP share",
    )


@pytest.fixture(scope="session")
def server(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, clusters: Clusters
) -> Iterator[Server]:
    """One server for all tests that need nothing special of it; it must survive them without fault."""
    folder = tmp_path_factory.mktemp("server")
    name = getattr(request, "param", request.config.getoption("shared_database"))
    with new_database(name, folder, clusters) as database:
        running = start_server(folder, database=database.url)
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
