"""Balances and the ledger, as lists."""

from __future__ import annotations

from collections.abc import AsyncIterator
from functools import partial

import msgspec

from drawdown.core.errors import CustomerNotFound, EntitlementNotFound
from drawdown.core.requests import Answer
from drawdown.core.types import Customer, Entitlement, Id, Instant
from drawdown.dialects.dodo import events, links, reading, rendering
from drawdown.dialects.dodo.credit_wire import (
    BalancePage,
    LedgerPage,
    ListBalancesQuery,
    ListLedgerQuery,
)
from drawdown.dialects.dodo.customer_routes import instant
from drawdown.dialects.dodo.histories import Happened, walk
from drawdown.dialects.dodo.imported import grant_ids, rows_there
from drawdown.dialects.dodo.ledger_rows import Names, row_there, rows_of
from drawdown.dialects.dodo.named import answer, customer_named, entitlement_named
from drawdown.dialects.dodo.wire import Balance
from drawdown.dialects.dodo.wire_ledger import LedgerRow
from drawdown.engine.accounts import Role
from drawdown.web.endpoints import Call, Endpoint

_NAMED = (CustomerNotFound, EntitlementNotFound)


async def list_balances(call: Call, *, page_base: int) -> Answer:
    """The customer who has had the credit for the shortest time comes first."""
    query: ListBalancesQuery = call.query
    kind = await call.ledger.entitlement(call.book, entitlement_named(call))
    offset = query.offset(page_base)
    if query.customer_id is None:
        found = await call.ledger.holders(call.book, kind.id, offset=offset, limit=query.page_size)
    else:
        found = (await _named(call, query.customer_id))[offset : offset + query.page_size]
    shown = [await _balance(call, each, kind) for each in found]
    return answer(call, BalancePage([each for each in shown if each is not None]))


async def _named(call: Call, text: str) -> list[Customer]:
    """The customer of a filter; nobody where there is none."""
    reference = reading.path_reference(text, "customer_id")
    try:
        return [await call.ledger.customer(call.book, reference)]
    except CustomerNotFound:
        return []


async def _balance(call: Call, owner: Customer, kind: Entitlement) -> Balance | None:
    found = await call.ledger.balance(call.book, owner.id, kind.id)
    if found.created_at is None:
        return None
    return rendering.balance(found, owner, kind, found.created_at)


async def list_ledger(call: Call, *, page_base: int) -> Answer:
    """Newest first. Both dates are included."""
    query: ListLedgerQuery = call.query
    kind = await call.ledger.entitlement(call.book, entitlement_named(call))
    owner = await call.ledger.customer(call.book, customer_named(call))
    since = instant(query.start_date, "start_date")
    until = instant(query.end_date, "end_date")
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


_PATH = "/credit-entitlements/{credit_entitlement_id}/balances"


def endpoints(page_base: int) -> tuple[Endpoint, ...]:
    return (
        Endpoint(
            method="GET",
            path=_PATH,
            handler=partial(list_balances, page_base=page_base),
            summary="List the balances of an entitlement, the newest first",
            role=Role.VIEWER,
            query=ListBalancesQuery,
            answer=BalancePage,
            errors=(EntitlementNotFound,),
        ),
        Endpoint(
            method="GET",
            path=f"{_PATH}/{{customer_id}}/ledger",
            handler=partial(list_ledger, page_base=page_base),
            summary="List what happened to a balance, newest first",
            role=Role.VIEWER,
            query=ListLedgerQuery,
            answer=LedgerPage,
            errors=_NAMED,
        ),
    )
