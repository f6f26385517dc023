"""An import that is ended between any two of its writes goes on as if it had not been."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import cast

import pytest

from drawdown.core.types import Id, Mode
from drawdown.dialects.stripe import imported
from drawdown.engine.clocks import SystemClock, TimeOrderedIds
from drawdown.engine.ledger import Ledger
from drawdown.engine.ports import CustomerFilter, DocumentFilter, Store, StoreUnavailable
from drawdown.importing.pages import Folder
from drawdown.importing.stripe.places import PAGES
from drawdown.importing.stripe.proving import check, prove
from drawdown.importing.stripe.writing import Writer
from tests.importing.dying import Dying
from tests.importing.stripe.saved import an_account
from tests.support.postgres import Clusters
from tests.support.stores import DATABASES, SPREAD, Database, OpenedByUrl, new_database, opened

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


def unheard(name: str, count: int) -> None:
    """Nobody listens."""


async def bring(store: Store, folder: Path) -> bool:
    """Whether all of it is there, and equal."""
    ledger = Ledger(store, SystemClock(), TimeOrderedIds())
    ledger.open(jobs=False)
    try:
        book = await book_of(ledger)
        account, checked = check(Folder(folder, PAGES), ledger.clock.now(), unheard)
        await Writer(ledger, book, account, unheard).write()
        report = await prove(ledger, book, account, checked, unheard)
    finally:
        await ledger.close()
    return report.is_equal


async def book_of(ledger: Ledger) -> Id:
    if not await ledger.accounts.accounts():
        await ledger.accounts.create_account("default")
    [account] = await ledger.accounts.accounts()
    return await ledger.accounts.book(account.id, Mode.TEST)


async def count(store: Store) -> tuple[int, ...]:
    """Wallets, entries, operations of customers, and the documents; all of it adds up."""
    ledger = Ledger(store, SystemClock(), TimeOrderedIds())
    book = await book_of(ledger)
    verified = [(each.wallets, each.entries) async for each in ledger.verify()]
    people = await ledger.customers(CustomerFilter(book=book, limit=100))
    operations = [each async for each in store.walk_operations(book, [one.id for one in people])]
    kept = [
        len(await ledger.documents(DocumentFilter(book=book, kind=kind, limit=1_000)))
        for kind in (imported.TRANSACTION, imported.PLACE)
    ]
    closed = sum(each.closed_at is not None for each in people)
    return *verified[-1], len(operations), *kept, len(people), closed


async def whole(database: Database, folder: Path) -> tuple[int, ...]:
    assert await bring(await database.open(), folder)
    async with opened(database) as store:
        return await count(store)


@pytest.mark.parametrize("unsaid", [False, True], ids=["said", "unsaid"])
async def test_an_end_after_any_write_changes_nothing(tmp_path: Path, unsaid: bool) -> None:
    """Ended after each transaction in turn, told of it or not, and run again: all is there, once."""
    folder = an_account().save(tmp_path / "saved")
    expected = await whole(a_file(tmp_path / "whole"), folder)
    assert expected[-2:] == (5, 1)
    for transactions in range(1, 1_000):
        database = a_file(tmp_path / str(transactions))
        dying = Dying(await database.open(), transactions, unsaid=unsaid)
        await bring_as_far_as_it_goes(dying, folder)
        assert await whole(database, folder) == expected
        if not dying.died:
            break
    assert 5 < transactions < 1_000


async def bring_as_far_as_it_goes(dying: Dying, folder: Path) -> None:
    try:
        assert await bring(cast(Store, dying), folder)
    except StoreUnavailable:
        assert dying.died


@pytest.fixture(params=[SPREAD, DATABASES[-1]])
def database(
    request: pytest.FixtureRequest, tmp_path: Path, clusters: Clusters
) -> Iterator[Database]:
    with new_database(request.param, tmp_path, clusters) as found:
        yield found


async def test_what_is_asked_twice_is_done_once_on_every_store(
    tmp_path: Path, database: Database
) -> None:
    """Wherever what a name leads to is kept: nothing is made a second time."""
    folder = an_account().save(tmp_path / "saved")
    expected = await whole(a_file(tmp_path / "whole"), folder)
    assert await whole(database, folder) == expected
    assert await whole(database, folder) == expected


def a_file(folder: Path) -> Database:
    folder.mkdir()
    return OpenedByUrl(f"sqlite:///{folder / 'ledger.db'}")
