"""What is answered at ``/api/v1`` about what has not happened: forecasts and dry runs."""

from __future__ import annotations

from msgspec import Struct

from drawdown.core.forecast import Lasting
from drawdown.dialects.native.scalars import AmountText, TimeText


class RecentUsage(Struct, kw_only=True):
    """What was used from ``since`` on. ``per_day`` has 12 places at most and is not rounded up."""

    since: TimeText
    used: AmountText
    per_day: AmountText


class Expiring(Struct, kw_only=True):
    """What will come to its end unused."""

    grant: str
    amount: AmountText
    at: TimeText


class Point(Struct, kw_only=True):
    """How the balance will stand at an instant."""

    at: TimeText
    available: AmountText
    posted: AmountText
    held: AmountText
    pending: AmountText
    overage: AmountText


class Forecast(Struct, kw_only=True):
    """``depletes_at``: from when nothing is available; null: ``reason`` says why.

    ``shortfall`` is the use up to ``until`` that nothing pays. ``expiring`` has the first 100 losses,
    ``expires_unused`` is the sum of all. ``points`` are a day apart.
    """

    customer: str
    entitlement: str
    as_of: TimeText
    until: TimeText
    usage: RecentUsage
    available: AmountText
    depletes_at: TimeText | None
    reason: Lasting | None
    shortfall: AmountText
    expires_unused: AmountText
    expiring: list[Expiring]
    points: list[Point]
