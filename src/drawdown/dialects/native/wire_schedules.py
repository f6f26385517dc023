"""What is answered about schedules at ``/api/v1``."""

from __future__ import annotations

from msgspec import Struct

from drawdown.core.schedules.terms import CycleExpiry, ScheduleState
from drawdown.core.types import Category
from drawdown.dialects.native.scalars import AmountText, TimeText
from drawdown.dialects.native.wire import CostBasis, Overage
from drawdown.dialects.native.wire_rollover import Rollover, Span


class Trial(Struct, kw_only=True):
    amount: AmountText
    ends_at: TimeText
    expires: bool


class Schedule(Struct, kw_only=True, omit_defaults=True):
    """``cycle`` is the number of the cycle that runs, or was the last to run or to be skipped.

    ``next_at`` is when the next cycle begins, or the last one ends. ``next_amount`` is what the next cycle
    gives. ``overage`` null: the entitlement's rule. ``available`` is the wallet's, in answers to writes only.
    """

    id: str
    customer: str
    entitlement: str
    state: ScheduleState
    amount: AmountText
    next_amount: AmountText
    every: Span
    anchor: TimeText
    zone: str
    starts_at: TimeText
    ends_at: TimeText | None
    trial: Trial | None
    expires: CycleExpiry
    expires_after_days: int | None
    rollover: Rollover | None
    overage: Overage | None
    priority: int
    category: Category
    cost_basis: CostBasis | None
    name: str | None
    scope: dict[str, list[str]]
    metadata: dict[str, str | int | float | bool]
    cycle: int | None
    cycle_started_at: TimeText | None
    next_at: TimeText | None
    created_at: TimeText
    updated_at: TimeText
    ended_at: TimeText | None
    available: AmountText | None = None
