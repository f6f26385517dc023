"""The command `drawdown`.

Exit codes: 0 done; 1 not done, or done with faults that were named; 2 wrong usage; 130 interrupted.
"""

from __future__ import annotations

from importlib.metadata import version
from typing import Annotated

import typer

from drawdown.cli import accounts, keys
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
app.add_typer(accounts.app, name="accounts")
app.add_typer(keys.app, name="keys")
app.command()(verify)
app.command()(replay)


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
