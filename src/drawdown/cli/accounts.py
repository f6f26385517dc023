"""`drawdown accounts`: who operates the server for its customers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.table import Table

from drawdown.cli.database import DEFAULT, Database, with_ledger
from drawdown.cli.failures import Failure
from drawdown.cli.options import Json
from drawdown.cli.output import console, minute, show_json
from drawdown.core import identity
from drawdown.core.times import text_of
from drawdown.engine.accounts import ACCOUNT_PREFIX, FIRST_ACCOUNT

if TYPE_CHECKING:
    from drawdown.engine.accounts import Account
    from drawdown.engine.ledger import Ledger

app = typer.Typer(no_args_is_help=True, help="Accounts: who operates the server.")


@app.command()
def create(
    name: Annotated[str, typer.Argument(help="What to call it; unique on this server.")],
    database: Database = DEFAULT,
    as_json: Json = False,
) -> None:
    """Make an account, with a test book and a live book that never see each other.

    Example: `drawdown accounts create acme`
    """
    account = with_ledger(database, lambda ledger: _created(ledger, name), create=True)
    if as_json:
        show_json(_shown(account))
    else:
        line = f"Account {account.name}: {identity.spell(ACCOUNT_PREFIX, account.id)}"
        console().print(line, soft_wrap=True)


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
    table.add_column("Created (UTC)", no_wrap=True)
    for account in accounts:
        shown = _shown(account)
        table.add_row(shown["id"], shown["name"], minute(shown["created_at"]))
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


async def _created(ledger: Ledger, name: str) -> Account:
    from drawdown.engine.accounts import AccountExists, AccountNameInvalid

    try:
        return await ledger.accounts.create_account(name)
    except (AccountExists, AccountNameInvalid) as error:
        raise Failure(str(error)) from None


def _shown(account: Account) -> dict[str, Any]:
    return {
        "id": identity.spell(ACCOUNT_PREFIX, account.id),
        "name": account.name,
        "created_at": text_of(account.created_at),
    }
