"""What a customer has, and every movement behind it."""

from __future__ import annotations

from drawdown.core import identity
from drawdown.core.requests import Answer
from drawdown.core.types import UNITS_MAX, Reference
from drawdown.dialects.native import common, render, wire
from drawdown.dialects.native.grants import optional_reference
from drawdown.web import fields
from drawdown.web.endpoints import Call


async def get_balance(call: Call) -> Answer:
    """A wallet never used has zeros, and ``seq`` 0."""
    owner = identity.reference(call.path["customer"])
    kind = identity.reference(call.path["entitlement"])
    balance = await call.ledger.balance(call.book, owner, kind)
    return common.ok(
        render.balance(balance, await _owner_name(call, owner), await _code(call, kind))
    )


async def list_entries(call: Call) -> Answer:
    query: wire.EntriesQuery = call.query
    owner = fields.reference(query.customer, "customer")
    kind = optional_reference(query.entitlement, "entitlement")
    entries, following = await call.ledger.entries(
        call.book, owner, kind, after=_after(query.after), limit=query.limit
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
    return common.ok(wire.Page(data=shown, next=None if following is None else str(following)))


def _after(text: str | None) -> int | None:
    return None if text is None else fields.whole(text, "after", 0, UNITS_MAX)


async def _owner_name(call: Call, reference: Reference) -> str:
    """An own id is its own name; a generated id may stand for one."""
    if isinstance(reference, str):
        return reference
    return render.name_of(await call.ledger.customer(call.book, reference))


async def _code(call: Call, reference: Reference) -> str:
    if isinstance(reference, str):
        return reference
    return (await call.ledger.entitlement(call.book, reference)).code
