"""Whether the database takes writes: known from the last transaction, or tried when that failed.

Reads go on where writes cannot: on a full disk, or while no standby confirms a commit. What is tried is
small, and may find room where a debit finds none, so a failure counts for a while whatever it tells.
"""

from __future__ import annotations

import time
from collections.abc import Sequence

from drawdown.core.commands import Command
from drawdown.core.errors import LedgerError
from drawdown.core.requests import Answer
from drawdown.engine.batcher import BatchObserver
from drawdown.engine.ports import Store, StoreUnavailable

DOUBT_SECONDS = 5.0


class Readiness(BatchObserver):
    """Tells another observer all that it is told, and keeps whether the last transaction went through."""

    def __init__(self, store: Store, observer: BatchObserver) -> None:
        self._store = store
        self._observer = observer
        self._failed_at: float | None = None

    async def check(self) -> None:
        """Raises ``StoreUnavailable`` when the database does not answer, or takes no writes.

        Some time after the last failure a write is tried, so that service returns although nobody asks
        for anything.
        """
        await self._store.ready()
        if self._failed_at is None:
            return
        if time.monotonic() < self._failed_at + DOUBT_SECONDS:
            raise StoreUnavailable("The last transaction has failed.")
        await self._store.try_write()
        self._failed_at = None

    def committed(self, size: int, seconds: float) -> None:
        self._failed_at = None
        self._observer.committed(size, seconds)

    def decided(self, decisions: Sequence[tuple[Command, Answer | LedgerError]]) -> None:
        self._observer.decided(decisions)

    def conflicted(self, conflict: BaseException) -> None:
        self._observer.conflicted(conflict)

    def failed(self, error: BaseException) -> None:
        if isinstance(error, StoreUnavailable):
            self._failed_at = time.monotonic()
        self._observer.failed(error)
