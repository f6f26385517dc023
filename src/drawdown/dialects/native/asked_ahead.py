"""What is asked at ``/api/v1`` of what has not happened: forecasts and dry runs."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import UNSET, Meta, UnsetType

from drawdown.core import forecast
from drawdown.core.creation import EXPIRES_AFTER_DAYS_MAX
from drawdown.core.hindsight.changing import RATES_MAX
from drawdown.core.types import BurnOrder
from drawdown.dialects.native import asked_usage
from drawdown.dialects.native.asked import OverageRequest, Request, RolloverRequest
from drawdown.dialects.native.scalars import ReferenceText, TimeText
from drawdown.engine.dry_runs import CUSTOMERS_MAX

DAYS_DEFAULT = 30
WINDOW_DAYS_DEFAULT = 7
CUSTOMERS_DEFAULT = 100


class ForecastQuery(Request):
    """``days`` ahead, at the rate of the last ``window_days``."""

    days: Annotated[int, Meta(ge=1, le=forecast.DAYS_MAX)] = DAYS_DEFAULT
    window_days: Annotated[int, Meta(ge=1, le=forecast.WINDOW_DAYS_MAX)] = WINDOW_DAYS_DEFAULT


class RateChange(Request):
    """``period`` left out: as it is."""

    meter: ReferenceText
    price: asked_usage.RatePrice | asked_usage.Table
    period: asked_usage.Period | None = None


class Change(Request):
    """What is left out stays as it is; null for ``rollover`` or ``expires_after_days``: none.

    ``rates`` stand in the place of all rates of the entitlement.
    """

    burn_order: BurnOrder | None = None
    rates: Annotated[list[RateChange], Meta(max_length=RATES_MAX)] | None = None
    rollover: RolloverRequest | UnsetType | None = UNSET
    expires_after_days: Annotated[int, Meta(ge=1, le=EXPIRES_AFTER_DAYS_MAX)] | UnsetType | None = (
        UNSET
    )
    overage: OverageRequest | None = None


class DryRun(Request, kw_only=True):
    """Of ``customer``, or of all who have credit of the entitlement, ``limit`` of the book's at a time.

    ``to`` left out: now.
    """

    entitlement: ReferenceText
    since: TimeText = msgspec.field(name="from")
    until: TimeText | None = msgspec.field(name="to", default=None)
    change: Change
    customer: ReferenceText | None = None
    limit: Annotated[int, Meta(ge=1, le=CUSTOMERS_MAX)] = CUSTOMERS_DEFAULT
    after: str | None = None
