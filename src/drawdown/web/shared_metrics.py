"""What several workers have counted, added up: in files of a folder that they share.

The files are those of prometheus_client's multiprocess mode, and it is what adds them up. They are written
once a second and for each scrape, not with each request: a request costs as little as in one process, and
what a scrape shows of the other workers is a second old at most.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from prometheus_client import CollectorRegistry, PlatformCollector
from prometheus_client.core import Metric
from prometheus_client.exposition import generate_latest
from prometheus_client.mmap_dict import MmapedDict, mmap_key
from prometheus_client.multiprocess import MultiProcessCollector, mark_process_dead

PUBLISH_SECONDS = 1.0
#: How the values of the workers that live become one. The versions of Python are the same in all of them.
GAUGES = {
    "drawdown_workers": "livesum",
    "drawdown_webhook_retrying": "livemax",
    "drawdown_webhook_dead": "livemax",
    "drawdown_webhook_lag_seconds": "livemax",
    "process_virtual_memory_bytes": "livesum",
    "process_resident_memory_bytes": "livesum",
    "process_open_fds": "livesum",
    "process_max_fds": "livemin",
    "process_start_time_seconds": "livemin",
}


class SharedMetrics:
    """One worker's files in the group's folder. A worker goes on where the last of its number ended."""

    def __init__(self, folder: Path, number: int) -> None:
        self._folder, self._number = folder, number
        self._files: dict[str, MmapedDict] = {}
        self._before: dict[str, dict[str, float]] = {}
        self._all = CollectorRegistry()
        MultiProcessCollector(self._all, str(folder))  # type: ignore[no-untyped-call]
        PlatformCollector(registry=self._all)

    def publish(self, families: Iterable[Metric]) -> None:
        """Write down what this worker has counted since it began."""
        for family in families:
            if family.type == "histogram":
                self._write_histogram(family)
            elif family.type == "counter":
                self._write("counter", family)
            elif family.name in GAUGES:
                self._write(f"gauge_{GAUGES[family.name]}", family)

    def exposition(self) -> bytes:
        """The figures of the whole group."""
        return generate_latest(self._all)

    def close(self) -> None:
        for file in self._files.values():
            file.close()  # type: ignore[no-untyped-call]

    def _write(self, kind: str, family: Metric) -> None:
        for sample in family.samples:
            self._put(kind, family, sample.name, sample.labels, sample.value)

    def _write_histogram(self, family: Metric) -> None:
        """The files hold the count of each bucket by itself, and no count of all."""
        below = 0.0
        for sample in family.samples:
            if sample.name.endswith("_bucket"):
                value = sample.value - below
                below = 0.0 if sample.labels["le"] == "+Inf" else sample.value
                self._put("histogram", family, sample.name, sample.labels, value)
            elif sample.name.endswith("_sum"):
                self._put("histogram", family, sample.name, sample.labels, sample.value)

    def _put(
        self, kind: str, family: Metric, name: str, labels: dict[str, str], value: float
    ) -> None:
        key = mmap_key(family.name, name, list(labels), list(labels.values()), family.documentation)
        file = self._files.get(kind) or self._open(kind)
        file.write_value(key, self._before[kind].get(key, 0.0) + value, 0.0)  # type: ignore[no-untyped-call]

    def _open(self, kind: str) -> MmapedDict:
        file = MmapedDict(str(self._folder / f"{kind}_{self._number}.db"))  # type: ignore[no-untyped-call]
        self._files[kind] = file
        found = file.read_all_values()  # type: ignore[no-untyped-call]
        self._before[kind] = {} if kind.startswith("gauge") else {key: had for key, had, _ in found}
        return file


def worker_ended(folder: Path, number: int) -> None:
    """What it counted stays; what it was, such as its memory, does not."""
    mark_process_dead(number, str(folder))  # type: ignore[no-untyped-call]
