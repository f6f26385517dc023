"""Customers and kinds of credit are changed, closed and opened again: the same on every store."""

from __future__ import annotations

import asyncio

import pytest

from drawdown.core.commands import (
    AmendCustomer,
    AmendEntitlement,
    CloseCustomer,
    CloseEntitlement,
    Command,
    CreateEntitlement,
    IssueGrant,
    ReopenEntitlement,
)
from drawdown.core.errors import (
    AlreadyExists,
    CustomerClosed,
    CustomerNotFound,
    EntitlementClosed,
    EntitlementNotFound,
    FieldInvalid,
)
from drawdown.core.requests import Accepted, Answer
from drawdown.core.types import DAY, Entitlement, Id, Instant, Profiles, Shortfall
from drawdown.engine.clocks import ManualClock
from drawdown.engine.ledger import Asked, Ledger
from tests.support.books import (
    CREDITS,
    HOUR,
    Book,
    Observed,
    open_book,
    open_ledger_on,
    units,
    verified,
)
from tests.support.stores import Database

pytestmark = pytest.mark.anyio


async def do(book: Book, command: Command) -> Accepted:
    return await book.ledger.apply(book.id, command)


async def kind(book: Book, name: str) -> Id:
    made = (await do(book, CreateEntitlement(name=name, unit="token", scale=2))).entitlement
    assert made is not None
    return made.id


async def found(book: Book, entitlement: Id) -> Entitlement:
    return await book.ledger.entitlement(book.id, entitlement)


async def test_what_is_given_changes_and_nothing_else(ledger: Ledger, clock: ManualClock) -> None:
    book = await open_book(ledger)
    tokens = await kind(book, "Tokens")
    before = await found(book, tokens)
    clock.instant = Instant(clock.instant + HOUR)
    command = AmendEntitlement(
        entitlement=tokens,
        unit="piece",
        expires_after_days=30,
        shortfall=Shortfall.CAP,
        late_usage_grace=HOUR,
        profiles={"dodo": {"description": "For models"}},
    )
    await do(book, command)
    after = await found(book, tokens)
    assert (after.unit, after.expires_after_days, after.shortfall) == ("piece", 30, Shortfall.CAP)
    assert (after.late_usage_grace, after.profiles["dodo"]) == (HOUR, {"description": "For models"})
    assert (after.name, after.scale, after.code) == (before.name, before.scale, before.code)
    assert (after.created_at, after.updated_at) == (before.created_at, clock.now())
    await do(book, AmendEntitlement(entitlement=tokens, expires_after_days=None))
    assert (await found(book, tokens)).expires_after_days is None


async def test_another_expiry_holds_for_what_is_granted_from_then_on(ledger: Ledger) -> None:
    book = await open_book(ledger)
    ada = await book.customer()
    forever = await book.grant(ada, 1)
    await do(book, AmendEntitlement(entitlement=CREDITS, expires_after_days=7))
    week = await book.grant(ada, 1)
    assert week.expires_at == week.effective_at + 7 * DAY
    assert (await ledger.grant(book.id, forever.id)).expires_at is None


async def test_what_is_equal_changes_nothing(ledger: Ledger, clock: ManualClock) -> None:
    book = await open_book(ledger)
    tokens = await kind(book, "Tokens")
    before = await found(book, tokens)
    clock.instant = Instant(clock.instant + HOUR)
    await do(book, AmendEntitlement(entitlement=tokens, name="Tokens", unit="token"))
    assert await found(book, tokens) == before


async def test_a_name_that_was_given_up_is_free(ledger: Ledger) -> None:
    """Each of two may take the other's, one after the other."""
    book = await open_book(ledger)
    one, two = await kind(book, "One"), await kind(book, "Two")
    with pytest.raises(AlreadyExists):
        await do(book, AmendEntitlement(entitlement=one, name="Two"))
    await do(book, AmendEntitlement(entitlement=two, name="Three"))
    await do(book, AmendEntitlement(entitlement=one, name="Two"))
    assert [(await found(book, each)).name for each in (one, two)] == ["Two", "Three"]
    three = await kind(book, "One")
    with pytest.raises(AlreadyExists):
        await do(book, AmendEntitlement(entitlement=three, name="Three"))


async def test_one_of_many_gets_a_name(ledger: Ledger) -> None:
    """Also where they ask at once, in one batch."""
    book = await open_book(ledger)
    kinds = [await kind(book, f"Number {n}") for n in range(5)]
    asked = [AmendEntitlement(entitlement=each, name="Best") for each in kinds]
    said = await asyncio.gather(*(do(book, each) for each in asked), return_exceptions=True)
    assert [type(each) for each in said].count(AlreadyExists) == 4
    names = [(await found(book, each)).name for each in kinds]
    assert names.count("Best") == 1


async def test_a_closed_entitlement_takes_no_credit_and_gives_its_name_back(
    ledger: Ledger, clock: ManualClock
) -> None:
    book = await open_book(ledger)
    ada, tokens = await book.customer(), await kind(book, "Tokens")
    grant = IssueGrant(customer=ada, entitlement=tokens, amount=units("5"))
    await do(book, grant)
    await do(book, CloseEntitlement(entitlement=tokens))
    assert (await found(book, tokens)).closed_at == clock.now()
    for command in (grant, AmendEntitlement(entitlement=tokens, unit="piece")):
        with pytest.raises(EntitlementClosed):
            await do(book, command)
    assert (await ledger.balance(book.id, ada, tokens)).posted == 500
    clock.instant = Instant(clock.instant + HOUR)
    await do(book, CloseEntitlement(entitlement=tokens))
    assert (await found(book, tokens)).closed_at == clock.now() - HOUR
    await kind(book, "Tokens")


async def test_reopening_brings_all_of_it_back(ledger: Ledger) -> None:
    """But its name may be another's by then."""
    book = await open_book(ledger)
    ada, tokens = await book.customer(), await kind(book, "Tokens")
    await do(book, CloseEntitlement(entitlement=tokens))
    other = await kind(book, "Tokens")
    with pytest.raises(AlreadyExists):
        await do(book, ReopenEntitlement(entitlement=tokens))
    await do(book, AmendEntitlement(entitlement=other, name="Others"))
    await do(book, ReopenEntitlement(entitlement=tokens))
    assert (await found(book, tokens)).closed_at is None
    await do(book, IssueGrant(customer=ada, entitlement=tokens, amount=units("5")))
    with pytest.raises(AlreadyExists):
        await kind(book, "Tokens")


async def test_a_currency_is_neither_renamed_nor_closed(ledger: Ledger) -> None:
    book = await open_book(ledger)
    with pytest.raises(FieldInvalid):
        await do(book, CloseEntitlement(entitlement="usd"))
    with pytest.raises(FieldInvalid):
        await do(book, AmendEntitlement(entitlement="usd", name="Dollars"))
    with pytest.raises(EntitlementNotFound):
        await do(book, ReopenEntitlement(entitlement="nothing"))


async def test_every_process_knows_a_second_later(
    database: Database, ledger: Ledger, clock: ManualClock
) -> None:
    """The one that closed it knows at once."""
    book = await open_book(ledger)
    ada = await book.customer()
    await book.grant(ada, 5)
    other = open_ledger_on(await database.open(), clock)
    try:
        there = Book(other, book.id)
        await there.grant(ada, 1)
        await do(book, CloseEntitlement(entitlement=CREDITS))
        with pytest.raises(EntitlementClosed):
            await book.grant(ada, 1)
        await asyncio.sleep(1.05)
        with pytest.raises(EntitlementClosed):
            await there.grant(ada, 1)
    finally:
        await other.close()


async def test_a_customer_is_changed(ledger: Ledger) -> None:
    book = await open_book(ledger)
    ada = await book.customer(name="Ada", email="ada@example.com", metadata={"a": 1, "b": 2})
    await do(book, AmendCustomer(customer=ada, name="Ada L.", metadata={"a": None, "c": "x"}))
    after = await ledger.customer(book.id, ada)
    assert (after.name, after.email, after.metadata) == (
        "Ada L.",
        "ada@example.com",
        {"b": 2, "c": "x"},
    )
    await do(book, AmendCustomer(customer=ada, email=None, clear_metadata=True))
    after = await ledger.customer(book.id, ada)
    assert (after.name, after.email, after.metadata) == ("Ada L.", None, {})
    many: dict[str, str | int | float | bool | None] = {f"key {n}": n for n in range(51)}
    with pytest.raises(FieldInvalid):
        await do(book, AmendCustomer(customer=ada, metadata=many))
    with pytest.raises(CustomerNotFound):
        await do(book, AmendCustomer(customer="nobody", name="Bob"))


async def test_no_change_of_many_at_once_is_lost(ledger: Ledger) -> None:
    book = await open_book(ledger)
    ada = await book.customer()
    asked = [AmendCustomer(customer=ada, metadata={f"key {n}": n}) for n in range(20)]
    await asyncio.gather(*(do(book, each) for each in asked))
    assert len((await ledger.customer(book.id, ada)).metadata) == 20


async def test_what_dialects_keep_is_laid_over_what_they_kept(ledger: Ledger) -> None:
    """Each its own, so that two changes at once both stand; None deletes."""
    book = await open_book(ledger)
    ada = await book.customer(profiles={"one": {"a": 1, "b": 2}, "two": {"x": 1}})
    asked: list[Profiles] = [{"one": {"a": None, "c": 3}}, {"one": {"d": 4}}, {"two": {"x": None}}]
    await asyncio.gather(*(do(book, AmendCustomer(customer=ada, profiles=each)) for each in asked))
    assert (await ledger.customer(book.id, ada)).profiles == {"one": {"b": 2, "c": 3, "d": 4}}


async def test_a_closed_customer_gets_and_uses_nothing_more(
    ledger: Ledger, clock: ManualClock
) -> None:
    """What is kept of him can still be erased."""
    book = await open_book(ledger)
    ada = await book.customer(name="Ada")
    await book.grant(ada, 5)
    await do(book, CloseCustomer(customer=ada))
    for asked in (book.grant(ada, 1), book.debit(ada, 1)):
        with pytest.raises(CustomerClosed):
            await asked
    assert (await book.balance(ada)).posted == 5
    closed = await ledger.customer(book.id, ada)
    assert closed.closed_at == clock.now()
    clock.instant = Instant(clock.instant + HOUR)
    await do(book, CloseCustomer(customer=ada))
    await do(book, AmendCustomer(customer=ada, name=None))
    after = await ledger.customer(book.id, ada)
    assert (after.name, after.closed_at) == (None, closed.closed_at)
    await verified(ledger)


async def test_what_is_renamed_twice_in_one_batch_has_its_last_name(
    ledger: Ledger, observed: Observed
) -> None:
    """The name between is nobody's: it never was anybody's."""
    book = await open_book(ledger)
    asked: list[Asked] = [
        (
            AmendEntitlement(entitlement=CREDITS, name=name),
            lambda _: Answer(status=200, body=b""),
            None,
        )
        for name in ("First", "Second")
    ]
    assert [type(each) for each in await ledger.submit_many(book.id, asked)] == [Answer, Answer]
    assert observed.errors == []
    assert (await ledger.entitlement(book.id, CREDITS)).name == "Second"
    await ledger.apply(book.id, CreateEntitlement(name="First", unit="unit", scale=0))
