"""Texts, numbers and maps as they go over the wire at ``/api/v1``, and their limits.

Amounts are decimal strings, times RFC 3339 with a zone.
"""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from drawdown.core.identity import OWN_ID, OWN_ID_RULE
from drawdown.core.types import HOLD_MAX, MICROSECONDS

PAGE_MAX = 100
PAGE_DEFAULT = 20
BATCH_MAX = 1000
SEGMENTS_MAX = 1000
SEGMENTS_DEFAULT = 100
SCOPE_MAX = 20
SCOPE_VALUES_MAX = 100
SCOPE_TEXT_MAX = 255
REASON_MAX = 500

AmountText = Annotated[
    str,
    Meta(
        description="An exact decimal: digits, and after a point at most as many as the scale has.",
        extra_json_schema={"pattern": r"^\d{1,19}(\.\d{1,12})?$", "examples": ["12.5"]},
    ),
]
TimeText = Annotated[
    str,
    Meta(
        description="RFC 3339 with a zone.",
        extra_json_schema={"format": "date-time", "examples": ["2026-01-31T12:00:00Z"]},
    ),
]
KeyText = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=255,
        description="Asking again with the same key and body gets the first answer again.",
    ),
]
OwnIdText = Annotated[
    str,
    Meta(
        max_length=64,
        description=f"Your own: {OWN_ID_RULE}.",
        extra_json_schema={"pattern": f"^{OWN_ID.pattern}$", "examples": ["user_42"]},
    ),
]
NameText = Annotated[str, Meta(min_length=1, max_length=255)]
EmailText = Annotated[str, Meta(min_length=1, max_length=320)]
ReferenceText = Annotated[str, Meta(min_length=1, max_length=255)]
Attributes = Annotated[dict[str, str], Meta(max_length=50)]
MetadataMap = Annotated[dict[str, str | int | float | bool], Meta(max_length=50)]
AmendedMetadata = Annotated[dict[str, str | int | float | bool | None], Meta(max_length=50)]
ScopeText = Annotated[str, Meta(extra_json_schema={"minLength": 1, "maxLength": SCOPE_TEXT_MAX})]
ScopeValues = Annotated[
    list[ScopeText], Meta(extra_json_schema={"minItems": 1, "maxItems": SCOPE_VALUES_MAX})
]
#: The lengths inside are checked by the handler, which can name the attribute.
ScopeMap = Annotated[
    dict[str, ScopeValues],
    Meta(
        max_length=SCOPE_MAX,
        description="Which debits a grant may pay for: every attribute named, with any of its values.",
        extra_json_schema={"examples": [{"model": ["gpt-4o", "o3"]}]},
    ),
]
Seconds = Annotated[
    int,
    Meta(ge=1, le=HOLD_MAX // MICROSECONDS, description="Whole seconds, counted from now."),
]
Limit = Annotated[int, Meta(ge=1, le=PAGE_MAX)]
SegmentLimit = Annotated[int, Meta(ge=1, le=SEGMENTS_MAX)]
AtText = Annotated[
    str,
    Meta(
        description="An instant in the past, or at most 10 years ahead: RFC 3339 with a zone.",
        extra_json_schema={"format": "date-time", "examples": ["2026-01-31T12:00:00Z"]},
    ),
]
