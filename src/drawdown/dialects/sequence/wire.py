"""What Sequence's requests and answers look like, field by field, in the vendor's names.

Version 2024-07-30. What has no value is left out of an answer, never null; in a request null means
left out.
"""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

_CODES = (
    "ARS AUD BGN BRL CAD CHF CLP CNY COP CZK DKK EGP EUR GBP HKD ILS INR ISK JPY KRW MXN NOK NZD "
    "PLN SEK SGD THB USD UYU ZAR"
)
#: The currencies that the vendor takes credits in: a closed list.
CURRENCIES = tuple(_CODES.split())
CurrencyCode = Annotated[str, Meta(extra_json_schema={"enum": list(CURRENCIES)})]

DateText = Annotated[
    str,
    Meta(
        description="A day in the zone of the account: UTC unless it was set.",
        extra_json_schema={"format": "date", "examples": ["2026-01-31"]},
    ),
]
TimeText = Annotated[str, Meta(extra_json_schema={"format": "date-time"})]
UuidText = Annotated[str, Meta(extra_json_schema={"format": "uuid"})]
DecimalText = Annotated[
    str, Meta(description="An exact decimal.", extra_json_schema={"examples": ["1000", "0.25"]})
]
CountryCode = Annotated[
    str,
    Meta(
        description="ISO 3166-1 alpha-2.",
        extra_json_schema={"pattern": "^[A-Z]{2}$", "examples": ["GB"]},
    ),
]


class Request(msgspec.Struct, rename="camel", kw_only=True, forbid_unknown_fields=True):
    """A body, or an object in one; unknown fields are refused."""


class Shown(msgspec.Struct, rename="camel", kw_only=True, omit_defaults=True):
    """An answer, or an object in one; only what has a default may be left out."""


class IntegrationShown(Shown):
    service: str
    id: str
    is_pending: bool


class Pagination(Shown):
    """Cursors of the pages before and after; left out where there is none."""

    after: str | None = None
    before: str | None = None


class ErrorDetail(Shown):
    type: str
    message: str


class Error(Shown):
    error: ErrorDetail
