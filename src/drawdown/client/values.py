"""What callers give, as what goes over the wire."""

from __future__ import annotations

import uuid
from datetime import datetime, timedelta
from decimal import Decimal
from urllib.parse import quote

#: What is taken for an amount. A float is not: 0.1 as a float is another number.
Amount = Decimal | int | str


def amount_text(value: Amount, name: str = "amount") -> str:
    """Digits with a point. Raises ``TypeError`` for a float, ``ValueError`` for no number."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool) or not isinstance(value, Decimal | int):
        raise TypeError(
            f"{name} is a {type(value).__name__}: give a Decimal, an int or a str, "
            'such as Decimal("0.1"), since a float is not exact'
        )
    if isinstance(value, Decimal) and not value.is_finite():
        raise ValueError(f"{name} is {value}: give a finite number")
    return f"{value:f}" if isinstance(value, Decimal) else f"{value:d}"


def basis_of(amount: Amount, currency: str) -> dict[str, str]:
    return {"amount": amount_text(amount, "cost_basis"), "currency": currency}


def time_text(value: datetime, name: str) -> str:
    """RFC 3339. Raises ``TypeError`` for what is no datetime, ``ValueError`` without a zone."""
    if not isinstance(value, datetime):
        raise TypeError(f"{name} is a {type(value).__name__}: give a datetime with a zone")
    if value.tzinfo is None or value.utcoffset() is None:
        raise ValueError(f"{name} has no zone: give one, such as datetime.now(timezone.utc)")
    return value.isoformat()


def whole_seconds(value: timedelta | int, name: str = "expires_in") -> int:
    """Raises ``TypeError`` for a float, ``ValueError`` for parts of a second."""
    if isinstance(value, timedelta):
        seconds, rest = divmod(value, timedelta(seconds=1))
        if rest:
            raise ValueError(f"{name} is {value}: give whole seconds")
        return seconds
    if isinstance(value, bool) or not isinstance(value, int):
        raise TypeError(
            f"{name} is a {type(value).__name__}: give a timedelta, or whole seconds as an int"
        )
    return value


def in_path(reference: str, name: str) -> str:
    """A name of a thing as one segment of a path. Raises for what names nothing."""
    if not isinstance(reference, str):
        raise TypeError(f"{name} is a {type(reference).__name__}: give its id, a str")
    if not reference:
        raise ValueError(f"{name} is empty: give its id")
    if reference in {".", ".."}:  # would be taken for steps within the path
        return reference.replace(".", "%2E")
    return quote(reference, safe="")


def key_or_new(idempotency_key: str | None) -> str:
    """The caller's key, or one that nobody else has."""
    return str(uuid.uuid4()) if idempotency_key is None else idempotency_key
