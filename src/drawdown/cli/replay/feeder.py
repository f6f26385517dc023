"""Debits from usage, fed to a server over HTTP: as fast as it takes them, or in real time.

A debit's idempotency key is made of what the row is (``records``), never of when it was fed. So a
replay that was cut off is resumed by feeding the whole file again: what was applied replays.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from itertools import islice

import msgspec

from drawdown.cli.replay.carry import Carry
from drawdown.cli.replay.usage import Usage
from drawdown.client import Client, DrawdownError, NewDebit, Refused
from drawdown.client import Debit as Made
from drawdown.core import amounts
from drawdown.core.times import moment_of
from drawdown.core.types import MICROSECONDS, Instant

BATCH_MAX = 1_000
ROWS_NAMED = 5

#: Told how many rows of the file have been dealt with since the last call.
Progress = Callable[[int], object]


class Debit(msgspec.Struct, frozen=True):
    """What is asked for one row. A row whose ``units`` are 0 is carried, not asked."""

    row: int
    at: Instant
    customer: str
    units: int
    key: str


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """What a feeding debits, and how its keys begin. ``run`` sets one feeding of a file apart."""

    entitlement: str
    scale: int
    run: str = ""


class Misses(msgspec.Struct):
    """Debits that were not made for one reason: how many, the first few rows, the first words."""

    count: int = 0
    rows: list[int] = []
    detail: str = ""


class Report(msgspec.Struct):
    """What became of the rows. ``units`` is of new and replayed debits; ``misses`` by code."""

    new: int = 0
    replayed: int = 0
    skipped: int = 0
    units: int = 0
    misses: dict[str, Misses] = {}

    def note_made(self, debit: Debit, replayed: bool) -> None:
        self.units += debit.units
        if replayed:
            self.replayed += 1
        else:
            self.new += 1

    def note_missed(self, debit: Debit, code: str, detail: str) -> None:
        misses = self.misses.setdefault(code, Misses(detail=detail))
        misses.count += 1
        if len(misses.rows) < ROWS_NAMED:
            misses.rows.append(debit.row)


def debits(usage: Iterable[Usage], carry: Carry, run: str) -> Iterator[Debit]:
    """The debit of every row, rows of 0 units included, in their order."""
    prefix = f"replay:{run}:" if run else "replay:"
    for row in usage:
        yield Debit(
            row=row.row,
            at=row.at,
            customer=row.customer,
            units=carry.debit(row.customer, row.input_tokens, row.output_tokens),
            key=f"{prefix}{row.digest}:{row.row}",
        )


def feed(
    client: Client, plan: Plan, rows: Iterable[Debit], progress: Progress, size: int = BATCH_MAX
) -> Report:
    """Feed ``rows`` in batches of ``size``, one after the other, so that a customer's stay in order."""
    report = Report()
    remaining = iter(rows)
    while chunk := list(islice(remaining, size)):
        asked = [debit for debit in chunk if debit.units]
        report.skipped += len(chunk) - len(asked)
        if asked:
            outcomes = client.debit_many(_request(plan, debit) for debit in asked)
            for debit, outcome in zip(asked, outcomes, strict=True):
                _note(report, debit, outcome)
        progress(len(chunk))
    return report


def feed_in_time(
    client: Client,
    plan: Plan,
    rows: Iterable[Debit],
    progress: Progress,
    speed: float,
    sleep: Callable[[float], None] = time.sleep,
    now: Callable[[], float] = time.monotonic,
) -> Report:
    """Feed ``rows`` one by one with the gaps between their times, ``speed`` times as fast.

    A row that is due already, since its time runs back or the server was slow, is fed at once.
    """
    report = Report()
    started, first = now(), None
    for debit in rows:
        first = debit.at if first is None else first
        due = started + (debit.at - first) / MICROSECONDS / speed
        if (wait := due - now()) > 0:
            sleep(wait)
        if debit.units:
            _note(report, debit, _outcome(client, _request(plan, debit)))
        else:
            report.skipped += 1
        progress(1)
    return report


def _request(plan: Plan, debit: Debit) -> NewDebit:
    return NewDebit(
        debit.customer,
        plan.entitlement,
        amounts.render(debit.units, plan.scale),
        occurred_at=moment_of(debit.at),
        idempotency_key=debit.key,
    )


def _outcome(client: Client, asked: NewDebit) -> Made | Refused:
    """Of one debit by itself: a refusal is an outcome too."""
    try:
        return client.debit(
            asked.customer,
            asked.entitlement,
            asked.amount,
            occurred_at=asked.occurred_at,
            idempotency_key=asked.idempotency_key,
        )
    except Refused as refusal:
        return refusal


def _note(report: Report, debit: Debit, outcome: Made | DrawdownError) -> None:
    if isinstance(outcome, Made):
        report.note_made(debit, outcome.replayed)
    else:
        report.note_missed(debit, outcome.code, outcome.detail.rstrip("."))
