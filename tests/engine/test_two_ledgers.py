"""Two ledgers on one database, each with what it keeps of its own: together they are one ledger."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable

import pytest

from drawdown.core.amounts import Amount
from drawdown.core.commands import (
    AmendGrant,
    Command,
    Debit,
    ExpireGrant,
    IssueGrant,
    ReverseDebit,
    Settle,
    VoidGrant,
)
from drawdown.core.errors import LedgerError
from drawdown.core.requests import Accepted
from drawdown.core.types import Id, Instant
from drawdown.engine.clocks import ManualClock
from drawdown.store.sqlite import store as sqlite_store
from tests.support.books import CREDITS, HOUR, START, Book, open_book, open_ledger_on, verified
from tests.support.stores import Database, database

__all__ = ["database"]

pytestmark = pytest.mark.anyio

CUSTOMER = "customer"
STEPS = 150


class Players:
    """Random commands about one wallet, each given to one ledger or the other, some at once."""

    def __init__(self, books: list[Book], clock: ManualClock, seed: int) -> None:
        self._books = books
        self._clock = clock
        self._chance = random.Random(seed)
        self._grants: list[Id] = []
        self._debits: list[Id] = []
        self._makers: list[Callable[[], Command]] = [
            *[self._grant] * 4,
            *[self._debit] * 6,
            *[self._reverse] * 2,
            lambda: ExpireGrant(grant=self._chance.choice(self._grants)),
            lambda: VoidGrant(grant=self._chance.choice(self._grants)),
            self._amend,
            lambda: Settle(customer=CUSTOMER, entitlement=CREDITS),
        ]

    def _grant(self) -> Command:
        now, late = self._clock.instant, self._chance.randint(1, 9)
        return IssueGrant(
            customer=CUSTOMER,
            entitlement=CREDITS,
            amount=Amount(self._chance.randint(1, 3)),
            priority=self._chance.randint(0, 3),
            effective_at=self._chance.choice((None, None, Instant(now + late * HOUR))),
            expires_at=self._chance.choice((None, Instant(now + 2 * late * HOUR))),
        )

    def _debit(self) -> Command:
        amount = Amount(self._chance.randint(1, 60))
        return Debit(customer=CUSTOMER, entitlement=CREDITS, amount=amount)

    def _reverse(self) -> Command:
        if not self._debits:
            return self._grant()
        return ReverseDebit(debit=self._chance.choice(self._debits), amount=Amount(1))

    def _amend(self) -> Command:
        later = Instant(self._clock.instant + self._chance.randint(1, 9) * HOUR)
        return AmendGrant(grant=self._chance.choice(self._grants), expires_at=later)

    async def begin(self, count: int) -> None:
        """More grants than are loaded at once."""
        await asyncio.gather(*(self._ask(self._books[0], self._grant()) for _ in range(count)))

    async def step(self) -> None:
        self._clock.instant = Instant(self._clock.instant + self._chance.randint(0, HOUR))
        commands = [self._chance.choice(self._makers)() for _ in range(self._chance.randint(1, 4))]
        asked = (self._ask(self._chance.choice(self._books), command) for command in commands)
        await asyncio.gather(*asked)

    async def _ask(self, book: Book, command: Command) -> None:
        try:
            accepted = await book.ledger.apply(book.id, command)
        except LedgerError:
            return
        self._note(command, accepted)

    def _note(self, command: Command, accepted: Accepted) -> None:
        if isinstance(command, IssueGrant) and accepted.grant is not None:
            self._grants.append(accepted.grant.id)
        if isinstance(command, Debit) and accepted.operation is not None:
            self._debits.append(accepted.operation.id)


@pytest.mark.parametrize("seed", range(4))
async def test_two_ledgers_on_one_database_are_one(
    database: Database, clock: ManualClock, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    """After every step both answer the same balance, and the books add up at the end."""
    clock.instant = START
    ledgers = [open_ledger_on(await database.open(), clock) for _ in range(2)]
    first = await open_book(ledgers[0])
    books = [first, Book(ledgers[1], first.id)]
    await first.customer(CUSTOMER)
    players = Players(books, clock, seed)
    await players.begin(100)
    monkeypatch.setattr(sqlite_store, "BEGIN_WAIT_SECONDS", 0.001)
    monkeypatch.setattr(sqlite_store, "BEGIN_TRIES", 60_000)  # a minute all the same
    for step in range(STEPS):
        await players.step()
        one, two = [await book.balance(CUSTOMER) for book in books]
        assert one == two, f"seed {seed}, step {step}"
        if step % 50 == 0:
            await verified(ledgers[step % 2])
    await verified(ledgers[0])
    for ledger in ledgers:
        await ledger.close()


async def test_what_another_process_wrote_is_seen_at_once(database: Database, book: Book) -> None:
    """Nothing it knew before is trusted after another connection has written."""
    customer = await book.customer()
    await book.grant(customer, 10)
    await book.debit(customer, 4)
    other = open_ledger_on(await database.open(), ManualClock(START))
    elsewhere = Book(other, book.id)
    for _ in range(3):
        await elsewhere.debit(customer, 1)
        await book.debit(customer, 1)
    await elsewhere.grant(customer, 5, priority=0)
    await book.debit(customer, 5)
    shown = await book.balance(customer)
    assert (shown.posted, shown.used) == (0, 15)
    assert await elsewhere.balance(customer) == shown
    await verified(other)
    await other.close()
