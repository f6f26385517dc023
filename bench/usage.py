"""Usage events through meters beside plain debits: the engine alone, in a process of its own.

Two meters count every event, and each has a rate: 0.0015 credits a token, a quarter of a credit a call. What
each event draws is the increase of what its customer's usage costs so far, truncated to whole credits.
"""

from __future__ import annotations

import itertools
import os
import random
import sys
import time
from collections import Counter
from collections.abc import Callable

import msgspec
import uvloop

from bench.engine import REQUEST_ID, Source
from bench.engine import Plan as EnginePlan
from bench.server import resident_kilobytes
from bench.traffic import AMOUNT, CODE, Traffic, chance, chooser
from drawdown.core.amounts import Amount
from drawdown.core.commands import CreateMeter, CreateRate, RecordUsage
from drawdown.core.types import Id
from drawdown.core.usage.filters import Condition, Operator
from drawdown.core.usage.meters import Aggregation, Measure
from drawdown.core.usage.rating import PerUnit
from drawdown.core.usage.records import Period
from drawdown.dialects.native import render_usage
from drawdown.engine.ledger import Asked, Ledger
from drawdown.opening import open_ledger

NAME = "llm.call"
TOKENS_MAX = 4_000
#: Credits in 10,000ths: of a token, and of a call.
TOKEN, CALL = 15, 2_500
WHOLE = 10_000
MODELS = ("small", "large", "vision")


class Plan(msgspec.Struct, kw_only=True):
    """So many events, or so many plain debits, over the first ``customers`` of the benchmark."""

    database: str
    book: bytes
    customers: int
    size: int
    events: int
    plain: bool = False


class Outcome(msgspec.Struct, kw_only=True):
    """``used`` is what the books must say was used by them. ``early_kb``: memory after a tenth of them."""

    seconds: float
    acknowledged: int
    refused: int
    used: int
    process_us: float
    early_kb: int
    resident_kb: int


class Events:
    """Makes events with fresh ids, and knows what they cost each customer."""

    def __init__(self, plan: Plan, source: random.Random) -> None:
        self._customer = chooser(Traffic.UNIFORM, plan.customers, source)
        self._source = source
        self._ids = (f"{source.getrandbits(48):012x}-{n:08d}" for n in itertools.count())
        self._tokens: Counter[str] = Counter()
        self._calls: Counter[str] = Counter()

    def batch(self, size: int) -> list[Asked]:
        return [self._one() for _ in range(size)]

    @property
    def cost(self) -> int:
        """Each customer's, by each rate, truncated for itself."""
        tokens = sum(count * TOKEN // WHOLE for count in self._tokens.values())
        return tokens + sum(count * CALL // WHOLE for count in self._calls.values())

    def _one(self) -> Asked:
        customer, tokens = self._customer(), self._source.randrange(1, TOKENS_MAX)
        self._tokens[customer] += tokens
        self._calls[customer] += 1
        command = RecordUsage(
            customer=customer,
            own_id=next(self._ids),
            name=NAME,
            properties={
                "tokens": Amount(tokens),
                "model": MODELS[tokens % len(MODELS)],
                "kind": "chat",
            },
        )
        return command, lambda accepted: render_usage.recorded(accepted, REQUEST_ID), None


async def make_meters(ledger: Ledger, book: Id) -> None:
    """Their period is for ever, so that no run comes to its end."""
    tokens = Measure(event_name=NAME, aggregation=Aggregation.SUM, property="tokens")
    chats = Condition(property="kind", op=Operator.EQ, value="chat")
    calls = Measure(event_name=NAME, aggregation=Aggregation.COUNT, filter=chats)
    for code, measure, price in (("tokens", tokens, TOKEN), ("calls", calls, CALL)):
        await ledger.apply(book, CreateMeter(code=code, measure=measure))
        rated = PerUnit(price=Amount(price, 4))
        period = Period(unit=None)
        await ledger.apply(
            book, CreateRate(meter=code, entitlement=CODE, price=rated, period=period)
        )


async def drive(plan: Plan) -> Outcome:
    async with open_ledger(plan.database, jobs=False) as ledger:
        events = Events(plan, chance())
        make: Callable[[int], list[Asked]] = events.batch
        if plan.plain:
            make = Source(_debits(plan)).batch
        else:
            await make_meters(ledger, Id(plan.book))
        return await _run(ledger, plan, make, events)


async def _run(
    ledger: Ledger, plan: Plan, make: Callable[[int], list[Asked]], events: Events
) -> Outcome:
    accepted = refused = early = 0
    begin, process = time.perf_counter(), time.process_time()
    while accepted + refused < plan.events:
        asked = make(min(plan.size, plan.events - accepted - refused))
        answers = await ledger.submit_many(Id(plan.book), asked)
        wrong = sum(isinstance(answer, BaseException) for answer in answers)
        accepted, refused = accepted + len(answers) - wrong, refused + wrong
        if not early and 10 * accepted >= plan.events:
            early = resident_kilobytes(os.getpid())
    seconds = time.perf_counter() - begin
    return Outcome(
        seconds=seconds,
        acknowledged=accepted,
        refused=refused,
        used=accepted * AMOUNT if plan.plain else events.cost,
        process_us=1e6 * (time.process_time() - process) / max(accepted, 1),
        early_kb=early,
        resident_kb=resident_kilobytes(os.getpid()),
    )


def _debits(plan: Plan) -> EnginePlan:
    return EnginePlan(
        database=plan.database,
        book=plan.book,
        traffic=Traffic.UNIFORM,
        customers=plan.customers,
        size=plan.size,
        seconds=0.0,
        debits_max=plan.events,
    )


def main() -> None:
    plan = msgspec.json.decode(sys.stdin.buffer.read(), type=Plan)
    sys.stdout.buffer.write(msgspec.json.encode(uvloop.run(drive(plan))))


if __name__ == "__main__":
    main()
