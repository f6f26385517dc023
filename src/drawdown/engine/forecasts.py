"""What will become of a wallet: its recent use is read, its future played on a copy. Nothing is written."""

from __future__ import annotations

import asyncio

import msgspec

from drawdown.core import burn, forecast
from drawdown.core.forecast import Forecast, Use
from drawdown.core.state import Wallet
from drawdown.core.types import DAY, Entitlement, Grant, Id, Instant
from drawdown.engine.ports import GrantFilter, Moment, Store

#: How many entries or grants are read at once.
CHUNK = 500
#: A wallet that is busier than this is judged by its newest entries alone.
ENTRIES_MAX = 100_000


async def look_ahead(
    store: Store, book: Id, owner: Id, kind: Entitlement, now: Instant, days: int, window_days: int
) -> Forecast:
    """A wallet's next ``days``, used as it was in the last ``window_days``; one never used stays empty."""
    forecast.check(days, window_days)
    async with store.moment(owner) as moment:
        wallet = await moment.find_wallet(owner, kind.id, Instant(now + days * DAY))
        if wallet is None:
            wallet = Wallet(
                customer=owner, entitlement=kind.id, burn_order=kind.burn_order, created_at=now
            )
        wallet.overage_default = kind.overage
        as_of = Instant(max(now, wallet.last_at))
        since = forecast.window_start(wallet, as_of, window_days)
        use = await _recent_use(moment, wallet, since, as_of)
        await _load_open(moment, book, wallet, as_of)
    return await asyncio.to_thread(forecast.look_ahead, wallet, use, as_of, days)


async def _recent_use(moment: Moment, wallet: Wallet, since: Instant, as_of: Instant) -> Use:
    """What was used since then; of a busy wallet since the oldest of its newest ``ENTRIES_MAX`` entries."""
    units, seen, place, oldest = 0, 0, None, since
    while seen < ENTRIES_MAX:
        entries, place = await moment.walk_entries(
            wallet.customer, wallet.entitlement, place, CHUNK
        )
        recent = [entry for entry in entries if entry.at > since]
        units += forecast.used(recent)
        seen += len(entries)
        if len(recent) < len(entries) or place is None:
            return Use(units=max(units, 0), since=since)
        oldest = entries[-1].at
        await asyncio.sleep(0)
    return Use(units=max(units, 0), since=Instant(min(oldest, as_of - 1)))


async def _load_open(moment: Moment, book: Id, wallet: Wallet, now: Instant) -> None:
    """Every grant with something left, and those that may be drawn in burn-down order."""
    asked = GrantFilter(
        book=book,
        now=now,
        limit=CHUNK,
        customer=wallet.customer,
        entitlement=wallet.entitlement,
        unspent=True,
    )
    while found := await moment.list_grants(asked):
        wallet.grants = {grant.id: grant for grant in found} | wallet.grants
        asked = msgspec.structs.replace(asked, after=found[-1].id)
        await asyncio.sleep(0)
    wallet.queue = sorted(
        filter(_is_drawable, wallet.grants.values()),
        key=lambda grant: burn.order_of(grant, wallet.burn_order),
    )
    wallet.whole = True


def _is_drawable(grant: Grant) -> bool:
    return grant.remaining > 0 and not grant.pending and grant.expired_at is None
