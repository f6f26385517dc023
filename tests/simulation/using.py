"""Meters and usage out of a seed: every aggregation and every model, and events as they should not be."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from random import Random
from typing import Any

from tests.simulation.metering import OTHER
from tests.simulation.plays import DAY, HOUR, MINUTE, Meter, Unit

KINDS = ("call", "call", "call", "image")
MODELS = ("large", "small", "tiny")
AGGREGATIONS = ("sum", "sum", "sum", "count", "max", "last", "unique")
FILTERS: tuple[dict[str, Any], ...] = (
    {"property": "model", "op": "eq", "value": "LARGE"},
    {"property": "model", "op": "ne", "value": "tiny"},
    {"property": "n", "op": "gte", "value": 2},
    {
        "or": [
            {"property": "cached", "op": "exists", "value": False},
            {"property": "model", "op": "in", "value": ["large", "small"]},
        ]
    },
    {
        "and": [
            {"property": "model", "op": "contains", "value": "l"},
            {"property": "n", "op": "lt", "value": 8},
        ]
    },
)
PRICES: tuple[dict[str, Any], ...] = (
    {"model": "per_unit", "price": "1"},
    {"model": "per_unit", "price": "0.3", "free": "4"},
    {"model": "per_credit", "number": "4"},
    {"model": "package", "number": "5", "price": "3"},
    {"model": "package", "number": "2.5", "price": "1", "rounding": "down", "free": "1"},
    {
        "model": "graduated",
        "tiers": [["5", "1", "0"], ["20", "0.5", "2"], [None, "0.25", "0"]],
    },
    {"model": "volume", "tiers": [["6", "2", "0"], [None, "0.5", "1"]], "free": "2"},
)


def meter(chance: Random, units: Mapping[str, Unit]) -> Meter:
    attribute = chance.choice(("", "", "model"))
    unit = chance.choice(list(units))
    prices = {"": chance.choice(PRICES)}
    if attribute:
        known = chance.sample((*MODELS, OTHER), chance.randint(2, 4))
        prices = {value: chance.choice(PRICES) for value in known}
    aggregation = chance.choice(AGGREGATIONS)
    counted = {"count": "", "unique": chance.choice(("who", "n"))}.get(aggregation, "n")
    return Meter(
        event=chance.choice(KINDS),
        aggregation=aggregation,
        unit=unit,
        prices={value: small(price, units[unit].scale) for value, price in prices.items()},
        attribute=attribute,
        property=counted,
        where=chance.choice(FILTERS) if chance.random() < 0.3 else None,
        any_case=chance.random() < 0.5,
        group_by=chance.choice(((), (), ("region",), ("region", "cached"))),
        on_invoice=chance.random() < 0.1,
        period=chance.choice(("month", "month", "day", "week", "year", None)),
        zone=chance.choice(("UTC", "UTC", "UTC", "America/New_York")),
    )


def small(price: dict[str, Any], scale: int) -> dict[str, Any]:
    """As many of the smallest units as it says: of that there is about as much to pay with."""
    found = dict(price)
    if "price" in price:
        found["price"] = fraction_of(price["price"], scale)
    if price["model"] == "per_credit":
        found["number"] = str(int(price["number"]) * 10**scale)
    if "tiers" in price:
        tiers = price["tiers"]
        found["tiers"] = [
            [up_to, fraction_of(each, scale), fraction_of(flat, scale)]
            for up_to, each, flat in tiers
        ]
    return found


def fraction_of(amount: str, scale: int) -> str:
    return f"{Decimal(amount).scaleb(-scale):f}"


def properties(chance: Random) -> dict[str, Any]:
    """Mostly with a number; sometimes one that is no number, or less than nothing."""
    found: dict[str, Any] = {}
    if chance.random() < 0.96:
        number = chance.choice((chance.randint(1, 9), chance.randint(1, 3), "2.5", "0.5", 0))
        found["n"] = number if chance.random() < 0.94 else chance.choice((-3, "-1.5", "many"))
    if chance.random() < 0.8:
        found["model"] = chance.choice(MODELS)
    if chance.random() < 0.4:
        found["region"] = chance.choice(("eu", "us"))
    if chance.random() < 0.3:
        found["cached"] = chance.random() < 0.5
    if chance.random() < 0.6:
        found["who"] = chance.choice(("ann", "bob", "Ann", 7, "7"))
    return found


def event(chance: Random, own_id: str, now: int) -> dict[str, Any]:
    """Now, or late by a moment or by long; rarely ahead of time, or too far ahead."""
    body: dict[str, Any] = {"event": own_id, "kind": chance.choice(KINDS)}
    body["properties"] = properties(chance)
    if chance.random() < 0.5:
        late = (0, 1, MINUTE, HOUR, 5 * HOUR, DAY, 40 * DAY, chance.randint(1, 3 * DAY))
        body["time"] = max(0, now - chance.choice(late))
        if chance.random() < 0.08:
            body["time"] = now + chance.choice((1, 5 * MINUTE, 5 * MINUTE + 1))
    return body


def again(chance: Random, body: dict[str, Any]) -> dict[str, Any]:
    """An event that was sent before: as it was, without its time, or another under its id."""
    what = chance.random()
    if what < 0.5:
        return body
    if what < 0.7:
        return {name: body[name] for name in body if name != "time"}
    return body | {"properties": properties(chance)}
