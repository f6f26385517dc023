"""Customers and entitlements: who has credit, and which kinds there are."""

from __future__ import annotations

from msgspec import UNSET, UnsetType

from drawdown.core import commands, identity
from drawdown.core.errors import (
    AlreadyExists,
    AmountTooFine,
    AmountTooLarge,
    ClockNotFound,
    CustomerNotFound,
    EntitlementClosed,
    EntitlementNotFound,
    FieldInvalid,
    KeyReused,
)
from drawdown.core.requests import Accepted, Answer
from drawdown.core.types import MICROSECONDS
from drawdown.dialects.native import asked, common, overage, render, wire
from drawdown.engine.accounts import Role
from drawdown.engine.ports import CustomerFilter
from drawdown.web import fields
from drawdown.web.endpoints import Call, Endpoint

EMAIL_MAX = 320
NAME_MAX = 255


async def create_customer(call: Call) -> Answer:
    body: asked.CreateCustomer = call.body
    clock = None if body.test_clock is None else common.clock_id(body.test_clock)
    command = commands.CreateCustomer(
        own_id=body.id,
        name=optional_text(body.name, "name", NAME_MAX),
        email=optional_text(body.email, "email", EMAIL_MAX),
        metadata=fields.metadata(body.metadata),
        test_clock=clock,
    )

    def shape(accepted: Accepted) -> wire.Customer:
        assert accepted.customer is not None
        return render.customer(accepted.customer)

    written = common.created(shape, call.request_id)
    claim = common.claim(call, body.idempotency_key)
    return await call.ledger.submit(call.book, command, written, claim=claim)


async def amend_customer(call: Call) -> Answer:
    body: asked.AmendCustomer = call.body
    common.check_amended(body.metadata)
    command = commands.AmendCustomer(
        customer=identity.reference(call.path["customer"]),
        name=_amended_text(body.name, "name", NAME_MAX),
        email=_amended_text(body.email, "email", EMAIL_MAX),
        metadata=body.metadata,
    )
    return await _customer(call, command, body.idempotency_key)


async def close_customer(call: Call) -> Answer:
    body: asked.CloseOrReopen = call.body
    command = commands.CloseCustomer(customer=identity.reference(call.path["customer"]))
    return await _customer(call, command, body.idempotency_key)


async def _customer(call: Call, command: commands.Command, key: str | None) -> Answer:
    """Carry out what leaves a customer."""

    def shape(accepted: Accepted) -> wire.Customer:
        assert accepted.customer is not None
        return render.customer(accepted.customer)

    written = common.answered(200, shape, call.request_id)
    claim = common.path_claim(call, key)
    return await call.ledger.submit(call.book, command, written, claim=claim)


async def get_customer(call: Call) -> Answer:
    reference = identity.reference(call.path["customer"])
    return common.ok(render.customer(await call.ledger.customer(call.book, reference)))


async def list_customers(call: Call) -> Answer:
    query: asked.PageQuery = call.query
    found = await call.ledger.customers(
        CustomerFilter(book=call.book, after=common.after(query.after), limit=query.limit + 1)
    )
    return common.page(found, query.limit, render.customer, render.CUSTOMER_PREFIX)


async def create_entitlement(call: Call) -> Answer:
    body: asked.CreateEntitlement = call.body
    command = commands.CreateEntitlement(
        code=body.code,
        name=optional_text(body.name, "name", NAME_MAX),
        unit=fields.text(body.unit, "unit", longest=NAME_MAX),
        scale=body.scale,
        burn_order=body.burn_order,
        expires_after_days=body.expires_after_days,
        shortfall=body.shortfall,
        late_usage_grace=body.late_usage_grace * MICROSECONDS,
        overage=None if body.overage is None else overage.rule(body.overage),
    )

    def shape(accepted: Accepted) -> wire.Entitlement:
        assert accepted.entitlement is not None
        return render.entitlement(accepted.entitlement)

    written = common.created(shape, call.request_id)
    claim = common.claim(call, body.idempotency_key)
    return await call.ledger.submit(call.book, command, written, claim=claim)


async def amend_entitlement(call: Call) -> Answer:
    body: asked.AmendEntitlement = call.body
    command = commands.AmendEntitlement(
        entitlement=identity.reference(call.path["entitlement"]),
        name=optional_text(body.name, "name", NAME_MAX),
        unit=optional_text(body.unit, "unit", NAME_MAX),
        expires_after_days=body.expires_after_days,
        overage=None if body.overage is None else overage.rule(body.overage),
        shortfall=body.shortfall,
        late_usage_grace=(
            None if body.late_usage_grace is None else body.late_usage_grace * MICROSECONDS
        ),
    )
    return await _entitlement(call, command, body.idempotency_key)


async def close_entitlement(call: Call) -> Answer:
    body: asked.CloseOrReopen = call.body
    command = commands.CloseEntitlement(entitlement=identity.reference(call.path["entitlement"]))
    return await _entitlement(call, command, body.idempotency_key)


async def reopen_entitlement(call: Call) -> Answer:
    body: asked.CloseOrReopen = call.body
    command = commands.ReopenEntitlement(entitlement=identity.reference(call.path["entitlement"]))
    return await _entitlement(call, command, body.idempotency_key)


async def _entitlement(call: Call, command: commands.Command, key: str | None) -> Answer:
    """Carry out what leaves an entitlement."""

    def shape(accepted: Accepted) -> wire.Entitlement:
        assert accepted.entitlement is not None
        return render.entitlement(accepted.entitlement)

    written = common.answered(200, shape, call.request_id)
    claim = common.path_claim(call, key)
    return await call.ledger.submit(call.book, command, written, claim=claim)


async def get_entitlement(call: Call) -> Answer:
    reference = identity.reference(call.path["entitlement"])
    return common.ok(render.entitlement(await call.ledger.entitlement(call.book, reference)))


async def list_entitlements(call: Call) -> Answer:
    query: asked.PageQuery = call.query
    found = await call.ledger.entitlements(
        call.book, after=common.after(query.after), limit=query.limit + 1
    )
    return common.page(found, query.limit, render.entitlement, render.ENTITLEMENT_PREFIX)


def optional_text(value: str | None, field: str, longest: int) -> str | None:
    return None if value is None else fields.text(value, field, longest=longest)


def _amended_text(
    value: str | UnsetType | None, field: str, longest: int
) -> str | UnsetType | None:
    return UNSET if value is UNSET else optional_text(value, field, longest)


ENDPOINTS = (
    Endpoint(
        method="POST",
        path="/customers",
        handler=create_customer,
        summary="Make a customer",
        role=Role.EDITOR,
        body=asked.CreateCustomer,
        answer=wire.Customer,
        status=201,
        errors=(FieldInvalid, AlreadyExists, KeyReused, ClockNotFound),
    ),
    Endpoint(
        method="GET",
        path="/customers",
        handler=list_customers,
        summary="List customers, newest first",
        role=Role.VIEWER,
        query=asked.PageQuery,
        answer=wire.Page[wire.Customer],
    ),
    Endpoint(
        method="GET",
        path="/customers/{customer}",
        handler=get_customer,
        summary="Get a customer by any of its ids",
        role=Role.VIEWER,
        answer=wire.Customer,
        errors=(CustomerNotFound,),
    ),
    Endpoint(
        method="PATCH",
        path="/customers/{customer}",
        handler=amend_customer,
        summary="Change what is kept of a customer",
        role=Role.EDITOR,
        body=asked.AmendCustomer,
        answer=wire.Customer,
        errors=(CustomerNotFound, FieldInvalid, KeyReused),
    ),
    Endpoint(
        method="POST",
        path="/customers/{customer}/close",
        handler=close_customer,
        summary="Grant and use nothing more of a customer's, for good",
        role=Role.EDITOR,
        body=asked.CloseOrReopen,
        answer=wire.Customer,
        errors=(CustomerNotFound, KeyReused),
    ),
    Endpoint(
        method="POST",
        path="/entitlements",
        handler=create_entitlement,
        summary="Make a kind of credit",
        role=Role.EDITOR,
        body=asked.CreateEntitlement,
        answer=wire.Entitlement,
        status=201,
        errors=(FieldInvalid, AmountTooFine, AmountTooLarge, AlreadyExists, KeyReused),
    ),
    Endpoint(
        method="PATCH",
        path="/entitlements/{entitlement}",
        handler=amend_entitlement,
        summary="Change an entitlement; grants keep what they have",
        role=Role.EDITOR,
        body=asked.AmendEntitlement,
        answer=wire.Entitlement,
        errors=(
            EntitlementNotFound,
            EntitlementClosed,
            FieldInvalid,
            AmountTooFine,
            AmountTooLarge,
            AlreadyExists,
            KeyReused,
        ),
    ),
    Endpoint(
        method="POST",
        path="/entitlements/{entitlement}/close",
        handler=close_entitlement,
        summary="Grant and use nothing more of an entitlement; its name is free",
        role=Role.EDITOR,
        body=asked.CloseOrReopen,
        answer=wire.Entitlement,
        errors=(EntitlementNotFound, FieldInvalid, KeyReused),
    ),
    Endpoint(
        method="POST",
        path="/entitlements/{entitlement}/reopen",
        handler=reopen_entitlement,
        summary="Undo the closing of an entitlement",
        role=Role.EDITOR,
        body=asked.CloseOrReopen,
        answer=wire.Entitlement,
        errors=(EntitlementNotFound, AlreadyExists, KeyReused),
    ),
    Endpoint(
        method="GET",
        path="/entitlements",
        handler=list_entitlements,
        summary="List entitlements, newest first; currencies once they have been granted",
        role=Role.VIEWER,
        query=asked.PageQuery,
        answer=wire.Page[wire.Entitlement],
    ),
    Endpoint(
        method="GET",
        path="/entitlements/{entitlement}",
        handler=get_entitlement,
        summary="Get an entitlement by code or id",
        role=Role.VIEWER,
        answer=wire.Entitlement,
        errors=(EntitlementNotFound,),
    ),
)
