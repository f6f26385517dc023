"""Ids of requests: for the log and the asker, not of the ledger. None are accepted from outside."""

from __future__ import annotations

import os
import time

from drawdown.core.identity import compose, spell

_FRACTION = 1 << 12


def new_request_id() -> str:
    """``req_`` and the base-62 spelling of a fresh UUIDv7."""
    milliseconds, rest = divmod(time.time_ns(), 1_000_000)
    randomness = int.from_bytes(os.urandom(8), "big")
    return spell(
        "req_",
        compose(milliseconds, rest * _FRACTION // 1_000_000, randomness >> 16, randomness & 0x3FFF),
    )
