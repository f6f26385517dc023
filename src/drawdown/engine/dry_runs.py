"""Dry runs: what customers did is read from the first on and decided again on copies. Nothing is written."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence

import msgspec

from drawdown.core.errors import FieldInvalid
from drawdown.core.hindsight.changing import AskedChange, Change, change_of
from drawdown.core.hindsight.dry_run import DryRun, NotReproducible, Result, Summary
from drawdown.core.hindsight.recorded import grant_needed
from drawdown.core.hindsight.replaying import Amendment, World
from drawdown.core.types import Customer, Entitlement, Id, Instant, Overage
from drawdown.core.usage.records import Event
from drawdown.engine.ports import EventFilter, Recorded, Store

CUSTOMERS_MAX = 1_000
#: Of a customer with more entries, or usage events, nothing is said; a call ends after so many in all.
CUSTOMER_ENTRIES_MAX = 100_000
ENTRIES_MAX = 50_000
#: So many customers are read together.
CHUNK = 50
#: After so many operations others have a turn.
TURN = 20
EVENTS_PAGE = 500
KINDS_PAGE = 100

NowOf = Callable[[Customer], Awaitable[Instant]]


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """``customer`` None: all who have credit of the kind, so many at a time, from behind ``after`` on."""

    book: Id
    kind: Entitlement
    change: AskedChange
    since: Instant
    until: Instant
    customer: Customer | None = None
    after: Id | None = None
    limit: int = CUSTOMERS_MAX


class Skipped(msgspec.Struct, frozen=True):
    """A customer of whom nothing can be said, and why: ``too_long`` or ``not_reproducible``."""

    customer: Customer
    reason: str


class Page(msgspec.Struct, kw_only=True):
    """What came of some customers, together and one by one. ``after``: where to go on, if anywhere."""

    before: Summary = msgspec.field(default_factory=Summary)
    after_change: Summary = msgspec.field(default_factory=Summary)
    results: list[Result] = []
    skipped: list[Skipped] = []
    after: Id | None = None

    def add(self, result: Result) -> None:
        self.results.append(result)
        self.before.add(result.before)
        self.after_change.add(result.after)


async def run(store: Store, asked: Asked, now_of: NowOf) -> Page:
    """Raises ``FieldInvalid`` and what a change can be refused with."""
    if asked.since >= asked.until:
        raise FieldInvalid("from", "earlier than to, which is now unless given")
    world = await _world(store, asked.book)
    change = change_of(asked.change, asked.kind, world.catalog)
    customers, following = await _customers(store, asked)
    page, left = Page(), ENTRIES_MAX
    for start in range(0, len(customers), CHUNK):
        chunk = customers[start : start + CHUNK]
        seqs = await store.wallet_seqs([each.id for each in chunk])
        concerned: list[Customer] = []
        for each in chunk:
            entries = sum(seqs[each.id].values())
            if left <= 0:
                break
            page.after = each.id
            if entries > CUSTOMER_ENTRIES_MAX:
                page.skipped.append(Skipped(each, "too_long"))
            elif asked.kind.id in seqs[each.id] or change.rates is not None:
                concerned.append(each)
                left -= entries
        await _Chunk(store, world, asked, change).run(concerned, now_of, page)
    is_last = not customers or page.after == customers[-1].id
    page.after = following if is_last else page.after
    return page


async def _customers(store: Store, asked: Asked) -> tuple[list[Customer], Id | None]:
    """The next customers, and where those after them begin."""
    if asked.customer is not None:
        return [asked.customer], None
    found = await store.list_customers(asked.book, asked.after, asked.limit + 1)
    shown = found[: asked.limit]
    return shown, shown[-1].id if len(found) > asked.limit else None


async def _world(store: Store, book: Id) -> World:
    kinds: dict[Id, Entitlement] = {}
    after: Id | None = None
    while found := await store.list_entitlements(book, after, KINDS_PAGE):
        kinds |= {kind.id: kind for kind in found}
        after = found[-1].id
    return World(
        book=book,
        kinds=kinds,
        catalog=await store.find_catalog(book),
        amendments=await _amendments(store, book),
    )


async def _amendments(store: Store, book: Id) -> Sequence[Amendment]:
    found = []
    async for each in store.walk_operations(book, [book]):
        operation = each.operation
        if operation.kind == "amend_entitlement" and operation.subject is not None:
            told = msgspec.json.decode(operation.changed, type=_Told)
            if told.overage is not None:
                found.append(
                    Amendment(
                        entitlement=operation.subject,
                        recorded_at=operation.recorded_at,
                        operation=operation.id,
                        before=told.overage[0],
                        after=told.overage[1],
                    )
                )
    return sorted(found, key=lambda each: (each.recorded_at, each.operation))


class _Told(msgspec.Struct):
    overage: tuple[Overage, Overage] | None = None


class _Chunk:
    """Some customers, whose operations come one among the other."""

    def __init__(self, store: Store, world: World, asked: Asked, change: Change) -> None:
        self._store, self._world, self._asked, self._change = store, world, asked, change
        self._runs: dict[Id, DryRun] = {}
        self._events: dict[Id, Event] = {}
        self._faulty: set[Id] = set()

    async def run(self, customers: Sequence[Customer], now_of: NowOf, page: Page) -> None:
        begun = [each for each in customers if await self._begin(each, page)]
        if begun:
            await self._feed_all()
        for customer in begun:
            if customer.id in self._faulty:
                page.skipped.append(Skipped(customer, "not_reproducible"))
            else:
                page.add(self._runs[customer.id].end(await now_of(customer)))
                await asyncio.sleep(0)

    async def _begin(self, customer: Customer, page: Page) -> bool:
        """Read the customer's usage events, unless there are too many."""
        events = await self._events_of(customer)
        if len(events) > CUSTOMER_ENTRIES_MAX:
            page.skipped.append(Skipped(customer, "too_long"))
            return False
        self._events |= events
        self._runs[customer.id] = DryRun(
            self._world,
            customer,
            self._asked.kind,
            self._change,
            self._asked.since,
            self._asked.until,
        )
        return True

    async def _feed_all(self) -> None:
        fed = 0
        async for recorded in self._store.walk_operations(self._asked.book, list(self._runs)):
            owner = recorded.operation.customer
            if owner not in self._faulty:
                try:
                    await self._feed(recorded)
                except NotReproducible:
                    self._faulty.add(owner)
            fed += 1
            if fed % TURN == 0:
                await asyncio.sleep(0)

    async def _feed(self, recorded: Recorded) -> None:
        operation, entries = recorded.operation, recorded.entries
        needed = grant_needed(operation, entries)
        grant = None if needed is None else await self._store.find_grant(needed)
        event = self._events.get(operation.id)
        self._runs[operation.customer].feed(operation, entries, event, grant)

    async def _events_of(self, customer: Customer) -> dict[Id, Event]:
        """All of them, or more than are taken; none where nothing counts any."""
        events: dict[Id, Event] = {}
        if not self._world.catalog.meters:
            return events
        asked = EventFilter(book=self._asked.book, limit=EVENTS_PAGE, customer=customer.id)
        while found := await self._store.list_events(asked):
            events |= {event.id: event for event in found}
            if len(events) > CUSTOMER_ENTRIES_MAX:
                break
            asked = msgspec.structs.replace(asked, after=found[-1].id)
        return events
