"""A database of the newest PostgreSQL, for what does not differ between its versions."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.postgres import VERSIONS, Clusters


@pytest.fixture
def url(clusters: Clusters) -> Iterator[str]:
    with clusters.of(VERSIONS[-1]).database() as found:
        yield found
