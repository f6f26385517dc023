"""A server that is killed under load loses nothing that it acknowledged (``torture``, and ``make soak``)."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.durability.torture import Torture

ROUNDS = 4
#: What the load must have had in it.
KINDS = {
    "customers", "grants", "debits", "spends", "reverse", "holds", "capture", "release",
    "ledger-entries", "credits", "credit_grants", "void",
}  # fmt: skip


def test_a_killed_server_loses_nothing_it_acknowledged(tmp_path: Path) -> None:
    """Killed four times at random moments, and sometimes again while it starts."""
    torture = Torture(tmp_path, seed=20_260_101)
    for _ in range(ROUNDS):
        torture.round()
    torture.finish()
    assert torture.kinds.keys() >= KINDS
    assert all(one.acknowledged > 0 for one in torture.rounds), torture.rounds
    assert sum(one.acknowledged for one in torture.rounds) > 200, torture.rounds
    assert sum(one.unanswered for one in torture.rounds) > ROUNDS, torture.rounds


def test_an_operation_that_is_lost_is_found(tmp_path: Path) -> None:
    """The check can fail: a file from before the load is put in place of the one that was killed."""
    torture = Torture(tmp_path, seed=1)
    backup = torture.path.read_bytes()
    before = torture.load_and_kill()
    torture.path.with_name("ledger.db-wal").unlink(missing_ok=True)
    torture.path.with_name("ledger.db-shm").unlink(missing_ok=True)
    torture.path.write_bytes(backup)
    with pytest.raises(AssertionError, match="lost"):
        torture.check(before)
