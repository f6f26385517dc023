"""Test clocks in a copy: they go on where they were."""

from __future__ import annotations

from pathlib import Path

import pytest

from drawdown.core.commands import AdvanceTestClock
from drawdown.core.types import DAY, Instant
from drawdown.engine.clocks import ManualClock
from drawdown.opening import open_store
from tests.copy.test_passes import finished
from tests.store.test_clocks import FUTURE, advance, new_clock
from tests.support.books import START, Book, open_book, open_ledger_on

pytestmark = pytest.mark.anyio


async def test_an_advance_goes_on_in_the_copy(path: Path, each_target: str) -> None:
    wall, to = ManualClock(START), Instant(FUTURE + 2 * DAY)
    ledger = open_ledger_on(await open_store(f"sqlite:///{path}"), wall)
    book = await open_book(ledger)
    clock = await new_clock(book)
    customer = await book.customer(test_clock=clock)
    await book.grant(customer, 5, expires_at=Instant(FUTURE + DAY))
    await ledger.apply(book.id, AdvanceTestClock(clock=clock, to=to))
    await ledger.close()
    assert (await finished(path, each_target)).fault is None
    copied = Book(open_ledger_on(await open_store(each_target), wall), book.id)
    found = await copied.ledger.test_clocks.find(book.id, clock)
    assert (found.frozen_at, found.target) == (FUTURE, to)
    await advance(copied, clock, to)
    balance = await copied.balance(customer)
    assert (balance.available, balance.expired, balance.as_of) == (0, 5, to)
    await copied.ledger.close()
