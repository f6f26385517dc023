"""Customers and entitlements: who has credit, and which kinds there are."""

from __future__ import annotations

from drawdown.core import commands, identity
from drawdown.core.requests import Accepted, Answer
from drawdown.dialects.native import common, render, wire
from drawdown.web import fields
from drawdown.web.endpoints import Call

EMAIL_MAX = 320
NAME_MAX = 255


async def create_customer(call: Call) -> Answer:
    body: wire.CreateCustomer = call.body
    command = commands.CreateCustomer(
        own_id=body.id,
        name=optional_text(body.name, "name", NAME_MAX),
        email=optional_text(body.email, "email", EMAIL_MAX),
        metadata=fields.metadata(body.metadata),
    )

    def shape(accepted: Accepted) -> wire.Customer:
        assert accepted.customer is not None
        return render.customer(accepted.customer)

    written = common.created(shape, call.request_id)
    claim = common.claim(call, body.idempotency_key)
    return await call.ledger.submit(call.book, command, written, claim=claim)


async def get_customer(call: Call) -> Answer:
    reference = identity.reference(call.path["customer"])
    return common.ok(render.customer(await call.ledger.customer(call.book, reference)))


async def list_customers(call: Call) -> Answer:
    query: wire.PageQuery = call.query
    found = await call.ledger.customers(
        call.book, after=common.after(query.after), limit=query.limit + 1
    )
    return common.page(found, query.limit, render.customer, render.CUSTOMER_PREFIX)


async def create_entitlement(call: Call) -> Answer:
    body: wire.CreateEntitlement = call.body
    command = commands.CreateEntitlement(
        code=body.code,
        name=optional_text(body.name, "name", NAME_MAX),
        unit=fields.text(body.unit, "unit", longest=NAME_MAX),
        scale=body.scale,
        burn_order=body.burn_order,
        expires_after_days=body.expires_after_days,
    )

    def shape(accepted: Accepted) -> wire.Entitlement:
        assert accepted.entitlement is not None
        return render.entitlement(accepted.entitlement)

    written = common.created(shape, call.request_id)
    claim = common.claim(call, body.idempotency_key)
    return await call.ledger.submit(call.book, command, written, claim=claim)


async def get_entitlement(call: Call) -> Answer:
    reference = identity.reference(call.path["entitlement"])
    return common.ok(render.entitlement(await call.ledger.entitlement(call.book, reference)))


async def list_entitlements(call: Call) -> Answer:
    query: wire.PageQuery = call.query
    found = await call.ledger.entitlements(
        call.book, after=common.after(query.after), limit=query.limit + 1
    )
    return common.page(found, query.limit, render.entitlement, render.ENTITLEMENT_PREFIX)


def optional_text(value: str | None, field: str, longest: int) -> str | None:
    return None if value is None else fields.text(value, field, longest=longest)
