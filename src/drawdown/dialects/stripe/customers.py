"""The endpoints of ``customer``: create and retrieve."""

from __future__ import annotations

import re

import msgspec

from drawdown.core import identity
from drawdown.core.commands import CreateCustomer as CreateCustomerCommand
from drawdown.core.errors import CustomerNotFound
from drawdown.core.requests import Accepted, Answer
from drawdown.dialects.stripe import expansion, test_clocks, wire
from drawdown.dialects.stripe.errors import StripeError, missing_object
from drawdown.dialects.stripe.idempotency import Write
from drawdown.dialects.stripe.requests import CreateCustomer
from drawdown.web.endpoints import Call
from drawdown.web.errors import echoed

_EMAIL = re.compile(r"[^@\s]+@[^@\s]+")


async def create_customer(call: Call, asked: CreateCustomer) -> Write:
    if asked.email is not None and _EMAIL.fullmatch(asked.email) is None:
        message = f"Invalid email address: {echoed(asked.email)}"
        raise StripeError(message, code="email_invalid", param="email")
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
    expand = expansion.expansion(call.query.expand, expansion.CUSTOMER)
    text = call.path["customer"]
    try:
        customer = await call.ledger.customer(call.book, identity.reference(text))
    except CustomerNotFound:
        raise missing_object("customer", text, "id") from None
    shown = wire.customer_object(customer, call.principal.mode, expand)
    return Answer(status=200, body=msgspec.json.encode(shown), request_id=call.request_id)
