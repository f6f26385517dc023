"""Customers: made, changed and listed, with the credit that they have."""

from __future__ import annotations

from functools import partial

from drawdown.core.errors import CustomerNotFound
from drawdown.core.requests import Accepted, Answer
from drawdown.dialects.dodo import reading, rendering
from drawdown.dialects.dodo.answering import answer, customer_named
from drawdown.dialects.dodo.credit import changes
from drawdown.dialects.dodo.credit.wire import (
    CustomerPage,
    HeldCredits,
    ListCustomersQuery,
    UpdateCustomerRequest,
)
from drawdown.dialects.dodo.wire import CreateCustomerRequest, Customer
from drawdown.engine.accounts import Role
from drawdown.engine.ports import CustomerFilter
from drawdown.web.endpoints import Call, Endpoint


async def create_customer(call: Call) -> Answer:
    def render(accepted: Accepted) -> Answer:
        assert accepted.customer is not None
        return answer(call, rendering.customer(accepted.customer, call.principal.account))

    return await call.ledger.submit(call.book, reading.create_customer(call.body), render)


async def retrieve_customer(call: Call) -> Answer:
    found = await call.ledger.customer(call.book, customer_named(call))
    return answer(call, rendering.customer(found, call.principal.account))


async def update_customer(call: Call) -> Answer:
    before = await call.ledger.customer(call.book, customer_named(call))
    command = changes.amend_customer(call.body, before)

    def render(accepted: Accepted) -> Answer:
        assert accepted.customer is not None
        return answer(call, rendering.customer(accepted.customer, call.principal.account))

    return await call.ledger.submit(call.book, command, render)


async def list_customers(call: Call, *, page_base: int) -> Answer:
    query: ListCustomersQuery = call.query
    asked = CustomerFilter(
        book=call.book,
        limit=query.page_size,
        offset=query.offset(page_base),
        email=query.email,
        name=query.name,
        since=reading.query_instant(query.created_at_gte, "created_at_gte"),
        until=reading.query_instant(query.created_at_lte, "created_at_lte"),
    )
    found = await call.ledger.customers(asked)
    account = call.principal.account
    return answer(call, CustomerPage([rendering.customer(each, account) for each in found]))


async def list_credit(call: Call) -> Answer:
    """Of the entitlements that are not deleted; money is in the wallets."""
    owner = await call.ledger.customer(call.book, customer_named(call))
    items = []
    for each in (await call.ledger.seqs([owner.id])).get(owner.id, {}):
        kind = await call.ledger.entitlement(call.book, each)
        if kind.closed_at is None and kind.currency is None:
            balance = await call.ledger.balance(call.book, owner.id, kind.id)
            items.append(rendering.held(balance, kind))
    return answer(call, HeldCredits(items))


def endpoints(page_base: int) -> tuple[Endpoint, ...]:
    return (
        Endpoint(
            method="POST",
            path="/customers",
            handler=create_customer,
            summary="Create a customer",
            role=Role.EDITOR,
            body=CreateCustomerRequest,
            answer=Customer,
        ),
        Endpoint(
            method="GET",
            path="/customers/{customer_id}",
            handler=retrieve_customer,
            summary="Retrieve a customer",
            role=Role.VIEWER,
            answer=Customer,
            errors=(CustomerNotFound,),
        ),
        Endpoint(
            method="GET",
            path="/customers",
            handler=partial(list_customers, page_base=page_base),
            summary="List customers, newest first",
            role=Role.VIEWER,
            query=ListCustomersQuery,
            answer=CustomerPage,
        ),
        Endpoint(
            method="PATCH",
            path="/customers/{customer_id}",
            handler=update_customer,
            summary="Change a customer",
            role=Role.EDITOR,
            body=UpdateCustomerRequest,
            answer=Customer,
            errors=(CustomerNotFound,),
        ),
        Endpoint(
            method="GET",
            path="/customers/{customer_id}/credit-entitlements",
            handler=list_credit,
            summary="List the credit that a customer has",
            role=Role.VIEWER,
            answer=HeldCredits,
            errors=(CustomerNotFound,),
        ),
    )
