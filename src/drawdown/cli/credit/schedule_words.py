"""What is typed at a terminal about schedules, as what the client takes."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import TYPE_CHECKING, Annotated, Any, Literal, cast

import typer

from drawdown.cli.credit import words

if TYPE_CHECKING:
    from drawdown.client.records import Rollover as Terms

Unit = Literal["day", "week", "month", "year"]
State = Literal["active", "paused", "cancelled", "ended"]

OfSchedule = Annotated[
    str, typer.Argument(metavar="SCHEDULE", help="The id of the schedule (sched_…).")
]
Cycle = Annotated[
    str, typer.Argument(metavar="CYCLE", help="How long a cycle is: month, or 2:week.")
]
Zone = Annotated[
    str, typer.Option(metavar="ZONE", help="On whose clocks: a zone such as Europe/Berlin.")
]
Anchor = Annotated[
    str | None,
    typer.Option(metavar="TIME", help="From when cycles are counted, if not from the start."),
]
StartsAt = Annotated[
    str | None, typer.Option(metavar="TIME", help="When the first begins, if not now.")
]
EndsAt = Annotated[str | None, typer.Option(metavar="TIME", help="When the last ends, if ever.")]
TrialAmount = Annotated[
    str | None, typer.Option(metavar="AMOUNT", help="What a trial before the first cycle gives.")
]
TrialEndsAt = Annotated[
    str | None,
    typer.Option(metavar="TIME", help="When the trial ends, and the first cycle begins."),
]
KeepTrialCredit = Annotated[
    bool, typer.Option("--keep-trial-credit", help="The trial's credit is not written off with it.")
]
Expires = Annotated[
    Literal["cycle_end", "after_days", "never"],
    typer.Option(help="When what is left of a cycle is written off."),
]
ExpiresAfterDays = Annotated[
    int | None, typer.Option(metavar="DAYS", help="How many, with --expires after_days.")
]
Rollover = Annotated[
    int | None, typer.Option(metavar="PERCENT", help="How much of what is left is carried over.")
]
GenerationsMax = Annotated[
    int | None, typer.Option(metavar="TIMES", help="How often the same credit is at most.")
]
Timeframe = Annotated[
    str | None, typer.Option(metavar="CYCLE", help="How long it lives then: 3:month.")
]
Minimum = Annotated[
    str | None, typer.Option(metavar="AMOUNT", help="Less than this is not carried over.")
]
Maximum = Annotated[
    str | None, typer.Option(metavar="AMOUNT", help="No more than this is, of each grant.")
]
Overage = Annotated[
    words.OverageMode | None,
    typer.Option(help="How far usage may go past zero, in place of the entitlement's rule."),
]
AmendedOverage = Annotated[
    Literal["off", "limited", "unlimited", "entitlement"] | None,
    typer.Option(help="How far usage may go past zero from now on, or that it is as elsewhere."),
]
CycleCost = Annotated[
    str | None,
    typer.Option(metavar="CURRENCY:AMOUNT", help="What is paid for a cycle, such as usd:15."),
]


def cycle(text: str, option: str) -> tuple[Unit, int]:
    """``month`` or ``2:week``, as a unit and how many of it."""
    count, _, unit = text.rpartition(":")
    if unit not in ("day", "week", "month", "year") or not (count or "1").isdecimal():
        raise typer.BadParameter(
            f"{text!r} is no cycle. Write day, week, month or year, or 2:week.", param_hint=option
        )
    return cast(Unit, unit), int(count or "1")


def trial(amount: str | None, ends_at: str | None, keeps: bool) -> dict[str, Any] | None:
    if (amount is None) != (ends_at is None):
        raise typer.BadParameter(
            "give --trial-amount and --trial-ends-at, or neither.", param_hint="--trial-amount"
        )
    if amount is None and keeps:
        raise typer.BadParameter("say which trial.", param_hint="--keep-trial-credit")
    if amount is None:
        return None
    return {
        "amount": amount,
        "ends_at": words.instant(ends_at, "--trial-ends-at"),
        "expires": not keeps,
    }


def rollover(terms: Mapping[str, int | str | None], timeframe: str | None) -> dict[str, Any] | None:
    """The terms that are given; None where none are."""
    found: dict[str, Any] = {name: value for name, value in terms.items() if value is not None}
    if timeframe is not None:
        unit, count = cycle(timeframe, "--rollover-timeframe")
        found["timeframe"] = {"unit": unit, "count": count}
    return found or None


def rolls_over(terms: Terms | None) -> str | None:
    """Such as ``50%, at least 10, at most 100, 2 times, for 3 month``."""
    if terms is None:
        return None
    bounds: tuple[tuple[str, Decimal | None], ...] = (
        ("at least", terms.minimum),
        ("at most", terms.maximum),
    )
    parts = [f"{terms.percentage}%"]
    parts += [f"{word} {amount:f}" for word, amount in bounds if amount is not None]
    if terms.generations_max is not None:
        parts.append(f"{terms.generations_max} times at most")
    if terms.timeframe is not None:
        parts.append(f"for {terms.timeframe.count} × {terms.timeframe.unit}")
    return ", ".join(parts)
