"""`drawdown top-ups`: payments asked for when credit runs low, and what came of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

import typer
from rich.table import Table

from drawdown.cli.client import asking
from drawdown.cli.credit import present, words
from drawdown.cli.options import URL_DEFAULT, Json, Key, Url

if TYPE_CHECKING:
    from drawdown.client import TopUp, TopUpRequest

app = typer.Typer(
    no_args_is_help=True, help="Top-ups: a payment is asked for whenever credit runs low."
)


Period = Literal["day", "week", "month"]
State = Literal["active", "closed"]
RequestState = Literal["open", "confirmed", "failed", "expired"]

OfTopUp = Annotated[str, typer.Argument(metavar="TOP_UP", help="The id of the rule (topup_…).")]
OfRequest = Annotated[
    str, typer.Argument(metavar="REQUEST", help="The id of the request (topreq_…).")
]


@app.command()
def create(
    customer: words.Customer,
    entitlement: words.Entitlement,
    threshold: Annotated[
        str, typer.Argument(metavar="THRESHOLD", help="At which available credit is too little.")
    ],
    amount: Annotated[str | None, typer.Option(help="How much is asked for each time.")] = None,
    target: Annotated[
        str | None, typer.Option(help="Or how much there is to be: what lacks is asked for.")
    ] = None,
    cap: Annotated[str | None, typer.Option(help="At most so much in each --per.")] = None,
    per: Annotated[Period, typer.Option(help="The period of --cap, in UTC.")] = "month",
    cool_down: Annotated[
        int | None, typer.Option(metavar="SECONDS", help="The pause after a request has ended.")
    ] = None,
    answer_within: Annotated[
        int | None,
        typer.Option(metavar="SECONDS", help="When one that is not answered expires."),
    ] = None,
    attempts_max: Annotated[
        int | None,
        typer.Option(help="It stops after so many in a row that were not paid."),
    ] = None,
    price_per_unit: Annotated[
        str | None,
        typer.Option(metavar="AMOUNT:CURRENCY", help="What one costs, such as 0.01:usd."),
    ] = None,
    priority: words.Priority = None,
    expires_after_days: Annotated[
        int | None, typer.Option(metavar="DAYS", help="How long what is granted lives.")
    ] = None,
    name: Annotated[str | None, typer.Option(help="What its grants are called.")] = None,
    metadata: words.Metadata = None,
    idempotency_key: words.IdempotencyKey = None,
    url: Url = URL_DEFAULT,
    key: Key = None,
    as_json: Json = False,
) -> None:
    """Ask for a payment whenever a customer's credit runs low. It takes the place of an earlier rule.

    Example: `drawdown top-ups create ada usd 5 --amount 20 --cap 100 --per month`
    """
    with asking(url, key) as client:
        made = client.create_top_up(
            customer,
            entitlement,
            threshold=threshold,
            amount=amount,
            target=target,
            cap=None if cap is None else (cap, per),
            cool_down=cool_down,
            answer_within=answer_within,
            attempts_max=attempts_max,
            price_per_unit=words.unit_price(price_per_unit, "--price-per-unit"),
            priority=priority,
            expires_after_days=expires_after_days,
            name=name,
            metadata=words.pairs(metadata, "--metadata"),
            idempotency_key=idempotency_key,
        )
    present.answer(made, as_json, lambda rule: [_facts(rule)])


@app.command("list")
def list_(
    customer: words.OfCustomer = None,
    entitlement: words.OfEntitlement = None,
    state: Annotated[
        State | None, typer.Option("--state", help="Only those in this state.")
    ] = None,
    limit: words.Limit = words.LIMIT,
    all_: words.All = False,
    url: Url = URL_DEFAULT,
    key: Key = None,
    as_json: Json = False,
) -> None:
    """List the rules, newest first.

    Example: `drawdown top-ups list --customer ada --state active`
    """
    with asking(url, key) as client:
        found = client.top_ups(customer=customer, entitlement=entitlement, state=state)
        present.rows(found, None if all_ else limit, as_json, _table)


@app.command()
def show(top_up: OfTopUp, url: Url = URL_DEFAULT, key: Key = None, as_json: Json = False) -> None:
    """Show a rule, and where it stands.

    Example: `drawdown top-ups show topup_0351PpVUVnfk2FZtEeVVRs`
    """
    with asking(url, key) as client:
        found = client.get_top_up(top_up)
    present.answer(found, as_json, lambda rule: [_facts(rule)])


@app.command()
def close(top_up: OfTopUp, url: Url = URL_DEFAULT, key: Key = None, as_json: Json = False) -> None:
    """Ask for nothing any more. A request in flight may still be answered.

    Example: `drawdown top-ups close topup_0351PpVUVnfk2FZtEeVVRs`
    """
    with asking(url, key) as client:
        closed = client.close_top_up(top_up)
    present.answer(closed, as_json, lambda rule: [_facts(rule)])


@app.command()
def requests(
    customer: words.OfCustomer = None,
    entitlement: words.OfEntitlement = None,
    state: Annotated[
        RequestState | None, typer.Option("--state", help="Only those in this state.")
    ] = None,
    limit: words.Limit = words.LIMIT,
    all_: words.All = False,
    url: Url = URL_DEFAULT,
    key: Key = None,
    as_json: Json = False,
) -> None:
    """List the requests for payments, newest first.

    Example: `drawdown top-ups requests --state open`
    """
    with asking(url, key) as client:
        found = client.top_up_requests(customer=customer, entitlement=entitlement, state=state)
        present.rows(found, None if all_ else limit, as_json, _requests_table)


@app.command()
def confirm(
    request: OfRequest,
    reference: Annotated[
        str | None, typer.Option(help="What names the payment; another one is refused.")
    ] = None,
    idempotency_key: words.IdempotencyKey = None,
    url: Url = URL_DEFAULT,
    key: Key = None,
    as_json: Json = False,
) -> None:
    """Grant what was paid for, once, also after the request has failed or expired.

    Example: `drawdown top-ups confirm topreq_0351PpVUVnfk2FZtEeVVRs --reference pay_42`
    """
    with asking(url, key) as client:
        answered = client.confirm_top_up(
            request, reference=reference, idempotency_key=idempotency_key
        )
    present.answer(answered, as_json, lambda request: [_request_facts(request)])


@app.command()
def fail(
    request: OfRequest,
    reason: Annotated[str | None, typer.Option(help="Why, to be kept and told.")] = None,
    idempotency_key: words.IdempotencyKey = None,
    url: Url = URL_DEFAULT,
    key: Key = None,
    as_json: Json = False,
) -> None:
    """Say that no payment was taken.

    Example: `drawdown top-ups fail topreq_0351PpVUVnfk2FZtEeVVRs --reason "card declined"`
    """
    with asking(url, key) as client:
        answered = client.fail_top_up(request, reason=reason, idempotency_key=idempotency_key)
    present.answer(answered, as_json, lambda request: [_request_facts(request)])


def _facts(rule: TopUp) -> Table:
    cap, price = rule.cap, rule.price_per_unit
    return present.facts(
        {
            "Top-up": rule.id,
            "Name": rule.name,
            "Customer": rule.customer,
            "Entitlement": rule.entitlement,
            "State": present.state(rule.state),
            "At or below": rule.threshold,
            "Asks for": _asks_for(rule),
            "Cap": None if cap is None else f"{cap.amount:f} per {cap.per}",
            "Left of the cap": rule.cap_left,
            "Cool-down": f"{rule.cool_down_seconds} s",
            "Answer within": f"{rule.answer_within_seconds} s",
            "Attempts left": f"{rule.attempts_left} of {rule.attempts_max}",
            "Price of one": None if price is None else f"{price.amount:f} {price.currency}",
            "Request in flight": rule.request,
            "Metadata": rule.metadata or None,
            "Created": rule.created_at,
            "Closed": rule.closed_at,
        }
    )


def _asks_for(rule: TopUp) -> str:
    if rule.amount is not None:
        return f"{rule.amount:f}"
    return f"what lacks to {rule.target:f}"


def _table(found: list[TopUp]) -> Table:
    return present.table(
        ("Top-up", "Customer", "Of", "At or below", "Asks for", "State"),
        (
            (
                each.id,
                each.customer,
                each.entitlement,
                each.threshold,
                _asks_for(each),
                present.state(each.state),
            )
            for each in found
        ),
    )


def _request_facts(request: TopUpRequest) -> Table:
    cost = request.cost_basis
    return present.facts(
        {
            "Request": request.id,
            "Customer": request.customer,
            "Entitlement": request.entitlement,
            "State": present.state(request.state),
            "Amount": request.amount,
            "Available then": request.available,
            "To be paid": None if cost is None else f"{cost.amount:f} {cost.currency or ''}",
            "Requested": request.requested_at,
            "Expires": request.expires_at,
            "Ended": request.ended_at,
            "Reference": request.reference,
            "Reason": request.reason,
            "Grant": request.grant,
        }
    )


def _requests_table(found: list[TopUpRequest]) -> Table:
    return present.table(
        ("Request", "Customer", "Of", "Amount", "Requested (UTC)", "State"),
        (
            (
                each.id,
                each.customer,
                each.entitlement,
                each.amount,
                each.requested_at,
                present.state(each.state),
            )
            for each in found
        ),
    )
