"""Credit balance transactions by when they were recorded: of all customers of a book, or one by its id.

They are read as events are, off what was recorded, and not off each customer's entries.
"""

from __future__ import annotations

from functools import partial
from typing import NamedTuple

from drawdown.core import currencies
from drawdown.core.identity import parse
from drawdown.core.types import Customer, Document, Id, Instant
from drawdown.dialects.stripe import imported, recorded, wire_billing
from drawdown.dialects.stripe.errors import StripeError, missing_object
from drawdown.dialects.stripe.requests_billing import ListTransactions
from drawdown.dialects.stripe.transactions import NOUN, is_shown, shown_there
from drawdown.dialects.stripe.webhooks import telling_credit, telling_documents
from drawdown.dialects.stripe.webhooks.telling import Telling
from drawdown.engine.ports import DocumentFilter, Recorded
from drawdown.engine.positions import LAST, Position
from drawdown.web.endpoints import Call

_LAST = Id(b"\xff" * 16)


_Place = tuple[Position, int]


class Found(NamedTuple):
    """A transaction, whose it is, and its place: the operation's, and its own in that.

    ``there``: one of before an import has its document, and no place of its own; it comes after all others.
    """

    place: _Place
    shown: wire_billing.Transaction
    customer: Customer
    there: Id | None = None


_OLDEST: _Place = (Position(Instant(0), Id(bytes(16))), 0)


async def find(call: Call, text: str, param: str) -> Found:
    """Raises ``StripeError``."""
    operation = parse(text.rpartition("_")[0])
    if operation is not None:
        kept = await call.ledger.operation(call.book, operation)
        for each in [] if kept is None else await _Reading(call).transactions(kept):
            if each.shown.id == text:
                return each
    document = await imported.find_transaction(call.ledger, call.book, text)
    if document is not None:
        return await _Reading(call).there(document)
    raise missing_object(NOUN, text, param)


async def page_of(
    call: Call, asked: ListTransactions, cursors: tuple[Found | None, Found | None]
) -> tuple[list[Found], bool]:
    """A page of all, newest first, and whether there are more. Raises ``StripeError``."""
    after, before = cursors
    reading = _Reading(call)
    if before is not None:
        page, more = await _newer(reading, asked.limit, before)
        return page[::-1], more
    return await _older(reading, asked.limit, after)


async def _older(reading: _Reading, limit: int, after: Found | None) -> tuple[list[Found], bool]:
    """Newest first: what was recorded here, and then what was there before."""
    page: list[Found] = []
    if after is None or after.there is None:
        page, more, over = await reading.here(limit, None if after is None else after.place)
        if more or over:
            return page, more
    page += await reading.all_there(limit + 1 - len(page), after=after and after.there)
    return page[:limit], len(page) > limit


async def _newer(reading: _Reading, limit: int, before: Found) -> tuple[list[Found], bool]:
    """Oldest first."""
    page: list[Found] = []
    if before.there is not None:
        page = await reading.all_there(limit + 1, before=before.there)
        if len(page) > limit:
            return page[:limit], True
    found, more, _ = await reading.here(limit - len(page), before.place, newer=True)
    return page + found, more


class _Reading:
    """Looks up each customer once."""

    def __init__(self, call: Call) -> None:
        self._call, self._customers = call, dict[Id, Customer]()
        self._codes = currencies.codes_by_id(call.book)

    async def here(
        self, limit: int, end: _Place | None, *, newer: bool = False
    ) -> tuple[list[Found], bool, bool]:
        """What was recorded before a place, newest first, or after it, oldest first.

        Whether there is more, and whether the time was over before that was known. Raises ``StripeError``.
        """
        read = partial(self._call.ledger.recorded, book=self._call.book)
        start = (Position(self._call.now, _LAST), LAST) if end is None else end
        if newer:
            walk = recorded.forwards(read, start[0])
        else:
            oldest = recorded.beginning(self._call.book, self._call.now)
            walk = recorded.backwards(read, start[0], oldest)

        async def told(each: Recorded) -> list[Found]:
            found = await self.transactions(each)
            return [it for it in found if (it.place > start if newer else it.place < start)]

        page, more, over = await recorded.collect(walk, told, limit, newest_first=not newer)
        if over and not page:
            raise StripeError(
                "Too much else was recorded to look through it for a page: name a customer.",
                param="customer",
            )
        return page, more, over

    async def all_there(
        self, limit: int, *, after: Id | None = None, before: Id | None = None
    ) -> list[Found]:
        """What was there before an import: newest first, with ``before`` oldest first."""
        asked = DocumentFilter(
            book=self._call.book,
            kind=imported.TRANSACTION,
            after=after,
            before=before,
            limit=limit,
        )
        return [await self.there(each) for each in await self._call.ledger.documents(asked)]

    async def there(self, document: Document) -> Found:
        shown = shown_there(imported.read(document), self._call.principal.mode)
        return Found(_OLDEST, shown, await self._customer(document.owner), document.id)

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
        lines = telling_documents.lines_of(turns)
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
