"""`drawdown debit`: credit drawn, from one wallet or several, and given back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import RenderableType
from rich.table import Table

from drawdown.cli.client import asking
from drawdown.cli.credit import present, words
from drawdown.cli.options import URL_DEFAULT, Json, Key, Url

if TYPE_CHECKING:
    from drawdown.client import AnyDebit, Reversal, Spend
    from drawdown.client.records import SpendPart

app = typer.Typer(no_args_is_help=True, help="Debits: credit drawn, and given back.")

DebitId = Annotated[str, typer.Argument(metavar="DEBIT", help="Its id (deb_…).")]


@app.command()
def create(
    customer: words.Customer,
    entitlement: words.Entitlement,
    amount: words.Amount,
    attribute: words.Attributes = None,
    occurred_at: words.OccurredAt = None,
    metadata: words.Metadata = None,
    idempotency_key: words.IdempotencyKey = None,
    url: Url = URL_DEFAULT,
    key: Key = None,
    as_json: Json = False,
) -> None:
    """Draw on a customer's credit, in burn-down order: all of the amount or nothing.

    Example: `drawdown debit create ada usd 0.0042 --attribute model=gpt-4o --idempotency-key call-1`
    """
    attributes = words.pairs(attribute, "--attribute")
    kept = words.pairs(metadata, "--metadata")
    occurred = words.instant(occurred_at, "--occurred-at")
    with asking(url, key) as client:
        made = client.debit(
            customer,
            entitlement,
            amount,
            attributes=attributes,
            occurred_at=occurred,
            metadata=kept,
            idempotency_key=idempotency_key,
        )
    present.answer(made, as_json, shown)


@app.command()
def spend(
    customer: words.Customer,
    quantity: Annotated[str, typer.Argument(metavar="QUANTITY", help="How much was used.")],
    wallet: Annotated[
        list[str],
        typer.Option(
            "--wallet",
            metavar="ENTITLEMENT:PRICE",
            help="Pays next, at this price for one: images:1; repeatable, in order.",
        ),
    ],
    partial: Annotated[
        bool, typer.Option("--partial", help="As far as it goes, instead of all or nothing.")
    ] = False,
    attribute: words.Attributes = None,
    occurred_at: words.OccurredAt = None,
    metadata: words.Metadata = None,
    idempotency_key: words.IdempotencyKey = None,
    url: Url = URL_DEFAULT,
    key: Key = None,
    as_json: Json = False,
) -> None:
    """Pay a quantity from several wallets in one debit: units first, say, then money.

    Example: `drawdown debit spend ada 12 --wallet images:1 --wallet usd:0.04`
    """
    attributes = words.pairs(attribute, "--attribute")
    kept = words.pairs(metadata, "--metadata")
    occurred = words.instant(occurred_at, "--occurred-at")
    wallets = words.prices(wallet, "--wallet")
    with asking(url, key) as client:
        made = client.spend(
            customer,
            quantity,
            wallets,
            partial=partial,
            attributes=attributes,
            occurred_at=occurred,
            metadata=kept,
            idempotency_key=idempotency_key,
        )
    present.answer(made, as_json, _spend)


@app.command()
def show(debit: DebitId, url: Url = URL_DEFAULT, key: Key = None, as_json: Json = False) -> None:
    """Show a debit, a capture or a spend, and how much of it was reversed.

    Example: `drawdown debit show deb_0351GoXAZ3cV5phVEEw5et`
    """
    with asking(url, key) as client:
        found = client.get_debit(debit)
    present.answer(found, as_json, shown)


@app.command()
def reverse(
    debit: DebitId,
    amount: Annotated[
        str | None, typer.Option(help="So much of it; without, all that is left of it.")
    ] = None,
    entitlement: Annotated[
        str | None, typer.Option(help="Of a spend: only what this wallet paid.")
    ] = None,
    idempotency_key: words.IdempotencyKey = None,
    url: Url = URL_DEFAULT,
    key: Key = None,
    as_json: Json = False,
) -> None:
    """Give a debit's credit back to the grants it came from, the last drawn first.

    Example: `drawdown debit reverse deb_0351GoXAZ3cV5phVEEw5et --amount 0.5`
    """
    with asking(url, key) as client:
        made = client.reverse(
            debit, amount=amount, entitlement=entitlement, idempotency_key=idempotency_key
        )
    present.answer(made, as_json, _reversal)


def shown(debit: AnyDebit) -> list[RenderableType]:
    """The facts of a debit, and from which grants it was drawn."""
    facts = present.facts(
        {
            "Debit": debit.id,
            "Customer": debit.customer,
            "Amount": None if debit.parts else present.credit(debit.amount, debit.entitlement),
            "Reversed of it": debit.reversed or None,
            "For": debit.attributes or None,
            "At": debit.at,
            "Occurred": debit.occurred_at,
            "Metadata": debit.metadata or None,
            "Captured from": None if debit.hold is None else debit.hold.id,
            "Still held": None if debit.hold is None else debit.hold.held,
            "Available": debit.available,
        }
    )
    if debit.parts is None:
        return [facts, "", present.draws(debit.draws)]
    return [facts, "", _parts(debit.parts), "", present.draws(debit.draws)]


def _spend(spend: Spend) -> list[RenderableType]:
    facts = present.facts(
        {
            "Debit": spend.id,
            "Customer": spend.customer,
            "Quantity": spend.quantity,
            "Paid": spend.spent,
            "Unpaid": spend.unpaid or None,
            "For": spend.attributes or None,
            "At": spend.at,
            "Occurred": spend.occurred_at,
            "Metadata": spend.metadata or None,
        }
    )
    drawn = [draw for part in spend.parts for draw in part.draws]
    return [facts, "", _parts(spend.parts), "", present.draws(drawn)]


def _parts(parts: list[SpendPart]) -> Table:
    return present.table(
        ("Wallet", "Quantity", "Amount", "Available"),
        ((part.entitlement, part.quantity, part.amount, part.available) for part in parts),
        right="Quantity Amount Available",
    )


def _reversal(reversal: Reversal) -> list[RenderableType]:
    facts = present.facts(
        {
            "Reversal": reversal.id,
            "Of": reversal.debit,
            "Amount": None
            if reversal.parts
            else present.credit(reversal.amount, reversal.entitlement),
            "Available": reversal.available,
        }
    )
    parts = [(part.entitlement, part.amount, part.available) for part in reversal.parts or ()]
    wallets = present.table(("Wallet", "Amount", "Available"), parts, right="Amount Available")
    returns = present.table(
        ("To", "Amount"), ((each.grant, each.amount) for each in reversal.returns), right="Amount"
    )
    return [facts, *(("", wallets) if parts else ()), "", returns]
