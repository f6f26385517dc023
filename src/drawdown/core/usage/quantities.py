"""Quantities of usage: exact decimals, kept as whole steps of 10**-12. Never a binary float.

One event's quantity and every total are within 19 digits before the point. They may be negative: usage is
taken back by usage, where a meter sums.
"""

from __future__ import annotations

from typing import NewType

from drawdown.core import amounts
from drawdown.core.amounts import Amount

#: A quantity in steps of 10**-12: 1.5 is 1_500_000_000_000.
Quantity = NewType("Quantity", int)

PLACES = 12
ONE = Quantity(10**PLACES)
QUANTITY_MAX = Quantity(10 ** (19 + PLACES) - 1)
#: Whole numbers of so many digits are certainly within it.
_SHORT = 15
#: What a quantity may be, in words, for error messages.
QUANTITY_RULE = "a decimal with at most 19 digits before the point and 12 after it"


def of_amount(amount: Amount) -> Quantity:
    return Quantity(amount.digits * 10 ** (PLACES - amount.places))


def parse(text: str) -> Quantity | None:
    """The quantity a plain decimal writes, with or without a minus; None when it breaks the rule."""
    if len(text) <= _SHORT and text.isascii() and text.isdecimal():  # most are, and this is faster
        return Quantity(int(text) * ONE)
    amount = amounts.parse(text.removeprefix("-"))
    return None if amount is None else _signed(amount, text)


def parse_number(raw: str) -> Quantity | None:
    """The quantity a JSON number's raw text writes, with a bounded exponent; None outside the rule."""
    amount = amounts.parse_number(raw.removeprefix("-"))
    return None if amount is None else _signed(amount, raw)


def render(quantity: Quantity) -> str:
    """The plain decimal: no exponent, no trailing zeros."""
    return amounts.render(quantity, PLACES)


def within_bounds(quantity: int) -> bool:
    return -QUANTITY_MAX <= quantity <= QUANTITY_MAX


def _signed(amount: Amount, text: str) -> Quantity:
    quantity = of_amount(amount)
    return Quantity(-quantity) if text.startswith("-") else quantity
