"""What has not happened: forecasts and dry runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Literal

import msgspec
from msgspec import UNSET, UnsetType

from drawdown.client.calls import API, Call, get, given, reader
from drawdown.client.records import DryRun, Forecast
from drawdown.client.requests.directory import OverageRule
from drawdown.client.values import in_path, time_text


def forecast(
    customer: str, entitlement: str, *, days: int = 30, window_days: int = 7
) -> Call[Forecast]:
    """When a balance runs out, used on as it was in the last ``window_days``; ``days`` ahead at most."""
    path = f"/balances/{in_path(customer, 'customer')}/{in_path(entitlement, 'entitlement')}"
    return get(path + "/forecast", Forecast, days=str(days), window_days=str(window_days))


def dry_run(
    entitlement: str,
    *,
    start: datetime,
    end: datetime | None = None,
    customer: str | None = None,
    burn_order: Literal["soonest_expiry", "oldest_first"] | None = None,
    rates: Sequence[Mapping[str, Any]] | None = None,
    rollover: Mapping[str, Any] | UnsetType | None = UNSET,
    expires_after_days: int | UnsetType | None = UNSET,
    overage: OverageRule | None = None,
    limit: int = 100,
    after: str | None = None,
) -> Call[DryRun]:
    """What another rule would have made of what was used from ``start`` to ``end`` (None: now).

    Of one customer, or of all, ``limit`` of the book's at a time: ``after`` is the ``next`` of the call
    before. ``rates`` and ``rollover`` are as the native API has them; None for ``rollover`` or
    ``expires_after_days``: none. Nothing is written.
    """
    change = given(
        {
            "burn_order": burn_order,
            "rates": rates,
            "overage": None if overage is None else overage.body(),
        }
    )
    for name, value in (("rollover", rollover), ("expires_after_days", expires_after_days)):
        if not isinstance(value, UnsetType):
            change[name] = value
    asked = given(
        {
            "entitlement": entitlement,
            "from": time_text(start, "start"),
            "to": None if end is None else time_text(end, "end"),
            "customer": customer,
            "limit": limit,
            "after": after,
        }
    )
    return Call(
        method="POST",
        path=API + "/dry-runs",
        read=reader(DryRun),
        body=msgspec.json.encode({**asked, "change": change}),
    )
