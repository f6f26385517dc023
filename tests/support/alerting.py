"""Alerts as scenarios say them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from drawdown.core import amounts
from drawdown.core.commands import CreateAlert
from drawdown.core.types import AlertKind, Operation
from drawdown.core.watching.watch import Notice
from tests.support.scenarios import Step, day_text

KINDS = {
    "below": AlertKind.AVAILABLE_BELOW,
    "used": AlertKind.USED_ABOVE,
    "expiry": AlertKind.DAYS_TO_EXPIRY,
    "depletes": AlertKind.DEPLETES_WITHIN,
}


class _Changed(msgspec.Struct):
    alerts: tuple[list[Notice], list[Notice]] = ([], [])


def shape(step: Step) -> tuple[str, str]:
    """Such as (``below``, ``20%``)."""
    [found] = [(name, step.options[name]) for name in KINDS if name in step.options]
    return found


def body(step: Step) -> dict[str, Any]:
    """As the native API has it."""
    name, line = shape(step)
    field = "days" if name in ("expiry", "depletes") else "amount"
    if field == "days":
        return {"kind": KINDS[name].value, "days": int(line)}
    if line.endswith("%"):
        return {"kind": KINDS[name].value, "percent": int(line[:-1])}
    return {"kind": KINDS[name].value, "amount": line}


def create(customer: str | None, entitlement: str, step: Step) -> CreateAlert:
    found = body(step)
    if "amount" in found:
        found["amount"] = amounts.parse(found["amount"])
    found["kind"] = AlertKind(found["kind"])
    return CreateAlert(customer=customer, entitlement=entitlement, **found)


def notices(operation: Operation) -> list[Notice]:
    """What an operation has set off."""
    if not operation.changed:
        return []
    return msgspec.json.decode(operation.changed, type=_Changed).alerts[1]


def facts(told: Sequence[tuple[int, str]]) -> dict[str, str]:
    """How often, and when last with how much; ``told``: the instant and what was available, each time."""
    if not told:
        return {"told": "0", "at": "never"}
    at, available = max(told, key=lambda each: each[0])
    return {"told": str(len(told)), "at": day_text(at), "available": available}
