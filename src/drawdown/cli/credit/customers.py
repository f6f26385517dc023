"""`drawdown customers`: who has credit."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from drawdown.cli.client import asking
from drawdown.cli.credit import present, words
from drawdown.cli.options import URL_DEFAULT, Json, Key, Url

if TYPE_CHECKING:
    from drawdown.client import Customer

app = typer.Typer(no_args_is_help=True, help="Customers: who has credit.")


@app.command()
def create(
    id: Annotated[
        str | None,
        typer.Argument(metavar="[ID]", help="Your own id for it; without one it gets an id."),
    ] = None,
    name: Annotated[str | None, typer.Option(help="What it is called.")] = None,
    email: Annotated[str | None, typer.Option(help="Kept; nothing is ever mailed.")] = None,
    metadata: words.Metadata = None,
    test_clock: Annotated[
        str | None,
        typer.Option(metavar="CLOCK", help="The test clock whose time is his, for good."),
    ] = None,
    idempotency_key: words.IdempotencyKey = None,
    url: Url = URL_DEFAULT,
    key: Key = None,
    as_json: Json = False,
) -> None:
    """Make a customer.

    Example: `drawdown customers create ada --name "Ada Lovelace" --metadata plan=pro`
    """
    kept = words.pairs(metadata, "--metadata")
    with asking(url, key) as client:
        made = client.create_customer(
            id,
            name=name,
            email=email,
            metadata=kept,
            test_clock=test_clock,
            idempotency_key=idempotency_key,
        )
    present.answer(made, as_json, lambda customer: [_facts(customer)])


@app.command()
def amend(
    customer: words.Customer,
    name: Annotated[str | None, typer.Option(help="What it is called.")] = None,
    email: Annotated[str | None, typer.Option(help="Kept; nothing is ever mailed.")] = None,
    metadata: words.Metadata = None,
    idempotency_key: words.IdempotencyKey = None,
    url: Url = URL_DEFAULT,
    key: Key = None,
    as_json: Json = False,
) -> None:
    """Change what is kept of a customer: what is not given stays.

    Example: `drawdown customers amend ada --email ada@example.org`
    """
    given = {"name": name, "email": email}
    asked = {field: value for field, value in given.items() if value is not None}
    kept = words.pairs(metadata, "--metadata")
    with asking(url, key) as client:
        made = client.amend_customer(
            customer, **asked, metadata=kept, idempotency_key=idempotency_key
        )
    present.answer(made, as_json, lambda customer: [_facts(customer)])


@app.command()
def close(
    customer: words.Customer,
    idempotency_key: words.IdempotencyKey = None,
    url: Url = URL_DEFAULT,
    key: Key = None,
    as_json: Json = False,
) -> None:
    """Grant and use nothing more of a customer's, for good. What there is stays, and expires.

    His schedules, top-ups and alerts end.

    Example: `drawdown customers close ada`
    """
    with asking(url, key) as client:
        made = client.close_customer(customer, idempotency_key=idempotency_key)
    present.answer(made, as_json, lambda customer: [_facts(customer)])


@app.command("list")
def list_(
    limit: words.Limit = words.LIMIT,
    all_: words.All = False,
    url: Url = URL_DEFAULT,
    key: Key = None,
    as_json: Json = False,
) -> None:
    """List customers, newest first.

    Example: `drawdown customers list --all --json`
    """
    with asking(url, key) as client:
        present.rows(client.customers(), None if all_ else limit, as_json, _table)


@app.command()
def show(
    customer: words.Customer, url: Url = URL_DEFAULT, key: Key = None, as_json: Json = False
) -> None:
    """Show a customer, by any of its ids.

    Example: `drawdown customers show ada`
    """
    with asking(url, key) as client:
        found = client.get_customer(customer)
    present.answer(found, as_json, lambda customer: [_facts(customer)])


def _facts(customer: Customer) -> Table:
    return present.facts(
        {
            "Customer": customer.id,
            "Name": customer.name,
            "E-mail": customer.email,
            "Metadata": customer.metadata or None,
            "Test clock": customer.test_clock,
            "Created": customer.created_at,
            "Closed": customer.closed_at,
        }
    )


def _table(customers: list[Customer]) -> Table:
    return present.table(
        ("Customer", "Name", "E-mail", "Created (UTC)"),
        ((each.id, each.name, each.email, each.created_at) for each in customers),
    )
