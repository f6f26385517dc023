"""A book on an open ledger, and short ways to ask it for things: for tests below HTTP."""

from __future__ import annotations

import itertools
from typing import Any

import msgspec

from drawdown.core import amounts
from drawdown.core.amounts import Amount
from drawdown.core.commands import CreateCustomer, CreateEntitlement, Debit, IssueGrant
from drawdown.core.requests import Accepted, Answer, LedgerKey
from drawdown.core.types import Balance, BurnOrder, Grant, Id, Instant, Mode
from drawdown.engine.batcher import BatchObserver
from drawdown.engine.clocks import ManualClock, SystemClock, TimeOrderedIds
from drawdown.engine.jobs import Jobs
from drawdown.engine.ledger import Ledger, Verified
from drawdown.engine.ports import Store
from drawdown.naming import NAMING

START = Instant(1_767_225_600_000_000)  # 2026-01-01T00:00:00Z
SECOND = 1_000_000
HOUR = 3_600 * SECOND
CREDITS = "credits"

_numbers = itertools.count(1)


def units(text: str) -> Amount:
    found = amounts.parse(text)
    assert found is not None
    return found


def render(accepted: Accepted) -> Answer:
    """What a dialect would: the operation, and the balance right after it."""
    assert accepted.operation is not None
    assert accepted.balance is not None
    body = {"operation": accepted.operation.id.hex(), "posted": accepted.balance.posted}
    return Answer(status=201, body=msgspec.json.encode(body))


class Observed(BatchObserver):
    """Remembers what it was told."""

    def __init__(self) -> None:
        self.sizes: list[int] = []
        self.errors: list[BaseException] = []
        self.conflicts: list[BaseException] = []

    def committed(self, size: int, seconds: float) -> None:
        assert seconds > 0
        self.sizes.append(size)

    def conflicted(self, conflict: BaseException) -> None:
        self.conflicts.append(conflict)

    def failed(self, error: BaseException) -> None:
        self.errors.append(error)


class Book:
    """One book with the entitlement ``credits`` (scale 0 unless told otherwise)."""

    def __init__(self, ledger: Ledger, book: Id) -> None:
        self.ledger = ledger
        self.id = book

    async def customer(self, own_id: str | None = None, **more: Any) -> str:
        own_id = own_id or f"customer-{next(_numbers)}"
        await self.ledger.apply(self.id, CreateCustomer(own_id=own_id, **more))
        return own_id

    async def grant(
        self, customer: str, amount: int, entitlement: str = CREDITS, **more: Any
    ) -> Grant:
        command = IssueGrant(
            customer=customer, entitlement=entitlement, amount=Amount(amount), **more
        )
        accepted = await self.ledger.apply(self.id, command)
        assert accepted.grant is not None
        return accepted.grant

    async def debit(
        self, customer: str, amount: int, key: str | None = None, **more: Any
    ) -> Answer:
        command = Debit(customer=customer, entitlement=CREDITS, amount=Amount(amount), **more)
        ledger_key = None if key is None else LedgerKey("test.debit", key)
        return await self.ledger.submit(self.id, command, render, key=ledger_key)

    async def balance(self, customer: str, entitlement: str = CREDITS) -> Balance:
        return await self.ledger.balance(self.id, customer, entitlement)


async def open_book(
    ledger: Ledger, scale: int = 0, burn_order: BurnOrder = BurnOrder.SOONEST_EXPIRY
) -> Book:
    """The test book of a new account."""
    account = await ledger.accounts.create_account(f"account-{next(_numbers)}")
    book = await ledger.accounts.book(account.id, Mode.TEST)
    command = CreateEntitlement(code=CREDITS, unit="credit", scale=scale, burn_order=burn_order)
    await ledger.apply(book, command)
    return Book(ledger, book)


def open_ledger_on(
    store: Store, clock: ManualClock | None = None, *, jobs: bool = False, **more: Any
) -> Ledger:
    """A ledger over an open store. Closing it closes the store."""
    ledger = Ledger(store, clock or SystemClock(), TimeOrderedIds(), **more)
    ledger.open(jobs=jobs)
    return ledger


async def worked_off(jobs: Jobs) -> None:
    """Ticks until one process alone has taken on each part of any store."""
    for _ in range(8):
        await jobs.tick()


async def verified(ledger: Ledger) -> Verified:
    """The end of ``verify``. Raises ``Fault`` at the first fault."""
    return [progress async for progress in ledger.verify(NAMING)][-1]
