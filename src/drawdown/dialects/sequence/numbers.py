"""Amounts as JSON numbers, to and from their raw text: no binary float comes near them."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

from drawdown.core import amounts
from drawdown.core.amounts import Amount
from drawdown.web import fields

Number = Annotated[
    msgspec.Raw,
    Meta(
        description="An exact decimal with at most 12 places, as a JSON number.",
        extra_json_schema={"type": "number", "minimum": 0, "examples": [1000, 0.25]},
    ),
]
_NULL = b"null"


def read(raw: msgspec.Raw, field: str) -> Amount:
    """The amount that a JSON number writes. Raises ``BadRequest`` for anything else."""
    return fields.amount_number(raw, field)


def read_optional(raw: msgspec.Raw | msgspec.UnsetType, field: str) -> Amount | None:
    """None when the field was left out or null."""
    if isinstance(raw, msgspec.UnsetType) or bytes(raw) == _NULL:
        return None
    return read(raw, field)


def write(units: int, scale: int) -> msgspec.Raw:
    """A JSON number without exponent and without trailing zeros."""
    return msgspec.Raw(amounts.render(units, scale).encode("ascii"))
