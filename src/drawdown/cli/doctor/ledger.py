"""The checks that every database's ledger gets: what it has, not what it is kept in."""

from __future__ import annotations

from collections.abc import Sequence

from drawdown.cli.doctor.checks import Check, fault, ok, span, warning
from drawdown.cli.output import counted
from drawdown.core.types import MICROSECONDS, Instant, Mode
from drawdown.engine.accounts import FIRST_KEY, Role
from drawdown.store.inspection import Late, LiveKey

#: A server records what is due within seconds.
LATE_AFTER = 60 * MICROSECONDS


def late_before(now: Instant) -> Instant:
    """What fell due before this should have been recorded by now."""
    return Instant(now - LATE_AFTER)


def schema(number: int, pending: int) -> Check:
    if not pending:
        return ok("schema", f"{number}, this release's")
    migrations = counted(pending, "migration is", "migrations are")
    fix = "`drawdown backup`, then `drawdown migrate` or a restart of the server."
    return warning("schema", f"{number}: {migrations} pending", fix)


def keys(live_keys: Sequence[LiveKey], accounts: Sequence[str]) -> Check:
    if not live_keys:
        fix = "`drawdown keys create` makes one." if accounts else "`drawdown init` makes one."
        return warning("keys", "No key opens anything.", fix)
    live = [key for key in live_keys if key.mode is Mode.LIVE]
    first = [key for key in live_keys if key.name == FIRST_KEY and key.role is Role.ADMIN]
    if live and first and len(live_keys) > len(first):
        found = "the admin's key that the first start printed still opens a book"
        fix = "If that went into a log: `drawdown keys list`, then `drawdown keys revoke`."
        return warning("keys", found, fix)
    return ok("keys", f"{counted(len(live_keys), 'key', 'keys')}, {len(live)} of them live")


def due_work(late: Late, now: Instant, used: bool) -> Check:
    """``used``: a server is running on the ledger, and should have done it."""
    if late.since is None:
        return ok("due work", "none is late")
    wallets = counted(late.wallets, "wallet waits", "wallets wait")
    said = f"{wallets} to have recorded what fell due up to {span(now - late.since)} ago"
    if used:
        fix = "Balances are right all the same. See the server's log for failed jobs; restart it."
        return fault("due work", said, fix)
    return warning("due work", said, "`drawdown serve` records it within seconds.")
