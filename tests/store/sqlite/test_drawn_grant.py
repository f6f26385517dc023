"""What remains of the grant drawn last stands in its wallet's row: no reader can tell."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import apsw
import pytest

from drawdown.core.amounts import Amount
from drawdown.core.commands import AmendGrant, Authorize, VoidGrant
from drawdown.core.fold import Fault
from drawdown.core.types import Grant, Instant
from drawdown.engine.clocks import ManualClock
from drawdown.store.sqlite.store import SqliteStore
from tests.support.books import CREDITS, HOUR, START, Book, open_book, open_ledger_on, verified

pytestmark = pytest.mark.anyio

CUSTOMER = "customer"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "ledger.db"


@pytest.fixture
async def book(path: Path) -> AsyncIterator[Book]:
    ledger = open_ledger_on(SqliteStore(str(path)), ManualClock(START))
    made = await open_book(ledger)
    await made.customer(CUSTOMER)
    yield made
    await ledger.close()


def in_row(path: Path, grant: Grant) -> int:
    """What the grant's own row says of what remains."""
    connection = apsw.Connection(str(path))
    remaining = connection.execute(
        "SELECT remaining FROM credit_grant WHERE id = ?", (grant.id,)
    ).get
    connection.close()
    assert isinstance(remaining, int)
    return remaining


async def as_read(book: Book, grant: Grant) -> tuple[int, int, bool]:
    """The grant by itself and in a list, which must be the same."""
    one = await book.ledger.grant(book.id, grant.id)
    listed = await book.ledger.grants(book.id, customer=CUSTOMER, limit=10)
    assert one in listed
    return one.remaining, one.used, one.drawn


async def test_a_debit_leaves_the_grants_row_as_it_is(book: Book, path: Path) -> None:
    grant = await book.grant(CUSTOMER, 10)
    for _ in range(2):
        await book.debit(CUSTOMER, 3)
    assert in_row(path, grant) == 10
    assert await as_read(book, grant) == (4, 6, True)
    await verified(book.ledger)


async def test_another_process_goes_on_from_what_remains(book: Book, path: Path) -> None:
    grant = await book.grant(CUSTOMER, 10)
    await book.debit(CUSTOMER, 3)
    second = open_ledger_on(SqliteStore(str(path)), ManualClock(START))
    await Book(second, book.id).debit(CUSTOMER, 3)
    assert await as_read(book, grant) == (4, 6, True)
    await book.debit(CUSTOMER, 4)
    assert await as_read(book, grant) == (0, 10, True)
    await verified(second)
    await second.close()


async def _draw_another(book: Book, grant: Grant) -> None:
    await book.grant(CUSTOMER, 5, priority=0)
    await book.debit(CUSTOMER, 1)


async def _hold(book: Book, grant: Grant) -> None:
    command = Authorize(customer=CUSTOMER, entitlement=CREDITS, amount=Amount(1))
    await book.ledger.apply(book.id, command)


async def _grant(book: Book, grant: Grant) -> None:
    await book.grant(CUSTOMER, 5)


async def _amend(book: Book, grant: Grant) -> None:
    later = Instant(START + HOUR)
    await book.ledger.apply(book.id, AmendGrant(grant=grant.id, expires_at=later))


@pytest.mark.parametrize("what", [_draw_another, _hold, _grant, _amend])
async def test_whatever_else_happens_to_the_wallet_brings_the_row_up_to_date(
    book: Book, path: Path, what: Callable[[Book, Grant], Awaitable[None]]
) -> None:
    grant = await book.grant(CUSTOMER, 10)
    await book.debit(CUSTOMER, 3)
    await what(book, grant)
    assert in_row(path, grant) == 7
    assert await as_read(book, grant) == (7, 3, True)
    await verified(book.ledger)


async def test_a_voided_grant_has_used_what_was_drawn(book: Book, path: Path) -> None:
    grant = await book.grant(CUSTOMER, 10)
    await book.debit(CUSTOMER, 3)
    await book.ledger.apply(book.id, VoidGrant(grant=grant.id))
    assert in_row(path, grant) == 0
    assert await as_read(book, grant) == (0, 3, True)
    await verified(book.ledger)


async def test_a_debit_over_two_grants_shows_the_one_that_is_left(book: Book, path: Path) -> None:
    first, second = [await book.grant(CUSTOMER, 5, priority=place) for place in (1, 2)]
    await book.debit(CUSTOMER, 1)
    await book.debit(CUSTOMER, 6)
    assert [in_row(path, grant) for grant in (first, second)] == [0, 5]
    assert await as_read(book, first) == (0, 5, True)
    assert await as_read(book, second) == (3, 2, True)
    await verified(book.ledger)


@pytest.mark.parametrize(
    "change", ["drawn_remaining = 8", "drawn_grant = NULL, drawn_remaining = NULL"]
)
async def test_what_a_wallet_says_of_its_grant_is_verified(
    book: Book, path: Path, change: str
) -> None:
    await book.grant(CUSTOMER, 10)
    await book.debit(CUSTOMER, 3)
    connection = apsw.Connection(str(path))
    connection.execute(f"UPDATE wallet SET {change}")
    connection.close()
    with pytest.raises(Fault, match="grant"):
        await verified(book.ledger)
