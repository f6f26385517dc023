"""`drawdown grants`: credit given, changed and ended."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.table import Table

from drawdown.cli.client import asking
from drawdown.cli.credit import present, schedule_words, words
from drawdown.cli.failures import Failure
from drawdown.cli.options import URL_DEFAULT, Json, Key, Url

if TYPE_CHECKING:
    from drawdown.client import Grant

app = typer.Typer(no_args_is_help=True, help="Grants: credit given, changed and ended.")

GrantId = Annotated[str, typer.Argument(metavar="GRANT", help="Its id (grant_…).")]
ExpiresAt = Annotated[
    str | None,
    typer.Option("--expires-at", metavar="TIME", help="When it expires: RFC 3339, or never."),
]


@app.command()
def issue(
    customer: words.Customer,
    entitlement: words.Entitlement,
    amount: words.Amount,
    expires_at: ExpiresAt = None,
    effective_at: Annotated[
        str | None, typer.Option(metavar="TIME", help="From when it can be drawn, if not from now.")
    ] = None,
    priority: words.Priority = None,
    category: words.OfCategory = None,
    scope: words.Scope = None,
    cost_basis: Annotated[
        str | None,
        typer.Option(
            metavar="CURRENCY:AMOUNT", help="What was paid for all of it, such as usd:15."
        ),
    ] = None,
    name: Annotated[str | None, typer.Option(help="What it is called.")] = None,
    metadata: words.Metadata = None,
    rollover: schedule_words.Rollover = None,
    rollover_generations_max: schedule_words.GenerationsMax = None,
    rollover_timeframe: schedule_words.Timeframe = None,
    rollover_minimum: schedule_words.Minimum = None,
    rollover_maximum: schedule_words.Maximum = None,
    idempotency_key: words.IdempotencyKey = None,
    url: Url = URL_DEFAULT,
    key: Key = None,
    as_json: Json = False,
) -> None:
    """Give credit to a customer.

    Example: `drawdown grants issue ada usd 20 --name Top-up --expires-at 2099-12-31 --scope model=gpt-4o`
    """
    terms = {
        "percentage": rollover,
        "generations_max": rollover_generations_max,
        "minimum": rollover_minimum,
        "maximum": rollover_maximum,
    }
    asked: dict[str, Any] = {
        "expires_at": words.expiry(expires_at),
        "rollover": schedule_words.rollover(terms, rollover_timeframe),
        "effective_at": words.instant(effective_at, "--effective-at"),
        "scope": words.scope(scope),
        "cost_basis": words.cost_basis(cost_basis),
        "metadata": words.pairs(metadata, "--metadata"),
    }
    with asking(url, key) as client:
        made = client.grant(
            customer,
            entitlement,
            amount,
            priority=priority,
            category=category,
            name=name,
            idempotency_key=idempotency_key,
            **asked,
        )
    present.answer(made, as_json, lambda grant: [_facts(grant)])


@app.command("list")
def list_(
    customer: words.OfCustomer = None,
    entitlement: words.OfEntitlement = None,
    state: Annotated[
        words.GrantState | None, typer.Option("--state", help="Only those in this state.")
    ] = None,
    at: words.At = None,
    limit: words.Limit = words.LIMIT,
    all_: words.All = False,
    url: Url = URL_DEFAULT,
    key: Key = None,
    as_json: Json = False,
) -> None:
    """List grants, newest first. `--at` another time needs a customer and an entitlement.

    Example: `drawdown grants list --customer ada --entitlement usd --state active`
    """
    instant = words.instant(at, "--at")
    with asking(url, key) as client:
        found = client.grants(customer=customer, entitlement=entitlement, state=state, at=instant)
        present.rows(found, None if all_ else limit, as_json, _table)


@app.command()
def show(
    grant: GrantId,
    at: words.At = None,
    url: Url = URL_DEFAULT,
    key: Key = None,
    as_json: Json = False,
) -> None:
    """Show a grant as it is, was or will be.

    Example: `drawdown grants show grant_0351GoWKDhLMshMOuqvkt9 --at 2026-01-31T12:00:00Z`
    """
    instant = words.instant(at, "--at")
    with asking(url, key) as client:
        found = client.get_grant(grant, at=instant)
    present.answer(found, as_json, lambda grant: [_facts(grant)])


@app.command()
def expire(
    grant: GrantId,
    idempotency_key: words.IdempotencyKey = None,
    url: Url = URL_DEFAULT,
    key: Key = None,
    as_json: Json = False,
) -> None:
    """End a grant now: what remains is written off, but for what holds have set aside.

    Example: `drawdown grants expire grant_0351GoWKDhLMshMOuqvkt9`
    """
    with asking(url, key) as client:
        ended = client.expire_grant(grant, idempotency_key=idempotency_key)
    present.answer(ended, as_json, lambda grant: [_facts(grant)])


@app.command()
def void(
    grant: GrantId,
    idempotency_key: words.IdempotencyKey = None,
    url: Url = URL_DEFAULT,
    key: Key = None,
    as_json: Json = False,
) -> None:
    """Undo a grant: what remains is taken back. Not while a hold has some of it.

    Example: `drawdown grants void grant_0351GoWKDhLMshMOuqvkt9`
    """
    with asking(url, key) as client:
        ended = client.void_grant(grant, idempotency_key=idempotency_key)
    present.answer(ended, as_json, lambda grant: [_facts(grant)])


@app.command()
def amend(
    grant: GrantId,
    expires_at: ExpiresAt = None,
    metadata: words.Metadata = None,
    remove_metadata: Annotated[
        list[str] | None, typer.Option(metavar="NAME", help="Forget this one; repeatable.")
    ] = None,
    idempotency_key: words.IdempotencyKey = None,
    url: Url = URL_DEFAULT,
    key: Key = None,
    as_json: Json = False,
) -> None:
    """Change when a grant expires, or what is kept with it.

    Example: `drawdown grants amend grant_0351GoWKDhLMshMOuqvkt9 --expires-at never --metadata order=17`
    """
    changed: dict[str, str | None] = dict.fromkeys(remove_metadata or ())
    changed |= words.pairs(metadata, "--metadata") or {}
    if expires_at is None and not changed:
        raise Failure(
            "There is nothing to change.", "Say --expires-at, --metadata or --remove-metadata."
        )
    with asking(url, key) as client:
        amended = client.amend_grant(
            grant,
            expires_at=words.expiry(expires_at),
            metadata=changed or None,
            idempotency_key=idempotency_key,
        )
    present.answer(amended, as_json, lambda grant: [_facts(grant)])


@app.command()
def adjust(
    grant: GrantId,
    direction: Annotated[
        words.Direction,
        typer.Argument(
            metavar="up|down", help="Down takes of what is free, up gives back of what was used."
        ),
    ],
    amount: words.Amount,
    reason: Annotated[str | None, typer.Option(help="Why; it is kept.")] = None,
    idempotency_key: words.IdempotencyKey = None,
    url: Url = URL_DEFAULT,
    key: Key = None,
    as_json: Json = False,
) -> None:
    """Correct one grant by hand.

    Example: `drawdown grants adjust grant_0351GoWKDhLMshMOuqvkt9 down 2.5 --reason "counted twice"`
    """
    with asking(url, key) as client:
        made = client.adjust_grant(
            grant, direction, amount, reason=reason, idempotency_key=idempotency_key
        )
    present.answer(
        made,
        as_json,
        lambda adjustment: [
            present.facts(
                {
                    "Adjustment": adjustment.id,
                    "Moved": f"{adjustment.direction} by {adjustment.amount:f}",
                    "Available": present.credit(adjustment.available, adjustment.grant.entitlement),
                }
            ),
            _facts(adjustment.grant),
        ],
    )


def _facts(grant: Grant) -> Table:
    cost = grant.cost_basis
    return present.facts(
        {
            "Grant": grant.id,
            "Name": grant.name,
            "Customer": grant.customer,
            "State": present.state(grant.state),
            "Amount": present.credit(grant.amount, grant.entitlement),
            "Remaining": grant.remaining,
            "Held of it": grant.held or None,
            "Used": grant.used or None,
            "Expired": grant.expired or None,
            "Voided": grant.voided or None,
            "Rolled over": grant.rolled_over or None,
            "Priority": grant.priority,
            "Category": grant.category,
            "Pays for": grant.scope or None,
            "Cost basis": None if cost is None else present.credit(cost.amount, cost.currency),
            "Effective": grant.effective_at,
            "Expires": grant.expires_at or "never",
            "Metadata": grant.metadata or None,
            "Schedule": grant.schedule,
            "Carried over from": grant.parent,
            "Times carried over": grant.generation or None,
            "Carries": schedule_words.rolls_over(grant.rollover),
            "Created": grant.created_at,
        }
    )


def _table(grants: list[Grant]) -> Table:
    return present.table(
        ("Grant", "Customer", "State", "Remaining", "Amount", "Of", "Name", "Expires (UTC)"),
        (
            (
                each.id,
                each.customer,
                present.state(each.state),
                each.remaining,
                each.amount,
                each.entitlement,
                each.name,
                each.expires_at or "never",
            )
            for each in grants
        ),
        right="Remaining Amount",
    )
