"""`drawdown events`: usage as it was sent, and what it cost."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import IO, TYPE_CHECKING, Annotated

import msgspec
import typer
from rich.console import RenderableType
from rich.table import Table

from drawdown.cli.client import asking, failure_of
from drawdown.cli.credit import present, words
from drawdown.cli.failures import Failure
from drawdown.cli.options import URL_DEFAULT, Json, Key, Url
from drawdown.cli.output import console, counted, progress_bar, show_failure, show_json

if TYPE_CHECKING:
    from drawdown.client import Client, NewEvent, UsageEvent

app = typer.Typer(no_args_is_help=True, help="Usage events: recorded once, counted by meters.")

#: So many go in one request: what the server takes.
AT_ONCE = 1_000
#: Of so many lines that were refused it is said which; all are counted.
REFUSED_SHOWN = 20

OfEvent = Annotated[str, typer.Argument(metavar="EVENT", help="Your own id of the event.")]


class Line(msgspec.Struct, forbid_unknown_fields=True):
    """An event as it stands in a file. Properties go on as they are written."""

    id: str
    customer: str
    name: str
    time: datetime | None = None
    properties: dict[str, msgspec.Raw] | None = None
    override: bool = False


class Refused(msgspec.Struct):
    line: int
    id: str
    code: str
    detail: str


class Sent(msgspec.Struct):
    """What came of a file's events. ``replayed`` had been recorded before."""

    recorded: int = 0
    replayed: int = 0
    uncovered: int = 0
    refused: int = 0
    why: list[Refused] = []


_decode = msgspec.json.Decoder(Line).decode


@app.command()
def send(
    file: Annotated[
        str, typer.Argument(metavar="FILE", help="One event a line, as JSON; - is standard input.")
    ],
    override: Annotated[
        bool, typer.Option("--override", help="In the place of earlier events of the same ids.")
    ] = False,
    url: Url = URL_DEFAULT,
    key: Key = None,
    as_json: Json = False,
) -> None:
    """Record usage from a file, up to 1,000 events in one request; each once, however often it is sent.

    A line is `{"id", "customer", "name", "time", "properties"}`, the last two as they are needed. Exits 1
    when an event was refused; the others are recorded.

    Example: `drawdown events send usage.jsonl`
    """
    again = "Send the file again: what was recorded is not recorded twice."
    sent = Sent()
    with (
        _opened(file) as (lines, total),
        asking(url, key, again=again) as client,
        progress_bar("events") as bar,
    ):
        task = bar.add_task("Recording", total=total)
        for some in _batches(_read(lines, file, override)):
            _send(client, some, sent)
            bar.update(task, advance=len(some))
    _show(sent, as_json)
    if sent.refused:
        raise SystemExit(1)


@app.command("list")
def list_(
    customer: words.OfCustomer = None,
    name: Annotated[str | None, typer.Option(help="Only of this name.")] = None,
    since: Annotated[str | None, typer.Option(metavar="TIME", help="Used from then on.")] = None,
    until: Annotated[str | None, typer.Option(metavar="TIME", help="Used before then.")] = None,
    uncovered: Annotated[
        bool, typer.Option("--uncovered", help="Only what credit could not pay for.")
    ] = False,
    limit: words.Limit = words.LIMIT,
    all_: words.All = False,
    url: Url = URL_DEFAULT,
    key: Key = None,
    as_json: Json = False,
) -> None:
    """List usage events, the last recorded first.

    Example: `drawdown events list --customer ada --uncovered`
    """
    start, end = words.instant(since, "--since"), words.instant(until, "--until")
    with asking(url, key) as client:
        found = client.usage_events(
            customer=customer, name=name, since=start, until=end, uncovered=uncovered
        )
        present.rows(found, None if all_ else limit, as_json, _events)


@app.command()
def show(event: OfEvent, url: Url = URL_DEFAULT, key: Key = None, as_json: Json = False) -> None:
    """Show a usage event, and what it cost by each rate.

    Example: `drawdown events show call-4711`
    """
    with asking(url, key) as client:
        found = client.get_usage_event(event)
    present.answer(found, as_json, _event)


@contextmanager
def _opened(file: str) -> Iterator[tuple[IO[bytes], int | None]]:
    """The lines, and how many there are where that can be known."""
    if file == "-":
        yield sys.stdin.buffer, None
        return
    try:
        with Path(file).open("rb") as opened:
            total = sum(1 for line in opened if line.strip())
            opened.seek(0)
            yield opened, total
    except OSError as error:
        raise Failure(f"{file} cannot be read: {error.strerror}.") from None


def _read(lines: IO[bytes], file: str, override: bool) -> Iterator[tuple[int, NewEvent]]:
    """Each event with the number of its line; empty lines say nothing."""
    from drawdown.client import NewEvent

    for number, text in enumerate(lines, start=1):
        if not text.strip():
            continue
        try:
            line = _decode(text)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise Failure(
                f"Line {number} of {file} is no event: {error}.",
                "Correct it and send the file again: what was recorded is not recorded twice.",
            ) from None
        time = line.time
        if time is not None and time.tzinfo is None:
            time = time.replace(tzinfo=UTC)
        yield (
            number,
            NewEvent(
                line.id, line.customer, line.name, time, line.properties, override or line.override
            ),
        )


def _batches(events: Iterator[tuple[int, NewEvent]]) -> Iterator[list[tuple[int, NewEvent]]]:
    while some := list(islice(events, AT_ONCE)):
        yield some


def _send(client: Client, some: list[tuple[int, NewEvent]], sent: Sent) -> None:
    from drawdown.client import UsageEvent

    answers = client.record_events([event for _, event in some])
    for (number, event), answer in zip(some, answers, strict=True):
        if isinstance(answer, UsageEvent):
            sent.recorded += not answer.replayed
            sent.replayed += answer.replayed
            sent.uncovered += any(charge.uncovered for charge in answer.charges)
            continue
        sent.refused += 1
        if len(sent.why) < REFUSED_SHOWN:
            why = failure_of(answer, client.url)
            sent.why.append(Refused(number, event.id, answer.code, why.message))


def _show(sent: Sent, as_json: bool) -> None:
    if as_json:
        show_json(sent)
        return
    out = console()
    out.print(f"{counted(sent.recorded, 'event', 'events')} recorded.")
    if sent.replayed:
        out.print(f"{counted(sent.replayed, 'event', 'events')} had been recorded before.")
    if sent.uncovered:
        said = f"{counted(sent.uncovered, 'event', 'events')} cost more than credit could pay:"
        out.print(f"{said} `drawdown events list --uncovered`.")
    for each in sent.why:
        show_failure(
            Failure(f"Line {each.line}, event {present.printable(each.id)}: {each.detail}")
        )
    if sent.refused > len(sent.why):
        show_failure(Failure(f"{sent.refused - len(sent.why):,} more were refused."))


def _event(event: UsageEvent) -> list[RenderableType]:
    shown: list[RenderableType] = [
        present.facts(
            {
                "Event": event.id,
                "Customer": event.customer,
                "Name": event.name,
                "Used": event.time,
                "Recorded": event.recorded_at,
                "Properties": event.properties or None,
                "Debit": event.debit,
                "Overridden": "yes" if event.overridden else None,
            }
        )
    ]
    if event.charges:
        charges = (
            (
                each.meter,
                present.credit(each.amount, each.entitlement),
                each.drawn,
                each.overage,
                each.uncovered,
            )
            for each in event.charges
        )
        columns = ("Meter", "Cost", "Drawn", "Overage", "Uncovered")
        shown += ["", present.table(columns, charges, right="Cost Drawn Overage Uncovered")]
    return shown


def _events(found: list[UsageEvent]) -> Table:
    return present.table(
        ("Event", "Customer", "Name", "Used (UTC)", "Cost", "Uncovered"),
        (
            (
                each.id,
                each.customer,
                each.name,
                each.time,
                ", ".join(present.credit(c.amount, c.entitlement) for c in each.charges),
                ", ".join(
                    present.credit(c.uncovered, c.entitlement) for c in each.charges if c.uncovered
                ),
            )
            for each in found
        ),
        right="Cost Uncovered",
    )
