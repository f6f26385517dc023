"""``verify`` of claims: what each leads to is called so, and what has a name is led to by it.

Both ways some at a time, since there may be tens of millions. Where the store is spread they are not all of
one moment: what seems wrong is looked at again, and is wrong when it has not changed.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from functools import partial
from typing import TypeVar

import msgspec

from drawdown.core.claims import (
    Bearer,
    Claimed,
    EventNamed,
    NamesByKind,
    bearers_in,
    fault_of_claim,
    fault_of_name,
    names_of,
)
from drawdown.core.fold import Fault
from drawdown.core.imported_ids import Kept, Leads, check_lead, target_of
from drawdown.core.state import Name
from drawdown.core.types import Document, Id
from drawdown.core.usage.records import Event
from drawdown.engine.ports import Audit, CustomerFilter, DocumentFilter

Listed = TypeVar("Listed", bound=Bearer)
#: What claims lead to, by its kind: a document may have the id of something else.
Found = dict[tuple[type[Bearer], Id | None], Bearer]
#: So many are looked up at once.
AT_ONCE = 1_000


class Naming(msgspec.Struct, frozen=True, kw_only=True):
    """What dialects know: by which names documents of a kind are known, and which lead from ids elsewhere."""

    documents: NamesByKind
    leads: Leads


class ClaimsAudit:
    """The claims of everything, as one audit of the store finds them."""

    def __init__(self, audit: Audit, naming: Naming) -> None:
        self._audit = audit
        self._documents = naming.documents
        self._leads = naming.leads
        self._events: list[EventNamed] = []

    async def verify(self) -> None:
        """All but the names of usage events (``add``). Raises ``Fault`` at the first that is wrong."""
        async for claims in self._audit.walk_claims():
            await self._check_claims(claims)
        for book in await self._audit.list_books():
            await self._check_book(book)

    async def add(self, event: Event) -> None:
        """A usage event that was come upon. Raises ``Fault`` for one of those before, or for this one."""
        self._events.append(EventNamed(event.id, event.book, event.own_id))
        if len(self._events) == AT_ONCE:
            await self.end()

    async def end(self) -> None:
        """There are no more usage events. Raises ``Fault``."""
        events, self._events = self._events, []
        await self._check_names(events)

    # From claims to what they lead to ------------------------------------------------------------

    async def _check_claims(self, claims: Sequence[Claimed]) -> None:
        found = await self._bearers_of(claims)
        for claim in claims:
            fault = self._fault(claim, found)
            if fault is not None and not await self._is_over(claim):
                raise Fault(fault)

    def _fault(self, claim: Claimed, found: Found) -> str | None:
        kinds = () if claim.target is None else bearers_in(claim.name[1])
        places = ((kind, claim.target) for kind in kinds)
        bearer = next((found[place] for place in places if place in found), None)
        return fault_of_claim(claim, bearer, self._documents, apart=self._audit.claims_apart)

    async def _bearers_of(self, claims: Sequence[Claimed]) -> Found:
        wanted: dict[type[Bearer], list[Id]] = {}
        for claim in claims:
            for kind in bearers_in(claim.name[1]):
                if claim.target is not None:
                    wanted.setdefault(kind, []).append(claim.target)
        return {
            (kind, bearer.id): bearer
            for kind, ids in wanted.items()
            for bearer in (await self._audit.find_bearers(kind, ids)).values()
        }

    async def _is_over(self, claim: Claimed) -> bool:
        """Whether a claim has changed since it was read: then so may have what it led to."""
        return (await self._audit.read_names([claim.name])).get(claim.name) != claim.target

    # From what has names to its claims -----------------------------------------------------------

    async def _check_book(self, book: Id) -> None:
        audit = self._audit

        async def customers(after: Id | None) -> Sequence[Bearer]:
            asked = CustomerFilter(book=book, limit=AT_ONCE, after=after)
            return await audit.list_customers(asked)

        async def entitlements(after: Id | None) -> Sequence[Bearer]:
            return await audit.list_entitlements(book, after, AT_ONCE)

        await self._check_names(await audit.list_meters(book))
        await self._check_pages(customers)
        await self._check_pages(entitlements)
        for kind in self._documents:
            await self._check_pages(partial(self._documents_of, book, kind))
        for kind in self._leads:
            async for page in _pages(partial(self._documents_of, book, kind)):
                await self._check_leads(page)

    async def _documents_of(self, book: Id, kind: str, after: Id | None) -> Sequence[Document]:
        asked = DocumentFilter(book=book, kind=kind, limit=AT_ONCE, after=after)
        return await self._audit.list_documents(asked)

    async def _check_pages(self, read: Callable[[Id | None], Awaitable[Sequence[Bearer]]]) -> None:
        async for page in _pages(read):
            await self._check_names(page)

    async def _check_names(self, bearers: Sequence[Bearer]) -> None:
        names = [(name, bearer) for bearer in bearers for name in names_of(bearer, self._documents)]
        targets = await self._audit.read_names([name for name, _ in names])
        for name, bearer in names:
            fault = fault_of_name(name, bearer, targets.get(name))
            if fault is not None and await self._has(bearer, name):
                raise Fault(fault)

    async def _check_leads(self, documents: Sequence[Document]) -> None:
        """From what ids of elsewhere lead to, to what goes by them."""
        targets = [(each, *target_of(each, self._leads)) for each in documents]
        wanted: dict[type[Kept], list[Id]] = {}
        for _, kinds, target in targets:
            for kind in kinds:
                wanted.setdefault(kind, []).append(target)
        found: dict[tuple[type[Kept], Id], Kept] = {}
        for kind, ids in wanted.items():
            there = await self._audit.find_bearers(kind, ids)
            found |= {(kind, each): kept for each, kept in there.items()}
        for document, kinds, target in targets:
            known = next((found[kind, target] for kind in kinds if (kind, target) in found), None)
            check_lead(document, target, known, self._leads)

    async def _has(self, bearer: Bearer, name: Name) -> bool:
        """Whether something is still called so."""
        found = await self._audit.find_bearers(type(bearer), [bearer.id])
        return bearer.id in found and name in names_of(found[bearer.id], self._documents)


async def _pages(
    read: Callable[[Id | None], Awaitable[Sequence[Listed]]],
) -> AsyncIterator[Sequence[Listed]]:
    """All of a list, newest first."""
    after: Id | None = None
    while found := await read(after):
        yield found
        after = found[-1].id
