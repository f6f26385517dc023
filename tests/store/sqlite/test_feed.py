"""A page of the feed that ends with what was asked for says so, and nothing behind it is read in vain."""

from __future__ import annotations

from pathlib import Path

import pytest

from drawdown.core.commands import Command, CreateCustomer
from drawdown.core.requests import Accepted, Answer
from drawdown.core.types import Instant
from drawdown.engine.clocks import ManualClock
from drawdown.engine.positions import since
from drawdown.opening import open_store
from tests.support.books import SECOND, START, open_book, open_ledger_on
from tests.support.commands import sqlite_url

pytestmark = pytest.mark.anyio


def nothing(accepted: Accepted) -> Answer:
    return Answer(status=200, body=b"")


async def test_all_of_one_instant_is_a_page_behind_which_there_is_no_more_of_it(
    tmp_path: Path,
) -> None:
    """Also where much more was recorded later, and where all of that instant is more than a page."""
    clock = ManualClock(START)
    ledger = open_ledger_on(await open_store(sqlite_url(tmp_path / "ledger.db")), clock)
    book = await open_book(ledger)
    made: Command = CreateCustomer()
    for seconds in (1, 2, 3):
        clock.instant = Instant(START + seconds * SECOND)
        await ledger.submit_many(book.id, [(made, nothing, None)] * 20)
    for seconds, more in ((1, False), (2, True)):
        page = await ledger.recorded(
            since(Instant(START + SECOND)),
            book=book.id,
            until=Instant(START + seconds * SECOND),
            limit=5,
        )
        assert (len(page.found), page.more) == (20, more)
    await ledger.close()
