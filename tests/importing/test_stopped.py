"""An import that is ended between any two of its writes goes on as if it had not been."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple, cast

import pytest

from drawdown.core.state import CUSTOMER_ALIAS
from drawdown.core.types import Id, Mode
from drawdown.dialects.dodo.credit import imported as dodo_imported
from drawdown.dialects.sequence import imported as sequence_imported
from drawdown.dialects.sequence.usage.kept import METRICS
from drawdown.dialects.stripe import imported as stripe_imported
from drawdown.engine.clocks import SystemClock, TimeOrderedIds
from drawdown.engine.ledger import Ledger
from drawdown.engine.ports import CustomerFilter, DocumentFilter, Store, StoreUnavailable
from drawdown.importing.dodo.vendor import DODO
from drawdown.importing.moving import Vendor
from drawdown.importing.pages import Folder
from drawdown.importing.sequence.vendor import SEQUENCE
from drawdown.importing.stripe.vendor import STRIPE
from drawdown.naming import NAMING
from tests.importing.dying import Dying
from tests.importing.saved import an_account as a_dodo_account
from tests.importing.sequence.saved import an_account as a_sequence_account
from tests.importing.stripe.saved import an_account as a_stripe_account
from tests.support.postgres import Clusters
from tests.support.stores import DATABASES, SPREAD, Database, OpenedByUrl, new_database, opened

pytestmark = pytest.mark.anyio


class Moving(NamedTuple):
    """Who is moved from: an account, the documents that it leaves, its people, and who is gone of them."""

    vendor: Vendor[Any]
    save: Callable[[Path], Path]
    kinds: tuple[str, ...]
    people: int
    gone: int


MOVING = [
    pytest.param(
        Moving(DODO, lambda path: a_dodo_account().save(path), (dodo_imported.ENTRY,), 4, 0),
        id="dodo",
    ),
    pytest.param(
        Moving(
            STRIPE,
            lambda path: a_stripe_account().save(path),
            (stripe_imported.TRANSACTION, stripe_imported.PLACE),
            5,
            1,
        ),
        id="stripe",
    ),
    pytest.param(
        Moving(
            SEQUENCE,
            lambda path: a_sequence_account().save(path),
            (
                sequence_imported.TRANSACTION,
                sequence_imported.PLACE,
                CUSTOMER_ALIAS,
                METRICS.kind,
            ),
            5,
            1,
        ),
        id="sequence",
    ),
]


@pytest.fixture(params=MOVING)
def moving(request: pytest.FixtureRequest) -> Moving:
    found: Moving = request.param
    return found


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


def unheard(name: str, count: int) -> None:
    """Nobody listens."""


async def bring(moving: Moving, store: Store, folder: Path) -> bool:
    """Whether all of it is there, and equal."""
    ledger, vendor = Ledger(store, SystemClock(), TimeOrderedIds()), moving.vendor
    ledger.open(jobs=False)
    try:
        book = await book_of(ledger)
        pages = Folder(folder, vendor.pages)
        account, checked = vendor.check(pages, ledger.clock.now(), unheard)
        await vendor.write(ledger, book, account, unheard)
        report = await vendor.prove(ledger, book, account, checked, unheard)
    finally:
        await ledger.close()
    return report.is_equal


async def book_of(ledger: Ledger) -> Id:
    if not await ledger.accounts.accounts():
        await ledger.accounts.create_account("default")
    [account] = await ledger.accounts.accounts()
    return await ledger.accounts.book(account.id, Mode.TEST)


async def count(moving: Moving, store: Store) -> tuple[int, ...]:
    """Wallets, entries, operations of customers, documents, people and the gone; all of it adds up."""
    ledger = Ledger(store, SystemClock(), TimeOrderedIds())
    book = await book_of(ledger)
    verified = [(each.wallets, each.entries) async for each in ledger.verify(NAMING)]
    people = await ledger.customers(CustomerFilter(book=book, limit=100))
    operations = [each async for each in store.walk_operations(book, [one.id for one in people])]
    kept = [
        len(await ledger.documents(DocumentFilter(book=book, kind=kind, limit=1_000)))
        for kind in moving.kinds
    ]
    closed = sum(each.closed_at is not None for each in people)
    kinds = await ledger.entitlements(book, limit=100)
    ended = sum(each.closed_at is not None for each in kinds)
    return *verified[-1], len(operations), *kept, len(kinds), ended, len(people), closed


async def whole(moving: Moving, database: Database, folder: Path) -> tuple[int, ...]:
    assert await bring(moving, await database.open(), folder)
    async with opened(database) as store:
        return await count(moving, store)


@pytest.mark.parametrize("unsaid", [False, True], ids=["said", "unsaid"])
async def test_an_end_after_any_write_changes_nothing(
    tmp_path: Path, moving: Moving, unsaid: bool
) -> None:
    """Ended after each transaction in turn, told of it or not, and run again: all is there, once."""
    folder = moving.save(tmp_path / "saved")
    expected = await whole(moving, a_file(tmp_path / "whole"), folder)
    assert expected[-2:] == (moving.people, moving.gone)
    for transactions in range(1, 1_000):
        database = a_file(tmp_path / str(transactions))
        dying = Dying(await database.open(), transactions, unsaid=unsaid)
        await bring_as_far_as_it_goes(moving, dying, folder)
        assert await whole(moving, database, folder) == expected
        if not dying.died:
            break
    assert 5 < transactions < 1_000


async def bring_as_far_as_it_goes(moving: Moving, dying: Dying, folder: Path) -> None:
    try:
        assert await bring(moving, cast(Store, dying), folder)
    except StoreUnavailable:
        assert dying.died


@pytest.fixture(params=[SPREAD, DATABASES[-1]])
def database(
    request: pytest.FixtureRequest, tmp_path: Path, clusters: Clusters
) -> Iterator[Database]:
    with new_database(request.param, tmp_path, clusters) as found:
        yield found


async def test_what_is_asked_twice_is_done_once_on_every_store(
    tmp_path: Path, moving: Moving, database: Database
) -> None:
    """Wherever what a name leads to is kept: nothing is made a second time."""
    folder = moving.save(tmp_path / "saved")
    expected = await whole(moving, a_file(tmp_path / "whole"), folder)
    assert await whole(moving, database, folder) == expected
    assert await whole(moving, database, folder) == expected


def a_file(folder: Path) -> Database:
    folder.mkdir()
    return OpenedByUrl(f"sqlite:///{folder / 'ledger.db'}")
