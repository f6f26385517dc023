"""Days to instants and back, as pure functions."""

from __future__ import annotations

from datetime import date, datetime

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from drawdown.core.times import INSTANT_MAX, instant_of, text_of
from drawdown.core.types import DAY, Instant
from drawdown.dialects.sequence import dates
from drawdown.web.errors import BadRequest

DAYS = st.dates(date(1970, 1, 1), date(9999, 12, 31)).map(date.isoformat)
INSTANTS = st.integers(0, INSTANT_MAX).map(Instant)


@given(DAYS)
@example("1970-01-01")
@example("2024-02-29")
@example("9999-12-31")
def test_a_day_comes_back_from_both_of_its_ends(day: str) -> None:
    first, end = dates.first_instant(day, "x"), dates.end(day, "x")
    assert text_of(first) == f"{day}T00:00:00Z"
    assert dates.day_of(first) == day
    assert dates.last_day(end) == day
    assert first < end <= INSTANT_MAX
    assert end - first == DAY or day == "9999-12-31"


@given(INSTANTS)
def test_every_instant_lies_in_its_day(instant: Instant) -> None:
    """And an expiry is shown as the last day on which something could still be used."""
    day = dates.day_of(instant)
    assert day == text_of(instant)[:10]
    assert dates.first_instant(day, "x") == dates.start_of_day(instant) <= instant
    if instant > 0:
        assert dates.last_day(instant) == text_of(instant - 1)[:10]


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
def test_what_is_no_day_is_refused(text: str) -> None:
    """With the field and an example."""
    for read in (dates.first_instant, dates.end):
        with pytest.raises(BadRequest, match="expiryDate must be a calendar date") as refused:
            read(text, "expiryDate")
        assert refused.value.field == "expiryDate"


def test_an_expiry_at_midnight_is_the_day_before() -> None:
    midnight = dates.end("2026-01-31", "x")
    assert text_of(midnight) == "2026-02-01T00:00:00Z"
    assert dates.last_day(Instant(midnight + 1)) == "2026-02-01"
    assert dates.last_day(midnight) == "2026-01-31"


def test_days_are_days_in_utc() -> None:
    """Whatever day it is where the time was written."""
    moment = instant_of(datetime.fromisoformat("2026-03-01T00:30:00+01:00"))
    assert dates.day_of(moment) == "2026-02-28"
