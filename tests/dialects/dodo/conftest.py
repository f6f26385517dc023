"""The SDK in both its forms on a fresh account, and a server whose clock can be set."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from drawdown.core.types import Instant
from tests.dialects.dodo.sdk import Dodo
from tests.support.clocked_server import ClockedServer, clocked_server
from tests.support.server import Tenant

#: 2026-01-01T00:00:00Z, before every time in ``recorded_requests.json``.
NEW_YEAR = Instant(1_767_225_600_000_000)


@pytest.fixture(params=["blocking", "async"])
def dodo(request: pytest.FixtureRequest, tenant: Tenant) -> Iterator[Dodo]:
    """The SDK with an editor's key of a fresh account's test book; each test runs with both forms."""
    client = Dodo(tenant.url, tenant.test.editor.secret, blocking=request.param == "blocking")
    yield client
    client.close()


@pytest.fixture
def clocked(database_url: str) -> Iterator[ClockedServer]:
    """A server of the test's own, on which it is New Year until the test says otherwise."""
    with clocked_server(database_url, NEW_YEAR) as running:
        yield running


@pytest.fixture
def timed(clocked: ClockedServer) -> Iterator[Dodo]:
    """The SDK on the server whose clock can be set."""
    client = Dodo(clocked.url, clocked.secret, blocking=True)
    yield client
    client.close()
