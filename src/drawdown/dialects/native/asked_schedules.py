"""What is asked about schedules at ``/api/v1``: bodies and queries."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import UNSET, Meta, UnsetType

from drawdown.core.commands import ChangeTime
from drawdown.core.schedules.terms import CycleExpiry, ScheduleState
from drawdown.core.types import Category
from drawdown.dialects.native.asked import (
    CostBasisRequest,
    OverageRequest,
    PageQuery,
    Request,
    RolloverRequest,
    Span,
)
from drawdown.dialects.native.scalars import (
    AmountText,
    KeyText,
    MetadataMap,
    NameText,
    ReferenceText,
    ScopeMap,
    TimeText,
)

ZoneText = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=64,
        description="A time zone of the IANA database.",
        extra_json_schema={"examples": ["Europe/Berlin"]},
    ),
]


class TrialRequest(Request):
    """``expires``: at its end what is left of it is written off, whatever rolls over."""

    amount: AmountText
    ends_at: TimeText
    expires: bool = True


class CreateSchedule(Request):
    """``starts_at`` left out: now. ``anchor`` left out: the start, or the end of the trial.

    ``overage`` stands in place of the entitlement's rule from the first cycle to the end of the schedule.
    """

    customer: ReferenceText
    entitlement: ReferenceText
    amount: AmountText
    every: Span
    anchor: TimeText | None = None
    zone: ZoneText = "UTC"
    starts_at: TimeText | None = None
    ends_at: TimeText | None = None
    trial: TrialRequest | None = None
    expires: CycleExpiry = CycleExpiry.CYCLE_END
    expires_after_days: Annotated[int, Meta(ge=1, le=36_500)] | None = None
    rollover: RolloverRequest | None = None
    overage: OverageRequest | None = None
    priority: Annotated[int, Meta(ge=0, le=100)] | None = None
    category: Category | None = None
    cost_basis: CostBasisRequest | None = None
    name: NameText | None = None
    scope: ScopeMap = msgspec.field(default_factory=dict)
    metadata: MetadataMap = msgspec.field(default_factory=dict)
    idempotency_key: KeyText | None = None


class AmendSchedule(Request):
    """``prorate``: a change now is only for what is left of the cycle that runs.

    ``overage`` changes at once; left out: as it is; null: the entitlement's rule.
    """

    amount: AmountText | None = None
    overage: OverageRequest | UnsetType | None = UNSET
    when: ChangeTime = ChangeTime.NEXT_CYCLE
    prorate: bool = False
    idempotency_key: KeyText | None = None


class ChangeSchedule(Request):
    """It may be empty."""

    idempotency_key: KeyText | None = None


class CancelSchedule(Request):
    """It may be empty. ``expire_credit``: what is left of its grants is written off now."""

    at_cycle_end: bool = False
    expire_credit: bool = False
    idempotency_key: KeyText | None = None


class SchedulesQuery(PageQuery):
    customer: ReferenceText | None = None
    entitlement: ReferenceText | None = None
    state: ScheduleState | None = None
