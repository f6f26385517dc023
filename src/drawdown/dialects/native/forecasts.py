"""When a customer's credit runs out: by how it was used lately, and by what is known to come."""

from __future__ import annotations

from drawdown.core import forecast, identity
from drawdown.core.amounts import render as decimal
from drawdown.core.errors import FieldInvalid
from drawdown.core.forecast import Forecast, Point
from drawdown.core.requests import Answer
from drawdown.core.times import text_of
from drawdown.core.types import Customer, Entitlement
from drawdown.dialects.native import asked_ahead, common, errors, render, wire_ahead
from drawdown.engine.accounts import Role
from drawdown.web.endpoints import Call, Endpoint


async def get_forecast(call: Call) -> Answer:
    """Nothing is written. A wallet never used is empty, and stays so."""
    query: asked_ahead.ForecastQuery = call.query
    owner = await call.ledger.customer(call.book, identity.reference(call.path["customer"]))
    reference = identity.reference(call.path["entitlement"])
    kind = await call.ledger.entitlement(call.book, reference)
    found = await call.ledger.forecast(
        call.book, owner.id, kind.id, days=query.days, window_days=query.window_days
    )
    return common.ok(_forecast(found, owner, kind))


def _forecast(found: Forecast, owner: Customer, kind: Entitlement) -> wire_ahead.Forecast:
    scale = kind.scale
    return wire_ahead.Forecast(
        customer=render.name_of(owner),
        entitlement=kind.code,
        as_of=text_of(found.as_of),
        until=text_of(found.until),
        usage=wire_ahead.RecentUsage(
            since=text_of(found.use.since),
            used=decimal(found.use.units, scale),
            per_day=decimal(forecast.per_day(found.use, found.as_of, scale), forecast.RATE_PLACES),
        ),
        available=decimal(found.available, scale),
        depletes_at=None if found.depletes_at is None else text_of(found.depletes_at),
        reason=found.lasting,
        shortfall=decimal(found.shortfall, scale),
        expires_unused=decimal(found.lost, scale),
        expiring=[
            wire_ahead.Expiring(
                grant=render.spelled(render.GRANT_PREFIX, loss.grant),
                amount=decimal(loss.amount, scale),
                at=text_of(loss.at),
            )
            for loss in found.losses
        ],
        points=[_point(point, scale) for point in found.points],
    )


def _point(point: Point, scale: int) -> wire_ahead.Point:
    return wire_ahead.Point(
        at=text_of(point.at),
        available=decimal(point.available, scale),
        posted=decimal(point.posted, scale),
        held=decimal(point.held, scale),
        pending=decimal(point.pending, scale),
        overage=decimal(point.overage, scale),
    )


ENDPOINTS = (
    Endpoint(
        method="GET",
        path="/balances/{customer}/{entitlement}/forecast",
        handler=get_forecast,
        summary="Say when a balance runs out at its recent rate, and what will expire unused",
        role=Role.VIEWER,
        query=asked_ahead.ForecastQuery,
        answer=wire_ahead.Forecast,
        errors=(*errors.NAMED, FieldInvalid),
    ),
)
