"""Alerts: made, read, listed, closed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from drawdown.client.calls import API, PAGE_SIZE, Call, Listing, get, given, reader, write
from drawdown.client.records import Alert, Page
from drawdown.client.values import Amount, amount_text, in_path

Kind = Literal[
    "available_below", "used_above", "days_to_expiry", "depletes_within", "metered_above"
]
State = Literal["active", "closed"]


def create_alert(
    entitlement: str | None,
    kind: Kind,
    *,
    meter: str | None = None,
    customer: str | None = None,
    amount: Amount | None = None,
    percent: int | None = None,
    days: int | None = None,
    name: str | None = None,
    metadata: Mapping[str, Any] | None = None,
    idempotency_key: str | None = None,
) -> Call[Alert]:
    """Be told when a line is crossed: ``available_below`` an amount or a percentage, and so on.

    Without ``customer``: of anybody's credit. ``metered_above`` is on a ``meter`` and on no entitlement.
    """
    optional = {
        "entitlement": entitlement,
        "meter": meter,
        "customer": customer,
        "amount": None if amount is None else amount_text(amount),
        "percent": percent,
        "days": days,
        "name": name,
        "metadata": metadata,
    }
    body = {"kind": kind, **given(optional)}
    return write("/alerts", Alert, body, idempotency_key)


def get_alert(alert: str) -> Call[Alert]:
    """An alert, also one that is closed."""
    return get(_path(alert), Alert)


def alerts(
    *,
    customer: str | None = None,
    entitlement: str | None = None,
    meter: str | None = None,
    state: State | None = None,
    page_size: int = PAGE_SIZE,
) -> Listing[Alert]:
    """Alerts, newest first; of a customer: those on that one's credit, or use, alone."""
    query = given(
        {"customer": customer, "entitlement": entitlement, "meter": meter, "state": state}
    )
    return Listing(path="/alerts", query=query, page=Page[Alert], page_size=page_size)


def close_alert(alert: str) -> Call[Alert]:
    """Close an alert, for good; it stays to be read."""
    return Call(method="DELETE", path=API + _path(alert), read=reader(Alert))


def _path(alert: str) -> str:
    return f"/alerts/{in_path(alert, 'alert')}"
