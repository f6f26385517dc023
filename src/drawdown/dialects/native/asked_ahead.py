"""What is asked at ``/api/v1`` of what has not happened: forecasts and dry runs."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from drawdown.core import forecast
from drawdown.dialects.native.asked import Request

DAYS_DEFAULT = 30
WINDOW_DAYS_DEFAULT = 7


class ForecastQuery(Request):
    """``days`` ahead, at the rate of the last ``window_days``."""

    days: Annotated[int, Meta(ge=1, le=forecast.DAYS_MAX)] = DAYS_DEFAULT
    window_days: Annotated[int, Meta(ge=1, le=forecast.WINDOW_DAYS_MAX)] = WINDOW_DAYS_DEFAULT
