"""Debits: one, many at once, read again, reversed."""

from __future__ import annotations

import msgspec
import structlog

from drawdown.core import commands, identity
from drawdown.core.errors import (
    DebitNotFound,
    EntitlementNotFound,
    FieldInvalid,
    KeyReused,
    LedgerError,
    ReversalTooLarge,
)
from drawdown.core.requests import Answer, LedgerKey
from drawdown.core.types import Id
from drawdown.dialects.native import asked, common, errors, render_debits, wire
from drawdown.engine.accounts import Role
from drawdown.engine.batcher import Render
from drawdown.engine.ports import StoreUnavailable
from drawdown.web import fields
from drawdown.web.decoding import decode_json
from drawdown.web.endpoints import Call, Endpoint
from drawdown.web.errors import Unavailable, Unexpected, WebError

Asked = tuple[commands.Debit, Render, LedgerKey]

log = structlog.get_logger("drawdown.native")
_decode_debit = decode_json(asked.CreateDebit)


async def create_debit(call: Call) -> Answer:
    command, written, key = _asked(call.body, call.request_id)
    return await call.ledger.submit(call.book, command, written, key=key)


async def create_debits(call: Call) -> Answer:
    """Each element by itself, in order; one that cannot be read never reaches the ledger."""
    body: asked.CreateDebits = call.body
    read = [_read(raw, call.request_id) for raw in body.debits]
    asked = [element for element in read if isinstance(element, tuple)]
    answers = iter(await call.ledger.submit_many(call.book, asked))
    shown = [
        _result(next(answers), call.request_id) if isinstance(element, tuple) else element
        for element in read
    ]
    return Answer(status=200, body=b'{"results":[' + b",".join(shown) + b"]}")


async def get_debit(call: Call) -> Answer:
    """As it was answered, and what was reversed since; a capture with its hold, a spend in parts."""
    found = await call.ledger.debit(call.book, named_debit(call))
    operation, hold = found.operation, None
    if operation.kind == "capture":
        assert operation.subject is not None
        hold = await call.ledger.hold(call.book, operation.subject)
    return common.ok(render_debits.debit(found, hold))


async def reverse_debit(call: Call) -> Answer:
    body: asked.ReverseDebit = call.body
    command = commands.ReverseDebit(
        debit=named_debit(call),
        entitlement=common.optional_reference(body.entitlement, "entitlement"),
        amount=None if body.amount is None else fields.amount(body.amount),
    )
    written = common.created(render_debits.reversal, call.request_id)
    key = common.ledger_key("reverse", body.idempotency_key)
    return await call.ledger.submit(call.book, command, written, key=key)


def _asked(body: asked.CreateDebit, request_id: str) -> Asked:
    command = commands.Debit(
        customer=fields.reference(body.customer, "customer"),
        entitlement=fields.reference(body.entitlement, "entitlement"),
        amount=fields.amount(body.amount),
        attributes=fields.metadata(body.attributes, "attributes") if body.attributes else {},
        occurred_at=common.optional_instant(body.occurred_at, "occurred_at"),
        metadata=fields.metadata(body.metadata) if body.metadata else {},
    )
    key = LedgerKey("native.debit", fields.key(body.idempotency_key))
    return command, common.created(render_debits.new_debit, request_id), key


def _read(raw: msgspec.Raw, request_id: str) -> Asked | bytes:
    """What an element asks for, or its result. Keeping the error would keep the whole body with it."""
    try:
        return _asked(_decode_debit(raw), request_id)
    except WebError as error:
        return _result(error, request_id)


def _result(outcome: Answer | BaseException, request_id: str) -> bytes:
    if isinstance(outcome, Answer):
        replayed = b'"replayed":true,' if outcome.replayed else b""
        return b'{"status":%d,%b"debit":%b}' % (outcome.status, replayed, outcome.body)
    error = told(outcome, request_id)
    problem = wire.encode(errors.problem(error, request_id))
    return b'{"status":%d,"error":%b}' % (errors.status_of(error), problem)


def told(error: BaseException, request_id: str) -> LedgerError | WebError:
    if isinstance(error, LedgerError | WebError):
        return error
    if isinstance(error, StoreUnavailable):
        return Unavailable()
    log.error("unexpected error in a batch", request_id=request_id, exc_info=error)
    return Unexpected(request_id)


def named_debit(call: Call) -> Id:
    text = call.path["debit"]
    found = identity.parse(text)
    if found is None:
        raise DebitNotFound(text)
    return found


ENDPOINTS = (
    Endpoint(
        method="POST",
        path="/debits",
        handler=create_debit,
        summary="Draw credit in burn-down order, all or nothing",
        role=Role.EDITOR,
        body=asked.CreateDebit,
        answer=wire.Debit,
        status=201,
        errors=errors.DEBIT,
    ),
    Endpoint(
        method="POST",
        path="/debits/batch",
        handler=create_debits,
        summary="Make up to 1,000 debits, each for itself, in their order",
        role=Role.EDITOR,
        body=asked.CreateDebits,
        answer=wire.BatchResults,
    ),
    Endpoint(
        method="GET",
        path="/debits/{debit}",
        handler=get_debit,
        summary="Get a debit and how much of it was reversed",
        role=Role.VIEWER,
        answer=wire.Debit,
        errors=(DebitNotFound,),
    ),
    Endpoint(
        method="POST",
        path="/debits/{debit}/reverse",
        handler=reverse_debit,
        summary="Return part or all of a debit to the grants it came from",
        role=Role.EDITOR,
        body=asked.ReverseDebit,
        answer=wire.Reversal,
        status=201,
        errors=(
            DebitNotFound,
            EntitlementNotFound,
            FieldInvalid,
            *errors.AMOUNT,
            ReversalTooLarge,
            KeyReused,
        ),
    ),
)
