"""Counts and durations for ``/metrics``. Labels are few: routes as the table has them, no ids.

Requests are counted in plain lists and turned into metrics when they are scraped, which costs each
request a fraction of what the library's own histogram does.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence

import structlog
from prometheus_client import CollectorRegistry, GCCollector, PlatformCollector, ProcessCollector
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.exposition import generate_latest
from prometheus_client.registry import Collector

from drawdown.core.commands import Capture, Command, Debit, Spend
from drawdown.core.errors import LedgerError
from drawdown.core.requests import Answer
from drawdown.engine.batcher import BatchObserver
from drawdown.engine.endpoints import DeliveryObserver
from drawdown.engine.ports import StoreUnavailable
from drawdown.web.endpoints import Context
from drawdown.web.rate_limits import Caller
from drawdown.web.shared_metrics import SharedMetrics

log = structlog.get_logger("drawdown.engine")

SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)
SIZES = (1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0)
#: The route of requests that no endpoint was found for.
NO_ROUTE = "none"
CONTENT_TYPE = b"text/plain; version=0.0.4; charset=utf-8"


class Histogram:
    """Counts by upper bound, the last one for what exceeds them all."""

    __slots__ = ("bounds", "counts", "total")

    def __init__(self, bounds: tuple[float, ...]) -> None:
        self.bounds = bounds
        self.counts = [0] * (len(bounds) + 1)
        self.total = 0.0

    def add(self, value: float) -> None:
        self.counts[bisect_left(self.bounds, value)] += 1
        self.total += value

    @property
    def count(self) -> int:
        return sum(self.counts)

    def include(self, other: Histogram) -> None:
        """Add what another with the same bounds has counted."""
        self.counts = [mine + its for mine, its in zip(self.counts, other.counts, strict=True)]
        self.total += other.total

    def buckets(self) -> list[tuple[str, float]]:
        """Cumulative, as the exposition wants them."""
        found, running = [], 0
        for bound, count in zip((*map(str, self.bounds), "+Inf"), self.counts, strict=True):
            running += count
            found.append((bound, float(running)))
        return found


class Metrics(BatchObserver, DeliveryObserver, Collector):
    """What one process has done since it began; with ``shared`` it shows what all of its group have."""

    def __init__(self, shared: SharedMetrics | None = None) -> None:
        self._shared = shared
        self._requests: dict[tuple[str, str, str, int], Histogram] = {}
        self._batch_sizes = Histogram(SIZES)
        self._commit_seconds = Histogram(SECONDS)
        self._debits: dict[str, int] = {}
        self._limited: dict[Caller, int] = {"account": 0, "address": 0}
        self._failed = 0
        self._unavailable: str | None = None
        self._deliveries: dict[tuple[str, str], int] = {}
        self._disabled = self._waiting = self._dead = 0
        self._lag = 0.0
        self._registry = CollectorRegistry()
        self._registry.register(self)
        ProcessCollector(registry=self._registry)
        PlatformCollector(registry=self._registry)
        GCCollector(registry=self._registry)

    def answered(self, dialect: str, context: Context, status: int, seconds: float) -> None:
        endpoint = context.endpoint
        if endpoint is None:
            key = (dialect, NO_ROUTE, "ANY", status)
        else:
            key = (dialect, endpoint.path, endpoint.method, status)
        durations = self._requests.get(key)
        if durations is None:
            durations = self._requests[key] = Histogram(SECONDS)
        durations.add(seconds)

    def limited(self, caller: Caller) -> None:
        self._limited[caller] += 1

    def committed(self, size: int, seconds: float) -> None:
        self._unavailable = None
        self._batch_sizes.add(size)
        self._commit_seconds.add(seconds)

    def decided(self, decisions: Sequence[tuple[Command, Answer | LedgerError]]) -> None:
        for command, outcome in decisions:
            if isinstance(command, Debit | Capture | Spend):
                name = _outcome(outcome)
                self._debits[name] = self._debits.get(name, 0) + 1

    def failed(self, error: BaseException) -> None:
        """Counted, and logged: a job has no asker who would be told."""
        self._failed += 1
        if not isinstance(error, StoreUnavailable):
            log.error("a transaction or a job failed", exc_info=error)
        elif str(error) != self._unavailable:  # told once, not once for each batch meanwhile
            self._unavailable = str(error)
            log.error("the database is unavailable", cause=self._unavailable)

    def opened(self, formats: Sequence[str]) -> None:
        """What has not happened yet is 0, so that the first time is an increase."""
        outcomes = ("delivered", "failed", "dead")
        self._deliveries |= {(each, outcome): 0 for each in formats for outcome in outcomes}

    def attempted(self, format_name: str, outcome: str) -> None:
        key = (format_name, outcome)
        self._deliveries[key] = self._deliveries.get(key, 0) + 1

    def standing(self, waiting: int, dead: int, lag_seconds: float) -> None:
        self._waiting, self._dead, self._lag = waiting, dead, lag_seconds

    def disabled(self) -> None:
        self._disabled += 1

    def exposition(self) -> bytes:
        if self._shared is None:
            return generate_latest(self._registry)
        self.publish()
        return self._shared.exposition()

    def publish(self) -> None:
        """Let the other workers of the group see what was counted so far."""
        if self._shared is not None:
            self._shared.publish(self._registry.collect())

    def close(self) -> None:
        """Publish for the last time."""
        self.publish()
        if self._shared is not None:
            self._shared.close()

    def collect(self) -> Iterator[Metric]:
        yield _counter(
            "drawdown_requests",
            "Requests answered.",
            ("dialect", "route", "method", "status"),
            ((tuple(map(str, key)), each.count) for key, each in self._requests.items()),
        )
        yield _histogram(
            "drawdown_request_seconds",
            "From the first byte of a request's head to the end of its answer.",
            ("dialect", "route", "method"),
            self._seconds().items(),
        )
        yield _counter(
            "drawdown_debits",
            "Debits, captures and spends by what came of them: accepted, replayed, or the refusal's code.",
            ("outcome",),
            (((name,), count) for name, count in self._debits.items()),
        )
        yield _counter(
            "drawdown_rate_limited",
            "Requests refused because an account, or an address without a key, had asked too often.",
            ("caller",),
            (((caller,), count) for caller, count in self._limited.items()),
        )
        yield _histogram(
            "drawdown_batch_size", "Commands in one transaction.", (), [((), self._batch_sizes)]
        )
        yield _histogram(
            "drawdown_commit_seconds",
            "Loading, deciding, writing and committing one transaction.",
            (),
            [((), self._commit_seconds)],
        )
        yield _counter(
            "drawdown_failures",
            "Transactions and background jobs that failed.",
            (),
            [((), self._failed)],
        )
        yield from self._of_webhooks()
        yield GaugeMetricFamily("drawdown_workers", "Processes that serve.", value=1)

    def _of_webhooks(self) -> Iterator[Metric]:
        yield _counter(
            "drawdown_webhook_attempts",
            "Attempts to deliver an event: delivered, failed, or dead where no other follows.",
            ("format", "outcome"),
            self._deliveries.items(),
        )
        yield _counter(
            "drawdown_webhook_endpoints_disabled",
            "Endpoints that failed until they were asked no more.",
            (),
            [((), self._disabled)],
        )
        for name, text, value in (
            ("retrying", "Events that failed and will be tried again.", self._waiting),
            ("dead", "Events that were given up.", self._dead),
            ("lag_seconds", "Age of the oldest event that is still to be delivered.", self._lag),
        ):
            yield GaugeMetricFamily(f"drawdown_webhook_{name}", text, value=value)

    def _seconds(self) -> dict[tuple[str, ...], Histogram]:
        """Durations by dialect, route and method, whatever the status."""
        found: dict[tuple[str, ...], Histogram] = {}
        for (*route, _), durations in self._requests.items():
            found.setdefault(tuple(route), Histogram(SECONDS)).include(durations)
        return found


def _outcome(outcome: Answer | LedgerError) -> str:
    if isinstance(outcome, LedgerError):
        return outcome.code
    return "replayed" if outcome.replayed else "accepted"


def _counter(
    name: str, text: str, labels: tuple[str, ...], values: Iterable[tuple[tuple[str, ...], int]]
) -> Metric:
    family = CounterMetricFamily(name, text, labels=labels)
    for key, count in values:
        family.add_metric(key, count)
    return family


def _histogram(
    name: str,
    text: str,
    labels: tuple[str, ...],
    values: Iterable[tuple[tuple[str, ...], Histogram]],
) -> Metric:
    family = HistogramMetricFamily(name, text, labels=labels)
    for key, histogram in values:
        family.add_metric(key, histogram.buckets(), histogram.total)
    return family
