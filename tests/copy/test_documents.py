"""Documents go along with a copy: a customer's and the book's, as they were when the copy was sealed."""

from __future__ import annotations

from pathlib import Path

import pytest

from drawdown.core.commands import (
    Act,
    CreateCustomer,
    DocumentChange,
    KeepDocuments,
    Settle,
)
from drawdown.core.errors import AlreadyExists, CustomerNotFound, DocumentNotFound
from drawdown.core.identity import relocate, slot_of
from drawdown.core.requests import Answer
from drawdown.core.state import CUSTOMER_ALIAS
from drawdown.core.types import DAY, Document, Id, Instant, Mode
from drawdown.engine.clocks import ManualClock
from drawdown.engine.ledger import Ledger
from drawdown.opening import open_store
from drawdown.store.copier import open_copier
from tests.support import toy
from tests.support.books import START, open_ledger_on
from tests.support.commands import sqlite_url

pytestmark = pytest.mark.anyio

KIND = "test.product"
NAMES = ("stays", "moved", "moves")


async def keep(
    ledger: Ledger,
    book: Id,
    owner: Id,
    body: str | None,
    before: Document | None = None,
    kind: str = KIND,
    **names: str,
) -> Document:
    """The document as it is then; as it was before, where it is deleted (no ``body``)."""
    new = relocate(ledger.ids.new(), slot_of(owner))
    change = DocumentChange(
        id=new if before is None else before.id,
        owner=owner,
        kind=kind,
        body=body,
        revision=0 if before is None else before.revision,
        **names,
    )
    command = KeepDocuments(customer=None if owner == book else owner)
    answer = Answer(status=200, body=b"")
    await ledger.submit(book, command, lambda _: answer, documents=(change,))
    if body is None:
        assert before is not None
        return before
    return await ledger.document(book, change.id, kind)


async def test_documents_are_in_the_copy_as_they_are_at_its_end(
    path: Path, each_target: str
) -> None:
    ledger = open_ledger_on(await open_store(sqlite_url(path)), ManualClock(START))
    account = await ledger.accounts.create_account("account")
    book = await ledger.accounts.book(account.id, Mode.TEST)
    customer = (await ledger.apply(book, CreateCustomer(own_id="ann"))).customer
    assert customer is not None
    owners = (book, customer.id)
    first = [await keep(ledger, book, owner, "1") for owner in owners]
    async with open_copier(path, each_target, lambda table, rows: None, begin=True) as copier:
        await copier.catch_up()
        changed = [
            await keep(ledger, book, owner, "2", before)
            for owner, before in zip(owners, first, strict=True)
        ]
        later = [await keep(ledger, book, owner, "3") for owner in owners]
        await ledger.close()
        with copier.fenced():
            told = await copier.finish()
            assert told.fault is None
            assert (await copier.compare()).fault is None
            await copier.seal()
    assert told.tables["document"] == (4, 4)
    copy = open_ledger_on(await open_store(each_target), ManualClock(START))
    for document in (*changed, *later):
        assert await copy.document(book, document.id, KIND) == document
    await copy.close()


async def test_names_lead_in_the_copy_to_what_has_them_at_its_end(
    path: Path, each_target: str
) -> None:
    """Some are given back or taken by others while it is made; aliases find their customers."""
    ledger = open_ledger_on(await open_store(sqlite_url(path)))
    account = await ledger.accounts.create_account("account")
    book = await ledger.accounts.book(account.id, Mode.TEST)
    customer = (await ledger.apply(book, CreateCustomer(own_id="ann"))).customer
    assert customer is not None
    owner = customer.id
    stays = await keep(ledger, book, book, "1", takes="stays")
    moves = await keep(ledger, book, owner, "2", takes="moves")
    goes = await keep(ledger, book, book, "3", takes="goes")
    alias = await keep(ledger, book, owner, "{}", kind=CUSTOMER_ALIAS, takes="countess")
    async with open_copier(path, each_target, lambda table, rows: None, begin=True) as copier:
        await copier.catch_up()
        await keep(ledger, book, owner, "4", moves, takes="moved", gives_back="moves")
        heir = await keep(ledger, book, book, "5", takes="moves")
        await keep(ledger, book, book, None, goes, gives_back="goes")
        await keep(ledger, book, owner, None, alias, CUSTOMER_ALIAS, gives_back="countess")
        await keep(ledger, book, owner, "{}", kind=CUSTOMER_ALIAS, takes="lovelace")
        await ledger.close()
        with copier.fenced():
            assert (await copier.finish()).fault is None
            assert (await copier.compare()).fault is None
            await copier.seal()
    copy = open_ledger_on(await open_store(each_target))
    found = {name: await copy.document_named(book, name, KIND) for name in NAMES}
    assert {name: each.id for name, each in found.items()} == {
        "stays": stays.id,
        "moved": moves.id,
        "moves": heir.id,
    }
    assert (await copy.customer(book, "lovelace")).id == owner
    for gone in ("goes", "countess"):
        with pytest.raises(DocumentNotFound):
            await copy.document_named(book, gone, KIND)
        with pytest.raises(CustomerNotFound):
            await copy.customer(book, gone)
    with pytest.raises(AlreadyExists):
        await keep(copy, book, book, "6", takes="stays")
    await keep(copy, book, book, "6", takes="goes")
    await keep(copy, book, owner, "{}", kind=CUSTOMER_ALIAS, takes="countess")
    await copy.close()


async def test_what_stands_with_a_wallet_has_its_turn_in_the_copy(
    path: Path, each_target: str
) -> None:
    ledger = open_ledger_on(
        await open_store(sqlite_url(path)), ManualClock(START), players=toy.PLAYERS
    )
    account = await ledger.accounts.create_account("account")
    book = await ledger.accounts.book(account.id, Mode.TEST)
    await ledger.apply(book, CreateCustomer(own_id="ann"))
    begin = toy.Begin(every=DAY, wait=DAY, base=3)
    command = Act(customer="ann", entitlement="usd", kind=toy.CADENCE, action=begin)
    [made] = (await ledger.apply(book, command)).documents
    await ledger.close()
    async with open_copier(path, each_target, lambda table, rows: None, begin=True) as copier:
        await copier.catch_up()
        with copier.fenced():
            assert (await copier.finish()).fault is None
            assert (await copier.compare()).fault is None
            await copier.seal()
    later = ManualClock(Instant(START + DAY))
    copy = open_ledger_on(await open_store(each_target), later, players=toy.PLAYERS)
    assert await copy.document(book, made.id, toy.CADENCE) == made
    await copy.apply(book, Settle(customer="ann", entitlement="usd"))
    turned = await copy.document(book, made.id, toy.CADENCE)
    assert (turned.revision, turned.due_at) == (2, START + 2 * DAY)
    await copy.close()
