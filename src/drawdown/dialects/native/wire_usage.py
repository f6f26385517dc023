"""What is answered at ``/api/v1`` of usage."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta, Struct

from drawdown.core.schedules.calendar import CalendarUnit
from drawdown.core.usage.meters import Aggregation
from drawdown.core.usage.records import Customers, Debits
from drawdown.dialects.native import wire
from drawdown.dialects.native.scalars import AmountText, TimeText

ObjectRaw = Annotated[msgspec.Raw, Meta(extra_json_schema={"type": "object"})]
FilterRaw = Annotated[msgspec.Raw, Meta(extra_json_schema={"type": ["object", "null"]})]


class Meter(Struct, kw_only=True):
    id: str
    code: str
    name: str
    event_name: str
    aggregation: Aggregation
    property: str | None
    filter: FilterRaw
    group_by: list[str]
    case_sensitive: bool
    debits: Debits
    created_at: TimeText
    closed_at: TimeText | None


class RatePeriod(Struct, kw_only=True):
    unit: CalendarUnit | None
    zone: str
    cycle: bool


class Rate(Struct, kw_only=True):
    """``price`` is as it was given, with what was left out."""

    id: str
    meter: str
    entitlement: str
    price: ObjectRaw
    period: RatePeriod
    customers: Customers
    rest_of: str | None
    created_at: TimeText
    closed_at: TimeText | None


class RateAttachment(Struct, kw_only=True):
    """Whether a rate charges a customer because it is attached to him."""

    rate: str
    customer: str
    attached: bool


class UsageCharge(Struct, kw_only=True):
    """``amount`` = ``drawn`` + ``overage`` + ``uncovered``: what could not be paid."""

    meter: str
    rate: str
    entitlement: str
    amount: AmountText
    drawn: AmountText
    overage: AmountText
    uncovered: AmountText


class UsageEvent(Struct, kw_only=True):
    """``debit`` is what it drew, null where that is nothing. ``overridden``: it said something else once."""

    id: str
    customer: str
    name: str
    time: TimeText
    recorded_at: TimeText
    properties: ObjectRaw
    charges: list[UsageCharge]
    debit: str | None
    overridden: bool


class UsageResult(Struct, kw_only=True, omit_defaults=True):
    """``event`` or ``error``, as it would have been answered alone."""

    status: int
    replayed: bool = False
    event: UsageEvent | None = None
    error: wire.Problem | None = None


class RecordedUsage(Struct, kw_only=True, omit_defaults=True):
    """Of one event, the event itself; of many, ``results``, in the order of what was asked."""

    id: str | None = None
    customer: str | None = None
    name: str | None = None
    time: TimeText | None = None
    recorded_at: TimeText | None = None
    properties: ObjectRaw = msgspec.field(default_factory=msgspec.Raw)
    charges: list[UsageCharge] | None = None
    debit: str | None = None
    overridden: bool | None = None
    results: list[UsageResult] | None = None
