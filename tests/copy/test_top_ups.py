"""Top-ups in a copy: the rule asks on from where it was, and a request is answered there."""

from __future__ import annotations

from pathlib import Path

import pytest

from drawdown.core.amounts import Amount
from drawdown.core.commands import CapTerms, ConfirmTopUp, CreateTopUp
from drawdown.core.types import Instant
from drawdown.core.watching.top_ups import CapPeriod
from drawdown.engine.clocks import ManualClock
from drawdown.opening import open_store
from tests.copy.test_passes import finished
from tests.support.books import (
    CREDITS,
    HOUR,
    START,
    Book,
    open_book,
    open_ledger_on,
    verified,
)

pytestmark = pytest.mark.anyio


async def test_a_top_up_goes_on_in_the_copy(path: Path, each_target: str) -> None:
    """The request in flight is confirmed there, and its cap goes on counting."""
    clock = ManualClock(START)
    ledger = open_ledger_on(await open_store(f"sqlite:///{path}"), clock)
    book = await open_book(ledger)
    customer = await book.customer()
    command = CreateTopUp(
        customer=customer,
        entitlement=CREDITS,
        threshold=Amount(0),
        amount=Amount(60),
        cap=CapTerms(Amount(100), CapPeriod.DAY),
    )
    made = (await ledger.apply(book.id, command)).top_up
    assert made is not None
    kept = await ledger.top_up(book.id, made.id)
    [request] = await ledger.top_up_requests(book.id, limit=5)
    await ledger.close()
    assert (await finished(path, each_target)).fault is None
    ledger = open_ledger_on(await open_store(each_target), clock)
    copied = Book(ledger, book.id)
    assert await ledger.top_up(book.id, made.id) == kept
    assert await ledger.top_up_request(book.id, request.id) == request
    await ledger.apply(book.id, ConfirmTopUp(request=request.id, reference="pay_1"))
    clock.instant = Instant(START + HOUR)
    await copied.debit(customer, 60)
    newest, _ = await ledger.top_up_requests(book.id, limit=5)
    assert (newest.amount, newest.id != request.id) == (40, True)
    await verified(ledger)
    await ledger.close()
