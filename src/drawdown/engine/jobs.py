"""Timed work: each job is a command or a clean-up, and none is needed for the ledger to be right.

Of any number of processes one at a time does each job: the one that has its lease. The times of a lease
are the clock of whoever asks for it, as all times are that the store is given. Clocks that differ cost
work that is done twice, which changes nothing, or that begins later; never a balance.
"""

from __future__ import annotations

import asyncio
import contextlib
import secrets
from collections.abc import Awaitable, Callable

from drawdown.core.commands import Settle
from drawdown.core.types import DAY, MICROSECONDS, Id, Instant
from drawdown.engine.access import Accounts
from drawdown.engine.batcher import BatchObserver
from drawdown.engine.ports import Clock, Store, StoreUnavailable

TICK_SECONDS = 1.0
SETTLED_AT_ONCE = 200
PRUNED_AT_ONCE = 1_000
PRUNE_EVERY = 60 * MICROSECONDS
CLAIMS_KEPT_DAYS = 30
#: What is due is settled by the holder of one lease, old claims are forgotten by that of another.
SETTLING, PRUNING = "settle", "prune"
#: Renewed with every tick. A process that dies keeps the others from its work for so long at most.
LEASE = 5 * MICROSECONDS

SettleWallet = Callable[[Id, Settle], Awaitable[object]]


class Jobs:
    """Settles wallets whose time has come, prunes old HTTP claims, notes when keys were used."""

    def __init__(
        self,
        store: Store,
        clock: Clock,
        accounts: Accounts,
        settle: SettleWallet,
        observer: BatchObserver,
        claims_kept_days: int = CLAIMS_KEPT_DAYS,
    ) -> None:
        self._store = store
        self._clock = clock
        self._accounts = accounts
        self._settle = settle
        self._claims_kept_days = claims_kept_days
        self._observer = observer
        self._prune_at = 0
        self._holder = Id(secrets.token_bytes(16))
        self._held: set[str] = set()
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        self._task = asyncio.create_task(self._run(), name="drawdown-jobs")

    async def close(self) -> None:
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
        with contextlib.suppress(StoreUnavailable):  # closing goes on without
            await self._give_back()
            await self._accounts.write_down_uses()

    async def _give_back(self) -> None:
        """So that another process goes on at once."""
        now = self._clock.now()
        for name in sorted(self._held):
            await self._store.lease(name, self._holder, now, now)

    async def _run(self) -> None:
        while True:
            try:
                await self.tick()
            except Exception as error:  # the next tick may do better; nothing waits for this one
                self._observer.failed(error)
            await asyncio.sleep(TICK_SECONDS)

    async def tick(self) -> None:
        """Do what is due now; what does not fit waits for the next tick."""
        now = self._clock.now()
        if await self._is_mine(SETTLING, now, LEASE):
            await self._settle_due(now)
        await self._accounts.write_down_uses()  # everybody's own: no other process knows them
        if now >= self._prune_at:
            await self._prune(now)

    async def _is_mine(self, name: str, now: Instant, term: int) -> bool:
        if await self._store.lease(name, self._holder, now, Instant(now + term)):
            self._held.add(name)
            return True
        self._held.discard(name)
        return False

    async def _settle_due(self, now: Instant) -> None:
        due = await self._store.due_wallets(now, SETTLED_AT_ONCE)
        commands = [
            self._settle(book, Settle(customer=customer, entitlement=entitlement))
            for book, customer, entitlement in due
        ]
        await asyncio.gather(*commands)

    async def _prune(self, now: Instant) -> None:
        """A part of what is old; while there is more, the next tick goes on."""
        pruned = 0
        if await self._is_mine(PRUNING, now, PRUNE_EVERY):
            kept_since = Instant(now - self._claims_kept_days * DAY)
            pruned = await self._store.prune_claims(kept_since, PRUNED_AT_ONCE)
        self._prune_at = now if pruned else now + PRUNE_EVERY
