"""What a file's ledger remembers of names: only those that somebody has."""

from __future__ import annotations

from pathlib import Path

import pytest

from drawdown.core.amounts import Amount
from drawdown.core.commands import Debit
from drawdown.core.errors import CustomerNotFound
from drawdown.engine.clocks import ManualClock
from drawdown.store.sqlite.store import SqliteStore
from tests.support.books import CREDITS, open_book, open_ledger_on, render

pytestmark = pytest.mark.anyio


async def test_names_that_nobody_has_are_not_remembered(tmp_path: Path, clock: ManualClock) -> None:
    store = SqliteStore.open(tmp_path / "ledger.db")
    ledger = open_ledger_on(store, clock)
    book = await open_book(ledger)
    known = await book.customer()
    await book.grant(known, 5)

    async def debit(customer: str) -> None:
        command = Debit(customer=customer, entitlement=CREDITS, amount=Amount(1))
        await ledger.submit(book.id, command, render)

    for number in range(50):
        with pytest.raises(CustomerNotFound):
            await debit(f"nobody-{number}")
    await debit(known)
    assert {text for _, _, text in store._transaction.state.names} == {CREDITS, known}
    await ledger.close()
