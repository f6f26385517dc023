"""All commands of `drawdown`, each under the heading at which `drawdown --help` has it."""

from __future__ import annotations

from collections.abc import Callable

import typer

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
from drawdown.cli.demo.command import demo
from drawdown.cli.doctor.command import doctor
from drawdown.cli.init import init
from drawdown.cli.migrate import migrate
from drawdown.cli.replay.command import replay
from drawdown.cli.verify import verify

INSTALLATION = "The installation (works on --database)"
CREDIT = "Credit (asks the server at --url)"
USAGE = "Usage"

Command = Callable[..., None]

ON_THE_DATABASE: tuple[Command, ...] = (init, doctor, migrate, backup, restore, copy, verify)
OF_THE_DATABASE = {"accounts": accounts.app, "keys": keys.app, "import": imports.app}
OF_CREDIT: tuple[Command, ...] = (balance, forecast, dry_run, entries, explain, reset_overage)
BY_WHAT_IT_IS = {
    "customers": customers.app,
    "entitlements": entitlements.app,
    "grants": grants.app,
    "schedules": schedules.app,
    "alerts": alerts.app,
    "top-ups": top_ups.app,
    "debit": debit.app,
    "hold": hold.app,
    "meters": meters.meters,
    "rates": meters.rates,
    "events": events.app,
    "webhooks": webhooks.app,
    "test-clocks": clocks.app,
    "dodo": dodo.app,
}
OF_USAGE: tuple[Command, ...] = (replay, demo)


def add_commands(app: typer.Typer, serve: Command) -> None:
    """Add every command there is to ``app``; ``serve`` is first."""
    for command in (serve, *ON_THE_DATABASE):
        app.command(rich_help_panel=INSTALLATION)(command)
    for name, group in OF_THE_DATABASE.items():
        app.add_typer(group, name=name, rich_help_panel=INSTALLATION)
    for name, group in BY_WHAT_IT_IS.items():
        app.add_typer(group, name=name, rich_help_panel=CREDIT)
    for command in OF_CREDIT:
        app.command(rich_help_panel=CREDIT)(command)
    for command in OF_USAGE:
        app.command(rich_help_panel=USAGE)(command)
