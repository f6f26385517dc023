"""Spends: one quantity paid from several of a customer's wallets, each at its price."""

from __future__ import annotations

from drawdown.core import commands
from drawdown.core.errors import DebitNotFound, FieldInvalid
from drawdown.core.requests import Answer
from drawdown.dialects.native import asked, common, errors, render_debits, wire
from drawdown.dialects.native.debits import named_debit
from drawdown.engine.accounts import Role
from drawdown.web import fields
from drawdown.web.endpoints import Call, Endpoint


async def create_spend(call: Call) -> Answer:
    body: asked.CreateSpend = call.body
    command = commands.Spend(
        customer=fields.reference(body.customer, "customer"),
        quantity=fields.amount(body.quantity, "quantity"),
        wallets=tuple(_price(each, f"wallets[{n}]") for n, each in enumerate(body.wallets)),
        partial=body.partial,
        attributes=fields.metadata(body.attributes, "attributes") if body.attributes else {},
        occurred_at=common.optional_instant(body.occurred_at, "occurred_at"),
        metadata=fields.metadata(body.metadata) if body.metadata else {},
    )
    written = common.created(render_debits.new_spend, call.request_id)
    key = common.ledger_key("spend", body.idempotency_key)
    return await call.ledger.submit(call.book, command, written, key=key)


async def get_spend(call: Call) -> Answer:
    found = await call.ledger.debit(call.book, named_debit(call))
    if found.operation.kind != "spend":
        raise DebitNotFound(call.path["debit"])
    return common.ok(render_debits.spend(found))


def _price(given: asked.Price, field: str) -> commands.Price:
    return commands.Price(
        fields.reference(given.entitlement, f"{field}.entitlement"),
        fields.amount(given.price, f"{field}.price"),
    )


ENDPOINTS = (
    Endpoint(
        method="POST",
        path="/spends",
        handler=create_spend,
        summary="Pay a quantity from several wallets in their order, each at its price",
        role=Role.EDITOR,
        body=asked.CreateSpend,
        answer=wire.Spend,
        status=201,
        errors=(*errors.DEBIT, FieldInvalid),
    ),
    Endpoint(
        method="GET",
        path="/spends/{debit}",
        handler=get_spend,
        summary="Get a spend and how much of it was reversed",
        role=Role.VIEWER,
        answer=wire.Spend,
        errors=(DebitNotFound,),
    ),
)
