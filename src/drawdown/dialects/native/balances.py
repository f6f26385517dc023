"""What a customer has, and every movement behind it."""

from __future__ import annotations

from drawdown.core import identity
from drawdown.core.errors import FieldInvalid
from drawdown.core.requests import Answer
from drawdown.core.types import Id
from drawdown.dialects.native import asked, common, errors, render, wire
from drawdown.engine.accounts import Role
from drawdown.web import fields
from drawdown.web.endpoints import Call, Endpoint


async def get_balance(call: Call) -> Answer:
    """A wallet never used has zeros, and ``seq`` 0."""
    owner = identity.reference(call.path["customer"])
    kind = identity.reference(call.path["entitlement"])
    query: asked.InstantQuery = call.query
    at = common.optional_instant(query.at, "at")
    balance = await call.ledger.balance(call.book, owner, kind, at=at)
    name = owner if isinstance(owner, str) else await _owner_name(call, owner)
    code = kind if isinstance(kind, str) else await _code(call, kind)
    return common.ok(render.balance(balance, name, code))


async def list_entries(call: Call) -> Answer:
    query: asked.EntriesQuery = call.query
    owner = fields.reference(query.customer, "customer")
    kind = common.optional_reference(query.entitlement, "entitlement")
    entries, following = await call.ledger.entries(
        call.book, owner, kind, after=query.after, limit=query.limit
    )
    names = common.Names()
    await names.find(call, ((entry.customer, entry.entitlement) for entry in entries))
    shown = [
        render.entry(
            entry,
            render.name_of(names.customers[entry.customer]),
            names.entitlements[entry.entitlement],
        )
        for entry in entries
    ]
    return common.ok(wire.Page(data=shown, next=following))


async def _owner_name(call: Call, reference: Id) -> str:
    """An own id is its own name; a generated id may stand for one."""
    return render.name_of(await call.ledger.customer(call.book, reference))


async def _code(call: Call, reference: Id) -> str:
    return (await call.ledger.entitlement(call.book, reference)).code


ENDPOINTS = (
    Endpoint(
        method="GET",
        path="/balances/{customer}/{entitlement}",
        handler=get_balance,
        summary="Get what a customer has of an entitlement, now or at an instant",
        role=Role.VIEWER,
        query=asked.InstantQuery,
        answer=wire.Balance,
        errors=(*errors.NAMED, FieldInvalid),
    ),
    Endpoint(
        method="GET",
        path="/entries",
        handler=list_entries,
        summary="List a customer's movements, newest first in each wallet",
        role=Role.VIEWER,
        query=asked.EntriesQuery,
        answer=wire.Page[wire.Entry],
        errors=errors.NAMED,
    ),
)
