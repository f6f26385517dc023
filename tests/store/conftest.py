"""Fixtures of the contract that every store keeps (``tests.support.stores``)."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from drawdown.engine.clocks import ManualClock
from drawdown.engine.ledger import Ledger
from tests.support.books import START, Observed, open_ledger_on
from tests.support.stores import Database, database, store

__all__ = ["anyio_backend", "database", "store"]


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(START)


@pytest.fixture
def observed() -> Observed:
    return Observed()


@pytest.fixture
async def ledger(
    database: Database, clock: ManualClock, observed: Observed
) -> AsyncIterator[Ledger]:
    opened = open_ledger_on(await database.open(), clock, observer=observed)
    yield opened
    await opened.close()
