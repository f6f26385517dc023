"""Balances, and the grants that they are made of."""

from __future__ import annotations

from functools import partial

from drawdown.core.errors import CustomerNotFound, EntitlementNotFound
from drawdown.core.requests import Answer
from drawdown.core.types import Customer, Entitlement
from drawdown.dialects.dodo import reading, rendering
from drawdown.dialects.dodo.answering import answer, customer_named, entitlement_named
from drawdown.dialects.dodo.credit.wire import (
    BalancePage,
    ListBalancesQuery,
)
from drawdown.dialects.dodo.errors import NoBalance
from drawdown.dialects.dodo.wire import Balance, GrantPage, ListGrantsQuery
from drawdown.engine.accounts import Role
from drawdown.web.endpoints import Call, Endpoint


async def retrieve_balance(call: Call) -> Answer:
    """A balance exists from the wallet's first entry on."""
    customer = await call.ledger.customer(call.book, customer_named(call))
    kind = await call.ledger.entitlement(call.book, entitlement_named(call))
    balance = await call.ledger.balance(call.book, customer.id, kind.id)
    if balance.created_at is None:
        raise NoBalance()
    return answer(call, rendering.balance(balance, customer, kind, balance.created_at))


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
    reference = reading.query_reference(text, "customer_id")
    try:
        return [await call.ledger.customer(call.book, reference)]
    except CustomerNotFound:
        return []


async def _balance(call: Call, owner: Customer, kind: Entitlement) -> Balance | None:
    found = await call.ledger.balance(call.book, owner.id, kind.id)
    if found.created_at is None:
        return None
    return rendering.balance(found, owner, kind, found.created_at)


async def list_grants(call: Call, *, page_base: int) -> Answer:
    """Newest first. A page past the end, and a customer nobody knows, have no grants."""
    query: ListGrantsQuery = call.query
    entitlement = await call.ledger.entitlement(call.book, entitlement_named(call))
    try:
        customer = await call.ledger.customer(call.book, customer_named(call))
    except CustomerNotFound:
        return answer(call, GrantPage([]))
    # Before the grants are read: none is shown as more expired than it was found.
    now = await call.ledger.now_of(customer)
    found = await call.ledger.grants(
        call.book,
        customer=customer.id,
        entitlement=entitlement.id,
        states=rendering.SHOWN if query.status is None else rendering.STATES[query.status],
        by_creation=True,
        offset=query.offset(page_base),
        limit=query.page_size,
    )
    items = [rendering.grant(grant, customer, entitlement, now) for grant in found]
    return answer(call, GrantPage(items))


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
            path=f"{_PATH}/{{customer_id}}",
            handler=retrieve_balance,
            summary="Retrieve a customer's balance",
            role=Role.VIEWER,
            answer=Balance,
            errors=(CustomerNotFound, EntitlementNotFound),
        ),
        Endpoint(
            method="GET",
            path=f"{_PATH}/{{customer_id}}/grants",
            handler=partial(list_grants, page_base=page_base),
            summary="List a customer's grants, newest first",
            role=Role.VIEWER,
            query=ListGrantsQuery,
            answer=GrantPage,
            errors=(EntitlementNotFound,),
        ),
    )
