"""What has not happened: forecasts and dry runs."""

from __future__ import annotations

from drawdown.client.calls import Call, get
from drawdown.client.records import Forecast
from drawdown.client.values import in_path


def forecast(
    customer: str, entitlement: str, *, days: int = 30, window_days: int = 7
) -> Call[Forecast]:
    """When a balance runs out, used on as it was in the last ``window_days``; ``days`` ahead at most."""
    path = f"/balances/{in_path(customer, 'customer')}/{in_path(entitlement, 'entitlement')}"
    return get(path + "/forecast", Forecast, days=str(days), window_days=str(window_days))
