"""Holds: credit set aside, captured as it is used, released in the end."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Literal

from drawdown.client.calls import PAGE_SIZE, Call, Listing, get, given, write
from drawdown.client.records import Capture, Hold, Page
from drawdown.client.values import Amount, amount_text, in_path, time_text, whole_seconds

State = Literal["open", "captured", "released", "expired"]


def hold(
    customer: str,
    entitlement: str,
    amount: Amount,
    *,
    expires_in: timedelta | int | None = None,
    expires_at: datetime | None = None,
    attributes: Mapping[str, str] | None = None,
    metadata: Mapping[str, Any] | None = None,
    idempotency_key: str | None = None,
) -> Call[Hold]:
    """Set credit aside: all of the amount, or ``InsufficientCredit``.

    It ends by itself: 15 minutes from now, unless ``expires_in`` (whole seconds) or ``expires_at``
    says otherwise; at most 24 hours.
    """
    body = {
        "customer": customer,
        "entitlement": entitlement,
        "amount": amount_text(amount),
        **_end(expires_in, expires_at),
        **given({"attributes": attributes, "metadata": metadata}),
    }
    return write("/holds", Hold, body, idempotency_key)


def get_hold(hold: str) -> Call[Hold]:
    """A hold as it is now."""
    return get(f"/holds/{in_path(hold, 'hold')}", Hold)


def holds(
    *,
    customer: str | None = None,
    entitlement: str | None = None,
    state: State | None = None,
    page_size: int = PAGE_SIZE,
) -> Listing[Hold]:
    """Holds, newest first."""
    query = given({"customer": customer, "entitlement": entitlement, "state": state})
    return Listing(path="/holds", query=query, page=Page[Hold], page_size=page_size)


def capture(
    hold: str,
    amount: Amount,
    *,
    final: bool = False,
    over_capture: Literal["draw", "refuse"] | None = None,
    idempotency_key: str | None = None,
) -> Call[Capture]:
    """Debit what was used, from what is held. ``final``: the rest is released at once.

    More than is held is drawn from what is available besides; with ``over_capture="refuse"`` it is
    ``CaptureTooLarge``.
    """
    body = {
        "amount": amount_text(amount),
        **({"final": True} if final else {}),
        **given({"over_capture": over_capture}),
    }
    return write(f"/holds/{in_path(hold, 'hold')}/capture", Capture, body, idempotency_key)


def release(hold: str, *, idempotency_key: str | None = None) -> Call[Hold]:
    """Give back what is still held; the hold has ended."""
    return write(f"/holds/{in_path(hold, 'hold')}/release", Hold, {}, idempotency_key)


def extend(
    hold: str,
    *,
    expires_in: timedelta | int | None = None,
    expires_at: datetime | None = None,
    idempotency_key: str | None = None,
) -> Call[Hold]:
    """Let a hold end later: ``expires_in`` seconds from now, or at ``expires_at``."""
    path = f"/holds/{in_path(hold, 'hold')}/extend"
    return write(path, Hold, _end(expires_in, expires_at), idempotency_key)


def _end(expires_in: timedelta | int | None, expires_at: datetime | None) -> dict[str, Any]:
    seconds = None if expires_in is None else whole_seconds(expires_in)
    text = None if expires_at is None else time_text(expires_at, "expires_at")
    return given({"expires_in": seconds, "expires_at": text})
