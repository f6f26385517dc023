"""`drawdown balance`, `entries`, `explain`, `reset-overage`: what there is, how it came about, and why."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import RenderableType
from rich.table import Table

from drawdown.cli.client import asking
from drawdown.cli.credit import present, words
from drawdown.cli.credit.debit import DebitId
from drawdown.cli.failures import Failure
from drawdown.cli.options import URL_DEFAULT, Json, Key, Url

if TYPE_CHECKING:
    from drawdown.client import Balance, Entry, Explanation, OverageReset, Segment


def balance(
    customer: words.Customer,
    entitlement: words.Entitlement,
    at: words.At = None,
    history: Annotated[
        bool, typer.Option("--history", help="How it changed, newest first.")
    ] = False,
    start: Annotated[
        str | None, typer.Option("--from", metavar="TIME", help="With --history: from then on.")
    ] = None,
    end: Annotated[
        str | None, typer.Option("--to", metavar="TIME", help="With --history: up to then.")
    ] = None,
    limit: words.Limit = words.LIMIT,
    all_: words.All = False,
    url: Url = URL_DEFAULT,
    key: Key = None,
    as_json: Json = False,
) -> None:
    """Show what a customer has of an entitlement, now or at another time, or how it changed.

    Examples: `drawdown balance ada usd --at 2026-12-31` and
    `drawdown balance ada usd --history --from 2026-01-01 --all`
    """
    if not history and (start or end or all_):
        raise Failure("--from, --to and --all are about the history.", "Give --history with them.")
    if history and at is not None:
        raise Failure("A history has no one time.", "Give --from and --to instead of --at.")
    instant = words.instant(at, "--at")
    since, until = words.instant(start, "--from"), words.instant(end, "--to")
    with asking(url, key) as client:
        if history:
            segments = client.balance_history(customer, entitlement, start=since, end=until)
            present.rows(segments, None if all_ else limit, as_json, _segments)
        else:
            found = client.balance(customer, entitlement, at=instant)
            present.answer(found, as_json, lambda balance: [_balance(balance)])


def entries(
    customer: words.Customer,
    entitlement: words.OfEntitlement = None,
    limit: words.Limit = words.LIMIT,
    all_: words.All = False,
    url: Url = URL_DEFAULT,
    key: Key = None,
    as_json: Json = False,
) -> None:
    """List every movement of a customer's credit, wallet by wallet, newest first in each.

    Example: `drawdown entries ada --entitlement usd --limit 50`
    """
    with asking(url, key) as client:
        found = client.entries(customer, entitlement=entitlement)
        present.rows(found, None if all_ else limit, as_json, _entries)


def explain(debit: DebitId, url: Url = URL_DEFAULT, key: Key = None, as_json: Json = False) -> None:
    """Say why a debit drew on the grants it drew on, and not on others.

    The first lines can be pasted into an answer to a customer.

    Example: `drawdown explain deb_0351GoXAZ3cV5phVEEw5et`
    """
    with asking(url, key) as client:
        found = client.explain(debit)
    present.answer(found, as_json, _explanation)


def reset_overage(
    customer: words.Customer,
    entitlement: words.Entitlement,
    idempotency_key: words.IdempotencyKey = None,
    url: Url = URL_DEFAULT,
    key: Key = None,
    as_json: Json = False,
) -> None:
    """Forgive a customer's overage or take it to an invoice, as the entitlement's rule says.

    Example: `drawdown reset-overage ada images`
    """
    with asking(url, key) as client:
        made = client.reset_overage(customer, entitlement, idempotency_key=idempotency_key)
    present.answer(made, as_json, _reset)


def _reset(reset: OverageReset) -> list[RenderableType]:
    price = reset.price_per_unit
    return [
        present.facts(
            {
                "Reset": reset.id,
                "Overage ended": present.credit(reset.amount, reset.entitlement),
                "Behavior": reset.behavior,
                "Price of one": None if price is None else f"{price.amount:f} {price.currency}",
                "Overage left": reset.overage,
                "Available": reset.available,
                "At": reset.at,
            }
        )
    ]


def _balance(balance: Balance) -> Table:
    return present.facts(
        {
            "Available": present.credit(balance.available, balance.entitlement),
            "Held": balance.held,
            "Posted": balance.posted,
            "Pending": balance.pending,
            "Overage": balance.overage or None,
            "Granted": balance.granted,
            "Used": balance.used,
            "Expired": balance.expired,
            "Voided": balance.voided,
            "As of": balance.as_of,
        }
    )


def _segments(segments: list[Segment]) -> Table:
    return present.table(
        ("From (UTC)", "To (UTC)", "Available", "Held", "Posted", "Pending", "Overage"),
        (
            (
                present.cell(each.start, exact=True),
                present.cell(each.end, exact=True),
                each.available,
                each.held,
                each.posted,
                each.pending,
                each.overage,
            )
            for each in segments
        ),
        right="Available Held Posted Pending Overage",
    )


def _entries(found: list[Entry]) -> Table:
    return present.table(
        ("At (UTC)", "Kind", "Amount", "Of", "Grant", "Posted", "Held", "Operation"),
        (
            (
                present.cell(each.at, exact=True),
                each.kind,
                each.amount,
                each.entitlement,
                each.grant or "",
                each.posted_after,
                each.held_after,
                each.operation,
            )
            for each in found
        ),
        right="Amount Posted Held",
    )


def _explanation(explanation: Explanation) -> list[RenderableType]:
    shown: list[RenderableType] = [present.printable(explanation.sentence)]
    drawn = [
        (each.grant, each.name, each.amount, each.entitlement, f"because {each.reason}")
        for each in explanation.draws
    ]
    later = [
        (each.grant, each.name, each.available, each.entitlement, f"because {each.reason}")
        for each in explanation.later
    ]
    unfit = [(each.grant, each.name, f"because {each.detail}") for each in explanation.ineligible]
    beyond = [
        (each.amount, each.entitlement, f"because {each.reason}") for each in explanation.overage
    ]
    for title, columns, rows in (
        ("Drawn", ("Grant", "Name", "Amount", "Of", "Why"), drawn),
        ("Past zero", ("Amount", "Of", "Why"), beyond),
        ("Not needed", ("Grant", "Name", "Available", "Of", "Why later"), later),
        ("Could not pay", ("Grant", "Name", "Why not"), unfit),
    ):
        if rows:
            found = present.table(columns, rows, right="Amount Available")
            shown += ["", f"{title}:", found]
    return shown
