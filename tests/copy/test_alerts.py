"""Alerts in a copy: each fires, or is silent, as it would have where it was."""

from __future__ import annotations

from pathlib import Path

import pytest

from drawdown.core.amounts import Amount
from drawdown.core.commands import CloseAlert, CreateAlert
from drawdown.core.types import AlertKind
from drawdown.engine.clocks import ManualClock
from drawdown.opening import open_store
from tests.copy.test_passes import finished
from tests.store.test_alerts import alert, told
from tests.support.books import CREDITS, START, Book, open_book, open_ledger_on, verified

pytestmark = pytest.mark.anyio


async def test_what_has_fired_is_silent_in_the_copy_until_it_is_crossed_again(
    path: Path, each_target: str
) -> None:
    clock = ManualClock(START)
    ledger = open_ledger_on(await open_store(f"sqlite:///{path}"), clock)
    book = await open_book(ledger)
    customer = await book.customer()
    own = await alert(book, AlertKind.AVAILABLE_BELOW, customer, amount=50)
    for_all = await alert(book, AlertKind.AVAILABLE_BELOW, percent=10)
    closed = await alert(book, AlertKind.AVAILABLE_BELOW, amount=70)
    await ledger.apply(book.id, CloseAlert(alert=closed.id))
    await book.grant(customer, 100)
    await book.debit(customer, 50)
    before = await told(book, clock)
    assert before == [(own.id, 0, 50)]
    await ledger.close()
    assert (await finished(path, each_target)).fault is None
    ledger = open_ledger_on(await open_store(each_target), clock)
    copied = Book(ledger, book.id)
    assert await ledger.alert(book.id, own.id) == own
    assert (await ledger.alert(book.id, closed.id)).closed_at == START
    await copied.debit(customer, 40)
    assert await told(copied, clock) == [*before, (for_all.id, 0, 10)]
    for each in (own, for_all):
        await ledger.apply(book.id, CloseAlert(alert=each.id))
    more = CreateAlert(entitlement=CREDITS, kind=AlertKind.USED_ABOVE, amount=Amount(91))
    await ledger.apply(book.id, more)
    await copied.debit(customer, 1)
    assert len(await told(copied, clock)) == 3
    await verified(ledger)
    await ledger.close()
