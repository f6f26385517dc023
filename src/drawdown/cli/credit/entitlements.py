"""`drawdown entitlements`: what credit is counted in."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer
from msgspec import UNSET
from rich.table import Table

from drawdown.cli.client import asking
from drawdown.cli.credit import present, words
from drawdown.cli.options import URL_DEFAULT, Json, Key, Url

if TYPE_CHECKING:
    from drawdown.client import Entitlement

app = typer.Typer(
    no_args_is_help=True,
    help="Entitlements: what credit is counted in. Currencies are there by themselves.",
)


@app.command()
def create(
    code: Annotated[str, typer.Argument(metavar="CODE", help="What you call it: images.")],
    unit: Annotated[str, typer.Option(help="What one of it is called: image.")],
    scale: Annotated[
        int, typer.Option(min=0, max=10, help="How many decimal places are kept; for ever.")
    ],
    name: Annotated[str | None, typer.Option(help="For people; by default the code.")] = None,
    burn_order: Annotated[
        words.BurnOrder | None, typer.Option(help="Which of two grants of one priority goes first.")
    ] = None,
    expires_after_days: Annotated[
        int | None, typer.Option(help="When a grant expires that does not say.")
    ] = None,
    overage: Annotated[
        words.OverageMode | None, typer.Option(help="How far usage may go past zero.")
    ] = None,
    overage_limit: words.OverageLimit = None,
    overage_behavior: words.OverageBehaves = None,
    overage_price: words.OveragePrice = None,
    idempotency_key: words.IdempotencyKey = None,
    url: Url = URL_DEFAULT,
    key: Key = None,
    as_json: Json = False,
) -> None:
    """Make an entitlement.

    Example: `drawdown entitlements create images --unit image --scale 0`
    """
    rule = words.overage(overage, overage_limit, overage_behavior, overage_price)
    with asking(url, key) as client:
        made = client.create_entitlement(
            code,
            unit=unit,
            scale=scale,
            name=name,
            burn_order=burn_order,
            expires_after_days=expires_after_days,
            overage=rule,
            idempotency_key=idempotency_key,
        )
    present.answer(made, as_json, lambda entitlement: [_facts(entitlement)])


@app.command()
def amend(
    entitlement: words.Entitlement,
    name: Annotated[str | None, typer.Option(help="For people.")] = None,
    unit: Annotated[str | None, typer.Option(help="What one of it is called.")] = None,
    expires_after_days: Annotated[
        int | None, typer.Option(help="When a grant expires that does not say.")
    ] = None,
    overage: Annotated[
        words.OverageMode | None, typer.Option(help="How far usage may go past zero.")
    ] = None,
    overage_limit: words.OverageLimit = None,
    overage_behavior: words.OverageBehaves = None,
    overage_price: words.OveragePrice = None,
    idempotency_key: words.IdempotencyKey = None,
    url: Url = URL_DEFAULT,
    key: Key = None,
    as_json: Json = False,
) -> None:
    """Change an entitlement: what is not given stays, and grants keep what they have.

    A rule for usage past zero is given whole.

    Example: `drawdown entitlements amend images --overage limited --overage-limit 100`
    """
    rule = words.overage(overage, overage_limit, overage_behavior, overage_price)
    with asking(url, key) as client:
        made = client.amend_entitlement(
            entitlement,
            name=name,
            unit=unit,
            expires_after_days=UNSET if expires_after_days is None else expires_after_days,
            overage=rule,
            idempotency_key=idempotency_key,
        )
    present.answer(made, as_json, lambda entitlement: [_facts(entitlement)])


@app.command()
def close(
    entitlement: words.Entitlement,
    idempotency_key: words.IdempotencyKey = None,
    url: Url = URL_DEFAULT,
    key: Key = None,
    as_json: Json = False,
) -> None:
    """Grant and use nothing more of an entitlement; its name is free for another.

    Example: `drawdown entitlements close images`
    """
    with asking(url, key) as client:
        made = client.close_entitlement(entitlement, idempotency_key=idempotency_key)
    present.answer(made, as_json, lambda entitlement: [_facts(entitlement)])


@app.command()
def reopen(
    entitlement: words.Entitlement,
    idempotency_key: words.IdempotencyKey = None,
    url: Url = URL_DEFAULT,
    key: Key = None,
    as_json: Json = False,
) -> None:
    """Undo the closing of an entitlement, unless another has its name by now.

    Example: `drawdown entitlements reopen images`
    """
    with asking(url, key) as client:
        made = client.reopen_entitlement(entitlement, idempotency_key=idempotency_key)
    present.answer(made, as_json, lambda entitlement: [_facts(entitlement)])


@app.command("list")
def list_(
    limit: words.Limit = words.LIMIT,
    all_: words.All = False,
    url: Url = URL_DEFAULT,
    key: Key = None,
    as_json: Json = False,
) -> None:
    """List entitlements, newest first; a currency from its first grant on.

    Example: `drawdown entitlements list`
    """
    with asking(url, key) as client:
        present.rows(client.entitlements(), None if all_ else limit, as_json, _table)


@app.command()
def show(
    entitlement: words.Entitlement, url: Url = URL_DEFAULT, key: Key = None, as_json: Json = False
) -> None:
    """Show an entitlement, by its code or id.

    Example: `drawdown entitlements show usd`
    """
    with asking(url, key) as client:
        found = client.get_entitlement(entitlement)
    present.answer(found, as_json, lambda entitlement: [_facts(entitlement)])


def _facts(entitlement: Entitlement) -> Table:
    days = entitlement.expires_after_days
    return present.facts(
        {
            "Entitlement": entitlement.code,
            "Id": entitlement.id,
            "Name": entitlement.name,
            "Unit": entitlement.unit,
            "Decimal places": entitlement.scale,
            "Burn order": entitlement.burn_order,
            "Grants expire": "never, unless they say" if days is None else f"after {days} days",
            "Overage": present.overage(entitlement.overage),
            "Created": entitlement.created_at,
            "Closed": entitlement.closed_at,
        }
    )


def _table(entitlements: list[Entitlement]) -> Table:
    return present.table(
        ("Entitlement", "Name", "Unit", "Scale", "Burn order", "Created (UTC)"),
        (
            (each.code, each.name, each.unit, each.scale, each.burn_order, each.created_at)
            for each in entitlements
        ),
        right="Scale",
    )
