"""What another rule would have made of past usage."""

from __future__ import annotations

import msgspec

from drawdown.core import currencies
from drawdown.core.amounts import render as decimal
from drawdown.core.errors import FieldInvalid, MeterNotFound
from drawdown.core.hindsight.changing import AskedChange, AskedRate
from drawdown.core.hindsight.dry_run import Cause, Difference, Drawn, Effect, Result, Summary
from drawdown.core.requests import Answer
from drawdown.core.times import text_of
from drawdown.core.types import Category, Entitlement, Id
from drawdown.core.usage.records import Period
from drawdown.dialects.native import asked_ahead, asked_usage, common, errors, overage, wire_ahead
from drawdown.dialects.native.grants import rollover_terms
from drawdown.dialects.native.render import (
    CUSTOMER_PREFIX,
    GRANT_PREFIX,
    OPERATION_PREFIX,
    name_of,
    spelled,
)
from drawdown.dialects.native.usage import price_of
from drawdown.engine.accounts import Role
from drawdown.web import fields
from drawdown.web.endpoints import Call, Endpoint


async def dry_run(call: Call) -> Answer:
    """Nothing is written: it is asked for with POST for the length of its question."""
    body: asked_ahead.DryRun = call.body
    since, until = fields.instant(body.since, "from"), common.optional_instant(body.until, "to")
    reference = fields.reference(body.entitlement, "entitlement")
    kind = await call.ledger.entitlement(call.book, reference)
    page = await call.ledger.dry_run(
        call.book,
        kind.id,
        _change(body.change),
        since=since,
        until=until,
        customer=common.optional_reference(body.customer, "customer"),
        after=common.after(body.after),
        limit=body.limit,
    )
    return common.ok(
        wire_ahead.DryRun(
            entitlement=kind.code,
            start=text_of(since),
            end=None if until is None else text_of(until),
            before=_figures(page.before, kind),
            after=_figures(page.after_change, kind),
            data=[_result(result, kind) for result in page.results],
            skipped=[
                wire_ahead.Skipped(customer=name_of(each.customer), reason=each.reason)
                for each in page.skipped
            ],
            next=None if page.after is None else spelled(CUSTOMER_PREFIX, page.after),
        )
    )


def _change(body: asked_ahead.Change) -> AskedChange:
    rollover = body.rollover
    return AskedChange(
        burn_order=body.burn_order,
        rates=None if body.rates is None else tuple(_rate(*each) for each in enumerate(body.rates)),
        rollover=rollover if isinstance(rollover, msgspec.UnsetType) else rollover_terms(rollover),
        expires_after_days=body.expires_after_days,
        overage=None if body.overage is None else overage.rule(body.overage),
    )


def _rate(number: int, body: asked_ahead.RateChange) -> AskedRate:
    field = f"change.rates[{number}]"
    return AskedRate(
        meter=fields.reference(body.meter, f"{field}.meter"),
        price=price_of(body.price, f"{field}.price"),
        period=None if body.period is None else _period(body.period),
    )


def _period(body: asked_usage.Period) -> Period:
    return Period(unit=body.unit, zone=body.zone, cycle=body.cycle)


def _result(result: Result, kind: Entitlement) -> wire_ahead.CustomerDryRun:
    name = name_of(result.customer)
    return wire_ahead.CustomerDryRun(
        customer=name,
        operations=result.operations,
        before=_figures(result.before, kind),
        after=_figures(result.after, kind),
        different=result.different,
        differences=[_difference(each, name, kind) for each in result.differences],
    )


def _figures(found: Summary, kind: Entitlement) -> wire_ahead.Figures:
    scale = kind.scale
    return wire_ahead.Figures(
        drawn=decimal(found.units, scale),
        categories=[
            _category(category, found.drawn[category], scale)
            for category in Category
            if category in found.drawn
        ],
        expired=decimal(found.expired, scale),
        rolled_over=decimal(found.rolled_over, scale),
        overage=decimal(found.overage, scale),
        shortfall=decimal(found.shortfall, scale),
        available=decimal(found.available, scale),
        owed=decimal(found.owed, scale),
    )


def _category(category: Category, drawn: Drawn, scale: int) -> wire_ahead.CategoryDrawn:
    return wire_ahead.CategoryDrawn(
        category=category,
        drawn=decimal(drawn.units, scale),
        cost=[
            wire_ahead.Money(amount=decimal(paid, currencies.scale_of(currency)), currency=currency)
            for currency, paid in sorted(drawn.cost.items())
        ],
        without_cost=decimal(drawn.unpriced, scale),
    )


def _difference(found: Difference, customer: str, kind: Entitlement) -> wire_ahead.Difference:
    operation, grant = found.operation, found.grant
    return wire_ahead.Difference(
        customer=customer,
        operation=None if operation is None else spelled(OPERATION_PREFIX, operation),
        grant=None if grant is None else _grant(grant),
        kind=found.kind,
        at=text_of(found.at),
        cause=found.cause,
        because=_because(found, kind.scale),
        before=_effect(found.before, kind.scale),
        after=_effect(found.after, kind.scale),
    )


def _effect(found: Effect, scale: int) -> wire_ahead.Effect:
    return wire_ahead.Effect(
        drawn=[
            wire_ahead.DrawnGrant(grant=_grant(grant), amount=decimal(units, scale))
            for grant, units in found.draws
        ],
        overage=decimal(found.overage, scale),
        uncovered=decimal(found.uncovered, scale),
        expired=decimal(found.expired, scale),
        rolled_over=decimal(found.rolled_over, scale),
        refused=found.refused,
    )


def _grant(grant: Id) -> str:
    return spelled(GRANT_PREFIX, grant)


def _because(found: Difference, scale: int) -> str:
    """One sentence: what would have been otherwise, and why."""
    was, would = found.before, found.after
    match found.cause:
        case Cause.REFUSED:
            return f"It would have been refused: {would.refused}."
        case Cause.COST:
            costs = decimal(would.asked, scale), decimal(was.asked, scale)
            return f"It would have cost {costs[0]} rather than {costs[1]}."
        case Cause.COVER:
            return (
                f"{decimal(would.overage, scale)} of it would have gone past zero and "
                f"{decimal(would.uncovered, scale)} would not have been covered, rather than "
                f"{decimal(was.overage, scale)} and {decimal(was.uncovered, scale)}."
            )
        case Cause.ORDER:
            return (
                f"Another grant would have been drawn first: its {found.placed_by} places it there."
            )
        case Cause.BEFORE:
            return "Other grants would have paid: by then something else was left of them."
        case Cause.TIME:
            return (
                f"{decimal(would.expired, scale)} of the grant would have expired and "
                f"{decimal(would.rolled_over, scale)} rolled over, rather than "
                f"{decimal(was.expired, scale)} and {decimal(was.rolled_over, scale)}."
            )


ENDPOINTS = (
    Endpoint(
        method="POST",
        path="/dry-runs",
        handler=dry_run,
        summary="Say what another rule would have made of past usage; nothing is written",
        role=Role.VIEWER,
        body=asked_ahead.DryRun,
        answer=wire_ahead.DryRun,
        errors=(*errors.NAMED, FieldInvalid, MeterNotFound),
    ),
)
