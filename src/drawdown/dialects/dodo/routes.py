"""Dodo's endpoints: what each asks of the ledger."""

from __future__ import annotations

from functools import partial

import msgspec

from drawdown.core import errors
from drawdown.core.identity import spell
from drawdown.core.requests import Accepted, Answer, LedgerKey
from drawdown.core.types import Id, Reference
from drawdown.dialects.dodo import (
    customer_routes,
    entitlement_routes,
    ledger_routes,
    product_routes,
    reading,
    rendering,
    subscription_routes,
    wallet_routes,
    wire,
)
from drawdown.dialects.dodo.errors import NoBalance
from drawdown.engine.accounts import Role
from drawdown.web import fields
from drawdown.web.endpoints import Call, Endpoint

_encode = msgspec.json.Encoder().encode


async def create_customer(call: Call) -> Answer:
    def render(accepted: Accepted) -> Answer:
        assert accepted.customer is not None
        return _answer(call, 200, rendering.customer(accepted.customer, call.principal.account))

    return await call.ledger.submit(call.book, reading.create_customer(call.body), render)


async def retrieve_customer(call: Call) -> Answer:
    found = await call.ledger.customer(call.book, _customer(call))
    return _answer(call, 200, rendering.customer(found, call.principal.account))


async def create_entitlement(call: Call) -> Answer:
    def render(accepted: Accepted) -> Answer:
        assert accepted.entitlement is not None
        return _answer(
            call, 201, rendering.entitlement(accepted.entitlement, call.principal.account)
        )

    return await call.ledger.submit(call.book, reading.create_entitlement(call.body), render)


async def retrieve_entitlement(call: Call) -> Answer:
    found = await entitlement_routes.live(call)
    return _answer(call, 200, rendering.entitlement(found, call.principal.account))


async def retrieve_balance(call: Call) -> Answer:
    """A balance exists from the wallet's first entry on."""
    customer = await call.ledger.customer(call.book, _customer(call))
    kind = await call.ledger.entitlement(call.book, _entitlement(call))
    balance = await call.ledger.balance(call.book, customer.id, kind.id)
    if balance.created_at is None:
        raise NoBalance()
    return _answer(call, 200, rendering.balance(balance, customer, kind, balance.created_at))


async def list_grants(call: Call, *, page_base: int) -> Answer:
    """Newest first. A page past the end, and a customer nobody knows, have no grants."""
    query: wire.ListGrantsQuery = call.query
    entitlement = await call.ledger.entitlement(call.book, _entitlement(call))
    try:
        customer = await call.ledger.customer(call.book, _customer(call))
    except errors.CustomerNotFound:
        return _answer(call, 200, wire.GrantPage([]))
    # Before the grants are read: none is shown as more expired than it was found.
    now = await call.ledger.now_of(customer)
    found = await call.ledger.grants(
        call.book,
        customer=customer.id,
        entitlement=entitlement.id,
        states=rendering.SHOWN if query.status is None else rendering.STATES[query.status],
        by_creation=True,
        offset=max(query.page_number - page_base, 0) * query.page_size,
        limit=query.page_size,
    )
    items = [rendering.grant(grant, customer, entitlement, now) for grant in found]
    return _answer(call, 200, wire.GrantPage(items))


async def create_ledger_entry(call: Call) -> Answer:
    """A used idempotency key is refused, not replayed: the vendor answers 409."""
    body: wire.CreateLedgerEntryRequest = call.body
    entitlement = await call.ledger.entitlement(call.book, _entitlement(call))
    command = reading.ledger_entry(body, _customer(call), entitlement.id)

    def render(accepted: Accepted) -> Answer:
        entry = rendering.ledger_entry(accepted, body.entry_type, body.reason, command.metadata)
        return _answer(call, 201, entry)

    return await call.ledger.submit(
        call.book, command, render, key=_ledger_key(body.idempotency_key, entitlement.id)
    )


def _ledger_key(key: str | None, entitlement: Id) -> LedgerKey | None:
    """A key is the customer's and the entitlement's own: another entitlement may use it again."""
    if key is None:
        return None
    namespace = f"dodo.ledger_entry:{spell('cde_', entitlement)}"
    return LedgerKey(namespace, fields.key(key), replays=False)


def _customer(call: Call) -> Reference:
    return reading.path_reference(call.path["customer_id"], "customer_id")


def _entitlement(call: Call) -> Reference:
    return reading.path_reference(call.path["credit_entitlement_id"], "credit_entitlement_id")


def _answer(call: Call, status: int, record: msgspec.Struct) -> Answer:
    return Answer(status=status, body=_encode(record), request_id=call.request_id)


_BALANCE = "/credit-entitlements/{credit_entitlement_id}/balances/{customer_id}"
_NO_CUSTOMER, _NO_ENTITLEMENT = errors.CustomerNotFound, errors.EntitlementNotFound


def endpoints(page_base: int) -> tuple[Endpoint, ...]:
    """The table. ``page_base`` is the number of the first page: 0 as documented, or 1."""
    return (
        *_customers_and_entitlements(),
        *_balances(page_base),
        *customer_routes.endpoints(page_base),
        *entitlement_routes.endpoints(page_base),
        *ledger_routes.endpoints(page_base),
        *wallet_routes.endpoints(page_base),
        *product_routes.endpoints(page_base),
        *subscription_routes.endpoints(page_base),
    )


def _customers_and_entitlements() -> tuple[Endpoint, ...]:
    return (
        Endpoint(
            method="POST",
            path="/customers",
            handler=create_customer,
            summary="Create a customer",
            role=Role.EDITOR,
            body=wire.CreateCustomerRequest,
            answer=wire.Customer,
        ),
        Endpoint(
            method="GET",
            path="/customers/{customer_id}",
            handler=retrieve_customer,
            summary="Retrieve a customer",
            role=Role.VIEWER,
            answer=wire.Customer,
            errors=(_NO_CUSTOMER,),
        ),
        Endpoint(
            method="POST",
            path="/credit-entitlements",
            handler=create_entitlement,
            summary="Create a credit entitlement",
            role=Role.EDITOR,
            body=wire.CreateEntitlementRequest,
            answer=wire.CreditEntitlement,
            status=201,
            errors=(errors.AlreadyExists,),
        ),
        Endpoint(
            method="GET",
            path="/credit-entitlements/{credit_entitlement_id}",
            handler=retrieve_entitlement,
            summary="Retrieve a credit entitlement",
            role=Role.VIEWER,
            query=wire.RetrieveEntitlementQuery,
            answer=wire.CreditEntitlement,
            errors=(_NO_ENTITLEMENT,),
        ),
    )


def _balances(page_base: int) -> tuple[Endpoint, ...]:
    return (
        Endpoint(
            method="GET",
            path=_BALANCE,
            handler=retrieve_balance,
            summary="Retrieve a customer's balance",
            role=Role.VIEWER,
            answer=wire.Balance,
            errors=(_NO_CUSTOMER, _NO_ENTITLEMENT),
        ),
        Endpoint(
            method="GET",
            path=f"{_BALANCE}/grants",
            handler=partial(list_grants, page_base=page_base),
            summary="List a customer's grants, newest first",
            role=Role.VIEWER,
            query=wire.ListGrantsQuery,
            answer=wire.GrantPage,
            errors=(_NO_ENTITLEMENT,),
        ),
        Endpoint(
            method="POST",
            path=f"{_BALANCE}/ledger-entries",
            handler=create_ledger_entry,
            summary="Credit or debit a customer",
            role=Role.EDITOR,
            body=wire.CreateLedgerEntryRequest,
            answer=wire.LedgerEntry,
            status=201,
            errors=(
                _NO_CUSTOMER,
                _NO_ENTITLEMENT,
                errors.InsufficientCredit,
                errors.KeyInUse,
                errors.EntitlementClosed,
                errors.TooManyGrants,
            ),
        ),
    )
