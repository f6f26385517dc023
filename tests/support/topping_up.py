"""Top-ups as tables write them: commands from a step, the same as JSON, facts of a request."""

from __future__ import annotations

from typing import Any

from drawdown.core import amounts
from drawdown.core.commands import CapTerms, CreateTopUp
from drawdown.core.types import MICROSECONDS, Instant
from drawdown.core.watching import top_ups
from drawdown.core.watching.top_ups import CapPeriod, TopUpRequest
from tests.support.scenarios import Step, span
from tests.support.scheduling import amount


def create(customer: str, entitlement: str, step: Step) -> CreateTopUp:
    options = step.options
    return CreateTopUp(
        customer=customer,
        entitlement=entitlement,
        threshold=amount(options["below"]),
        amount=amount(options["amount"]) if "amount" in options else None,
        target=amount(options["to"]) if "to" in options else None,
        cap=cap(options),
        cool_down=span(options.get("cool", "5min")),
        answer_within=span(options.get("answer", "1d")),
        attempts_max=int(options.get("attempts", "3")),
        expires_after_days=int(options["days"]) if "days" in options else None,
    )


def cap(options: dict[str, str]) -> CapTerms | None:
    """``cap=250:month``"""
    if "cap" not in options:
        return None
    units, per = options["cap"].split(":")
    return CapTerms(amount(units), CapPeriod(per))


def body(step: Step) -> dict[str, Any]:
    """The same as JSON, beside whose it is."""
    made = create("", "", step)
    texts = {"amount": made.amount, "target": made.target}
    asked: dict[str, Any] = {
        "threshold": str(made.threshold),
        "cool_down_seconds": made.cool_down // MICROSECONDS,
        "answer_within_seconds": made.answer_within // MICROSECONDS,
        "attempts_max": made.attempts_max,
        "expires_after_days": made.expires_after_days,
    }
    asked |= {name: str(units) for name, units in texts.items() if units is not None}
    if made.cap is not None:
        asked["cap"] = {"amount": str(made.cap.amount), "per": made.cap.per.value}
    return asked


def facts(request: TopUpRequest, scale: int, at: Instant) -> dict[str, str]:
    seen = top_ups.seen(request, at)
    return {"amount": amounts.render(seen.amount, scale), "state": seen.state.value}
