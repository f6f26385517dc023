"""Fixtures of what is delivered: every kind of database (``tests.support.stores``)."""

from __future__ import annotations

import pytest

from tests.support.stores import database, store

__all__ = ["anyio_backend", "database", "store"]


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"
