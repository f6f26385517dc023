"""Auto top-ups: rules made, read, listed and closed; requests for payments read, listed and answered."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any, Literal

from drawdown.client.calls import API, PAGE_SIZE, Call, Listing, get, given, reader, write
from drawdown.client.records import Page, TopUp, TopUpRequest
from drawdown.client.values import Amount, amount_text, in_path, whole_seconds

Period = Literal["day", "week", "month"]
State = Literal["active", "closed"]
RequestState = Literal["open", "confirmed", "failed", "expired"]


def create_top_up(
    customer: str,
    entitlement: str,
    *,
    threshold: Amount,
    amount: Amount | None = None,
    target: Amount | None = None,
    cap: tuple[Amount, Period] | None = None,
    cool_down: timedelta | int | None = None,
    answer_within: timedelta | int | None = None,
    attempts_max: int | None = None,
    price_per_unit: tuple[Amount, str] | None = None,
    priority: int | None = None,
    expires_after_days: int | None = None,
    name: str | None = None,
    metadata: Mapping[str, Any] | None = None,
    idempotency_key: str | None = None,
) -> Call[TopUp]:
    """Ask for a payment when credit falls to ``threshold``: for ``amount``, or what lacks to ``target``.

    ``cap`` is an amount and its period; ``price_per_unit`` an amount and a currency, of credit that is no
    money. It takes the place of the rule that the wallet may have.
    """
    optional = {
        "amount": None if amount is None else amount_text(amount),
        "target": None if target is None else amount_text(target, "target"),
        "cap": None if cap is None else {"amount": amount_text(cap[0], "cap"), "per": cap[1]},
        "cool_down_seconds": _seconds(cool_down, "cool_down"),
        "answer_within_seconds": _seconds(answer_within, "answer_within"),
        "attempts_max": attempts_max,
        "price_per_unit": _price(price_per_unit),
        "priority": priority,
        "expires_after_days": expires_after_days,
        "name": name,
        "metadata": metadata,
    }
    body = {
        "customer": customer,
        "entitlement": entitlement,
        "threshold": amount_text(threshold, "threshold"),
        **given(optional),
    }
    return write("/top-ups", TopUp, body, idempotency_key)


def _seconds(span: timedelta | int | None, name: str) -> int | None:
    return None if span is None else whole_seconds(span, name)


def _price(price: tuple[Amount, str] | None) -> dict[str, str] | None:
    if price is None:
        return None
    return {"amount": amount_text(price[0], "price_per_unit"), "currency": price[1]}


def get_top_up(top_up: str) -> Call[TopUp]:
    """A rule, also one that is closed, and where it stands."""
    return get(_path(top_up), TopUp)


def top_ups(
    *,
    customer: str | None = None,
    entitlement: str | None = None,
    state: State | None = None,
    page_size: int = PAGE_SIZE,
) -> Listing[TopUp]:
    """Rules, newest first; ``active`` are those that are not closed."""
    query = given({"customer": customer, "entitlement": entitlement, "state": state})
    return Listing(path="/top-ups", query=query, page=Page[TopUp], page_size=page_size)


def close_top_up(top_up: str) -> Call[TopUp]:
    """Ask for nothing any more. A request in flight may still be answered."""
    return Call(method="DELETE", path=API + _path(top_up), read=reader(TopUp))


def get_top_up_request(request: str) -> Call[TopUpRequest]:
    """A request for a payment as it is now."""
    return get(_request_path(request), TopUpRequest)


def top_up_requests(
    *,
    customer: str | None = None,
    entitlement: str | None = None,
    state: RequestState | None = None,
    page_size: int = PAGE_SIZE,
) -> Listing[TopUpRequest]:
    """Requests for payments, newest first."""
    query = given({"customer": customer, "entitlement": entitlement, "state": state})
    path, page = "/top-ups/requests", Page[TopUpRequest]
    return Listing(path=path, query=query, page=page, page_size=page_size)


def confirm_top_up(
    request: str, *, reference: str | None = None, idempotency_key: str | None = None
) -> Call[TopUpRequest]:
    """A payment was taken: grant what it was for, once. ``reference`` names the payment."""
    body = given({"reference": reference})
    return write(_request_path(request) + "/confirm", TopUpRequest, body, idempotency_key)


def fail_top_up(
    request: str, *, reason: str | None = None, idempotency_key: str | None = None
) -> Call[TopUpRequest]:
    """No payment was taken. Another request is made after the cool-down, if attempts are left."""
    body = given({"reason": reason})
    return write(_request_path(request) + "/fail", TopUpRequest, body, idempotency_key)


def _path(top_up: str) -> str:
    return f"/top-ups/{in_path(top_up, 'top_up')}"


def _request_path(request: str) -> str:
    return f"/top-ups/requests/{in_path(request, 'request')}"
