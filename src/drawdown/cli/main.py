"""The command `drawdown`.

Exit codes: 0 done; 1 not done, or done with faults that were named; 2 wrong usage; 130 interrupted.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from functools import cache
from importlib.metadata import version
from typing import Annotated

import typer
from typer.main import get_command

from drawdown.cli.database import DEFAULT, Database, place, refusals
from drawdown.cli.failures import Failure
from drawdown.cli.output import console, show_failure


def main() -> None:
    """Run the command; a ``Failure`` is told in one line, without a traceback."""
    run = server() if sys.argv[1:2] == ["serve"] else commands()
    try:
        run(prog_name="drawdown")
    except Failure as failure:
        show_failure(failure)
        raise SystemExit(1) from None


@cache
def commands() -> Callable[..., object]:
    """All commands: building them takes longer than most of them, also where many are run."""
    from drawdown.cli.commands import add_commands

    app = _new()
    add_commands(app, serve)
    return get_command(app)


@cache
def server() -> Callable[..., object]:
    """`drawdown serve` by itself: what the others need, a server would keep in memory while it runs."""
    app = _new()
    app.command()(serve)
    return get_command(app)


def _new() -> typer.Typer:
    app = typer.Typer(
        name="drawdown",
        no_args_is_help=True,
        pretty_exceptions_enable=False,
        rich_markup_mode="markdown",
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    app.callback()(root)
    return app


def _show_version(asked: bool) -> None:
    if asked:
        console().print(f"drawdown {version('drawdown')}")
        raise typer.Exit


def root(
    _version: Annotated[
        bool,
        typer.Option("--version", is_eager=True, callback=_show_version, help="Say which release."),
    ] = False,
) -> None:
    """A ledger of prepaid credits that speaks Stripe, Dodo Payments, Sequence and its own API."""


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
