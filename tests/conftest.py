"""Servers, accounts and clients for every test that speaks HTTP."""

from __future__ import annotations

import inspect
import os
import shutil
import signal
import tempfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from unittest import mock

import httpx
import pytest
from hypothesis import HealthCheck, settings
from hypothesis.internal.conjecture import providers

from tests.support.commands import drawdown
from tests.support.places import quick_place
from tests.support.postgres import Clusters
from tests.support.server import Server, Tenant, start_server
from tests.support.stores import DATABASES, SQLITE, new_database

#: What holds over HTTP is tested on each of these: it is the same for every store.
KINDS = (SQLITE, DATABASES[-1])
StartServer = Callable[..., Server]
NewUrl = Callable[[], AbstractContextManager[str]]


@pytest.fixture(scope="session")
def clusters() -> Iterator[Clusters]:
    """PostgreSQL of each version, started when a test first wants it; nothing of it is left behind."""
    running = Clusters()
    yield running
    running.close()


#: One certificate, of nobody: the tests' clients speak no TLS, and each would spend 20 ms on reading the
#: certificates of the world before its first request.
TRUSTED = Path(__file__).parent / "support" / "nobody.pem"
#: How long clients wait for an answer that comes at once when nothing else keeps the machine busy.
PATIENCE_SECONDS = 60.0


#: What is drawn is the same in every run: one that fails can be had again. How long it took says nothing of
#: what is tested: a machine may be busy.
settings.register_profile(
    "drawdown",
    derandomize=True,
    database=None,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("drawdown")
#: Hypothesis would draw constants of whatever modules have been imported by then, in each process others.
mock.patch.object(
    providers, "_get_local_constants", return_value=providers._local_constants
).start()


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    """What a shell starts in the background ignores Ctrl-C, and so would every server of the tests."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    os.environ["SSL_CERT_FILE"] = str(TRUSTED)
    _be_patient()
    place = quick_place()
    if place is not None and config.option.basetemp is None:
        folder = tempfile.mkdtemp(prefix="drawdown-tests-", dir=place)
        config.option.basetemp = folder
        config.add_cleanup(lambda: shutil.rmtree(folder))


def _be_patient() -> None:
    """A client that is told nothing else waits for five seconds, which a busy machine may take to answer."""
    by_default = inspect.signature(httpx.get).parameters["timeout"].default
    for each in by_default.as_dict():
        setattr(by_default, each, PATIENCE_SECONDS)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--shared-database",
        choices=DATABASES,
        help="the one kind of database for the tests over HTTP; otherwise each of "
        + ", ".join(KINDS),
    )


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "database_kind" in metafunc.fixturenames:
        only = metafunc.config.getoption("shared_database")
        metafunc.parametrize(
            "database_kind", (only,) if only else KINDS, indirect=True, scope="session"
        )


@pytest.fixture(scope="session")
def database_kind(request: pytest.FixtureRequest) -> str:
    """The kind of database on which a test runs that asks for a server, or for a database by its URL."""
    found: str = request.param
    return found


@pytest.fixture(scope="session")
def new_url(
    database_kind: str, tmp_path_factory: pytest.TempPathFactory, clusters: Clusters
) -> NewUrl:
    """Makes empty databases of the kind; each is there while its block is entered."""

    @contextmanager
    def made() -> Iterator[str]:
        with new_database(database_kind, tmp_path_factory.mktemp("database"), clusters) as database:
            yield database.url

    return made


@pytest.fixture
def database_url(new_url: NewUrl) -> Iterator[str]:
    """An empty database of the test's own."""
    with new_url() as url:
        yield url


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory, new_url: NewUrl) -> Iterator[Server]:
    """One server for all tests that need nothing special of it; it must survive them, and its books too."""
    with new_url() as url:
        running = start_server(tmp_path_factory.mktemp("server"), database=url)
        yield running
        running.stop()
        found = drawdown("verify", "--database", url, "--json")
        assert found.code == 0, found.out


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
