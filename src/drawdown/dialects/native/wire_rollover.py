"""What is carried on of credit, as a schedule or a grant says it at ``/api/v1``."""

from __future__ import annotations

from msgspec import Struct

from drawdown.core.schedules.calendar import CalendarUnit
from drawdown.dialects.native.scalars import AmountText


class Span(Struct, kw_only=True):
    unit: CalendarUnit
    count: int


class Rollover(Struct, kw_only=True):
    percentage: int
    generations_max: int | None
    timeframe: Span | None
    minimum: AmountText | None
    maximum: AmountText | None
