"""What a usage event says of itself: named strings, exact numbers and truths.

A number is exact from the wire on: whole numbers as they are, others by ``exact``, which a JSON decoder is
given for their text. Null is the same as leaving the property out. Lists and objects are refused.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import msgspec

from drawdown.core import amounts
from drawdown.core.amounts import Amount
from drawdown.core.errors import FieldInvalid
from drawdown.core.usage import quantities
from drawdown.core.usage.quantities import QUANTITY_RULE, Quantity

#: A value of a property. Here an amount may be negative.
Scalar = str | bool | Amount
Properties = dict[str, Scalar]
#: The text of each property that a state or price is kept by; None where the event has none.
Group = tuple[str | None, ...]

PROPERTIES_MAX = 50
NAME_MAX = 100
TEXT_MAX = 500
NAME_RULE = f"1 to {NAME_MAX} printable characters"
SCALAR_RULE = f"a string of at most {TEXT_MAX} characters, {QUANTITY_RULE}, true or false"


def exact(raw: str) -> object:
    """The amount that a JSON number's text writes, for ``float_hook``; else what ``scalar_of`` refuses."""
    found = quantities.parse_number(raw)
    return ... if found is None else amounts.normalised(found, quantities.PLACES)


def properties_of(document: Mapping[str, object], field: str = "properties") -> Properties:
    """An event's properties from decoded JSON. Raises ``FieldInvalid``, naming the property."""
    if len(document) > PROPERTIES_MAX:
        raise FieldInvalid(field, f"at most {PROPERTIES_MAX} properties")
    found: Properties = {}
    for name, value in document.items():
        if not is_name(name):
            raise FieldInvalid(field, f"keyed by {NAME_RULE}")
        if value is not None:
            found[name] = scalar_of(value, f"{field}.{name}")
    return found


def kept_properties(document: Mapping[str, object]) -> Properties:
    """An event's properties as they are kept: they were looked at when it was taken."""
    return {
        name: value if isinstance(value, str) else scalar_of(value, name)
        for name, value in document.items()
        if value is not None
    }


def document_of(properties: Properties) -> dict[str, object]:
    """The properties as a document for JSON: what was a number is one, digit by digit."""
    return {
        name: msgspec.Raw(str(value).encode()) if isinstance(value, Amount) else value
        for name, value in properties.items()
    }


def is_name(name: object) -> bool:
    """Whether this can be the name of a property."""
    return isinstance(name, str) and 1 <= len(name) <= NAME_MAX and name.isprintable()


def scalar_of(value: object, field: str) -> Scalar:
    """A string, truth or exact number, within its bounds. Raises ``FieldInvalid`` for all else."""
    if isinstance(value, bool):
        return value
    if isinstance(value, str) and len(value) <= TEXT_MAX:
        return value
    if isinstance(value, int) and quantities.within_bounds(value * quantities.ONE):
        return Amount(value)
    if isinstance(value, Amount) and _fits(value):
        return amounts.normalised(value.digits, value.places)
    raise FieldInvalid(field, SCALAR_RULE)


def number_in(value: Scalar | None) -> Quantity | None:
    """The quantity in a property: a number, or a string that writes one in plain decimals."""
    if isinstance(value, Amount):
        return quantities.of_amount(value)
    return quantities.parse(value) if isinstance(value, str) else None


def text_of(value: Scalar) -> str:
    """The value as text, by which usage is grouped: 5, 5.0 and "5" are one."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


def group_of(names: Iterable[str], properties: Properties) -> Group:
    """The texts of the properties ``names``, in their order."""
    return tuple(
        None if (value := properties.get(name)) is None else text_of(value) for name in names
    )


def _fits(amount: Amount) -> bool:
    if not 0 <= amount.places <= quantities.PLACES:
        return False
    return quantities.within_bounds(quantities.of_amount(amount))
