"""Who and what a book knows, and what time it is for whom."""

from __future__ import annotations

import time

from drawdown.core import currencies
from drawdown.core.context import written
from drawdown.core.errors import CustomerNotFound, DocumentNotFound, EntitlementNotFound
from drawdown.core.state import (
    CUSTOMER_ALIAS,
    CUSTOMER_OWN_ID,
    ENTITLEMENT_CODE,
    document_name,
)
from drawdown.core.types import Customer, Document, Entitlement, Id, Instant, Reference
from drawdown.engine.ports import Clock, CustomerFilter, DocumentFilter, Store

#: Of so many customers it is kept in mind for so long that they are on no test clock.
UNCLOCKED_MAX = 100_000
UNCLOCKED_SECONDS = 1.0


class DirectoryReads:
    """Customers and kinds of credit. Whatever else is read begins with them."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self.clock = clock
        self._store = store
        self._unclocked: dict[Id, float] = {}

    async def now_of(self, customer: Customer) -> Instant:
        """What time it is for a customer: real time, or that of the test clock he is on."""
        if customer.test_clock is None:
            return self.clock.now()
        clock = await self._store.find_clock(customer.test_clock)
        assert clock is not None, "clocks stay as long as their customers"
        return clock.frozen_at

    async def time_of(self, book: Id, customer: Reference) -> Instant:
        """As ``now_of``. Raises ``CustomerNotFound``."""
        return await self._now(await self._customer_id(book, customer))

    async def _now_for(self, customer: Customer | None) -> Instant:
        return self.clock.now() if customer is None else await self.now_of(customer)

    async def _now(self, customer: Id) -> Instant:
        """As ``now_of``. That he is on no clock is taken for true for a second: he may be put on one."""
        unclocked, now = self._unclocked, time.monotonic()
        if now < unclocked.get(customer, 0.0):
            return self.clock.now()
        found = await self._store.find_customer(customer)
        if found is not None and found.test_clock is None:
            if len(unclocked) >= UNCLOCKED_MAX:
                unclocked.clear()
            unclocked[customer] = now + UNCLOCKED_SECONDS
        return await self._now_for(found)

    async def customer(self, book: Id, reference: Reference) -> Customer:
        """Raises ``CustomerNotFound``."""
        found: Id | None
        if isinstance(reference, str):
            found = await self._named_customer(book, reference)
        else:
            found = reference
        customer = None if found is None else await self._store.find_customer(found)
        if customer is None or customer.book != book:
            raise CustomerNotFound(written(reference))
        return customer

    async def entitlement(self, book: Id, reference: Reference) -> Entitlement:
        """By id or code; currencies are always there. Raises ``EntitlementNotFound``."""
        found: Id | None
        if not isinstance(reference, str):
            found = reference
        elif reference in currencies.MINOR_PLACES:
            found = currencies.entitlement_id(book, reference)
        else:
            found = await self._store.find_name(book, ENTITLEMENT_CODE, reference)
        entitlement = None if found is None else await self._store.find_entitlement(found)
        if entitlement is not None and entitlement.book == book:
            return entitlement
        code = None if found is None else currencies.codes_by_id(book).get(found)
        if code is None:
            raise EntitlementNotFound(written(reference))
        return currencies.entitlement(book, code, self.clock.now())

    async def _customer_id(self, book: Id, reference: Reference) -> Id:
        """Of a customer who is there if anything of theirs is. Raises ``CustomerNotFound``.

        A name is one book's and needs no more than itself to be read; but whoever makes a customer may
        have died between the two.
        """
        if not isinstance(reference, str):
            return (await self.customer(book, reference)).id
        found = await self._named_customer(book, reference)
        if found is None:
            raise CustomerNotFound(written(reference))
        return found

    async def _named_customer(self, book: Id, text: str) -> Id | None:
        """By an own id, or by an alias."""
        found = await self._store.find_name(book, CUSTOMER_OWN_ID, text)
        if found is not None:
            return found
        try:
            return (await self.document_named(book, text, CUSTOMER_ALIAS)).owner
        except DocumentNotFound:
            return None

    async def customers(self, asked: CustomerFilter) -> list[Customer]:
        return await self._store.list_customers(asked)

    async def holders(
        self, book: Id, entitlement: Id, *, offset: int = 0, limit: int
    ) -> list[Customer]:
        """Who has ever had credit of an entitlement, the last to get some for the first time first."""
        found = await self._store.entitlement_wallets(book, entitlement, offset, limit)
        return [await self.customer(book, each) for each in found]

    async def entitlements(
        self, book: Id, *, after: Id | None = None, limit: int
    ) -> list[Entitlement]:
        """Newest first; a currency is listed once the book has had a grant in it."""
        return await self._store.list_entitlements(book, after, limit)

    async def document(self, book: Id, document: Id, kind: str) -> Document:
        """Raises ``DocumentNotFound``, also for one that was deleted, or is of another kind."""
        found = await self._store.find_document(document)
        if (
            found is None
            or (found.book, found.kind) != (book, kind)
            or found.deleted_at is not None
        ):
            raise DocumentNotFound(written(document))
        return found

    async def document_named(self, book: Id, text: str, kind: str) -> Document:
        """The one that has a name. Raises ``DocumentNotFound``."""
        found = await self._store.find_name(*document_name(book, kind, text))
        if found is None:
            raise DocumentNotFound(written(text))
        return await self.document(book, found, kind)

    async def documents(self, asked: DocumentFilter) -> list[Document]:
        return await self._store.list_documents(asked)
