"""Calendar days to instants and back. Sequence names no zone; days here are days in UTC.

The first and the last day of a grant are both included, so the last one ends where the next begins.
The last day that can be written, 9999-12-31, ends a microsecond early: no later instant exists.
"""

from __future__ import annotations

import re
from datetime import date

from drawdown.core.times import INSTANT_MAX
from drawdown.core.types import DAY, Instant
from drawdown.web.errors import BadRequest

DATE_RULE = "a calendar date from 1970-01-01 to 9999-12-31, such as 2026-01-31"
_DATE = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)
_EPOCH = date(1970, 1, 1).toordinal()


def first_instant(text: str, field: str) -> Instant:
    """Where the day begins. Raises ``BadRequest`` for what is no day."""
    return Instant(_day(text, field) * DAY)


def end(text: str, field: str) -> Instant:
    """The first instant after the day. Raises ``BadRequest`` for what is no day."""
    return Instant(min((_day(text, field) + 1) * DAY, INSTANT_MAX))


def day_of(instant: Instant) -> str:
    """The day that an instant lies in."""
    return date.fromordinal(_EPOCH + instant // DAY).isoformat()


def last_day(expires_at: Instant) -> str:
    """The last day on which something that expires at ``expires_at`` exists."""
    return day_of(Instant(expires_at - 1))


def start_of_day(instant: Instant) -> Instant:
    return Instant(instant - instant % DAY)


def _day(text: str, field: str) -> int:
    """Days since 1970-01-01."""
    if _DATE.fullmatch(text) is None:
        raise BadRequest(field, DATE_RULE)
    try:
        day = date.fromisoformat(text).toordinal() - _EPOCH
    except ValueError:
        raise BadRequest(field, DATE_RULE) from None
    if day < 0:
        raise BadRequest(field, DATE_RULE)
    return day
