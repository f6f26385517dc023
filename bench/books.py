"""A database under measurement, and whether its books hold exactly what was acknowledged."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import msgspec

from bench.children import BenchError, run
from bench.seed import Seeded
from bench.server import VERIFY_SECONDS, drawdown
from bench.traffic import AMOUNT, CODE


class _Totals(msgspec.Struct):
    used: str


class _Verified(msgspec.Struct):
    ok: bool
    entries: int
    totals: dict[str, _Totals]


class Audit(msgspec.Struct, kw_only=True):
    """What was compared: debits acknowledged, credits they drew, credits the books say were used."""

    database: str
    acknowledged: int
    drawn: int
    used: int
    entries: int


class Books:
    """A copy of the seeded database. Whoever measures adds what was acknowledged."""

    def __init__(self, seeded: Seeded, path: Path) -> None:
        shutil.copyfile(seeded.path, path)
        sync(path)
        self.path, self.secret, self.book = path, seeded.secret, seeded.book
        self.acknowledged = 0

    @property
    def url(self) -> str:
        return f"sqlite:///{self.path}"

    def check(self) -> Audit:
        """Run ``drawdown verify`` and compare. Raises ``BenchError`` for any difference."""
        command = [drawdown(), "verify", "--json", "--database", self.url]
        verified = msgspec.json.decode(run(command, VERIFY_SECONDS), type=_Verified)
        audit = Audit(
            database=self.path.name,
            acknowledged=self.acknowledged,
            drawn=self.acknowledged * AMOUNT,
            used=int(verified.totals[CODE].used),
            entries=verified.entries,
        )
        if not verified.ok or audit.drawn != audit.used:
            raise BenchError(
                f"{audit.acknowledged} debits of {AMOUNT} were acknowledged in {audit.database}, "
                f"the books say {audit.used} was used."
            )
        return audit

    def remove(self) -> None:
        for suffix in ("", "-wal", "-shm"):
            self.path.with_name(self.path.name + suffix).unlink(missing_ok=True)


def sync(path: Path) -> None:
    """Write a file out now, so that doing it later does not disturb a measure."""
    with path.open("rb") as file:
        os.fsync(file.fileno())
