"""What is asked at ``/api/v1`` of usage: meters, rates and events."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

from drawdown.core.schedules.calendar import CalendarUnit
from drawdown.core.usage import rating
from drawdown.core.usage import records as usage_records
from drawdown.core.usage.meters import GROUP_BY_MAX, Aggregation
from drawdown.core.usage.rating import Rounding
from drawdown.core.usage.records import Customers, Debits
from drawdown.dialects.native.asked import PageQuery, Request
from drawdown.dialects.native.scalars import (
    BATCH_MAX,
    AmountText,
    KeyText,
    NameText,
    OwnIdText,
    ReferenceText,
    TimeText,
)

PropertyText = Annotated[str, Meta(min_length=1, max_length=100)]
GroupBy = Annotated[list[PropertyText], Meta(max_length=GROUP_BY_MAX)]
EventIdText = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=usage_records.EVENT_ID_MAX,
        description="Your own: each is taken once in a book.",
    ),
]
FilterRaw = Annotated[
    msgspec.Raw,
    Meta(
        description=(
            'Which events count: `{"and": […]}`, `{"or": […]}` or `{"property", "op", "value"}`; op is one '
            "of eq, ne, in, gt, gte, lt, lte, contains, not_contains and exists."
        ),
        extra_json_schema={"type": ["object", "null"]},
    ),
]
PropertiesRaw = Annotated[
    msgspec.Raw,
    Meta(
        description="At most 50 strings, numbers and truths by name. Numbers are exact.",
        extra_json_schema={"type": ["object", "null"]},
    ),
]


def _null() -> msgspec.Raw:
    """What is decoded later, where it was left out."""
    return msgspec.Raw(b"null")


class CreateMeter(Request):
    """What it counts never changes: close it, and make another to count otherwise."""

    code: OwnIdText
    event_name: PropertyText
    aggregation: Aggregation
    property: PropertyText | None = None
    filter: FilterRaw = msgspec.field(default_factory=_null)
    group_by: GroupBy = msgspec.field(default_factory=list)
    case_sensitive: bool = True
    debits: Debits = Debits.AT_ONCE
    name: NameText | None = None
    idempotency_key: KeyText | None = None


class AmendMeter(Request):
    """What is left out stays. What it counts never changes."""

    name: NameText | None = None
    idempotency_key: KeyText | None = None


class _Price(Request, kw_only=True, tag_field="model"):
    """``free``: how much of each period's quantity costs nothing."""

    free: AmountText = "0"


class PerCredit(_Price, kw_only=True, tag="per_credit"):
    """One credit buys ``units_per_credit`` of the quantity."""

    units_per_credit: AmountText


class PerUnit(_Price, kw_only=True, tag="per_unit"):
    """Each one of the quantity costs ``price``."""

    price: AmountText


class Tier(Request):
    """Quantities up to ``up_to``, itself included; the last tier has none."""

    up_to: AmountText | None = None
    price: AmountText = "0"
    flat: AmountText = "0"


Tiers = Annotated[list[Tier], Meta(min_length=1, max_length=rating.TIERS_MAX)]


class Graduated(_Price, kw_only=True, tag="graduated"):
    """Each part of the quantity is priced by the tier in which it lies."""

    tiers: Tiers


class Volume(_Price, kw_only=True, tag="volume"):
    """The whole quantity is priced by the tier that it reaches."""

    tiers: Tiers


class Package(_Price, kw_only=True, tag="package"):
    """Each ``size`` of the quantity costs ``price``."""

    size: AmountText
    price: AmountText
    rounding: Rounding = Rounding.UP


RatePrice = PerCredit | PerUnit | Graduated | Volume | Package


class Table(Request, kw_only=True, tag_field="model", tag="table"):
    """A price for each value of a property; ``default`` for any other, or none."""

    attribute: PropertyText
    prices: Annotated[dict[str, RatePrice], Meta(min_length=1, max_length=rating.TABLE_MAX)]
    default: RatePrice | None = None


class Period(Request):
    """Over what usage is summed up; ``unit`` null: for ever.

    ``cycle``: where the customer has a schedule of the entitlement, over its cycles; the unit is for others.
    """

    unit: CalendarUnit | None = CalendarUnit.MONTH
    zone: str = "UTC"
    cycle: bool = False


class CreateRate(Request):
    """A rate never changes: close it, and make another to charge otherwise.

    ``rest_of`` is the id of another rate of the meter: only what nothing pays for by that is charged, each
    credit of it at ``price``.
    """

    meter: ReferenceText
    entitlement: ReferenceText
    price: PerCredit | PerUnit | Graduated | Volume | Package | Table
    period: Period = msgspec.field(default_factory=Period)
    customers: Customers = Customers.ALL
    rest_of: ReferenceText | None = None
    idempotency_key: KeyText | None = None


class AttachRate(Request):
    """A rate whose ``customers`` is ``attached`` charges only those whom it is attached to."""

    customer: ReferenceText


class RatesQuery(Request):
    """``customer``: the open ones that charge this customer."""

    customer: ReferenceText | None = None


class NewUsageEvent(Request):
    """``time`` is when the usage was; left out: now.

    ``override``: put it in the place of an earlier event of that id, if there is one. What that drew is
    reversed, and what it costs now is drawn. A time left out is then the one that it had.
    """

    id: EventIdText
    customer: ReferenceText
    name: PropertyText
    time: TimeText | None = None
    properties: PropertiesRaw = msgspec.field(default_factory=_null)
    override: bool = False


class RecordUsage(Request):
    """One event; or ``events``, each of which is read by itself, so that a bad one affects only itself."""

    id: EventIdText | None = None
    customer: ReferenceText | None = None
    name: PropertyText | None = None
    time: TimeText | None = None
    properties: PropertiesRaw = msgspec.field(default_factory=_null)
    override: bool = False
    events: (
        Annotated[
            list[msgspec.Raw],
            Meta(
                max_length=BATCH_MAX,
                extra_json_schema={"items": {"$ref": "#/components/schemas/NewUsageEvent"}},
            ),
        ]
        | None
    ) = None


class UsageQuery(PageQuery):
    """``since`` and ``until`` are times of use: from the one, before the other."""

    customer: ReferenceText | None = None
    name: PropertyText | None = None
    since: TimeText | None = None
    until: TimeText | None = None
    uncovered: bool = False
