"""Schedules: grants that recur. Made, read, changed, paused, resumed, cancelled."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Literal

from msgspec import UNSET, UnsetType

from drawdown.client.calls import PAGE_SIZE, Call, Listing, get, given, write
from drawdown.client.records import Page, Schedule
from drawdown.client.requests.directory import OverageRule
from drawdown.client.values import Amount, amount_text, basis_of, in_path, time_text

Unit = Literal["day", "week", "month", "year"]
State = Literal["active", "paused", "cancelled", "ended"]


def create_schedule(
    customer: str,
    entitlement: str,
    amount: Amount,
    every: Unit,
    *,
    count: int = 1,
    zone: str = "UTC",
    anchor: datetime | None = None,
    starts_at: datetime | None = None,
    ends_at: datetime | None = None,
    trial: Mapping[str, Any] | None = None,
    expires: Literal["cycle_end", "after_days", "never"] = "cycle_end",
    expires_after_days: int | None = None,
    rollover: Mapping[str, Any] | None = None,
    priority: int | None = None,
    category: Literal["paid", "promotional"] | None = None,
    cost_basis: tuple[Amount, str] | None = None,
    overage: OverageRule | None = None,
    scope: Mapping[str, Sequence[str]] | None = None,
    name: str | None = None,
    metadata: Mapping[str, Any] | None = None,
    idempotency_key: str | None = None,
) -> Call[Schedule]:
    """Give an amount at the beginning of every cycle of ``count`` days, weeks, months or years.

    ``trial`` and ``rollover`` are as the native API has them: ``{"percentage": 50}``. ``cost_basis``: what
    is paid for a cycle, and in which currency. ``overage`` stands in place of the entitlement's rule.
    """
    times = {"anchor": anchor, "starts_at": starts_at, "ends_at": ends_at}
    optional = {
        **{name: None if at is None else time_text(at, name) for name, at in times.items()},
        "trial": trial,
        "expires_after_days": expires_after_days,
        "rollover": rollover,
        "priority": priority,
        "category": category,
        "cost_basis": None if cost_basis is None else basis_of(*cost_basis),
        "overage": None if overage is None else overage.body(),
        "scope": None if scope is None else {key: list(values) for key, values in scope.items()},
        "name": name,
        "metadata": metadata,
    }
    body = {
        "customer": customer,
        "entitlement": entitlement,
        "amount": amount_text(amount),
        "every": {"unit": every, "count": count},
        "zone": zone,
        "expires": expires,
        **given(optional),
    }
    return write("/schedules", Schedule, body, idempotency_key)


def get_schedule(schedule: str) -> Call[Schedule]:
    """A schedule as it is now."""
    return get(_path(schedule), Schedule)


def schedules(
    *,
    customer: str | None = None,
    entitlement: str | None = None,
    state: State | None = None,
    page_size: int = PAGE_SIZE,
) -> Listing[Schedule]:
    """Schedules as they were recorded last, newest first."""
    query = given({"customer": customer, "entitlement": entitlement, "state": state})
    return Listing(path="/schedules", query=query, page=Page[Schedule], page_size=page_size)


def amend_schedule(
    schedule: str,
    amount: Amount | None = None,
    *,
    when: Literal["now", "next_cycle"] = "next_cycle",
    prorate: bool = False,
    overage: OverageRule | UnsetType | None = UNSET,
    idempotency_key: str | None = None,
) -> Call[Schedule]:
    """Give another amount, from the next cycle on or from now on (``prorate``: for what is left of it).

    ``overage``: another rule for usage past zero, at once; None: the entitlement's.
    """
    body: dict[str, Any] = {"when": when, "prorate": prorate}
    if amount is not None:
        body["amount"] = amount_text(amount)
    if not isinstance(overage, UnsetType):
        body["overage"] = None if overage is None else overage.body()
    return write(_path(schedule), Schedule, body, idempotency_key, "PATCH")


def pause_schedule(schedule: str, *, idempotency_key: str | None = None) -> Call[Schedule]:
    """Give nothing at the cycles to come, until it is resumed."""
    return write(_path(schedule) + "/pause", Schedule, {}, idempotency_key)


def resume_schedule(schedule: str, *, idempotency_key: str | None = None) -> Call[Schedule]:
    """Go on at the next cycle of the calendar."""
    return write(_path(schedule) + "/resume", Schedule, {}, idempotency_key)


def cancel_schedule(
    schedule: str,
    *,
    at_cycle_end: bool = False,
    expire_credit: bool = False,
    idempotency_key: str | None = None,
) -> Call[Schedule]:
    """End a schedule now or with its cycle; ``expire_credit`` writes off what is left of its grants."""
    body = {"at_cycle_end": at_cycle_end, "expire_credit": expire_credit}
    return write(_path(schedule) + "/cancel", Schedule, body, idempotency_key)


def _path(schedule: str) -> str:
    return f"/schedules/{in_path(schedule, 'schedule')}"
