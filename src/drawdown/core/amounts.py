"""Amounts: exact decimals on the wire, whole units inside. Never a binary float.

On the wire an amount is ``\\d{1,19}(\\.\\d{1,12})?``. Inside it is a whole number of units at the
entitlement's scale, at most 2**63 - 1. An amount finer than the scale is refused, never rounded.
"""

from __future__ import annotations

import re

import msgspec

from drawdown.core.errors import AmountTooFine, AmountTooLarge
from drawdown.core.types import UNITS_MAX, Units

SCALE_MAX = 10
EXPONENT_MAX = 30
AMOUNT = re.compile(r"(\d{1,19})(?:\.(\d{1,12}))?", re.ASCII)
NUMBER = re.compile(r"(-?)(\d{1,40})(?:\.(\d{1,40}))?(?:[eE]([+-]?\d{1,3}))?", re.ASCII)
#: The rule of ``AMOUNT`` in words, for error messages.
AMOUNT_RULE = (
    "a plain decimal with at most 19 digits before the point and 12 after it, no sign, no exponent"
)


class Amount(msgspec.Struct, frozen=True, gc=False):
    """``digits`` / 10**``places``, exactly, in lowest terms (no trailing zero after the point)."""

    digits: int
    places: int = 0

    def __str__(self) -> str:
        return render(self.digits, self.places)


def normalised(digits: int, places: int) -> Amount:
    while places > 0 and digits % 10 == 0:
        digits, places = digits // 10, places - 1
    return Amount(digits, places)


def parse(text: str) -> Amount | None:
    """The amount that ``text`` writes, or None when it breaks ``AMOUNT_RULE``."""
    match = AMOUNT.fullmatch(text)
    if match is None:
        return None
    fraction = match[2] or ""
    return normalised(int(match[1] + fraction), len(fraction))


def parse_number(raw: str) -> Amount | None:
    """The amount a JSON number's raw text writes; an exponent of at most ±30 is allowed.

    None when negative, or when what it writes out to breaks ``AMOUNT_RULE``.
    """
    match = NUMBER.fullmatch(raw)
    if match is None or match[1]:
        return None
    fraction, exponent = match[3] or "", int(match[4] or 0)
    if abs(exponent) > EXPONENT_MAX:
        return None
    digits, places = int(match[2] + fraction), len(fraction) - exponent
    if places < 0:
        digits, places = digits * 10**-places, 0
    amount = normalised(digits, places)
    return amount if AMOUNT.fullmatch(str(amount)) else None


def to_units(amount: Amount, scale: int, field: str = "amount") -> Units:
    """Whole units at ``scale``. Raises ``AmountTooFine`` or ``AmountTooLarge``."""
    if amount.places > scale:
        raise AmountTooFine(field=field, amount=str(amount), scale=scale)
    units = amount.digits * 10 ** (scale - amount.places)
    if units > UNITS_MAX:
        raise AmountTooLarge(field=field, maximum=render(UNITS_MAX, scale))
    return Units(units)


def render(units: int, scale: int) -> str:
    """The plain decimal: no exponent, no trailing zeros, ``0`` for zero."""
    if scale == 0:
        return str(units)
    if units < 0:
        return "-" + render(-units, scale)
    whole, fraction = divmod(units, 10**scale)
    if fraction == 0:
        return str(whole)
    return f"{whole}.{str(fraction).zfill(scale).rstrip('0')}"
