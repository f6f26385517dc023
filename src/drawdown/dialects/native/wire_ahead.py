"""What is answered at ``/api/v1`` about what has not happened: forecasts and dry runs."""

from __future__ import annotations

import msgspec
from msgspec import Struct

from drawdown.core.forecast import Lasting
from drawdown.core.hindsight.dry_run import Cause
from drawdown.core.types import Category
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


class Money(Struct, kw_only=True):
    amount: AmountText
    currency: str


class CategoryDrawn(Struct, kw_only=True):
    """``cost`` is what was paid for what was drawn, cut off at a currency's last place, grant by grant.

    ``without_cost`` was drawn of grants whose cost is unknown. Below zero: more came back than was drawn.
    """

    category: Category
    drawn: str
    cost: list[Money]
    without_cost: str


class Figures(Struct, kw_only=True):
    """``available`` and ``owed``, the open overage, are as of the end. The others may be below zero."""

    drawn: str
    categories: list[CategoryDrawn]
    expired: str
    rolled_over: str
    overage: str
    shortfall: str
    available: AmountText
    owed: AmountText


class DrawnGrant(Struct, kw_only=True):
    """What of a grant; below zero where it came back."""

    grant: str
    amount: str


class Effect(Struct, kw_only=True):
    """``refused`` is the code of the refusal."""

    drawn: list[DrawnGrant]
    overage: str
    uncovered: str
    expired: str
    rolled_over: str
    refused: str | None


class Difference(Struct, kw_only=True):
    """``operation`` null: time did it, to ``grant``. ``because`` says in words what ``cause`` stands for."""

    customer: str
    operation: str | None
    grant: str | None
    kind: str
    at: TimeText
    cause: Cause
    because: str
    before: Effect
    after: Effect


class CustomerDryRun(Struct, kw_only=True):
    """``differences`` are the first 20 of ``different``."""

    customer: str
    operations: int
    before: Figures
    after: Figures
    different: int
    differences: list[Difference]


class Skipped(Struct, kw_only=True):
    """A customer of whom nothing is said, and who is in no sum."""

    customer: str
    reason: str


class DryRun(Struct, kw_only=True):
    """``before`` and ``after`` are sums over ``data``. ``next`` goes into ``after`` of the next call."""

    entitlement: str
    start: TimeText = msgspec.field(name="from")
    end: TimeText | None = msgspec.field(name="to")
    before: Figures
    after: Figures
    data: list[CustomerDryRun]
    skipped: list[Skipped]
    next: str | None
