"""Meters of a play: as commands of the ledger, and as the naive ledger counts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from drawdown.core import amounts
from drawdown.core.commands import Command, CreateEntitlement, CreateMeter, CreateRate
from drawdown.core.schedules.calendar import CalendarUnit
from drawdown.core.types import BurnOrder, Shortfall
from drawdown.core.usage import quantities
from drawdown.core.usage.filters import filter_of
from drawdown.core.usage.meters import Aggregation, Measure
from drawdown.core.usage.rating import (
    Graduated,
    Package,
    PerCredit,
    PerUnit,
    Price,
    Rounding,
    Table,
    Tier,
    Volume,
)
from drawdown.core.usage.records import Debits, Period
from tests.simulation.plays import Meter, Play, Unit
from tests.support.naive_usage import NaiveRate, NaiveUsage, price_of

#: Of a table: any value that has no price of its own.
OTHER = "*"


def create_entitlement(code: str, unit: Unit) -> CreateEntitlement:
    return CreateEntitlement(
        code=code,
        unit=code,
        scale=unit.scale,
        burn_order=BurnOrder.OLDEST_FIRST if unit.oldest_first else BurnOrder.SOONEST_EXPIRY,
        expires_after_days=unit.expires_after_days or None,
        overage=unit.overage,
        shortfall=Shortfall(unit.shortfall),
        late_usage_grace=unit.grace,
    )


def create_meters(play: Play) -> Iterator[Command]:
    for number, meter in enumerate(play.meters):
        yield CreateMeter(
            code=f"m{number}",
            measure=_measure(meter),
            debits=Debits.ON_INVOICE if meter.on_invoice else Debits.AT_ONCE,
        )
        yield CreateRate(
            meter=f"m{number}",
            entitlement=meter.unit,
            price=_prices(meter),
            period=Period(
                unit=None if meter.period is None else CalendarUnit(meter.period), zone=meter.zone
            ),
        )


def _measure(meter: Meter) -> Measure:
    return Measure(
        event_name=meter.event,
        aggregation=Aggregation(meter.aggregation),
        property=meter.property or None,
        filter=None if meter.where is None else filter_of(meter.where),
        group_by=meter.group_by,
        case_sensitive=not meter.any_case,
    )


def _prices(meter: Meter) -> Price | Table:
    if not meter.attribute:
        return _price(meter.prices[""])
    prices = {value: _price(price) for value, price in meter.prices.items()}
    default = prices.pop(OTHER, None)
    return Table(attribute=meter.attribute, prices=prices, default=default)


def _price(price: Mapping[str, Any]) -> Price:
    free = _amount(price.get("free", "0"))
    match price["model"]:
        case "per_unit":
            return PerUnit(price=_amount(price["price"]), free=free)
        case "per_credit":
            return PerCredit(units_per_credit=_amount(price["number"]), free=free)
        case "package":
            return Package(
                size=_amount(price["number"]),
                price=_amount(price["price"]),
                rounding=Rounding(price.get("rounding", "up")),
                free=free,
            )
        case "graduated":
            return Graduated(tiers=_tiers(price["tiers"]), free=free)
        case _:
            return Volume(tiers=_tiers(price["tiers"]), free=free)


def _tiers(tiers: Sequence[Sequence[Any]]) -> tuple[Tier, ...]:
    return tuple(
        Tier(
            up_to=None if up_to is None else _amount(up_to),
            price=_amount(price),
            flat=_amount(flat),
        )
        for up_to, price, flat in tiers
    )


def _amount(text: str) -> amounts.Amount:
    found = quantities.parse(text)
    assert found is not None, text
    return amounts.normalised(found, quantities.PLACES)


def naive_usage(meters: Sequence[Meter]) -> NaiveUsage:
    return NaiveUsage([_naive_rate(meter) for meter in meters])


def _naive_rate(meter: Meter) -> NaiveRate:
    prices = {value: price_of(price) for value, price in meter.prices.items()}
    return NaiveRate(
        event=meter.event,
        aggregation=meter.aggregation,
        property=meter.property,
        where=meter.where,
        any_case=meter.any_case,
        group_by=list(meter.group_by),
        on_invoice=meter.on_invoice,
        unit=meter.unit,
        default=prices.pop(OTHER, None),
        prices=prices,
        attribute=meter.attribute,
        period=meter.period,
        zone=meter.zone,
    )
