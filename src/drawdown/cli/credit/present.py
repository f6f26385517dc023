"""Answers for people, as tables of facts and rows; for programs, as JSON."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from itertools import islice
from typing import TypeVar

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from drawdown.cli.output import console, show_json, show_table
from drawdown.client.records import Draw, Overage, Written

Item = TypeVar("Item")

STYLES = {
    "active": "green",
    "open": "green",
    "captured": "green",
    "pending": "yellow",
    "depleted": "dim",
    "expired": "dim",
    "released": "dim",
    "voided": "dim",
}


def answer(record: Item, as_json: bool, shown: Callable[[Item], Iterable[RenderableType]]) -> None:
    """One record. That it had been done before is said beside it, on standard error."""
    if as_json:
        show_json(record)
        return
    for part in shown(record):
        show_table(part)
    if isinstance(record, Written) and record.replayed:
        console(errors=True).print("Done before under this idempotency key; nothing was done now.")


def rows(
    items: Iterator[Item], limit: int | None, as_json: bool, table: Callable[[list[Item]], Table]
) -> None:
    """The first ``limit`` of a list. That there are more is said on standard error."""
    found = list(items if limit is None else islice(items, limit + 1))
    if as_json:
        show_json(found[:limit])
    elif found:
        show_table(table(found[:limit]))
    else:
        console(errors=True).print("None.")
    if limit is not None and len(found) > limit:
        console(errors=True).print(f"There are more than {limit}: --limit, or --all.")


#: A word that is longer may be broken.
WORD_MAX = 40


def facts(named: Mapping[str, object]) -> Table:
    """One line a fact; what is None is left out."""
    grid = Table.grid(padding=(0, 3, 0, 0))
    grid.add_column(style="bold", no_wrap=True)
    grid.add_column(overflow="fold")
    for name, value in named.items():
        if value is not None:
            grid.add_row(name, value if isinstance(value, Text) else cell(value, exact=True))
    return grid


def table(columns: Sequence[str], found: Iterable[Sequence[object]], right: str = "") -> Table:
    """``right`` names the columns whose cells end at one line: those of amounts."""
    shown = Table(box=None, header_style="bold", pad_edge=False)
    for column in columns:
        ends = column in right.split()
        shown.add_column(column, justify="right" if ends else "left", overflow="fold")
    for row in found:
        cells = [value if isinstance(value, Text) else cell(value) for value in row]
        shown.add_row(*cells)
        for place, text in zip(shown.columns, cells, strict=True):
            place.min_width = max(place.min_width or 0, _unbroken(str(text)))
    return shown


def _unbroken(text: str) -> int:
    """The width that a cell needs at least: that of its longest word. Nobody copies an id in two pieces."""
    return min(max(map(len, text.split()), default=0), WORD_MAX)


def cell(value: object, exact: bool = False) -> str:
    """A value as text: amounts exact, times in UTC, to the minute or to the second."""
    match value:
        case None:
            return "–"
        case Decimal():
            return f"{value:f}"
        case datetime():
            return f"{value:%Y-%m-%d %H:%M:%S}" if exact else f"{value:%Y-%m-%d %H:%M}"
        case dict():
            return printable(", ".join(f"{name}={_values(each)}" for name, each in value.items()))
    return printable(str(value))


def _values(value: object) -> str:
    return " or ".join(value) if isinstance(value, list) else str(value)


def printable(text: str) -> str:
    """What users name themselves never moves a cursor or colours a terminal."""
    return "".join(letter if letter.isprintable() else "�" for letter in text)


def state(word: str) -> Text:
    return Text(word, style=STYLES.get(word, ""))


def credit(amount: Decimal | None, entitlement: str | None) -> str:
    """``1.5 usd``."""
    return cell(amount) if entitlement is None else f"{cell(amount)} {printable(entitlement)}"


def overage(rule: Overage) -> str:
    """Such as ``up to 100, carry deficit, at 0.02 usd each``."""
    if rule.mode == "off":
        return "none"
    most = "unlimited" if rule.limit is None else f"up to {rule.limit:f}"
    price = rule.price_per_unit
    cost = "" if price is None else f", at {price.amount:f} {price.currency} each"
    return f"{most}, {rule.behavior.replace('_', ' ')}{cost}"


def draws(found: Iterable[Draw]) -> Table:
    """From which grants, in the order in which they were drawn, and what placed each there."""
    return table(
        ("From", "Amount", "Priority", "Expires", "Category"),
        (
            (
                draw.grant,
                draw.amount,
                draw.order_key.priority,
                draw.order_key.expires_at or "never",
                draw.order_key.category,
            )
            for draw in found
        ),
        right="Amount Priority",
    )
