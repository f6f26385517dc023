"""Advancing test clocks: what falls due for their customers is played, each thing at its own instant.

An advance is a clock with a target. What is due by then is settled by the commands that real time is settled
by, for each customer in the order of its instants; the first due among all come first. Nothing is kept of how
far that is but the ledger itself: whatever process goes on finds what is still due, and doing a thing twice
does nothing. Of any number of processes the one with a clock's lease plays it.
"""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import time
from collections.abc import Awaitable, Callable, Sequence

import msgspec

from drawdown.core.commands import EndAdvance, Settle
from drawdown.core.errors import ClockNotFound
from drawdown.core.identity import spell
from drawdown.core.requests import Accepted, Answer, LedgerKey
from drawdown.core.types import MICROSECONDS, ClockStatus, Id, Instant, TestClock
from drawdown.engine import tasks
from drawdown.engine.batcher import BATCH_MAX, BatchObserver, Render
from drawdown.engine.ports import Clock, Store, StoreUnavailable

TICK_SECONDS = 1.0
#: So long a clock is played at a stretch; then others have their turn, and the lease is renewed.
STRETCH_SECONDS = 2.0
LEASE = 10 * MICROSECONDS
#: How often somebody who waits for another process looks how far it is.
LOOK_SECONDS = 0.05

SubmitMany = Callable[
    [Id, Sequence[tuple[Settle | EndAdvance, Render, LedgerKey | None]]],
    Awaitable[list[Answer | BaseException]],
]
_PLAYED = Answer(status=200, body=b"")


class Progress(msgspec.Struct, frozen=True):
    """Of ``total`` wallets ``done`` have nothing left that is due; what was due before ``at`` is played."""

    done: int
    total: int
    at: Instant


class TestClocks:
    """The test clocks of a ledger, and what moves them."""

    def __init__(
        self, store: Store, clock: Clock, submit_many: SubmitMany, observer: BatchObserver
    ) -> None:
        self._store = store
        self._clock = clock
        self._submit_many = submit_many
        self._observer = observer
        self._holder = Id(secrets.token_bytes(16))
        self._playing: set[Id] = set()
        self._left = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    # Reads ---------------------------------------------------------------------------------------

    async def find(self, book: Id, clock: Id) -> TestClock:
        """Raises ``ClockNotFound``, also for one that was deleted."""
        found = await self._store.find_clock(clock)
        if found is None or found.book != book or found.deleted_at is not None:
            raise ClockNotFound(spell("", clock))
        return found

    async def list(self, book: Id, *, after: Id | None = None, limit: int) -> list[TestClock]:
        """Newest first; ``after``: older than that id."""
        return await self._store.list_clocks(book, after, limit)

    async def progress(self, clock: TestClock) -> Progress | None:
        """How far an advance is that is under way; None when none is."""
        if clock.target is None:
            return None
        total, due = await self._store.count_clock(clock.id, clock.target)
        first = await self._store.clock_due(clock.id, clock.target, 1)
        return Progress(total - due, total, first[0][2] if first else clock.target)

    # Playing -------------------------------------------------------------------------------------

    async def play(self, book: Id, clock: Id, seconds: float) -> TestClock:
        """Play an advance for about ``seconds``, or see another do it; the clock as it is after that."""
        until = time.monotonic() + seconds
        found = await self.find(book, clock)
        while found.status is ClockStatus.ADVANCING and time.monotonic() < until:
            if not await self._play(found, until):
                await asyncio.sleep(LOOK_SECONDS)
            found = await self.find(book, clock)
        if found.status is ClockStatus.ADVANCING:
            self._left.set()
        return found

    async def _play(self, clock: TestClock, until: float) -> bool:
        """Play a clock that nobody else plays, at least one batch; whether this was the one to do it."""
        if clock.id in self._playing or not await self._is_mine(clock):
            return False
        self._playing.add(clock.id)
        try:
            while await self._play_batch(clock) and time.monotonic() < until:
                pass
        finally:
            self._playing.discard(clock.id)
        return True

    async def _is_mine(self, clock: TestClock) -> bool:
        now = self._clock.now()
        name = f"clock {clock.id.hex()}"
        return await self._store.lease(name, self._holder, now, Instant(now + LEASE))

    async def _play_batch(self, clock: TestClock) -> bool:
        """Settle the first wallets in which something is due. Whether there may be more.

        When nothing is, the clock arrives; what was begun before that, at its earlier time, may still have
        made something due: it is ready when nothing is due after it has arrived.
        """
        assert clock.target is not None
        now = await self._store.find_clock(clock.id)
        if now is None or now.target != clock.target:
            return False  # deleted, or another has brought it there
        due = await self._store.clock_due(clock.id, clock.target, BATCH_MAX)
        if due:
            await self._settle(clock, due)
            return True
        if now.frozen_at < clock.target:
            return await self._store.reach_target(clock.id, clock.target)
        await self._submit(clock, [EndAdvance(clock=clock.id, target=clock.target)])
        return False

    async def _settle(self, clock: TestClock, due: Sequence[tuple[Id, Id, Instant]]) -> None:
        """Each wallet at its instant; of one customer's those that are due first."""
        first: dict[Id, Instant] = {}
        for customer, _, at in due:
            first.setdefault(customer, at)
        asked = [
            Settle(customer=customer, entitlement=entitlement, at=at)
            for customer, entitlement, at in due
            if at == first[customer]
        ]
        await self._submit(clock, asked)

    async def _submit(self, clock: TestClock, asked: Sequence[Settle | EndAdvance]) -> None:
        submitted = [(each, _played, None) for each in asked]
        for answer in await self._submit_many(clock.book, submitted):
            if isinstance(answer, BaseException):
                raise answer

    # What no request waits for any more ------------------------------------------------------------

    def start(self) -> None:
        """Go on with whatever is under way, of whatever process."""
        self._task = asyncio.create_task(self._run(), name="drawdown-test-clocks")

    async def close(self) -> None:
        if self._task is not None:
            await tasks.end(self._task)

    async def _run(self) -> None:
        while True:
            try:
                await self.tick()
            except Exception as error:  # the next tick may do better
                self._observer.failed(error)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._left.wait(), TICK_SECONDS)
            self._left.clear()

    async def tick(self) -> None:
        """Play every clock that is under way for a stretch, or to its end."""
        for clock in await self._store.advancing_clocks():
            until = time.monotonic() + STRETCH_SECONDS
            try:
                await self._play(clock, until)
            except StoreUnavailable:
                raise
            except Exception as error:  # the others are played nevertheless
                self._observer.failed(error)
            self._left.set()


def _played(accepted: Accepted) -> Answer:
    return _PLAYED
