"""`drawdown alerts`: being told when credit runs low, is used, comes near its end, or will run out.

Or when a meter's number reaches a line.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

import typer
from rich.table import Table

from drawdown.cli.client import asking
from drawdown.cli.credit import present, words
from drawdown.cli.options import URL_DEFAULT, Json, Key, Url

if TYPE_CHECKING:
    from drawdown.client import Alert

app = typer.Typer(
    no_args_is_help=True, help="Alerts: an event when credit crosses a line, once each time."
)


Kind = Literal[
    "available_below", "used_above", "days_to_expiry", "depletes_within", "metered_above"
]
State = Literal["active", "closed"]
OfAlert = Annotated[str, typer.Argument(metavar="ALERT", help="The id of the alert (alert_…).")]


@app.command()
def create(
    of: Annotated[
        str,
        typer.Argument(
            metavar="OF", help="The kind of credit, or of metered_above the meter, by code or id."
        ),
    ],
    kind: Annotated[Kind, typer.Argument(metavar="KIND", help="What crosses which line.")],
    customer: Annotated[
        str | None, typer.Option("--customer", help="Whose credit; without it, everybody's.")
    ] = None,
    amount: Annotated[
        str | None,
        typer.Option(help="The line of available_below, used_above or metered_above."),
    ] = None,
    percent: Annotated[
        int | None,
        typer.Option(help="Of available_below in its place: of the credit that came last."),
    ] = None,
    days: Annotated[
        int | None, typer.Option(help="The line of days_to_expiry or depletes_within.")
    ] = None,
    name: Annotated[str | None, typer.Option(help="What it is called.")] = None,
    metadata: words.Metadata = None,
    idempotency_key: words.IdempotencyKey = None,
    url: Url = URL_DEFAULT,
    key: Key = None,
    as_json: Json = False,
) -> None:
    """Be told when a line is crossed, on one customer's credit or on everybody's, or on use by a meter.

    Example: `drawdown alerts create usd available_below --percent 20 --name "Nearly used up"`
    """
    on_use = kind == "metered_above"
    with asking(url, key) as client:
        made = client.create_alert(
            None if on_use else of,
            kind,
            meter=of if on_use else None,
            customer=customer,
            amount=amount,
            percent=percent,
            days=days,
            name=name,
            metadata=words.pairs(metadata, "--metadata"),
            idempotency_key=idempotency_key,
        )
    _answer(made, as_json)


@app.command("list")
def list_(
    customer: words.OfCustomer = None,
    entitlement: words.OfEntitlement = None,
    meter: Annotated[
        str | None, typer.Option("--meter", help="Only those on use by this meter.")
    ] = None,
    state: Annotated[
        State | None, typer.Option("--state", help="Only those in this state.")
    ] = None,
    limit: words.Limit = words.LIMIT,
    all_: words.All = False,
    url: Url = URL_DEFAULT,
    key: Key = None,
    as_json: Json = False,
) -> None:
    """List alerts, newest first.

    Example: `drawdown alerts list --entitlement usd --state active`
    """
    with asking(url, key) as client:
        found = client.alerts(customer=customer, entitlement=entitlement, meter=meter, state=state)
        present.rows(found, None if all_ else limit, as_json, _table)


@app.command()
def show(alert: OfAlert, url: Url = URL_DEFAULT, key: Key = None, as_json: Json = False) -> None:
    """Show an alert, also one that is closed.

    Example: `drawdown alerts show alert_0351PpVUVnfk2FZtEeVVRs`
    """
    with asking(url, key) as client:
        found = client.get_alert(alert)
    _answer(found, as_json)


@app.command()
def close(alert: OfAlert, url: Url = URL_DEFAULT, key: Key = None, as_json: Json = False) -> None:
    """Close an alert, for good. It stays to be read.

    Example: `drawdown alerts close alert_0351PpVUVnfk2FZtEeVVRs`
    """
    with asking(url, key) as client:
        closed = client.close_alert(alert)
    _answer(closed, as_json)


def _answer(alert: Alert, as_json: bool) -> None:
    present.answer(alert, as_json, lambda alert: [_facts(alert)])


def _facts(alert: Alert) -> Table:
    return present.facts(
        {
            "Alert": alert.id,
            "Name": alert.name,
            "Customer": alert.customer or "everybody",
            "Entitlement": alert.entitlement,
            "Meter": alert.meter,
            "When": _line(alert),
            "State": present.state(alert.state),
            "Metadata": alert.metadata or None,
            "Created": alert.created_at,
            "Closed": alert.closed_at,
        }
    )


def _line(alert: Alert) -> str:
    """Such as ``available below 20%``."""
    kind = alert.kind.replace("_", " ")
    if alert.amount is not None:
        return f"{kind} {alert.amount:f}"
    return f"{kind} {alert.days}" if alert.percent is None else f"{kind} {alert.percent}%"


def _table(found: list[Alert]) -> Table:
    return present.table(
        ("Alert", "Name", "Customer", "Of", "When", "State"),
        (
            (
                each.id,
                each.name,
                each.customer or "everybody",
                each.entitlement or each.meter,
                _line(each),
                present.state(each.state),
            )
            for each in found
        ),
    )
