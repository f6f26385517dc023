"""What the metrics count, and how they show it."""

from __future__ import annotations

from prometheus_client.parser import text_string_to_metric_families
from structlog.testing import capture_logs

from drawdown.engine.ports import StoreUnavailable
from drawdown.web.endpoints import Context
from drawdown.web.headers import Headers
from drawdown.web.metrics import SECONDS, Histogram, Metrics


def test_a_value_is_counted_in_every_bucket_that_holds_it() -> None:
    """A value on a bound is within it; what exceeds them all is in +Inf alone."""
    histogram = Histogram((1.0, 2.0, 4.0))
    for value in (0.5, 1.0, 1.5, 4.0, 9.0):
        histogram.add(value)
    assert histogram.buckets() == [("1.0", 2), ("2.0", 3), ("4.0", 4), ("+Inf", 5)]
    assert histogram.total == 16.0


def test_requests_are_counted_by_status_and_timed_whatever_the_status() -> None:
    metrics = Metrics()
    for status in (200, 404, 404):
        metrics.answered("native", nowhere(), status, 0.002)
    samples = [
        sample
        for family in text_string_to_metric_families(metrics.exposition().decode())
        for sample in family.samples
        if sample.name.startswith("drawdown_request")
    ]
    counted = {s.labels["status"]: s.value for s in samples if s.name == "drawdown_requests_total"}
    assert counted == {"200": 1, "404": 2}
    timed = {s.name: s.value for s in samples if s.labels.get("le", "+Inf") == "+Inf"}
    assert timed["drawdown_request_seconds_bucket"] == 3
    assert round(timed["drawdown_request_seconds_sum"], 6) == 0.006


def nowhere() -> Context:
    return Context(method="GET", path="/", query=b"", headers=Headers([]), request_id="req_1")


def test_a_batch_is_counted_by_size_and_seconds() -> None:
    metrics = Metrics()
    metrics.committed(3, 0.004)
    metrics.committed(256, 9.0)
    families = {
        family.name: family
        for family in text_string_to_metric_families(metrics.exposition().decode())
    }
    sizes = {s.labels.get("le"): s.value for s in families["drawdown_batch_size"].samples}
    assert (sizes["2.0"], sizes["4.0"], sizes["256.0"], sizes["+Inf"]) == (0, 1, 2, 2)
    seconds = {s.labels.get("le"): s.value for s in families["drawdown_commit_seconds"].samples}
    assert (seconds["0.005"], seconds[str(SECONDS[-1])], seconds["+Inf"]) == (1, 1, 2)


def test_a_failure_is_counted_and_logged() -> None:
    metrics = Metrics()
    error = OSError("disk full")
    with capture_logs() as logged:
        metrics.failed(error)
    assert [(line["log_level"], line["exc_info"]) for line in logged] == [("error", error)]
    assert "drawdown_failures_total 1.0" in metrics.exposition().decode()


def test_a_database_that_is_unavailable_is_logged_once_with_its_cause() -> None:
    """One line without a traceback, until it has worked again or the cause is another."""
    metrics = Metrics()
    full = StoreUnavailable("database or disk is full")
    with capture_logs() as logged:
        for _ in range(3):
            metrics.failed(full)
        metrics.failed(StoreUnavailable("locked"))
        metrics.committed(1, 0.001)
        metrics.failed(StoreUnavailable("locked"))
    assert [line["cause"] for line in logged] == ["database or disk is full", "locked", "locked"]
    assert {line["log_level"] for line in logged} == {"error"}
    assert not any("exc_info" in line for line in logged)
    assert "drawdown_failures_total 5.0" in metrics.exposition().decode()
