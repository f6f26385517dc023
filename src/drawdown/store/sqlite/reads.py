"""Reading what was committed, on a connection of its own."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import contextmanager

import apsw

from drawdown.core.requests import ClaimRecord
from drawdown.core.schedules.terms import Schedule
from drawdown.core.state import (
    USAGE_EVENT,
    Name,
    Wallet,
)
from drawdown.core.types import (
    DEBITS,
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
from drawdown.core.usage.records import Attachment, Catalog, Event
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
    StoredDebit,
    StoreUnavailable,
    TopUpFilter,
    TopUpRequestFilter,
)
from drawdown.store import directory_rows, document_rows, rows, top_up_rows, usage_rows
from drawdown.store.sqlite import operations
from drawdown.store.sqlite.connection import UNAVAILABLE
from drawdown.store.sqlite.transaction import wallet_of

NEWEST = b"\xff" * 16
#: Of a row's number: one more would not fit into 64 bits.
_DIGITS_MAX = 18

#: Each state as SQL, judged at :now, whether or not what is due has been recorded (``lifecycle``).
_OVER = "(g.expires_at IS NOT NULL AND g.expires_at <= :now)"
_LOST = f"(g.expired > 0 OR (g.remaining > 0 AND ({_OVER} OR g.expired_at IS NOT NULL)))"
_STATES = {
    GrantState.VOIDED: "g.voided_at IS NOT NULL",
    GrantState.EXPIRED: f"(g.voided_at IS NULL AND {_LOST})",
    GrantState.DEPLETED: "(g.voided_at IS NULL AND g.expired = 0 AND g.remaining = 0)",
    GrantState.PENDING: (
        f"(g.voided_at IS NULL AND g.remaining > 0 AND g.effective_at > :now AND NOT {_LOST})"
    ),
    GrantState.ACTIVE: (
        f"(g.voided_at IS NULL AND g.remaining > 0 AND g.effective_at <= :now AND NOT {_LOST})"
    ),
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
    " WHERE c.id = {}), :now)"
)
_MONETARY = (
    "g.entitlement IN (SELECT id FROM entitlement WHERE book = :book AND currency IS NOT NULL)"
)


class SqliteReads:
    """What the engine reads outside of a batch. Every method runs at once: SQLite answers from memory."""

    def __init__(self, connection: apsw.Connection, queries: dict[str, str]) -> None:
        self._connection = connection
        self._queries = queries

    def _row(self, query: str, bindings: tuple[object, ...] = ()) -> rows.Row | None:
        try:
            return self._connection.execute(self._queries[query], bindings).fetchone()
        except UNAVAILABLE as error:
            raise StoreUnavailable(str(error)) from error

    def _rows(self, query: str, bindings: tuple[object, ...] = ()) -> list[rows.Row]:
        return self._fetch(self._queries[query], bindings)

    def _fetch(self, text: str, bindings: tuple[object, ...] | dict[str, object]) -> list[rows.Row]:
        try:
            return self._connection.execute(text, bindings).fetchall()
        except UNAVAILABLE as error:
            raise StoreUnavailable(str(error)) from error

    async def find_name(self, book: Id, space: str, text: str) -> Id | None:
        row = self._row("find_name", (book, space, text))
        return None if row is None else row[0]

    async def find_claim(self, name: Name) -> ClaimRecord | None:
        row = self._row("find_claim", name)
        return None if row is None else rows.claim_of(*name, row)

    async def find_customer(self, customer: Id) -> Customer | None:
        row = self._row("find_customer", (customer,))
        return None if row is None else rows.customer_of(row)

    async def find_entitlement(self, entitlement: Id) -> Entitlement | None:
        row = self._row("find_entitlement", (entitlement,))
        return None if row is None else rows.entitlement_of(row)

    async def list_customers(self, customers: CustomerFilter) -> list[Customer]:
        select = self._queries["list_customers"]
        text, bindings = directory_rows.customer_list(select, customers, lambda number: "?")
        return [rows.customer_of(row) for row in self._fetch(text, tuple(bindings))]

    async def find_operations(self, wanted: Collection[Id]) -> dict[Id, Operation]:
        found = (self._row("find_operation", (each,)) for each in wanted)
        return {row[0]: operations.operation_of(row) for row in found if row is not None}

    async def entitlement_wallets(
        self, book: Id, entitlement: Id, offset: int, limit: int
    ) -> list[Id]:
        kind = self._row("find_entitlement", (entitlement,))
        if kind is None or kind[1] != book:
            return []
        return [row[0] for row in self._rows("entitlement_wallets", (entitlement, limit, offset))]

    async def list_entitlements(self, book: Id, after: Id | None, limit: int) -> list[Entitlement]:
        found = self._rows("list_entitlements", (book, after or NEWEST, limit))
        return [rows.entitlement_of(row) for row in found]

    async def find_grant(self, grant: Id) -> Grant | None:
        text = self._queries["list_grants"] + " WHERE g.id = ?"
        found = self._fetch(text, (grant,))
        return rows.grant_of(found[0][0], found[0][1], found[0][2:]) if found else None

    async def list_grants(self, grants: GrantFilter) -> list[Grant]:
        text, bindings = grant_list(self._queries["list_grants"], grants)
        found = self._fetch(text, bindings)
        if grants.before is not None:
            found.reverse()
        return [rows.grant_of(row[0], row[1], row[2:]) for row in found]

    async def outstanding_grants(self, customer: Id) -> list[Grant]:
        found = self._rows("outstanding_grants", (customer,))
        return [rows.grant_of(row[0], row[1], row[2:]) for row in found]

    async def find_wallet(self, customer: Id, entitlement: Id, due_by: Instant) -> Wallet | None:
        """What time makes due is read in the same moment as the wallet it is due in."""
        wallet = self._wallet(customer, entitlement)
        if wallet is None or wallet.next_due_at is None or wallet.next_due_at > due_by:
            return wallet
        with self._moment():
            wallet = self._wallet(customer, entitlement)
            if wallet is not None:
                self._read_due(wallet, due_by)
        return wallet

    def _wallet(self, customer: Id, entitlement: Id) -> Wallet | None:
        key = (customer, entitlement)
        row = self._row("find_wallet", key)
        return None if row is None else wallet_of(key, BurnOrder.SOONEST_EXPIRY, row)

    def _read_due(self, wallet: Wallet, due_by: Instant) -> None:
        for row in self._rows("due_grants", (wallet.number, due_by)):
            self._read_grant(wallet, row)
        for row in self._rows("due_holds", (wallet.number, due_by)):
            hold = rows.hold_of(wallet.customer, wallet.entitlement, row)
            wallet.holds[hold.id] = hold
            for part in hold.slices:
                self._read_grant(wallet, self._row("find_grant", (wallet.number, part.grant)))
        for row in self._rows("live_schedules", (wallet.number,)):
            schedule = rows.schedule_of(wallet.customer, wallet.entitlement, row)
            wallet.schedules[schedule.id] = schedule
        for row in self._rows("schedule_grants", (wallet.number,)):
            self._read_grant(wallet, row)
        for row in self._rows("standing_documents", (wallet.customer, wallet.entitlement)):
            wallet.documents[row[0]] = document_rows.document_of(row)

    @staticmethod
    def _read_grant(wallet: Wallet, row: rows.Row | None) -> None:
        assert row is not None
        if row[0] not in wallet.grants:
            wallet.grants[row[0]] = rows.grant_of(wallet.customer, wallet.entitlement, row)

    @contextmanager
    def _moment(self) -> Iterator[None]:
        """All that is read inside is of one moment."""
        try:
            with self._connection:
                yield
        except UNAVAILABLE as error:
            raise StoreUnavailable(str(error)) from error

    async def find_catalog(self, book: Id) -> Catalog:
        return usage_rows.catalog(
            self._rows("book_meters", (book,)), self._rows("book_rates", (book,))
        )

    async def customer_rates(self, customer: Id) -> list[Attachment]:
        return list(usage_rows.attachments_of(self._rows("customer_rates", (customer,))).values())

    async def find_event(self, book: Id, own_id: str) -> Event | None:
        found = self._row("find_name", (book, USAGE_EVENT, own_id))
        row = None if found is None else self._row("find_event", (found[0],))
        return None if row is None else usage_rows.event_of(row)

    async def list_events(self, events: EventFilter) -> list[Event]:
        text, bindings = event_list(self._queries["list_events"], events)
        return [usage_rows.event_of(row) for row in self._fetch(text, tuple(bindings))]

    async def find_use(self, span: Span) -> Use:
        bindings = (span.customer, span.measure.event_name, span.start, span.end)
        return use_of(span, map(usage_rows.used_of, self._rows("used_between", bindings)))

    async def find_schedule(self, schedule: Id) -> Schedule | None:
        found = self._fetch(self._queries["list_schedules"] + " WHERE s.id = ?", (schedule,))
        return _schedule(found[0]) if found else None

    async def list_schedules(self, schedules: ScheduleFilter) -> list[Schedule]:
        text, bindings = schedule_list(self._queries["list_schedules"], schedules)
        return [_schedule(row) for row in self._fetch(text, bindings)]

    async def find_top_up(self, top_up: Id) -> tuple[TopUp, Standing] | None:
        row = self._row("find_top_up", (top_up,))
        return None if row is None else top_up_rows.standing_of(row)

    async def list_top_ups(self, top_ups: TopUpFilter) -> list[tuple[TopUp, Standing]]:
        text, bindings = top_up_rows.top_up_list(
            self._queries["list_top_ups"], top_ups, lambda number: "?"
        )
        return [top_up_rows.standing_of(row) for row in self._fetch(text, tuple(bindings))]

    async def find_top_up_request(self, request: Id) -> TopUpRequest | None:
        row = self._row("find_top_up_request", (request,))
        return None if row is None else top_up_rows.request_of(row)

    async def list_top_up_requests(self, requests: TopUpRequestFilter) -> list[TopUpRequest]:
        select = self._queries["list_top_up_requests"]
        text, bindings = top_up_rows.request_list(select, requests, lambda number: "?")
        return [top_up_rows.request_of(row) for row in self._fetch(text, tuple(bindings))]

    async def find_document(self, document: Id) -> Document | None:
        row = self._row("find_document", (document,))
        return None if row is None else document_rows.document_of(row)

    async def list_documents(self, documents: DocumentFilter) -> list[Document]:
        select = self._queries["list_documents"]
        text, bindings = document_rows.document_list(select, documents, lambda number: "?")
        return [document_rows.document_of(row) for row in self._fetch(text, tuple(bindings))]

    async def find_alert(self, alert: Id) -> Alert | None:
        row = self._row("find_alert", (alert,))
        return None if row is None else rows.alert_of(row)

    async def list_alerts(self, alerts: AlertFilter) -> list[Alert]:
        text, bindings = alert_list(self._queries["list_alerts"], alerts)
        return [rows.alert_of(row) for row in self._fetch(text, bindings)]

    async def find_hold(self, hold: Id) -> Hold | None:
        found = self._fetch(self._queries["list_holds"] + " WHERE h.id = ?", (hold,))
        return _hold(found[0]) if found else None

    async def list_holds(self, holds: HoldFilter) -> list[Hold]:
        text, bindings = hold_list(self._queries["list_holds"], holds)
        return [_hold(row) for row in self._fetch(text, bindings)]

    async def find_debit(self, debit: Id) -> StoredDebit | None:
        row = self._row("find_operation", (debit,))
        if row is None or row[3] not in DEBITS:
            return None
        operation = operations.operation_of(row)
        first, count = row[-2:]
        found = self._rows("entries_of_operation", (first, first + count))
        return StoredDebit(
            operation=operation,
            entries=tuple(
                rows.entry_of(operation.customer, entry[0], operation.id, entry[1:])
                for entry in found
            ),
            reversed=dict(self._rows("find_reversals", (debit,))),
        )

    async def walk_entries(
        self, customer: Id, entitlement: Id | None, after: str | None, limit: int
    ) -> tuple[list[Entry], str | None]:
        found: list[Entry] = []
        place = None if after is None else _entry_number(after)
        for wallet, start in self._walks(customer, entitlement, place):
            entries, following = self._walk(customer, wallet, start, limit - len(found))
            found.extend(entries)
            if len(found) == limit:
                further = following or self._next_head(customer, entitlement, wallet)
                return found, None if further is None else str(further)
        return found, None

    def _walks(
        self, customer: Id, entitlement: Id | None, after: int | None
    ) -> list[tuple[Id, int]]:
        """The wallets still to be walked, each with the entry to begin at."""
        wallets = self._heads(customer, entitlement)
        if after is None:
            return wallets
        place = self._row("entry_place", (after,))
        if place is None or place[2] != customer:
            return []
        return [
            (wallet, after if wallet == place[3] else head)
            for wallet, head in wallets
            if wallet >= place[3]
        ]

    def _heads(self, customer: Id, entitlement: Id | None) -> list[tuple[Id, int]]:
        found = [row[0] for row in self._rows("customer_wallets", (customer,))]
        heads = []
        for wallet in found:
            row = self._row("find_wallet", (customer, wallet))
            if row is not None and row[-1] and entitlement in (None, wallet):
                heads.append((wallet, row[-1]))
        return heads

    def _next_head(self, customer: Id, entitlement: Id | None, wallet: Id) -> int | None:
        """The newest entry of the wallet that comes after ``wallet``."""
        later = (head for found, head in self._heads(customer, entitlement) if found > wallet)
        return next(later, None)

    def _walk(
        self, customer: Id, wallet: Id, start: int, limit: int
    ) -> tuple[list[Entry], int | None]:
        found = self._rows("walk_entries", (start, limit))
        entries = [rows.entry_of(customer, wallet, row[0], row[1:]) for row in found]
        following = found[-1][-1] if found else 0
        return entries, following or None

    async def later_changes(self, subject: Id, after: Id) -> list[Operation]:
        return [
            operations.operation_of(row) for row in self._rows("later_changes", (subject, after))
        ]

    async def due_wallets(self, now: Instant, limit: int) -> list[tuple[Id, Id, Id]]:
        found = self._rows("due_wallets", (now, limit))
        return [(row[2], row[0], row[1]) for row in found]

    async def watched_entitlements(self) -> list[tuple[Id, tuple[AlertRule, ...]]]:
        found = self._rows("watched_entitlements")
        return [(row[0], rows.alerts_of(row[1])) for row in found]

    async def uncounted_wallets(
        self, entitlement: Id, alert: Id, after: Id | None, limit: int
    ) -> list[tuple[Id, Id]]:
        bindings = (after or b"", entitlement, rows.in_watch(alert), limit)
        return [(row[0], row[1]) for row in self._rows("uncounted_wallets", bindings)]

    async def due_entitlements(self, customer: Id, now: Instant) -> list[Id]:
        return [row[0] for row in self._rows("due_entitlements", (customer, now))]


def _entry_number(cursor: str) -> int:
    """A place in a list of entries is the number of the entry to begin at."""
    if not (cursor.isascii() and cursor.isdigit() and len(cursor) <= _DIGITS_MAX):
        raise CursorInvalid(cursor)
    return int(cursor)


def _schedule(row: rows.Row) -> Schedule:
    return rows.schedule_of(row[0], row[1], row[2:])


def _hold(row: rows.Row) -> Hold:
    return rows.hold_of(row[0], row[1], row[2:])


def event_list(select: str, events: EventFilter) -> tuple[str, list[object]]:
    """As ``grant_list``, of usage events."""
    return usage_rows.event_list(select, events, "?{}".format, "e.uncovered = 1")


def _at_own(states: str, customer: str) -> str:
    return states.replace(":now", _OWN_NOW.format(customer))


def hold_list(select: str, holds: HoldFilter) -> tuple[str, dict[str, object]]:
    """As ``grant_list``, of holds."""
    conditions = ["h.book = :book" if holds.customer is None else "+h.book = :book"]
    bindings: dict[str, object] = {"book": holds.book, "now": holds.now, "limit": holds.limit}
    if holds.customer is not None:
        conditions.append("w.customer = :customer")
        bindings["customer"] = holds.customer
    if holds.entitlement is not None:
        conditions.append("w.entitlement = :entitlement")
        bindings["entitlement"] = holds.entitlement
    if holds.state is not None:
        judged = _HOLD_STATES[holds.state]
        conditions.append(_at_own(judged, "w.customer") if holds.clocked else judged)
    if holds.after is not None:
        conditions.append("h.id < :after")
        bindings["after"] = holds.after
    where = " AND ".join(conditions)
    return f"{select} WHERE {where} ORDER BY h.id DESC LIMIT :limit", bindings


def schedule_list(select: str, schedules: ScheduleFilter) -> tuple[str, dict[str, object]]:
    """As ``grant_list``, of schedules."""
    conditions = ["s.book = :book" if schedules.customer is None else "+s.book = :book"]
    bindings: dict[str, object] = {"book": schedules.book, "limit": schedules.limit}
    given = {
        "w.customer = :customer": schedules.customer,
        "w.entitlement = :entitlement": schedules.entitlement,
        "s.state = :state": None if schedules.state is None else schedules.state.value,
        "s.id < :after": schedules.after,
    }
    for condition, value in given.items():
        if value is not None:
            conditions.append(condition)
            bindings[condition.partition(":")[2]] = value
    where = " AND ".join(conditions)
    return f"{select} WHERE {where} ORDER BY s.id DESC LIMIT :limit", bindings


def alert_list(select: str, alerts: AlertFilter) -> tuple[str, dict[str, object]]:
    """As ``grant_list``, of alerts."""
    conditions = ["a.book = :book" if alerts.customer is None else "+a.book = :book"]
    bindings: dict[str, object] = {"book": alerts.book, "limit": alerts.limit}
    given = {
        "a.owner = :customer": alerts.customer,
        "a.entitlement = :entitlement": alerts.entitlement,
        "a.meter = :meter": alerts.meter,
        "a.id < :after": alerts.after,
    }
    for condition, value in given.items():
        if value is not None:
            conditions.append(condition)
            bindings[condition.partition(":")[2]] = value
    if alerts.live is not None:
        conditions.append(f"a.closed_at IS {'' if alerts.live else 'NOT '}NULL")
    where = " AND ".join(conditions)
    return f"{select} WHERE {where} ORDER BY a.id DESC LIMIT :limit", bindings


def grant_list(select: str, grants: GrantFilter) -> tuple[str, dict[str, object]]:
    """The statement of a filter: the one place where SQL is put together in Python."""
    # A customer's grants are few, a book's may be millions: the plus keeps its index out of the choice.
    conditions = ["g.book = :book" if grants.customer is None else "+g.book = :book"]
    bindings: dict[str, object] = {"book": grants.book, "now": grants.now}
    if grants.customer is not None:
        conditions.append("g.customer = :customer")
        bindings["customer"] = grants.customer
    if grants.entitlement is not None:
        conditions.append("g.entitlement = :entitlement")
        bindings["entitlement"] = grants.entitlement
    if grants.states:
        states = sorted(grants.states)
        judged = "(" + " OR ".join(_STATES[state] for state in states) + ")"
        conditions.append(_at_own(judged, "g.customer") if grants.clocked else judged)
    if grants.monetary:
        conditions.append(_MONETARY)
    if grants.made_by is not None:
        conditions.append("g.created_at <= :made_by")
        bindings["made_by"] = grants.made_by
    if grants.unspent:
        conditions.append("g.remaining > 0")
    order = rows.GRANTS_BY_CREATION if grants.by_creation else "g.id DESC"
    if grants.after is not None:
        conditions.append("g.id < :after")
        bindings["after"] = grants.after
    if grants.before is not None:
        conditions.append("g.id > :before")
        bindings["before"] = grants.before
        order = "g.id ASC"
    bindings |= {"limit": grants.limit, "offset": grants.offset}
    where = " AND ".join(conditions)
    return f"{select} WHERE {where} ORDER BY {order} LIMIT :limit OFFSET :offset", bindings
