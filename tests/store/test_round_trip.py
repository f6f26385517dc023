"""Every field of every record comes back from the store as it went in."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from drawdown.core import currencies
from drawdown.core.amounts import Amount
from drawdown.core.commands import (
    AmendGrant,
    CreateCustomer,
    CreateEntitlement,
    Debit,
    ExpireGrant,
    IssueGrant,
    Money,
    ReverseDebit,
    VoidGrant,
)
from drawdown.core.errors import DebitNotFound, GrantNotFound
from drawdown.core.identity import derive
from drawdown.core.requests import Accepted, Answer, Claim, LedgerKey
from drawdown.core.state import CUSTOMER_OWN_ID, ENTITLEMENT_CODE, ENTITLEMENT_NAME
from drawdown.core.types import (
    BurnOrder,
    Category,
    CostBasis,
    Customer,
    Entitlement,
    Grant,
    Instant,
    Metadata,
)
from drawdown.engine.clocks import ManualClock
from drawdown.engine.ledger import Ledger
from drawdown.engine.ports import CustomerFilter, GrantFilter, Store
from tests.support.books import CREDITS, HOUR, START, Book, open_book, open_ledger_on, verified
from tests.support.stores import Database, opened

pytestmark = pytest.mark.anyio

METADATA: Metadata = {
    "text": 'ünïcode ✓ \u0000 "quoted"',
    "whole": 2**53,
    "part": 0.1,
    "yes": True,
    "no": False,
}
PROFILES: dict[str, dict[str, Any]] = {"stripe": {"nested": {"list": [1, "two", None]}}, "dodo": {}}


async def test_a_customer_is_kept_whole(database: Database, ledger: Ledger) -> None:
    book = await open_book(ledger)
    command = CreateCustomer(
        own_id="a:b@c.d-e_F9", name="Zoë", email="z@x", metadata=METADATA, profiles=PROFILES
    )
    made = (await ledger.apply(book.id, command)).customer
    assert made is not None
    assert (made.metadata, made.profiles) == (METADATA, PROFILES)
    async with opened(database) as store:
        assert await store.find_customer(made.id) == made
        assert await store.find_name(book.id, CUSTOMER_OWN_ID, "a:b@c.d-e_F9") == made.id
        assert await store.list_customers(CustomerFilter(book=book.id, limit=10)) == [made]


async def test_a_customer_of_nothing_but_an_id_is_kept(database: Database, ledger: Ledger) -> None:
    book = await open_book(ledger)
    made = (await ledger.apply(book.id, CreateCustomer())).customer
    assert isinstance(made, Customer)
    async with opened(database) as store:
        assert await store.find_customer(made.id) == made


@pytest.mark.parametrize("burn_order", list(BurnOrder))
async def test_an_entitlement_is_kept_whole(
    database: Database, ledger: Ledger, burn_order: BurnOrder
) -> None:
    book = await open_book(ledger)
    command = CreateEntitlement(
        code="tokens",
        name="Tokens ✓",
        unit="token",
        scale=10,
        burn_order=burn_order,
        expires_after_days=36_500,
        profiles=PROFILES,
    )
    made = (await ledger.apply(book.id, command)).entitlement
    assert isinstance(made, Entitlement)
    async with opened(database) as store:
        assert await store.find_entitlement(made.id) == made
        assert await store.find_name(book.id, ENTITLEMENT_CODE, "tokens") == made.id
        assert await store.find_name(book.id, ENTITLEMENT_NAME, "Tokens ✓") == made.id
        assert (await store.list_entitlements(book.id, None, 10))[0] == made


async def test_a_currency_is_kept_from_its_first_grant(database: Database, ledger: Ledger) -> None:
    book = await open_book(ledger)
    customer = await book.customer()
    usd = currencies.entitlement_id(book.id, "usd")
    async with opened(database) as store:
        assert await store.find_entitlement(usd) is None
        await book.grant(customer, 1, "usd")
        kept = await store.find_entitlement(usd)
        assert kept == await ledger.entitlement(book.id, "usd")
        assert kept is not None
        assert (kept.scale, kept.currency, kept.code) == (9, "usd", "usd")


GRANTS: dict[str, dict[str, Any]] = {
    "plain": {},
    "full": {
        "priority": 0,
        "category": Category.PROMOTIONAL,
        "effective_at": Instant(START - HOUR),
        "expires_at": Instant(START + HOUR),
        "name": "Spring ✓",
        "metadata": METADATA,
        "profiles": PROFILES,
    },
    "paid": {"cost_basis": Money(Amount(125, 2), "eur"), "priority": 100},
    "pending": {"effective_at": Instant(START + HOUR), "expires_at": Instant(START + 2 * HOUR)},
    "old": {"effective_at": Instant(0)},
}


@pytest.mark.parametrize("more", GRANTS.values(), ids=list(GRANTS))
async def test_a_grant_is_kept_whole(
    database: Database, ledger: Ledger, more: dict[str, Any]
) -> None:
    book = await open_book(ledger)
    customer = await book.customer()
    made = await book.grant(customer, 77, **more)
    async with opened(database) as store:
        assert await store.find_grant(made.id) == made
        assert await store.outstanding_grants(made.customer) == [made]
        everything = GrantFilter(book=book.id, now=START, limit=10)
        assert await store.list_grants(everything) == [made]
    await verified(ledger)


async def test_the_largest_amount_is_kept_exactly(database: Database, ledger: Ledger) -> None:
    """2**63 - 1 units, in the grant, its wallet and its entry."""
    book = await open_book(ledger)
    customer = await book.customer()
    made = await book.grant(customer, 2**63 - 1)
    await book.debit(customer, 2**63 - 2)
    async with opened(database) as store:
        kept = await store.find_grant(made.id)
        assert kept is not None
        assert (kept.amount, kept.used, kept.remaining) == (2**63 - 1, 2**63 - 2, 1)
    await verified(ledger)


async def test_what_happened_to_a_grant_is_kept(
    database: Database, ledger: Ledger, clock: ManualClock
) -> None:
    """After each step another process reads exactly what the step answered."""
    book = await open_book(ledger)
    customer = await book.customer()
    first = await book.grant(customer, 50, metadata={"a": 1, "b": 2}, effective_at=START + HOUR)
    amend = AmendGrant(
        grant=first.id, expires_at=Instant(START + 5 * HOUR), metadata={"a": None, "c": "x"}
    )
    await check_kept(database, await ledger.apply(book.id, amend))
    clock.instant = Instant(START + 2 * HOUR)
    spent = await ledger.apply(book.id, debit_of(customer, 20))
    assert spent.operation is not None
    back = ReverseDebit(debit=spent.operation.id, amount=Amount(5))
    await ledger.apply(book.id, back)
    async with opened(database) as store:
        kept = await store.find_grant(first.id)
        assert kept is not None
        assert (kept.remaining, kept.used, kept.drawn, kept.pending) == (35, 15, True, False)
        assert (kept.metadata, kept.expires_at) == ({"b": 2, "c": "x"}, START + 5 * HOUR)
    ended = await ledger.apply(book.id, ExpireGrant(grant=first.id))
    await check_kept(database, ended)
    assert ended.grant is not None
    assert (ended.grant.expired, ended.grant.expired_at) == (35, START + 2 * HOUR)
    second = await book.grant(customer, 9)
    voided = await ledger.apply(book.id, VoidGrant(grant=second.id))
    await check_kept(database, voided)
    assert voided.grant is not None
    assert (voided.grant.voided, voided.grant.voided_at) == (9, START + 2 * HOUR)
    await verified(ledger)


def debit_of(customer: str, amount: int, **more: Any) -> Debit:
    return Debit(customer=customer, entitlement=CREDITS, amount=Amount(amount), **more)


async def check_kept(database: Database, accepted: Accepted) -> None:
    assert accepted.grant is not None
    assert accepted.balance is not None
    async with opened(database) as store:
        assert await store.find_grant(accepted.grant.id) == accepted.grant
        as_of = accepted.balance.as_of
        found = await store.find_wallet(accepted.grant.customer, accepted.grant.entitlement, as_of)
        assert found is not None
        assert (found.grants, found.holds) == ({}, {}), "nothing is due any more"
        assert found.balance(accepted.balance.scale, as_of) == accepted.balance


async def test_a_debit_is_kept_whole(database: Database, ledger: Ledger) -> None:
    """Operation, facts, key, answer and draws, with why each grant was chosen."""
    book = await open_book(ledger)
    customer = await book.customer()
    for amount in (3, 4, 5):
        await book.grant(customer, amount)
    kept: list[Accepted] = []

    def written(accepted: Accepted) -> Answer:
        kept.append(accepted)
        return Answer(status=201, body=b'{"exactly":  "these bytes \xf0\x9f\x92\xa1"}')

    command = debit_of(
        customer, 8, attributes={"model": "m"}, occurred_at=Instant(START - 1), metadata=METADATA
    )
    key = LedgerKey("test.debit", "k ✓ \u0000")
    answer = await ledger.submit(book.id, command, written, key=key)
    operation = kept[0].operation
    assert operation is not None
    async with opened(database) as store:
        found = await store.find_debit(operation.id)
        assert found is not None
        assert found.operation == operation
        assert found.entries == kept[0].entries
        assert [entry.amount for entry in found.entries] == [3, 4, 1]
        assert all(entry.order_key and len(entry.hash) == 32 for entry in found.entries)
        assert found.reversed == {}
    assert operation.answer == answer.body
    facts = msgspec.json.decode(operation.facts)
    assert (facts["attributes"], facts["metadata"]) == ({"model": "m"}, METADATA)
    await ledger.apply(book.id, ReverseDebit(debit=operation.id, amount=Amount(2)))
    async with opened(database) as store:
        again = await store.find_debit(operation.id)
        assert again is not None
        assert list(again.reversed.values()) == [2]


async def test_a_used_key_answers_the_stored_bytes_in_another_process(
    database: Database, ledger: Ledger
) -> None:
    book = await open_book(ledger)
    customer = await book.customer()
    await book.grant(customer, 10)
    first = await book.debit(customer, 3, "key")
    other = open_ledger_on(await database.open())
    again = await Book(other, book.id).debit(customer, 3, "key")
    await other.close()
    assert (again.status, again.body, again.replayed) == (first.status, first.body, True)


async def test_a_claim_answers_its_stored_answer_in_another_process(
    database: Database, ledger: Ledger
) -> None:
    """Status, bytes and request id, also of a refusal."""
    book = await open_book(ledger)
    claims = [Claim("test", key, b"f" * 32) for key in ("made", "refused")]
    asked = [CreateCustomer(own_id="x"), CreateCustomer(own_id="x")]
    given = []
    for command, claim in zip(asked, claims, strict=True):
        given.append(
            await ledger.submit(
                book.id,
                command,
                lambda _: Answer(status=201, body=b"\x00made", request_id="req_1"),
                claim=claim,
                refuse=lambda error: Answer(status=400, body=error.code.encode(), request_id="r"),
            )
        )
    assert [answer.status for answer in given] == [201, 400]
    other = open_ledger_on(await database.open())
    for command, claim, first in zip(asked, claims, given, strict=True):
        again = await other.submit(book.id, command, fail, claim=claim)
        assert again == msgspec.structs.replace(first, replayed=True)
    await other.close()


def fail(accepted: Accepted) -> Answer:
    raise AssertionError("a replay decides nothing")


async def test_ids_that_name_nothing_find_nothing(ledger: Ledger, store: Store) -> None:
    """An id of another kind is as unknown as one that was never made."""
    book = await open_book(ledger)
    customer = await book.customer()
    grant = await book.grant(customer, 1)
    assert await store.find_customer(grant.id) is None
    assert await store.find_entitlement(grant.id) is None
    assert await store.find_grant(grant.customer) is None
    assert await store.find_debit(grant.id) is None
    assert await store.find_name(book.id, CUSTOMER_OWN_ID, "nobody") is None
    granted = await issued(ledger, book, customer)
    assert granted.operation is not None
    with pytest.raises(DebitNotFound):
        await ledger.debit(book.id, granted.operation.id)
    with pytest.raises(GrantNotFound):
        await ledger.grant(book.id, derive(grant.id, "another"))


async def issued(ledger: Ledger, book: Book, customer: str) -> Accepted:
    command = IssueGrant(customer=customer, entitlement=CREDITS, amount=Amount(1))
    return await ledger.apply(book.id, command)


async def test_books_do_not_see_each_other(ledger: Ledger) -> None:
    """The same own ids and codes may be in both; what is in one is not found from the other."""
    one, two = await open_book(ledger), await open_book(ledger)
    await one.customer("same")
    await two.customer("same")
    grant = await one.grant("same", 5)
    await two.grant("same", 7)
    assert [found.amount for found in await ledger.grants(one.id, limit=10)] == [5]
    assert [found.amount for found in await ledger.grants(two.id, limit=10)] == [7]
    assert len(await ledger.customers(CustomerFilter(book=one.id, limit=10))) == 1
    with pytest.raises(GrantNotFound):
        await ledger.grant(two.id, grant.id)
    with pytest.raises(GrantNotFound):
        await ledger.apply(two.id, VoidGrant(grant=grant.id))
    assert (await ledger.grant(one.id, grant.id)).remaining == 5


async def test_a_cost_basis_is_kept(ledger: Ledger, store: Store) -> None:
    """As given; 0 of no currency for promotional units; the face value of paid currency."""
    book = await open_book(ledger)
    customer = await book.customer()
    given = await book.grant(customer, 10, cost_basis=Money(Amount(125, 2), "eur"))
    promotional = await book.grant(customer, 10, category=Category.PROMOTIONAL)
    unknown = await book.grant(customer, 10)
    face = await book.grant(customer, 10, "usd")
    kept = [await store.find_grant(grant.id) for grant in (given, promotional, unknown, face)]
    assert [grant.cost_basis for grant in kept if isinstance(grant, Grant)] == [
        CostBasis(1_250_000_000, "eur"),
        CostBasis(0, None),
        None,
        CostBasis(10_000_000_000, "usd"),
    ]
    assert all(grant is not None and grant.source == "api" for grant in kept)
