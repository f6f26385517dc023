"""Records as usage: who used how many tokens when, under an idempotency key that never changes."""

from __future__ import annotations

import re
from collections.abc import Iterator
from enum import StrEnum
from pathlib import Path

import msgspec

from drawdown.cli.failures import Failure
from drawdown.cli.replay import records
from drawdown.cli.replay.customers import Rule
from drawdown.cli.replay.records import Record
from drawdown.core.times import INSTANT_MAX
from drawdown.core.types import Instant
from drawdown.web import fields
from drawdown.web.errors import BadRequest

TIME_RULE = (
    "a time such as 2026-01-31T12:00:00Z or 2026-01-31 12:00:00.5 (UTC when it names no zone), "
    "or a number of --time-unit since 1970"
)

_TOKENS = re.compile(r"\d{1,15}", re.ASCII)
_NUMBER = re.compile(r"(\d{1,17})(?:\.(\d{1,12}))?", re.ASCII)


class TimeUnit(StrEnum):
    """What a time written as a bare number counts since 1970."""

    SECONDS = "seconds"
    MILLISECONDS = "milliseconds"
    MICROSECONDS = "microseconds"


_PLACES = {TimeUnit.SECONDS: 6, TimeUnit.MILLISECONDS: 3, TimeUnit.MICROSECONDS: 0}


class Columns(msgspec.Struct, frozen=True, kw_only=True):
    """Where a usage row keeps what, by the names of the file. ``customer`` None: no column does."""

    time: str
    input: str
    output: str
    customer: str | None = None
    time_unit: TimeUnit = TimeUnit.SECONDS


class Usage(msgspec.Struct, frozen=True):
    """One row. ``digest`` is of the file up to and including it (``records``)."""

    row: int
    at: Instant
    customer: str
    input_tokens: int
    output_tokens: int
    digest: str


def read(path: Path, columns: Columns, rule: Rule) -> Iterator[Usage]:
    """The rows of ``path`` in its order. Raises ``Failure`` naming row, column and rule."""
    for record in records.read(path):
        try:
            yield _usage(record, columns, rule)
        except KeyError:
            raise _missing(path, record, columns) from None
        except ValueError as error:
            where = f"{path}, row {record.number} (line {record.line})"
            raise Failure(f"{where}: {error}.") from None


def _usage(record: Record, columns: Columns, rule: Rule) -> Usage:
    found = record.fields
    return Usage(
        row=record.number,
        at=_instant(found[columns.time], columns),
        customer=rule(record.number, found),
        input_tokens=_tokens(found[columns.input], columns.input),
        output_tokens=_tokens(found[columns.output], columns.output),
        digest=record.digest,
    )


def _tokens(text: str, column: str) -> int:
    if _TOKENS.fullmatch(text) is None:
        raise ValueError(
            f"{column} is {text[:40]!r}; it must be a whole number of at most 15 digits"
        )
    return int(text)


def _instant(text: str, columns: Columns) -> Instant:
    """To the microsecond; what is finer is cut off."""
    if match := _NUMBER.fullmatch(text):
        places = _PLACES[columns.time_unit]
        instant = int(match[1] + (match[2] or "")[:places].ljust(places, "0"))
        if instant <= INSTANT_MAX:
            return Instant(instant)
    else:
        try:
            return fields.instant(text, columns.time, assume_utc=True)
        except BadRequest:
            pass
    raise ValueError(f"{columns.time} is {text[:40]!r}; it must be {TIME_RULE}")


def _missing(path: Path, record: Record, columns: Columns) -> Failure:
    asked = {
        "--time-column": columns.time,
        "--input-column": columns.input,
        "--output-column": columns.output,
        "--customer-column": columns.customer,
    }
    option, name = next(
        (option, name) for option, name in asked.items() if name and name not in record.fields
    )
    return Failure(
        f"{path}, row {record.number} (line {record.line}) has no column {name!r}; "
        f"it has {', '.join(list(record.fields)[:20])}.",
        f"Name the right one with {option}.",
    )
