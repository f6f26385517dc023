"""A file on a disk whose power can fail (``tests.support.power``), and what is found after it did."""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Protocol

import apsw

from drawdown.core.types import Id, Instant
from tests.simulation.planned import Recorded
from tests.simulation.plays import Difference, Turn
from tests.simulation.servers import FragileStore, Server, SimulatedStore
from tests.support.power import Disk

#: What a client has heard: a code and what was told beside it, and the answer's bytes.
Heard = tuple[str, dict[str, object], bytes]
CarryOut = Callable[[Turn], Awaitable[list[Heard | None]]]

RECORDED = "SELECT id, recorded_at FROM operation"


class Site(Protocol):
    """What the servers of a play stand on. ``book`` is there from the beginning."""

    book: Id

    async def store(self) -> FragileStore: ...
    async def prepare(self, store: FragileStore, turn: Turn) -> None: ...
    async def fail(
        self, servers: dict[int, Server], turn: Turn, carry_out: CarryOut
    ) -> tuple[list[Heard | None], bool]: ...
    async def recorded(self) -> set[Recorded]: ...
    async def close(self) -> None: ...


def check_kept(turn: Turn, heard: Sequence[Heard | None], kept: bool) -> bool:
    """Whether the turn's transaction was acknowledged. Raises ``Difference`` if it then was not kept."""
    acknowledged = any(one is not None and one[0] == "ok" for one in heard)
    changed = "settle" not in {ask.verb for ask in turn.asks}
    if acknowledged and changed and not kept:
        raise Difference("what was acknowledged has not been kept")
    return acknowledged


class FileSite:
    """A file on a disk; where ``can_fail`` is not set, an ordinary one."""

    def __init__(self, path: Path, book: Id, can_fail: bool, counts: Counter[str]) -> None:
        self.book = book
        self._path, self._counts = path, counts
        self._failures = 0
        self._opened: list[apsw.Connection] = []
        self._disk = self._new() if can_fail else None
        if can_fail:
            apsw.connection_hooks.append(self._opened.append)

    def _new(self) -> Disk:
        self._failures += 1
        return Disk(self._failures)

    @property
    def _vfs(self) -> str | None:
        return None if self._disk is None else self._disk.name

    async def store(self) -> SimulatedStore:
        return SimulatedStore(str(self._path), self._counts, self._vfs)

    async def prepare(self, store: FragileStore, turn: Turn) -> None:
        """The fault of the turn will befall the store's next transaction."""
        store.fault = turn.fault

    async def fail(
        self, servers: dict[int, Server], turn: Turn, carry_out: CarryOut
    ) -> tuple[list[Heard | None], bool]:
        """Carry a turn out while the power fails. What was heard, and whether it is on the disk."""
        if self._disk is None:  # a play that was cut down
            return await carry_out(turn), True
        before = self._kept(self._disk.name)
        self._disk.fail_after(turn.step)
        heard = await carry_out(turn)
        self._disk.fail_after(None)
        if self._disk.failure is None:
            return heard, True
        for number in list(servers):
            await servers.pop(number).die()
        self._restart(self._disk)
        found = self._kept(None) > before
        if not check_kept(turn, heard, found):
            fate = (
                "survives a power failure unacknowledged" if found else "is lost to a power failure"
            )
            self._counts[f"a transaction {fate}"] += 1
        return heard, found

    def _restart(self, disk: Disk) -> None:
        """What the disk kept is in the file."""
        self._close_connections()
        disk.pull_the_plug()
        self._disk = self._new()

    def _close_connections(self) -> None:
        for connection in self._opened:
            with contextlib.suppress(apsw.Error):
                connection.close()
        self._opened.clear()

    def _kept(self, vfs: str | None) -> int:
        """How many operations and claims are in the file: a refusal under a claim is kept, too."""
        connection = apsw.Connection(str(self._path), vfs=vfs)
        try:
            found = connection.execute(
                "SELECT (SELECT count(*) FROM operation) + (SELECT count(*) FROM claim)"
            ).get
            assert isinstance(found, int)
            return found
        finally:
            connection.close()

    async def recorded(self) -> set[Recorded]:
        """All operations in the file."""
        connection = apsw.Connection(str(self._path), vfs=self._vfs)
        try:
            return {(Id(found), Instant(at)) for found, at in connection.execute(RECORDED)}
        finally:
            connection.close()

    async def close(self) -> None:
        if self._disk is not None:
            apsw.connection_hooks.remove(self._opened.append)
            self._close_connections()
            self._disk.unregister()
