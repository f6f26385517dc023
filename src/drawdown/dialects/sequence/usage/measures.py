"""Definitions of metrics, to what the core counts by. Numbers in them are exact."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from drawdown.core.errors import FieldInvalid
from drawdown.core.usage import filters, properties
from drawdown.core.usage.filters import AllOf, AnyOf, Condition, Filter
from drawdown.core.usage.meters import Aggregation, Measure
from drawdown.core.usage.properties import Properties
from drawdown.dialects.sequence.answering import optional_text
from drawdown.dialects.sequence.usage.wire import (
    AggregationType,
    Deduction,
    Definition,
    MetricRequest,
    MetricType,
)
from drawdown.web import fields
from drawdown.web.decoding import malformed
from drawdown.web.errors import BadRequest

FILTERS_MAX = 20
#: Of what one event says, so that it can wait, and be kept when another takes its place.
BYTES_MAX = 60_000
#: The name that an event has once it counts nothing any more. No metric is of it.
REPLACED = "drawdown.replaced"
_AGGREGATIONS = {
    AggregationType.COUNT: Aggregation.COUNT,
    AggregationType.SUM: Aggregation.SUM,
    AggregationType.UNIQUE: Aggregation.UNIQUE,
}
_CUSTOM_RULE = (
    "COUNT, SUM or UNIQUE: what a CUSTOM metric computes the vendor writes for each client, so that it "
    "cannot be counted here"
)
_NOTHING = msgspec.Raw(b"{}")
_encode = msgspec.json.Encoder().encode
_decode_exact = msgspec.json.Decoder(float_hook=properties.exact).decode


def definition_of(body: MetricRequest) -> Definition:
    """Raises ``BadRequest`` for one that cannot be counted."""
    given = body.property_filters
    found = Definition(
        name=fields.text(body.name, "name"),
        metric_type=body.metric_type,
        event_type=event_type(body.event_type),
        aggregation_type=body.aggregation_type,
        property_filters=_NOTHING if isinstance(given, msgspec.UnsetType) else _copy(given),
        properties_to_negate=tuple(body.properties_to_negate or ()),
        case_sensitive=body.case_sensitive is not False,
        aggregation_property=body.aggregation_property,
        grouping_property=body.grouping_property,
        unit=optional_text(body.unit, "unit"),
        description=optional_text(body.description, "description", shortest=0),
        deduction=body.deduction or Deduction.AT_ONCE,
    )
    measure_of(found)
    return found


def event_type(text: str) -> str:
    if not properties.is_name(text) or text == REPLACED:
        raise BadRequest("eventType", properties.NAME_RULE)
    return text


def measure_of(definition: Definition) -> Measure:
    """What a metric counts. Raises ``BadRequest`` for what fits its type or aggregation not."""
    if definition.aggregation_type is AggregationType.CUSTOM:
        raise BadRequest("aggregationType", _CUSTOM_RULE)
    counts = definition.aggregation_type is AggregationType.COUNT
    counted = _property(definition.aggregation_property, "aggregationProperty", not counts)
    grouped = definition.metric_type is MetricType.GROUPED
    group = _property(definition.grouping_property, "groupingProperty", grouped)
    if group is not None and not grouped:
        raise BadRequest("groupingProperty", "left out with metricType SIMPLE")
    return Measure(
        event_name=definition.event_type,
        aggregation=_AGGREGATIONS[definition.aggregation_type],
        property=None if counts else counted,
        filter=_filter(definition),
        group_by=() if group is None else (group,),
        case_sensitive=definition.case_sensitive,
    )


def is_same(one: Definition, other: Definition) -> bool:
    """Whether both count the same, whatever they are called."""
    return measure_of(one) == measure_of(other) and one.deduction is other.deduction


def _property(name: str | None, field: str, is_needed: bool) -> str | None:
    if name is None and not is_needed:
        return None
    if not properties.is_name(name):
        raise BadRequest(field, f"given: {properties.NAME_RULE}")
    return name


def _filter(definition: Definition) -> Filter | None:
    """All of the properties as they are asked for; of those to negate, as they are not."""
    given = exact_object(definition.property_filters, "propertyFilters") or {}
    if len(given) > FILTERS_MAX:
        raise BadRequest("propertyFilters", f"at most {FILTERS_MAX} properties")
    negated = set(definition.properties_to_negate)
    if not negated <= set(given):
        raise BadRequest("propertiesToNegate", "names of properties in propertyFilters")
    parts = [_condition(name, value, name in negated) for name, value in given.items()]
    if not parts:
        return None
    return parts[0] if len(parts) == 1 else AllOf(tuple(parts))


def _condition(name: str, value: Any, is_negated: bool) -> Filter:
    field = f"propertyFilters.{name}"
    if not properties.is_name(name):
        raise BadRequest("propertyFilters", f"keyed by {properties.NAME_RULE}")
    values = value if isinstance(value, list) else [value]
    if not 1 <= len(values) <= filters.VALUES_MAX:
        raise BadRequest(field, f"a value, or a list of 1 to {filters.VALUES_MAX}")
    try:
        scalars = [properties.scalar_of(each, field) for each in values]
    except FieldInvalid as error:
        raise BadRequest(field, str(error.fields["rule"])) from None
    operator = filters.Operator.NE if is_negated else filters.Operator.EQ
    parts = tuple(Condition(name, operator, each) for each in scalars)
    if len(parts) == 1:
        return parts[0]
    return AllOf(parts) if is_negated else AnyOf(parts)


def properties_of(raw: msgspec.Raw | msgspec.UnsetType) -> Properties:
    """What an event says of itself. Raises ``BadRequest``, naming the property."""
    given = {} if isinstance(raw, msgspec.UnsetType) else exact_object(raw, "eventProperties")
    try:
        found = properties.properties_of(given or {}, "eventProperties")
    except FieldInvalid as error:
        raise BadRequest(str(error.fields["field"]), str(error.fields["rule"])) from None
    if len(written(found)) > BYTES_MAX:
        raise BadRequest("eventProperties", f"at most {BYTES_MAX:,} bytes as JSON")
    return found


def written(said: Properties) -> msgspec.Raw:
    """As JSON, digit by digit."""
    return msgspec.Raw(_encode(properties.document_of(said)))


def exact_object(raw: msgspec.Raw, field: str) -> Mapping[str, Any] | None:
    """A JSON object whose numbers are exact; None for null."""
    try:
        found = _decode_exact(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise malformed(error) from None
    if found is not None and not isinstance(found, dict):
        raise BadRequest(field, "an object")
    return found


def _copy(raw: msgspec.Raw) -> msgspec.Raw:
    return _NOTHING if bytes(raw) == b"null" else raw.copy()
