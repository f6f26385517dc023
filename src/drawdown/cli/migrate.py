"""`drawdown migrate`: which schema a ledger's file has, and bringing it up to date."""

from __future__ import annotations

import asyncio
from contextlib import closing
from pathlib import Path
from typing import Annotated, NamedTuple

import typer

from drawdown.cli.database import DEFAULT, Database, existing, refusals
from drawdown.cli.options import Json
from drawdown.cli.output import console, counted, show_json


def migrate(
    check: Annotated[
        bool, typer.Option("--check", help="Change nothing; exit 1 when a migration is pending.")
    ] = False,
    finish: Annotated[
        bool,
        typer.Option(
            "--finish", help="Also those that need every server to run this release (PostgreSQL)."
        ),
    ] = False,
    database: Database = DEFAULT,
    as_json: Json = False,
) -> None:
    """Show the schema of a database, and run the migrations of this release that it has not had.

    Each runs in a transaction of its own. `drawdown serve` does the same at its start; here it can be
    done, or looked at, beforehand. There is no way back but a backup.

    In PostgreSQL, where servers of two releases may run side by side, what the older one could not bear
    waits for `--finish`, which is given once every server runs this release. Where PostgreSQL has Citus,
    the tables are spread over its servers after that; --database names the coordinator.

    Example: `drawdown migrate --check && drawdown serve`
    """
    from drawdown.opening import is_postgres, shown

    with refusals(database):
        if is_postgres(database):
            place = shown(database)
            found = asyncio.run(_postgres(database, check, finish))
        else:
            place = str(existing(database))
            found = _file(place, check)
    if as_json:
        numbers = {name: value for name, value in found._asdict().items() if value is not None}
        show_json({"database": place} | numbers)
    else:
        for said in (_said(found, check), _said_of_tables(found.undistributed, check)):
            if said:
                console().print(said, soft_wrap=True)
    if check and (found.schema < found.newest or found.undistributed):
        raise typer.Exit(1)


class Found(NamedTuple):
    """The schema that was there, the one that is there now, this release's; tables Citus had not spread.

    A file has no Citus to spread anything.
    """

    before: int
    schema: int
    newest: int
    undistributed: int | None = None


def _file(path: str, check: bool) -> Found:
    from drawdown.store.sqlite.connection import migrate as run
    from drawdown.store.sqlite.connection import open_writer
    from drawdown.store.sqlite.inspection import inspect

    with inspect(Path(path)) as found:
        schema, newest, pending = found.schema, found.schema_newest, found.pending
    if pending and not check:
        with closing(open_writer(path)) as writer:
            run(writer)
    return Found(schema, schema if check else newest, newest)


async def _postgres(url: str, check: bool, finish: bool) -> Found:
    """A database in which there is no ledger yet has schema 0."""
    from drawdown.store.postgres.inspection import inspect

    async with inspect(url) as found:
        tables = len(await found.undistributed())
        run = 0 if check else await found.migrate(finish=finish)
        return Found(found.schema, found.schema + run, found.schema_newest, tables)


def _said_of_tables(undistributed: int | None, check: bool) -> str:
    if not undistributed:
        return ""
    tables = counted(undistributed, "table", "tables")
    if check:
        return f"Citus is there: {tables} to distribute. `drawdown migrate` does it."
    return f"Citus has distributed {tables}."


def _said(found: Found, check: bool) -> str:
    before, schema, newest, _ = found
    if schema > newest:
        return (
            f"The schema is {schema}, of a newer release; this one, with {newest}, runs on it too."
        )
    if before == newest:
        return f"The schema is {schema}, this release's. Nothing to do."
    migrations = counted(newest - schema, "migration", "migrations")
    if check:
        pending = f"The schema is {schema}, this release's is {newest}: {migrations} pending."
        return f"{pending} `drawdown migrate` runs them; make a backup first."
    run = counted(schema - before, "migration", "migrations")
    said = f"The schema was {before} and is {schema} now: {run} run."
    if schema == newest:
        return said
    return f"{said} {migrations} left: once every server runs this release, `drawdown migrate --finish`."
