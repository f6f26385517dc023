"""`drawdown schedules`: grants that recur."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.table import Table

from drawdown.cli.client import asking
from drawdown.cli.credit import present, words
from drawdown.cli.credit import schedule_words as asked
from drawdown.cli.failures import Failure
from drawdown.cli.options import URL_DEFAULT, Json, Key, Url

if TYPE_CHECKING:
    from drawdown.client import OverageRule, Schedule

app = typer.Typer(no_args_is_help=True, help="Schedules: grants that recur.")


@app.command()
def create(
    customer: words.Customer,
    entitlement: words.Entitlement,
    amount: words.Amount,
    every: asked.Cycle,
    zone: asked.Zone = "UTC",
    anchor: asked.Anchor = None,
    starts_at: asked.StartsAt = None,
    ends_at: asked.EndsAt = None,
    trial_amount: asked.TrialAmount = None,
    trial_ends_at: asked.TrialEndsAt = None,
    keep_trial_credit: asked.KeepTrialCredit = False,
    expires: asked.Expires = "cycle_end",
    expires_after_days: asked.ExpiresAfterDays = None,
    rollover: asked.Rollover = None,
    rollover_generations_max: asked.GenerationsMax = None,
    rollover_timeframe: asked.Timeframe = None,
    rollover_minimum: asked.Minimum = None,
    rollover_maximum: asked.Maximum = None,
    overage: asked.Overage = None,
    overage_limit: words.OverageLimit = None,
    overage_behavior: words.OverageBehaves = None,
    overage_price: words.OveragePrice = None,
    priority: words.Priority = None,
    category: words.OfCategory = None,
    scope: words.Scope = None,
    cost_basis: asked.CycleCost = None,
    name: Annotated[str | None, typer.Option(help="What it is called, and each grant.")] = None,
    metadata: words.Metadata = None,
    idempotency_key: words.IdempotencyKey = None,
    url: Url = URL_DEFAULT,
    key: Key = None,
    as_json: Json = False,
) -> None:
    """Give an amount at the beginning of every cycle.

    Example: `drawdown schedules create ada usd 20 month --zone Europe/Berlin --rollover 50`
    """
    unit, count = asked.cycle(every, "CYCLE")
    terms = {
        "percentage": rollover,
        "generations_max": rollover_generations_max,
        "minimum": rollover_minimum,
        "maximum": rollover_maximum,
    }
    optional: dict[str, Any] = {
        "anchor": words.instant(anchor, "--anchor"),
        "starts_at": words.instant(starts_at, "--starts-at"),
        "ends_at": words.instant(ends_at, "--ends-at"),
        "trial": asked.trial(trial_amount, trial_ends_at, keep_trial_credit),
        "expires_after_days": expires_after_days,
        "rollover": asked.rollover(terms, rollover_timeframe),
        "overage": words.overage(overage, overage_limit, overage_behavior, overage_price),
        "priority": priority,
        "category": category,
        "scope": words.scope(scope),
        "cost_basis": words.cost_basis(cost_basis),
        "name": name,
        "metadata": words.pairs(metadata, "--metadata"),
    }
    cycles: dict[str, Any] = {"every": unit, "count": count, "zone": zone, "expires": expires}
    with asking(url, key) as client:
        made = client.create_schedule(
            customer,
            entitlement,
            amount,
            idempotency_key=idempotency_key,
            **cycles | optional,
        )
    _answer(made, as_json)


@app.command("list")
def list_(
    customer: words.OfCustomer = None,
    entitlement: words.OfEntitlement = None,
    state: Annotated[
        asked.State | None, typer.Option("--state", help="Only those in this state.")
    ] = None,
    limit: words.Limit = words.LIMIT,
    all_: words.All = False,
    url: Url = URL_DEFAULT,
    key: Key = None,
    as_json: Json = False,
) -> None:
    """List schedules, newest first, as they were recorded last.

    Example: `drawdown schedules list --customer ada --state active`
    """
    with asking(url, key) as client:
        found = client.schedules(customer=customer, entitlement=entitlement, state=state)
        present.rows(found, None if all_ else limit, as_json, _table)


@app.command()
def show(
    schedule: asked.OfSchedule, url: Url = URL_DEFAULT, key: Key = None, as_json: Json = False
) -> None:
    """Show a schedule as it is now.

    Example: `drawdown schedules show sched_0351PpVUVnfk2FZtEeVVRs`
    """
    with asking(url, key) as client:
        found = client.get_schedule(schedule)
    _answer(found, as_json)


@app.command()
def amend(
    schedule: asked.OfSchedule,
    amount: Annotated[
        str | None, typer.Option(help="What a cycle gives, from the next on or from --now.")
    ] = None,
    now: Annotated[
        bool,
        typer.Option("--now", help="The difference is given, or taken, for the cycle that runs."),
    ] = False,
    prorate: Annotated[
        bool, typer.Option("--prorate", help="With --now: only for what is left of the cycle.")
    ] = False,
    overage: asked.AmendedOverage = None,
    overage_limit: words.OverageLimit = None,
    overage_behavior: words.OverageBehaves = None,
    overage_price: words.OveragePrice = None,
    idempotency_key: words.IdempotencyKey = None,
    url: Url = URL_DEFAULT,
    key: Key = None,
    as_json: Json = False,
) -> None:
    """Give another amount, or let usage go otherwise past zero.

    Example: `drawdown schedules amend sched_0351PpVUVnfk2FZtEeVVRs --amount 30 --now --prorate`
    """
    changed: dict[str, OverageRule | None] = {}
    if overage == "entitlement":
        if overage_limit or overage_behavior or overage_price:
            raise Failure(
                "Whose rule is it?", "Leave out what is said beside --overage entitlement."
            )
        changed["overage"] = None
    elif rule := words.overage(overage, overage_limit, overage_behavior, overage_price):
        changed["overage"] = rule
    if amount is None and not changed:
        raise Failure("There is nothing to change.", "Say --amount or --overage.")
    with asking(url, key) as client:
        amended = client.amend_schedule(
            schedule,
            amount,
            when="now" if now else "next_cycle",
            prorate=prorate,
            idempotency_key=idempotency_key,
            **changed,
        )
    _answer(amended, as_json)


@app.command()
def pause(
    schedule: asked.OfSchedule,
    idempotency_key: words.IdempotencyKey = None,
    url: Url = URL_DEFAULT,
    key: Key = None,
    as_json: Json = False,
) -> None:
    """Give nothing at the cycles to come. The one that runs goes on to its end.

    Example: `drawdown schedules pause sched_0351PpVUVnfk2FZtEeVVRs`
    """
    with asking(url, key) as client:
        paused = client.pause_schedule(schedule, idempotency_key=idempotency_key)
    _answer(paused, as_json)


@app.command()
def resume(
    schedule: asked.OfSchedule,
    idempotency_key: words.IdempotencyKey = None,
    url: Url = URL_DEFAULT,
    key: Key = None,
    as_json: Json = False,
) -> None:
    """Go on at the next cycle that begins.

    Example: `drawdown schedules resume sched_0351PpVUVnfk2FZtEeVVRs`
    """
    with asking(url, key) as client:
        resumed = client.resume_schedule(schedule, idempotency_key=idempotency_key)
    _answer(resumed, as_json)


@app.command()
def cancel(
    schedule: asked.OfSchedule,
    at_cycle_end: Annotated[
        bool, typer.Option("--at-cycle-end", help="With the cycle that runs, and not now.")
    ] = False,
    expire_credit: Annotated[
        bool, typer.Option("--expire-credit", help="Write off what is left of what it gave.")
    ] = False,
    idempotency_key: words.IdempotencyKey = None,
    url: Url = URL_DEFAULT,
    key: Key = None,
    as_json: Json = False,
) -> None:
    """End a schedule. What it gave stays, as long as it was to live, unless it is written off.

    Example: `drawdown schedules cancel sched_0351PpVUVnfk2FZtEeVVRs --at-cycle-end`
    """
    with asking(url, key) as client:
        ended = client.cancel_schedule(
            schedule,
            at_cycle_end=at_cycle_end,
            expire_credit=expire_credit,
            idempotency_key=idempotency_key,
        )
    _answer(ended, as_json)


def _answer(schedule: Schedule, as_json: bool) -> None:
    present.answer(schedule, as_json, lambda schedule: [_facts(schedule)])


def _facts(schedule: Schedule) -> Table:
    code, next_amount = schedule.entitlement, schedule.next_amount
    days, available = schedule.expires_after_days, schedule.available
    trial, cost = schedule.trial, schedule.cost_basis
    expires = schedule.expires.replace("_", " ") if days is None else f"after {days} days"
    return present.facts(
        {
            "Schedule": schedule.id,
            "Name": schedule.name,
            "Customer": schedule.customer,
            "State": present.state(schedule.state),
            "Amount": present.credit(schedule.amount, code),
            "From the next on": None if next_amount == schedule.amount else next_amount,
            "Every": _every(schedule),
            "In zone": schedule.zone,
            "Cycle": schedule.cycle,
            "Since": schedule.cycle_started_at,
            "Next": schedule.next_at,
            "Starts": schedule.starts_at,
            "Ends": schedule.ends_at,
            "Trial": None
            if trial is None
            else f"{trial.amount:f}, until {present.cell(trial.ends_at, exact=True)}",
            "Credit expires": "at its cycle's end" if schedule.expires == "cycle_end" else expires,
            "Rolls over": asked.rolls_over(schedule.rollover),
            "Overage": None if schedule.overage is None else present.overage(schedule.overage),
            "Priority": schedule.priority,
            "Category": schedule.category,
            "Pays for": schedule.scope or None,
            "Cost basis": None if cost is None else present.credit(cost.amount, cost.currency),
            "Metadata": schedule.metadata or None,
            "Ended": schedule.ended_at,
            "Available": None if available is None else present.credit(available, code),
        }
    )


def _every(schedule: Schedule) -> str:
    every = schedule.every
    return every.unit if every.count == 1 else f"{every.count} {every.unit}s"


def _table(found: list[Schedule]) -> Table:
    return present.table(
        ("Schedule", "Customer", "State", "Amount", "Of", "Every", "Cycle", "Next (UTC)"),
        (
            (
                each.id,
                each.customer,
                present.state(each.state),
                each.amount,
                each.entitlement,
                _every(each),
                each.cycle,
                each.next_at or "never",
            )
            for each in found
        ),
        right="Amount",
    )
