"""Documents beside the ledger, and several commands as one: the same on every store."""

from __future__ import annotations

import asyncio

import pytest

from drawdown.core.amounts import Amount
from drawdown.core.commands import (
    Command,
    Debit,
    DocumentChange,
    IssueGrant,
    KeepDocuments,
    Together,
)
from drawdown.core.errors import (
    AlreadyExists,
    DocumentChanged,
    DocumentNotFound,
    FieldInvalid,
    InsufficientCredit,
)
from drawdown.core.identity import relocate, slot_of
from drawdown.core.requests import Accepted, Answer, LedgerKey
from drawdown.core.types import Document, Id
from drawdown.engine.ledger import Ledger
from drawdown.engine.ports import DocumentFilter
from tests.support.books import CREDITS, Book, open_book, verified

pytestmark = pytest.mark.anyio

KIND = "test.product"


class Keeper:
    """Changes documents of one owner, as a dialect does."""

    def __init__(self, book: Book, customer: str | None = None, owner: Id | None = None) -> None:
        self.book, self.customer = book, customer
        self.owner = book.id if owner is None else owner
        self.made: list[Accepted] = []

    def change(
        self,
        body: str | None,
        of: Document | None = None,
        *,
        takes: str | None = None,
        gives_back: str | None = None,
    ) -> DocumentChange:
        new = relocate(self.book.ledger.ids.new(), slot_of(self.owner))
        return DocumentChange(
            id=new if of is None else of.id,
            owner=self.owner,
            kind=KIND,
            body=body,
            revision=0 if of is None else of.revision,
            takes=takes,
            gives_back=gives_back,
        )

    async def keep(
        self,
        *changes: DocumentChange,
        beside: Command | None = None,
        key: LedgerKey | None = None,
    ) -> tuple[Document, ...]:
        def render(accepted: Accepted) -> Answer:
            self.made.append(accepted)
            return Answer(status=200, body=b"")

        command = beside or KeepDocuments(customer=self.customer)
        await self.book.ledger.submit(self.book.id, command, render, key=key, documents=changes)
        return self.made[-1].documents


async def keeper(ledger: Ledger) -> Keeper:
    book = await open_book(ledger)
    customer = await book.customer()
    return Keeper(book, customer, (await ledger.customer(book.id, customer)).id)


async def test_a_document_is_kept_changed_and_deleted(ledger: Ledger) -> None:
    book = await open_book(ledger)
    products = Keeper(book)
    [made] = await products.keep(products.change('{"name": "Pro"}'))
    assert (made.revision, made.owner, made.body) == (1, book.id, '{"name": "Pro"}')
    assert await ledger.document(book.id, made.id, KIND) == made
    [changed] = await products.keep(products.change('{"name": "Max"}', made))
    assert (changed.revision, changed.body) == (2, '{"name": "Max"}')
    assert await ledger.document(book.id, made.id, KIND) == changed
    await products.keep(products.change(None, changed))
    with pytest.raises(DocumentNotFound):
        await ledger.document(book.id, made.id, KIND)
    with pytest.raises(DocumentNotFound):
        await products.keep(products.change("{}", changed))


async def test_who_has_read_an_earlier_revision_is_refused(ledger: Ledger) -> None:
    products = Keeper(await open_book(ledger))
    [made] = await products.keep(products.change("1"))
    asked = [products.keep(products.change(str(number), made)) for number in range(5)]
    answers = await asyncio.gather(*asked, return_exceptions=True)
    assert sum(isinstance(each, DocumentChanged) for each in answers) == 4
    found = await ledger.document(products.book.id, made.id, KIND)
    assert found.revision == 2


async def test_what_is_new_stays_as_it_is_where_it_is_there_already(ledger: Ledger) -> None:
    """A request that is carried out once more undoes nothing that has become of its documents since."""
    products = Keeper(await open_book(ledger))
    new = products.change("1")
    [made] = await products.keep(new)
    assert await products.keep(new) == (made,)
    [changed] = await products.keep(products.change("2", made))
    assert await products.keep(new) == (changed,)
    assert await ledger.document(products.book.id, made.id, KIND) == changed
    await products.keep(products.change(None, changed))
    await products.keep(new)
    with pytest.raises(DocumentNotFound):
        await ledger.document(products.book.id, made.id, KIND)


async def test_documents_are_listed_by_owner_newest_first(ledger: Ledger) -> None:
    own = await keeper(ledger)
    book = own.book
    others = Keeper(book)
    made = [(await own.keep(own.change(str(number))))[0] for number in range(5)]
    [other] = await others.keep(others.change("6"))
    await own.keep(own.change(None, made[2]))

    async def listed(**more: object) -> list[str]:
        asked = DocumentFilter(book=book.id, kind=KIND, limit=10, **more)  # type: ignore[arg-type]
        return [each.body for each in await ledger.documents(asked)]

    assert await listed(owner=own.owner) == ["4", "3", "1", "0"]
    assert await listed(owner=own.owner, after=made[3].id) == ["1", "0"]
    assert await listed(owner=own.owner, before=made[1].id) == ["3", "4"]
    assert await listed(owner=own.owner, deleted=True) == ["2"]
    assert await listed(owner=own.owner, deleted=None) == ["4", "3", "2", "1", "0"]
    assert sorted(await listed()) == ["0", "1", "3", "4", "6"]
    assert (await ledger.document(book.id, other.id, KIND)).body == "6"


async def test_a_document_of_another_book_or_kind_is_not_there(ledger: Ledger) -> None:
    products, stranger = Keeper(await open_book(ledger)), await open_book(ledger)
    [made] = await products.keep(products.change("1"))
    with pytest.raises(DocumentNotFound):
        await ledger.document(stranger.id, made.id, KIND)
    with pytest.raises(DocumentNotFound):
        await ledger.document(products.book.id, made.id, "test.price")
    with pytest.raises(DocumentNotFound):
        await Keeper(stranger).keep(products.change("2", made))


async def test_what_is_too_large_is_refused(ledger: Ledger) -> None:
    products = Keeper(await open_book(ledger))
    with pytest.raises(FieldInvalid):
        await products.keep(products.change('"' + "x" * 65_536 + '"'))


async def test_documents_change_with_a_command_or_not_at_all(ledger: Ledger) -> None:
    own = await keeper(ledger)
    assert own.customer is not None
    grant = IssueGrant(customer=own.customer, entitlement=CREDITS, amount=Amount(5))
    debit = Debit(customer=own.customer, entitlement=CREDITS, amount=Amount(9))
    [made] = await own.keep(own.change("1"), beside=grant)
    with pytest.raises(InsufficientCredit):
        await own.keep(own.change("2", made), beside=debit)
    assert (await ledger.document(own.book.id, made.id, KIND)).body == "1"
    stale = own.change("3", made)
    await own.keep(own.change("2", made))
    with pytest.raises(DocumentChanged):
        await own.keep(stale, beside=grant)
    assert (await ledger.balance(own.book.id, own.customer, CREDITS)).available == 5


async def test_a_repetition_under_a_key_changes_nothing_twice(ledger: Ledger) -> None:
    own = await keeper(ledger)
    [made] = await own.keep(own.change("1"))
    change, key = own.change("2", made), LedgerKey("test", "k")
    await own.keep(change, key=key)
    await own.keep(change, key=key)
    found = await ledger.document(own.book.id, made.id, KIND)
    assert (found.body, found.revision) == ("2", 2)


async def test_several_commands_are_one(ledger: Ledger) -> None:
    """Each sees what those before it did; all of them happen, or none does."""
    book = await open_book(ledger)
    customer = await book.customer()
    grant = IssueGrant(customer=customer, entitlement=CREDITS, amount=Amount(5))

    def drawn(amount: int) -> Debit:
        return Debit(customer=customer, entitlement=CREDITS, amount=Amount(amount))

    several = Together(customer=customer, commands=(grant, drawn(3), drawn(1)))
    accepted = await ledger.apply(book.id, several)
    assert [each.amount for each in accepted.group] == [5, 3, 1]
    assert (await ledger.balance(book.id, customer, CREDITS)).available == 1
    with pytest.raises(InsufficientCredit):
        await ledger.apply(book.id, Together(customer=customer, commands=(grant, drawn(7))))
    assert (await ledger.balance(book.id, customer, CREDITS)).available == 1
    with pytest.raises(FieldInvalid, match="at most 80"):
        await ledger.apply(book.id, Together(customer=customer, commands=(grant,) * 81))
    await ledger.apply(book.id, drawn(1))
    assert (await ledger.balance(book.id, customer, CREDITS)).granted == 5
    most = await ledger.apply(book.id, Together(customer=customer, commands=(grant,) * 80))
    ids = [each.grant.id for each in most.group if each.grant is not None]
    assert len(set(ids)) == 80
    assert (await ledger.balance(book.id, customer, CREDITS)).granted == 405
    assert await verified(ledger) is not None


async def test_several_commands_happen_once_under_their_key(ledger: Ledger) -> None:
    own = await keeper(ledger)
    assert own.customer is not None
    grant = IssueGrant(customer=own.customer, entitlement=CREDITS, amount=Amount(5))
    several = Together(customer=own.customer, commands=(grant, grant))
    for _ in range(2):
        await own.keep(own.change("1"), beside=several, key=LedgerKey("test", "k"))
    assert (await ledger.balance(own.book.id, own.customer, CREDITS)).available == 10
    asked = DocumentFilter(book=own.book.id, kind=KIND, limit=10, owner=own.owner)
    assert len(await ledger.documents(asked)) == 1


# Names ----------------------------------------------------------------------------------------------


async def test_a_document_is_found_by_its_names(ledger: Ledger) -> None:
    """Each name is one document's of its kind in its book, whoever owns it."""
    first = await keeper(ledger)
    second = Keeper(first.book)
    [made] = await first.keep(first.change("1", takes="one"))
    assert await ledger.document_named(first.book.id, "one", KIND) == made
    with pytest.raises(AlreadyExists):
        await second.keep(second.change("2", takes="one"))
    elsewhere = Keeper(await open_book(ledger))
    [other] = await elsewhere.keep(elsewhere.change("3", takes="one"))
    assert await ledger.document_named(elsewhere.book.id, "one", KIND) == other
    with pytest.raises(DocumentNotFound):
        await ledger.document_named(first.book.id, "one", "test.other")
    [more] = await first.keep(first.change("1", made, takes="uno"))
    for name in ("one", "uno"):
        assert await ledger.document_named(first.book.id, name, KIND) == more


async def test_a_name_that_is_given_back_is_anybodys(ledger: Ledger) -> None:
    """One that is exchanged for another, and one of a document that is deleted."""
    first = await keeper(ledger)
    second = Keeper(first.book)
    [made] = await first.keep(first.change("1", takes="one"))
    [made] = await first.keep(first.change("1", made, takes="two", gives_back="one"))
    [other] = await second.keep(second.change("2", takes="one"))
    assert await ledger.document_named(first.book.id, "one", KIND) == other
    await first.keep(first.change(None, made, gives_back="two"))
    with pytest.raises(DocumentNotFound):
        await ledger.document_named(first.book.id, "two", KIND)
    [again] = await second.keep(second.change("3", takes="two"))
    assert await ledger.document_named(first.book.id, "two", KIND) == again
    await verified(ledger)


async def test_a_refused_change_takes_and_gives_back_no_name(ledger: Ledger) -> None:
    first = await keeper(ledger)
    [made] = await first.keep(first.change("1", takes="one"))
    [changed] = await first.keep(first.change("2", made))
    with pytest.raises(DocumentChanged):
        await first.keep(first.change("3", made, takes="two", gives_back="one"))
    assert await ledger.document_named(first.book.id, "one", KIND) == changed
    [other] = await first.keep(first.change("4", takes="two"))
    assert await ledger.document_named(first.book.id, "two", KIND) == other


async def test_one_of_many_gets_a_name(ledger: Ledger) -> None:
    first = await keeper(ledger)

    async def attempt() -> Document | None:
        try:
            [made] = await Keeper(first.book).keep(Keeper(first.book).change("1", takes="one"))
        except AlreadyExists:
            return None
        return made

    found = await asyncio.gather(*(attempt() for _ in range(10)))
    [made] = [each for each in found if each is not None]
    assert await ledger.document_named(first.book.id, "one", KIND) == made
