"""Calendar days to instants and back, in a zone. Sequence names none: it is the account's, UTC unless set.

The first and the last day of a grant are both included, so the last one ends where the next begins. Where
that is, ``core.schedules.calendar`` says: at the first instant at which the clocks show the day, though
midnight be skipped or come twice. So each instant lies in one day, and a day has the hours that it has. A
day that the zone leaves out begins and ends where the next one begins.

Of the first and the last day that can be written, 1970-01-01 and 9999-12-31, some hours may lie outside
the instants there are: those begin and end with them.
"""

from __future__ import annotations

import re
from datetime import date
from functools import lru_cache

import msgspec

from drawdown.core.schedules import calendar
from drawdown.core.schedules.calendar import CalendarUnit
from drawdown.core.times import INSTANT_MAX
from drawdown.core.types import DAY, Instant
from drawdown.web.errors import BadRequest

DATE_RULE = "a calendar date from 1970-01-01 to 9999-12-31, such as 2026-01-31"
_DATE = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)
_EPOCH = date(1970, 1, 1).toordinal()
_LAST = date.max.toordinal() - _EPOCH


class Days(msgspec.Struct, frozen=True):
    """Those of a zone, by its name in the IANA database."""

    zone: str

    def first_instant(self, text: str, field: str) -> Instant:
        """Where the day begins. Raises ``BadRequest`` for what is no day."""
        return Instant(max(_start(self.zone, _number(text, field)), 0))

    def end(self, text: str, field: str) -> Instant:
        """The first instant after the day. Raises ``BadRequest`` for what is no day."""
        return _start(self.zone, _number(text, field) + 1)

    def day_of(self, instant: Instant) -> str:
        """The day that an instant lies in."""
        return date.fromordinal(_EPOCH + self._number_of(instant)).isoformat()

    def last_day(self, expires_at: Instant) -> str:
        """The last day on which something that expires at ``expires_at`` exists."""
        return self.day_of(Instant(expires_at - 1))

    def start_of_day(self, instant: Instant) -> Instant:
        return Instant(max(_start(self.zone, self._number_of(instant)), 0))

    def _number_of(self, instant: Instant) -> int:
        """The last day to begin by then: no zone is a whole day away from UTC."""
        number = min(instant // DAY + 1, _LAST)
        while _start(self.zone, number) > instant:
            number -= 1
        return number


UTC = Days("UTC")


@lru_cache(maxsize=8_192)
def _start(zone: str, number: int) -> Instant:
    """Of the day that is so many days after 1970-01-01."""
    found = calendar.occurrence(calendar.calendar_cadence(CalendarUnit.DAY, zone), number)
    return INSTANT_MAX if found is None else found


def _number(text: str, field: str) -> int:
    """Days since 1970-01-01."""
    if _DATE.fullmatch(text) is None:
        raise BadRequest(field, DATE_RULE)
    try:
        number = date.fromisoformat(text).toordinal() - _EPOCH
    except ValueError:
        raise BadRequest(field, DATE_RULE) from None
    if number < 0:
        raise BadRequest(field, DATE_RULE)
    return number
