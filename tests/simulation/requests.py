"""An ask as a command of the ledger."""

from __future__ import annotations

from typing import Any

import msgspec

from drawdown.core import amounts
from drawdown.core.commands import (
    AdjustGrant,
    AmendGrant,
    Authorize,
    Capture,
    Command,
    Debit,
    Direction,
    ExpireGrant,
    Extend,
    IssueGrant,
    OverCapture,
    Price,
    Release,
    ResetOverage,
    ReverseDebit,
    Settle,
    Spend,
    VoidGrant,
)
from drawdown.core.identity import compose
from drawdown.core.requests import Accepted
from drawdown.core.types import Category, Id, Instant
from tests.simulation.plays import Ask
from tests.support.naive import NEVER

#: A well-formed id of nothing, for a name that nothing has.
NOTHING = compose(1, 1, 1, 1)

Names = dict[int, Id]
Asked = dict[str, Any]


def customer_name(number: int) -> str:
    return f"customer-{number}"


def command(ask: Ask, names: Names) -> Command:
    """``names`` are the ids of what the clients have made so far."""
    return _BUILDERS[ask.verb](ask.asked, customer_name(ask.customer), names)


def made(ask: Ask, accepted: Accepted) -> Id | None:
    """The id of what the ask has made, for its name."""
    if ask.verb == "grant":
        return None if accepted.grant is None else accepted.grant.id
    if ask.verb == "hold":
        return None if accepted.hold is None else accepted.hold.id
    return None if accepted.operation is None else accepted.operation.id


def _amount(text: str) -> amounts.Amount:
    found = amounts.parse(text)
    assert found is not None, text
    return found


def _expiry(exp: int) -> Instant | None:
    return None if exp >= NEVER else Instant(exp)


def _grant(asked: Asked, customer: str, names: Names) -> Command:
    return IssueGrant(
        customer=customer,
        entitlement=asked["unit"],
        amount=_amount(asked["amount"]),
        priority=asked.get("priority"),
        category=Category.PAID if asked.get("paid", True) else Category.PROMOTIONAL,
        effective_at=asked.get("eff"),
        expires_at=_expiry(asked["exp"]) if "exp" in asked else msgspec.UNSET,
        scope={name: tuple(values) for name, values in asked.get("scope", {}).items()},
    )


def _debit(asked: Asked, customer: str, names: Names) -> Command:
    return Debit(
        customer=customer,
        entitlement=asked["unit"],
        amount=_amount(asked["amount"]),
        attributes=asked.get("attributes", {}),
        valid_at=asked.get("valid"),
    )


def _spend(asked: Asked, customer: str, names: Names) -> Command:
    return Spend(
        customer=customer,
        quantity=_amount(asked["quantity"]),
        wallets=tuple(Price(unit, _amount(price)) for unit, price in asked["prices"]),
        partial=asked.get("partial", False),
        attributes=asked.get("attributes", {}),
    )


def _hold(asked: Asked, customer: str, names: Names) -> Command:
    endless = asked.get("endless", False)
    never: Instant | msgspec.UnsetType | None = None if endless else msgspec.UNSET
    more: Asked = {"hold_max": None} if endless else {}
    return Authorize(
        customer=customer,
        entitlement=asked["unit"],
        amount=_amount(asked["amount"]),
        expires_at=asked.get("until", never),
        expires_in=asked.get("lasting"),
        attributes=asked.get("attributes", {}),
        **more,
    )


def _capture(asked: Asked, customer: str, names: Names) -> Command:
    return Capture(
        hold=names.get(asked["hold"], NOTHING),
        amount=_amount(asked["amount"]),
        final=asked.get("final", False),
        over_capture=OverCapture.REFUSE if asked.get("refuse") else OverCapture.DRAW,
    )


def _release(asked: Asked, customer: str, names: Names) -> Command:
    return Release(hold=names.get(asked["hold"], NOTHING))


def _extend(asked: Asked, customer: str, names: Names) -> Command:
    return Extend(
        hold=names.get(asked["hold"], NOTHING),
        expires_at=asked.get("until"),
        expires_in=asked.get("lasting"),
    )


def _reverse(asked: Asked, customer: str, names: Names) -> Command:
    return ReverseDebit(
        debit=names.get(asked["debit"], NOTHING),
        amount=_amount(asked["amount"]) if "amount" in asked else None,
        entitlement=asked.get("unit"),
    )


def _adjust(asked: Asked, customer: str, names: Names) -> Command:
    return AdjustGrant(
        grant=names.get(asked["grant"], NOTHING),
        direction=Direction(asked["direction"]),
        amount=_amount(asked["amount"]),
    )


def _amend(asked: Asked, customer: str, names: Names) -> Command:
    return AmendGrant(grant=names.get(asked["grant"], NOTHING), expires_at=_expiry(asked["exp"]))


def _expire(asked: Asked, customer: str, names: Names) -> Command:
    return ExpireGrant(grant=names.get(asked["grant"], NOTHING))


def _void(asked: Asked, customer: str, names: Names) -> Command:
    only_unused = asked.get("only_unused", False)
    return VoidGrant(grant=names.get(asked["grant"], NOTHING), only_unused=only_unused)


def _reset(asked: Asked, customer: str, names: Names) -> Command:
    return ResetOverage(customer=customer, entitlement=asked["unit"])


def _settle(asked: Asked, customer: str, names: Names) -> Command:
    return Settle(customer=customer, entitlement=asked["unit"])


_BUILDERS = {
    "grant": _grant,
    "debit": _debit,
    "spend": _spend,
    "hold": _hold,
    "capture": _capture,
    "release": _release,
    "extend": _extend,
    "reverse": _reverse,
    "adjust": _adjust,
    "amend": _amend,
    "expire": _expire,
    "void": _void,
    "reset": _reset,
    "settle": _settle,
}
