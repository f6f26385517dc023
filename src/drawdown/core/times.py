"""Instants as text: RFC 3339 in UTC."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import lru_cache

from drawdown.core.types import Instant

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
#: The last instant that can be written: the end of the year 9999.
INSTANT_MAX = Instant(253_402_300_799_999_999)


@lru_cache(maxsize=16_384)
def text_of(instant: int) -> str:
    """``2026-01-31T12:00:00Z``, with microseconds only where there are any."""
    return moment_of(instant).replace(tzinfo=None).isoformat() + "Z"


def moment_of(instant: int) -> datetime:
    """The instant as a datetime in UTC."""
    return _EPOCH + timedelta(microseconds=instant)


def instant_of(moment: datetime) -> Instant:
    """The instant of a datetime, which must carry its zone."""
    return Instant((moment - _EPOCH) // timedelta(microseconds=1))
