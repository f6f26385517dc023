"""The ledger: credited, debited and listed."""

from __future__ import annotations

from collections.abc import AsyncIterator
from functools import partial

import msgspec

from drawdown.core import errors
from drawdown.core.errors import CustomerNotFound, EntitlementNotFound
from drawdown.core.identity import spell
from drawdown.core.requests import Accepted, Answer, LedgerKey
from drawdown.core.types import Customer, Entitlement, Id, Instant
from drawdown.dialects.dodo import reading, rendering
from drawdown.dialects.dodo.answering import answer, customer_named, entitlement_named
from drawdown.dialects.dodo.credit.histories import Happened, walk
from drawdown.dialects.dodo.credit.imported import grant_ids, rows_there
from drawdown.dialects.dodo.credit.row_wire import LedgerRow
from drawdown.dialects.dodo.credit.rows import Names, row_there, rows_of
from drawdown.dialects.dodo.credit.wire import LedgerPage, ListLedgerQuery
from drawdown.dialects.dodo.selling import links
from drawdown.dialects.dodo.webhooks import events
from drawdown.dialects.dodo.wire import CreateLedgerEntryRequest, LedgerEntry
from drawdown.engine.accounts import Role
from drawdown.web import fields
from drawdown.web.endpoints import Call, Endpoint

_NAMED = (CustomerNotFound, EntitlementNotFound)


async def create_ledger_entry(call: Call) -> Answer:
    """A used idempotency key is refused, not replayed: the vendor answers 409."""
    body: CreateLedgerEntryRequest = call.body
    entitlement = await call.ledger.entitlement(call.book, entitlement_named(call))
    command = reading.ledger_entry(body, customer_named(call), entitlement)

    def render(accepted: Accepted) -> Answer:
        entry = rendering.ledger_entry(accepted, body.entry_type, body.reason, command.metadata)
        return answer(call, entry, 201)

    return await call.ledger.submit(
        call.book, command, render, key=_ledger_key(body.idempotency_key, entitlement.id)
    )


def _ledger_key(key: str | None, entitlement: Id) -> LedgerKey | None:
    """A key is the customer's and the entitlement's own: another entitlement may use it again."""
    if key is None:
        return None
    namespace = f"dodo.ledger_entry:{spell('cde_', entitlement)}"
    return LedgerKey(namespace, fields.key(key), replays=False)


async def list_ledger(call: Call, *, page_base: int) -> Answer:
    """Newest first. Both dates are included."""
    query: ListLedgerQuery = call.query
    kind = await call.ledger.entitlement(call.book, entitlement_named(call))
    owner = await call.ledger.customer(call.book, customer_named(call))
    since = reading.query_instant(query.start_date, "start_date")
    until = reading.query_instant(query.end_date, "end_date")
    offset, rows = query.offset(page_base), Rows(call, owner, kind)
    span, end = Span(since, until), offset + query.page_size
    found: list[LedgerRow] = []
    if query.page_size:
        async for at, row in rows.every(span):
            if span.is_before(at) or len(found) >= end:
                break
            if span.holds(at) and _is_of(row, query.transaction_type):
                found.append(row)
    return answer(call, LedgerPage(found[offset:end]))


class Span(msgspec.Struct, frozen=True):
    """A time that rows are chosen by, both ends included."""

    since: Instant | None
    until: Instant | None

    def is_before(self, at: Instant) -> bool:
        return self.since is not None and at < self.since

    def holds(self, at: Instant) -> bool:
        return not self.is_before(at) and (self.until is None or at <= self.until)


def _is_of(row: LedgerRow, transaction_type: str | None) -> bool:
    return transaction_type in (None, row.transaction_type.value)


class Rows:
    """The rows of one wallet's operations; each schedule's subscription is looked up once."""

    def __init__(self, call: Call, owner: Customer, kind: Entitlement) -> None:
        self._call, self._kind = call, kind
        self._names = Names(owner, call.principal.account, {kind.id: kind})
        self._subscriptions: dict[Id, str | None] = {}

    async def every(self, span: Span) -> AsyncIterator[tuple[Instant, LedgerRow]]:
        """Newest first, with their times; where an operation is not within ``span``, none of it."""
        async for happened in walk(self._call, self._names.owner.id, self._kind.id):
            at = happened.entries[-1].at
            shown = await self.of(happened) if span.holds(at) else []
            for row in reversed(shown):
                yield at, row
            if span.is_before(at):
                return
        async for entry in rows_there(self._call.ledger, self._names.owner, self._kind):
            yield entry.at, row_there(entry, self._kind, self._names)

    async def of(self, happened: Happened) -> list[LedgerRow]:
        """In the order in which they happened."""
        names = msgspec.structs.replace(
            self._names,
            subscription=await self._subscription(happened),
            grants=await grant_ids(self._call.ledger, self._names.owner, happened.entries),
        )
        return rows_of(happened.operation, happened.entries, names)

    async def _subscription(self, happened: Happened) -> str | None:
        operation = happened.operation
        if operation.kind not in events.ABOUT_SCHEDULES:
            return None
        key = operation.id if operation.subject is None else operation.subject
        if key not in self._subscriptions:
            metadata = await events.schedule_metadata(self._call.ledger, operation)
            self._subscriptions[key] = links.subscription_in(metadata)
        return self._subscriptions[key]


_PATH = "/credit-entitlements/{credit_entitlement_id}/balances/{customer_id}"


def endpoints(page_base: int) -> tuple[Endpoint, ...]:
    return (
        Endpoint(
            method="POST",
            path=f"{_PATH}/ledger-entries",
            handler=create_ledger_entry,
            summary="Credit or debit a customer",
            role=Role.EDITOR,
            body=CreateLedgerEntryRequest,
            answer=LedgerEntry,
            status=201,
            errors=(
                *_NAMED,
                errors.InsufficientCredit,
                errors.KeyInUse,
                errors.EntitlementClosed,
                errors.TooManyGrants,
            ),
        ),
        Endpoint(
            method="GET",
            path=f"{_PATH}/ledger",
            handler=partial(list_ledger, page_base=page_base),
            summary="List what happened to a balance, newest first",
            role=Role.VIEWER,
            query=ListLedgerQuery,
            answer=LedgerPage,
            errors=_NAMED,
        ),
    )
