"""Scalars on the wire to values of the core; each refuses with ``BadRequest(field, rule)``.

Every dialect reads amounts, instants, references, texts and metadata with these. Instants are
written with ``core.times.text_of``, amounts with ``core.amounts.render``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from typing import TypeVar

import msgspec

from drawdown.core import amounts, identity
from drawdown.core.amounts import Amount
from drawdown.core.times import INSTANT_MAX, instant_of
from drawdown.core.types import UNITS_MAX, Id, Instant, Reference
from drawdown.web.errors import BadRequest

NUMBER_RULE = (
    "a number without quotes, 0 or more, at most 19 digits before the point and 12 after it"
)
INSTANT_RULE = "an RFC 3339 time with a zone, from 1970 to 9999, such as 2026-01-31T12:00:00Z"
REFERENCE_MAX = 255
TEXT_MAX = 500
KEY_RULE = "1 to 255 printable characters"

_HOUR_MINUTE = r"(?:[01]\d|2[0-3]):[0-5]\d"
_INSTANT = re.compile(
    rf"(\d{{4}}-\d\d-\d\d)[Tt ]({_HOUR_MINUTE}:[0-5]\d)(?:\.(\d{{1,9}}))?([Zz]|[+-]{_HOUR_MINUTE})?",
    re.ASCII,
)
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]")
_CONTROL_IN_LINES = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff]")
_WHOLE = re.compile(r"-?\d{1,19}", re.ASCII)

Value = TypeVar("Value", bound=str | int | float | bool)


def amount(text: str, field: str = "amount") -> Amount:
    """An amount from a decimal string."""
    found = amounts.parse(text)
    if found is None:
        raise BadRequest(field, amounts.AMOUNT_RULE)
    return found


def amount_number(raw: msgspec.Raw, field: str = "amount") -> Amount:
    """An amount from the raw text of a JSON number, which never becomes a float."""
    text = bytes(raw).decode("utf-8", "replace").strip()
    found = amounts.parse_number(text) if len(text) <= 100 else None
    if found is None:
        raise BadRequest(field, NUMBER_RULE)
    return found


def instant(text: str, field: str, *, assume_utc: bool = False) -> Instant:
    """A time with its zone, to the microsecond; further digits are cut off.

    Without a zone it is refused, or read as UTC where ``assume_utc`` says that the dialect does so.
    """
    match = _INSTANT.fullmatch(text)
    if match is None or (match[4] is None and not assume_utc):
        raise BadRequest(field, INSTANT_RULE)
    zone = "+00:00" if match[4] is None or match[4] in "Zz" else match[4]
    fraction = (match[3] or "")[:6].ljust(6, "0")
    try:
        found = instant_of(datetime.fromisoformat(f"{match[1]}T{match[2]}.{fraction}{zone}"))
    except (ValueError, OverflowError):
        raise BadRequest(field, INSTANT_RULE) from None
    if not 0 <= found <= INSTANT_MAX:
        raise BadRequest(field, INSTANT_RULE)
    return found


def reference(value: str, field: str) -> Reference:
    """A generated id in any spelling, or an own id or code as it stands."""
    if not 1 <= len(value) <= REFERENCE_MAX or not value.isprintable():
        raise BadRequest(field, "an id: 1 to 255 printable characters")
    return identity.reference(value)


def generated(value: str) -> Id | None:
    """The id that ``value`` spells; None for what is no spelling, so that nothing has it."""
    return identity.parse(value)


def text(
    value: str, field: str, *, longest: int = TEXT_MAX, shortest: int = 1, lines: bool = False
) -> str:
    """Text within its bounds, without control characters; ``lines``: tabs and line ends too."""
    if not shortest <= len(value) <= longest:
        raise BadRequest(field, f"{shortest} to {longest} characters long")
    if not value.isprintable() and (_CONTROL_IN_LINES if lines else _CONTROL).search(value):
        raise BadRequest(field, "without control characters")
    return value


def key(value: str, field: str = "idempotency_key") -> str:
    if not 1 <= len(value) <= REFERENCE_MAX or not value.isprintable():
        raise BadRequest(field, KEY_RULE)
    return value


def metadata(
    values: Mapping[str, Value],
    field: str = "metadata",
    *,
    keys_max: int = 50,
    key_max: int = 40,
    value_max: int = 500,
) -> dict[str, Value]:
    """Metadata or attributes within their limits."""
    if len(values) > keys_max:
        raise BadRequest(field, f"at most {keys_max} keys")
    for name, value in values.items():
        if not 1 <= len(name) <= key_max or _CONTROL.search(name):
            raise BadRequest(
                field, f"keyed by 1 to {key_max} characters, none of them a control character"
            )
        if isinstance(value, str):
            text(value, f"{field}.{name}", longest=value_max, shortest=0, lines=True)
        elif isinstance(value, int) and abs(value) > UNITS_MAX:
            raise BadRequest(f"{field}.{name}", "a number within 64 bits")
    return dict(values)


def whole(value: str, field: str, least: int, most: int) -> int:
    """A whole number written as text, as forms and queries have it."""
    if _WHOLE.fullmatch(value) is None or not least <= int(value) <= most:
        raise BadRequest(field, f"a whole number from {least} to {most}")
    return int(value)
