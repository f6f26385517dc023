"""Usage metrics and usage events."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import msgspec
from msgspec import UNSET, Meta, UnsetType

from drawdown.dialects.sequence.paging import Page, SortBy, SortOrder
from drawdown.dialects.sequence.wire import (
    DateText,
    Pagination,
    Request,
    Shown,
    TimeText,
    UuidText,
)


class MetricType(StrEnum):
    """``GROUPED``: usage is counted apart for each value of ``groupingProperty``, and added up."""

    SIMPLE = "SIMPLE"
    GROUPED = "GROUPED"


class AggregationType(StrEnum):
    """``CUSTOM`` is the vendor's, and refused."""

    COUNT = "COUNT"
    SUM = "SUM"
    UNIQUE = "UNIQUE"
    CUSTOM = "CUSTOM"


class Deduction(StrEnum):
    """When credit is drawn; the vendor has no such field. ``ON_INVOICE``: usage is counted, no more."""

    AT_ONCE = "AT_ONCE"
    ON_INVOICE = "ON_INVOICE"


AnyObject = Annotated[
    msgspec.Raw,
    Meta(
        description="An object of strings, numbers and truths.",
        extra_json_schema={"type": "object"},
    ),
]
FilterObject = Annotated[
    msgspec.Raw,
    Meta(
        description="For each property the value that it must have, or a list of values of which one.",
        extra_json_schema={"type": "object"},
    ),
]
NumberOfUsage = Annotated[
    msgspec.Raw,
    Meta(
        description="An exact decimal with at most 12 places, as a JSON number.",
        extra_json_schema={"type": "number"},
    ),
]


class Definition(Shown):
    """What a metric counts, and what it is called."""

    name: str
    metric_type: MetricType
    event_type: str
    aggregation_type: AggregationType
    property_filters: msgspec.Raw = msgspec.Raw(b"{}")
    properties_to_negate: tuple[str, ...] = ()
    case_sensitive: bool = True
    aggregation_property: str | None = None
    grouping_property: str | None = None
    unit: str | None = None
    description: str | None = None
    deduction: Deduction = Deduction.AT_ONCE


class MetricThere(Shown):
    """One that was brought over from the vendor: its id, and when it was made."""

    id: str
    created_at: TimeText


class MetricRecord(Shown):
    """What is kept of a metric. ``generation`` counts its definitions: each has a meter of its own."""

    definition: Definition
    generation: int = 1
    deleted_at: TimeText | None = None
    there: MetricThere | None = None


class MetricRequest(Request):
    name: str
    metric_type: MetricType
    event_type: str
    aggregation_type: AggregationType
    aggregation_property: str | None = None
    grouping_property: str | None = None
    unit: str | None = None
    description: str | None = None
    property_filters: FilterObject | UnsetType = UNSET
    properties_to_negate: Annotated[list[str], Meta(max_length=50)] | None = None
    case_sensitive: bool | None = None
    deduction: Deduction | None = None
    sequence_account_id: str | None = None


class Metric(Shown):
    id: UuidText
    sequence_account_id: UuidText
    name: str
    metric_type: MetricType
    event_type: str
    aggregation_type: AggregationType
    property_filters: FilterObject
    properties_to_negate: list[str]
    case_sensitive: bool
    parameters: list[str]
    deduction: Deduction
    created_at: TimeText
    aggregation_property: str | None = None
    grouping_property: str | None = None
    unit: str | None = None
    description: str | None = None
    deleted_at: TimeText | None = None


class MetricsQuery(Page):
    """``name`` and ``id`` are parts of theirs, in any case; of the others each is several, with commas."""

    name: str | None = None
    id: str | None = None
    event_type: str | None = None
    event_property: str | None = None
    aggregation_type: str | None = None


class MetricPage(Shown):
    items: list[Metric]
    pagination: Pagination


class CalculateQuery(msgspec.Struct, rename="camel", kw_only=True, forbid_unknown_fields=True):
    """``periodEnd`` is the last day that counts. Custom parameters are those of ``CUSTOM`` metrics."""

    customer_aliases: list[str]
    period_start: DateText
    period_end: DateText
    custom_parameters: str | None = None


class Calculated(Shown):
    name: str
    metric_type: MetricType
    event_type: str
    aggregation_type: AggregationType
    value: NumberOfUsage
    event_count: int
    unit: str | None = None
    min_event_id: UuidText | None = None
    max_event_id: UuidText | None = None


class EventRequest(Request):
    """Without an id it is an event of its own; without a timestamp it is of now."""

    customer_alias: str
    event_type: str
    customer_event_id: str | None = None
    event_timestamp: TimeText | None = None
    event_properties: AnyObject | UnsetType = UNSET
    sequence_account_id: str | None = None


class UsageEvent(Shown):
    id: UuidText
    sequence_account_id: UuidText
    customer_alias: str
    event_type: str
    customer_event_id: str
    event_timestamp: TimeText
    event_properties: AnyObject


class EventPage(Shown):
    items: list[UsageEvent]
    pagination: Pagination


class EventsQuery(Page):
    """``eventId`` is an event's own id or its ``customerEventId``."""

    offset: Annotated[int, Meta(ge=0, le=10_000)] = 0
    sort_by: SortBy = SortBy.CREATED_AT
    sort_order: SortOrder = SortOrder.DESC
    customer_alias: str | None = None
    unmapped_aliases_only: bool = False
    event_type: str | None = None
    event_id: str | None = None
    event_timestamp_before: TimeText | None = None
    event_timestamp_after: TimeText | None = None


class EventRecord(Shown):
    """An event that is kept beside the ledger: for nobody's alias, or as one said before it was replaced.

    ``ledger_event`` is the event of the ledger that took its place.
    """

    customer_alias: str
    event_type: str
    customer_event_id: str
    event_timestamp: TimeText
    event_properties: msgspec.Raw


class MovedRecord(Shown):
    """The ledger's last two ids of an event that went from customer to customer: the one that counts last."""

    ids: list[str]


class WaitingRecord(Shown):
    """What is not done yet: metrics under way, aliases to be mapped, and how many events wait for theirs.

    ``cancelled``: how many are kept with those that wait, and wait for nobody.
    """

    metrics: tuple[UuidText, ...] = ()
    aliases: tuple[str, ...] = ()
    events: int = 0
    cancelled: int = 0
