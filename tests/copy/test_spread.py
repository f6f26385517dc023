"""A file is copied into a spread database, where customers and their names are in different shards."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from drawdown.core.errors import AlreadyExists
from drawdown.engine.clocks import ManualClock
from drawdown.opening import open_store
from drawdown.store.postgres.citus import CitusStore
from tests.support.books import START, Book, open_book, open_ledger_on, verified
from tests.support.commands import drawdown
from tests.support.postgres import Clusters
from tests.support.spread import spread_database

pytestmark = pytest.mark.anyio

CUSTOMERS = tuple(f"customer-{number}" for number in range(12))


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


async def filled(url: str) -> Book:
    """A ledger in a file, closed again, whose customers live in slots that were drawn."""
    ledger = open_ledger_on(await open_store(url), ManualClock(START))
    book = await open_book(ledger)
    for customer in CUSTOMERS:
        await book.customer(customer)
        await book.grant(customer, 10)
        await book.debit(customer, 1, key=f"debit of {customer}")
    await ledger.close()
    return book


async def test_a_ledger_from_a_file_goes_on_in_a_spread_database(
    tmp_path: Path, clusters: Clusters
) -> None:
    """Its keys are known, its names are taken, its customers are found by them."""
    source = f"sqlite:///{tmp_path / 'ledger.db'}"
    book = await filled(source)
    with spread_database(clusters) as url:
        words = ("copy", "--from", source, "--to", url, "--finish")
        done = await asyncio.to_thread(drawdown, *words)
        assert done.code == 0, done.err
        store = await open_store(url)
        assert isinstance(store, CitusStore)
        book.ledger = open_ledger_on(store, ManualClock(START))
        for customer in CUSTOMERS:
            assert (await book.debit(customer, 1, key=f"debit of {customer}")).replayed
            await book.debit(customer, 3)
            assert (await book.balance(customer)).posted == 6
            with pytest.raises(AlreadyExists):
                await book.customer(customer)
        await verified(book.ledger)
        await book.ledger.close()
