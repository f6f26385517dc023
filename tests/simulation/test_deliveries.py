"""Events reach endpoints that fail at random, though processes die: all, and in order where asked."""

from __future__ import annotations

import asyncio
from collections import Counter
from pathlib import Path

from tests.simulation.deliveries import play
from tests.support.stores import OpenedByUrl

SEEDS = range(8)


def test_whatever_fails_and_whoever_dies_every_event_arrives(tmp_path: Path) -> None:
    counts: Counter[str] = Counter()
    for seed in SEEDS:
        database = OpenedByUrl(f"sqlite:///{tmp_path / f'ledger-{seed}.db'}")
        try:
            asyncio.run(play(seed, database, counts))
        except AssertionError as fault:
            fault.add_note(f"seed {seed}")
            raise
    assert min(counts[f"answered {status}"] for status in (500, 302, 503, 429, None)) > 20, counts
    assert counts["deaths"] > 20, counts
    assert counts["under way at a death"] > 20, counts
    assert counts["changed"] > 20, counts
    assert counts["sent twice"] > 100, counts
