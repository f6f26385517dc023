"""`drawdown dodo`: what an operator does by hand for Dodo's subscriptions, where the vendor takes money."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated
from urllib.parse import quote

import msgspec
import typer
from rich.table import Table

from drawdown.cli.client import asking
from drawdown.cli.credit import present
from drawdown.cli.options import URL_DEFAULT, Json, Key, Url

if TYPE_CHECKING:
    from drawdown.client.calls import Call

app = typer.Typer(
    no_args_is_help=True, help="Dodo's subscriptions: confirm what was paid somewhere else."
)


class Subscription(msgspec.Struct):
    """What of a subscription is shown."""

    subscription_id: str
    product_name: str
    status: str
    previous_billing_date: str
    next_billing_date: str


@app.callback()
def dodo() -> None:
    """Dodo's subscriptions: confirm what was paid somewhere else."""


@app.command()
def confirm(
    subscription: Annotated[
        str, typer.Argument(metavar="SUBSCRIPTION", help="The id of the subscription (sub_…).")
    ],
    reference: Annotated[
        str | None, typer.Option(help="The payment's own where it was taken, to be kept.")
    ] = None,
    url: Url = URL_DEFAULT,
    key: Key = None,
    as_json: Json = False,
) -> None:
    """Say that what a subscription waits for was paid: it begins, its next cycle or another plan does.

    Refused where nothing is waited for, so that a payment counts once.

    Example: `drawdown dodo confirm sub_0351OzbZPZxjRmmbSq5sY2 --reference transfer-7`
    """
    with asking(url, key) as client:
        found = client.send(_confirming(subscription, reference))
    present.answer(found, as_json, lambda shown: [_facts(shown)])


def _confirming(subscription: str, reference: str | None) -> Call[Subscription]:
    from drawdown.client.calls import Call, reader

    if not subscription:
        raise ValueError("The id of a subscription is needed")
    return Call(
        method="POST",
        path=f"/dodo/subscriptions/{quote(subscription, safe='')}/confirm-payment",
        read=reader(Subscription),
        body=msgspec.json.encode({"reference": reference}),
        repeatable=False,
    )


def _facts(found: Subscription) -> Table:
    return present.facts(
        {
            "Subscription": found.subscription_id,
            "Product": found.product_name,
            "Status": found.status,
            "Cycle": f"{found.previous_billing_date} to {found.next_billing_date}",
        }
    )
