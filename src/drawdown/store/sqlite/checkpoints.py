"""Writing the log back into the file, mostly beside the commits, so that few of them wait for it."""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress

import apsw

from drawdown.store.sqlite import connection as opening


class Checkpoints:
    """Follows a writer's log.

    Once it is long, a thread writes it back over a connection of its own. The log begins anew only when
    nothing is left in it, so what commits have added meanwhile, which is little, is written back by the
    next of them. A log of ``LOG_PAGES_MAX`` is written back by a commit in any case.

    No error counts: what is not written back stays in the log, and the next commit tries again.
    """

    def __init__(self, writer: apsw.Connection, beside: apsw.Connection) -> None:
        self._beside = beside
        self._thread = ThreadPoolExecutor(1, "drawdown-checkpoint")
        self._under_way: Future[None] | None = None
        writer.set_wal_hook(self._committed)

    def _committed(self, writer: apsw.Connection, schema: str, pages: int) -> int:
        """Called by SQLite after each commit, in its thread, with the length of the log."""
        is_rest = self._under_way is not None and self._under_way.done()
        if is_rest or pages >= opening.LOG_PAGES_MAX:
            _write_back(writer)
            self._under_way = None if is_rest else self._under_way
        elif self._under_way is None and pages >= opening.CHECKPOINT_PAGES:
            self._under_way = self._thread.submit(_write_back, self._beside)
        return apsw.SQLITE_OK

    def close(self) -> None:
        """Wait for what is under way."""
        self._thread.shutdown()
        self._beside.close()


def _write_back(connection: apsw.Connection) -> None:
    with suppress(apsw.Error):
        connection.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_PASSIVE)
