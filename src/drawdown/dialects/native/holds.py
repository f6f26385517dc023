"""Holds: set credit aside, capture it bit by bit, extend, release; read and list."""

from __future__ import annotations

from drawdown.core import commands, identity
from drawdown.core.errors import (
    CaptureTooLarge,
    HoldEnded,
    HoldNotFound,
    InsufficientCredit,
    KeyReused,
    TooManyHolds,
)
from drawdown.core.requests import Accepted, Answer
from drawdown.core.types import MICROSECONDS, Hold, Id
from drawdown.dialects.native import asked, common, errors, render, render_debits, wire
from drawdown.engine.accounts import Role
from drawdown.web import fields
from drawdown.web.endpoints import Call, Endpoint
from drawdown.web.errors import BadRequest


async def create_hold(call: Call) -> Answer:
    body: asked.CreateHold = call.body
    command = commands.Authorize(
        customer=fields.reference(body.customer, "customer"),
        entitlement=fields.reference(body.entitlement, "entitlement"),
        amount=fields.amount(body.amount),
        expires_at=(
            fields.instant(body.expires_at, "expires_at")
            if isinstance(body.expires_at, str)
            else body.expires_at
        ),
        expires_in=_microseconds(body.expires_in),
        attributes=fields.metadata(body.attributes, "attributes") if body.attributes else {},
        metadata=fields.metadata(body.metadata) if body.metadata else {},
    )
    written = common.created(_shape, call.request_id)
    key = common.ledger_key("hold", body.idempotency_key)
    return await call.ledger.submit(call.book, command, written, key=key)


async def get_hold(call: Call) -> Answer:
    found = await call.ledger.hold(call.book, _named(call))
    names = await common.Names().find(call, [(found.customer, found.entitlement)])
    return common.ok(_shown(names, found))


async def list_holds(call: Call) -> Answer:
    query: asked.HoldsQuery = call.query
    found = await call.ledger.holds(
        call.book,
        customer=common.optional_reference(query.customer, "customer"),
        entitlement=common.optional_reference(query.entitlement, "entitlement"),
        state=query.state,
        after=common.after(query.after),
        limit=query.limit + 1,
    )
    names = await common.Names().find(call, ((hold.customer, hold.entitlement) for hold in found))
    return common.page(found, query.limit, lambda hold: _shown(names, hold), render.HOLD_PREFIX)


async def capture_hold(call: Call) -> Answer:
    body: asked.CaptureHold = call.body
    command = commands.Capture(
        hold=_named(call),
        amount=fields.amount(body.amount),
        final=body.final,
        over_capture=body.over_capture,
    )
    written = common.created(render_debits.new_capture, call.request_id)
    key = common.ledger_key("capture", body.idempotency_key)
    return await call.ledger.submit(call.book, command, written, key=key)


async def release_hold(call: Call) -> Answer:
    body: asked.ReleaseHold = call.body
    command = commands.Release(hold=_named(call))
    written = common.answered(200, _shape, call.request_id)
    key = common.ledger_key("release", body.idempotency_key)
    return await call.ledger.submit(call.book, command, written, key=key)


async def extend_hold(call: Call) -> Answer:
    body: asked.ExtendHold = call.body
    if body.expires_in is None and body.expires_at is None:
        raise BadRequest("expires_in", "given, or expires_at in its place")
    command = commands.Extend(
        hold=_named(call),
        expires_at=common.optional_instant(body.expires_at, "expires_at"),
        expires_in=_microseconds(body.expires_in),
    )
    written = common.answered(200, _shape, call.request_id)
    key = common.ledger_key("extend", body.idempotency_key)
    return await call.ledger.submit(call.book, command, written, key=key)


def _named(call: Call) -> Id:
    text = call.path["hold"]
    found = identity.parse(text)
    if found is None:
        raise HoldNotFound(text)
    return found


def _microseconds(seconds: int | None) -> int | None:
    return None if seconds is None else seconds * MICROSECONDS


def _shape(accepted: Accepted) -> wire.Hold:
    owner, kind = accepted.customer, accepted.entitlement
    assert accepted.hold is not None
    assert owner is not None
    assert kind is not None
    assert accepted.balance is not None
    return render.hold(accepted.hold, owner, kind, accepted.balance.available)


def _shown(names: common.Names, hold: Hold) -> wire.Hold:
    return render.hold(hold, names.customers[hold.customer], names.entitlements[hold.entitlement])


_OF_OPEN_HOLD = (HoldNotFound, HoldEnded, KeyReused)

ENDPOINTS = (
    Endpoint(
        method="POST",
        path="/holds",
        handler=create_hold,
        summary="Set credit aside in burn-down order, all or nothing",
        role=Role.EDITOR,
        body=asked.CreateHold,
        answer=wire.Hold,
        status=201,
        errors=(*errors.DEBIT, *errors.HOLD_END, TooManyHolds),
    ),
    Endpoint(
        method="GET",
        path="/holds",
        handler=list_holds,
        summary="List holds, newest first",
        role=Role.VIEWER,
        query=asked.HoldsQuery,
        answer=wire.Page[wire.Hold],
        errors=errors.NAMED,
    ),
    Endpoint(
        method="GET",
        path="/holds/{hold}",
        handler=get_hold,
        summary="Get a hold as it is now",
        role=Role.VIEWER,
        answer=wire.Hold,
        errors=(HoldNotFound,),
    ),
    Endpoint(
        method="POST",
        path="/holds/{hold}/capture",
        handler=capture_hold,
        summary="Debit what was used of a hold; more than is held is drawn besides",
        role=Role.EDITOR,
        body=asked.CaptureHold,
        answer=wire.Debit,
        status=201,
        errors=(*_OF_OPEN_HOLD, *errors.AMOUNT, CaptureTooLarge, InsufficientCredit),
    ),
    Endpoint(
        method="POST",
        path="/holds/{hold}/release",
        handler=release_hold,
        summary="End a hold: what it still holds is available again",
        role=Role.EDITOR,
        body=asked.ReleaseHold,
        answer=wire.Hold,
        errors=_OF_OPEN_HOLD,
    ),
    Endpoint(
        method="POST",
        path="/holds/{hold}/extend",
        handler=extend_hold,
        summary="Let a hold end later",
        role=Role.EDITOR,
        body=asked.ExtendHold,
        answer=wire.Hold,
        errors=(*_OF_OPEN_HOLD, *errors.HOLD_END),
    ),
)
