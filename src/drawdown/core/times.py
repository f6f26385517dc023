"""Instants as text: RFC 3339 in UTC."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import lru_cache

from drawdown.core.types import DAY, MICROSECONDS, Instant

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
#: The last instant that can be written: the end of the year 9999.
INSTANT_MAX = Instant(253_402_300_799_999_999)
_TWO_DIGITS = [f"{number:02}" for number in range(60)]
#: Every minute of a day: ``00:00`` to ``23:59``.
_TIMES = [f"{hour}:{minute}" for hour in _TWO_DIGITS[:24] for minute in _TWO_DIGITS]


@lru_cache(maxsize=16_384)
def text_of(instant: int) -> str:
    """``2026-01-31T12:00:00Z``, with microseconds only where there are any."""
    day, rest = divmod(instant, DAY)
    second, fraction = divmod(rest, MICROSECONDS)
    minute, second = divmod(second, 60)
    text = f"{_date_of(day)}T{_TIMES[minute]}:{_TWO_DIGITS[second]}"
    return f"{text}.{fraction:06}Z" if fraction else text + "Z"


@lru_cache(maxsize=4096)
def _date_of(day: int) -> str:
    return moment_of(day * DAY).date().isoformat()


def moment_of(instant: int) -> datetime:
    """The instant as a datetime in UTC."""
    return _EPOCH + timedelta(microseconds=instant)


def instant_of(moment: datetime) -> Instant:
    """The instant of a datetime, which must carry its zone."""
    return Instant((moment - _EPOCH) // timedelta(microseconds=1))
