"""The checks of a ledger in PostgreSQL. The database is not changed."""

from __future__ import annotations

import asyncio
import time

from drawdown.cli.doctor import checks
from drawdown.cli.doctor.checks import Check, fault, ok, warning
from drawdown.cli.doctor.ledger import due_work, keys, late_before, schema
from drawdown.cli.output import size
from drawdown.core.types import Instant
from drawdown.engine.ports import SchemaNewer, StoreUnavailable, StoreUnusable
from drawdown.opening import shown
from drawdown.store.postgres.durability import Settings, weaknesses
from drawdown.store.postgres.inspection import Inspection, inspect


def examine(url: str, *, named: bool) -> list[Check]:
    """The checks of the ledger at ``url``. ``named``: someone said it is there."""
    try:
        return asyncio.run(_examine(url, named))
    except SchemaNewer as error:
        return [fault("schema", str(error), "Or restore a backup of this release's time.")]
    except (StoreUnavailable, StoreUnusable) as error:
        fix = "Start it, or correct --database or DRAWDOWN_DATABASE."
        return [fault("database", f"{shown(url)}: {error}", fix)]


async def _examine(url: str, named: bool) -> list[Check]:
    async with inspect(url) as found:
        if found.schema == 0:
            kind = fault if named else warning
            fix = "`drawdown init` prepares one; --database or DRAWDOWN_DATABASE names another."
            return [kind("database", f"There is no ledger at {shown(url)}", fix)]
        settings = await found.settings()
        now = Instant(time.time_ns() // 1_000)
        at = f"{shown(url)}, PostgreSQL {found.version}, {size(settings.bytes)}"
        return [
            _database(at, half_copied=await found.is_half_copied()),
            schema(found.schema, found.pending),
            *_distributed(await found.undistributed()),
            _writable(settings),
            *_durability(settings),
            checks.clock(Instant(settings.clock), now),
            *await _contents(found, now),
        ]


def _database(at: str, *, half_copied: bool) -> Check:
    if half_copied:
        found = f"A ledger is being copied into {at}; no server starts on it before that has ended."
        return fault("database", found, "`drawdown copy --finish` ends the copy.")
    return ok("database", at)


async def _contents(found: Inspection, now: Instant) -> list[Check]:
    late = await found.late(late_before(now))
    return [keys(await found.keys(), await found.accounts()), due_work(late, now, used=False)]


def _distributed(undistributed: list[str]) -> list[Check]:
    """Nothing is said where there is no Citus, or all is as it should be."""
    if not undistributed:
        return []
    named = ", ".join(undistributed)
    return [fault("tables", f"Citus has not distributed {named}.", "Run `drawdown migrate`.")]


def _writable(settings: Settings) -> Check:
    if settings.only_reads:
        return fault("writable", "The database only reads.", "Name the primary, not a standby.")
    return ok("writable", "yes")


def _durability(settings: Settings) -> list[Check]:
    weak = weaknesses(settings)
    if not weak:
        return [ok("durability", "every commit is on the disk of two machines")]
    found = warning if settings.synced and settings.synchronous_commit != "off" else fault
    return [found("durability", weakness, "See docs/operations.md.") for weakness in weak]
