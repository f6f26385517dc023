"""Cadences: when the n-th day, week, month or year after an anchor begins, in a time zone by name.

Every occurrence is counted from the anchor, never from the one before it, so that nothing drifts: 31
January, 28 February, 31 March. The rules, which this file states once:

- The anchor's *local* time moves by whole days, weeks, months or years. A day that the month does not
  have becomes the month's last.
- A local time that does not exist (clocks go forward) moves forward by the gap; one that exists twice
  (clocks go back) is the first. Occurrence 0 is the anchor itself, whichever of the two it is.
- Where a zone leaves out a whole day, as Samoa did with 30 December 2011, that day's occurrence falls on
  the instant of the next one. Both happen, in the order of their numbers: a cycle may have no length.

Zones come from the IANA database: the machine's own where there is one, else the package ``tzdata``. A
government may change a zone's rules after an instant was computed. What was written down stands.
"""

from __future__ import annotations

from calendar import monthrange
from collections.abc import Iterator
from datetime import MAXYEAR, MINYEAR, datetime, timedelta
from enum import StrEnum
from functools import lru_cache
from zoneinfo import ZoneInfo, available_timezones

import msgspec

from drawdown.core.errors import FieldInvalid
from drawdown.core.times import INSTANT_MAX, moment_of
from drawdown.core.types import DAY, MICROSECONDS, Instant

EVERY_MAX = 1_000
#: The first instant that an occurrence may have: the start of the year 1.
INSTANT_MIN = Instant(-62_135_596_800 * MICROSECONDS)
ZONE_RULE = "the name of a time zone of the IANA database, such as Europe/Berlin or UTC"

_EPOCH = datetime(1970, 1, 1)  # noqa: DTZ001 - local times carry no zone
_MONDAY = datetime(1970, 1, 5)  # noqa: DTZ001
_MICROSECOND = timedelta(microseconds=1)
#: In the database's folder, but a setting of the machine and a mark for "no zone set", not zones.
_NO_ZONES = frozenset({"localtime", "Factory"})
#: How long each unit is on average, in microseconds: 400 years have 146,097 days.
_MEAN = {"day": DAY, "week": 7 * DAY, "month": 146_097 * DAY // 4_800, "year": 146_097 * DAY // 400}


class CalendarUnit(StrEnum):
    """What a cadence counts in. A day is a calendar day, which need not have 24 hours."""

    DAY = "day"
    WEEK = "week"
    MONTH = "month"
    YEAR = "year"


class Every(msgspec.Struct, frozen=True):
    """``count`` units: every 3 months. At most ``EVERY_MAX``."""

    unit: CalendarUnit
    count: int = 1


class Cadence(msgspec.Struct, frozen=True):
    """Instants that recur: ``anchor``'s local time in ``zone``, and then every so often, both ways."""

    anchor: Instant
    zone: str
    every: Every


class Cycle(msgspec.Struct, frozen=True):
    """From occurrence ``number`` to the next, which is not part of it.

    ``ends_at`` None: the next occurrence is later than any instant that can be written.
    """

    number: int
    starts_at: Instant
    ends_at: Instant | None

    def remaining(self, at: Instant) -> tuple[int, int]:
        """What part of the cycle is still to come at ``at``, as an exact ratio of microseconds.

        From (0, 1), when it is over, to a whole. A cycle without an end stays whole.
        """
        if self.ends_at is None:
            return 1, 1
        length = self.ends_at - self.starts_at
        left = min(max(self.ends_at - at, 0), length)
        return (left, length) if left else (0, 1)


def prorated(amount: int, part: tuple[int, int]) -> int:
    """``amount`` times the ratio ``part``, truncated toward zero."""
    numerator, denominator = part
    share = abs(amount) * numerator // denominator
    return share if amount >= 0 else -share


@lru_cache(maxsize=1)
def zone_names() -> frozenset[str]:
    """Every zone that can be named, spelled exactly. Reads the database's folders once."""
    return frozenset(available_timezones()) - _NO_ZONES


@lru_cache(maxsize=1_024)
def zone_of(name: str, field: str = "zone") -> ZoneInfo:
    """The zone of that name; raises ``FieldInvalid``.

    Names are looked up in a list, not in a file system: nothing like ``../`` reaches one, and a
    spelling is right on every machine or on none.
    """
    if name in zone_names():
        return ZoneInfo(name)
    near = [zone for zone in zone_names() if zone.lower() == name.lower()]
    hint = f"; the spelling is {near[0]}" if near else ""
    raise FieldInvalid(field, ZONE_RULE + hint)


def check(cadence: Cadence) -> None:
    """Raises ``FieldInvalid`` for a cadence that cannot be: its zone, its count or its anchor."""
    zone_of(cadence.zone)
    if not 1 <= cadence.every.count <= EVERY_MAX:
        raise FieldInvalid("every.count", f"a whole number from 1 to {EVERY_MAX}")
    if not 0 <= cadence.anchor <= INSTANT_MAX or _local(cadence.anchor, cadence.zone) is None:
        raise FieldInvalid("anchor", "a time from 1970 to 9999, also on the clocks of its zone")


def occurrence(cadence: Cadence, number: int) -> Instant | None:
    """The instant of the occurrence ``number``; negative ones lie before the anchor.

    None when it lies outside the years 1 to 9999, on the clocks of the zone or in UTC.
    """
    if number == 0:
        return cadence.anchor
    local = _local(cadence.anchor, cadence.zone)
    moved = None if local is None else _moved(local, cadence.every, number)
    return None if moved is None else _instant(moved, zone_of(cadence.zone))


def cycle_at(cadence: Cadence, at: Instant) -> Cycle | None:
    """The cycle in which ``at`` lies: the last to start at or before it. None outside the years 1 to 9999.

    Of several that start at one instant it is the last, so that the cycle found has a length.
    """
    if not INSTANT_MIN <= at <= INSTANT_MAX:
        return None
    number = _estimate(cadence, at)
    while _later(cadence, number, at):
        number -= 1
    while not _later(cadence, number + 1, at):
        number += 1
    starts_at = occurrence(cadence, number)
    if starts_at is None:
        return None
    return Cycle(number, starts_at, occurrence(cadence, number + 1))


def first_at_or_after(cadence: Cadence, at: Instant) -> tuple[int, Instant] | None:
    """The number and instant of the first occurrence that is not before ``at``; None when there is none.

    Of several at one instant it is the first.
    """
    if not INSTANT_MIN <= at <= INSTANT_MAX:
        return None
    number = _estimate(cadence, at)
    while _later(cadence, number, Instant(at - 1)):
        number -= 1
    while not _later(cadence, number + 1, Instant(at - 1)):
        number += 1
    found = occurrence(cadence, number + 1)
    return None if found is None else (number + 1, found)


def occurrences(cadence: Cadence, first: int) -> Iterator[tuple[int, Instant]]:
    """Numbers and instants from occurrence ``first`` on, in order, to the end of the year 9999."""
    number = first
    while (found := occurrence(cadence, number)) is not None:
        yield number, found
        number += 1


@lru_cache(maxsize=1_024)
def calendar_cadence(unit: CalendarUnit, zone: str) -> Cadence:
    """The calendar's own days, weeks (from Monday), months or years in ``zone``, counted from 1970."""
    local = _MONDAY if unit is CalendarUnit.WEEK else _EPOCH
    anchor = _instant(local, zone_of(zone))
    assert anchor is not None
    return Cadence(anchor, zone, Every(unit))


def _later(cadence: Cadence, number: int, at: int) -> bool:
    """Whether the occurrence comes after ``at``. What cannot be written lies beyond every instant."""
    found = occurrence(cadence, number)
    return number > 0 if found is None else found > at


def _estimate(cadence: Cadence, at: Instant) -> int:
    """About the number of the cycle at ``at``, as if all were of mean length: a cycle or two off."""
    return (at - cadence.anchor) // (_MEAN[cadence.every.unit] * cadence.every.count)


@lru_cache(maxsize=8_192)
def _local(anchor: Instant, zone: str) -> datetime | None:
    """What the zone's clocks show at ``anchor``; None outside the years 1 to 9999."""
    try:
        return moment_of(anchor).astimezone(zone_of(zone)).replace(tzinfo=None, fold=0)
    except OverflowError:
        return None


def _moved(local: datetime, every: Every, number: int) -> datetime | None:
    """``local`` after ``number`` steps of the calendar; None outside the years 1 to 9999."""
    steps = every.count * number
    if every.unit is CalendarUnit.MONTH or every.unit is CalendarUnit.YEAR:
        return _months_later(local, steps * (12 if every.unit is CalendarUnit.YEAR else 1))
    try:
        return local + timedelta(days=steps * (7 if every.unit is CalendarUnit.WEEK else 1))
    except OverflowError:
        return None


def _months_later(local: datetime, months: int) -> datetime | None:
    year, month = divmod(local.year * 12 + local.month - 1 + months, 12)
    if not MINYEAR <= year <= MAXYEAR:
        return None
    day = min(local.day, monthrange(year, month + 1)[1])
    return local.replace(year=year, month=month + 1, day=day)


def _instant(local: datetime, zone: ZoneInfo) -> Instant | None:
    """When the zone's clocks first show ``local``, or would but for a gap (PEP 495, fold 0).

    With the offset from before the gap, a time inside it comes out later by the length of the gap.
    """
    offset = local.replace(tzinfo=zone).utcoffset()
    assert offset is not None
    instant = (local - _EPOCH - offset) // _MICROSECOND
    return Instant(instant) if INSTANT_MIN <= instant <= INSTANT_MAX else None
