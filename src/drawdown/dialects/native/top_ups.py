"""Auto top-ups: rules are made, read and closed; their requests are read, confirmed and failed."""

from __future__ import annotations

from drawdown.core import commands, identity
from drawdown.core.amounts import Amount, render
from drawdown.core.errors import (
    FieldInvalid,
    KeyReused,
    TooManyGrants,
    TopUpNotFound,
    TopUpPaid,
    TopUpRequestNotFound,
)
from drawdown.core.requests import Accepted, Answer
from drawdown.core.times import text_of
from drawdown.core.types import MICROSECONDS, Customer, Entitlement, Id, Instant
from drawdown.core.watching import top_ups
from drawdown.core.watching.top_ups import Standing, TopUp, TopUpRequest
from drawdown.dialects.native import asked_top_ups as asked
from drawdown.dialects.native import common, errors, wire
from drawdown.dialects.native import wire_top_ups as shown
from drawdown.dialects.native.asked_alerts import AlertState
from drawdown.dialects.native.directory import NAME_MAX, optional_text
from drawdown.dialects.native.render import (
    GRANT_PREFIX,
    cost_basis,
    name_of,
    optional_time,
    spelled,
    unit_price,
)
from drawdown.dialects.native.scalars import REASON_MAX
from drawdown.engine.accounts import Role
from drawdown.web import fields
from drawdown.web.endpoints import Call, Endpoint

TOP_UP_PREFIX = "topup_"
REQUEST_PREFIX = "topreq_"


async def create_top_up(call: Call) -> Answer:
    body: asked.CreateTopUp = call.body
    command = commands.CreateTopUp(
        customer=fields.reference(body.customer, "customer"),
        entitlement=fields.reference(body.entitlement, "entitlement"),
        threshold=fields.amount(body.threshold, "threshold"),
        amount=_optional_amount(body.amount, "amount"),
        target=_optional_amount(body.target, "target"),
        cap=_cap_terms(body.cap),
        cool_down=body.cool_down_seconds * MICROSECONDS,
        answer_within=body.answer_within_seconds * MICROSECONDS,
        attempts_max=body.attempts_max,
        price_per_unit=_price(body),
        priority=body.priority,
        expires_after_days=body.expires_after_days,
        name=optional_text(body.name, "name", NAME_MAX),
        metadata=fields.metadata(body.metadata),
    )
    written = common.created(_rule, call.request_id)
    key = common.ledger_key("top_up", body.idempotency_key)
    return await call.ledger.submit(call.book, command, written, key=key)


def _optional_amount(text: str | None, field: str) -> Amount | None:
    return None if text is None else fields.amount(text, field)


def _cap_terms(cap: asked.CapRequest | None) -> commands.CapTerms | None:
    return (
        None if cap is None else commands.CapTerms(fields.amount(cap.amount, "cap.amount"), cap.per)
    )


def _price(body: asked.CreateTopUp) -> commands.Money | None:
    price = body.price_per_unit
    if price is None:
        return None
    return commands.Money(fields.amount(price.amount, "price_per_unit.amount"), price.currency)


async def get_top_up(call: Call) -> Answer:
    rule, standing = await call.ledger.top_up(call.book, _named_rule(call))
    names = await common.Names().find(call, [(rule.customer, rule.entitlement)])
    owner, kind = names.customers[rule.customer], names.entitlements[rule.entitlement]
    return common.ok(rule_of(rule, standing, owner, kind, await call.ledger.now_of(owner)))


async def list_top_ups(call: Call) -> Answer:
    query: asked.TopUpsQuery = call.query
    found = await call.ledger.top_ups(
        call.book,
        customer=common.optional_reference(query.customer, "customer"),
        entitlement=common.optional_reference(query.entitlement, "entitlement"),
        live=None if query.state is None else query.state is AlertState.ACTIVE,
        after=common.after(query.after),
        limit=query.limit + 1,
    )
    names = await common.Names().find(
        call, ((rule.customer, rule.entitlement) for rule, _ in found)
    )
    nows = {each.id: await call.ledger.now_of(each) for each in names.customers.values()}
    standings = {rule.id: standing for rule, standing in found}

    def shape(rule: TopUp) -> shown.TopUp:
        owner, kind = names.customers[rule.customer], names.entitlements[rule.entitlement]
        return rule_of(rule, standings[rule.id], owner, kind, nows[owner.id])

    return common.page([rule for rule, _ in found], query.limit, shape, TOP_UP_PREFIX)


async def close_top_up(call: Call) -> Answer:
    """One that is closed already stays so: closing it again is answered alike."""
    command = commands.CloseTopUp(top_up=_named_rule(call))
    return await call.ledger.submit(
        call.book, command, common.answered(200, _rule, call.request_id)
    )


async def get_request(call: Call) -> Answer:
    found = await call.ledger.top_up_request(call.book, _named_request(call))
    names = await common.Names().find(call, [(found.customer, found.entitlement)])
    return common.ok(_listed(names, found))


async def list_requests(call: Call) -> Answer:
    query: asked.TopUpRequestsQuery = call.query
    found = await call.ledger.top_up_requests(
        call.book,
        customer=common.optional_reference(query.customer, "customer"),
        entitlement=common.optional_reference(query.entitlement, "entitlement"),
        state=query.state,
        after=common.after(query.after),
        limit=query.limit + 1,
    )
    names = await common.Names().find(call, ((each.customer, each.entitlement) for each in found))
    return common.page(found, query.limit, lambda each: _listed(names, each), REQUEST_PREFIX)


async def confirm(call: Call) -> Answer:
    body: asked.ConfirmTopUp = call.body
    reference = optional_text(body.reference, "reference", asked.PAYMENT_MAX)
    command = commands.ConfirmTopUp(request=_named_request(call), reference=reference)
    return await _answer(call, command, "confirm_top_up", body.idempotency_key)


async def fail(call: Call) -> Answer:
    body: asked.FailTopUp = call.body
    reason = optional_text(body.reason, "reason", REASON_MAX)
    command = commands.FailTopUp(request=_named_request(call), reason=reason)
    return await _answer(call, command, "fail_top_up", body.idempotency_key)


async def _answer(
    call: Call,
    command: commands.ConfirmTopUp | commands.FailTopUp,
    namespace: str,
    key: str | None,
) -> Answer:
    written = common.answered(200, _request, call.request_id)
    return await call.ledger.submit(
        call.book, command, written, key=common.ledger_key(namespace, key)
    )


def _named_rule(call: Call) -> Id:
    text = call.path["top_up"]
    found = identity.parse(text)
    if found is None:
        raise TopUpNotFound(text)
    return found


def _named_request(call: Call) -> Id:
    text = call.path["request"]
    found = identity.parse(text)
    if found is None:
        raise TopUpRequestNotFound(text)
    return found


def _rule(accepted: Accepted) -> shown.TopUp:
    assert accepted.top_up is not None
    assert accepted.customer is not None
    assert accepted.entitlement is not None
    assert accepted.balance is not None
    standing = accepted.standing or Standing()
    owner, kind = accepted.customer, accepted.entitlement
    return rule_of(accepted.top_up, standing, owner, kind, accepted.balance.as_of)


def rule_of(
    rule: TopUp, standing: Standing, owner: Customer, kind: Entitlement, now: Instant
) -> shown.TopUp:
    """A rule as it is at ``now``. Where the wallet's top-up stands says nothing of a closed one."""
    scale, cap = kind.scale, rule.cap
    if rule.closed_at is not None:
        standing = Standing()
    left = top_ups.cap_left(standing, now)
    asked_for = standing.request
    return shown.TopUp(
        id=identity.spell(TOP_UP_PREFIX, rule.id),
        customer=name_of(owner),
        entitlement=kind.code,
        state=top_ups.state_of(rule, standing),
        threshold=render(rule.threshold, scale),
        amount=None if rule.amount is None else render(rule.amount, scale),
        target=None if rule.target is None else render(rule.target, scale),
        cap=None if cap is None else shown.Cap(amount=render(cap.amount, scale), per=cap.per),
        cap_left=None if left is None else render(left, scale),
        cool_down_seconds=rule.cool_down // MICROSECONDS,
        answer_within_seconds=rule.answer_within // MICROSECONDS,
        attempts_max=rule.attempts_max,
        attempts_left=standing.attempts_left,
        price_per_unit=unit_price(rule.price_per_unit),
        priority=rule.priority,
        expires_after_days=rule.expires_after_days,
        name=rule.name,
        metadata=rule.metadata,
        request=None if asked_for is None else identity.spell(REQUEST_PREFIX, asked_for.id),
        created_at=text_of(rule.created_at),
        closed_at=optional_time(rule.closed_at),
    )


def _request(accepted: Accepted) -> shown.TopUpRequest:
    assert accepted.top_up_request is not None
    assert accepted.customer is not None
    assert accepted.entitlement is not None
    return _shown_request(accepted.top_up_request, accepted.customer, accepted.entitlement)


def _listed(names: common.Names, request: TopUpRequest) -> shown.TopUpRequest:
    owner, kind = names.customers[request.customer], names.entitlements[request.entitlement]
    return _shown_request(request, owner, kind)


def _shown_request(request: TopUpRequest, owner: Customer, kind: Entitlement) -> shown.TopUpRequest:
    return shown.TopUpRequest(
        id=identity.spell(REQUEST_PREFIX, request.id),
        top_up=identity.spell(TOP_UP_PREFIX, request.top_up),
        customer=name_of(owner),
        entitlement=kind.code,
        state=request.state,
        amount=render(request.amount, kind.scale),
        available=render(request.available, kind.scale),
        cost_basis=cost_basis(request.cost_basis),
        requested_at=text_of(request.requested_at),
        expires_at=text_of(request.expires_at),
        ended_at=optional_time(request.ended_at),
        reference=request.reference,
        reason=request.reason,
        grant=None if request.grant is None else spelled(GRANT_PREFIX, request.grant),
    )


_OF_REQUEST = (TopUpRequestNotFound, TopUpPaid, KeyReused)

ENDPOINTS = (
    Endpoint(
        method="POST",
        path="/top-ups",
        handler=create_top_up,
        summary="Ask for a payment whenever a customer's credit runs low",
        role=Role.EDITOR,
        body=asked.CreateTopUp,
        answer=shown.TopUp,
        status=201,
        errors=(FieldInvalid, *errors.NAMED, *errors.AMOUNT, *errors.CLOSED, KeyReused),
    ),
    Endpoint(
        method="GET",
        path="/top-ups",
        handler=list_top_ups,
        summary="List top-ups, newest first",
        role=Role.VIEWER,
        query=asked.TopUpsQuery,
        answer=wire.Page[shown.TopUp],
        errors=errors.NAMED,
    ),
    Endpoint(
        method="GET",
        path="/top-ups/requests",
        handler=list_requests,
        summary="List requests for a payment, newest first",
        role=Role.VIEWER,
        query=asked.TopUpRequestsQuery,
        answer=wire.Page[shown.TopUpRequest],
        errors=errors.NAMED,
    ),
    Endpoint(
        method="GET",
        path="/top-ups/requests/{request}",
        handler=get_request,
        summary="Get a request for a payment",
        role=Role.VIEWER,
        answer=shown.TopUpRequest,
        errors=(TopUpRequestNotFound,),
    ),
    Endpoint(
        method="POST",
        path="/top-ups/requests/{request}/confirm",
        handler=confirm,
        summary="Grant what was paid for, once, also after the request has failed or expired",
        role=Role.EDITOR,
        body=asked.ConfirmTopUp,
        answer=shown.TopUpRequest,
        errors=(*_OF_REQUEST, FieldInvalid, *errors.AMOUNT, *errors.CLOSED, TooManyGrants),
    ),
    Endpoint(
        method="POST",
        path="/top-ups/requests/{request}/fail",
        handler=fail,
        summary="Say that no payment was taken",
        role=Role.EDITOR,
        body=asked.FailTopUp,
        answer=shown.TopUpRequest,
        errors=_OF_REQUEST,
    ),
    Endpoint(
        method="GET",
        path="/top-ups/{top_up}",
        handler=get_top_up,
        summary="Get a top-up, also one that is closed",
        role=Role.VIEWER,
        answer=shown.TopUp,
        errors=(TopUpNotFound,),
    ),
    Endpoint(
        method="DELETE",
        path="/top-ups/{top_up}",
        handler=close_top_up,
        summary="Ask for nothing any more; a request in flight may still be answered",
        role=Role.EDITOR,
        answer=shown.TopUp,
        errors=(TopUpNotFound,),
    ),
)
