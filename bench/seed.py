"""The ledger that every measure begins with: customers with five grants each, and one with very many.

Made through the engine, since making it is not what is measured.
"""

from __future__ import annotations

import time

import msgspec

from bench.traffic import CODE, MANY, own_id
from drawdown.core.amounts import Amount
from drawdown.core.commands import Command, CreateCustomer, CreateEntitlement, IssueGrant
from drawdown.core.requests import Accepted, Answer
from drawdown.core.types import DAY, MICROSECONDS, Category, Id, Instant, Mode
from drawdown.engine.accounts import Role
from drawdown.engine.ledger import Ledger
from drawdown.opening import open_ledger

PLENTY = 10**12


class Granted(msgspec.Struct, frozen=True):
    """One grant that a customer begins with. ``days`` until it expires; None: never."""

    amount: int
    priority: int
    category: Category
    days: int | None


#: Small ones that are soon used up, then plenty; in the order of their making, not of burning.
GRANTS = (
    Granted(50, 20, Category.PAID, 90),
    Granted(50, 10, Category.PAID, 60),
    Granted(50, 20, Category.PROMOTIONAL, 30),
    Granted(50, 10, Category.PROMOTIONAL, 30),
    Granted(PLENTY, 50, Category.PAID, None),
)
#: The first of the very many grants expires after this many days, each further one a day later.
MANY_DAYS = 400
PORTION = 5_000


class Seeded(msgspec.Struct, frozen=True):
    """A database to copy, the secret of a key to it, and the book that the key opens."""

    url: str
    secret: str
    book: Id


async def seed(url: str, customers: int, many: int, many_amount: int) -> Seeded:
    """Fill the database at ``url``; ``many`` grants of ``many_amount`` are the one customer's."""
    async with open_ledger(url, jobs=False) as ledger:
        account = await ledger.accounts.create_account("bench")
        _, secret = await ledger.accounts.create_key(account.id, Mode.TEST, Role.EDITOR)
        book = await ledger.accounts.book(account.id, Mode.TEST)
        now = time.time_ns() // 1000
        names = [own_id(number) for number in range(customers)]
        await _submit(ledger, book, [CreateEntitlement(code=CODE, unit="credit", scale=0)])
        await _submit(ledger, book, [CreateCustomer(own_id=name) for name in [*names, MANY]])
        await _submit(ledger, book, [_grant(name, now, one) for name in names for one in GRANTS])
        days = range(MANY_DAYS, MANY_DAYS + many)
        ending = [Granted(many_amount, 50, Category.PAID, day) for day in days]
        await _submit(ledger, book, [_grant(MANY, now, one) for one in ending])
    return Seeded(url, secret, book)


def _grant(customer: str, now: int, granted: Granted) -> IssueGrant:
    days = granted.days
    return IssueGrant(
        customer=customer,
        entitlement=CODE,
        amount=Amount(granted.amount),
        priority=granted.priority,
        category=granted.category,
        effective_at=Instant(now - MICROSECONDS),
        expires_at=None if days is None else Instant(now + days * DAY),
    )


def nothing(accepted: Accepted) -> Answer:
    return Answer(status=201, body=b"")


async def _submit(ledger: Ledger, book: Id, commands: list[Command]) -> None:
    """Carry out all of them; a refusal is raised."""
    for start in range(0, len(commands), PORTION):
        portion = commands[start : start + PORTION]
        answers = await ledger.submit_many(book, [(each, nothing, None) for each in portion])
        for answer in answers:
            if isinstance(answer, BaseException):
                raise answer
