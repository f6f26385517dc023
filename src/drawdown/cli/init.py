"""`drawdown init`: a database made ready, with its first account and key."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import msgspec
import typer

from drawdown.cli.database import DEFAULT, Database, place, placed, refusals, with_ledger
from drawdown.cli.failures import Failure
from drawdown.cli.options import URL_DEFAULT, Json, Zone
from drawdown.cli.output import console, counted, show_json
from drawdown.core.types import Mode
from drawdown.engine.accounts import FIRST_ACCOUNT, ZONE_DEFAULT

if TYPE_CHECKING:
    from drawdown.cli.first import First
    from drawdown.engine.ledger import Ledger


class Prepared(msgspec.Struct, frozen=True):
    """What was found in a ledger that had been prepared before."""

    accounts: list[str]
    keys: int
    schema: int
    pending: int


def init(
    account: Annotated[str, typer.Option(help="What to call the first account.")] = FIRST_ACCOUNT,
    mode: Annotated[
        Mode, typer.Option(help="Which of the account's two books the first key opens.")
    ] = Mode.TEST,
    zone: Zone = ZONE_DEFAULT,
    database: Database = DEFAULT,
    as_json: Json = False,
) -> None:
    """Prepare a database: its schema, a first account and an admin's key.

    The secret is printed now and never again. On a database that has an account, nothing is changed.
    `drawdown serve` prepares an empty database in the same way.

    Example: `drawdown init --mode live --database sqlite:////var/lib/drawdown/drawdown.db`
    """
    with refusals(database):
        where = place(database)
        before = _prepared(database)
        first = None if before else _prepare(database, account, mode, zone)
        if first is None:
            _tell_prepared(where, before or _prepared(database), as_json)
            return
    if as_json:
        show_json(_document(where, first))
    else:
        _tell(first, database)


def _prepared(database: str) -> Prepared | None:
    """What is there, read without a change; None when there is no account yet."""
    from drawdown.opening import is_postgres

    if is_postgres(database):
        return asyncio.run(_prepared_in_postgres(database))
    return _prepared_file(placed(database))


async def _prepared_in_postgres(url: str) -> Prepared | None:
    from drawdown.store.postgres.inspection import inspect

    async with inspect(url) as found:
        accounts = await found.accounts() if found.schema else []
        if not accounts:
            return None
        return Prepared(accounts, len(await found.keys()), found.schema, found.pending)


def _prepared_file(path: Path) -> Prepared | None:
    from drawdown.store.sqlite.inspection import inspect

    if not path.exists():
        return None
    with inspect(path) as found:
        accounts = found.accounts() if found.schema else []
        if not accounts:
            return None
        return Prepared(accounts, len(found.keys()), found.schema, found.pending)


def _prepare(database: str, account: str, mode: Mode, zone: str) -> First | None:
    from drawdown.core.errors import FieldInvalid
    from drawdown.engine.accounts import AccountNameInvalid

    async def first(ledger: Ledger) -> First | None:
        try:
            return await ledger.accounts.first_start(account, mode, zone)
        except (AccountNameInvalid, FieldInvalid) as error:
            raise Failure(str(error)) from None

    return with_ledger(database, first, create=True, tell=False)


def _document(where: str, first: First) -> dict[str, object]:
    from drawdown.core.identity import spell
    from drawdown.engine.accounts import ACCOUNT_PREFIX, KEY_PREFIX

    account, key, secret = first
    return {
        "prepared": True,
        "database": where,
        "account": {
            "id": spell(ACCOUNT_PREFIX, account.id),
            "name": account.name,
            "zone": account.zone,
        },
        "key": {
            "id": spell(KEY_PREFIX, key.id),
            "secret": secret,
            "mode": key.mode,
            "role": key.role,
        },
    }


def _tell(first: First, database: str) -> None:
    from drawdown.cli.first import chosen, command, exports, introduction

    out = console()
    out.print(introduction(first), soft_wrap=True)
    out.print(
        f"Start the server:\n\n  {command()} serve{chosen(database)}\n\n"
        "and ask it from another terminal:\n\n"
        f"  {exports(first, URL_DEFAULT)}\n"
        f"  {command()} customers create ada\n"
        f"  {command()} grants issue ada usd 20\n"
        f"  {command()} debit create ada usd 0.0042\n"
        f"  {command()} balance ada usd\n",
        soft_wrap=True,
    )


def _tell_prepared(where: str, found: Prepared | None, as_json: bool) -> None:
    assert found is not None, "what was not prepared a moment ago has been by now"
    if as_json:
        show_json({"prepared": False, "database": where, "accounts": found.accounts})
        return
    out = console()
    accounts = counted(len(found.accounts), "account", "accounts")
    keys = counted(found.keys, "key", "keys")
    names = ", ".join(found.accounts[:10])
    out.print(
        f"{where} is prepared already: {accounts} ({names}), {keys}. Nothing was changed.",
        soft_wrap=True,
    )
    if found.pending:
        out.print(f"Its schema is {found.schema}: `drawdown migrate` brings it up to date.")
    out.print(
        "A secret is never shown again: `drawdown keys create` makes another key."
        if found.keys
        else "`drawdown keys create` makes a key."
    )
