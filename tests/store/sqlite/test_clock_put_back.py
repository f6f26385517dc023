"""A clock that is put back: the feed keeps the order in which things were done, and passes nothing over."""

from __future__ import annotations

from pathlib import Path

import pytest

from drawdown.core.types import Instant
from drawdown.engine.clocks import ManualClock
from drawdown.engine.ledger import Ledger
from drawdown.engine.positions import BEGINNING, Position
from drawdown.opening import open_store
from tests.support.books import SECOND, START, Book, open_book, open_ledger_on
from tests.support.commands import sqlite_url

pytestmark = pytest.mark.anyio


async def read(ledger: Ledger, book: Book, after: Position) -> tuple[list[str | None], Position]:
    """The customers that were made, one page after the other, and where the reader is then."""
    found: list[str | None] = []
    while True:
        page = await ledger.feed(after, books=frozenset({book.id}), limit=1)
        made = [each.operation for each in page.found if each.operation.kind == "customer"]
        found += [(await ledger.customer(book.id, each.customer)).own_id for each in made]
        after = page.end
        if not page.more:
            return found, after


async def test_nothing_is_passed_over_and_nothing_told_twice(tmp_path: Path) -> None:
    clock = ManualClock(START)
    ledger = open_ledger_on(await open_store(sqlite_url(tmp_path / "ledger.db")), clock)
    book = await open_book(ledger)
    for name, seconds in (("first", 1), ("ahead", 100), ("back", 50), ("on", 60)):
        clock.instant = Instant(START + seconds * SECOND)
        await book.customer(name)
    clock.instant = Instant(START + 70 * SECOND)
    found, place = await read(ledger, book, BEGINNING)
    assert found == ["first"]
    clock.instant = Instant(START + 110 * SECOND)
    assert (await read(ledger, book, place))[0] == ["ahead", "back", "on"]
    assert (await read(ledger, book, BEGINNING))[0] == ["first", "ahead", "back", "on"]
    await ledger.close()
