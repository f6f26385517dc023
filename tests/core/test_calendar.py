"""Cadences: the core against tables of exact instants, and against a calendar that walks day by day."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from itertools import islice, pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from drawdown.core.errors import FieldInvalid
from drawdown.core.schedules import calendar
from drawdown.core.schedules.calendar import Cadence, CalendarUnit, Cycle, Every
from drawdown.core.times import INSTANT_MAX, instant_of, moment_of, text_of
from drawdown.core.types import DAY, MICROSECONDS, Instant
from tests.support import naive_calendar
from tests.support.tables import Rule, rules

RULES = rules("calendar")
HOUR = 3_600 * MICROSECONDS
ZONES = (
    "UTC America/New_York Europe/Berlin Australia/Sydney Australia/Lord_Howe America/Santiago Pacific/Apia "
    "America/Asuncion America/St_Johns Asia/Kathmandu Pacific/Chatham Africa/Cairo Asia/Tehran"
).split()

moments = st.datetimes(datetime(1975, 1, 1), datetime(2060, 1, 1)).map(  # noqa: DTZ001
    lambda moment: moment.replace(second=0, microsecond=0, tzinfo=UTC)
)
cadences = st.builds(
    Cadence,
    moments.map(instant_of),
    st.sampled_from(ZONES),
    st.builds(Every, st.sampled_from(CalendarUnit), st.integers(1, 7)),
)


def cadence_of(line: str) -> Cadence:
    """``every 1 month from 2025-01-31 09:00 in UTC``"""
    _, count, unit, _, day, clock, _, zone = line.split()
    local = datetime.fromisoformat(f"{day}T{clock}").replace(tzinfo=ZoneInfo(zone))
    return Cadence(instant_of(local), zone, Every(CalendarUnit(unit), int(count)))


def cases(rule: Rule) -> list[tuple[int, str, str]]:
    """Number, local time and instant of each line."""
    words = [line.split() for line in rule.lines[1:]]
    return [(int(number), " ".join(local), instant) for number, *local, instant in words]


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.title)
def test_every_line_of_the_table_holds(rule: Rule) -> None:
    cadence = cadence_of(rule.lines[0])
    calendar.check(cadence)
    for number, local, instant in cases(rule):
        found = calendar.occurrence(cadence, number)
        assert ("-" if found is None else text_of(found)) == instant
        if found is not None:
            shown = naive_calendar.shown(moment_of(found), ZoneInfo(cadence.zone))
            assert f"{shown:%Y-%m-%d %H:%M}" == local


@pytest.mark.parametrize("rule", RULES[:-1], ids=lambda rule: rule.title)
def test_every_line_of_the_table_holds_for_the_naive_calendar(rule: Rule) -> None:
    """But the last rule, about what cannot be written: walking there would take long."""
    cadence = cadence_of(rule.lines[0])
    for number, _, instant in cases(rule):
        assert text_of(naive(cadence, number)) == instant


def naive(cadence: Cadence, number: int) -> Instant:
    every = cadence.every
    moment = moment_of(cadence.anchor)
    return instant_of(
        naive_calendar.occurrence(moment, cadence.zone, every.unit, every.count, number)
    )


@settings(max_examples=150, deadline=None)
@given(cadences, st.integers(-40, 40))
def test_every_occurrence_is_where_a_walk_day_by_day_ends(cadence: Cadence, number: int) -> None:
    """From 1970 on: before, some clocks were not whole minutes from UTC, and the walk goes by minutes."""
    found = calendar.occurrence(cadence, number)
    assume(found is not None and found >= 0)
    assert found == naive(cadence, number)


@pytest.mark.parametrize("zone", ZONES)
def test_each_hour_around_each_change_of_the_clocks_is_where_a_walk_ends(zone: str) -> None:
    """Daily, at every half hour of the clocks' days on which a zone went forward or back in 2011."""
    changes = [hour for hour in range(365 * 24) if _offset(zone, hour) != _offset(zone, hour + 1)]
    for change in changes[:3]:
        for half_hours in range(-8, 4):
            at = Instant(_start_of_2011() + change * HOUR + half_hours * HOUR // 2)
            cadence = Cadence(Instant(at - DAY), zone, Every(CalendarUnit.DAY))
            for number in (1, 2):
                assert calendar.occurrence(cadence, number) == naive(cadence, number)


def _start_of_2011() -> Instant:
    return instant_of(datetime(2011, 1, 1, tzinfo=UTC))


def _offset(zone: str, hours: int) -> timedelta | None:
    moment = moment_of(_start_of_2011() + hours * HOUR)
    return moment.astimezone(ZoneInfo(zone)).utcoffset()


@settings(max_examples=300)
@given(cadences, st.integers(-4_000, 4_000))
def test_occurrences_never_run_backwards(cadence: Cadence, number: int) -> None:
    """Not even where clocks go forward; only a day that a zone leaves out shares an instant."""
    before, after = (calendar.occurrence(cadence, each) for each in (number, number + 1))
    assume(before is not None and after is not None)
    assert before is not None
    assert after is not None
    assert before < after or (cadence.zone == "Pacific/Apia" and before == after)


@given(cadences)
def test_occurrence_zero_is_the_anchor(cadence: Cadence) -> None:
    assert calendar.occurrence(cadence, 0) == cadence.anchor


def test_an_anchor_in_the_second_of_two_equal_hours_is_kept() -> None:
    """01:30 in New York came twice on 2 November 2025; the day after, it is 01:30 again."""
    second = instant_of(datetime(2025, 11, 2, 6, 30, tzinfo=UTC))
    cadence = Cadence(second, "America/New_York", Every(CalendarUnit.DAY))
    found = [text_of(instant) for _, instant in islice(calendar.occurrences(cadence, 0), 2)]
    assert found == ["2025-11-02T06:30:00Z", "2025-11-03T06:30:00Z"]


@settings(max_examples=300)
@given(cadences, st.integers(-60, 60), st.integers(-2, 2) | st.integers(-40 * DAY, 40 * DAY))
def test_an_instant_lies_in_the_cycle_that_looking_one_by_one_finds(
    cadence: Cadence, number: int, offset: int
) -> None:
    near = calendar.occurrence(cadence, number)
    assert near is not None
    at = Instant(near + offset)
    all_of_them = [
        (each, found)
        for each in range(number - 50, number + 51)
        if (found := calendar.occurrence(cadence, each)) is not None
    ]
    started = [pair for pair in all_of_them if pair[1] <= at]
    ahead = [pair for pair in all_of_them if pair[1] > at]
    assert calendar.cycle_at(cadence, at) == Cycle(*started[-1], ahead[0][1])
    assert calendar.first_at_or_after(cadence, at) == next(p for p in all_of_them if p[1] >= at)


def test_a_cycle_without_a_length_is_never_the_one_an_instant_lies_in() -> None:
    """30 December 2011 in Samoa: two occurrences at one instant, of which the first is found first."""
    cadence = cadence_of("every 1 day from 2011-12-28 12:00 in Pacific/Apia")
    skipped = calendar.occurrence(cadence, 2)
    assert skipped is not None
    assert calendar.cycle_at(cadence, skipped) == Cycle(3, skipped, Instant(skipped + DAY))
    assert calendar.first_at_or_after(cadence, skipped) == (2, skipped)


def test_a_cycle_whose_end_cannot_be_written_has_none() -> None:
    cadence = cadence_of("every 1 year from 2024-06-01 00:00 in UTC")
    last = calendar.cycle_at(cadence, INSTANT_MAX)
    assert last is not None
    assert (text_of(last.starts_at), last.ends_at) == ("9999-06-01T00:00:00Z", None)
    assert last.remaining(INSTANT_MAX) == (1, 1)
    assert calendar.first_at_or_after(cadence, INSTANT_MAX) is None


@pytest.mark.parametrize("at", [calendar.INSTANT_MIN - 1, INSTANT_MAX + 1])
def test_an_instant_that_cannot_be_written_lies_in_no_cycle(at: int) -> None:
    cadence = cadence_of("every 1 year from 2024-06-01 00:00 in UTC")
    assert calendar.cycle_at(cadence, Instant(at)) is None
    assert calendar.first_at_or_after(cadence, Instant(at)) is None


@given(st.sampled_from(CalendarUnit), st.sampled_from(ZONES), st.integers(1, 1_000))
def test_the_ends_of_time_are_reached_without_fault(
    unit: CalendarUnit, zone: str, count: int
) -> None:
    cadence = Cadence(Instant(951_782_400 * MICROSECONDS), zone, Every(unit, count))
    assert calendar.occurrence(cadence, 10**30) is None
    assert calendar.occurrence(cadence, -(10**30)) is None
    for at in (calendar.INSTANT_MIN, Instant(0), INSTANT_MAX):
        cycle = calendar.cycle_at(cadence, at)
        assert cycle is None or cycle.starts_at <= at


@pytest.mark.parametrize("unit", CalendarUnit)
def test_the_calendars_own_periods_begin_where_people_say_they_do_in_every_zone(
    unit: CalendarUnit,
) -> None:
    """Days at the day's first instant, weeks on Mondays, months on the first, years on 1 January."""
    at = instant_of(datetime(2024, 5, 15, 12, tzinfo=UTC))
    for zone in calendar.zone_names():
        cycle = calendar.cycle_at(calendar.calendar_cadence(unit, zone), at)
        assert cycle is not None
        start = naive_calendar.shown(moment_of(cycle.starts_at), ZoneInfo(zone))
        before = naive_calendar.shown(moment_of(cycle.starts_at - 1), ZoneInfo(zone))
        assert before.date() < start.date()
        assert unit is not CalendarUnit.WEEK or start.weekday() == 0
        assert unit is not CalendarUnit.MONTH or start.day == 1
        assert unit is not CalendarUnit.YEAR or (start.month, start.day) == (1, 1)


@given(cadences, st.integers(-5, 5), st.integers(0, 10**15), st.integers(0, 10**6))
def test_what_has_passed_of_a_cycle_and_what_remains_are_all_of_it(
    cadence: Cadence, number: int, amount: int, millionths: int
) -> None:
    """Truncated, one unit at most is left over; nothing at its end, everything at its start."""
    start, end = (calendar.occurrence(cadence, each) for each in (number, number + 1))
    assert start is not None
    assert end is not None
    cycle = Cycle(number, start, end)
    at = Instant(start + (end - start) * millionths // 10**6)
    part, whole = cycle.remaining(at)
    if end > start:
        assert part * (end - start) == (end - at) * whole
        rest = calendar.prorated(amount, (whole - part, whole))
        assert calendar.prorated(amount, (part, whole)) + rest in (amount, amount - 1)
        assert cycle.remaining(start) in {(end - start, end - start)}
    assert cycle.remaining(end) == (0, 1)
    assert cycle.remaining(Instant(end + 1)) == (0, 1)


def test_a_share_of_an_amount_is_truncated_toward_zero() -> None:
    assert calendar.prorated(100, (1, 3)) == 33
    assert calendar.prorated(-100, (1, 3)) == -33
    assert calendar.prorated(0, (1, 3)) == 0


def test_a_month_of_daylight_saving_is_prorated_by_its_real_length() -> None:
    """March 2025 in Berlin has 743 hours: at the start of the 16th, 383 of them are left."""
    month = calendar.calendar_cadence(CalendarUnit.MONTH, "Europe/Berlin")
    at = instant_of(datetime(2025, 3, 15, 23, tzinfo=UTC))
    cycle = calendar.cycle_at(month, at)
    assert cycle is not None
    assert cycle.remaining(at) == (383 * HOUR, 743 * HOUR)
    assert calendar.prorated(74_300, cycle.remaining(at)) == 38_300


@pytest.mark.parametrize(
    "name",
    [
        *("", " ", "Berlin", "Europe/Berlin ", "../UTC", "/etc/localtime", "..", "Europe/../UTC"),
        *("Europe", "localtime", "Factory", "posixrules", "right/UTC", "posix/UTC", "zone.tab"),
        *("UTC\x00", "+02:00", "EST6", "Europe\\Berlin", "x" * 10_000, "Ευρώπη/Βερολίνο"),
    ],
)
def test_what_names_no_zone_is_refused(name: str) -> None:
    with pytest.raises(FieldInvalid, match="time zone of the IANA database") as refused:
        calendar.zone_of(name, "schedule.zone")
    assert refused.value.field == "schedule.zone"


def test_a_zone_in_another_spelling_is_refused_with_the_right_one() -> None:
    """File systems differ on letter case, so the same request must not work on one machine only."""
    with pytest.raises(FieldInvalid, match="the spelling is Europe/Berlin"):
        calendar.zone_of("europe/berlin")


@pytest.mark.parametrize(
    ("cadence", "field"),
    [
        (Cadence(Instant(0), "Mars/Base", Every(CalendarUnit.DAY)), "zone"),
        (Cadence(Instant(0), "UTC", Every(CalendarUnit.DAY, 0)), "every.count"),
        (Cadence(Instant(0), "UTC", Every(CalendarUnit.DAY, 1_001)), "every.count"),
        (Cadence(Instant(-1), "UTC", Every(CalendarUnit.DAY)), "anchor"),
        (Cadence(Instant(INSTANT_MAX + 1), "UTC", Every(CalendarUnit.DAY)), "anchor"),
        (Cadence(INSTANT_MAX, "Asia/Tokyo", Every(CalendarUnit.DAY)), "anchor"),
    ],
)
def test_a_cadence_that_cannot_be_is_refused_by_its_field(cadence: Cadence, field: str) -> None:
    with pytest.raises(FieldInvalid) as refused:
        calendar.check(cadence)
    assert refused.value.field == field


def test_a_year_of_downtime_has_each_day_once_and_in_order() -> None:
    cadence = cadence_of("every 1 day from 2024-01-01 02:30 in America/New_York")
    year = list(islice(calendar.occurrences(cadence, 0), 366))
    assert [number for number, _ in year] == list(range(366))
    assert all(before < after for (_, before), (_, after) in pairwise(year))
    assert text_of(year[-1][1]) == "2024-12-31T07:30:00Z"


def test_ten_years_of_days_take_no_time() -> None:
    """About 30 ms of one core when this was written; the bound leaves room for slow machines."""
    cadence = cadence_of("every 1 day from 2015-01-01 02:30 in America/New_York")
    started = time.process_time()
    found = list(islice(calendar.occurrences(cadence, 0), 3_653))
    assert time.process_time() - started < 1
    assert text_of(found[-1][1]) == "2024-12-31T07:30:00Z"
