"""Pages of usage events reach every event, however deep, and say so where they would not: on every store."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from drawdown.core.amounts import Amount
from drawdown.core.commands import RecordUsage
from drawdown.core.types import MICROSECONDS, Id, Instant
from drawdown.core.usage.filters import filter_of
from drawdown.core.usage.meters import Aggregation, Measure
from drawdown.dialects.dodo.errors import QueryInvalid
from drawdown.dialects.dodo.usage.event_pages import page_of
from drawdown.engine.clocks import ManualClock
from drawdown.engine.ledger import Ledger
from tests.support.books import START, Book, open_book, open_ledger_on
from tests.support.stores import Database, database

__all__ = ["database"]
pytestmark = pytest.mark.anyio
EVENTS = 53


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
async def book(database: Database) -> AsyncIterator[Book]:
    """Events ``0`` to ``52`` of two customers, a second apart; every third is named otherwise."""
    ledger = open_ledger_on(await database.open(), ManualClock(START))
    book = await open_book(ledger)
    customers = [await book.customer(), await book.customer()]
    for number in range(EVENTS):
        command = RecordUsage(
            customer=customers[number % 2],
            own_id=str(number),
            name="call" if number % 3 else "other",
            time=at(number),
            properties={"n": Amount(number)},
        )
        await ledger.apply(book.id, command)
    yield book
    await ledger.close()


def at(number: int) -> Instant:
    return Instant(START + (number - EVENTS) * MICROSECONDS)


async def walked(book: Book, measure: Measure | None = None, **asked: Any) -> list[int]:
    """Page after page until one is empty, as the SDKs' pagers go."""
    found: list[int] = []
    while page := await page_of(
        book.ledger, book.id, asked, measure, first=len(found), size=4, step=10
    ):
        found += [int(each.own_id) for each in page]
    return found


async def test_pages_one_after_the_other_have_every_event_once(book: Book) -> None:
    newest_first = list(range(EVENTS - 1, -1, -1))
    assert await walked(book) == newest_first
    assert await walked(book, name="call") == [each for each in newest_first if each % 3]
    assert await walked(book, since=at(7), until=at(41)) == list(range(40, 6, -1))
    [event] = await book.ledger.usage_events(book.id, limit=1)
    one = await walked(book, customer=event.customer, name="other")
    assert one == [each for each in newest_first if not each % 3 and not each % 2]


async def test_pages_of_what_a_filter_lets_pass_leave_nothing_out(book: Book) -> None:
    tree = filter_of({"or": [{"property": "n", "op": "lt", "value": Amount(9)}, ODD_ONE]})
    measure = Measure(event_name="call", aggregation=Aggregation.COUNT, filter=tree)
    expected = [47, *range(8, -1, -1)]
    assert await walked(book, measure) == expected
    assert await walked(book, measure, name="call") == [each for each in expected if each % 3]
    assert await walked(book, measure, until=at(5)) == [4, 3, 2, 1, 0]
    no_filter = Measure(event_name="call", aggregation=Aggregation.COUNT)
    assert len(await walked(book, no_filter)) == EVENTS


ODD_ONE = {"property": "n", "op": "eq", "value": Amount(47)}


async def test_a_page_that_is_too_deep_is_refused_and_not_empty(book: Book) -> None:
    tree = filter_of({"property": "n", "op": "gte", "value": Amount(50)})
    measure = Measure(event_name="call", aggregation=Aggregation.COUNT, filter=tree)
    shallow: dict[str, Any] = {"step": 10, "depth": 30}
    ask: tuple[Ledger, Id, dict[str, Any]] = (book.ledger, book.id, {})
    assert len(await page_of(*ask, None, first=39, size=4, **shallow)) == 4
    with pytest.raises(QueryInvalid, match="page_number"):
        await page_of(*ask, None, first=40, size=4, **shallow)
    assert len(await page_of(*ask, measure, first=0, size=3, **shallow)) == 3
    with pytest.raises(QueryInvalid, match="start or end"):
        await page_of(*ask, measure, first=0, size=4, **shallow)
    assert await page_of(*ask, None, first=10_000, size=4, step=100, depth=10_000) == []
    assert await page_of(*ask, measure, first=0, size=0, depth=0) == []
