"""What rolls over, by Dodo's settings: in the words of the ledger."""

from __future__ import annotations

from drawdown.core.commands import RolloverTerms
from drawdown.core.schedules import calendar
from drawdown.core.schedules.calendar import CalendarUnit, Every
from drawdown.core.schedules.terms import GENERATIONS_MAX


def terms(
    *,
    enabled: bool,
    percentage: int | None,
    most: int | None,
    count: int | None,
    interval: str | None,
    days: int | None,
) -> RolloverTerms | None:
    """None where nothing does: a percentage or a count of 0 says so too. Without a percentage all does.

    ``count`` of ``interval`` is how long what was carried lives; without it, ``days``.
    """
    share = 100 if percentage is None else percentage
    if not enabled or not share or most == 0:
        return None
    lives: Every | None = None
    if count is not None and interval is not None:
        lives = Every(CalendarUnit(interval.lower()), count)
    elif days is not None:
        lives = Every(CalendarUnit.DAY, min(days, calendar.EVERY_MAX))
    return RolloverTerms(
        percentage=share,
        generations_max=None if most is None else min(most, GENERATIONS_MAX),
        timeframe=lives,
    )
