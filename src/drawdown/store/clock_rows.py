"""Rows of test clocks, in the column order of every store."""

from __future__ import annotations

from drawdown.core.types import TestClock
from drawdown.store.rows import Row


def clock_of(row: Row) -> TestClock:
    return TestClock(
        id=row[0],
        book=row[1],
        frozen_at=row[2],
        target=row[3],
        name=row[4],
        created_at=row[5],
        deleted_at=row[6],
    )


def clock_row(clock: TestClock) -> Row:
    return (
        clock.id,
        clock.book,
        clock.frozen_at,
        clock.target,
        clock.name,
        clock.created_at,
        clock.deleted_at,
    )
