"""A replay as a whole: which file, read how, priced how; what it will debit, and feeding it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import msgspec

from drawdown.cli.replay import feeder, usage
from drawdown.cli.replay.carry import Carry
from drawdown.cli.replay.customers import Rule
from drawdown.cli.replay.feeder import Debit, Plan
from drawdown.cli.replay.prices import Price
from drawdown.cli.replay.usage import Columns


class Job(msgspec.Struct, frozen=True, kw_only=True):
    """A file, how to read it, what a token costs, and which credit pays."""

    file: Path
    columns: Columns
    rule: Rule
    price: Price
    plan: Plan

    def debits(self) -> Iterator[Debit]:
        """The debits of the file from its start; every call reads and carries it anew."""
        carry = Carry(self.price, self.plan.scale)
        return feeder.debits(usage.read(self.file, self.columns, self.rule), carry, self.plan.run)


class Survey(msgspec.Struct, frozen=True, kw_only=True):
    """What a first reading of the whole file has found."""

    rows: int
    customers: int
    units: int


def survey(job: Job) -> Survey:
    """Read the whole file before anything is asked of the server: a fault in it stops us here."""
    rows = units = 0
    names = set()
    for debit in job.debits():
        rows += 1
        units += debit.units
        names.add(debit.customer)
    return Survey(rows=rows, customers=len(names), units=units)
