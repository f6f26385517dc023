"""Usage as scenarios say it: rates, each with a meter of its own, and events."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import msgspec

from drawdown.core.amounts import render
from drawdown.core.commands import CreateMeter, CreateRate, RecordUsage
from drawdown.core.usage import rating
from drawdown.core.usage.meters import Aggregation, Measure
from drawdown.core.usage.properties import properties_of
from drawdown.core.usage.records import Debits, Event, Period
from drawdown.dialects.native import asked_usage
from drawdown.dialects.native.usage import price_of
from tests.support import naive_usage
from tests.support.scenarios import Scenario, Step, instant

Json = dict[str, Any]
#: What of a rate or an event is no price and no property.
_WORDS = frozenset({"at", "by", "table", "free", "of", "period", "zone", "key"})


def corrects(scenario: Scenario) -> bool:
    """Whether usage is overridden, or reversed by hand: what the naive ledger has no word for."""
    used = {step.words[0] for step in scenario.steps if step.verb == "use"}
    return any(
        (step.verb == "use" and "override" in step.words)
        or (step.verb == "reverse" and step.words[0] in used)
        for step in scenario.steps
    )


def meter_body(step: Step, code: str, event_name: str) -> Json:
    """As the native API has it."""
    aggregation, _, name = step.words[0].partition(":")
    return {
        "code": code,
        "event_name": event_name,
        "aggregation": aggregation,
        "property": name or None,
        "group_by": step.options["by"].split(",") if "by" in step.options else [],
        "debits": "on_invoice" if "invoice" in step.words else "at_once",
    }


def rate_body(step: Step, code: str, entitlement: str) -> Json:
    return {
        "meter": code,
        "entitlement": entitlement,
        "price": _priced(step),
        "period": period_body(step),
    }


def period_body(step: Step) -> Json:
    unit = step.options.get("period", "month")
    return {
        "unit": None if unit == "ever" else "month" if unit == "cycle" else unit,
        "zone": step.options.get("zone", "UTC"),
        "cycle": unit == "cycle",
    }


def _priced(step: Step) -> Json:
    if "table" not in step.options:
        return _price(step.words[1]) | {"free": step.options.get("free", "0")}
    prices = {name: _price(text) for name, text in _others(step).items()}
    found: Json = {"model": "table", "attribute": step.options["table"]}
    default = prices.pop("default", None)
    return found | {"prices": prices, "default": default}


def _others(step: Step) -> dict[str, str]:
    return {name: text for name, text in step.options.items() if name not in _WORDS}


def _price(text: str) -> Json:
    """``per_unit:0.5``, ``per_credit:4``, ``package:10:3``, or tiers: ``volume:10:2,:1+5``."""
    model, _, rest = text.partition(":")
    if model == "per_unit":
        return {"model": model, "price": rest}
    if model == "per_credit":
        return {"model": model, "units_per_credit": rest}
    if model == "package":
        size, price, *rounding = rest.split(":")
        return {"model": model, "size": size, "price": price, "rounding": (*rounding, "up")[0]}
    return {"model": model, "tiers": [_tier(each) for each in rest.split(",")]}


def _tier(text: str) -> Json:
    up_to, _, cost = text.partition(":")
    price, _, flat = cost.partition("+")
    return {"up_to": up_to or None, "price": price, "flat": flat or "0"}


def properties(step: Step) -> Json:
    """Numbers and strings by name."""
    return {name: int(text) if text.isdigit() else text for name, text in _others(step).items()}


def commands(step: Step, code: str, entitlement: str) -> tuple[CreateMeter, CreateRate]:
    body = meter_body(step, code, "call")
    measure = Measure(
        event_name="call",
        aggregation=Aggregation(body["aggregation"]),
        property=body["property"],
        group_by=tuple(body["group_by"]),
    )
    price = msgspec.convert(rate_body(step, code, entitlement), asked_usage.CreateRate).price
    found: rating.Price | rating.Table = price_of(price, "price")
    period = msgspec.convert(period_body(step), Period)
    return (
        CreateMeter(code=code, measure=measure, debits=Debits(body["debits"])),
        CreateRate(meter=code, entitlement=entitlement, price=found, period=period),
    )


def record(step: Step, customer: str) -> RecordUsage:
    return RecordUsage(
        customer=customer,
        own_id=step.words[0],
        name="call",
        time=instant(step.options["at"]) if "at" in step.options else None,
        properties=properties_of(properties(step)),
        override="override" in step.words,
    )


def facts(event: Event) -> dict[str, str]:
    """Of all its charges, which are in credit of one scale."""
    scale = event.charges[0].scale if event.charges else 0
    names = ("amount", "drawn", "overage", "uncovered")
    sums = {name: sum(getattr(charge, name) for charge in event.charges) for name in names}
    return {_told(name): render(units, scale) for name, units in sums.items()}


def _told(name: str) -> str:
    """The wallet has an ``overage`` of its own: an event's is what went ``beyond``."""
    return "beyond" if name == "overage" else name


def native_facts(event: Json, scale: int) -> dict[str, str]:
    names = ("amount", "drawn", "overage", "uncovered")
    found = {}
    for name in names:
        total = sum((Decimal(charge[name]) for charge in event["charges"]), Decimal(0))
        found[_told(name)] = render(int(total.scaleb(scale)), scale)
    return found


def naive_rate(step: Step, unit: str) -> naive_usage.NaiveRate:
    body = meter_body(step, "", "call")
    found = _priced(step)
    table = found["model"] == "table"
    prices = found["prices"] if table else {"": found}
    default = found.get("default") if table else None
    period = period_body(step)
    return naive_usage.NaiveRate(
        event="call",
        aggregation=body["aggregation"],
        property=body["property"] or "",
        where=None,
        any_case=False,
        group_by=body["group_by"],
        on_invoice=body["debits"] == "on_invoice",
        unit=unit,
        prices={name: naive_usage.price_of(_naive(each)) for name, each in prices.items()},
        default=None if default is None else naive_usage.price_of(_naive(default)),
        attribute=found["attribute"] if table else "",
        period=period["unit"],
        zone=period["zone"],
    )


def _naive(price: Json) -> Json:
    number = price.get("units_per_credit", price.get("size", "0"))
    tiers = [(each["up_to"], each["price"], each["flat"]) for each in price.get("tiers", ())]
    return price | {"number": number, "tiers": tiers}


def naive_facts(said: dict[str, Any], text: Any) -> dict[str, str]:
    """``text`` writes units of the wallet."""
    charges = msgspec.json.decode(said["charges"], type=list[tuple[int, int, int]])
    amount, drawn, beyond = (
        (sum(column) for column in zip(*charges, strict=True)) if charges else (0, 0, 0)
    )
    return {
        "amount": text(amount),
        "drawn": text(drawn),
        "beyond": text(beyond),
        "uncovered": text(amount - drawn - beyond),
    }
