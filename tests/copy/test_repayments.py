"""What was repaid is known in a copy: there, too, it goes back to who repaid it."""

from __future__ import annotations

from pathlib import Path

import pytest

from drawdown.core.amounts import Amount
from drawdown.core.commands import AmendEntitlement, AskedOverage, Debit, ReverseDebit
from drawdown.core.types import Id, OverageBehavior, OverageMode
from drawdown.engine.clocks import ManualClock
from drawdown.opening import open_store
from tests.copy.test_passes import finished
from tests.support.books import CREDITS, START, Book, open_book, open_ledger_on, verified

pytestmark = pytest.mark.anyio


async def spent(book: Book, customer: str, amount: int) -> Id:
    command = Debit(customer=customer, entitlement=CREDITS, amount=Amount(amount))
    made = (await book.ledger.apply(book.id, command)).operation
    assert made is not None
    return made.id


async def test_a_reversal_in_the_copy_returns_what_was_repaid(path: Path, each_target: str) -> None:
    """Each repayment once, also where the source had returned a part of it."""
    clock = ManualClock(START)
    ledger = open_ledger_on(await open_store(f"sqlite:///{path}"), clock)
    book = await open_book(ledger)
    rule = AskedOverage(
        mode=OverageMode.UNLIMITED, behavior=OverageBehavior.CARRY_DEFICIT_AUTO_REPAY
    )
    await ledger.apply(book.id, AmendEntitlement(entitlement=CREDITS, overage=rule))
    customer = await book.customer()
    debits = [await spent(book, customer, 20), await spent(book, customer, 20)]
    grant = await book.grant(customer, 30)
    await book.grant(customer, 30)
    await ledger.apply(book.id, ReverseDebit(debit=debits[0], amount=Amount(15)))
    await ledger.close()
    assert (await finished(path, each_target)).fault is None
    ledger = open_ledger_on(await open_store(each_target), clock)
    copied = Book(ledger, book.id)
    await ledger.apply(book.id, ReverseDebit(debit=debits[0]))
    await ledger.apply(book.id, ReverseDebit(debit=debits[1]))
    balance = await copied.balance(customer)
    assert (balance.available, balance.used, balance.overage) == (60, 0, 0)
    assert (await ledger.grant(book.id, grant.id)).remaining == 30
    await verified(ledger)
    await ledger.close()
