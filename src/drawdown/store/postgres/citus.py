"""The ledger in a database that Citus has spread: one store for each shard, on the server where it is.

A shard has the same slots of every table. What is about one customer is asked of the server that has his
shard; what is about a whole book, and what is small, of the coordinator.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, suppress

from drawdown.core.identity import slot_of
from drawdown.core.schedules.terms import Schedule
from drawdown.core.state import Name, Wallet
from drawdown.core.types import (
    Alert,
    Customer,
    Document,
    Entitlement,
    Entry,
    Grant,
    Hold,
    Id,
    Instant,
)
from drawdown.core.usage.records import Event
from drawdown.core.usage.spans import Span, Use
from drawdown.core.watching.top_ups import Standing, TopUp, TopUpRequest
from drawdown.engine.ports import (
    AlertFilter,
    Audit,
    DocumentFilter,
    EventFilter,
    FeedFilter,
    FeedPage,
    GrantFilter,
    Group,
    HoldFilter,
    ScheduleFilter,
    StoredDebit,
    StoreUnavailable,
    TopUpFilter,
    TopUpRequestFilter,
)
from drawdown.store.postgres import connection as opening
from drawdown.store.postgres.distribution import citus_queries
from drawdown.store.postgres.facts import Facts
from drawdown.store.postgres.placement import Map, Node, Reader, read_map, url_of
from drawdown.store.postgres.reads import PostgresReads
from drawdown.store.postgres.shard import ShardStore
from drawdown.store.postgres.shard_audit import SpreadAudit
from drawdown.store.postgres.slots import claim_slot, lease_slot
from drawdown.store.postgres.store import CONNECTIONS_MAX, PostgresStore

#: A shard that was moved, or a server that another took the place of, is found after so long at most.
REFRESH_SECONDS = 60.0
#: While a server does not answer it is tried again so often.
RETRY_SECONDS = 1.0
#: Many who are told at once that something has moved ask the catalogue once.
REFRESHED_SECONDS = 0.2
ReadMap = Callable[[Reader, Map | None], Awaitable[Map]]


async def open_postgres(
    url: str, connections: int = CONNECTIONS_MAX, read: ReadMap = read_map
) -> PostgresStore:
    """The store of a database, spread or not. Raises ``StoreUnavailable`` and ``StoreUnusable``."""
    store = await PostgresStore.open(url, connections)
    shards = Shards(store, url, connections, read)
    try:
        [(is_spread,)] = await store.fetch(citus_queries()["has_citus"])
        if not is_spread:
            return store
        await shards.refresh()
    except BaseException:
        await shards.close()
        await store.close()
        raise
    return CitusStore(store, shards)


class Shards:
    """Where the shards are (``ports.Placement``), and connections to their servers."""

    def __init__(
        self, coordinator: PostgresStore, url: str, connections: int, read: ReadMap
    ) -> None:
        self._coordinator = coordinator
        self._url = url
        self._connections = connections
        self._read = read
        self._map: Map | None = None
        self._read_at = 0.0
        self._reading = asyncio.Lock()
        self._stores: dict[Group, ShardStore] = {}
        self._facts = Facts()
        self.servers: dict[Node, PostgresStore] = {}

    @property
    def map(self) -> Map:
        assert self._map is not None, "it is read before anything is asked"
        return self._map

    def groups(self) -> Sequence[Group]:
        return list(self.map.nodes)

    def of(self, identifier: Id) -> Group:
        return self.map.shards[slot_of(identifier)]

    def slot_of_name(self, name: Name) -> int:
        return claim_slot(*name)

    def of_name(self, name: Name) -> Group:
        return self.map.shards[claim_slot(*name)]

    def part(self, group: Group) -> ShardStore:
        """Raises ``StoreUnavailable`` for a shard that is no more, or whose server cannot be reached."""
        store = self._stores.get(group)
        return store if store is not None else self._open(group)

    def _open(self, group: Group) -> ShardStore:
        if group not in self.map.nodes:
            raise StoreUnavailable("The shard has been split since; ask again.")
        node = self.map.nodes[group]
        server = self._coordinator if node is None else self.servers.get(node)
        if server is None:
            raise StoreUnavailable(f"{node} cannot be reached; ask again.")
        slots = [slot for slot, shard in enumerate(self.map.shards) if shard == group]
        store = self._stores[group] = ShardStore(server, self._facts, slots, self.look_again)
        return store

    async def refresh(self) -> None:
        """Read where the shards are, unless that was just tried. Raises ``StoreUnavailable``."""
        async with self._reading:
            if time.monotonic() - self._read_at < REFRESHED_SECONDS:
                return
            try:
                await self._look()
            finally:
                self._read_at = time.monotonic()

    async def _look(self) -> None:
        found = await self._read(self._coordinator, self._map)
        for node in found.servers() - self.servers.keys():
            with suppress(StoreUnavailable):  # what is on the other servers is there nevertheless
                self.servers[node] = await self._connect(node)
        self._keep(found)

    @property
    def is_complete(self) -> bool:
        """Whether every server could be reached."""
        return self.map.servers() <= self.servers.keys()

    async def look_again(self) -> None:
        """Where nobody can be asked, things are taken to be where they were."""
        with suppress(StoreUnavailable):
            await self.refresh()

    async def _connect(self, node: Node) -> PostgresStore:
        pool = await opening.open_pool(url_of(self._url, node), self._connections)
        return PostgresStore(pool, self._connections)

    def _keep(self, found: Map) -> None:
        """What is where it was keeps its store, and with it what is gathering there."""
        if self._map is not None:
            before = self._map.nodes
            self._stores = {
                group: store
                for group, store in self._stores.items()
                if group in found.nodes and found.nodes[group] == before[group]
            }
        self._map = found

    async def close(self) -> None:
        for store in self._stores.values():
            await store.close()
        for server in self.servers.values():
            await server.close()


class CitusStore(PostgresStore):
    """The store of a whole cluster; what is not said here goes through the coordinator."""

    def __init__(self, coordinator: PostgresStore, placement: Shards) -> None:
        super().__init__(coordinator._pool, coordinator._connections)
        self.migrations_run = coordinator.migrations_run
        self._snapshots = coordinator._snapshots
        self._shards = placement
        self.placement = placement
        self._refreshing = asyncio.create_task(self._refresh(), name="drawdown-placement")

    async def _refresh(self) -> None:
        while True:
            complete = self._shards.is_complete
            await asyncio.sleep(REFRESH_SECONDS if complete else RETRY_SECONDS)
            await self._shards.look_again()

    def _at(self, identifier: Id) -> ShardStore:
        return self._shards.part(self._shards.of(identifier))

    async def find_name(self, book: Id, space: str, text: str) -> Id | None:
        shard = self._shards.of_name((book, space, text))
        return await self._shards.part(shard).find_name(book, space, text)

    async def find_customer(self, customer: Id) -> Customer | None:
        return await self._at(customer).find_customer(customer)

    async def find_entitlement(self, entitlement: Id) -> Entitlement | None:
        """They are on every server: all of them are asked, each for some."""
        return await self._at(entitlement).find_entitlement(entitlement)

    async def find_grant(self, grant: Id) -> Grant | None:
        return await self._at(grant).find_grant(grant)

    async def list_grants(self, grants: GrantFilter) -> list[Grant]:
        if grants.customer is None:
            return await super().list_grants(grants)
        return await self._at(grants.customer).list_grants(grants)

    async def outstanding_grants(self, customer: Id) -> list[Grant]:
        return await self._at(customer).outstanding_grants(customer)

    async def find_wallet(self, customer: Id, entitlement: Id, due_by: Instant) -> Wallet | None:
        return await self._at(customer).find_wallet(customer, entitlement, due_by)

    async def find_hold(self, hold: Id) -> Hold | None:
        return await self._at(hold).find_hold(hold)

    async def find_schedule(self, schedule: Id) -> Schedule | None:
        return await self._at(schedule).find_schedule(schedule)

    async def find_top_up(self, top_up: Id) -> tuple[TopUp, Standing] | None:
        return await self._at(top_up).find_top_up(top_up)

    async def list_top_ups(self, top_ups: TopUpFilter) -> list[tuple[TopUp, Standing]]:
        if top_ups.customer is None:
            return await super().list_top_ups(top_ups)
        return await self._at(top_ups.customer).list_top_ups(top_ups)

    async def find_top_up_request(self, request: Id) -> TopUpRequest | None:
        return await self._at(request).find_top_up_request(request)

    async def list_top_up_requests(self, requests: TopUpRequestFilter) -> list[TopUpRequest]:
        if requests.customer is None:
            return await super().list_top_up_requests(requests)
        return await self._at(requests.customer).list_top_up_requests(requests)

    async def find_document(self, document: Id) -> Document | None:
        return await self._at(document).find_document(document)

    async def list_documents(self, documents: DocumentFilter) -> list[Document]:
        if documents.owner is None:
            return await super().list_documents(documents)
        return await self._at(documents.owner).list_documents(documents)

    async def find_alert(self, alert: Id) -> Alert | None:
        return await self._at(alert).find_alert(alert)

    async def list_alerts(self, alerts: AlertFilter) -> list[Alert]:
        if alerts.customer is None:
            return await super().list_alerts(alerts)
        return await self._at(alerts.customer).list_alerts(alerts)

    async def list_schedules(self, schedules: ScheduleFilter) -> list[Schedule]:
        if schedules.customer is None:
            return await super().list_schedules(schedules)
        return await self._at(schedules.customer).list_schedules(schedules)

    async def list_holds(self, holds: HoldFilter) -> list[Hold]:
        if holds.customer is None:
            return await super().list_holds(holds)
        return await self._at(holds.customer).list_holds(holds)

    async def read_event(self, event: Id) -> Event | None:
        return await self._at(event).read_event(event)

    async def list_events(self, events: EventFilter) -> list[Event]:
        if events.customer is None:
            return await super().list_events(events)
        return await self._at(events.customer).list_events(events)

    async def find_use(self, span: Span) -> Use:
        return await self._at(span.customer).find_use(span)

    async def find_debit(self, debit: Id) -> StoredDebit | None:
        return await self._at(debit).find_debit(debit)

    async def walk_entries(
        self, customer: Id, entitlement: Id | None, after: str | None, limit: int
    ) -> tuple[list[Entry], str | None]:
        return await self._at(customer).walk_entries(customer, entitlement, after, limit)

    async def oldest_writer(self) -> int:
        """On any server."""
        servers = self._shards.servers.values()
        ages = await asyncio.gather(*(server.oldest_writer() for server in servers))
        return max(await super().oldest_writer(), *ages, 0)

    async def read_feed(self, asked: FeedFilter) -> FeedPage:
        if asked.customer is None:
            return await super().read_feed(asked)
        return await self._at(asked.customer).read_feed(asked)

    async def due_entitlements(self, customer: Id, now: Instant) -> list[Id]:
        return await self._at(customer).due_entitlements(customer, now)

    @asynccontextmanager
    async def moment(self, of: Id) -> AsyncIterator[PostgresReads]:
        async with self._at(of).moment(of) as moment:
            yield moment

    @asynccontextmanager
    async def audit(self) -> AsyncIterator[Audit]:
        audit = SpreadAudit(self, self._shards)
        await audit.begin()
        yield audit

    async def lease(self, name: str, holder: Id, now: Instant, until: Instant) -> bool:
        shard = self._shards.map.shards[lease_slot(name)]
        return await self._shards.part(shard).lease(name, holder, now, until)

    async def prune_claims(self, before: Instant, limit: int) -> int:
        pruned = 0
        for group in self._shards.groups():
            pruned += await self._shards.part(group).prune_claims(before, limit - pruned)
        return pruned

    async def weaknesses(self) -> list[str]:
        """Of each server."""
        found = await super().weaknesses()
        for node, server in self._shards.servers.items():
            found += [f"{node}: {weak}" for weak in await server.weaknesses()]
        return found

    async def close(self) -> None:
        self._refreshing.cancel()
        await self._shards.close()
        await super().close()
