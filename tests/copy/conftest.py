"""A ledger in a file, and an empty database to copy it into."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.postgres import VERSIONS, Clusters


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "ledger.db"


@pytest.fixture
def target(clusters: Clusters) -> Iterator[str]:
    """In the newest PostgreSQL, for what does not differ between its versions."""
    with clusters.of(VERSIONS[-1]).database("template0") as url:
        yield url


@pytest.fixture(params=VERSIONS)
def each_target(request: pytest.FixtureRequest, clusters: Clusters) -> Iterator[str]:
    with clusters.of(request.param).database("template0") as url:
        yield url
