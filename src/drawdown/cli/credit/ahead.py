"""`drawdown forecast`: when a customer's credit runs out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import RenderableType

from drawdown.cli.client import asking
from drawdown.cli.credit import present, words
from drawdown.cli.options import URL_DEFAULT, Json, Key, Url

if TYPE_CHECKING:
    from drawdown.client import Forecast

#: At a terminal so many points are shown, evenly over all of them; with --json there are all.
POINTS_SHOWN = 12
WHY = {
    "no_usage": "never: it was not used lately",
    "not_within_horizon": "not within these days",
}


def forecast(
    customer: words.Customer,
    entitlement: words.Entitlement,
    days: Annotated[int, typer.Option(min=1, max=366, help="How far to look ahead.")] = 30,
    window_days: Annotated[
        int, typer.Option(min=1, max=366, help="The rate is that of so many days up to now.")
    ] = 7,
    url: Url = URL_DEFAULT,
    key: Key = None,
    as_json: Json = False,
) -> None:
    """Say when a customer's credit runs out at its recent rate, and what will expire unused.

    Example: `drawdown forecast ada usd --days 90 --window-days 14`
    """
    with asking(url, key) as client:
        found = client.forecast(customer, entitlement, days=days, window_days=window_days)
    present.answer(found, as_json, _forecast)


def _forecast(found: Forecast) -> list[RenderableType]:
    kind = found.entitlement
    runs_out = found.depletes_at or WHY.get(found.reason or "", found.reason)
    shown: list[RenderableType] = [
        present.facts(
            {
                "Runs out": runs_out,
                "Available": present.credit(found.available, kind),
                "Used a day": present.credit(found.usage.per_day, kind),
                "Since": found.usage.since,
                "Expires unused": present.credit(found.expires_unused, kind),
                "Not covered": found.shortfall or None,
                "Looked ahead to": found.until,
            }
        )
    ]
    if found.expiring:
        rows = ((each.at, each.amount, each.grant) for each in found.expiring)
        shown += ["", present.table(("Expires (UTC)", "Amount", "Grant"), rows, right="Amount")]
    step = -(-len(found.points) // POINTS_SHOWN)
    points = (
        (each.at, each.available, each.held, each.pending, each.overage)
        for each in found.points[::step]
    )
    columns = ("At (UTC)", "Available", "Held", "Pending", "Overage")
    shown += ["", present.table(columns, points, right="Available Held Pending Overage")]
    return shown
