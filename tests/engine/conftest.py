"""A ledger over each real database, with a clock that stands still and an observer of its batches."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from drawdown.engine.clocks import ManualClock
from drawdown.engine.ledger import Ledger
from tests.support.books import START, Book, Observed, open_book, open_ledger_on
from tests.support.stores import Database, database

__all__ = ["database"]


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


@pytest.fixture
async def book(ledger: Ledger, observed: Observed) -> Book:
    """A book on the ledger; what was done to make it is forgotten by the observer."""
    made = await open_book(ledger)
    observed.sizes.clear()
    return made
