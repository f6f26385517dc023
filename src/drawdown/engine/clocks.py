"""Real time and fresh ids; and a clock that stands still until it is told, for tests and simulations."""

from __future__ import annotations

import secrets
import struct
import time
from collections.abc import Iterator
from itertools import chain

from drawdown.core import identity
from drawdown.core.types import Id, Instant

_RANDOM_BLOCK = struct.Struct(">512Q")


class SystemClock:
    """The wall clock, in microseconds. Where it is put back, it stands still until it is there again."""

    def __init__(self) -> None:
        self._last = 0

    def now(self) -> Instant:
        self._last = max(self._last, time.time_ns() // 1000)
        return Instant(self._last)


class ManualClock:
    """A clock that moves only when it is set."""

    def __init__(self, now: Instant) -> None:
        self.instant = now

    def now(self) -> Instant:
        return self.instant


class TimeOrderedIds:
    """UUIDv7s that rise within this process: 48 bits of milliseconds and 12 of a fraction of one."""

    def __init__(self) -> None:
        self._last = 0
        self._random = chain.from_iterable(self._blocks())

    @staticmethod
    def _blocks() -> Iterator[tuple[int, ...]]:
        """Numbers of 64 random bits, drawn from the system in blocks: one call for many ids."""
        while True:
            yield _RANDOM_BLOCK.unpack(secrets.token_bytes(_RANDOM_BLOCK.size))

    def new(self, slot: int | None = None) -> Id:
        self._last = stamp = max((time.time_ns() << 12) // 1_000_000, self._last + 1)
        bits = next(self._random)
        where = bits & (identity.SLOTS - 1) if slot is None else slot
        return identity.compose(stamp >> 12, stamp & 0xFFF, bits >> identity.SLOT_BITS, where)
