"""The command: every check in turn, one line each."""

from __future__ import annotations

import os
from collections.abc import Iterator

import typer
from rich.console import Console
from rich.text import Text

from drawdown.cli.database import DEFAULT, Database
from drawdown.cli.doctor.checks import Check, State
from drawdown.cli.options import URL_DEFAULT, Json, Key, Url
from drawdown.cli.output import console, counted, show_json

STYLES = {State.OK: "green", State.WARNING: "yellow", State.FAULT: "bold red"}


def doctor(
    context: typer.Context,
    database: Database = DEFAULT,
    url: Url = URL_DEFAULT,
    key: Key = None,
    as_json: Json = False,
) -> None:
    """Find what is wrong with an installation, and say what to do about it.

    Looks at this machine, the ledger's file, the server and the key. Nothing is changed. Exits 1 when
    there is a fault; warnings are for you to judge.

    Example: `drawdown doctor --database sqlite:////var/lib/drawdown/drawdown.db`
    """

    def named(option: str) -> bool:
        source = context.get_parameter_source(option)
        return source is not None and source.name != "DEFAULT"

    found = []
    out = None if as_json else console()
    for check in _checks(database, url, key, named("database"), named("url")):
        found.append(check)
        if out is not None:
            _show(out, check)
    faults = sum(check.state is State.FAULT for check in found)
    if out is None:
        show_json({"ok": faults == 0, "checks": found})
    else:
        warnings = sum(check.state is State.WARNING for check in found)
        told = f"{counted(faults, 'fault', 'faults')}, {counted(warnings, 'warning', 'warnings')}."
        out.print(f"\n{told if faults or warnings else 'All is well.'}")
    if faults:
        raise typer.Exit(1)


def _checks(
    database: str, url: str, key: str | None, database_named: bool, url_named: bool
) -> Iterator[Check]:
    from drawdown.cli.doctor import checks, server
    from drawdown.cli.doctor import database as file

    yield checks.python()
    yield checks.sqlite()
    yield from checks.settings(os.environ)
    yield from file.examine(database, named=database_named)
    yield from server.examine(url, key, named=url_named)


def _show(out: Console, check: Check) -> None:
    line = Text.assemble(
        (f"{check.state:<8}", STYLES[check.state]), f"{check.check:<12} {check.found}"
    )
    if check.fix:
        end = "" if check.found.endswith(".") else "."
        line.append(f"{end} {check.fix}", style="cyan")
    out.print(line, soft_wrap=True)
