"""Making meters and rates. They never change, so that what was counted is counted the same way again."""

from __future__ import annotations

from drawdown.core import calendar, meters, rating
from drawdown.core.commands import CreateMeter, CreateRate
from drawdown.core.context import find_entitlement, written
from drawdown.core.creation import check_own_id, claim_name, record
from drawdown.core.errors import MeterNotFound, TooManyMeters
from drawdown.core.requests import Accepted, Request
from drawdown.core.state import METER_CODE, State
from drawdown.core.types import Reference
from drawdown.core.usage_records import METERS_MAX, RATES_MAX, Meter, Rate


def create_meter(request: Request, command: CreateMeter, state: State) -> Accepted:
    """One made by the same request before is answered.

    Raises ``FieldInvalid``, ``AlreadyExists`` and ``TooManyMeters``.
    """
    catalog = state.catalogs[request.book]
    made = catalog.meters.get(request.id)
    if made is not None:
        return Accepted(meter=made)
    check_own_id("code", command.code)
    meters.check(command.measure, "")
    claim_name(request, (request.book, METER_CODE, command.code), "code", state)
    if len(catalog.meters) >= METERS_MAX:
        raise TooManyMeters(maximum=METERS_MAX, kind="meters")
    meter = Meter(
        id=request.id,
        book=request.book,
        code=command.code,
        name=command.code if command.name is None else command.name,
        measure=command.measure,
        debits=command.debits,
        created_at=request.at,
    )
    catalog.add_meter(meter)
    state.changes.meters.append(meter)
    record(request, state, "meter", request.book)
    return Accepted(meter=meter)


def create_rate(request: Request, command: CreateRate, state: State) -> Accepted:
    """One made by the same request before is answered.

    Raises ``FieldInvalid``, ``MeterNotFound``, ``EntitlementNotFound`` and ``TooManyMeters``.
    """
    catalog = state.catalogs[request.book]
    meter = _find_meter(request, command.meter, state)
    entitlement = find_entitlement(request, command.entitlement, state)
    made = catalog.rates.get(request.id)
    if made is not None:
        return Accepted(meter=meter, rate=made, entitlement=entitlement)
    rating.check(command.price)
    if command.period.unit is not None:
        calendar.zone_of(command.period.zone, "period.zone")
    if len(catalog.rates) >= RATES_MAX:
        raise TooManyMeters(maximum=RATES_MAX, kind="rates")
    rate = Rate(
        id=request.id,
        book=request.book,
        meter=meter.id,
        entitlement=entitlement.id,
        price=command.price,
        period=command.period,
        created_at=request.at,
    )
    catalog.add_rate(rate)
    state.changes.rates.append(rate)
    record(request, state, "rate", request.book)
    return Accepted(meter=meter, rate=rate, entitlement=entitlement)


def _find_meter(request: Request, reference: Reference, state: State) -> Meter:
    if isinstance(reference, str):
        found = state.names[(request.book, METER_CODE, reference)]
    else:
        found = reference
    meter = None if found is None else state.catalogs[request.book].meters.get(found)
    if meter is None:
        raise MeterNotFound(written(reference))
    return meter
