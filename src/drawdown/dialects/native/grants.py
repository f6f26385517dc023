"""Grants: issue, read, list, expire, void."""

from __future__ import annotations

from drawdown.core import commands, identity
from drawdown.core.commands import Money
from drawdown.core.errors import GrantNotFound
from drawdown.core.requests import Accepted, Answer
from drawdown.core.types import Id, Instant
from drawdown.dialects.native import common, render, wire
from drawdown.dialects.native.directory import NAME_MAX, optional_text
from drawdown.engine.batcher import Render
from drawdown.web import fields
from drawdown.web.endpoints import Call


async def issue_grant(call: Call) -> Answer:
    body: wire.IssueGrant = call.body
    written = common.created(_shape, call.request_id)
    key = common.ledger_key("grant", body.idempotency_key)
    return await call.ledger.submit(call.book, issue_command(body), written, key=key)


def issue_command(body: wire.IssueGrant) -> commands.IssueGrant:
    return commands.IssueGrant(
        customer=fields.reference(body.customer, "customer"),
        entitlement=fields.reference(body.entitlement, "entitlement"),
        amount=fields.amount(body.amount),
        priority=body.priority,
        category=body.category,
        effective_at=_optional_instant(body.effective_at, "effective_at"),
        expires_at=(
            fields.instant(body.expires_at, "expires_at")
            if isinstance(body.expires_at, str)
            else body.expires_at
        ),
        cost_basis=_money(body.cost_basis),
        name=optional_text(body.name, "name", NAME_MAX),
        metadata=fields.metadata(body.metadata),
    )


async def get_grant(call: Call) -> Answer:
    found = await call.ledger.grant(call.book, _named(call))
    shape = await common.shown_grants(call, [found])
    return common.ok(shape(found))


async def list_grants(call: Call) -> Answer:
    query: wire.GrantsQuery = call.query
    found = await call.ledger.grants(
        call.book,
        customer=optional_reference(query.customer, "customer"),
        entitlement=optional_reference(query.entitlement, "entitlement"),
        states=() if query.state is None else (query.state,),
        after=common.after(query.after),
        limit=query.limit + 1,
    )
    shape = await common.shown_grants(call, found)
    return common.page(found, query.limit, shape, render.GRANT_PREFIX)


async def expire_grant(call: Call) -> Answer:
    body: wire.EndGrant = call.body
    command = commands.ExpireGrant(grant=_named(call))
    key = common.ledger_key("expire", body.idempotency_key)
    return await call.ledger.submit(call.book, command, _ended(call), key=key)


async def void_grant(call: Call) -> Answer:
    body: wire.EndGrant = call.body
    command = commands.VoidGrant(grant=_named(call))
    key = common.ledger_key("void", body.idempotency_key)
    return await call.ledger.submit(call.book, command, _ended(call), key=key)


def optional_reference(value: str | None, field: str) -> Id | str | None:
    return None if value is None else fields.reference(value, field)


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


def _optional_instant(value: str | None, field: str) -> Instant | None:
    return None if value is None else fields.instant(value, field)


def _money(given: wire.CostBasisRequest | None) -> Money | None:
    if given is None:
        return None
    return Money(fields.amount(given.amount, "cost_basis.amount"), given.currency)
