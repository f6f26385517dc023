"""The command `drawdown`.

Exit codes: 0 done; 1 not done, or done with faults that were named; 2 wrong usage; 130 interrupted.
"""

from __future__ import annotations

import os
from importlib.metadata import version
from typing import Annotated

import typer

from drawdown.cli import accounts, keys
from drawdown.cli.database import DEFAULT, Database, refusals
from drawdown.cli.demo.command import demo
from drawdown.cli.failures import Failure
from drawdown.cli.output import console, show_failure
from drawdown.cli.replay.command import replay
from drawdown.cli.verify import verify

app = typer.Typer(
    name="drawdown",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
    context_settings={"help_option_names": ["-h", "--help"]},
)


@app.command()
def serve(
    database: Database = DEFAULT,
    host: Annotated[
        str, typer.Option(envvar="DRAWDOWN_HOST", help="The address to listen on.")
    ] = "127.0.0.1",
    port: Annotated[
        int,
        typer.Option(envvar="DRAWDOWN_PORT", min=0, max=65_535, help="0 takes any that is free."),
    ] = 8080,
) -> None:
    """Run the server. An empty database is prepared, and a first key printed once.

    The other settings are variables: see the operations page of the documentation.
    """
    from drawdown.cli.serve import serve as run
    from drawdown.config import ConfigError, read_config

    try:
        config = read_config(os.environ, database=database, host=host, port=port)
    except ConfigError as error:
        raise Failure(str(error)) from None
    with refusals(database):
        run(config)


app.add_typer(accounts.app, name="accounts")
app.add_typer(keys.app, name="keys")
app.command()(verify)
app.command()(replay)
app.command()(demo)


def main() -> None:
    """Run the command; a ``Failure`` is told in one line, without a traceback."""
    try:
        app()
    except Failure as failure:
        show_failure(failure)
        raise SystemExit(1) from None


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
