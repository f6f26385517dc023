"""`drawdown import`: moving over from another system, with its ids, to the last unit."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from drawdown.cli.database import DEFAULT, Database, with_ledger
from drawdown.cli.failures import Failure
from drawdown.cli.keys import AccountName
from drawdown.cli.options import Json
from drawdown.cli.output import console, counted, progress_bar, show_json, show_table
from drawdown.core.types import Id, Mode

if TYPE_CHECKING:
    from rich.progress import Progress

    from drawdown.engine.ledger import Ledger
    from drawdown.importing.pages import Folder
    from drawdown.importing.report import Report

KEY_VARIABLE = "DODO_PAYMENTS_API_KEY"
KEY_BYTES_MAX = 10_000

app = typer.Typer(no_args_is_help=True, help="Move over from another system.")


@app.callback()
def import_() -> None:
    """So that a single command stays a command of the group."""


@app.command()
def dodo(
    pages: Annotated[
        Path, typer.Option(help="The folder of pages: those that are fetched, or saved before.")
    ],
    mode: Annotated[Mode, typer.Option(help="Into which of the account's two books.")],
    source: Annotated[
        str | None,
        typer.Option(
            "--from",
            metavar="URL",
            help="The base URL of the account to fetch from; without it, the pages that are there.",
        ),
    ] = None,
    key_file: Annotated[
        Path | None,
        typer.Option(
            help=f"The file with the account's key; by default {KEY_VARIABLE}, or it is asked for."
        ),
    ] = None,
    account: AccountName = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Read and check everything; write nothing.")
    ] = False,
    accept_differences: Annotated[
        bool,
        typer.Option(
            "--accept-differences",
            help="Import though balances there are not what remains of their grants.",
        ),
    ] = False,
    database: Database = DEFAULT,
    as_json: Json = False,
) -> None:
    """Bring credit over from Dodo Payments: entitlements, customers, balances, grants and the ledger.

    The vendor's ids go on working. The pages are fetched, read and checked whole before anything is written;
    then all of it is read back and compared. Run it again, whatever ended it: nothing is done twice.

    Exits 1 where the totals are not equal, and names the customers.

    Example: `drawdown import dodo --from https://live.dodopayments.com --pages dodo-pages --mode live`
    """

    async def run(ledger: Ledger) -> Report:
        return await _run(
            ledger, pages, account, mode, source, key_file, dry_run, accept_differences
        )

    with _told():
        report = with_ledger(database, run)
    if as_json:
        show_json({**_as_document(report), "equal": report.is_equal})
    else:
        _show(report)
    if not report.is_equal or (report.findings and not accept_differences):
        raise typer.Exit(1)


async def _run(
    ledger: Ledger,
    pages: Path,
    account: str | None,
    mode: Mode,
    source: str | None,
    key_file: Path | None,
    dry_run: bool,
    accept_differences: bool,
) -> Report:
    from drawdown.importing.dodo.proving import check, prove
    from drawdown.importing.dodo.writing import Writer
    from drawdown.importing.pages import Folder

    folder = Folder(pages)
    book = await _book(ledger, account, mode)
    key = None if source is None else _key(key_file)  # it may have to be asked for
    with progress_bar("records") as bar:
        if source is not None and key is not None:
            await _fetch(ledger, folder, source, key, _line(bar, "Fetching"))
        found, checked = check(folder, ledger.clock.now(), _line(bar, "Checking"))
        if dry_run or (checked.findings and not accept_differences):
            return checked
        await Writer(ledger, book, found, _line(bar, "Writing")).write()
        return await prove(ledger, book, found, checked, _line(bar, "Comparing"))


async def _fetch(
    ledger: Ledger, folder: Folder, source: str, key: str, told: Callable[[str, int], None]
) -> None:
    from drawdown.importing.dodo.fetch import fetch
    from drawdown.importing.fetching import Fetcher

    async with Fetcher(source, key, folder, told) as fetcher:
        await fetch(fetcher, folder, source.rstrip("/"), ledger.clock.now)


async def _book(ledger: Ledger, named: str | None, mode: Mode) -> Id:
    """Raises ``Failure`` where there is no account: none is made by the way."""
    from drawdown.cli.accounts import chosen

    if not await ledger.accounts.accounts():
        raise Failure("There is no account yet.", "`drawdown init` makes the first one.")
    return await ledger.accounts.book((await chosen(ledger, named)).id, mode)


def _key(path: Path | None) -> str:
    """The vendor's key: never an argument, which other users of the machine could read."""
    if path is not None:
        try:
            with path.open("rb") as file:
                found = file.read(KEY_BYTES_MAX).decode().strip()
        except (OSError, UnicodeDecodeError) as error:
            raise Failure(f"The key cannot be read from {path}: {error}.") from None
    else:
        found = os.environ.get(KEY_VARIABLE, "").strip()
        if not found and sys.stdin.isatty():
            found = typer.prompt("The account's API key", hide_input=True, err=True).strip()
    if not found or not found.isascii() or not found.isprintable():
        raise Failure("There is no key to fetch with.", f"Set {KEY_VARIABLE}, or give --key-file.")
    return found


def _line(bar: Progress, title: str) -> Callable[[str, int], None]:
    task = bar.add_task(title, total=None)
    return lambda name, count: bar.update(task, advance=count)


@contextmanager
def _told() -> Iterator[None]:
    """What an import refuses, as a ``Failure``."""
    from drawdown.importing.problems import ImportRefused

    try:
        yield
    except ImportRefused as error:
        raise Failure(error.message, error.fix) from None


# What is shown -----------------------------------------------------------------------------------


def _as_document(report: Report) -> dict[str, object]:
    import msgspec

    found: dict[str, object] = msgspec.to_builtins(report)
    return found


def _show(report: Report) -> None:
    out = console()
    fetched = f", fetched until {report.fetched_at}" if report.fetched_at else ""
    out.print(f"{report.business}, from {report.source}{fetched}", soft_wrap=True)
    everybody = f"{report.customers_there:,} there, {report.customers_here:,} here"
    out.print(f"Customers: {everybody}.")
    if report.entitlements:
        show_table(_table(report))
    for compared in report.entitlements:
        for line in compared.customers:
            out.print(f"Not the same in {compared.name}: customer {line}", soft_wrap=True)
    for finding in report.findings:
        out.print(f"Does not add up there: {finding}", soft_wrap=True)
    out.print(_verdict(report), soft_wrap=True)


def _table(report: Report) -> Table:
    table = Table(box=None, header_style="bold", pad_edge=False)
    table.add_column("Entitlement")
    table.add_column("")
    here = "Would be here" if report.dry_run else "Here"
    for title in ("Dodo", here, "Difference"):
        table.add_column(title, justify="right", no_wrap=True)
    for compared in report.entitlements:
        name = compared.name
        for line in compared.totals:
            table.add_row(name, line.name, line.there, line.here, line.difference)
            name = ""
    return table


def _verdict(report: Report) -> str:
    findings = counted(report.findings_count, "balance there is", "balances there are")
    if report.findings and report.dry_run:
        return (
            f"Nothing was written: {findings} not what remains of the grants. Fetch into a new folder when "
            "nothing is used meanwhile, or import with --accept-differences: the grants decide."
        )
    if not report.is_equal:
        return f"Not equal in {counted(_differing(report), 'balance', 'balances')}."
    if report.dry_run:
        return "Nothing was written. All of it can be brought over, and the totals would be equal."
    return "All of it is here, and every total is equal."


def _differing(report: Report) -> int:
    return sum(compared.differing for compared in report.entitlements)
