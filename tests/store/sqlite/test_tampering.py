"""`verify` finds what somebody, or a disk, changed behind the ledger's back."""

from __future__ import annotations

from pathlib import Path

import apsw
import pytest

from drawdown.core.amounts import Amount
from drawdown.core.commands import Authorize, Debit, Release, ReverseDebit
from drawdown.core.fold import Fault
from drawdown.core.types import Instant
from drawdown.engine.clocks import ManualClock
from drawdown.engine.ledger import Ledger
from drawdown.store.sqlite.store import SqliteStore
from tests.support.books import CREDITS, HOUR, START, open_book, open_ledger_on, verified

pytestmark = pytest.mark.anyio

#: What is done to the file, and what the fault must speak of.
TAMPERINGS = {
    "UPDATE wallet SET used = used + 1, posted = posted - 1": "posted",
    "UPDATE wallet SET pending = pending + 1, posted = posted - 1": "posted",
    "UPDATE wallet SET open_grants = open_grants + 1": "open",
    "UPDATE wallet SET overage = 1": "overage",
    "UPDATE wallet SET chain = zeroblob(32)": "chain",
    "UPDATE wallet SET seq = seq + 1": "seq",
    "UPDATE wallet SET head = 0": "seq|posted|granted",
    "DELETE FROM wallet": "entries are kept",
    "UPDATE credit_grant SET remaining = remaining + 1, used = used - 1 WHERE used > 0": "remaining",
    "UPDATE credit_grant SET amount = amount + 1, remaining = remaining + 1": "amount",
    "UPDATE credit_grant SET pending = 1 - pending": "pending",
    "UPDATE credit_grant SET category = 'stolen'": "cannot be read.*stolen",
    "UPDATE credit_grant SET metadata = '{'": "cannot be read",
    "UPDATE entry SET kind = 'stolen' WHERE number = 2": "cannot be read.*stolen",
    "DELETE FROM credit_grant WHERE id = (SELECT min(id) FROM credit_grant)": "grants",
    "UPDATE entry SET amount = amount + 1 WHERE number = 3": "entry 3",
    "UPDATE entry SET at = at + 1 WHERE number = 2": "hash",
    "UPDATE entry SET recorded_at = 0 WHERE number = 2": "hash",
    "UPDATE entry SET kind = 'expired' WHERE number = 3": "entry 3|expired",
    "UPDATE entry SET hash = zeroblob(32) WHERE number = 4": "hash",
    "UPDATE entry SET posted_before = posted_before + 1 WHERE number = 4": "entry 4",
    "DELETE FROM entry WHERE number = 1": "entry 2|entries",
    "DELETE FROM entry WHERE number = 3": "entry|entries",
    "UPDATE operation SET entries = entries + 1 WHERE number = 4": "operations",
    "INSERT INTO entry SELECT 99, wallet, operation, 0, 0, 9, grant_id, kind, 1, 0, 0, 0, 0, 0, 0,"
    " 0, 0, 0, 0, zeroblob(32), NULL FROM entry WHERE number = 1": "entries are kept",
    "UPDATE wallet SET held = held - 1": "held",
    "UPDATE wallet SET open_holds = open_holds + 1": "holds are open",
    "UPDATE credit_grant SET held = held - 1 WHERE held > 0": "held",
    "UPDATE entry SET held_after = held_after + 1 WHERE kind = 'held'": "entry",
    "UPDATE hold SET slices = '{}' WHERE state = 'open'": "slices",
    "UPDATE hold SET held = held - 1 WHERE state = 'open'": "slices",
    "UPDATE hold SET slices = replace(slices, ':1', ':2') WHERE state = 'open'": "slices",
    "UPDATE hold SET state = 'released', due_at = NULL WHERE state = 'open'": "is held",
    "UPDATE hold SET held = 1 WHERE state = 'released'": "have ended",
    "DELETE FROM hold WHERE state = 'open'": "is held",
}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "ledger.db"


async def busy(path: Path) -> Ledger:
    """A ledger whose one wallet has seen most kinds of movement."""
    ledger = open_ledger_on(SqliteStore.open(path), ManualClock(START))
    book = await open_book(ledger)
    customer = await book.customer()
    await book.grant(customer, 5)
    await book.grant(customer, 50, effective_at=Instant(START + HOUR))
    spend = Debit(customer=customer, entitlement=CREDITS, amount=Amount(3))
    spent = await ledger.apply(book.id, spend)
    assert spent.operation is not None
    await ledger.apply(book.id, ReverseDebit(debit=spent.operation.id, amount=Amount(1)))
    hold = Authorize(customer=customer, entitlement=CREDITS, amount=Amount(1))
    await ledger.apply(book.id, hold)
    held = await ledger.apply(book.id, hold)
    assert held.hold is not None
    await ledger.apply(book.id, Release(hold=held.hold.id))
    return ledger


async def test_an_untouched_ledger_is_in_order(path: Path) -> None:
    ledger = await busy(path)
    end = await verified(ledger)
    assert (end.wallets, end.entries) == (1, 7)
    totals = end.totals[CREDITS]
    assert (totals.granted, totals.posted, totals.pending, totals.used) == (55, 3, 50, 2)
    await ledger.close()


@pytest.mark.parametrize("tampering", TAMPERINGS)
async def test_a_change_behind_its_back_is_found(path: Path, tampering: str) -> None:
    ledger = await busy(path)
    connection = apsw.Connection(str(path))
    connection.execute(tampering)
    assert connection.changes() > 0
    connection.close()
    with pytest.raises(Fault, match=TAMPERINGS[tampering]):
        await verified(ledger)
    await ledger.close()


async def test_a_damaged_page_is_found(path: Path) -> None:
    """A page of an index, which no balance is computed from."""
    await (await busy(path)).close()
    connection = apsw.Connection(str(path))
    connection.execute("PRAGMA wal_checkpoint(truncate)")
    root = connection.execute(
        "SELECT rootpage FROM sqlite_schema WHERE name = 'credit_grant_by_book'"
    ).get
    size = connection.pragma("page_size")
    connection.close()
    spoil(path, (root - 1) * size)
    ledger = open_ledger_on(SqliteStore.open(path), ManualClock(START))
    with pytest.raises(Fault, match="damaged"):
        await verified(ledger)
    await ledger.close()


def spoil(path: Path, offset: int) -> None:
    with path.open("r+b") as file:
        file.seek(offset)
        file.write(b"\xff" * 64)
