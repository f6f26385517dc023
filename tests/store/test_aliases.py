"""Aliases of customers: other names, which may be taken back. The same on every store."""

from __future__ import annotations

import asyncio

import msgspec
import pytest

from drawdown.core.commands import CreateCustomer, Debit, DocumentChange, KeepDocuments, RecordUsage
from drawdown.core.errors import AlreadyExists, CustomerNotFound
from drawdown.core.identity import relocate, slot_of
from drawdown.core.requests import Accepted, Answer, Claim
from drawdown.core.state import CUSTOMER_ALIAS
from drawdown.core.types import Document, Id
from drawdown.engine.clocks import ManualClock
from drawdown.engine.ledger import Ledger
from tests.support.books import CREDITS, Book, open_book, open_ledger_on, units, verified
from tests.support.stores import Database

pytestmark = pytest.mark.anyio


async def alias(book: Book, customer: Id, text: str) -> Document:
    new = relocate(book.ledger.ids.new(), slot_of(customer))
    body = msgspec.json.encode({"value": text}).decode()
    change = DocumentChange(id=new, owner=customer, kind=CUSTOMER_ALIAS, body=body, takes=text)
    return await keep(book, customer, change)


async def keep(book: Book, customer: Id, change: DocumentChange) -> Document:
    made: list[Accepted] = []

    def render(accepted: Accepted) -> Answer:
        made.append(accepted)
        return Answer(status=200, body=b"")

    command = KeepDocuments(customer=customer)
    await book.ledger.submit(book.id, command, render, documents=(change,))
    return made[-1].documents[0]


async def forget(book: Book, document: Document, text: str) -> None:
    change = DocumentChange(
        id=document.id,
        owner=document.owner,
        kind=CUSTOMER_ALIAS,
        body=None,
        revision=document.revision,
        gives_back=text,
    )
    await keep(book, document.owner, change)


async def new_customer(book: Book, own_id: str | None = None) -> Id:
    made = await book.ledger.apply(book.id, CreateCustomer(own_id=own_id))
    assert made.customer is not None
    return made.customer.id


async def test_a_customer_is_found_by_every_alias(ledger: Ledger) -> None:
    """In commands and questions, beside the id and the own id."""
    book = await open_book(ledger)
    ada = await new_customer(book, "ada")
    for text in ("lovelace", "countess"):
        await alias(book, ada, text)
        assert (await ledger.customer(book.id, text)).id == ada
    await book.grant("lovelace", 10)
    await book.debit("countess", 3)
    await ledger.apply(
        book.id, RecordUsage(customer="lovelace", own_id="e1", name="call", properties={})
    )
    balance = await ledger.balance(book.id, "countess", CREDITS)
    assert (balance.available, balance.used) == (7, 3)
    assert await ledger.balance(book.id, "ada", CREDITS) == balance
    await verified(ledger)


async def test_what_names_one_customer_names_no_other(ledger: Ledger) -> None:
    """An alias is nobody's own id, and an own id nobody's alias; elsewhere both may be had again."""
    book, other = await open_book(ledger), await open_book(ledger)
    ada, bob = await new_customer(book, "ada"), await new_customer(book)
    await alias(book, ada, "lovelace")
    for text in ("ada", "lovelace"):
        with pytest.raises(AlreadyExists):
            await alias(book, bob, text)
    with pytest.raises(AlreadyExists):
        await new_customer(book, "lovelace")
    there = await new_customer(other, "lovelace")
    await alias(other, there, "ada")
    assert (await ledger.customer(other.id, "ada")).id == there
    assert (await ledger.customer(book.id, "lovelace")).id == ada


async def test_what_two_want_at_once_as_own_id_and_as_alias_one_gets(
    ledger: Ledger, database: Database, clock: ManualClock
) -> None:
    """Also by different processes."""
    other = open_ledger_on(await database.open(), clock)
    book = await open_book(ledger)
    there, bob = Book(other, book.id), await new_customer(book)
    for number in range(10):
        text = f"name-{number}"
        made, given = await asyncio.gather(
            new_customer(book, text), alias(there, bob, text), return_exceptions=True
        )
        assert isinstance(made, AlreadyExists) != isinstance(given, AlreadyExists)
        assert (await other.customer(book.id, text)).id == (
            bob if isinstance(given, Document) else made
        )
    await other.close()


async def test_an_alias_that_was_taken_back_names_nobody_until_it_is_given_again(
    ledger: Ledger,
) -> None:
    book = await open_book(ledger)
    ada, bob = await new_customer(book), await new_customer(book)
    given = await alias(book, ada, "team")
    await book.grant("team", 5)
    await forget(book, given, "team")
    with pytest.raises(CustomerNotFound):
        await ledger.customer(book.id, "team")
    with pytest.raises(CustomerNotFound):
        await book.debit("team", 1)
    await alias(book, bob, "team")
    await book.grant("team", 7)
    assert (await ledger.balance(book.id, ada, CREDITS)).available == 5
    assert (await ledger.balance(book.id, bob, CREDITS)).available == 7
    debit = Debit(customer="team", entitlement=CREDITS, amount=units("7"))
    await ledger.apply(book.id, debit)
    assert (await ledger.balance(book.id, "team", CREDITS)).available == 0
    await verified(ledger)


async def test_a_customer_is_made_with_aliases_or_not_at_all(ledger: Ledger) -> None:
    book = await open_book(ledger)
    await new_customer(book, "taken")
    for names, fails in ((("one", "two"), False), (("three", "taken"), True)):
        new = ledger.ids.new()
        changes = tuple(
            DocumentChange(
                id=relocate(ledger.ids.new(), slot_of(new)),
                owner=new,
                kind=CUSTOMER_ALIAS,
                body="{}",
                takes=text,
            )
            for text in names
        )
        submitted = ledger.submit(
            book.id, CreateCustomer(), _render, claim=CLAIM[fails], documents=changes, id=new
        )
        if fails:
            with pytest.raises(AlreadyExists):
                await submitted
            for reference in (new, "three"):
                with pytest.raises(CustomerNotFound):
                    await ledger.customer(book.id, reference)
        else:
            await submitted
            for text in names:
                assert (await ledger.customer(book.id, text)).id == new


CLAIM = {fails: Claim("test", f"key-{fails}", b"fingerprint") for fails in (True, False)}


def _render(accepted: Accepted) -> Answer:
    return Answer(status=200, body=b"")
