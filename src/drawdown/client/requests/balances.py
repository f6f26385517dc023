"""Balances and the entries behind them."""

from __future__ import annotations

from datetime import datetime

from drawdown.client.calls import PAGE_SIZE, Call, Listing, get, given, write
from drawdown.client.records import Balance, Entry, OverageReset, Page, Segment
from drawdown.client.values import in_path, time_text


def balance(customer: str, entitlement: str, *, at: datetime | None = None) -> Call[Balance]:
    """A balance now, or as it was or will be ``at`` an instant; zeros where nothing was granted."""
    return get(_path(customer, entitlement), Balance, at=_instant(at, "at"))


def balance_history(
    customer: str,
    entitlement: str,
    *,
    start: datetime | None = None,
    end: datetime | None = None,
    page_size: int = PAGE_SIZE,
) -> Listing[Segment]:
    """The times between changes of a balance, newest first."""
    query = given({"from": _instant(start, "start"), "to": _instant(end, "end")})
    path = _path(customer, entitlement) + "/history"
    return Listing(path=path, query=query, page=Page[Segment], page_size=page_size)


def reset_overage(
    customer: str, entitlement: str, *, idempotency_key: str | None = None
) -> Call[OverageReset]:
    """Forgive a wallet's overage or take it to an invoice, as its entitlement's rule says."""
    body = {"customer": customer, "entitlement": entitlement}
    return write("/overage/reset", OverageReset, body, idempotency_key)


def entries(
    customer: str, *, entitlement: str | None = None, page_size: int = PAGE_SIZE
) -> Listing[Entry]:
    """Every movement of a customer's credit, wallet by wallet, newest first in each."""
    query = given({"customer": customer, "entitlement": entitlement})
    return Listing(path="/entries", query=query, page=Page[Entry], page_size=page_size)


def _path(customer: str, entitlement: str) -> str:
    return f"/balances/{in_path(customer, 'customer')}/{in_path(entitlement, 'entitlement')}"


def _instant(value: datetime | None, name: str) -> str | None:
    return None if value is None else time_text(value, name)
