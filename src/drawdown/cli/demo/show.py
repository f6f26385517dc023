"""What the story shows, as tables. Pure: from answers of the server to something to print."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from decimal import Decimal

from rich.console import Group, RenderableType
from rich.panel import Panel
from rich.progress_bar import ProgressBar
from rich.rule import Rule
from rich.table import Table
from rich.text import Text

from drawdown.cli.demo.totals import Total
from drawdown.client import AnyDebit, Grant

BAR_CELLS = 12
PLACES = 7


def heading(number: int, title: str) -> RenderableType:
    return Group(Text(), Rule(Text(f"{number}. {title}", "bold"), align="left", style="dim"))


def opening(rows: int, customers: int) -> RenderableType:
    return Panel.fit(
        f"{rows:,} real calls to a language model, recorded in production (Azure, 2023),\n"
        f"paid from the prepaid credit of {customers} customers: exactly, at once, on disk.",
        title="Drawdown",
        border_style="cyan",
        padding=(1, 3),
    )


def exact(amount: Decimal) -> str:
    """All the places that the prices have; more are shown when there are more."""
    places = max(PLACES, -int(amount.normalize().as_tuple().exponent))
    return f"{amount:.{places}f}"


def burn_down(grants: Sequence[Grant]) -> Table:
    """A customer's grants in burn-down order, with how far each has burned."""
    table = Table(box=None, header_style="bold", pad_edge=False)
    table.add_column("Grant", no_wrap=True)
    table.add_column("Category", no_wrap=True)
    for title in ("Priority", "Expires", "Amount", "Remaining"):
        table.add_column(title, justify="right", no_wrap=True)
    table.add_column("", max_width=BAR_CELLS)
    for grant in grants:
        promotional = grant.category == "promotional"
        table.add_row(
            Text(grant.name, "bold"),
            Text(grant.category, "magenta" if promotional else "green"),
            str(grant.priority),
            day(grant.expires_at),
            exact(grant.amount),
            exact(grant.remaining),
            bar(grant.remaining, grant.amount),
        )
    return table


def bar(remaining: Decimal, amount: Decimal) -> ProgressBar:
    """How much is left; empty only when nothing is."""
    percent = -int(-remaining * 100 // amount)
    return ProgressBar(100, percent, complete_style="green", finished_style="green")


def day(moment: datetime | None) -> str:
    return "never" if moment is None else f"{moment:%Y-%m-%d}"


def draws(debit: AnyDebit, names: dict[str, str]) -> Table:
    """Why each grant was chosen: the order key that was kept with the draw."""
    table = Table(box=None, header_style="bold", pad_edge=False)
    table.add_column("Draw", justify="right")
    table.add_column("Grant")
    table.add_column("Amount", justify="right")
    table.add_column("because of its place in the burn-down order")
    for number, draw in enumerate(debit.draws, start=1):
        key = draw.order_key
        why = f"priority {key.priority}, expires {day(key.expires_at)}, {key.category}"
        table.add_row(str(number), Text(names[draw.grant], "bold"), exact(draw.amount), why)
    return table


def totals(found: Iterable[Total], expected: Decimal) -> Table:
    """One row a mouth. A check mark stands where the last digit is the expected one."""
    table = Table(box=None, header_style="bold", pad_edge=False)
    table.add_column("Asked")
    table.add_column("What it answers")
    table.add_column("USD", justify="right")
    table.add_column("")
    for total in found:
        agrees = total.amount == expected
        table.add_row(
            Text(total.where, "bold"),
            total.how,
            Text(exact(total.amount), "bold green" if agrees else ""),
            Text("✓" if agrees else "", "green"),
        )
    return table


def cents(rows: Iterable[tuple[str, Decimal, int]]) -> Table:
    """Grants side by side: name, the amount that is kept, the cents that Stripe shows."""
    table = Table(box=None, header_style="bold", pad_edge=False)
    table.add_column("Grant")
    table.add_column("Kept", justify="right")
    table.add_column("Stripe shows", justify="right")
    for name, kept, shown in rows:
        table.add_row(Text(name, "bold"), exact(kept), f"{shown:,} cents")
    return table
