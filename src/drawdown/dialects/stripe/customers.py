"""The endpoints of ``customer``."""

from __future__ import annotations

import re
from typing import Any

import msgspec
from msgspec import UNSET, UnsetType

from drawdown.core import identity
from drawdown.core.commands import AmendCustomer, CloseCustomer
from drawdown.core.commands import CreateCustomer as CreateCustomerCommand
from drawdown.core.errors import ClockNotFound, CustomerNotFound
from drawdown.core.requests import Accepted, Answer
from drawdown.core.types import Customer, Id
from drawdown.dialects.stripe import expansion, kept, numbers, search, test_clocks, wire
from drawdown.dialects.stripe.errors import StripeError, missing_object
from drawdown.dialects.stripe.idempotency import Write, carry_out
from drawdown.dialects.stripe.requests import (
    CreateCustomer,
    CustomerDetails,
    ListCustomers,
    SearchCustomers,
    UpdateCustomer,
)
from drawdown.dialects.stripe.requests_catalog import Page
from drawdown.engine.ports import CustomerFilter
from drawdown.web.endpoints import Call
from drawdown.web.errors import echoed

_EMAIL = re.compile(r"[^@\s]+@[^@\s]+")


async def create_customer(call: Call, asked: CreateCustomer) -> Write:
    _check_email(asked.email)
    expand = expansion.expansion(asked.expand, expansion.CUSTOMER)
    mode = call.principal.mode

    def show(accepted: Accepted) -> wire.CustomerObject:
        assert accepted.customer is not None
        return wire.customer_object(accepted.customer, mode, expand)

    clock = None
    if asked.test_clock is not None:
        clock = (await test_clocks.find(call, asked.test_clock, "test_clock")).id
    command = CreateCustomerCommand(
        test_clock=clock,
        own_id=asked.id,
        name=asked.name,
        email=asked.email,
        metadata={name: value for name, value in (asked.metadata or {}).items() if value},
        profiles=wire.customer_profile(asked),
    )
    return Write(command=command, show=show)


async def retrieve_customer(call: Call) -> Answer:
    """One who was deleted is a stub."""
    expand = expansion.expansion(call.query.expand, expansion.CUSTOMER)
    customer = await find(call, call.path["customer"])
    if customer.closed_at is not None:
        return _answer(call, wire.DeletedCustomer(id=wire.customer_id(customer)))
    return _answer(call, await _shown(call, customer, expand))


async def _shown(
    call: Call, customer: Customer, expand: expansion.Expansion
) -> wire.CustomerObject:
    known = await numbers.find(call, customer)
    body = None if known is None else known.body
    return wire.customer_object(customer, call.principal.mode, expand, body)


async def find(call: Call, text: str, param: str = "id") -> Customer:
    """One whose test clock is deleted is deleted with it. Raises ``StripeError``."""
    try:
        found = await call.ledger.customer(call.book, identity.reference(text))
    except CustomerNotFound:
        raise missing_object("customer", text, param) from None
    if found.test_clock is None or found.closed_at is not None:
        return found
    try:
        await call.ledger.test_clocks.find(call.book, found.test_clock)
    except ClockNotFound:
        return msgspec.structs.replace(found, closed_at=call.now)
    return found


async def update_customer(call: Call, asked: UpdateCustomer) -> Write:
    expand = expansion.expansion(asked.expand, expansion.CUSTOMER)
    customer = await find(call, call.path["customer"])
    if customer.closed_at is not None:
        raise missing_object("customer", call.path["customer"], "id")
    _check_email(asked.email)
    mode = call.principal.mode
    details = {
        name: msgspec.to_builtins(value)
        for name in CustomerDetails.__struct_fields__
        if (value := getattr(asked, name)) is not UNSET
    }
    metadata = asked.metadata

    known = await numbers.find(call, customer)
    numbering, changes = (None, ()) if known is None else numbers.changed(known, customer, asked)

    def show(accepted: Accepted) -> wire.CustomerObject:
        assert accepted.customer is not None
        return wire.customer_object(accepted.customer, mode, expand, numbering)

    command = AmendCustomer(
        customer=customer.id,
        name=asked.name,
        email=asked.email,
        metadata=(
            {name: value or None for name, value in metadata.items()}
            if isinstance(metadata, dict)
            else {}
        ),
        clear_metadata=metadata is None,
        profiles={wire.PROFILE: details} if details else {},
    )
    return Write(command=command, show=show, documents=changes)


async def delete_customer(call: Call) -> Answer:
    """For good: his subscriptions end, nothing is granted to him any more; what there was stays readable."""
    customer = await find(call, call.path["customer"])
    if customer.closed_at is None:
        command = CloseCustomer(customer=customer.id)
        await carry_out(call, command)
    return _answer(call, wire.DeletedCustomer(id=wire.customer_id(customer)))


async def list_customers(call: Call) -> Answer:
    """Those on a test clock are left out unless that is asked for."""
    asked: ListCustomers = call.query
    expand = expansion.expansion(asked.expand, expansion.CUSTOMER, of_list=True)
    since, until = kept.span_of(asked.created, "created")
    clock = None
    if isinstance(asked.test_clock, str):
        clock = (await test_clocks.find(call, asked.test_clock, "test_clock")).id

    def keep(each: Customer) -> bool:
        return each.closed_at is None and each.test_clock == clock

    async def cursor(text: str, param: str) -> Id:
        return (await find(call, text, param)).id

    async def chunk(after: Id | None, before: Id | None) -> list[Customer]:
        email = asked.email if isinstance(asked.email, str) else None
        listed = CustomerFilter(
            book=call.book,
            email=email,
            since=since,
            until=until,
            after=after,
            before=before,
            limit=kept.CHUNK,
        )
        return await call.ledger.customers(listed)

    found, more = await kept.page_of(asked, cursor, chunk, lambda each: each.id, keep)
    data = [await _shown(call, each, expand) for each in found]
    return _answer(call, wire.CustomerList(data=data, has_more=more, url=wire.CUSTOMERS_URL))


async def search_customers(call: Call) -> Answer:
    """Newest first, those on a test clock among them; as of now, not of a moment ago."""
    asked: SearchCustomers = call.query
    expand = expansion.expansion(asked.expand, expansion.CUSTOMER, of_list=True)
    test = search.test_of(asked.query, wire.phone_of)
    since = UNSET if asked.page is None else asked.page

    async def cursor(text: str, param: str) -> Id:
        after = identity.parse(text)
        if after is None:
            message = "Invalid page: must be the next_page of an earlier answer."
            raise StripeError(message, param="page")
        return after

    async def chunk(after: Id | None, before: Id | None) -> list[Customer]:
        listed = CustomerFilter(book=call.book, after=after, before=before, limit=kept.CHUNK)
        return await call.ledger.customers(listed)

    def keep(each: Customer) -> bool:
        return each.closed_at is None and test(each)

    page = Page(limit=asked.limit, starting_after=since)
    found, more = await kept.page_of(page, cursor, chunk, lambda each: each.id, keep)
    shown = wire.CustomerSearch(
        data=[await _shown(call, each, expand) for each in found],
        has_more=more,
        next_page=identity.spell("page_", found[-1].id) if more else None,
        url=wire.CUSTOMERS_URL + "/search",
    )
    return _answer(call, shown)


def _check_email(email: str | UnsetType | None) -> None:
    if isinstance(email, str) and _EMAIL.fullmatch(email) is None:
        message = f"Invalid email address: {echoed(email)}"
        raise StripeError(message, code="email_invalid", param="email")


def _answer(call: Call, shown: Any) -> Answer:
    return Answer(status=200, body=msgspec.json.encode(shown), request_id=call.request_id)
