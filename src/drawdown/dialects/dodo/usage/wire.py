"""What is asked and answered of Dodo's meters and of the events that they count."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any

import msgspec
from msgspec import UNSET, Meta, UnsetType

from drawdown.core.usage.properties import NAME_MAX
from drawdown.core.usage.records import EVENT_ID_MAX
from drawdown.dialects.dodo.wire import Page, Time, one_of

EVENTS_MAX = 1_000

PropertyText = Annotated[str, Meta(min_length=1, max_length=NAME_MAX)]
EventIdText = Annotated[str, Meta(min_length=1, max_length=EVENT_ID_MAX)]
CustomerText = Annotated[str, Meta(min_length=1, max_length=255)]


class Aggregation(StrEnum):
    COUNT = "count"
    SUM = "sum"
    MAX = "max"
    LAST = "last"


class Conjunction(StrEnum):
    AND = "and"
    OR = "or"


class Operator(StrEnum):
    EQUALS = "equals"
    NOT_EQUALS = "not_equals"
    GREATER_THAN = "greater_than"
    GREATER_THAN_OR_EQUALS = "greater_than_or_equals"
    LESS_THAN = "less_than"
    LESS_THAN_OR_EQUALS = "less_than_or_equals"
    CONTAINS = "contains"
    DOES_NOT_CONTAIN = "does_not_contain"


class AggregationGiven(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """``key`` is the metadata that is summed, or of which the greatest or latest counts."""

    type: Aggregation
    key: PropertyText | None = None


#: For the document: what metadata holds, exact numbers among them.
_VALUE = {"type": ["string", "number", "boolean"]}
_CLAUSES = {
    "anyOf": [
        {"type": "array", "items": {"$ref": f"#/components/schemas/{name}"}}
        for name in ("MeterCondition", "MeterFilter")
    ]
}


class MeterCondition(msgspec.Struct, kw_only=True):
    """For the document: conditions are shown as the core has them."""

    key: str
    operator: Operator
    value: Annotated[Any, Meta(extra_json_schema=_VALUE)]


class MeterFilter(msgspec.Struct, kw_only=True):
    """``clauses`` are all conditions, or all filters in their turn."""

    conjunction: Conjunction
    clauses: Annotated[list[Any], Meta(extra_json_schema=_CLAUSES)]


def _null() -> msgspec.Raw:
    """What is decoded later, where it was left out."""
    return msgspec.Raw(b"null")


class CreateMeterRequest(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    name: str
    event_name: PropertyText
    measurement_unit: str
    aggregation: AggregationGiven
    description: str | None = None
    filter: Annotated[
        msgspec.Raw,
        Meta(
            description="A tree of conditions, 3 levels deep at most.",
            extra_json_schema={"type": ["object", "null"]},
        ),
    ] = msgspec.field(default_factory=_null)


class UpdateMeterRequest(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """What is left out stays as it is; a description that is null is removed."""

    name: str | None = None
    measurement_unit: str | None = None
    description: str | UnsetType | None = UNSET


class MeterProfile(msgspec.Struct, kw_only=True, frozen=True, omit_defaults=True):
    """What Dodo knows of a meter and the ledger does not."""

    description: str | None = None
    measurement_unit: str = ""


class MeterAggregation(msgspec.Struct, kw_only=True):
    type: Annotated[str, one_of(*Aggregation)]
    key: str | None


class Meter(msgspec.Struct, kw_only=True):
    id: str
    business_id: str
    name: str
    event_name: str
    description: str | None
    measurement_unit: str
    aggregation: MeterAggregation
    filter: MeterFilter | None
    created_at: Time
    updated_at: Time


class ListMetersQuery(Page):
    """``archived``: those that are, instead of those that are not."""

    archived: bool = False
    locale: str | None = None


class RetrieveMeterQuery(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """``locale`` asks for a translation. None are kept: the text is answered as it was given."""

    locale: str | None = None


class MeterPage(msgspec.Struct):
    items: list[Meter]


class EventGiven(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """``timestamp`` is when the usage was; left out: now."""

    event_id: EventIdText
    customer_id: CustomerText
    event_name: PropertyText
    timestamp: str | None = None
    metadata: Annotated[
        msgspec.Raw,
        Meta(
            description="At most 50 strings, numbers and truths by name. Numbers are exact.",
            extra_json_schema={"type": ["object", "null"]},
        ),
    ] = msgspec.field(default_factory=_null)


class IngestRequest(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    events: Annotated[list[EventGiven], Meta(min_length=1, max_length=EVENTS_MAX)]


class Ingested(msgspec.Struct):
    """How many of the events are new: one that was seen before is not counted."""

    ingested_count: int


class Event(msgspec.Struct, kw_only=True):
    event_id: str
    business_id: str
    customer_id: str
    event_name: str
    timestamp: Time
    metadata: Annotated[dict[str, Any], Meta(extra_json_schema={"additionalProperties": _VALUE})]


class ListEventsQuery(Page):
    """``start`` and ``end`` are times of use: from the one, before the other."""

    customer_id: CustomerText | None = None
    event_name: PropertyText | None = None
    meter_id: CustomerText | None = None
    start: str | None = None
    end: str | None = None


class EventPage(msgspec.Struct):
    items: list[Event]
