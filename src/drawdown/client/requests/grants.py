"""Grants: given, read, changed, ended."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Literal

from msgspec import UNSET, UnsetType

from drawdown.client.calls import PAGE_SIZE, Call, Listing, get, given, write
from drawdown.client.records import Adjustment, Grant, Page
from drawdown.client.values import Amount, amount_text, basis_of, in_path, time_text

State = Literal["pending", "active", "depleted", "expired", "voided"]


def grant(
    customer: str,
    entitlement: str,
    amount: Amount,
    *,
    expires_at: datetime | UnsetType | None = UNSET,
    effective_at: datetime | None = None,
    priority: int | None = None,
    category: Literal["paid", "promotional"] | None = None,
    scope: Mapping[str, Sequence[str]] | None = None,
    cost_basis: tuple[Amount, str] | None = None,
    name: str | None = None,
    metadata: Mapping[str, Any] | None = None,
    rollover: Mapping[str, Any] | None = None,
    idempotency_key: str | None = None,
) -> Call[Grant]:
    """Give credit. ``expires_at`` left out: by the entitlement's rule; None: never.

    ``priority``: 0 to 100, 0 burns first, 50 by default. ``scope``: what it may pay for, such as
    ``{"model": ["gpt-4o"]}``. ``cost_basis``: what was paid for all of it, and in which currency.
    ``rollover``, as the native API has it: what is carried on as it expires, ``{"percentage": 50}``.
    """
    optional = {
        "effective_at": None if effective_at is None else time_text(effective_at, "effective_at"),
        "priority": priority,
        "category": category,
        "scope": None if scope is None else {name: list(values) for name, values in scope.items()},
        "cost_basis": None if cost_basis is None else basis_of(*cost_basis),
        "name": name,
        "metadata": metadata,
        "rollover": rollover,
    }
    body = {
        "customer": customer,
        "entitlement": entitlement,
        "amount": amount_text(amount),
        "expires_at": _expiry(expires_at),
        **given(optional),
    }
    return write("/grants", Grant, body, idempotency_key)


def get_grant(grant: str, *, at: datetime | None = None) -> Call[Grant]:
    """A grant as it is now, or as it was or will be ``at`` an instant."""
    return get(f"/grants/{in_path(grant, 'grant')}", Grant, at=_instant(at))


def grants(
    *,
    customer: str | None = None,
    entitlement: str | None = None,
    state: State | None = None,
    at: datetime | None = None,
    page_size: int = PAGE_SIZE,
) -> Listing[Grant]:
    """Grants, newest first. ``at``: as they were or will be then; needs customer and entitlement."""
    query = {"customer": customer, "entitlement": entitlement, "state": state, "at": _instant(at)}
    return Listing(path="/grants", query=given(query), page=Page[Grant], page_size=page_size)


def expire_grant(grant: str, *, idempotency_key: str | None = None) -> Call[Grant]:
    """End a grant now: what remains is written off."""
    return write(f"/grants/{in_path(grant, 'grant')}/expire", Grant, {}, idempotency_key)


def void_grant(grant: str, *, idempotency_key: str | None = None) -> Call[Grant]:
    """Undo a grant: what remains is taken back."""
    return write(f"/grants/{in_path(grant, 'grant')}/void", Grant, {}, idempotency_key)


def amend_grant(
    grant: str,
    *,
    expires_at: datetime | UnsetType | None = UNSET,
    metadata: Mapping[str, Any] | None = None,
    idempotency_key: str | None = None,
) -> Call[Grant]:
    """Change when a grant expires (None: never), or its metadata (a None value deletes its key)."""
    body = {"expires_at": _expiry(expires_at), **given({"metadata": metadata})}
    return write(f"/grants/{in_path(grant, 'grant')}", Grant, body, idempotency_key, "PATCH")


def adjust_grant(
    grant: str,
    direction: Literal["up", "down"],
    amount: Amount,
    *,
    reason: str | None = None,
    idempotency_key: str | None = None,
) -> Call[Adjustment]:
    """Correct one grant: ``down`` takes of its free credit, ``up`` gives back of what was used."""
    body = {"direction": direction, "amount": amount_text(amount), **given({"reason": reason})}
    path = f"/grants/{in_path(grant, 'grant')}/adjust"
    return write(path, Adjustment, body, idempotency_key)


def _expiry(expires_at: datetime | UnsetType | None) -> str | UnsetType | None:
    if isinstance(expires_at, UnsetType) or expires_at is None:
        return expires_at
    return time_text(expires_at, "expires_at")


def _instant(at: datetime | None) -> str | None:
    return None if at is None else time_text(at, "at")
