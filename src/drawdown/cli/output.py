"""Where commands write: results to standard output, progress and errors to standard error."""

from __future__ import annotations

import sys
from decimal import Decimal
from io import StringIO
from typing import Any

import msgspec
from rich.console import Console, RenderableType
from rich.measure import Measurement
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskProgressColumn,
    TextColumn,
    TimeRemainingColumn,
)
from rich.text import Text

from drawdown.cli.failures import Failure

#: The width of what goes into a file or a pipe, where there is no terminal to ask.
PIPE_WIDTH = 100
TABLE_WIDTH = 10_000


def console(*, errors: bool = False) -> Console:
    """Text is shown as it is: what users name themselves is never read as markup."""
    stream = sys.stderr if errors else sys.stdout
    width = None if stream.isatty() else PIPE_WIDTH
    return Console(file=stream, width=width, markup=False, highlight=False, emoji=False)


def progress_bar(noun: str) -> Progress:
    """A bar on standard error that goes away when it is done; nothing where there is no terminal."""
    bar = console(errors=True)
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        TaskProgressColumn(),
        MofNCompleteColumn(),
        TextColumn(noun),
        TimeRemainingColumn(),
        console=bar,
        transient=True,
        disable=not bar.is_terminal,
    )


def counted(number: int, one: str, many: str) -> str:
    """``1 entry``, ``2,000 entries``."""
    return f"{number:,} {one if number == 1 else many}"


def size(count: int) -> str:
    """``812 bytes``, ``4.2 MB``: decimal, as file managers count."""
    if count < 1_000:
        return counted(count, "byte", "bytes")
    amount, units = float(count), iter(("kB", "MB", "GB", "TB", "PB"))
    unit = ""
    while amount >= 999.95:
        amount, unit = amount / 1_000, next(units)
    return f"{amount:.1f} {unit}"


def minute(instant: str | None) -> str:
    """A time as people read it in a list: to the minute, in UTC."""
    return "–" if instant is None else instant[:16].replace("T", " ")


def show_json(value: Any) -> None:
    """One JSON document, indented, for programs and people. Amounts are texts, without an exponent."""
    plain = _plain(msgspec.to_builtins(value, builtin_types=(Decimal,)))
    sys.stdout.write(msgspec.json.format(msgspec.json.encode(plain), indent=2).decode() + "\n")


def _plain(value: Any) -> Any:
    if isinstance(value, Decimal):
        return f"{value:f}"
    if isinstance(value, dict):
        return {name: _plain(item) for name, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, list) else value


def show_table(table: RenderableType) -> None:
    """Within a terminal's width, but words, such as ids, stay whole; elsewhere each row is one line."""
    if sys.stdout.isatty():
        out = console()
        unbounded = out.options.update(max_width=TABLE_WIDTH)
        out.width = max(out.width, Measurement.get(out, unbounded, table).minimum)
        out.print(table, crop=False)
        return
    wide = Console(file=StringIO(), width=TABLE_WIDTH, markup=False, highlight=False, emoji=False)
    with wide.capture() as printed:
        wide.print(table)
    for row in printed.get().splitlines():
        sys.stdout.write(row.rstrip() + "\n")  # a table fills its last column with blanks


def show_failure(failure: Failure) -> None:
    """One line for what is wrong; the way out follows on it."""
    line = Text("Error: ", style="bold red")
    line.append(failure.message, style="not bold default")
    if failure.fix:
        line.append(f" {failure.fix}", style="not bold cyan")
    console(errors=True).print(line, soft_wrap=True)
