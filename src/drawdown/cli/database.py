"""The option every command that opens the database has, and how it is opened."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from drawdown.cli.failures import Failure
from drawdown.cli.output import console
from drawdown.config import DATABASE_DEFAULT

if TYPE_CHECKING:
    from drawdown.engine.ledger import Ledger

Result = TypeVar("Result")

Database = Annotated[
    str,
    typer.Option(
        "--database",
        metavar="URL",
        envvar="DRAWDOWN_DATABASE",
        help="sqlite:///file is in the working folder, sqlite:////file absolute.",
    ),
]
DEFAULT = DATABASE_DEFAULT


def with_ledger(
    url: str,
    action: Callable[[Ledger], Awaitable[Result]],
    *,
    create: bool = False,
    tell: bool = True,
) -> Result:
    """What ``action`` answers on the ledger at ``url``; nothing runs in the background.

    A new file is made only with ``create``, since a command that reads refuses a mistyped URL, and
    that is said on standard error unless ``tell`` is False.
    """
    from drawdown.opening import open_ledger

    async def run(said: str) -> Result:
        async with open_ledger(url, jobs=False) as ledger:
            if said:
                console(errors=True).print(said, soft_wrap=True)
            return await action(ledger)

    with refusals(url):
        path = placed(url) if create else existing(url)
        is_new = not path.exists()
        return asyncio.run(run(f"A new ledger at {path}" if is_new and tell else ""))


def placed(url: str) -> Path:
    """The file of a ledger that is there or can be made. Raises as ``existing``."""
    from drawdown.opening import sqlite_path

    path = sqlite_path(url).absolute()
    if not path.parent.is_dir():
        raise Failure(
            f"There is no folder {path.parent} ({url}).",
            "Make it, or correct --database or DRAWDOWN_DATABASE.",
        )
    return path


def existing(url: str) -> Path:
    """The file of a ledger that is there. Raises ``Failure``, and ``DatabaseUrlInvalid``."""
    from drawdown.opening import sqlite_path

    path = sqlite_path(url).absolute()
    if not path.exists():
        raise Failure(
            f"There is no ledger at {path} ({url}).",
            "Name it with --database or DRAWDOWN_DATABASE; `drawdown init` prepares a new one.",
        )
    return path


@contextmanager
def refusals(url: str) -> Iterator[None]:
    """What the database at ``url`` refuses, as a ``Failure``."""
    import apsw

    from drawdown.core.errors import LedgerError
    from drawdown.engine.ports import StoreUnavailable
    from drawdown.opening import DatabaseUrlInvalid
    from drawdown.store.sqlite.connection import NotALedger, SchemaNewer

    try:
        yield
    except (DatabaseUrlInvalid, LedgerError) as error:
        raise Failure(str(error)) from None
    except (apsw.Error, NotALedger, SchemaNewer, StoreUnavailable) as error:
        raise Failure(f"Cannot use the database at {url}: {str(error).rstrip('.')}.") from None
