"""Grants: issue, read, list, amend, adjust, expire, void."""

from __future__ import annotations

from drawdown.core import amounts, commands, identity
from drawdown.core.commands import Money, RolloverTerms
from drawdown.core.errors import (
    AdjustmentTooLarge,
    FieldInvalid,
    GrantHeld,
    GrantNotFound,
    GrantPending,
    GrantUsed,
    KeyReused,
    TooManyGrants,
)
from drawdown.core.requests import Accepted, Answer
from drawdown.core.schedules.calendar import Every
from drawdown.core.types import Id, Scope
from drawdown.dialects.native import asked, common, errors, render, scalars, wire
from drawdown.dialects.native.directory import NAME_MAX, optional_text
from drawdown.engine.accounts import Role
from drawdown.engine.batcher import Render
from drawdown.web import fields
from drawdown.web.endpoints import Call, Endpoint
from drawdown.web.errors import BadRequest


async def issue_grant(call: Call) -> Answer:
    body: asked.IssueGrant = call.body
    written = common.created(_shape, call.request_id)
    key = common.ledger_key("grant", body.idempotency_key)
    return await call.ledger.submit(call.book, issue_command(body), written, key=key)


def issue_command(body: asked.IssueGrant) -> commands.IssueGrant:
    return commands.IssueGrant(
        customer=fields.reference(body.customer, "customer"),
        entitlement=fields.reference(body.entitlement, "entitlement"),
        amount=fields.amount(body.amount),
        priority=body.priority,
        category=body.category,
        effective_at=common.optional_instant(body.effective_at, "effective_at"),
        expires_at=(
            fields.instant(body.expires_at, "expires_at")
            if isinstance(body.expires_at, str)
            else body.expires_at
        ),
        cost_basis=money_of(body.cost_basis),
        name=optional_text(body.name, "name", NAME_MAX),
        scope=scope_of(body.scope),
        metadata=fields.metadata(body.metadata),
        rollover=rollover_terms(body.rollover),
    )


def rollover_terms(body: asked.RolloverRequest | None) -> RolloverTerms | None:
    if body is None:
        return None
    minimum, maximum, timeframe = body.minimum, body.maximum, body.timeframe
    return RolloverTerms(
        percentage=body.percentage,
        generations_max=body.generations_max,
        timeframe=None if timeframe is None else Every(timeframe.unit, timeframe.count),
        minimum=None if minimum is None else fields.amount(minimum, "rollover.minimum"),
        maximum=None if maximum is None else fields.amount(maximum, "rollover.maximum"),
    )


async def get_grant(call: Call) -> Answer:
    query: asked.InstantQuery = call.query
    at = common.optional_instant(query.at, "at")
    found = await call.ledger.grant(call.book, _named(call), at=at)
    shape = await common.shown_grants(call, [found], at)
    return common.ok(shape(found))


async def list_grants(call: Call) -> Answer:
    query: asked.GrantsQuery = call.query
    at = common.optional_instant(query.at, "at")
    found = await call.ledger.grants(
        call.book,
        customer=common.optional_reference(query.customer, "customer"),
        entitlement=common.optional_reference(query.entitlement, "entitlement"),
        states=() if query.state is None else (query.state,),
        at=at,
        after=common.after(query.after),
        limit=query.limit + 1,
    )
    shape = await common.shown_grants(call, found, at)
    return common.page(found, query.limit, shape, render.GRANT_PREFIX)


async def amend_grant(call: Call) -> Answer:
    body: asked.AmendGrant = call.body
    common.check_amended(body.metadata)
    command = commands.AmendGrant(
        grant=_named(call),
        expires_at=(
            fields.instant(body.expires_at, "expires_at")
            if isinstance(body.expires_at, str)
            else body.expires_at
        ),
        metadata=body.metadata,
    )
    written = common.answered(200, _shape, call.request_id)
    key = common.ledger_key("amend", body.idempotency_key)
    return await call.ledger.submit(call.book, command, written, key=key)


async def adjust_grant(call: Call) -> Answer:
    body: asked.AdjustGrant = call.body
    command = commands.AdjustGrant(
        grant=_named(call),
        direction=body.direction,
        amount=fields.amount(body.amount),
        reason=optional_text(body.reason, "reason", scalars.REASON_MAX),
    )

    def shape(accepted: Accepted) -> wire.Adjustment:
        assert accepted.operation is not None
        assert accepted.entitlement is not None
        assert accepted.balance is not None
        scale = accepted.entitlement.scale
        return wire.Adjustment(
            id=identity.spell(render.ADJUSTMENT_PREFIX, accepted.operation.id),
            grant=_shape(accepted),
            direction=body.direction,
            amount=amounts.render(accepted.amount, scale),
            available=amounts.render(accepted.balance.available, scale),
        )

    written = common.created(shape, call.request_id)
    key = common.ledger_key("adjust", body.idempotency_key)
    return await call.ledger.submit(call.book, command, written, key=key)


async def expire_grant(call: Call) -> Answer:
    body: asked.EndGrant = call.body
    command = commands.ExpireGrant(grant=_named(call))
    key = common.ledger_key("expire", body.idempotency_key)
    return await call.ledger.submit(call.book, command, _ended(call), key=key)


async def void_grant(call: Call) -> Answer:
    body: asked.EndGrant = call.body
    command = commands.VoidGrant(grant=_named(call))
    key = common.ledger_key("void", body.idempotency_key)
    return await call.ledger.submit(call.book, command, _ended(call), key=key)


def _named(call: Call) -> Id:
    text = call.path["grant"]
    found = identity.parse(text)
    if found is None:
        raise GrantNotFound(text)
    return found


def _ended(call: Call) -> Render:
    return common.answered(200, _shape, call.request_id)


def _shape(accepted: Accepted) -> wire.Grant:
    grant, owner, kind = accepted.grant, accepted.customer, accepted.entitlement
    assert grant is not None
    assert owner is not None
    assert kind is not None
    assert accepted.operation is not None
    return render.grant(grant, owner, kind, accepted.operation.at)


def scope_of(given: dict[str, list[str]]) -> Scope:
    """Names as attributes have them: one that no attribute can have would never match."""
    fields.metadata(dict.fromkeys(given, ""), "scope")
    for name, values in given.items():
        if not 1 <= len(values) <= scalars.SCOPE_VALUES_MAX:
            raise BadRequest(f"scope.{name}", f"a list of 1 to {scalars.SCOPE_VALUES_MAX} texts")
        for value in values:
            fields.text(value, f"scope.{name}", longest=scalars.SCOPE_TEXT_MAX, lines=True)
    return {name: tuple(values) for name, values in given.items()}


def money_of(given: asked.CostBasisRequest | None) -> Money | None:
    if given is None:
        return None
    return Money(fields.amount(given.amount, "cost_basis.amount"), given.currency)


ENDPOINTS = (
    Endpoint(
        method="POST",
        path="/grants",
        handler=issue_grant,
        summary="Grant credit to a customer",
        role=Role.EDITOR,
        body=asked.IssueGrant,
        answer=wire.Grant,
        status=201,
        errors=(
            *errors.NAMED,
            *errors.AMOUNT,
            *errors.CLOSED,
            *errors.EXPIRY,
            TooManyGrants,
            KeyReused,
        ),
    ),
    Endpoint(
        method="GET",
        path="/grants",
        handler=list_grants,
        summary="List grants, newest first, as they are now or at an instant",
        role=Role.VIEWER,
        query=asked.GrantsQuery,
        answer=wire.Page[wire.Grant],
        errors=(*errors.NAMED, FieldInvalid),
    ),
    Endpoint(
        method="GET",
        path="/grants/{grant}",
        handler=get_grant,
        summary="Get a grant as it is now or at an instant",
        role=Role.VIEWER,
        query=asked.InstantQuery,
        answer=wire.Grant,
        errors=(GrantNotFound, FieldInvalid),
    ),
    Endpoint(
        method="PATCH",
        path="/grants/{grant}",
        handler=amend_grant,
        summary="Change when a grant expires, and its metadata",
        role=Role.EDITOR,
        body=asked.AmendGrant,
        answer=wire.Grant,
        errors=(*errors.ENDED, *errors.EXPIRY, KeyReused),
    ),
    Endpoint(
        method="POST",
        path="/grants/{grant}/adjust",
        handler=adjust_grant,
        summary="Correct a grant: take some of it, or return some of what was used of it",
        role=Role.EDITOR,
        body=asked.AdjustGrant,
        answer=wire.Adjustment,
        status=201,
        errors=(*errors.ENDED, *errors.AMOUNT, GrantPending, AdjustmentTooLarge, KeyReused),
    ),
    Endpoint(
        method="POST",
        path="/grants/{grant}/expire",
        handler=expire_grant,
        summary="End a grant now",
        role=Role.EDITOR,
        body=asked.EndGrant,
        answer=wire.Grant,
        errors=(*errors.ENDED, KeyReused),
    ),
    Endpoint(
        method="POST",
        path="/grants/{grant}/void",
        handler=void_grant,
        summary="Undo a grant: take what remains of it",
        role=Role.EDITOR,
        body=asked.EndGrant,
        answer=wire.Grant,
        errors=(*errors.ENDED, GrantUsed, GrantHeld, KeyReused),
    ),
)
