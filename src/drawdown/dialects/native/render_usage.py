"""Meters, rates and events to records of the wire."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import msgspec

from drawdown.core import types
from drawdown.core.amounts import Amount
from drawdown.core.amounts import render as decimal
from drawdown.core.identity import spell
from drawdown.core.requests import Accepted, Answer
from drawdown.core.times import text_of
from drawdown.core.usage import rating
from drawdown.core.usage import records as usage_records
from drawdown.core.usage.filters import document_of
from drawdown.dialects.native import render, wire, wire_usage
from drawdown.dialects.native.render_debits import DEBIT_PREFIX

METER_PREFIX = "meter_"
RATE_PREFIX = "rate_"
USAGE_PREFIX = "use_"


def _exact(value: Any) -> Any:
    """Amounts as numbers of JSON, wherever they are in a document."""
    if isinstance(value, Amount):
        return msgspec.Raw(str(value).encode())
    if isinstance(value, dict):
        return {name: _exact(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [_exact(each) for each in value]
    return value


def meter(record: usage_records.Meter) -> wire_usage.Meter:
    measure = record.measure
    tree = None if measure.filter is None else _exact(document_of(measure.filter))
    return wire_usage.Meter(
        id=spell(METER_PREFIX, record.id),
        code=record.code,
        name=record.name,
        event_name=measure.event_name,
        aggregation=measure.aggregation,
        property=measure.property,
        filter=msgspec.Raw(wire.encode(tree)),
        group_by=list(measure.group_by),
        case_sensitive=measure.case_sensitive,
        debits=record.debits,
        created_at=text_of(record.created_at),
        closed_at=render.optional_time(record.closed_at),
    )


def rate(
    record: usage_records.Rate, of: usage_records.Meter, kind: types.Entitlement
) -> wire_usage.Rate:
    return wire_usage.Rate(
        id=spell(RATE_PREFIX, record.id),
        meter=of.code,
        entitlement=kind.code,
        price=msgspec.Raw(wire.encode(_priced(record.price))),
        period=wire_usage.RatePeriod(
            unit=record.period.unit, zone=record.period.zone, cycle=record.period.cycle
        ),
        customers=record.customers,
        rest_of=None if record.rest_of is None else spell(RATE_PREFIX, record.rest_of),
        created_at=text_of(record.created_at),
        closed_at=render.optional_time(record.closed_at),
    )


def _priced(value: rating.Price | rating.Table | rating.Tier | None) -> dict[str, Any] | None:
    """A price as it was asked for: amounts are decimal strings."""
    if value is None:
        return None
    tag = value.__struct_config__.tag
    shown: dict[str, Any] = {} if tag is None else {"model": tag}
    for name, part in msgspec.structs.asdict(value).items():
        if isinstance(part, Amount):
            shown[name] = str(part)
        elif name == "tiers":
            shown[name] = [_priced(each) for each in part]
        elif name == "prices":
            shown[name] = {key: _priced(each) for key, each in part.items()}
        elif name == "default":
            shown[name] = _priced(part)
        else:
            shown[name] = part
    return shown


def event(record: usage_records.Event, owner: types.Customer) -> wire_usage.UsageEvent:
    return wire_usage.UsageEvent(
        id=record.own_id,
        customer=render.name_of(owner),
        name=record.name,
        time=text_of(record.time),
        recorded_at=text_of(record.recorded_at),
        properties=msgspec.Raw(wire.encode(_exact(record.properties))),
        charges=[_charge(each) for each in record.charges],
        debit=spell(DEBIT_PREFIX, record.drawn_by) if record.is_paid else None,
        overridden=record.overridden_by is not None,
    )


@lru_cache(maxsize=1_024)
def _rate_id(text: str) -> str:
    return spell(RATE_PREFIX, bytes.fromhex(text))


def _charge(record: usage_records.Charge) -> wire_usage.UsageCharge:
    scale = record.scale
    return wire_usage.UsageCharge(
        meter=record.meter,
        rate=_rate_id(record.rate),
        entitlement=record.entitlement,
        amount=decimal(record.amount, scale),
        drawn=decimal(record.drawn, scale),
        overage=decimal(record.overage, scale),
        uncovered=decimal(record.uncovered, scale),
    )


def recorded(accepted: Accepted, request_id: str) -> Answer:
    """An event that was there before is answered as it is kept."""
    assert accepted.event is not None
    assert accepted.customer is not None
    shown = event(accepted.event, accepted.customer)
    replayed = accepted.operation is None
    return Answer(status=201, body=wire.encode(shown), request_id=request_id, replayed=replayed)
