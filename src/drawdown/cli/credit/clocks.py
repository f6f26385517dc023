"""`drawdown test-clocks`: what time it is for some customers of a test book."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from drawdown.cli.client import asking
from drawdown.cli.credit import present, words
from drawdown.cli.options import URL_DEFAULT, Json, Key, Url

if TYPE_CHECKING:
    from datetime import datetime

    from drawdown.client import Client, Clock

app = typer.Typer(
    no_args_is_help=True, help="Test clocks: time that passes when it is told to; with a test key."
)

#: How often somebody who waits asks how far an advance is.
LOOK_SECONDS = 0.5

OfClock = Annotated[str, typer.Argument(metavar="CLOCK", help="The id of the clock (clock_…).")]


@app.command()
def create(
    frozen_at: Annotated[
        str, typer.Argument(metavar="TIME", help="Where it begins, such as 2026-01-31.")
    ],
    name: Annotated[str | None, typer.Option(help="What it is called.")] = None,
    customer: Annotated[
        str | None, typer.Option(help="Who lives by it from now on, for good.")
    ] = None,
    idempotency_key: words.IdempotencyKey = None,
    url: Url = URL_DEFAULT,
    key: Key = None,
    as_json: Json = False,
) -> None:
    """Make a test clock, which stands still until it is advanced.

    Example: `drawdown test-clocks create 2026-01-31`
    """
    at = _instant(frozen_at, "TIME")
    with asking(url, key) as client:
        made = client.create_test_clock(
            at, name=name, customer=customer, idempotency_key=idempotency_key
        )
    present.answer(made, as_json, lambda clock: [_facts(clock)])


@app.command("list")
def list_(
    limit: words.Limit = words.LIMIT,
    all_: words.All = False,
    url: Url = URL_DEFAULT,
    key: Key = None,
    as_json: Json = False,
) -> None:
    """List test clocks, newest first.

    Example: `drawdown test-clocks list`
    """
    with asking(url, key) as client:
        present.rows(client.test_clocks(), None if all_ else limit, as_json, _table)


@app.command()
def show(clock: OfClock, url: Url = URL_DEFAULT, key: Key = None, as_json: Json = False) -> None:
    """Show a test clock, and how far its advance is.

    Example: `drawdown test-clocks show clock_0351OzbZPZxjRmmbSq5sY2`
    """
    with asking(url, key) as client:
        found = client.get_test_clock(clock)
    present.answer(found, as_json, lambda clock: [_facts(clock)])


@app.command()
def advance(
    clock: OfClock,
    to: Annotated[str, typer.Argument(metavar="TIME", help="Any time from the clock's own on.")],
    wait: Annotated[bool, typer.Option(help="Until everything is played.")] = True,
    idempotency_key: words.IdempotencyKey = None,
    url: Url = URL_DEFAULT,
    key: Key = None,
    as_json: Json = False,
) -> None:
    """Move a test clock forward; what falls due on the way is played, each thing at its own time.

    Example: `drawdown test-clocks advance clock_0351OzbZPZxjRmmbSq5sY2 2026-03-01`
    """
    at = _instant(to, "TIME")
    with asking(url, key) as client:
        found = client.advance_test_clock(clock, at, idempotency_key=idempotency_key)
        if wait:
            found = _ready(client, found)
    present.answer(found, as_json, lambda clock: [_facts(clock)])


@app.command()
def delete(clock: OfClock, url: Url = URL_DEFAULT, key: Key = None, as_json: Json = False) -> None:
    """Stop a test clock for good. Its customers take no grants or debits any more; nothing is erased.

    Example: `drawdown test-clocks delete clock_0351OzbZPZxjRmmbSq5sY2`
    """
    with asking(url, key) as client:
        deleted = client.delete_test_clock(clock)
    present.answer(deleted, as_json, lambda clock: [present.facts({"Deleted": clock.id})])


def _ready(client: Client, clock: Clock) -> Clock:
    while clock.status != "ready":
        time.sleep(LOOK_SECONDS)
        clock = client.get_test_clock(clock.id)
    return clock


def _instant(text: str, option: str) -> datetime:
    found = words.instant(text, option)
    assert found is not None, "a text was given"
    return found


def _facts(clock: Clock) -> Table:
    progress = clock.progress
    return present.facts(
        {
            "Clock": clock.id,
            "Name": clock.name,
            "Time": clock.frozen_at,
            "Status": clock.status,
            "On its way to": clock.target,
            "Wallets done": None if progress is None else f"{progress.done} of {progress.total}",
            "Created": clock.created_at,
        }
    )


def _table(clocks: list[Clock]) -> Table:
    return present.table(
        ("Clock", "Name", "Time (UTC)", "Status"),
        ((each.id, each.name, each.frozen_at, each.status) for each in clocks),
    )
