"""`drawdown accounts`: who operates the server for its customers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.table import Table

from drawdown.cli.database import DEFAULT, Database, with_ledger
from drawdown.cli.failures import Failure
from drawdown.cli.options import Json, Zone
from drawdown.cli.output import console, minute, show_json
from drawdown.core import identity
from drawdown.core.times import text_of
from drawdown.engine.accounts import ACCOUNT_PREFIX, FIRST_ACCOUNT, ZONE_DEFAULT

if TYPE_CHECKING:
    from drawdown.engine.accounts import Account
    from drawdown.engine.ledger import Ledger

app = typer.Typer(no_args_is_help=True, help="Accounts: who operates the server.")


@app.command()
def create(
    name: Annotated[str, typer.Argument(help="What to call it; unique on this server.")],
    zone: Zone = ZONE_DEFAULT,
    database: Database = DEFAULT,
    as_json: Json = False,
) -> None:
    """Make an account, with a test book and a live book that never see each other.

    Example: `drawdown accounts create acme --zone Europe/Berlin`
    """
    account = with_ledger(database, lambda ledger: _created(ledger, name, zone), create=True)
    _tell(account, as_json)


@app.command("set")
def set_(
    account: Annotated[str, typer.Argument(help="Its name or id.")],
    zone: Zone,
    database: Database = DEFAULT,
    as_json: Json = False,
) -> None:
    """Set the time zone of an account: its days are read and shown in it from now on.

    Instants that are stored stay what they are, so what ends at midnight in one zone ends in the middle of a
    day in another.

    Example: `drawdown accounts set acme --zone Europe/Berlin`
    """
    _tell(with_ledger(database, lambda ledger: _set(ledger, account, zone)), as_json)


@app.command("list")
def list_(database: Database = DEFAULT, as_json: Json = False) -> None:
    """List the accounts.

    Example: `drawdown accounts list --json`
    """
    accounts = with_ledger(database, lambda ledger: ledger.accounts.accounts())
    if as_json:
        show_json([_shown(account) for account in accounts])
        return
    table = Table(box=None, header_style="bold", pad_edge=False)
    table.add_column("Account", no_wrap=True)
    table.add_column("Name", overflow="fold")
    table.add_column("Zone", overflow="fold")
    table.add_column("Created (UTC)", no_wrap=True)
    for account in accounts:
        shown = _shown(account)
        table.add_row(shown["id"], shown["name"], shown["zone"], minute(shown["created_at"]))
    console().print(table)


async def chosen(ledger: Ledger, named: str | None) -> Account:
    """The account that ``named`` names by name or id. Without a name: the only one.

    Where there is none at all, a first one is made, since a key needs an account.
    """
    accounts = await ledger.accounts.accounts()
    names = ", ".join(account.name for account in accounts[:10])
    if named is not None:
        for account in accounts:
            if named == account.name or identity.parse(named) == account.id:
                return account
        known = f"There are {names}. " if names else ""
        raise Failure(
            f"There is no account {named!r}.", f"{known}`drawdown accounts create` makes one."
        )
    if len(accounts) > 1:
        raise Failure(f"There are {len(accounts)} accounts ({names}).", "Choose one: --account.")
    return accounts[0] if accounts else await ledger.accounts.create_account(FIRST_ACCOUNT)


async def _created(ledger: Ledger, name: str, zone: str) -> Account:
    from drawdown.core.errors import FieldInvalid
    from drawdown.engine.accounts import AccountExists, AccountNameInvalid

    try:
        return await ledger.accounts.create_account(name, zone)
    except (AccountExists, AccountNameInvalid, FieldInvalid) as error:
        raise Failure(str(error)) from None


async def _set(ledger: Ledger, named: str, zone: str) -> Account:
    from drawdown.core.errors import FieldInvalid

    account = await chosen(ledger, named)
    try:
        await ledger.accounts.set_zone(account.id, zone)
    except FieldInvalid as error:
        raise Failure(str(error)) from None
    return await chosen(ledger, named)


def _tell(account: Account, as_json: bool) -> None:
    if as_json:
        show_json(_shown(account))
    else:
        line = f"Account {account.name}: {identity.spell(ACCOUNT_PREFIX, account.id)}"
        console().print(f"{line}, days in {account.zone}", soft_wrap=True)


def _shown(account: Account) -> dict[str, Any]:
    return {
        "id": identity.spell(ACCOUNT_PREFIX, account.id),
        "name": account.name,
        "zone": account.zone,
        "created_at": text_of(account.created_at),
    }
