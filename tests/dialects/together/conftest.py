"""One account, and a client of each dialect."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.dialects.together.four import Four
from tests.support.server import Tenant


@pytest.fixture
def four(tenant: Tenant) -> Iterator[Four]:
    """With the editor's key of a fresh account's test book, on each kind of database."""
    opened = Four(tenant)
    yield opened
    opened.close()
