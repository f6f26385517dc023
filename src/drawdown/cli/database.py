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
        help=(
            "sqlite:///file is in the working folder, sqlite:////file absolute; "
            "postgresql://user@host/name."
        ),
    ),
]
DEFAULT = DATABASE_DEFAULT
NAME_IT = "Name it with --database or DRAWDOWN_DATABASE; `drawdown init` prepares a new one."


def with_ledger(
    url: str,
    action: Callable[[Ledger], Awaitable[Result]],
    *,
    create: bool = False,
    tell: bool = True,
) -> Result:
    """What ``action`` answers on the ledger at ``url``; nothing runs in the background.

    A new one is made only with ``create``, since a command that reads refuses a mistyped URL, and
    that is said on standard error unless ``tell`` is False.
    """
    from drawdown.opening import is_postgres, open_ledger

    async def run() -> Result:
        new = await _new_in_postgres(url, create) if is_postgres(url) else _new_file(url, create)
        async with open_ledger(url, jobs=False) as ledger:
            if new and tell:
                console(errors=True).print(f"A new ledger at {new}", soft_wrap=True)
            return await action(ledger)

    with refusals(url):
        return asyncio.run(run())


def _new_file(url: str, create: bool) -> str:
    """Where a ledger will be made; empty where there is one. Raises as ``existing``."""
    path = placed(url) if create else existing(url)
    return "" if path.exists() else str(path)


async def _new_in_postgres(url: str, create: bool) -> str:
    """As ``_new_file``."""
    from drawdown.opening import shown
    from drawdown.store.postgres.inspection import inspect

    async with inspect(url) as found:
        is_new = found.schema == 0
    if is_new and not create:
        raise Failure(f"There is no ledger at {shown(url)}.", NAME_IT)
    return shown(url) if is_new else ""


def place(url: str) -> str:
    """Where a ledger is, or can be made, as it may be printed. Raises as ``existing``."""
    from drawdown.opening import is_postgres, shown

    return shown(url) if is_postgres(url) else str(placed(url))


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


def file_of(url: str) -> Path:
    """The file of a ledger, there or not. Raises ``Failure``, and ``DatabaseUrlInvalid``."""
    from drawdown.opening import is_postgres, shown, sqlite_path

    if is_postgres(url):
        raise Failure(
            f"{shown(url)} is no file.", "docs/operations.md says how PostgreSQL is backed up."
        )
    return sqlite_path(url).absolute()


def existing(url: str) -> Path:
    """The file of a ledger that is there. Raises as ``file_of``."""
    path = file_of(url)
    if not path.exists():
        raise Failure(
            f"There is no ledger at {path} ({url}).",
            NAME_IT,
        )
    return path


@contextmanager
def refusals(url: str) -> Iterator[None]:
    """What the database at ``url`` refuses, as a ``Failure``."""
    import apsw

    from drawdown.core.errors import LedgerError
    from drawdown.engine.ports import StoreUnavailable, StoreUnusable
    from drawdown.opening import DatabaseUrlInvalid, shown

    try:
        yield
    except (DatabaseUrlInvalid, LedgerError) as error:
        raise Failure(str(error)) from None
    except (apsw.Error, StoreUnavailable, StoreUnusable) as error:
        said = str(error).rstrip(".")
        raise Failure(f"Cannot use the database at {shown(url)}: {said}.") from None
