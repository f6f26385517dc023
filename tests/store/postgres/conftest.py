"""A database of the newest PostgreSQL, for what does not differ between its versions."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.postgres import VERSIONS, Clusters
from tests.support.spread import spread_database
from tests.support.transactions import Recorder


@pytest.fixture
def url(clusters: Clusters) -> Iterator[str]:
    with clusters.of(VERSIONS[-1]).database() as found:
        yield found


@pytest.fixture(params=VERSIONS)
def spread_url(request: pytest.FixtureRequest, clusters: Clusters) -> Iterator[str]:
    """An empty database that looks as if Citus had spread it."""
    with spread_database(clusters, request.param) as found:
        yield found


@pytest.fixture
def recorder() -> Iterator[Recorder]:
    """Of what is said while it listens nothing may be about two shards."""
    recording = Recorder()
    yield recording
    assert recording.transactions
    assert recording.faults() == []
