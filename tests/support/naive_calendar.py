"""A naive calendar that is obviously right: it walks day by day, and reads a zone's clocks minute by minute.

It knows no formula for months or leap days, and asks a zone only what its clocks show at an instant, never
the other way round. It shares no code with the core.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

MINUTE = timedelta(minutes=1)
AROUND = timedelta(hours=27)
LENGTHS = (31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)

Day = tuple[int, int, int]


def occurrence(anchor: datetime, zone: str, unit: str, count: int, number: int) -> datetime:
    """In UTC. ``anchor`` is a moment in UTC, too."""
    if number == 0:
        return anchor
    local = anchor.astimezone(ZoneInfo(zone)).replace(tzinfo=None, fold=0)
    start = (local.year, local.month, local.day)
    year, month, day = _day(start, unit, count * number)
    return first_shown(local.replace(year=year, month=month, day=day), ZoneInfo(zone))


def _day(start: Day, unit: str, steps: int) -> Day:
    """The day ``steps`` units from ``start``."""
    walk = _forward(start) if steps >= 0 else _backward(start)
    if unit in ("day", "week"):
        days = abs(steps) * (7 if unit == "week" else 1)
        return next(day for count, day in enumerate(walk) if count == days)
    months = abs(steps) * (12 if unit == "year" else 1)
    return _in_month(start, walk, months)


def _in_month(start: Day, walk: Iterator[Day], months: int) -> Day:
    """In the month that many months away: the day of the same number, else the last one."""
    passed, month, found = 0, start[1], []
    for day in walk:
        if day[1] != month:
            passed, month = passed + 1, day[1]
        if passed > months:
            break
        if passed == months:
            found.append(day)
    if months == 0:
        return start
    same = [day for day in found if day[2] == start[2]]
    return same[0] if same else max(found)


def _forward(start: Day) -> Iterator[Day]:
    year, month, day = start
    while True:
        yield year, month, day
        day += 1
        if day > _length(year, month):
            month, day = month + 1, 1
        if month > 12:
            year, month = year + 1, 1


def _backward(start: Day) -> Iterator[Day]:
    year, month, day = start
    while True:
        yield year, month, day
        day -= 1
        if day == 0:
            month -= 1
            if month == 0:
                year, month = year - 1, 12
            day = _length(year, month)


def _length(year: int, month: int) -> int:
    leap = year % 400 == 0 or (year % 4 == 0 and year % 100 != 0)
    return 29 if month == 2 and leap else LENGTHS[month - 1]


def first_shown(local: datetime, zone: ZoneInfo) -> datetime:
    """The first moment at which the clocks show ``local``; where they skip it, as much later as they skip."""
    if zone.key == "UTC":
        return local.replace(tzinfo=UTC)
    start = local.replace(tzinfo=UTC) - AROUND
    moment, end = start, start + 2 * AROUND
    while moment < end:
        if shown(moment, zone) == local:
            return moment
        moment += MINUTE
    return first_shown(local + _skipped(local, zone), zone)


def _skipped(local: datetime, zone: ZoneInfo) -> timedelta:
    """How far the clocks jump where they jump over ``local``."""
    moment = local.replace(tzinfo=UTC) - AROUND
    for _ in range(2 * AROUND // MINUTE):
        here, there = shown(moment, zone), shown(moment + MINUTE, zone)
        if here < local < there:
            return there - here - MINUTE
        moment += MINUTE
    raise ValueError(f"the clocks of {zone} are not whole minutes from UTC around {local}")


def shown(moment: datetime, zone: ZoneInfo) -> datetime:
    """What the clocks of ``zone`` show at ``moment``."""
    return moment.astimezone(zone).replace(tzinfo=None, fold=0)
