"""`drawdown dry-run`: what another rule would have made of past usage, over all customers, with progress."""

from __future__ import annotations

import json
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from msgspec import UNSET, Struct, UnsetType
from rich.console import RenderableType

from drawdown.cli.client import asking
from drawdown.cli.credit import present, words
from drawdown.cli.failures import Failure
from drawdown.cli.options import URL_DEFAULT, Json, Key, Url
from drawdown.cli.output import counted, progress_bar

if TYPE_CHECKING:
    from drawdown.client import Client, Difference, DryRun, Figures

#: So many differences are shown, of all customers together.
SHOWN = 20
#: Customers of one call, so that progress is seen.
PAGE = 50
NONE = "none"
SUMS = ("drawn", "expired", "rolled_over", "overage", "shortfall", "available", "owed")


class Report(Struct, kw_only=True):
    """What came of all customers together."""

    entitlement: str
    customers: int = 0
    operations: int = 0
    different: int = 0
    before: dict[str, Decimal]
    after: dict[str, Decimal]
    categories: dict[str, dict[str, Any]]
    differences: list[Any]
    skipped: list[Any]


def dry_run(
    entitlement: words.Entitlement,
    start: Annotated[str, typer.Option("--from", metavar="TIME", help="Usage from then on.")],
    end: Annotated[
        str | None, typer.Option("--to", metavar="TIME", help="Up to then; by default up to now.")
    ] = None,
    customer: Annotated[str | None, typer.Option("--customer", help="Only this customer.")] = None,
    burn_order: Annotated[
        words.BurnOrder | None, typer.Option(help="Draw in this order instead.")
    ] = None,
    rates: Annotated[
        Path | None,
        typer.Option(
            exists=True,
            dir_okay=False,
            help="A JSON file: the rates that would have charged usage, as the native API has them.",
        ),
    ] = None,
    rollover: Annotated[
        str | None, typer.Option(metavar="PERCENT", help="Carry so much of a cycle; or none.")
    ] = None,
    expires_after_days: Annotated[
        str | None, typer.Option(metavar="DAYS", help="Of grants that say nothing; or none.")
    ] = None,
    overage: Annotated[
        words.OverageMode | None, typer.Option(help="How far past zero it might go.")
    ] = None,
    overage_limit: words.OverageLimit = None,
    overage_behavior: words.OverageBehaves = None,
    url: Url = URL_DEFAULT,
    key: Key = None,
    as_json: Json = False,
) -> None:
    """Say what another rule would have made of past usage. Nothing is written.

    Example: `drawdown dry-run usd --from 2026-01-01 --burn-order oldest_first`
    """
    asked: dict[str, Any] = {
        "start": words.instant(start, "--from"),
        "end": words.instant(end, "--to"),
        "customer": customer,
        "burn_order": burn_order,
        "rates": None if rates is None else _rates(rates),
        "rollover": _rollover(rollover),
        "expires_after_days": _whole(expires_after_days, "--expires-after-days"),
        "overage": words.overage(overage, overage_limit, overage_behavior, None),
    }
    with asking(url, key) as client:
        report = _report(_pages(client, entitlement, asked), entitlement)
    present.answer(report, as_json, _shown)


def _rates(file: Path) -> list[Any]:
    try:
        found = json.loads(file.read_bytes(), parse_float=str)
    except ValueError as error:
        raise Failure(f"{file} is no JSON: {error}.") from None
    if not isinstance(found, list):
        raise Failure(f"{file} is no list of rates.", 'Write [{"meter": …, "price": {…}}].')
    return found


def _rollover(text: str | None) -> dict[str, Any] | UnsetType | None:
    percentage = _whole(text, "--rollover")
    return {"percentage": percentage} if isinstance(percentage, int) else percentage


def _whole(text: str | None, option: str) -> int | UnsetType | None:
    """A whole number; ``none`` is None, and nothing said ``UNSET``."""
    if text is None:
        return UNSET
    if text == NONE:
        return None
    if not text.isdecimal():
        raise typer.BadParameter(f"{text!r} is no whole number, nor none.", param_hint=option)
    return int(text)


def _pages(client: Client, entitlement: str, asked: dict[str, Any]) -> Iterator[DryRun]:
    """Call after call, with how many customers are done."""
    after: str | None = None
    with progress_bar("customers") as bar:
        task = bar.add_task("Deciding again", total=None)
        while True:
            page = client.dry_run(entitlement, **asked, limit=PAGE, after=after)
            bar.advance(task, len(page.data) + len(page.skipped))
            yield page
            after = page.next
            if after is None:
                return


def _report(pages: Iterator[DryRun], entitlement: str) -> Report:
    zeros = dict.fromkeys(SUMS, Decimal(0))
    report = Report(
        entitlement=entitlement,
        before=dict(zeros),
        after=dict(zeros),
        categories={"before": {}, "after": {}},
        differences=[],
        skipped=[],
    )
    for page in pages:
        report.entitlement = page.entitlement
        report.customers += len(page.data)
        report.skipped += page.skipped
        for side, found in (("before", page.before), ("after", page.after)):
            _add(getattr(report, side), report.categories[side], found)
        for one in page.data:
            report.operations += one.operations
            report.different += one.different
            report.differences += one.differences[: SHOWN - len(report.differences)]
    return report


def _add(sums: dict[str, Decimal], categories: dict[str, Any], found: Figures) -> None:
    for name in SUMS:
        sums[name] += getattr(found, name)
    for each in found.categories:
        kept = categories.setdefault(each.category, {"drawn": Decimal(0), "cost": {}})
        kept["drawn"] += each.drawn
        for paid in each.cost:
            currency = paid.currency or ""
            kept["cost"][currency] = kept["cost"].get(currency, Decimal(0)) + paid.amount


def _shown(report: Report) -> list[RenderableType]:
    rows = [
        (name.replace("_", " ").capitalize(), report.before[name], report.after[name])
        for name in SUMS
    ]
    for category in sorted({*report.categories["before"], *report.categories["after"]}):
        sides = [report.categories[side].get(category, {}) for side in ("before", "after")]
        drawn = [side.get("drawn", Decimal(0)) for side in sides]
        rows.append((f"Drawn, {category}", *drawn))
        for currency in sorted({code for side in sides for code in side.get("cost", {})}):
            costs = [side.get("cost", {}).get(currency, Decimal(0)) for side in sides]
            rows.append((f"Cost of it, {currency}", *costs))
    people = counted(report.customers, "customer", "customers")
    done = counted(report.operations, "operation", "operations")
    shown: list[RenderableType] = [
        f"{people}, {done}, of which {report.different:,} would have ended otherwise",
        present.table(("", "Before", "After"), rows, right="Before After"),
    ]
    if report.differences:
        shown += ["", _differences(report.differences)]
    if report.skipped:
        skipped = ((each.customer, each.reason) for each in report.skipped)
        shown += ["", present.table(("Left out", "Why"), skipped)]
    return shown


def _differences(found: list[Difference]) -> RenderableType:
    return present.table(
        ("At (UTC)", "Customer", "Kind", "Why"),
        ((each.at, each.customer, each.kind, each.because) for each in found),
    )
