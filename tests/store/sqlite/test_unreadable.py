"""A file that cannot be read while a transaction is undone: whoever asks is told that it is unavailable."""

from __future__ import annotations

from pathlib import Path

import apsw
import pytest

from drawdown.engine.clocks import ManualClock
from drawdown.engine.ports import StoreUnavailable
from drawdown.store.sqlite.store import SqliteStore
from tests.support.books import START, open_book, open_ledger_on, verified

pytestmark = pytest.mark.anyio


def unreadable(cursor: apsw.Cursor, text: str, bindings: object) -> bool:
    if text.lstrip().startswith("SELECT"):
        raise apsw.IOError("disk I/O error")
    return True


async def test_a_disk_that_fails_for_a_while_is_no_fault_of_ours(tmp_path: Path) -> None:
    """And what is written once it is well follows what was written before."""
    store = SqliteStore(str(tmp_path / "ledger.db"))
    ledger = open_ledger_on(store, ManualClock(START))
    book = await open_book(ledger)
    customer = await book.customer()
    await book.grant(customer, 10)
    store._writer.exec_trace = unreadable
    with pytest.raises(StoreUnavailable):
        await book.customer()
    store._writer.exec_trace = None
    await book.debit(customer, 3)
    assert (await book.balance(customer)).posted == 7
    assert (await verified(ledger)).entries == 2
    await ledger.close()
