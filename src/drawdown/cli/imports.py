"""`drawdown import`: moving over from another system, with its ids, to the last unit."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

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
    from drawdown.importing.moving import Vendor
    from drawdown.importing.report import Report

DODO_KEY, STRIPE_KEY = "DODO_PAYMENTS_API_KEY", "STRIPE_API_KEY"
#: The client id and the secret.
SEQUENCE_KEYS = ("SEQUENCE_CLIENT_ID", "SEQUENCE_CLIENT_SECRET")
KEY_BYTES_MAX = 10_000

app = typer.Typer(no_args_is_help=True, help="Move over from another system.")

PagesFolder = Annotated[
    Path, typer.Option(help="The folder of pages: those that are fetched, or saved before.")
]
IntoMode = Annotated[Mode, typer.Option(help="Into which of the account's two books.")]
From = Annotated[
    str | None,
    typer.Option(
        "--from",
        metavar="URL",
        help="The base URL of the account to fetch from; without it, the pages that are there.",
    ),
]
KeyFile = Annotated[
    Path | None,
    typer.Option(
        help="The file with the vendor's key; by default its variable, or it is asked for."
    ),
]
DryRun = Annotated[
    bool, typer.Option("--dry-run", help="Read and check everything; write nothing.")
]
AcceptDifferences = Annotated[
    bool,
    typer.Option(
        "--accept-differences",
        help="Import though the vendor's own numbers do not add up.",
    ),
]


def _command(*variables: str) -> Callable[[Callable[[], Vendor[Any]]], None]:
    """A command of the name and with the help of what it stands above, which says whose account is moved.

    ``variables`` of the environment have the vendor's key: all of it, or its id and its secret.
    """

    def make(vendor: Callable[[], Vendor[Any]]) -> None:
        @app.command(vendor.__name__, help=vendor.__doc__)
        def command(
            pages: PagesFolder,
            mode: IntoMode,
            source: From = None,
            key_file: KeyFile = None,
            account: AccountName = None,
            dry_run: DryRun = False,
            accept_differences: AcceptDifferences = False,
            database: Database = DEFAULT,
            as_json: Json = False,
        ) -> None:
            into = _Into(database, account, mode, as_json)
            origin = _From(pages, source, key_file, variables)
            _import(vendor(), origin, into, dry_run, accept_differences)

    return make


@_command(DODO_KEY)
def dodo() -> Vendor[Any]:
    """Bring credit over from Dodo Payments: entitlements, customers, balances, grants and the ledger.

    The vendor's ids go on working. The pages are fetched, read and checked whole before anything is written;
    then all of it is read back and compared. Run it again, whatever ended it: nothing is done twice.

    The key is read from DODO_PAYMENTS_API_KEY.

    Exits 1 where the totals are not equal, and names the customers.

    Example: `drawdown import dodo --from https://live.dodopayments.com --pages dodo-pages --mode live`
    """
    from drawdown.importing.dodo.vendor import DODO

    return DODO


@_command(STRIPE_KEY)
def stripe() -> Vendor[Any]:
    """Bring credit over from Stripe: customers, credit grants, transactions and balances.

    The vendor's ids go on working. The pages are fetched, read and checked whole before anything is written;
    then all of it is read back and compared. Run it again, whatever ended it: nothing is done twice.

    Fetching needs the vendor's SDK (the extra `stripe`), saved pages do not. The key is read from
    STRIPE_API_KEY. Exits 1 where the totals are not equal, and names the customers.

    Example: `drawdown import stripe --from https://api.stripe.com --pages stripe-pages --mode live`
    """
    from drawdown.importing.stripe.vendor import STRIPE

    return STRIPE


@_command(*SEQUENCE_KEYS)
def sequence() -> Vendor[Any]:
    """Bring credit over from Sequence: customers, aliases, usage metrics, grants, balances and transactions.

    The vendor's ids go on working. The pages are fetched, read and checked whole before anything is written;
    then all of it is read back and compared. Run it again, whatever ended it: nothing is done twice.

    The key is read from SEQUENCE_CLIENT_ID and SEQUENCE_CLIENT_SECRET; in a file, it is both with a colon
    between them.

    Exits 1 where the totals are not equal, and names the customers.

    Example: `drawdown import sequence --from https://eu.sequencehq.com/api --pages pages --mode live`
    """
    from drawdown.importing.sequence.vendor import SEQUENCE

    return SEQUENCE


class _From(NamedTuple):
    """Where from. ``key_variables``: which variables of the environment have the vendor's key."""

    pages: Path
    source: str | None
    key_file: Path | None
    key_variables: tuple[str, ...]

    def key(self) -> str:
        """Never an argument, which other users of the machine could read."""
        if self.key_file is not None:
            return _key_in(self.key_file)
        asked = _ASKED[len(self.key_variables)]
        parts = zip(self.key_variables, asked, strict=True)
        return ":".join(_key(variable, title) for variable, title in parts)


#: What is asked for at a terminal, by how many parts the key has.
_ASKED = {1: ("The account's API key",), 2: ("The account's client id", "Its secret")}


class _Into(NamedTuple):
    """Where to, and how it is told."""

    database: str
    account: str | None
    mode: Mode
    as_json: bool


def _import(
    vendor: Vendor[Any], origin: _From, into: _Into, dry_run: bool, accept_differences: bool
) -> None:
    """Raises ``Failure``, and ``typer.Exit`` where what came of it is not all that there was."""
    from drawdown.importing.moving import Wanted, move
    from drawdown.importing.pages import Folder

    async def run(ledger: Ledger) -> Report:
        book = await _book(ledger, into.account, into.mode)
        # The key may have to be asked for, which is not done beside a progress bar.
        source = None if origin.source is None else (origin.source, origin.key())
        wanted = Wanted(source=source, dry_run=dry_run, accept_differences=accept_differences)
        with progress_bar("records") as bar:
            folder = Folder(origin.pages, vendor.pages)
            return await move(vendor, ledger, book, folder, wanted, lambda step: _line(bar, step))

    with _told():
        report = with_ledger(into.database, run)
    if into.as_json:
        show_json({**_as_document(report), "equal": report.is_equal})
    else:
        _show(report)
    if not report.is_equal or (report.findings and not accept_differences):
        raise typer.Exit(1)


async def _book(ledger: Ledger, named: str | None, mode: Mode) -> Id:
    """Raises ``Failure`` where there is no account: none is made by the way."""
    from drawdown.cli.accounts import chosen

    if not await ledger.accounts.accounts():
        raise Failure("There is no account yet.", "`drawdown init` makes the first one.")
    return await ledger.accounts.book((await chosen(ledger, named)).id, mode)


def _key(variable: str, asked: str) -> str:
    found = os.environ.get(variable, "").strip()
    if not found and sys.stdin.isatty():
        found = typer.prompt(asked, hide_input=True, err=True).strip()
    return _checked(found, f"Set {variable}, or give --key-file.")


def _key_in(path: Path) -> str:
    try:
        with path.open("rb") as file:
            found = file.read(KEY_BYTES_MAX).decode().strip()
    except (OSError, UnicodeDecodeError) as error:
        raise Failure(f"The key cannot be read from {path}: {error}.") from None
    return _checked(found, f"Put it in {path}.")


def _checked(found: str, fix: str) -> str:
    if not found or not found.isascii() or not found.isprintable():
        raise Failure("There is no key to fetch with.", fix)
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
    whose = report.business or report.vendor
    out.print(f"{whose}, from {report.source}{fetched}", soft_wrap=True)
    everybody = f"{report.customers_there:,} there, {report.customers_here:,} here"
    out.print(f"Customers: {everybody}.")
    if report.entitlements:
        show_table(_table(report))
    for left in report.left_out:
        out.print(f"Left out: {left}", soft_wrap=True)
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
    for title in (report.vendor, here, "Difference"):
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
