"""The dialect in this process, on SQLite and on a spread store; a file may name others of the stores."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from tests.dialects.sequence.meaning.world import World, opened_world
from tests.support.books import verified
from tests.support.postgres import Clusters
from tests.support.stores import SPREAD, SQLITE, Database, new_database


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(params=(SQLITE, SPREAD))
def database(
    request: pytest.FixtureRequest, tmp_path: Path, clusters: Clusters
) -> Iterator[Database]:
    with new_database(request.param, tmp_path, clusters) as found:
        yield found


@pytest.fixture
async def world(database: Database) -> AsyncIterator[World]:
    """In the end the ledger finds nothing wrong with itself."""
    async with opened_world(database) as found:
        yield found
        await verified(found.ledger)
