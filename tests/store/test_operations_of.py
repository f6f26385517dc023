"""All that an owner ever did comes in the order in which it was recorded, whole and once, on any store."""

from __future__ import annotations

import pytest

from drawdown.core.amounts import Amount
from drawdown.core.commands import AmendEntitlement, AskedOverage, Settle
from drawdown.core.types import Id, OverageMode
from drawdown.engine.ledger import Ledger
from drawdown.engine.ports import Recorded
from drawdown.store.sqlite import feed as sqlite_feed
from tests.support.books import CREDITS, Book, open_book

pytestmark = pytest.mark.anyio


@pytest.fixture
async def book(ledger: Ledger) -> Book:
    return await open_book(ledger)


async def walked(book: Book, *owners: Id) -> list[Recorded]:
    return [each async for each in book.ledger.store.walk_operations(book.id, owners)]


async def used(book: Book, customer: str, times: int) -> Id:
    await book.customer(customer)
    made = (await book.ledger.customer(book.id, customer)).id
    await book.grant(customer, 100)
    for _ in range(times):
        await book.debit(customer, 1)
    return made


async def test_each_owners_operations_come_in_their_order_with_their_entries(
    book: Book, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite_feed, "WALKED", 3)
    ada, bob = [await used(book, name, 5) for name in ("ada", "bob")]
    await used(book, "eve", 2)
    found = await walked(book, ada, bob)
    assert {each.operation.customer for each in found} == {ada, bob}
    for owner in (ada, bob):
        own = [each for each in found if each.operation.customer == owner]
        assert [each.operation.kind for each in own] == ["customer", "grant", *["debit"] * 5]
        seqs = [entry.seq for each in own for entry in each.entries]
        assert seqs == list(range(1, 7))
    assert all(each.book == book.id for each in found)


async def test_a_book_has_operations_of_its_own(book: Book, ledger: Ledger) -> None:
    rule = AskedOverage(mode=OverageMode.LIMITED, limit=Amount(5))
    await ledger.apply(book.id, AmendEntitlement(entitlement=CREDITS, overage=rule))
    kinds = [each.operation.kind for each in await walked(book, book.id)]
    assert kinds[-1] == "amend_entitlement"
    assert "customer" not in kinds


async def test_nobody_did_nothing(book: Book, ledger: Ledger) -> None:
    made = await used(book, "ada", 1)
    await ledger.apply(book.id, Settle(customer="ada", entitlement=CREDITS))
    assert await walked(book) == []
    assert len(await walked(book, made)) == 3
