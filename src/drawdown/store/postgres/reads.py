"""Reading what was committed: over the pool, or within one moment."""

from __future__ import annotations

from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, Protocol

from drawdown.core.identity import slot_of
from drawdown.core.requests import ClaimRecord
from drawdown.core.schedules.terms import Schedule
from drawdown.core.state import USAGE_EVENT, Name, Wallet, WalletKey
from drawdown.core.types import (
    DEBITS,
    NOTHING,
    Alert,
    AlertRule,
    BurnOrder,
    Customer,
    Document,
    Entitlement,
    Entry,
    Grant,
    GrantState,
    Hold,
    HoldState,
    Id,
    Instant,
    Operation,
)
from drawdown.core.usage.records import Attachment, Catalog, Event, Meter
from drawdown.core.usage.spans import Span, Use, use_of
from drawdown.core.watching.top_ups import Standing, TopUp, TopUpRequest
from drawdown.engine.ports import (
    AlertFilter,
    CursorInvalid,
    CustomerFilter,
    DocumentFilter,
    EventFilter,
    GrantFilter,
    HoldFilter,
    ScheduleFilter,
    Sought,
    StoredDebit,
    TopUpFilter,
    TopUpRequestFilter,
)
from drawdown.store import directory_rows, document_rows, rows, top_up_rows, usage_rows
from drawdown.store.bearers import BEARERS
from drawdown.store.postgres.operations import find_operations, operation_of
from drawdown.store.postgres.slots import claim_slot

NEWEST = Id(b"\xff" * 16)
SEQ_MAX = 2**63 - 1

Row = Sequence[Any]
Columns = list[tuple[Any, ...]]
_Place = tuple[Id, Id, int]

#: Each state as SQL, judged at :now, whether or not what is due has been recorded (``lifecycle``).
_OVER = "(g.expires_at IS NOT NULL AND g.expires_at <= :now)"
_LOST = f"(g.expired > 0 OR (g.remaining > 0 AND ({_OVER} OR g.expired_at IS NOT NULL)))"
_LEFT = f"g.voided_at IS NULL AND g.remaining > 0 AND NOT {_LOST}"
_STATES = {
    GrantState.VOIDED: "g.voided_at IS NOT NULL",
    GrantState.EXPIRED: f"(g.voided_at IS NULL AND {_LOST})",
    GrantState.DEPLETED: "(g.voided_at IS NULL AND g.expired = 0 AND g.remaining = 0)",
    GrantState.PENDING: f"({_LEFT} AND g.effective_at > :now)",
    GrantState.ACTIVE: f"({_LEFT} AND g.effective_at <= :now)",
}
_HOLD_OVER = "(h.state = 'open' AND h.expires_at IS NOT NULL AND h.expires_at <= :now)"
_HOLD_STATES = {
    HoldState.OPEN: f"(h.state = 'open' AND NOT {_HOLD_OVER})",
    HoldState.EXPIRED: f"(h.state = 'expired' OR {_HOLD_OVER})",
    HoldState.CAPTURED: "h.state = 'captured'",
    HoldState.RELEASED: "h.state = 'released'",
}
#: What time it is for whom a row belongs to, in a book with test clocks.
_OWN_NOW = (
    "coalesce((SELECT t.frozen_at FROM customer c JOIN test_clock t ON t.id = c.test_clock"
    " WHERE c.slot = {0}.slot AND c.id = {0}.customer), :now)"
)
_MONETARY = "g.entitlement IN (SELECT id FROM entitlement WHERE book = $1 AND currency IS NOT NULL)"


class Connection(Protocol):
    """What runs a statement: the store itself on any connection it has, or one connection."""

    async def fetch(self, query: str, *args: object) -> list[Any]: ...


class PostgresReads:
    """What the engine reads outside of a batch."""

    def __init__(self, connection: Connection, queries: Mapping[str, str]) -> None:
        self._reader = connection
        self._queries = queries

    async def _fetch(self, query: str, *bindings: object) -> list[Any]:
        return await self._reader.fetch(self._queries[query], *bindings)

    async def _find(self, query: str, columns: Columns) -> list[Any]:
        """The rows of an array statement."""
        if not columns[0]:
            return []
        return await self._fetch(query, *columns, sorted(set(columns[0])))

    async def read_names(self, names: Sequence[Name]) -> dict[Name, Id]:
        found = await self._find("find_name", claims_columns(names))
        return {(book, space, text): target for book, space, text, target in found}

    async def find_claim(self, name: Name) -> ClaimRecord | None:
        return (await self.find_claims([name])).get(name)

    async def find_claims(self, names: Sequence[Name]) -> dict[Name, ClaimRecord]:
        found = await self._find("find_claim", claims_columns(names))
        return {
            (row[0], row[1], row[2]): rows.claim_of(row[0], row[1], row[2], tuple(row[3:]))
            for row in found
        }

    async def read_customers(self, ids: Sequence[Id]) -> dict[Id, Customer]:
        found = await self._find("find_customer", id_columns(ids))
        return {row[0]: rows.customer_of(tuple(row)) for row in found}

    async def read_entitlements(self, ids: Sequence[Id]) -> dict[Id, Entitlement]:
        found = await self._fetch("find_entitlement", ids)
        return {row[0]: rows.entitlement_of(tuple(row)) for row in found}

    async def find_bearers(self, kind: type[Sought], ids: Sequence[Id]) -> dict[Id, Sought]:
        """Kinds of credit and meters are on every server, so it does not matter which one is asked."""
        query, read = BEARERS[kind]
        if kind in (Entitlement, Meter):
            found = await self._fetch(query, ids)
        else:
            found = await self._find(query, id_columns(ids))
        return {row[0]: usage_rows.readable(read, tuple(row)) for row in found}

    async def list_books(self) -> list[Id]:
        return [row[0] for row in await self._fetch("list_books")]

    async def list_meters(self, book: Id) -> list[Meter]:
        return [usage_rows.meter_of(tuple(row)) for row in await self._fetch("book_meters", [book])]

    async def read_wallets(self, keys: Sequence[WalletKey]) -> dict[WalletKey, Row]:
        """Their rows: who asks makes a wallet of his own, which he may change."""
        found = await self._find("find_wallet", wallet_columns(keys))
        return {(row[0], row[1]): row for row in found}

    async def find_name(self, book: Id, space: str, text: str) -> Id | None:
        return (await self.read_names([(book, space, text)])).get((book, space, text))

    async def find_customer(self, customer: Id) -> Customer | None:
        return (await self.read_customers([customer])).get(customer)

    async def find_entitlement(self, entitlement: Id) -> Entitlement | None:
        return (await self.read_entitlements([entitlement])).get(entitlement)

    async def list_customers(self, customers: CustomerFilter) -> list[Customer]:
        select = self._queries["list_customers"]
        text, bindings = directory_rows.customer_list(select, customers, "${}".format)
        return [rows.customer_of(tuple(row)) for row in await self._reader.fetch(text, *bindings)]

    async def find_operations(self, operations: Collection[Id]) -> dict[Id, Operation]:
        found = await self._find("find_operation", id_columns(operations))
        return {row[0]: operation_of(row) for row in found}

    async def entitlement_wallets(
        self, book: Id, entitlement: Id, offset: int, limit: int
    ) -> list[Id]:
        found = await self._fetch("entitlement_wallets", book, entitlement, limit, offset)
        return [row[0] for row in found]

    async def list_entitlements(self, book: Id, after: Id | None, limit: int) -> list[Entitlement]:
        found = await self._fetch("list_entitlements", book, after or NEWEST, limit)
        return [rows.entitlement_of(tuple(row)) for row in found]

    async def find_grant(self, grant: Id) -> Grant | None:
        found = await self._find("find_grant", id_columns([grant]))
        return grant_of(found[0]) if found else None

    async def list_grants(self, grants: GrantFilter) -> list[Grant]:
        text, bindings = grant_list(self._queries["list_grants"], grants)
        found = await self._reader.fetch(text, *bindings)
        if grants.before is not None:
            found.reverse()
        return [grant_of(row) for row in found]

    async def outstanding_grants(self, customer: Id) -> list[Grant]:
        found = await self._fetch("outstanding_grants", slot_of(customer), customer)
        return [grant_of(row) for row in found]

    async def find_wallet(self, customer: Id, entitlement: Id, due_by: Instant) -> Wallet | None:
        key = (customer, entitlement)
        row = (await self.read_wallets([key])).get(key)
        if row is None:
            return None
        wallet = wallet_of(row)
        if wallet.next_due_at is not None and wallet.next_due_at <= due_by:
            await self._read_due(wallet, due_by)
        return wallet

    async def _read_due(self, wallet: Wallet, due_by: Instant) -> None:
        key = (wallet.customer, wallet.entitlement)
        columns = [*wallet_columns([key]), (due_by,)]
        for row in await self._find("due_grants", columns):
            wallet.grants[row[2]] = grant_of(row)
        for row in await self._find("due_holds", columns):
            wallet.holds[row[2]] = hold_of(row)
        for row in await self._find("live_schedules", columns[:3]):
            wallet.schedules[row[2]] = schedule_of(row)
        for row in await self._find("schedule_grants", columns[:3]):
            wallet.grants.setdefault(row[2], grant_of(row))
        for row in await self._find("standing_documents", columns[:3]):
            wallet.documents[row[0]] = document_rows.document_of(tuple(row))
        named = {part.grant for hold in wallet.holds.values() for part in hold.slices}
        missing = sorted(named - wallet.grants.keys())
        if missing:
            for row in await self._find("find_grant", id_columns(missing)):
                wallet.grants[row[2]] = grant_of(row)

    async def find_catalog(self, book: Id) -> Catalog:
        return usage_rows.catalog(
            await self._fetch("book_meters", [book]), await self._fetch("book_rates", [book])
        )

    async def customer_rates(self, customer: Id) -> list[Attachment]:
        found = await self._find("customer_rates", id_columns([customer]))
        return list(usage_rows.attachments_of(tuple(row) for row in found).values())

    async def find_event(self, book: Id, own_id: str) -> Event | None:
        found = await self.find_name(book, USAGE_EVENT, own_id)
        return None if found is None else await self.read_event(found)

    async def read_event(self, event: Id) -> Event | None:
        """Of its id, which may be claimed before the event is there."""
        rows_found = await self._find("find_event", id_columns([event]))
        return usage_rows.event_of(tuple(rows_found[0])) if rows_found else None

    async def list_events(self, events: EventFilter) -> list[Event]:
        text, bindings = event_list(self._queries["list_events"], events)
        found = await self._reader.fetch(text, *bindings)
        return [usage_rows.event_of(tuple(row)) for row in found]

    async def find_use(self, span: Span) -> Use:
        place = (slot_of(span.customer), span.customer, span.measure.event_name)
        bindings = (*place, span.start, span.end)
        found = await self._fetch("used_between", *bindings)
        return use_of(span, (usage_rows.used_of(tuple(row)) for row in found))

    async def find_hold(self, hold: Id) -> Hold | None:
        found = await self._find("find_hold", id_columns([hold]))
        return hold_of(found[0]) if found else None

    async def list_holds(self, holds: HoldFilter) -> list[Hold]:
        text, bindings = hold_list(self._queries["list_holds"], holds)
        return [hold_of(row) for row in await self._reader.fetch(text, *bindings)]

    async def find_schedule(self, schedule: Id) -> Schedule | None:
        found = await self._find("find_schedule", id_columns([schedule]))
        return schedule_of(found[0]) if found else None

    async def list_schedules(self, schedules: ScheduleFilter) -> list[Schedule]:
        text, bindings = schedule_list(self._queries["list_schedules"], schedules)
        return [schedule_of(row) for row in await self._reader.fetch(text, *bindings)]

    async def find_top_up(self, top_up: Id) -> tuple[TopUp, Standing] | None:
        found = await self._find("find_top_up", id_columns([top_up]))
        return top_up_rows.standing_of(tuple(found[0])) if found else None

    async def list_top_ups(self, top_ups: TopUpFilter) -> list[tuple[TopUp, Standing]]:
        text, bindings = top_up_rows.top_up_list(
            self._queries["list_top_ups"], top_ups, "${}".format
        )
        found = await self._reader.fetch(text, *bindings)
        return [top_up_rows.standing_of(tuple(row)) for row in found]

    async def find_top_up_request(self, request: Id) -> TopUpRequest | None:
        found = await self._find("find_top_up_request", id_columns([request]))
        return top_up_rows.request_of(tuple(found[0])) if found else None

    async def list_top_up_requests(self, requests: TopUpRequestFilter) -> list[TopUpRequest]:
        select = self._queries["list_top_up_requests"]
        text, bindings = top_up_rows.request_list(select, requests, "${}".format)
        found = await self._reader.fetch(text, *bindings)
        return [top_up_rows.request_of(tuple(row)) for row in found]

    async def find_document(self, document: Id) -> Document | None:
        found = await self._find("find_document", id_columns([document]))
        return document_rows.document_of(tuple(found[0])) if found else None

    async def list_documents(self, documents: DocumentFilter) -> list[Document]:
        select = self._queries["list_documents"]
        text, bindings = document_rows.document_list(select, documents, "${}".format)
        found = await self._reader.fetch(text, *bindings)
        return [document_rows.document_of(tuple(row)) for row in found]

    async def find_alert(self, alert: Id) -> Alert | None:
        found = await self._find("find_alert", id_columns([alert]))
        return rows.alert_of(tuple(found[0])) if found else None

    async def list_alerts(self, alerts: AlertFilter) -> list[Alert]:
        text, bindings = alert_list(self._queries["list_alerts"], alerts)
        return [rows.alert_of(tuple(row)) for row in await self._reader.fetch(text, *bindings)]

    async def find_debit(self, debit: Id) -> StoredDebit | None:
        found = await find_operations(self._reader, self._queries, [debit])
        if not found or found[0][0].kind not in DEBITS:
            return None
        operation, entries, returned = found[0]
        return StoredDebit(operation=operation, entries=tuple(entries), reversed=returned)

    async def walk_entries(
        self, customer: Id, entitlement: Id | None, after: str | None, limit: int
    ) -> tuple[list[Entry], str | None]:
        """Wallet by wallet, in the order of their entitlements."""
        start = None if after is None else _place_of(after)
        if start is not None and start[0] != customer:
            return [], None
        found: list[Entry] = []
        for kind in await self._kinds(customer, entitlement):
            if start is not None and kind < start[1]:
                continue
            seq = start[2] if start is not None and kind == start[1] else SEQ_MAX
            if len(found) == limit:
                return found, _spelled(customer, kind, SEQ_MAX)
            entries = await self._walk(customer, kind, seq, limit - len(found))
            found.extend(entries)
            if len(found) == limit and found[-1].seq > 1:
                return found, _spelled(customer, kind, found[-1].seq - 1)
        return found, None

    async def _kinds(self, customer: Id, entitlement: Id | None) -> list[Id]:
        """The entitlements of a customer's wallets, or the one that is asked for."""
        found = await self._find("customer_wallets", id_columns([customer]))
        return [kind for _, kind in found if entitlement in (None, kind)]

    async def _walk(self, customer: Id, kind: Id, seq: int, limit: int) -> list[Entry]:
        slot = slot_of(customer)
        found = await self._fetch("walk_entries", slot, customer, kind, seq, limit)
        return [entry_of(row) for row in found]

    async def later_changes(self, subject: Id, after: Id) -> list[Operation]:
        found = await self._fetch("later_changes", slot_of(subject), subject, after)
        return [operation_of(row) for row in found]

    async def due_wallets(self, now: Instant, limit: int) -> list[tuple[Id, Id, Id]]:
        return [(row[0], row[1], row[2]) for row in await self._fetch("due_wallets", now, limit)]

    async def watched_entitlements(self) -> list[tuple[Id, tuple[AlertRule, ...]]]:
        found = await self._fetch("watched_entitlements")
        return [(row[0], rows.alerts_of(row[1])) for row in found]

    async def uncounted_wallets(
        self, entitlement: Id, alert: Id, after: Id | None, limit: int
    ) -> list[tuple[Id, Id]]:
        bindings = uncounted(entitlement, alert, after, limit)
        return [(row[0], row[1]) for row in await self._fetch("uncounted_wallets", *bindings)]

    async def due_entitlements(self, customer: Id, now: Instant) -> list[Id]:
        found = await self._fetch("due_entitlements", slot_of(customer), customer, now)
        return [row[0] for row in found]


def uncounted(entitlement: Id, alert: Id, after: Id | None, limit: int) -> tuple[object, ...]:
    """What the statements take that find wallets which an alert is still new to."""
    place = (-1, NOTHING) if after is None else (slot_of(after), after)
    return (*place, entitlement, rows.in_watch(alert), limit)


def id_columns(ids: Iterable[Id]) -> Columns:
    ids = tuple(ids)
    return [tuple(map(slot_of, ids)), ids]


def wallet_columns(keys: Collection[WalletKey]) -> Columns:
    customers = tuple(customer for customer, _ in keys)
    return [*id_columns(customers), tuple(entitlement for _, entitlement in keys)]


def claims_columns(names: Collection[Name]) -> Columns:
    """A name with a NUL is never there: no dialect takes one, and PostgreSQL could not keep it."""
    names = [name for name in names if "\0" not in name[2]]
    slots = tuple(claim_slot(*name) for name in names)
    return [slots, *(tuple(name[part] for name in names) for part in range(3))]


def wallet_of(row: Row, burn_order: BurnOrder = BurnOrder.SOONEST_EXPIRY) -> Wallet:
    """A wallet in which nothing is drawn needs no burn order of its own."""
    return rows.wallet_of((row[0], row[1]), burn_order, tuple(row[2:]))


def grant_of(row: Row) -> Grant:
    return rows.grant_of(row[0], row[1], tuple(row[2:]))


def schedule_of(row: Row) -> Schedule:
    return rows.schedule_of(row[0], row[1], tuple(row[2:]))


def hold_of(row: Row) -> Hold:
    return rows.hold_of(row[0], row[1], tuple(row[2:]))


def entry_of(row: Row) -> Entry:
    return rows.entry_of(row[0], row[1], row[2], tuple(row[3:]))


def _spelled(customer: Id, entitlement: Id, seq: int) -> str:
    """Where a list of entries goes on: in which wallet, and from which entry downwards."""
    place = customer + entitlement + seq.to_bytes(8, "big")
    return urlsafe_b64encode(place).decode().rstrip("=")


def _place_of(cursor: str) -> _Place:
    """Raises ``CursorInvalid`` for what ``_spelled`` has not written."""
    try:
        place = urlsafe_b64decode(cursor.encode() + b"==")
    except ValueError:
        raise CursorInvalid(cursor) from None
    customer, entitlement, seq = Id(place[:16]), Id(place[16:32]), place[32:]
    found = customer, entitlement, int.from_bytes(seq, "big")
    if found[2] > SEQ_MAX or _spelled(*found) != cursor:
        raise CursorInvalid(cursor)
    return found


def event_list(select: str, events: EventFilter) -> tuple[str, list[object]]:
    """As ``grant_list``, of usage events."""
    return usage_rows.event_list(select, events, "${}".format, "e.uncovered")


def hold_list(select: str, holds: HoldFilter) -> tuple[str, list[object]]:
    """As ``grant_list``, of holds."""
    bindings: list[object] = [holds.book]
    conditions = ["h.book = $1"]
    _of_customer("h", holds.customer, holds.entitlement, conditions, bindings)
    if holds.state is not None:
        judged = _HOLD_STATES[holds.state]
        judged = _at_own(judged, "h") if holds.clocked else judged
        conditions.append(_judged(judged, holds.now, bindings))
    if holds.after is not None:
        conditions.append(f"h.id < {_bound(bindings, holds.after)}")
    limit = _bound(bindings, holds.limit)
    return f"{select} WHERE {' AND '.join(conditions)} ORDER BY h.id DESC LIMIT {limit}", bindings


def schedule_list(select: str, schedules: ScheduleFilter) -> tuple[str, list[object]]:
    """As ``grant_list``, of schedules."""
    bindings: list[object] = [schedules.book]
    conditions = ["s.book = $1"]
    _of_customer("s", schedules.customer, schedules.entitlement, conditions, bindings)
    if schedules.state is not None:
        conditions.append(f"s.state = {_bound(bindings, schedules.state.value)}")
    if schedules.after is not None:
        conditions.append(f"s.id < {_bound(bindings, schedules.after)}")
    limit = _bound(bindings, schedules.limit)
    return f"{select} WHERE {' AND '.join(conditions)} ORDER BY s.id DESC LIMIT {limit}", bindings


def alert_list(select: str, alerts: AlertFilter) -> tuple[str, list[object]]:
    """As ``grant_list``, of alerts."""
    bindings: list[object] = [alerts.book]
    conditions = ["a.book = $1"]
    if alerts.customer is not None:
        conditions.append(f"a.slot = {_bound(bindings, slot_of(alerts.customer))}")
        conditions.append(f"a.owner = {_bound(bindings, alerts.customer)}")
    if alerts.entitlement is not None:
        conditions.append(f"a.entitlement = {_bound(bindings, alerts.entitlement)}")
    if alerts.meter is not None:
        conditions.append(f"a.meter = {_bound(bindings, alerts.meter)}")
    if alerts.live is not None:
        conditions.append(f"a.closed_at IS {'' if alerts.live else 'NOT '}NULL")
    if alerts.after is not None:
        conditions.append(f"a.id < {_bound(bindings, alerts.after)}")
    limit = _bound(bindings, alerts.limit)
    return f"{select} WHERE {' AND '.join(conditions)} ORDER BY a.id DESC LIMIT {limit}", bindings


def grant_list(select: str, grants: GrantFilter) -> tuple[str, list[object]]:
    """The statement of a filter: the one place where SQL is put together in Python."""
    bindings: list[object] = [grants.book]
    conditions = ["g.book = $1"]
    _of_customer("g", grants.customer, grants.entitlement, conditions, bindings)
    if grants.states:
        states = " OR ".join(_STATES[state] for state in sorted(grants.states))
        states = _at_own(states, "g") if grants.clocked else states
        conditions.append(_judged(f"({states})", grants.now, bindings))
    if grants.monetary:
        conditions.append(_MONETARY)
    if grants.made_by is not None:
        conditions.append(f"g.created_at <= {_bound(bindings, grants.made_by)}")
    if grants.unspent:
        conditions.append("g.remaining > 0")
    order = rows.GRANTS_BY_CREATION if grants.by_creation else "g.id DESC"
    if grants.after is not None:
        conditions.append(f"g.id < {_bound(bindings, grants.after)}")
    if grants.before is not None:
        conditions.append(f"g.id > {_bound(bindings, grants.before)}")
        order = "g.id ASC"
    limit, offset = _bound(bindings, grants.limit), _bound(bindings, grants.offset)
    where = " AND ".join(conditions)
    text = f"{select} WHERE {where} ORDER BY {order} LIMIT {limit} OFFSET {offset}"
    return text, bindings


def _of_customer(
    alias: str,
    customer: Id | None,
    entitlement: Id | None,
    conditions: list[str],
    bindings: list[object],
) -> None:
    if customer is not None:
        conditions.append(f"{alias}.slot = {_bound(bindings, slot_of(customer))}")
        conditions.append(f"{alias}.customer = {_bound(bindings, customer)}")
    if entitlement is not None:
        conditions.append(f"{alias}.entitlement = {_bound(bindings, entitlement)}")


def _at_own(states: str, alias: str) -> str:
    return states.replace(":now", _OWN_NOW.format(alias))


def _judged(states: str, now: Instant, bindings: list[object]) -> str:
    """A condition on states at an instant, which not every state asks for."""
    return states.replace(":now", _bound(bindings, now)) if ":now" in states else states


def _bound(bindings: list[object], value: object) -> str:
    bindings.append(value)
    return f"${len(bindings)}"
