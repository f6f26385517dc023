"""Usage as the contract has it, and short ways to say what tests of it begin with."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import httpx
import msgspec
from msgspec import UNSET, Meta, UnsetType

from tests.dialects.sequence.contract import Moment, Pagination, Strict, Uuid, read

Number = Annotated[str, Meta(pattern=r"^-?\d+(\.\d*[1-9])?$")]


class Metric(Strict):
    """``deduction`` is Drawdown's own."""

    id: Uuid
    sequence_account_id: Uuid
    name: str
    metric_type: Literal["SIMPLE", "GROUPED"]
    event_type: str
    aggregation_type: Literal["COUNT", "SUM", "UNIQUE"]
    property_filters: dict[str, Any]
    properties_to_negate: list[str]
    case_sensitive: bool
    parameters: list[str]
    deduction: Literal["AT_ONCE", "ON_INVOICE"]
    created_at: Moment
    aggregation_property: str | UnsetType = UNSET
    grouping_property: str | UnsetType = UNSET
    unit: str | UnsetType = UNSET
    description: str | UnsetType = UNSET
    deleted_at: Moment | UnsetType = UNSET


class Metrics(Strict):
    items: list[Metric]
    pagination: Pagination


class Calculated(Strict):
    name: str
    metric_type: Literal["SIMPLE", "GROUPED"]
    event_type: str
    aggregation_type: Literal["COUNT", "SUM", "UNIQUE"]
    value: msgspec.Raw
    event_count: int
    unit: str | UnsetType = UNSET
    min_event_id: Uuid | UnsetType = UNSET
    max_event_id: Uuid | UnsetType = UNSET


class Event(Strict):
    id: Uuid
    sequence_account_id: Uuid
    customer_alias: str
    event_type: str
    customer_event_id: str
    event_timestamp: Moment
    event_properties: msgspec.Raw


class Events(Strict):
    items: list[Event]
    pagination: Pagination


def metric_body(**more: Any) -> dict[str, Any]:
    """The tokens that calls took."""
    return {
        "name": "Tokens",
        "metricType": "SIMPLE",
        "eventType": "call",
        "aggregationType": "SUM",
        "aggregationProperty": "tokens",
    } | more


def new_metric(sequence: httpx.Client, **more: Any) -> Metric:
    return read(sequence.post("/usage-metrics", json=metric_body(**more)), 201, Metric)


def counting(sequence: httpx.Client, **more: Any) -> Metric:
    """How many calls there were, whatever they say."""
    body = metric_body(aggregationType="COUNT", **more)
    del body["aggregationProperty"]
    return read(sequence.post("/usage-metrics", json=body), 201, Metric)


def event_body(alias: str, **more: Any) -> dict[str, Any]:
    return {"customerAlias": alias, "eventType": "call"} | more


def send(sequence: httpx.Client, alias: str, tokens: Any = None, **more: Any) -> Event:
    """``tokens`` as text is written as it stands: exactly."""
    if tokens is not None:
        more["eventProperties"] = {"tokens": msgspec.Raw(str(tokens).encode())}
    body = msgspec.json.encode(event_body(alias, **more))
    return read(sequence.post("/usage-events", content=body), 201, Event)


def listed(sequence: httpx.Client, **query: str) -> list[Event]:
    return read(sequence.get("/usage-events", params=query), 200, Events).items


def calculated(
    sequence: httpx.Client,
    metric: str,
    aliases: str,
    start: str = "2026-01-01",
    end: str = "2031-12-31",
) -> Calculated:
    query = {"customerAliases": aliases, "periodStart": start, "periodEnd": end}
    return read(sequence.get(f"/usage-metrics/{metric}/calculate", params=query), 200, Calculated)


def value(sequence: httpx.Client, metric: str, aliases: str, *days: str) -> str:
    return bytes(calculated(sequence, metric, aliases, *days).value).decode()


def units(customer: str, metric: str, amount: str, **more: Any) -> dict[str, Any]:
    """The body of a grant of a metric's units."""
    return {
        "customerId": customer,
        "name": "Units",
        "creditUnitType": "METRIC",
        "metricId": metric,
        "currency": "USD",
        "amount": amount,
    } | more
