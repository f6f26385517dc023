"""`drawdown webhooks`: where events are sent, and what became of them."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from drawdown.cli.client import asking
from drawdown.cli.credit import present, words
from drawdown.cli.failures import Failure
from drawdown.cli.options import URL_DEFAULT, Json, Key, Url

if TYPE_CHECKING:
    from drawdown.client import (
        Client,
        DeadLetter,
        Delivery,
        NewWebhookEndpoint,
        WebhookEndpoint,
    )

app = typer.Typer(no_args_is_help=True, help="Webhooks: where events are sent.")

#: How long `test` waits to see what came of it.
TEST_SECONDS = 25.0

Endpoint = Annotated[
    str, typer.Argument(metavar="ENDPOINT", help="The id of the endpoint (whe_…).")
]


@app.command()
def create(
    address: Annotated[str, typer.Argument(metavar="ADDRESS", help="The URL to send events to.")],
    type_: Annotated[
        list[str] | None,
        typer.Option("--type", help="Only this type, or those that begin so: debit.*; repeatable."),
    ] = None,
    format_: Annotated[
        str | None, typer.Option("--format", help="Whose events: native, unless told otherwise.")
    ] = None,
    customer: words.OfCustomer = None,
    ordered: Annotated[
        bool, typer.Option("--ordered", help="A customer's next event waits for the one before.")
    ] = False,
    description: Annotated[str | None, typer.Option(help="For people.")] = None,
    url: Url = URL_DEFAULT,
    key: Key = None,
    as_json: Json = False,
) -> None:
    """Have what happens from now on sent to a URL. The secret is printed now and never again.

    Example: `drawdown webhooks create https://example.com/hooks --type "debit.*" --ordered`
    """
    with asking(url, key) as client:
        made = client.create_webhook_endpoint(
            address,
            format=format_,
            types=type_ or None,
            customer=customer,
            ordered=ordered,
            description=description,
        )
    present.answer(made, as_json, lambda endpoint: [_facts(endpoint)])


@app.command("list")
def list_(url: Url = URL_DEFAULT, key: Key = None, as_json: Json = False) -> None:
    """List the endpoints, newest first.

    Example: `drawdown webhooks list`
    """
    with asking(url, key) as client:
        present.rows(client.webhook_endpoints(), None, as_json, _table)


@app.command()
def show(
    endpoint: Endpoint, url: Url = URL_DEFAULT, key: Key = None, as_json: Json = False
) -> None:
    """Show an endpoint.

    Example: `drawdown webhooks show whe_0351OzbZPZxjRmmbSq5sY2`
    """
    with asking(url, key) as client:
        found = client.get_webhook_endpoint(endpoint)
    present.answer(found, as_json, lambda endpoint: [_facts(endpoint)])


@app.command()
def deliveries(
    endpoint: Endpoint,
    limit: words.Limit = words.LIMIT,
    url: Url = URL_DEFAULT,
    key: Key = None,
    as_json: Json = False,
) -> None:
    """List the newest attempts to deliver, newest first.

    Example: `drawdown webhooks deliveries whe_0351OzbZPZxjRmmbSq5sY2`
    """
    with asking(url, key) as client:
        present.rows(client.webhook_deliveries(endpoint), limit, as_json, _attempts)


@app.command("dead-letters")
def dead_letters(
    endpoint: Endpoint,
    limit: words.Limit = words.LIMIT,
    url: Url = URL_DEFAULT,
    key: Key = None,
    as_json: Json = False,
) -> None:
    """List the events that were given up, in the order in which they were recorded.

    Example: `drawdown webhooks dead-letters whe_0351OzbZPZxjRmmbSq5sY2`
    """
    with asking(url, key) as client:
        present.rows(client.dead_letters(endpoint), limit, as_json, _dead)


@app.command("test")
def try_out(
    endpoint: Endpoint, url: Url = URL_DEFAULT, key: Key = None, as_json: Json = False
) -> None:
    """Send an event that says nothing, and tell what came of it.

    Example: `drawdown webhooks test whe_0351OzbZPZxjRmmbSq5sY2`
    """
    with asking(url, key) as client:
        event = client.test_webhook_endpoint(endpoint).event
        found = _came_of(client, endpoint, event)
    present.answer(found, as_json, lambda delivery: [_attempts([delivery])])
    if found.outcome != "delivered":
        raise typer.Exit(1)


@app.command()
def redeliver(
    endpoint: Endpoint,
    event: Annotated[
        str | None, typer.Option("--event", help="The id of one event (evt_…).")
    ] = None,
    since: Annotated[
        str | None, typer.Option(help="Everything from this time on, such as 2026-01-31T12:00Z.")
    ] = None,
    url: Url = URL_DEFAULT,
    key: Key = None,
    as_json: Json = False,
) -> None:
    """Send one event again, or everything since a time.

    Example: `drawdown webhooks redeliver whe_0351OzbZPZxjRmmbSq5sY2 --since 2026-01-31T12:00Z`
    """
    if (event is None) == (since is None):
        raise Failure("Give --event, or --since.", "`drawdown webhooks deliveries` lists events.")
    with asking(url, key) as client:
        queued = client.redeliver(
            endpoint, event, since=None if since is None else words.instant(since, "--since")
        )
    shown = {"Endpoint": queued.id, "Sent again": queued.event or f"everything since {since}"}
    present.answer(queued, as_json, lambda _: [present.facts(shown)])


def _came_of(client: Client, endpoint: str, event: str | None) -> Delivery:
    deadline = time.monotonic() + TEST_SECONDS
    while time.monotonic() < deadline:
        for delivery in client.webhook_deliveries(endpoint, page_size=20):
            if delivery.event == event:
                return delivery
        time.sleep(0.2)
    raise Failure("Nothing was sent yet.", "Is the endpoint enabled, and a server running?")


def _facts(endpoint: WebhookEndpoint | NewWebhookEndpoint) -> Table:
    facts = {
        "Endpoint": endpoint.id,
        "URL": endpoint.url,
        "Types": ", ".join(endpoint.types),
        "Customer": endpoint.customer or "all",
        "In order": "of each customer" if endpoint.ordered else "no",
        "State": "enabled" if endpoint.enabled else f"disabled: {endpoint.disabled_for}",
        "Failing since": endpoint.failing_since or "–",
        "Created": endpoint.created_at,
    }
    secret = getattr(endpoint, "secret", None)
    if secret is not None:
        facts["Secret"] = f"{secret} (shown this once)"
    return present.facts(facts)


def _table(endpoints: list[WebhookEndpoint]) -> Table:
    return present.table(
        ("Endpoint", "URL", "Types", "State"),
        (
            (
                each.id,
                each.url,
                ", ".join(each.types),
                "enabled" if each.enabled else f"disabled: {each.disabled_for}",
            )
            for each in endpoints
        ),
    )


def _attempts(deliveries: list[Delivery]) -> Table:
    return present.table(
        ("Event", "Type", "Attempt", "Outcome", "Answer", "ms", "At (UTC)"),
        (
            (
                each.event,
                each.type,
                each.attempt,
                each.outcome,
                each.error or f"{each.status} {each.answer or ''}"[:60],
                each.milliseconds,
                each.at,
            )
            for each in deliveries
        ),
        right="ms",
    )


def _dead(letters: list[DeadLetter]) -> Table:
    return present.table(
        ("Event", "Type", "Attempts", "Recorded (UTC)", "Given up (UTC)"),
        (
            (each.event, each.type, each.attempts, each.recorded_at, each.dead_at)
            for each in letters
        ),
        right="Attempts",
    )
