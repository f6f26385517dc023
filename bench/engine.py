"""The engine alone, in a process of its own: batches of debits through ``Ledger.submit_many``, no HTTP.

The answers are rendered as the native API renders them, since they are part of what is stored.
"""

from __future__ import annotations

import asyncio
import gc
import sys
import time
import tracemalloc

import msgspec
import uvloop

from bench.costs import Costs, Meter, Reading, between
from bench.traffic import AMOUNT, CODE, Traffic, chance, chooser, keys
from drawdown.core.amounts import Amount
from drawdown.core.commands import Debit
from drawdown.core.requests import LedgerKey
from drawdown.core.types import Id
from drawdown.dialects.native import common, render_debits
from drawdown.engine.ledger import Asked, Ledger
from drawdown.opening import open_ledger

REQUEST_ID = "req_00000000000000000000000000"


class Plan(msgspec.Struct, kw_only=True):
    """Ends after ``seconds`` or ``debits_max`` debits. ``memory``: trace what the wallets take, slowly.

    ``costs``: say what a debit costs, too.
    """

    database: str
    book: bytes
    traffic: Traffic
    customers: int
    size: int
    warm_up: float = 0.0
    seconds: float
    debits_max: int
    memory: bool = False
    costs: bool = False


class Outcome(msgspec.Struct, kw_only=True):
    """``items`` were acknowledged within ``seconds``, ``acknowledged`` in all.

    ``traced_bytes`` is how much more memory Python's objects took at the end than at the beginning.
    """

    seconds: float
    items: int
    acknowledged: int
    refused: int
    traced_bytes: int = 0
    costs: Costs | None = None

    @property
    def per_second(self) -> float:
        return self.items / self.seconds if self.seconds else 0.0


class Source:
    """Makes batches of debits with fresh keys."""

    def __init__(self, plan: Plan) -> None:
        source = chance()
        self._customer = chooser(plan.traffic, plan.customers, source)
        self._key = keys(source)
        self._render = common.created(render_debits.new_debit, REQUEST_ID)

    def batch(self, size: int) -> list[Asked]:
        return [self._one() for _ in range(size)]

    def _one(self) -> Asked:
        command = Debit(customer=self._customer(), entitlement=CODE, amount=Amount(AMOUNT))
        return command, self._render, LedgerKey("native.debit", self._key())


async def drive(plan: Plan) -> Outcome:
    async with open_ledger(plan.database, jobs=False) as ledger:
        outcome = Outcome(seconds=0.0, items=0, acknowledged=0, refused=0)
        source = Source(plan)
        if plan.memory:
            tracemalloc.start()
        await _for(ledger, plan, source, outcome, plan.warm_up)
        if plan.costs:
            await _count(ledger, plan, source, outcome)
            return outcome
        outcome.seconds = await _for(ledger, plan, source, outcome, plan.seconds, measured=True)
        if plan.memory:
            gc.collect()
            outcome.traced_bytes = tracemalloc.get_traced_memory()[0]
    return outcome


async def _count(ledger: Ledger, plan: Plan, source: Source, outcome: Outcome) -> None:
    """Read the counters around so many seconds of debits. A debit before each brings them up to date."""
    meter = Meter(plan.database)
    await meter.open()

    async def read() -> Reading:
        await asyncio.sleep(meter.pause_seconds)
        await _batch(ledger, plan, source, outcome, 1)
        return await meter.read()

    before, count = await read(), outcome.acknowledged
    outcome.seconds = await _for(ledger, plan, source, outcome, plan.seconds, measured=True)
    after = await read()
    outcome.costs = between(before, after, outcome.acknowledged - count, plan.size)
    await meter.close()


async def _batch(ledger: Ledger, plan: Plan, source: Source, outcome: Outcome, size: int) -> int:
    """Submit one batch, add it to ``outcome``, and say how many were not refused."""
    answers = await ledger.submit_many(Id(plan.book), source.batch(size))
    refused = sum(isinstance(answer, BaseException) for answer in answers)
    outcome.refused += refused
    outcome.acknowledged += len(answers) - refused
    return len(answers) - refused


async def _for(
    ledger: Ledger,
    plan: Plan,
    source: Source,
    outcome: Outcome,
    seconds: float,
    *,
    measured: bool = False,
) -> float:
    """Submit batches for so long, add them to ``outcome``, and say how long it took."""
    begin = now = time.perf_counter()
    while now - begin < seconds and outcome.acknowledged < plan.debits_max:
        size = min(plan.size, plan.debits_max - outcome.acknowledged)
        accepted = await _batch(ledger, plan, source, outcome, size)
        outcome.items += accepted if measured else 0
        if accepted < size:
            break
        now = time.perf_counter()
    return now - begin


def main() -> None:
    plan = msgspec.json.decode(sys.stdin.buffer.read(), type=Plan)
    sys.stdout.buffer.write(msgspec.json.encode(uvloop.run(drive(plan))))


if __name__ == "__main__":
    main()
