"""`drawdown hold`: credit set aside, captured as it is used, released in the end."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import RenderableType
from rich.table import Table

from drawdown.cli.client import asking
from drawdown.cli.credit import debit, present, words
from drawdown.cli.failures import Failure
from drawdown.cli.options import URL_DEFAULT, Json, Key, Url

if TYPE_CHECKING:
    from drawdown.client import Hold

app = typer.Typer(no_args_is_help=True, help="Holds: credit set aside until it is used.")

HoldId = Annotated[str, typer.Argument(metavar="HOLD", help="Its id (hold_…).")]
ExpiresIn = Annotated[
    int | None, typer.Option("--expires-in", metavar="SECONDS", help="It ends so long from now.")
]
ExpiresAt = Annotated[
    str | None, typer.Option("--expires-at", metavar="TIME", help="It ends then: RFC 3339.")
]


@app.command()
def create(
    customer: words.Customer,
    entitlement: words.Entitlement,
    amount: words.Amount,
    expires_in: ExpiresIn = None,
    expires_at: ExpiresAt = None,
    attribute: words.Attributes = None,
    metadata: words.Metadata = None,
    idempotency_key: words.IdempotencyKey = None,
    url: Url = URL_DEFAULT,
    key: Key = None,
    as_json: Json = False,
) -> None:
    """Set credit aside: all of the amount or nothing. It ends by itself, by default in 15 minutes.

    Example: `drawdown hold create ada usd 0.5 --expires-in 600 --attribute model=gpt-4o`
    """
    attributes = words.pairs(attribute, "--attribute")
    kept = words.pairs(metadata, "--metadata")
    end = words.instant(expires_at, "--expires-at")
    with asking(url, key) as client:
        made = client.hold(
            customer,
            entitlement,
            amount,
            expires_in=expires_in,
            expires_at=end,
            attributes=attributes,
            metadata=kept,
            idempotency_key=idempotency_key,
        )
    present.answer(made.record, as_json, _shown)


@app.command()
def show(hold: HoldId, url: Url = URL_DEFAULT, key: Key = None, as_json: Json = False) -> None:
    """Show a hold as it is now.

    Example: `drawdown hold show hold_0351GoWKDhLMshMOuqvkt9`
    """
    with asking(url, key) as client:
        found = client.get_hold(hold)
    present.answer(found, as_json, _shown)


@app.command("list")
def list_(
    customer: words.OfCustomer = None,
    entitlement: words.OfEntitlement = None,
    state: Annotated[
        words.HoldState | None, typer.Option("--state", help="Only those in this state.")
    ] = None,
    limit: words.Limit = words.LIMIT,
    all_: words.All = False,
    url: Url = URL_DEFAULT,
    key: Key = None,
    as_json: Json = False,
) -> None:
    """List holds, newest first.

    Example: `drawdown hold list --customer ada --state open`
    """
    with asking(url, key) as client:
        found = client.holds(customer=customer, entitlement=entitlement, state=state)
        present.rows(found, None if all_ else limit, as_json, _table)


@app.command()
def capture(
    hold: HoldId,
    amount: words.Amount,
    final: Annotated[bool, typer.Option("--final", help="The last: the rest is released.")] = False,
    over_capture: Annotated[
        words.OverCapture | None,
        typer.Option(help="More than is held: draw it besides (the default), or refuse."),
    ] = None,
    idempotency_key: words.IdempotencyKey = None,
    url: Url = URL_DEFAULT,
    key: Key = None,
    as_json: Json = False,
) -> None:
    """Debit what was used from what is held; again and again, until the final one.

    Example: `drawdown hold capture hold_0351GoWKDhLMshMOuqvkt9 0.0042 --final`
    """
    with asking(url, key) as client:
        made = client.capture(
            hold, amount, final=final, over_capture=over_capture, idempotency_key=idempotency_key
        )
    present.answer(made, as_json, debit.shown)


@app.command()
def release(
    hold: HoldId,
    idempotency_key: words.IdempotencyKey = None,
    url: Url = URL_DEFAULT,
    key: Key = None,
    as_json: Json = False,
) -> None:
    """Give back what is still held.

    Example: `drawdown hold release hold_0351GoWKDhLMshMOuqvkt9`
    """
    with asking(url, key) as client:
        ended = client.release(hold, idempotency_key=idempotency_key)
    present.answer(ended, as_json, _shown)


@app.command()
def extend(
    hold: HoldId,
    expires_in: ExpiresIn = None,
    expires_at: ExpiresAt = None,
    idempotency_key: words.IdempotencyKey = None,
    url: Url = URL_DEFAULT,
    key: Key = None,
    as_json: Json = False,
) -> None:
    """Let a hold end later: at most 24 hours after it was made.

    Example: `drawdown hold extend hold_0351GoWKDhLMshMOuqvkt9 --expires-in 3600`
    """
    end = words.instant(expires_at, "--expires-at")
    if expires_in is None and end is None:
        raise Failure("Until when?", "Say --expires-in SECONDS or --expires-at TIME.")
    with asking(url, key) as client:
        extended = client.extend(
            hold, expires_in=expires_in, expires_at=end, idempotency_key=idempotency_key
        )
    present.answer(extended, as_json, _shown)


def _shown(hold: Hold) -> list[RenderableType]:
    facts = present.facts(
        {
            "Hold": hold.id,
            "Customer": hold.customer,
            "State": present.state(hold.state),
            "Amount": present.credit(hold.amount, hold.entitlement),
            "Held": hold.held,
            "Captured": hold.captured,
            "For": hold.attributes or None,
            "Metadata": hold.metadata or None,
            "Created": hold.created_at,
            "Expires": hold.expires_at or "never",
            "Ended": hold.ended_at,
            "Available": hold.available,
        }
    )
    if not hold.slices:
        return [facts]
    slices = ((each.grant, each.amount) for each in hold.slices)
    return [facts, "", present.table(("Held of", "Amount"), slices, right="Amount")]


def _table(holds: list[Hold]) -> Table:
    return present.table(
        ("Hold", "Customer", "State", "Held", "Captured", "Amount", "Of", "Expires (UTC)"),
        (
            (
                each.id,
                each.customer,
                present.state(each.state),
                each.held,
                each.captured,
                each.amount,
                each.entitlement,
                each.expires_at or "never",
            )
            for each in holds
        ),
        right="Held Captured Amount",
    )
