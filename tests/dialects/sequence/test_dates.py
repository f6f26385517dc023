"""Days to instants and back, as pure functions."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from drawdown.core.schedules import calendar
from drawdown.core.times import INSTANT_MAX, instant_of, moment_of, text_of
from drawdown.core.types import DAY, MICROSECONDS, Instant
from drawdown.dialects.sequence import dates
from drawdown.dialects.sequence.dates import Days
from drawdown.web.errors import BadRequest

HOUR = 3_600 * MICROSECONDS
NAMES = sorted(calendar.zone_names())
DATES = st.dates(date(1970, 1, 1), date(9999, 12, 31)).map(date.isoformat)
INSTANTS = st.integers(0, INSTANT_MAX).map(Instant)
ZONES = st.sampled_from(NAMES)
#: Days that the clocks of a zone never showed: it changed sides of the date line.
LEFT_OUT = {
    "1993-08-21": {"Kwajalein", "Pacific/Kwajalein"},
    "1994-12-31": {"Pacific/Enderbury", "Pacific/Kanton", "Pacific/Kiritimati"},
    "2011-12-30": {"Pacific/Apia", "Pacific/Fakaofo"},
}


def at(text: str) -> Instant:
    return instant_of(datetime.fromisoformat(text).replace(tzinfo=UTC))


def shown(zone: str, instant: Instant) -> str:
    """The date on the clocks of a zone."""
    return moment_of(instant).astimezone(ZoneInfo(zone)).date().isoformat()


def check_day(zone: str, day: str) -> None:
    """It comes back from both of its ends, and begins when the clocks show it for the first time."""
    days = Days(zone)
    first, end = days.first_instant(day, "x"), days.end(day, "x")
    assert (days.day_of(first), days.last_day(end)) == (day, day)
    assert days.start_of_day(first) == days.start_of_day(Instant(end - 1)) == first < end
    assert shown(zone, first) == day
    if first > 0:
        assert shown(zone, Instant(first - 1)) < day


@given(ZONES, st.dates(date(1990, 1, 1), date(2100, 12, 31)).map(date.isoformat))
@example("America/Santiago", "2026-09-06")
@example("America/Havana", "2026-11-01")
def test_a_day_of_any_zone_comes_back_from_both_of_its_ends(zone: str, day: str) -> None:
    if zone not in LEFT_OUT.get(day, ()):
        check_day(zone, day)


@pytest.mark.parametrize("region", sorted({name.split("/")[0] for name in NAMES}))
def test_the_days_on_which_clocks_change_come_back_in_every_zone(region: str) -> None:
    """And the days before and after: of all the changes from 1990 to 2040."""
    for zone in [name for name in NAMES if name.split("/")[0] == region]:
        for change in changes(zone):
            for offset in (-DAY, 0, DAY):
                day = shown(zone, Instant(change + offset))
                if zone not in LEFT_OUT.get(day, ()):
                    check_day(zone, day)


@pytest.mark.parametrize("zone", ["Africa/Cairo", "America/St_Johns", "Australia/Lord_Howe"])
def test_every_day_of_fifty_years_comes_back(zone: str) -> None:
    """And none lies between two: each begins where the one before it ends."""
    days = Days(zone)
    every = [date(1990, 1, 1) + timedelta(days=each) for each in range(50 * 365)]
    ends = days.first_instant("1990-01-01", "x")
    for day in map(date.isoformat, every):
        check_day(zone, day)
        assert days.first_instant(day, "x") == ends
        ends = days.end(day, "x")


def changes(zone: str) -> Iterator[Instant]:
    """The first hours with another distance from UTC than the hour before, found month by month."""
    place = ZoneInfo(zone)

    def offset(hour: int) -> timedelta | None:
        return moment_of(Instant(hour * HOUR)).astimezone(place).utcoffset()

    first, last = (at(f"{year}-01-01") // HOUR for year in (1990, 2040))
    for hour in range(first, last, 720):
        before = offset(hour)
        if offset(hour + 720) != before:
            hours = range(hour, hour + 720)
            found = bisect_left(hours, True, key=lambda each: offset(each) != before)
            yield Instant((hour + found) * HOUR)


@given(ZONES, INSTANTS)
@example("Asia/Tokyo", INSTANT_MAX)
@example("Asia/Tokyo", Instant(0))
@example("America/Los_Angeles", INSTANT_MAX)
def test_every_instant_lies_between_the_ends_of_its_day(zone: str, instant: Instant) -> None:
    """And an expiry is shown as the last day on which something could still be used."""
    days = Days(zone)
    day = days.day_of(instant)
    if day < "1970-01-01":  # which west of Greenwich has begun before the first instant
        assert (instant < DAY, days.start_of_day(instant)) == (True, 0)
        return
    assert days.first_instant(day, "x") == days.start_of_day(instant) <= instant
    assert instant < days.end(day, "x") or instant == INSTANT_MAX
    if instant > 0:
        assert days.last_day(instant) == days.day_of(Instant(instant - 1))


@given(DATES)
@example("1970-01-01")
@example("2024-02-29")
@example("9999-12-31")
def test_days_in_utc_begin_at_midnight_and_have_24_hours(day: str) -> None:
    first, end = dates.UTC.first_instant(day, "x"), dates.UTC.end(day, "x")
    assert text_of(first) == f"{day}T00:00:00Z"
    assert end - first == DAY or day == "9999-12-31"
    check_day("UTC", day)


@pytest.mark.parametrize(
    ("zone", "day", "first", "end"),
    [
        ("Europe/Berlin", "2026-01-31", "2026-01-30T23:00", "2026-01-31T23:00"),
        ("Europe/Berlin", "2026-03-29", "2026-03-28T23:00", "2026-03-29T22:00"),  # 23 hours
        ("Europe/Berlin", "2026-10-25", "2026-10-24T22:00", "2026-10-25T23:00"),  # 25 hours
        ("America/New_York", "2026-03-08", "2026-03-08T05:00", "2026-03-09T04:00"),
        ("America/New_York", "2026-11-01", "2026-11-01T04:00", "2026-11-02T05:00"),
        ("Asia/Kathmandu", "2026-01-31", "2026-01-30T18:15", "2026-01-31T18:15"),  # 5:45 ahead
        ("Australia/Lord_Howe", "2026-10-04", "2026-10-03T13:30", "2026-10-04T13:00"),  # 23.5
        ("Australia/Lord_Howe", "2026-04-05", "2026-04-04T13:00", "2026-04-05T13:30"),  # 24.5
        ("America/Santiago", "2026-09-06", "2026-09-06T04:00", "2026-09-07T03:00"),  # from 01:00
        ("America/Santiago", "2026-04-04", "2026-04-04T03:00", "2026-04-05T04:00"),  # 23:30 twice
        ("Africa/Cairo", "2026-04-24", "2026-04-23T22:00", "2026-04-24T21:00"),  # from 01:00
        ("Asia/Beirut", "2021-03-28", "2021-03-27T22:00", "2021-03-28T21:00"),  # from 01:00
        ("America/Havana", "2026-11-01", "2026-11-01T04:00", "2026-11-02T05:00"),  # 00:30 twice
        ("America/St_Johns", "2010-11-06", "2010-11-06T02:30", "2010-11-07T02:30"),
        ("America/St_Johns", "2010-11-07", "2010-11-07T02:30", "2010-11-08T03:30"),
        ("Pacific/Apia", "2011-12-29", "2011-12-29T10:00", "2011-12-30T10:00"),
        ("Pacific/Apia", "2011-12-31", "2011-12-30T10:00", "2011-12-31T10:00"),
        ("Pacific/Kiritimati", "2026-01-31", "2026-01-30T10:00", "2026-01-31T10:00"),  # 14 ahead
    ],
)
def test_a_day_has_the_hours_that_the_clocks_of_its_zone_give_it(
    zone: str, day: str, first: str, end: str
) -> None:
    days = Days(zone)
    assert (days.first_instant(day, "x"), days.end(day, "x")) == (at(first), at(end))
    check_day(zone, day)


def test_where_midnight_comes_twice_the_day_has_begun_with_the_first() -> None:
    """Newfoundland's clocks went from 00:01 back to 23:01 of the day before, until 2011."""
    days = Days("America/St_Johns")
    again = at("2010-11-07T03:00")
    assert shown("America/St_Johns", again) == "2010-11-06"
    assert days.day_of(again) == "2010-11-07"


def test_a_day_that_the_zone_left_out_begins_and_ends_with_the_next() -> None:
    for day, zones in LEFT_OUT.items():
        for zone in zones:
            days = Days(zone)
            first = days.first_instant(day, "x")
            assert days.end(day, "x") == first
            assert days.last_day(first) < day < days.day_of(first)


@pytest.mark.parametrize(
    ("zone", "day", "first", "end"),
    [
        ("Asia/Tokyo", "1970-01-01", 0, at("1970-01-01T15:00")),
        ("Asia/Tokyo", "9999-12-31", at("9999-12-30T15:00"), INSTANT_MAX),
        ("America/Los_Angeles", "1970-01-01", at("1970-01-01T08:00"), at("1970-01-02T08:00")),
        ("America/Los_Angeles", "9999-12-31", at("9999-12-31T08:00"), INSTANT_MAX),
    ],
)
def test_the_first_and_the_last_day_have_the_hours_that_can_be_written(
    zone: str, day: str, first: int, end: int
) -> None:
    days = Days(zone)
    assert (days.first_instant(day, "x"), days.end(day, "x")) == (first, end)
    assert (days.day_of(Instant(first)), days.last_day(Instant(end))) == (day, day)


@pytest.mark.parametrize("zone", ["UTC", "Pacific/Apia"])
@pytest.mark.parametrize(
    "text",
    [
        "",
        "2026",
        "2026-01",
        "2026-1-1",
        "20260101",
        "2026-W01-1",
        "2026-02-30",
        "2025-02-29",
        "2026-13-01",
        "2026-00-10",
        "0000-01-01",
        "1969-12-31",
        "10000-01-01",
        "-2026-01-01",
        "2026-01-01T00:00:00Z",
        "2026-01-01 ",
        "２０２６-01-01",
        "tomorrow",
    ],
)
def test_what_is_no_day_is_refused(text: str, zone: str) -> None:
    """With the field and an example."""
    for read in (Days(zone).first_instant, Days(zone).end):
        with pytest.raises(BadRequest, match="expiryDate must be a calendar date") as refused:
            read(text, "expiryDate")
        assert refused.value.field == "expiryDate"


def test_an_expiry_at_midnight_is_the_day_before() -> None:
    midnight = dates.UTC.end("2026-01-31", "x")
    assert text_of(midnight) == "2026-02-01T00:00:00Z"
    assert dates.UTC.last_day(Instant(midnight + 1)) == "2026-02-01"
    assert dates.UTC.last_day(midnight) == "2026-01-31"


def test_an_instant_lies_in_the_day_of_the_zone() -> None:
    """Whatever day it is where the time was written."""
    moment = instant_of(datetime.fromisoformat("2026-03-01T00:30:00+01:00"))
    assert Days("Europe/Berlin").day_of(moment) == "2026-03-01"
    assert dates.UTC.day_of(moment) == "2026-02-28"
