"""Timed work: each job is a command or a clean-up, and none is needed for the ledger to be right."""

from __future__ import annotations

import asyncio
import contextlib
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
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        self._task = asyncio.create_task(self._run(), name="drawdown-jobs")

    async def close(self) -> None:
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
        with contextlib.suppress(StoreUnavailable):  # it is for people, and closing goes on without
            await self._accounts.write_down_uses()

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
        due = await self._store.due_wallets(now, SETTLED_AT_ONCE)
        commands = [
            self._settle(book, Settle(customer=customer, entitlement=entitlement))
            for book, customer, entitlement in due
        ]
        await asyncio.gather(*commands)
        await self._accounts.write_down_uses()
        if now >= self._prune_at:
            kept_since = Instant(now - self._claims_kept_days * DAY)
            pruned = await self._store.prune_claims(kept_since, PRUNED_AT_ONCE)
            self._prune_at = now if pruned else now + PRUNE_EVERY
