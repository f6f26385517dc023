"""How often the disk can make a small append durable: the ceiling of everything that commits."""

from __future__ import annotations

import os
import time
from pathlib import Path

from bench.load import percentile

SIZE = 4096

# macOS has no fdatasync, and Python does not show it there.
_flush = getattr(os, "fdatasync", os.fsync)


def appends(directory: Path, seconds: float) -> tuple[float, float, float]:
    """(appends per second, p50 ms, p99 ms) of 4 KiB each, flushed one by one."""
    path = directory / "appends"
    block, spent = bytes(SIZE), []
    with path.open("wb", buffering=0) as file:
        begin = now = time.perf_counter()
        while now - begin < seconds:
            file.write(block)
            _flush(file.fileno())
            before, now = now, time.perf_counter()
            spent.append(now - before)
    path.unlink()
    ordered = sorted(spent)
    return (
        len(spent) / (now - begin),
        percentile(ordered, 0.50) * 1000,
        percentile(ordered, 0.99) * 1000,
    )
