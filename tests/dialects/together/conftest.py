"""Clients of all four dialects on a server on SQLite: what is shown does not depend on the store."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.dialects.together.four import Four
from tests.support.server import Server, start_server


@pytest.fixture(scope="session")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    running = start_server(tmp_path_factory.mktemp("together"))
    yield running
    running.stop()


@pytest.fixture
def four(shared: Server) -> Iterator[Four]:
    """With the editor's key of a fresh account's test book."""
    opened = Four(shared.tenant())
    yield opened
    opened.close()
