"""Several workers' figures in one folder, added up by whichever is asked."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from drawdown.web.metrics import Metrics
from drawdown.web.shared_metrics import SharedMetrics, worker_ended

Figures = dict[tuple[str, str | None], float]


Worker = Callable[[int], Metrics]


@pytest.fixture
def worker(tmp_path: Path) -> Iterator[Worker]:
    """The metrics of the worker of a number."""
    made = []

    def make(number: int) -> Metrics:
        made.append(Metrics(SharedMetrics(tmp_path, number)))
        return made[-1]

    yield make
    for metrics in made:
        metrics.close()


def figures(metrics: Metrics) -> Figures:
    """By name and bucket."""
    return {
        (sample.name, sample.labels.get("le")): sample.value
        for family in text_string_to_metric_families(metrics.exposition().decode())
        for sample in family.samples
    }


def test_a_worker_shows_its_own_figures_and_what_the_others_published(worker: Worker) -> None:
    first, second = worker(1), worker(2)
    first.committed(3, 0.004)
    second.committed(1, 0.5)
    second.committed(256, 9.0)
    second.publish()
    found = figures(first)
    buckets = [found["drawdown_batch_size_bucket", le] for le in ("1.0", "2.0", "4.0", "+Inf")]
    assert buckets == [1, 1, 2, 3]
    assert found["drawdown_batch_size_count", None] == 3
    assert found["drawdown_batch_size_sum", None] == 260
    assert found["drawdown_commit_seconds_sum", None] == 9.504
    first.publish()
    assert ours(second) == ours(first)


def ours(metrics: Metrics) -> Figures:
    """Without what moves by itself from one scrape to the next, such as memory."""
    return {key: value for key, value in figures(metrics).items() if key[0].startswith("drawdown_")}


def test_publishing_again_counts_nothing_twice(worker: Worker) -> None:
    metrics = worker(1)
    metrics.committed(1, 0.5)
    for _ in range(3):
        metrics.publish()
    assert figures(metrics)["drawdown_batch_size_count", None] == 1


def test_a_worker_goes_on_where_the_last_of_its_number_ended(
    tmp_path: Path, worker: Worker
) -> None:
    """A counter never falls when a worker is replaced; what lives is counted anew."""
    first, second = worker(1), worker(2)
    for metrics in (first, second):
        metrics.committed(4, 0.5)
        metrics.publish()
    assert figures(second)["drawdown_workers", None] == 2
    worker_ended(tmp_path, 1)
    assert figures(second)["drawdown_workers", None] == 1
    assert figures(second)["drawdown_batch_size_count", None] == 2
    again = worker(1)
    again.committed(2, 0.5)
    found = figures(again)
    assert found["drawdown_workers", None] == 2
    assert found["drawdown_batch_size_count", None] == 3
    assert found["drawdown_batch_size_bucket", "2.0"] == 1


def test_a_group_shows_the_same_metrics_as_one_process(worker: Worker) -> None:
    """By name and type; only ``_created`` and the like could differ, and there are none."""
    alone, shared = Metrics(), worker(1)
    for metrics in (alone, shared):
        metrics.committed(1, 0.5)
    assert set(figures(shared)) == set(figures(alone))
