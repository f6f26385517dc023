"""`drawdown migrate`: which schema a ledger's file has, and bringing it up to date."""

from __future__ import annotations

from contextlib import closing
from typing import Annotated

import typer

from drawdown.cli.database import DEFAULT, Database, existing, refusals
from drawdown.cli.options import Json
from drawdown.cli.output import console, counted, show_json


def migrate(
    check: Annotated[
        bool, typer.Option("--check", help="Change nothing; exit 1 when a migration is pending.")
    ] = False,
    database: Database = DEFAULT,
    as_json: Json = False,
) -> None:
    """Show the schema of a database, and run the migrations of this release that it has not had.

    Each runs in a transaction of its own. `drawdown serve` does the same at its start; here it can be
    done, or looked at, beforehand. There is no way back but a backup.

    Example: `drawdown migrate --check && drawdown serve`
    """
    from drawdown.store.sqlite.connection import migrate as run
    from drawdown.store.sqlite.connection import open_writer
    from drawdown.store.sqlite.inspection import inspect

    with refusals(database):
        path = existing(database)
        with inspect(path) as found:
            schema, newest, pending = found.schema, found.schema_newest, found.pending
        if pending and not check:
            with closing(open_writer(str(path))) as writer:
                run(writer)
    if as_json:
        now = schema if check else newest
        show_json({"database": str(path), "before": schema, "schema": now, "newest": newest})
    else:
        console().print(_said(schema, newest, check), soft_wrap=True)
    if pending and check:
        raise typer.Exit(1)


def _said(schema: int, newest: int, check: bool) -> str:
    if schema == newest:
        return f"The schema is {schema}, this release's. Nothing to do."
    migrations = counted(newest - schema, "migration", "migrations")
    if check:
        pending = f"The schema is {schema}, this release's is {newest}: {migrations} pending."
        return f"{pending} `drawdown migrate` runs them; make a backup first."
    return f"The schema was {schema} and is {newest} now: {migrations} run."
