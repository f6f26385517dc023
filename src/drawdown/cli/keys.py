"""`drawdown keys`: one key opens one book, in every dialect."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.table import Table
from rich.text import Text

from drawdown.cli.accounts import chosen
from drawdown.cli.database import DEFAULT, Database, with_ledger
from drawdown.cli.failures import Failure
from drawdown.cli.options import Json
from drawdown.cli.output import console, minute, show_json
from drawdown.core import identity
from drawdown.core.times import text_of
from drawdown.core.types import Id, Mode
from drawdown.engine.accounts import ACCOUNT_PREFIX, KEY_PREFIX, Role

if TYPE_CHECKING:
    from drawdown.engine.accounts import Account, ApiKey
    from drawdown.engine.ledger import Ledger

app = typer.Typer(no_args_is_help=True, help="API keys: make, list and revoke them.")

AccountName = Annotated[
    str | None,
    typer.Option("--account", help="Name or id of the account; not needed when there is one."),
]


@app.command()
def create(
    mode: Annotated[Mode, typer.Option(help="Which of the account's two books it opens.")],
    role: Annotated[
        Role,
        typer.Option(help="A viewer reads, an editor writes too, an admin also manages keys."),
    ],
    account: AccountName = None,
    name: Annotated[str | None, typer.Option(help="What you want to call it.")] = None,
    database: Database = DEFAULT,
    as_json: Json = False,
) -> None:
    """Make a key. Its secret is printed now and never again.

    Example: `drawdown keys create --mode live --role editor --name billing`
    """
    from drawdown.engine.accounts import AccountNameInvalid

    async def made(ledger: Ledger) -> tuple[Account, ApiKey, str]:
        owner = await chosen(ledger, account)
        try:
            return owner, *await ledger.accounts.create_key(owner.id, mode, role, name)
        except AccountNameInvalid as error:
            raise Failure(str(error)) from None

    owner, key, secret = with_ledger(database, made, create=True)
    if as_json:
        show_json(
            {
                "id": identity.spell(KEY_PREFIX, key.id),
                "secret": secret,
                "mode": key.mode,
                "role": key.role,
                "account": identity.spell(ACCOUNT_PREFIX, owner.id),
                "name": key.name,
            }
        )
        return
    out = console()
    opens = f"{owner.name}, {mode}, {role}"
    out.print(f"Key      {identity.spell(KEY_PREFIX, key.id)} ({opens})", soft_wrap=True)
    out.print(Text.assemble("Secret   ", (secret, "bold")), soft_wrap=True)
    out.print("Keep the secret now: it is stored nowhere and cannot be shown again.")


@app.command("list")
def list_(account: AccountName = None, database: Database = DEFAULT, as_json: Json = False) -> None:
    """List the keys, without their secrets; last used is known to the minute.

    Example: `drawdown keys list --account acme`
    """

    async def found(ledger: Ledger) -> tuple[list[ApiKey], dict[Id, str]]:
        names = {owner.id: owner.name for owner in await ledger.accounts.accounts()}
        of = None if account is None else (await chosen(ledger, account)).id
        return await ledger.accounts.keys(of), names

    keys, names = with_ledger(database, found)
    if as_json:
        show_json([_shown(key) for key in keys])
        return
    table = Table(box=None, header_style="bold", pad_edge=False)
    table.add_column("Key", no_wrap=True)
    table.add_column("Account", overflow="fold")
    table.add_column("Opens", no_wrap=True)
    table.add_column("Name", overflow="fold")
    table.add_column("Last used (UTC)", no_wrap=True)
    table.add_column("Revoked (UTC)", no_wrap=True)
    for key in keys:
        shown = _shown(key)
        opens = f"{key.mode}, {key.role}"
        times = minute(shown["last_used_at"]), minute(shown["revoked_at"])
        table.add_row(shown["id"], names[key.account], opens, key.name or "–", *times)
    console().print(table)


@app.command()
def revoke(
    key: Annotated[str, typer.Argument(help="The id of the key (key_…).")],
    database: Database = DEFAULT,
    as_json: Json = False,
) -> None:
    """Revoke a key: from now on it opens nothing. There is no way back; make a new one.

    Example: `drawdown keys revoke key_0351GoXAZ3cV5phVEEw5et`
    """
    named = identity.parse(key)
    if key.startswith("sk_") or named is None:
        raise Failure(f"{key[:12]!r} is no id of a key.", "`drawdown keys list` shows the ids.")
    if not with_ledger(database, lambda ledger: ledger.accounts.revoke_key(named)):
        raise Failure(f"There is no key {key} to revoke.", "`drawdown keys list` shows the keys.")
    if as_json:
        show_json({"id": identity.spell(KEY_PREFIX, named), "revoked": True})
    else:
        console().print(f"Revoked {key}.")


def _shown(key: ApiKey) -> dict[str, Any]:
    used, revoked = key.last_used_at, key.revoked_at
    return {
        "id": identity.spell(KEY_PREFIX, key.id),
        "account": identity.spell(ACCOUNT_PREFIX, key.account),
        "mode": key.mode,
        "role": key.role,
        "name": key.name,
        "created_at": text_of(key.created_at),
        "last_used_at": None if used is None else text_of(used),
        "revoked_at": None if revoked is None else text_of(revoked),
    }
