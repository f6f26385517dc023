"""The command `drawdown`.

Exit codes: 0 done; 1 not done, or done with faults that were named; 2 wrong usage; 130 interrupted.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import cache
from importlib.metadata import version
from typing import Annotated

import typer
from typer.main import get_command

from drawdown.cli import accounts, imports, keys
from drawdown.cli.backup import backup, restore
from drawdown.cli.copy import copy
from drawdown.cli.credit import (
    alerts,
    clocks,
    customers,
    debit,
    dodo,
    entitlements,
    events,
    grants,
    hold,
    meters,
    schedules,
    top_ups,
    webhooks,
)
from drawdown.cli.credit.ahead import forecast
from drawdown.cli.credit.dry_run import dry_run
from drawdown.cli.credit.reading import balance, entries, explain, reset_overage
from drawdown.cli.database import DEFAULT, Database, place, refusals
from drawdown.cli.demo.command import demo
from drawdown.cli.doctor.command import doctor
from drawdown.cli.failures import Failure
from drawdown.cli.init import init
from drawdown.cli.migrate import migrate
from drawdown.cli.output import console, show_failure
from drawdown.cli.replay.command import replay
from drawdown.cli.verify import verify

app = typer.Typer(
    name="drawdown",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
    context_settings={"help_option_names": ["-h", "--help"]},
)


INSTALLATION = "The installation (works on --database)"
CREDIT = "Credit (asks the server at --url)"
USAGE = "Usage"


@app.command(rich_help_panel=INSTALLATION)
def serve(
    database: Database = DEFAULT,
    host: Annotated[
        str, typer.Option(envvar="DRAWDOWN_HOST", help="The address to listen on.")
    ] = "127.0.0.1",
    port: Annotated[
        int,
        typer.Option(envvar="DRAWDOWN_PORT", min=0, max=65_535, help="0 takes any that is free."),
    ] = 8080,
    workers: Annotated[
        int,
        typer.Option(
            envvar="DRAWDOWN_WORKERS", min=1, max=64, help="Processes; more than one on PostgreSQL."
        ),
    ] = 1,
) -> None:
    """Run the server. An empty database is prepared, and a first key printed once.

    The other settings are variables: see the operations page of the documentation.

    Example: `drawdown serve --port 9000 --database sqlite:////var/lib/drawdown/drawdown.db`
    """
    from drawdown.cli.serve import serve as run
    from drawdown.config import ConfigError, read_config

    try:
        config = read_config(os.environ, database=database, host=host, port=port, workers=workers)
    except ConfigError as error:
        raise Failure(str(error)) from None
    with refusals(database):
        place(database)
        run(config)


ON_THE_DATABASE: tuple[Callable[..., None], ...] = (
    init,
    doctor,
    migrate,
    backup,
    restore,
    copy,
    verify,
)
OF_CREDIT: tuple[Callable[..., None], ...] = (
    balance,
    forecast,
    dry_run,
    entries,
    explain,
    reset_overage,
)
OF_USAGE: tuple[Callable[..., None], ...] = (replay, demo)

for command in ON_THE_DATABASE:
    app.command(rich_help_panel=INSTALLATION)(command)
for name, group in (("accounts", accounts.app), ("keys", keys.app), ("import", imports.app)):
    app.add_typer(group, name=name, rich_help_panel=INSTALLATION)
for name, group in (
    ("customers", customers.app),
    ("entitlements", entitlements.app),
    ("grants", grants.app),
    ("schedules", schedules.app),
    ("alerts", alerts.app),
    ("top-ups", top_ups.app),
    ("debit", debit.app),
    ("hold", hold.app),
    ("meters", meters.meters),
    ("rates", meters.rates),
    ("events", events.app),
    ("webhooks", webhooks.app),
    ("test-clocks", clocks.app),
    ("dodo", dodo.app),
):
    app.add_typer(group, name=name, rich_help_panel=CREDIT)
for command in OF_CREDIT:
    app.command(rich_help_panel=CREDIT)(command)
for command in OF_USAGE:
    app.command(rich_help_panel=USAGE)(command)


def main() -> None:
    """Run the command; a ``Failure`` is told in one line, without a traceback."""
    try:
        _command()(prog_name="drawdown")
    except Failure as failure:
        show_failure(failure)
        raise SystemExit(1) from None


@cache
def _command() -> Callable[..., object]:
    """The tree of all commands: building it takes longer than most of them, also where many are run."""
    return get_command(app)


def _show_version(asked: bool) -> None:
    if asked:
        console().print(f"drawdown {version('drawdown')}")
        raise typer.Exit


@app.callback()
def root(
    _version: Annotated[
        bool,
        typer.Option("--version", is_eager=True, callback=_show_version, help="Say which release."),
    ] = False,
) -> None:
    """A ledger of prepaid credits that speaks Stripe, Dodo Payments, Sequence and its own API."""
