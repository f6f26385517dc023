"""Credit balance transactions by when they were recorded: of all customers of a book, or one by its id.

They are read as events are, off what was recorded, and not off each customer's entries.
"""

from __future__ import annotations

from functools import partial
from typing import NamedTuple

from drawdown.core import currencies
from drawdown.core.identity import parse
from drawdown.core.types import Customer, Id, Instant
from drawdown.dialects.stripe import recorded, wire_billing
from drawdown.dialects.stripe.errors import StripeError, missing_object
from drawdown.dialects.stripe.requests_billing import ListTransactions
from drawdown.dialects.stripe.transactions import NOUN, is_shown
from drawdown.dialects.stripe.webhooks import telling_credit, telling_documents
from drawdown.dialects.stripe.webhooks.telling import Telling
from drawdown.engine.ports import Recorded
from drawdown.engine.positions import LAST, Position
from drawdown.web.endpoints import Call

_LAST = Id(b"\xff" * 16)


class Found(NamedTuple):
    """A transaction, whose it is, and its place: the operation's, and its own in that."""

    place: tuple[Position, int]
    shown: wire_billing.Transaction
    customer: Customer


async def find(call: Call, text: str, param: str) -> Found:
    """Raises ``StripeError``."""
    operation = parse(text.rpartition("_")[0])
    if operation is not None:
        kept = await call.ledger.operation(call.book, operation)
        for each in [] if kept is None else await _Reading(call).transactions(kept):
            if each.shown.id == text:
                return each
    raise missing_object(NOUN, text, param)


async def page_of(
    call: Call, asked: ListTransactions, cursors: tuple[Found | None, Found | None]
) -> tuple[list[Found], bool]:
    """A page of all, newest first, and whether there are more. Raises ``StripeError``."""
    after, before = cursors
    reading = _Reading(call)
    read = partial(call.ledger.recorded, book=call.book)
    if before is None:
        end = (Position(call.now, _LAST), LAST) if after is None else after.place
        walk = recorded.backwards(read, end[0].recorded_at, Instant(0))
    else:
        end = before.place
        walk = recorded.forwards(read, end[0].recorded_at)

    async def told(each: Recorded) -> list[Found]:
        found = await reading.transactions(each)
        return [it for it in found if (it.place < end if before is None else it.place > end)]

    newest_first = before is None
    page, more, over = await recorded.collect(walk, told, asked.limit, newest_first=newest_first)
    if over and not page:
        raise StripeError(
            "Too much else was recorded to look through it for a page: name a customer.",
            param="customer",
        )
    return page if newest_first else page[::-1], more


class _Reading:
    """Looks up each customer once."""

    def __init__(self, call: Call) -> None:
        self._call, self._customers = call, dict[Id, Customer]()
        self._codes = currencies.codes_by_id(call.book)

    async def transactions(self, kept: Recorded) -> list[Found]:
        """Those of an operation, in the order of its entries."""
        if not any(is_shown(each) and each.entitlement in self._codes for each in kept.entries):
            return []
        customer = await self._customer(kept.operation.customer)
        telling = Telling(
            ledger=self._call.ledger,
            book=kept.book,
            mode=self._call.principal.mode,
            operation=kept.operation,
            entries=kept.entries,
            owner=customer,
        )
        turns = await telling_documents.turns(telling)
        lines = telling_documents.lines_of(turns, telling_credit.returned(telling))
        return [
            Found((kept.position, _ordinal(each.object)), each.object, customer)
            for each in await telling_credit.credit(telling, lines)
            if each.type == telling_credit.TRANSACTION
        ]

    async def _customer(self, customer: Id) -> Customer:
        if customer not in self._customers:
            self._customers[customer] = await self._call.ledger.customer(self._call.book, customer)
        return self._customers[customer]


def _ordinal(shown: wire_billing.Transaction) -> int:
    return int(shown.id.rpartition("_")[2])
