"""Usage past zero: the rule as it is asked for, and resets."""

from __future__ import annotations

import msgspec

from drawdown.core import commands
from drawdown.core.amounts import render as decimal
from drawdown.core.errors import KeyReused
from drawdown.core.identity import spell
from drawdown.core.requests import Accepted, Answer
from drawdown.core.times import text_of
from drawdown.core.types import OverageBehavior, UnitPrice
from drawdown.dialects.native import asked, common, errors, render, wire
from drawdown.engine.accounts import Role
from drawdown.web import fields
from drawdown.web.endpoints import Call, Endpoint

RESET_PREFIX = "reset_"


class _Changed(msgspec.Struct):
    """What a reset keeps of the rule that it followed: as it was, twice."""

    behavior: tuple[OverageBehavior, OverageBehavior]
    price_per_unit: tuple[UnitPrice | None, UnitPrice | None]


_changed_of = msgspec.json.Decoder(_Changed).decode


def rule(body: asked.OverageRequest) -> commands.AskedOverage:
    price = body.price_per_unit
    return commands.AskedOverage(
        mode=body.mode,
        limit=None if body.limit is None else fields.amount(body.limit, "overage.limit"),
        behavior=body.behavior,
        price_per_unit=None
        if price is None
        else commands.Money(
            fields.amount(price.amount, "overage.price_per_unit.amount"), price.currency
        ),
    )


async def reset_overage(call: Call) -> Answer:
    body: asked.ResetOverage = call.body
    command = commands.ResetOverage(
        customer=fields.reference(body.customer, "customer"),
        entitlement=fields.reference(body.entitlement, "entitlement"),
    )
    written = common.created(_reset, call.request_id)
    key = common.ledger_key("reset", body.idempotency_key)
    return await call.ledger.submit(call.book, command, written, key=key)


def _reset(accepted: Accepted) -> wire.OverageReset:
    operation, owner, kind = accepted.operation, accepted.customer, accepted.entitlement
    assert operation is not None
    assert owner is not None
    assert kind is not None
    assert accepted.balance is not None
    changed = _changed_of(operation.changed)
    return wire.OverageReset(
        id=spell(RESET_PREFIX, operation.id),
        customer=render.name_of(owner),
        entitlement=kind.code,
        behavior=changed.behavior[0],
        amount=decimal(accepted.amount, kind.scale),
        price_per_unit=render.unit_price(changed.price_per_unit[0]),
        overage=decimal(accepted.balance.overage, kind.scale),
        available=decimal(accepted.balance.available, kind.scale),
        at=text_of(operation.at),
    )


ENDPOINTS = (
    Endpoint(
        method="POST",
        path="/overage/reset",
        handler=reset_overage,
        summary="Forgive a wallet's overage or take it to an invoice, as its rule says",
        role=Role.EDITOR,
        body=asked.ResetOverage,
        answer=wire.OverageReset,
        status=201,
        errors=(*errors.NAMED, KeyReused),
    ),
)
