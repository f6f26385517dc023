"""The load generator: a closed loop over keep-alive connections, in a process of its own.

``python -m bench.load`` reads a ``Plan`` as JSON from standard input and writes an ``Outcome``. Each
connection asks, waits for the whole answer, and asks again, until the time or the number of requests is
used up; what is under way then is still awaited, so that every acknowledged debit is counted.
"""

from __future__ import annotations

import asyncio
import sys
import time
from collections import Counter
from collections.abc import Callable
from typing import cast

import httptools
import msgspec
import uvloop

from bench.requests import Ask, expected, statuses, writer
from bench.traffic import Traffic, chance, chooser, keys

HOST = "127.0.0.1"
REQUESTS_MAX = 5_000_000
PATIENCE_SECONDS = 30
SAMPLE_BYTES = 500

Writer = Callable[[], bytes]


class Plan(msgspec.Struct, kw_only=True):
    """``size``: debits in a batch. ``warm_up`` and ``seconds`` bound the time, ``requests_max`` the count.

    ``customers`` does not count the one with very many grants.
    """

    port: int
    secret: str
    ask: Ask
    traffic: Traffic = Traffic.UNIFORM
    customers: int
    connections: int
    warm_up: float
    seconds: float
    size: int = 1
    requests_max: int = REQUESTS_MAX


class Outcome(msgspec.Struct, kw_only=True):
    """``items`` (debits or reads) were answered within the measured ``seconds``.

    ``acknowledged`` counts what succeeded before and after them as well. ``unexpected`` counts other
    statuses, of which ``sample`` is one answer; ``lost`` connections ended before their answer.
    """

    seconds: float
    requests: int
    items: int
    acknowledged: int
    p50_ms: float
    p99_ms: float
    unexpected: dict[int, int]
    lost: int
    sample: str = ""

    @property
    def per_second(self) -> float:
        return self.items / self.seconds if self.seconds else 0.0


class Tally:
    """What has come back so far. Only answers within the measured time enter the rate."""

    def __init__(self, plan: Plan) -> None:
        self.ask = plan.ask
        self.expected = expected(plan.ask)
        self.begin = time.perf_counter() + plan.warm_up
        self.end = self.begin + plan.seconds
        self.left = plan.requests_max
        self.latencies: list[float] = []
        self.items = self.acknowledged = self.lost = 0
        self.last = self.begin
        self.unexpected: Counter[int] = Counter()
        self.sample = ""

    def take(self) -> bool:
        """Whether another request may be sent; counts it."""
        if self.left == 0 or time.perf_counter() >= self.end:
            return False
        self.left -= 1
        return True

    def answered(self, sent: float, status: int, body: bytes) -> None:
        found = statuses(self.ask, status, body)
        good = found.count(self.expected)
        self.acknowledged += good
        if good < len(found):
            self.unexpected.update(each for each in found if each != self.expected)
            self.sample = self.sample or body[:SAMPLE_BYTES].decode("utf-8", "replace")
        now = time.perf_counter()
        if self.begin <= now <= self.end:
            self.latencies.append(now - sent)
            self.items += good
            self.last = now

    def outcome(self) -> Outcome:
        """A run that ended early by count is measured up to its last answer."""
        latencies = sorted(self.latencies)
        end = self.last if self.left == 0 else self.end
        return Outcome(
            seconds=end - self.begin,
            requests=len(latencies),
            items=self.items,
            acknowledged=self.acknowledged,
            p50_ms=percentile(latencies, 0.50) * 1000,
            p99_ms=percentile(latencies, 0.99) * 1000,
            unexpected=dict(self.unexpected),
            lost=self.lost,
            sample=self.sample,
        )


def percentile(ordered: list[float], share: float) -> float:
    """The nearest rank; 0 for an empty list."""
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))] if ordered else 0.0


class Connection(asyncio.Protocol):
    """One keep-alive connection with at most one request under way."""

    def __init__(self, tally: Tally, write: Writer) -> None:
        self._tally, self._write = tally, write
        self._parser = httptools.HttpResponseParser(self)
        self._body = bytearray()
        self._sent = 0.0
        self._waits = False
        self.done = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._next()

    def _next(self) -> None:
        if not self._tally.take():
            self._transport.close()
            return
        request = self._write()
        self._waits = True
        self._sent = time.perf_counter()
        self._transport.write(request)

    def data_received(self, data: bytes) -> None:
        self._parser.feed_data(data)

    def on_body(self, part: bytes) -> None:
        self._body += part

    def on_message_complete(self) -> None:
        """Called by the parser at the end of an answer; the next one comes on the same connection."""
        self._waits = False
        status, body = self._parser.get_status_code(), bytes(self._body)
        self._body.clear()
        self._tally.answered(self._sent, status, body)
        self._next()

    def connection_lost(self, error: Exception | None) -> None:
        self._tally.lost += self._waits
        if not self.done.done():
            self.done.set_result(None)


async def generate(plan: Plan) -> Outcome:
    """Carry out one plan. Connections still unanswered after ``PATIENCE_SECONDS`` more are lost."""
    source = chance()
    customer = chooser(plan.traffic, plan.customers, source)
    address = f"{HOST}:{plan.port}"
    write = writer(plan.ask, address, plan.secret, customer, keys(source), plan.size)
    tally = Tally(plan)
    loop = asyncio.get_running_loop()
    made = [
        await loop.create_connection(lambda: Connection(tally, write), HOST, plan.port)
        for _ in range(plan.connections)
    ]
    waiting = [connection.done for _, connection in made]
    _, unanswered = await asyncio.wait(
        waiting, timeout=plan.warm_up + plan.seconds + PATIENCE_SECONDS
    )
    tally.lost += len(unanswered)
    return tally.outcome()


def main() -> None:
    plan = msgspec.json.decode(sys.stdin.buffer.read(), type=Plan)
    outcome = uvloop.run(generate(plan))
    sys.stdout.buffer.write(msgspec.json.encode(outcome))


if __name__ == "__main__":
    main()
