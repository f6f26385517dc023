"""`drawdown verify`: every wallet computed again from its entries, every name held to what it leads to."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rich.table import Table

from drawdown.cli.database import DEFAULT, Database, with_ledger
from drawdown.cli.failures import Failure
from drawdown.cli.options import Json
from drawdown.cli.output import console, counted, progress_bar, show_json
from drawdown.core.amounts import render

if TYPE_CHECKING:
    from drawdown.engine.ledger import Ledger, Totals, Verified

#: Where what was granted is now. Together they are what was granted: that is double entry.
WHERE = ("posted", "pending", "used", "expired", "voided")


def verify(database: Database = DEFAULT, as_json: Json = False) -> None:
    """Recompute every wallet from its entries, and all that usage was counted as from its events.

    Checks the chain, the invariants and double entry, that each event has the entries it was charged, and
    that each name that is unique in a book leads to what is called so.

    Exits 1 naming the first fault. A server may be running meanwhile.

    Example: `drawdown verify --database sqlite:///backup.db`
    """
    from drawdown.core.fold import Fault

    try:
        verified = with_ledger(database, walk)
    except Fault as fault:
        if not as_json:
            raise Failure(f"The ledger does not add up: {fault}") from None
        show_json({"ok": False, "fault": str(fault)})
        raise SystemExit(1) from None
    if as_json:
        show_json(as_document(verified))
    else:
        out = console()
        wallets = counted(verified.wallets, "wallet", "wallets")
        entries = counted(verified.entries, "entry", "entries")
        usage = counted(verified.events, "usage event", "usage events") if verified.events else ""
        out.print(f"{', '.join(filter(None, (wallets, entries, usage)))}: all in order.")
        if verified.totals:
            out.print(table(verified.totals))


async def walk(ledger: Ledger) -> Verified:
    """The end of the walk, with a bar on the way. Raises ``Fault`` at the first fault."""
    from drawdown.engine.ledger import Verified
    from drawdown.naming import NAMING

    last = Verified(wallets=0, wallets_total=0, entries=0, totals={})
    with progress_bar("wallets") as bar:
        task = bar.add_task("Verifying", total=None)
        async for last in ledger.verify(NAMING):
            bar.update(task, completed=last.wallets, total=last.wallets_total)
    return last


def as_document(verified: Verified) -> dict[str, Any]:
    return {
        "ok": True,
        "wallets": verified.wallets,
        "entries": verified.entries,
        "usage_events": verified.events,
        "totals": {
            code: {
                name: render(getattr(totals, name), totals.scale) for name in ("granted", *WHERE)
            }
            for code, totals in sorted(verified.totals.items())
        },
    }


def table(totals: dict[str, Totals]) -> Table:
    """Double entry, one row an entitlement: what was granted, and where it is."""
    shown = Table("Entitlement", box=None, header_style="bold")
    shown.add_column("Granted", justify="right")
    for number, name in enumerate(WHERE):
        shown.add_column(("= " if number == 0 else "+ ") + name, justify="right")
    for code, sums in sorted(totals.items()):
        amounts = (render(getattr(sums, name), sums.scale) for name in ("granted", *WHERE))
        shown.add_row(code, *amounts)
    return shown
