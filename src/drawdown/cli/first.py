"""What a person is told when a ledger is new: its first key, and the first things to do with it."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path

from rich.console import RenderableType
from rich.panel import Panel
from rich.text import Text

from drawdown.config import DATABASE_DEFAULT
from drawdown.core.identity import spell
from drawdown.engine.accounts import KEY_PREFIX, Account, ApiKey

First = tuple[Account, ApiKey, str]


def introduction(first: First) -> RenderableType:
    """The account, the key and its secret, which is shown this once and kept nowhere."""
    account, key, secret = first
    said = Text.assemble(
        ("A new ledger, with the account "),
        (account.name, "bold"),
        (f" and a {key.mode} key:\n\n  id      {spell(KEY_PREFIX, key.id)}\n  secret  "),
        (secret, "bold"),
        ("\n\nKeep the secret: it is not shown again."),
    )
    return Panel.fit(said, title="Drawdown")


def exports(first: First, address: str) -> str:
    """What to type in the terminal that asks the server."""
    _, key, secret = first
    return (
        f"export DRAWDOWN_API_KEY={secret} DRAWDOWN_KEY_ID={spell(KEY_PREFIX, key.id)} "
        f"DRAWDOWN_URL={address}"
    )


def command() -> str:
    """What starts this program again from the folder in which it was started."""
    beside = Path(sys.prefix) / "bin" / "drawdown"
    if not beside.exists():
        return f"{shlex.quote(sys.executable)} -m drawdown"
    here = Path.cwd()
    shown = beside.relative_to(here) if beside.is_relative_to(here) else beside
    return shlex.quote(str(shown))


def chosen(database: str) -> str:
    """The option that names the database again, where it is not the default."""
    return "" if database == DATABASE_DEFAULT else f" --database {shlex.quote(database)}"
