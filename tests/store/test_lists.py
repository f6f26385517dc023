"""Lists: filters, states and cursors against a filter in Python that is obviously right."""

from __future__ import annotations

import asyncio
import itertools
import random
from collections.abc import Sequence
from typing import Any

import pytest

from drawdown.core.amounts import Amount
from drawdown.core.commands import (
    CreateCustomer,
    CreateSchedule,
    Debit,
    ExpireGrant,
    ReverseDebit,
    RolloverTerms,
    Settle,
    VoidGrant,
)
from drawdown.core.errors import FieldInvalid
from drawdown.core.lifecycle import state_of
from drawdown.core.schedules.calendar import CalendarUnit, Every
from drawdown.core.types import DAY, Category, Entry, Grant, GrantState, Id, Instant
from drawdown.engine.clocks import ManualClock
from drawdown.engine.ledger import Ledger
from drawdown.engine.ports import CustomerFilter, GrantFilter, Store
from tests.support.books import CREDITS, HOUR, START, Book, open_book

pytestmark = pytest.mark.anyio

STATES: list[tuple[GrantState, ...]] = [
    *itertools.combinations(GrantState, 1),
    *itertools.combinations(GrantState, 2),
    tuple(GrantState),
]
NOW = Instant(START + 10 * HOUR)


class Shelf:
    """A book with grants of every kind and age, on two customers and three entitlements."""

    def __init__(self, book: Book) -> None:
        self.book = book
        self.customers: list[str] = []
        self.grants: list[Grant] = []

    async def fill(self, ledger: Ledger, clock: ManualClock) -> None:
        self.customers = [await self.book.customer() for _ in range(2)]
        for customer, entitlement, times in itertools.product(
            self.customers, (CREDITS, "usd", "eur"), TIMES
        ):
            for fate in FATES:
                await self._add(ledger, customer, entitlement, times, fate)
        clock.instant = NOW

    async def _add(
        self, ledger: Ledger, customer: str, entitlement: str, times: dict[str, Any], fate: str
    ) -> None:
        grant = await self.book.grant(customer, 2, entitlement, priority=self._priority, **times)
        self.grants.append(grant)
        if fate == "void":
            await ledger.apply(self.book.id, VoidGrant(grant=grant.id))
        if fate == "expire":
            await ledger.apply(self.book.id, ExpireGrant(grant=grant.id))
        if fate.startswith("spend") and not grant.pending:
            amount = 2 if fate == "spend all" else 1
            await ledger.apply(
                self.book.id,
                Debit(customer=customer, entitlement=entitlement, amount=units_of(grant, amount)),
            )

    @property
    def _priority(self) -> int:
        """The newest grant is drawn first."""
        return 100 - len(self.grants) % 100


def units_of(grant: Grant, amount: int) -> Amount:
    return Amount(amount * grant.amount // 2, 0 if grant.amount == 2 else 9)


TIMES: list[dict[str, Any]] = [
    {},
    {"expires_at": NOW},
    {"expires_at": Instant(NOW + 1)},
    {"effective_at": NOW},
    {"effective_at": Instant(NOW + 1)},
    {"effective_at": Instant(NOW + 1), "expires_at": Instant(NOW + HOUR)},
    {"effective_at": Instant(START + HOUR), "expires_at": NOW},
    {"effective_at": Instant(START + HOUR)},
]
FATES = ("keep", "void", "expire", "spend all", "spend half")


async def current(store: Store, shelf: Shelf) -> list[Grant]:
    """Every grant as the store has it now, newest first."""
    found = [await store.find_grant(grant.id) for grant in shelf.grants]
    return sorted((grant for grant in found if grant), key=lambda grant: grant.id, reverse=True)


async def check_states(store: Store, shelf: Shelf) -> None:
    everything = await current(store, shelf)
    seen = {state_of(grant, NOW) for grant in everything}
    assert seen == set(GrantState)
    for states in STATES:
        asked = GrantFilter(book=shelf.book.id, now=NOW, limit=1_000, states=frozenset(states))
        expected = [grant for grant in everything if state_of(grant, NOW) in states]
        assert await store.list_grants(asked) == expected, states


async def test_states_are_judged_now_whether_or_not_time_was_recorded(
    ledger: Ledger, store: Store, clock: ManualClock
) -> None:
    """Every state and every pair of states; before and after the wallets are settled."""
    shelf = Shelf(await open_book(ledger))
    await shelf.fill(ledger, clock)
    await check_states(store, shelf)
    for customer in shelf.customers:
        await ledger.entries(shelf.book.id, customer, limit=1)
    assert await store.due_wallets(NOW, 10) == []
    await check_states(store, shelf)


async def test_filters_find_what_a_plain_filter_finds(
    ledger: Ledger, store: Store, clock: ManualClock
) -> None:
    """Customer, entitlement, currency and state in every combination, page by page both ways."""
    shelf = Shelf(await open_book(ledger))
    await shelf.fill(ledger, clock)
    everything = await current(store, shelf)
    customer, entitlement = everything[0].customer, everything[-1].entitlement
    monetary = {grant.id for grant in everything if grant.amount != 2}
    for of_customer, of_entitlement, of_currency, states in itertools.product(
        (None, customer), (None, entitlement), (False, True), ((), (GrantState.ACTIVE,))
    ):
        asked = {
            "book": shelf.book.id,
            "now": NOW,
            "customer": of_customer,
            "entitlement": of_entitlement,
            "monetary": of_currency,
            "states": frozenset(states),
        }
        expected = [
            grant
            for grant in everything
            if of_customer in (None, grant.customer)
            and of_entitlement in (None, grant.entitlement)
            and (not of_currency or grant.id in monetary)
            and (not states or state_of(grant, NOW) in states)
        ]
        await check_pages(store, asked, expected)


async def check_pages(store: Store, asked: dict[str, Any], expected: Sequence[Grant]) -> None:
    """Pages by ``after``, by ``before`` and by offset are the list, cut."""
    size = 7
    for start in range(0, len(expected) + 1, size):
        page = list(expected[start : start + size])
        by_offset = GrantFilter(**asked, limit=size, offset=start)
        assert await store.list_grants(by_offset) == page
        if start:
            after = GrantFilter(**asked, limit=size, after=expected[start - 1].id)
            assert await store.list_grants(after) == page
        if start < len(expected):
            newer = list(expected[max(0, start - size) : start])
            before = GrantFilter(**asked, limit=size, before=expected[start].id)
            assert await store.list_grants(before) == newer


async def test_grants_of_one_moment_are_listed_in_the_order_they_were_made(
    ledger: Ledger, clock: ManualClock
) -> None:
    """Also those of one batch."""
    book = await open_book(ledger)
    customer = await book.customer()
    made = await asyncio.gather(*(book.grant(customer, amount) for amount in range(1, 60)))
    listed = await ledger.grants(book.id, limit=100)
    assert [grant.amount for grant in listed] == list(range(59, 0, -1))
    assert [grant.id for grant in reversed(listed)] == [grant.id for grant in made]


async def test_grants_of_cycles_are_listed_by_the_customers_time(
    ledger: Ledger, clock: ManualClock
) -> None:
    """Their ids tell no time; what was carried into a cycle comes after the cycle's own."""
    book = await open_book(ledger)
    customer = await book.customer()
    every, rollover = Every(CalendarUnit.DAY), RolloverTerms(percentage=100, generations_max=1)
    await ledger.apply(
        book.id,
        CreateSchedule(
            customer=customer,
            entitlement=CREDITS,
            amount=Amount(10),
            every=every,
            rollover=rollover,
        ),
    )
    for day in range(1, 5):
        clock.instant = Instant(START + day * DAY)
        await ledger.apply(book.id, Settle(customer=customer, entitlement=CREDITS))
    found = await ledger.grants(
        book.id, customer=customer, entitlement=CREDITS, by_creation=True, limit=100
    )
    made = [((grant.created_at - START) // DAY, grant.generation) for grant in found]
    assert made == [(4, 0), (4, 1), (3, 0), (3, 1), (2, 0), (2, 1), (1, 0), (1, 1), (0, 0)]
    second = await ledger.grants(
        book.id, customer=customer, entitlement=CREDITS, by_creation=True, offset=3, limit=2
    )
    assert second == found[3:5]


@pytest.mark.parametrize(
    ("part", "names"),
    [
        ("ann", ["Joanna", "ANN Ök"]),
        ("n ök", ["ANN Ök"]),
        ("N ÖK", ["ANN Ök"]),
        ("%", ["50% off"]),
        ("_", ["a_b"]),
        ("!", []),
    ],
)
async def test_customers_are_found_by_a_part_of_their_name_in_any_case(
    ledger: Ledger, part: str, names: list[str]
) -> None:
    """In any alphabet; what means something in a pattern stands for itself."""
    book = await open_book(ledger)
    for name in ("ANN Ök", "50% off", "a_b", "axb", "Joanna"):
        await ledger.apply(book.id, CreateCustomer(name=name))
    found = await ledger.customers(CustomerFilter(book=book.id, name=part, limit=10))
    assert [customer.name for customer in found] == names


async def test_outstanding_grants_come_in_burn_down_order_per_entitlement(
    ledger: Ledger, clock: ManualClock
) -> None:
    """Pending ones included, expired and used up ones left out."""
    book = await open_book(ledger)
    customer = await book.customer()
    in_order = [
        await book.grant(customer, 1, priority=1),
        await book.grant(customer, 2, expires_at=Instant(START + HOUR), priority=2),
        await book.grant(customer, 3, category=Category.PROMOTIONAL, priority=2),
        await book.grant(customer, 4, effective_at=Instant(START - HOUR), priority=2),
        await book.grant(customer, 5, priority=2),
        await book.grant(customer, 6, effective_at=Instant(START + HOUR), priority=2),
    ]
    await book.grant(customer, 7, expires_at=Instant(START + 1))
    await book.debit(customer, 1)
    clock.instant = Instant(START + 1)
    found = await ledger.outstanding(book.id, customer)
    assert [grant.id for grant in found] == [grant.id for grant in in_order[1:]]


async def test_customers_and_entitlements_are_listed_newest_first(ledger: Ledger) -> None:
    book = await open_book(ledger)
    names = [await book.customer() for _ in range(25)]
    pages: list[str | None] = []
    after: Id | None = None
    while page := await ledger.customers(CustomerFilter(book=book.id, after=after, limit=4)):
        pages.extend(customer.own_id for customer in page)
        after = page[-1].id
    assert pages == names[::-1]
    [third] = await ledger.customers(CustomerFilter(book=book.id, limit=1, offset=22))
    turned = CustomerFilter(book=book.id, before=third.id, limit=4)
    assert [customer.own_id for customer in await ledger.customers(turned)] == names[3:7]
    await book.grant(names[0], 1, "eur")
    found = await ledger.entitlements(book.id, limit=10)
    assert {entitlement.code for entitlement in found} == {"eur", CREDITS}
    assert [entitlement.id for entitlement in found] == sorted(
        (entitlement.id for entitlement in found), reverse=True
    )
    assert await ledger.entitlements(book.id, after=found[-1].id, limit=10) == []


async def walked(
    book: Book, customer: str, limit: int, entitlement: str | None = None
) -> list[Entry]:
    """All pages of a customer's entries, one after the other."""
    found: list[Entry] = []
    after: str | None = None
    while True:
        page, after = await book.ledger.entries(
            book.id, customer, entitlement, after=after, limit=limit
        )
        assert len(page) == limit or after is None
        found.extend(page)
        if after is None:
            return found


async def moved(ledger: Ledger, seed: int) -> tuple[Book, str, dict[str, list[Entry]]]:
    """A customer with random movements in three wallets, and each wallet's entries as answered."""
    chance = random.Random(seed)
    book = await open_book(ledger, scale=9)
    customer, entries = (
        await book.customer(),
        {code: list[Entry]() for code in (CREDITS, "usd", "eur")},
    )
    for _ in range(120):
        code = chance.choice(list(entries))
        await book.grant(customer, 5, code)
        amount = Amount(chance.randint(1, 5))
        spend = Debit(customer=customer, entitlement=code, amount=amount)
        spent = await ledger.apply(book.id, spend)
        assert spent.operation is not None
        entries[code].extend(spent.entries)
        if chance.random() < 0.3:
            back = await ledger.apply(book.id, ReverseDebit(debit=spent.operation.id))
            entries[code].extend(back.entries)
    return book, customer, entries


@pytest.mark.parametrize("limit", [1, 2, 3, 7, 50, 1_000])
async def test_pages_of_entries_are_the_whole_list(ledger: Ledger, limit: int) -> None:
    """Wallet by wallet, newest first, none twice and none left out, whatever the page."""
    book, customer, answered = await moved(ledger, limit)
    everything = await walked(book, customer, limit)
    owner = (await ledger.customer(book.id, customer)).id
    order = []
    for code, movements in answered.items():
        kind = (await ledger.entitlement(book.id, code)).id
        order.append(kind)
        mine = [entry for entry in everything if entry.entitlement == kind]
        assert [entry.seq for entry in mine] == list(range(len(mine), 0, -1))
        assert [entry for entry in reversed(mine) if entry.kind != "granted"] == movements
        assert await walked(book, customer, limit, code) == mine
    assert {entry.customer for entry in everything} == {owner}
    wallets = [kind for kind, _ in itertools.groupby(entry.entitlement for entry in everything)]
    assert wallets == sorted(order)


async def test_entries_recorded_between_two_pages_move_nothing(ledger: Ledger) -> None:
    """The next page goes on where the one before ended."""
    book = await open_book(ledger)
    customer = await book.customer()
    for amount in range(1, 11):
        await book.grant(customer, amount)
    first, after = await ledger.entries(book.id, customer, limit=4)
    await book.grant(customer, 99)
    second, end = await ledger.entries(book.id, customer, after=after, limit=100)
    assert [entry.amount for entry in first + second] == list(range(10, 0, -1))
    assert end is None


async def test_anothers_cursor_finds_nothing(ledger: Ledger) -> None:
    book = await open_book(ledger)
    one, two = await book.customer(), await book.customer()
    for customer in (one, two, one, two):
        await book.grant(customer, 1)
    _, after = await ledger.entries(book.id, one, limit=1)
    assert await ledger.entries(book.id, two, after=after, limit=10) == ([], None)
    for nonsense in ("x", "-1", "9" * 30, "A" * 53):
        with pytest.raises(FieldInvalid):
            await ledger.entries(book.id, one, after=nonsense, limit=10)


async def test_a_customer_without_entries_has_none(ledger: Ledger) -> None:
    book = await open_book(ledger)
    assert await ledger.entries(book.id, await book.customer(), limit=5) == ([], None)


async def test_a_movement_list_is_complete(ledger: Ledger, clock: ManualClock) -> None:
    """What is due is recorded before it is listed, in the order of its instants."""
    book = await open_book(ledger)
    customer = await book.customer()
    later = Instant(START + 3 * HOUR)
    await book.grant(customer, 4, effective_at=Instant(START + HOUR), expires_at=later)
    await book.grant(customer, 6, expires_at=Instant(START + 2 * HOUR))
    clock.instant = Instant(START + 5 * HOUR)
    entries, _ = await ledger.entries(book.id, customer, limit=10)
    assert [(entry.kind, entry.amount, entry.at) for entry in reversed(entries)] == [
        ("granted", 4, START),
        ("granted", 6, START),
        ("activated", 4, START + HOUR),
        ("expired", 6, START + 2 * HOUR),
        ("expired", 4, START + 3 * HOUR),
    ]
    assert {entry.recorded_at for entry in entries[:3]} == {START + 5 * HOUR}
