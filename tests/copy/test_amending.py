"""What is changed of customers and entitlements after a first pass is in the copy, too."""

from __future__ import annotations

from pathlib import Path

import pytest

from drawdown.core.commands import (
    AmendCustomer,
    AmendEntitlement,
    CloseCustomer,
    CloseEntitlement,
    CreateEntitlement,
)
from drawdown.core.errors import AlreadyExists
from drawdown.core.types import Id
from drawdown.engine.clocks import ManualClock
from drawdown.engine.ledger import Ledger
from drawdown.opening import open_store
from drawdown.store.copier import open_copier
from tests.copy.test_passes import finished, quiet
from tests.support.books import CREDITS, START, open_book, open_ledger_on

pytestmark = pytest.mark.anyio


async def named(ledger: Ledger, book: Id, name: str) -> Id:
    made = await ledger.apply(book, CreateEntitlement(name=name, unit="token", scale=0))
    assert made.entitlement is not None
    return made.entitlement.id


async def test_changes_after_the_first_pass_are_copied(path: Path, each_target: str) -> None:
    """A name that was given up is free there; customers without credit are changed there as well."""
    ledger = open_ledger_on(await open_store(f"sqlite:///{path}"), ManualClock(START))
    book = await open_book(ledger)
    ada, bob = await book.customer(name="Ada"), await book.customer(name="Bob")
    await book.grant(bob, 5)
    kind, other = await named(ledger, book.id, "Tokens"), await named(ledger, book.id, "Others")
    async with open_copier(path, each_target, quiet, begin=True) as copier:
        await copier.catch_up()
    await ledger.apply(book.id, AmendCustomer(customer=ada, name="Ada L.", metadata={"a": 1}))
    await ledger.apply(book.id, CloseCustomer(customer=bob))
    await ledger.apply(book.id, AmendEntitlement(entitlement=kind, name="Pieces"))
    await ledger.apply(book.id, CloseEntitlement(entitlement=other))
    before = [await ledger.customer(book.id, each) for each in (ada, bob)]
    kinds = [await ledger.entitlement(book.id, each) for each in (kind, other, CREDITS)]
    await ledger.close()
    assert (await finished(path, each_target)).fault is None
    ledger = open_ledger_on(await open_store(each_target), ManualClock(START))
    assert [await ledger.customer(book.id, each) for each in (ada, bob)] == before
    assert [await ledger.entitlement(book.id, each) for each in (kind, other, CREDITS)] == kinds
    for name in ("Tokens", "Others"):
        await named(ledger, book.id, name)
    with pytest.raises(AlreadyExists):
        await named(ledger, book.id, "Pieces")
    await ledger.close()
