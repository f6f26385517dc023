"""Alerts: made, read, listed, closed."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from drawdown.core import commands, identity, types
from drawdown.core.amounts import render as decimal
from drawdown.core.errors import AlertNotFound, FieldInvalid, KeyReused, TooManyAlerts
from drawdown.core.requests import Accepted, Answer
from drawdown.core.times import text_of
from drawdown.core.types import AlertKind, Customer, Entitlement, Id
from drawdown.core.usage import quantities
from drawdown.core.usage.records import Meter
from drawdown.dialects.native import asked_alerts as asked
from drawdown.dialects.native import common, errors, wire
from drawdown.dialects.native import wire_alerts as shown
from drawdown.dialects.native.asked_alerts import AlertState
from drawdown.dialects.native.directory import NAME_MAX, optional_text
from drawdown.dialects.native.render import ALERT_PREFIX, name_of, optional_time
from drawdown.engine.accounts import Role
from drawdown.web import fields
from drawdown.web.endpoints import Call, Endpoint


async def create_alert(call: Call) -> Answer:
    body: asked.CreateAlert = call.body
    on_use = body.kind is AlertKind.METERED_ABOVE
    command = _on_use(body) if on_use else _on_credit(body)
    written = common.created(_shape, call.request_id)
    claim = common.claim(call, body.idempotency_key)
    return await call.ledger.submit(call.book, command, written, claim=claim)


def _on_use(body: asked.CreateAlert) -> commands.CreateUsageAlert:
    for field in ("entitlement", "percent", "days"):
        if getattr(body, field) is not None:
            raise FieldInvalid(field, f"left out with the kind {body.kind}")
    for field in ("meter", "amount"):
        if getattr(body, field) is None:
            raise FieldInvalid(field, f"given with the kind {body.kind}")
    assert body.meter is not None
    assert body.amount is not None
    return commands.CreateUsageAlert(
        meter=fields.reference(body.meter, "meter"),
        amount=fields.amount(body.amount),
        customer=common.optional_reference(body.customer, "customer"),
        name=optional_text(body.name, "name", NAME_MAX),
        metadata=fields.metadata(body.metadata),
    )


def _on_credit(body: asked.CreateAlert) -> commands.CreateAlert:
    if body.meter is not None:
        raise FieldInvalid("meter", f"left out with the kind {body.kind}")
    if body.entitlement is None:
        raise FieldInvalid("entitlement", f"given with the kind {body.kind}")
    return commands.CreateAlert(
        entitlement=fields.reference(body.entitlement, "entitlement"),
        kind=body.kind,
        customer=common.optional_reference(body.customer, "customer"),
        amount=None if body.amount is None else fields.amount(body.amount),
        percent=body.percent,
        days=body.days,
        name=optional_text(body.name, "name", NAME_MAX),
        metadata=fields.metadata(body.metadata),
    )


async def get_alert(call: Call) -> Answer:
    found = await call.ledger.alert(call.book, _named(call))
    return common.ok((await _shown(call, [found]))(found))


async def list_alerts(call: Call) -> Answer:
    query: asked.AlertsQuery = call.query
    found = await call.ledger.alerts(
        call.book,
        customer=common.optional_reference(query.customer, "customer"),
        entitlement=common.optional_reference(query.entitlement, "entitlement"),
        meter=common.optional_reference(query.meter, "meter"),
        live=None if query.state is None else query.state is AlertState.ACTIVE,
        after=common.after(query.after),
        limit=query.limit + 1,
    )
    return common.page(found, query.limit, await _shown(call, found), ALERT_PREFIX)


async def close_alert(call: Call) -> Answer:
    """It is repeated without harm, so it takes no key."""
    command = commands.CloseAlert(alert=_named(call))
    written = common.answered(200, _shape, call.request_id)
    return await call.ledger.submit(call.book, command, written)


def _named(call: Call) -> Id:
    text = call.path["alert"]
    found = identity.parse(text)
    if found is None:
        raise AlertNotFound(text)
    return found


def _shape(accepted: Accepted) -> shown.Alert:
    assert accepted.alert is not None
    of = accepted.entitlement or accepted.meter
    assert of is not None
    return shown_of(accepted.alert, accepted.customer, of)


async def _shown(call: Call, found: Sequence[types.Alert]) -> Callable[[types.Alert], shown.Alert]:
    owners: dict[Id | None, Customer | None] = {None: None}
    watched: dict[Id | None, Entitlement | Meter] = {}
    if any(alert.meter is not None for alert in found):
        known = (await call.ledger.catalog(call.book)).meters
        watched |= {meter.id: meter for meter in known.values()}
    for alert in found:
        if alert.customer is not None and alert.customer not in owners:
            owners[alert.customer] = await call.ledger.customer(call.book, alert.customer)
        kind = alert.entitlement
        if kind is not None and kind not in watched:
            watched[kind] = await call.ledger.entitlement(call.book, kind)
    return lambda alert: shown_of(
        alert, owners[alert.customer], watched[alert.entitlement or alert.meter]
    )


def shown_of(
    alert: types.Alert, owner: Customer | None, watched: Entitlement | Meter
) -> shown.Alert:
    rule, meter = alert.rule, alert.meter
    scale = watched.scale if isinstance(watched, Entitlement) else quantities.PLACES
    return shown.Alert(
        id=identity.spell(ALERT_PREFIX, alert.id),
        customer=None if owner is None else name_of(owner),
        entitlement=watched.code if meter is None else None,
        meter=None if meter is None else watched.code,
        kind=rule.kind,
        amount=None if rule.amount is None else decimal(rule.amount, scale),
        percent=rule.percent,
        days=rule.days,
        name=rule.name,
        metadata=alert.metadata,
        state=AlertState.ACTIVE if alert.closed_at is None else AlertState.CLOSED,
        created_at=text_of(alert.created_at),
        closed_at=optional_time(alert.closed_at),
    )


ENDPOINTS = (
    Endpoint(
        method="POST",
        path="/alerts",
        handler=create_alert,
        summary="Be told when credit runs low, is used, ends or will run out, or when a meter is used",
        role=Role.EDITOR,
        body=asked.CreateAlert,
        answer=shown.Alert,
        status=201,
        errors=(
            FieldInvalid,
            *errors.NAMED,
            *errors.AMOUNT,
            *errors.CLOSED,
            TooManyAlerts,
            KeyReused,
        ),
    ),
    Endpoint(
        method="GET",
        path="/alerts",
        handler=list_alerts,
        summary="List alerts, newest first",
        role=Role.VIEWER,
        query=asked.AlertsQuery,
        answer=wire.Page[shown.Alert],
        errors=errors.NAMED,
    ),
    Endpoint(
        method="GET",
        path="/alerts/{alert}",
        handler=get_alert,
        summary="Get an alert, also one that is closed",
        role=Role.VIEWER,
        answer=shown.Alert,
        errors=(AlertNotFound,),
    ),
    Endpoint(
        method="DELETE",
        path="/alerts/{alert}",
        handler=close_alert,
        summary="Close an alert, for good; it stays to be read",
        role=Role.EDITOR,
        answer=shown.Alert,
        errors=(AlertNotFound,),
    ),
)
