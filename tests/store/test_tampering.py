"""`verify` finds what somebody, or a disk, changed behind the ledger's back, on every store."""

from __future__ import annotations

import pytest

from drawdown.core.amounts import Amount
from drawdown.core.commands import Authorize, Debit, Release, ReverseDebit
from drawdown.core.fold import Fault
from drawdown.core.types import Instant
from drawdown.engine.clocks import ManualClock
from drawdown.engine.ledger import Ledger
from drawdown.opening import is_postgres
from tests.support.books import CREDITS, HOUR, START, open_book, open_ledger_on, verified
from tests.support.stores import Database, tamper

pytestmark = pytest.mark.anyio

#: What is done to the database, and what the fault must speak of. ``ZEROS`` are 32 bytes.
TAMPERINGS = {
    "UPDATE wallet SET used = used + 1, posted = posted - 1": "posted",
    "UPDATE wallet SET pending = pending + 1, posted = posted - 1": "posted",
    "UPDATE wallet SET open_grants = open_grants + 1": "open",
    "UPDATE wallet SET overage = 1": "overage",
    "UPDATE wallet SET chain = ZEROS": "chain",
    "UPDATE wallet SET seq = seq + 1": "seq",
    "DELETE FROM wallet": "entries are kept",
    "UPDATE credit_grant SET remaining = remaining + 1, used = used - 1 WHERE used > 0": "remaining",
    "UPDATE credit_grant SET amount = amount + 1, remaining = remaining + 1": "amount",
    "UPDATE credit_grant SET pending = NOT pending": "pending",
    "UPDATE credit_grant SET category = 'stolen'": "cannot be read.*stolen",
    "UPDATE credit_grant SET metadata = '{'": "cannot be read",
    "UPDATE entry SET kind = 'stolen' WHERE seq = 2": "cannot be read.*stolen",
    "DELETE FROM credit_grant WHERE held > 0": "grants",
    "UPDATE entry SET amount = amount + 1 WHERE seq = 3": "entry 3",
    "UPDATE entry SET at = at + 1 WHERE seq = 2": "hash",
    "UPDATE entry SET recorded_at = 0 WHERE seq = 2": "hash",
    "UPDATE entry SET kind = 'expired' WHERE seq = 3": "entry 3|expired",
    "UPDATE entry SET hash = ZEROS WHERE seq = 4": "hash",
    "UPDATE entry SET posted_before = posted_before + 1 WHERE seq = 4": "entry 4",
    "DELETE FROM entry WHERE seq = 1": "entry 2|entries",
    "DELETE FROM entry WHERE seq = 3": "entry|entries",
    "DELETE FROM operation WHERE kind = 'debit'": "operation|entry 4 follows entry 2",
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


async def busy(database: Database) -> Ledger:
    """A ledger whose one wallet has seen most kinds of movement."""
    ledger = open_ledger_on(await database.open(), ManualClock(START))
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


async def test_an_untouched_ledger_is_in_order(database: Database) -> None:
    ledger = await busy(database)
    end = await verified(ledger)
    assert (end.wallets, end.entries) == (1, 7)
    totals = end.totals[CREDITS]
    assert (totals.granted, totals.posted, totals.pending, totals.used) == (55, 3, 50, 2)
    await ledger.close()


@pytest.mark.parametrize("tampering", TAMPERINGS)
async def test_a_change_behind_its_back_is_found(database: Database, tampering: str) -> None:
    ledger = await busy(database)
    zeros = f"'\\x{bytes(32).hex()}'" if is_postgres(database.url) else "zeroblob(32)"
    await tamper(database.url, tampering.replace("ZEROS", zeros))
    with pytest.raises(Fault, match=TAMPERINGS[tampering]):
        await verified(ledger)
    await ledger.close()
