"""Timed work: each job is a command or a clean-up, and none is needed for the ledger to be right.

Of any number of processes one at a time does each job: the one that has its lease. Where the store is
spread, each group is a job of its own, and processes share them out: a tick at most doubles what one has. The
times of a lease are the clock of whoever asks for it, as all times are that the store is given. Clocks that
differ cost work that is done twice, which changes nothing, or that begins later; never a balance.
"""

from __future__ import annotations

import asyncio
import contextlib
import secrets
from collections.abc import Awaitable, Callable
from itertools import product
from random import SystemRandom

from drawdown.core.commands import Settle
from drawdown.core.types import DAY, MICROSECONDS, AlertKind, Id, Instant
from drawdown.engine import tasks
from drawdown.engine.access import Accounts
from drawdown.engine.batcher import BatchObserver
from drawdown.engine.ports import Clock, Part, Store, StoreUnavailable

TICK_SECONDS = 1.0
SETTLED_AT_ONCE = 200
PRUNED_AT_ONCE = 1_000
PRUNE_EVERY = 60 * MICROSECONDS
LOOK_EVERY = 10 * MICROSECONDS
CLAIMS_KEPT_DAYS = 30
#: What is due is settled by the holder of one lease, old claims are forgotten by that of another.
SETTLING, PRUNING = "settle", "prune"
#: Renewed with every tick. A process that dies keeps the others from its work for so long at most.
LEASE = 5 * MICROSECONDS

_shuffle = SystemRandom().shuffle

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
        self._prune_at: dict[str, int] = {}
        self._look_at = 0
        self._watching: set[tuple[Id, Id]] = set()
        self._new_alerts: set[tuple[Id, Id]] = set()
        self._reached: dict[tuple[str, Id, Id], Id] = {}
        self._counted: set[tuple[str, Id, Id]] = set()
        self._holder = Id(secrets.token_bytes(16))
        self._held: set[str] = set()
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        self._task = asyncio.create_task(self._run(), name="drawdown-jobs")

    async def close(self) -> None:
        if self._task is not None:
            await tasks.end(self._task)
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
        parts = self._parts()
        for part in await self._mine(SETTLING, parts, now, LEASE):
            await self._settle_due(part, now)
        await self._count_in(parts, now)
        await self._accounts.write_down_uses()  # everybody's own: no other process knows them
        await self._prune(now)

    def _parts(self) -> dict[str, Part]:
        """What is worked on by itself, by what is put behind the name of the work."""
        placement = self._store.placement
        if placement is None:
            return {"": self._store}
        return {f" {group}": placement.part(group) for group in placement.groups()}

    async def _mine(self, work: str, parts: dict[str, Part], now: Instant, term: int) -> list[Part]:
        """Those whose lease this process has from now on: what it had, and at most as much again, or one."""
        names = {work + suffix: part for suffix, part in parts.items()}
        held = [name for name in names if name in self._held]
        others = [name for name in names if name not in self._held]
        mine = [names[name] for name in held if await self._is_mine(name, now, term)]
        wanted = 2 * len(mine) or 1
        _shuffle(others)
        for name in others:
            if len(mine) < wanted and await self._is_mine(name, now, term):
                mine.append(names[name])
        return mine

    async def _is_mine(self, name: str, now: Instant, term: int) -> bool:
        if await self._store.lease(name, self._holder, now, Instant(now + term)):
            self._held.add(name)
            return True
        self._held.discard(name)
        return False

    async def _settle_due(self, part: Part, now: Instant) -> None:
        due = await part.due_wallets(now, SETTLED_AT_ONCE)
        commands = [
            self._settle(book, Settle(customer=customer, entitlement=entitlement))
            for book, customer, entitlement in due
        ]
        await asyncio.gather(*commands)

    async def _count_in(self, parts: dict[str, Part], now: Instant) -> None:
        """Let wallets in which nothing happens look at themselves by new alerts on expiry for everybody.

        Whoever died at it left nothing behind: what a wallet has looked at stands in it. Alerts are taken up
        when they have been there for a while, since not every process hears of them at once.
        """
        if now >= self._look_at:
            self._look_at = now + LOOK_EVERY
            known, self._watching = self._watching, await self._expiry_alerts()
            self._new_alerts = known & self._watching
            self._counted = {each for each in self._counted if each[1:] in self._watching}
        mine = [suffix for suffix in parts if SETTLING + suffix in self._held]
        for suffix, (kind, alert) in product(mine, sorted(self._new_alerts)):
            place = (suffix, kind, alert)
            if place in self._counted:
                continue
            after = self._reached.get(place)
            found = await parts[suffix].uncounted_wallets(kind, alert, after, SETTLED_AT_ONCE)
            await asyncio.gather(
                *(
                    self._settle(book, Settle(customer=owner, entitlement=kind))
                    for book, owner in found
                )
            )
            if found:
                self._reached[place] = found[-1][1]
            else:
                self._counted.add(place)
                self._reached.pop(place, None)

    async def _expiry_alerts(self) -> set[tuple[Id, Id]]:
        found = await self._store.watched_entitlements()
        near = AlertKind.DAYS_TO_EXPIRY
        return {(kind, rule.alert) for kind, rules in found for rule in rules if rule.kind is near}

    async def _prune(self, now: Instant) -> None:
        """A part of what is old; while there is more, the next tick goes on."""
        kept_since = Instant(now - self._claims_kept_days * DAY)
        for suffix, part in self._parts().items():
            if now < self._prune_at.get(suffix, 0):
                continue
            pruned = 0
            if await self._is_mine(PRUNING + suffix, now, PRUNE_EVERY):
                pruned = await part.prune_claims(kept_since, PRUNED_AT_ONCE)
            self._prune_at[suffix] = now if pruned else now + PRUNE_EVERY
