"""An ask as a command of the ledger."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any

import msgspec

from drawdown.core import amounts
from drawdown.core.commands import (
    AdjustGrant,
    AmendGrant,
    AmendSchedule,
    AskedOverage,
    Authorize,
    CancelSchedule,
    Capture,
    ChangeTime,
    Command,
    CreateSchedule,
    Debit,
    Direction,
    ExpireGrant,
    Extend,
    IssueGrant,
    OverCapture,
    PauseSchedule,
    Price,
    RecordUsage,
    Release,
    ResetOverage,
    ResumeSchedule,
    ReverseDebit,
    RolloverTerms,
    Settle,
    Spend,
    TrialTerms,
    VoidGrant,
)
from drawdown.core.identity import compose, nth
from drawdown.core.requests import Accepted
from drawdown.core.schedules import cycles
from drawdown.core.schedules.calendar import CalendarUnit, Every
from drawdown.core.schedules.terms import CycleExpiry
from drawdown.core.types import Category, Id, Instant
from drawdown.core.usage.properties import properties_of
from tests.simulation.plays import Ask, asked_overage
from tests.support import scheduling
from tests.support.naive import NEVER, UNITS_MAX, Ids

#: What the end of a schedule is counted as, where its cycles are counted.
END_OF_SCHEDULE = (1 << 24) - 1
#: A well-formed id of nothing, for a name that nothing has.
NOTHING = compose(1, 1, 1, 1)

Asked = dict[str, Any]


class Names(Ids):
    """Ids by the names that clients have given. Those of a schedule's grants follow from its own."""

    def __missing__(self, name: int | str) -> Id:
        """``7:1``: what schedule 7 gave in cycle 1, ``7:1>2`` what of it was carried into cycle 2.

        ``7:e9``: what the change named 9 gave. ``7:1>end``: what was carried over the schedule's end.
        ``7>1``: what was carried of grant 7 by its own terms.
        """
        if isinstance(name, int):
            raise KeyError(name)
        if ":" not in name:
            given, _, times = name.partition(">")
            return scheduling.carried_id(self[int(given)], int(times))
        schedule, _, cycle = name.partition(":")
        first = cycle.partition(">")[0]
        root = self[int(first[1:])] if first.startswith("e") else None
        return given_id(self[int(schedule)], root, cycle)

    def get(self, name: int | str, default: Any = None) -> Any:
        try:
            return self[name]
        except KeyError:
            return default


@functools.lru_cache(maxsize=100_000)
def given_id(schedule: Id, root: Id | None, cycle: str) -> Id:
    """That of a grant of a schedule, which may come from a change's (``root``)."""
    before, carried, number = cycle.rpartition(">")
    if carried:
        played = nth(schedule, END_OF_SCHEDULE if number == "end" else int(number))
        return cycles.carried_id(played, given_id(schedule, root, before))
    return cycles.grant_id(nth(schedule, int(cycle))) if root is None else root


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
    if ask.verb == "schedule":
        return None if accepted.schedule is None else accepted.schedule.id
    if ask.verb == "change":
        return None if accepted.grant is None else accepted.grant.id
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
        rollover=_rollover(asked.get("roll")),
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


def _schedule(asked: Asked, customer: str, names: Names) -> Command:
    life = asked.get("life", "cycle_end")
    days = life if isinstance(life, int) else None
    return CreateSchedule(
        customer=customer,
        entitlement=asked["unit"],
        amount=_amount(asked["amount"]),
        every=_every(asked["every"]),
        anchor=asked.get("anchor"),
        zone=asked.get("zone", "UTC"),
        starts_at=asked.get("starts"),
        ends_at=asked.get("ends"),
        trial=_trial(asked.get("trial")),
        expires=CycleExpiry.AFTER_DAYS if days is not None else CycleExpiry(life),
        expires_after_days=days,
        rollover=_rollover(asked.get("roll")),
        overage=_overage(asked["rule"]) if "rule" in asked else None,
    )


def _every(asked: Sequence[Any]) -> Every:
    unit, count = asked
    return Every(CalendarUnit(unit), count)


def _trial(asked: Sequence[Any] | None) -> TrialTerms | None:
    if asked is None:
        return None
    amount, ends_at, expires = asked
    return TrialTerms(amount=_amount(amount), ends_at=Instant(ends_at), expires=expires)


def _rollover(asked: Asked | None) -> RolloverTerms | None:
    if not asked:
        return None
    lives = asked.get("lives")
    return RolloverTerms(
        percentage=asked["percentage"],
        generations_max=asked.get("generations"),
        timeframe=None if lives is None else _every((lives[1], lives[0])),
        minimum=_amount(asked["least"]) if "least" in asked else None,
        maximum=_amount(asked["most"]) if "most" in asked else None,
    )


def _overage(rule: Sequence[Any]) -> AskedOverage:
    """``rule``: how many whole units past zero, whether that is said, what becomes of them."""
    most, limited, behavior = rule
    return asked_overage(None if most == UNITS_MAX and not limited else most, 0, behavior)


def _change(asked: Asked, customer: str, names: Names) -> Command:
    rule = asked.get("rule")
    return AmendSchedule(
        schedule=names.get(asked["schedule"], NOTHING),
        amount=_amount(asked["amount"]) if "amount" in asked else None,
        overage=msgspec.UNSET if rule is None else None if rule == "none" else _overage(rule),
        when=ChangeTime.NOW if asked.get("now") else ChangeTime.NEXT_CYCLE,
        prorate=asked.get("prorate", False),
    )


def _pause(asked: Asked, customer: str, names: Names) -> Command:
    return PauseSchedule(schedule=names.get(asked["schedule"], NOTHING))


def _resume(asked: Asked, customer: str, names: Names) -> Command:
    return ResumeSchedule(schedule=names.get(asked["schedule"], NOTHING))


def _cancel(asked: Asked, customer: str, names: Names) -> Command:
    return CancelSchedule(
        schedule=names.get(asked["schedule"], NOTHING),
        at_cycle_end=asked.get("at_end", False),
        expire_credit=asked.get("expire", False),
    )


def _use(asked: Asked, customer: str, names: Names) -> Command:
    return RecordUsage(
        customer=customer,
        own_id=asked["event"],
        name=asked["kind"],
        time=asked.get("time"),
        properties=properties_of(asked["properties"]),
    )


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
    "schedule": _schedule,
    "change": _change,
    "pause": _pause,
    "resume": _resume,
    "cancel": _cancel,
    "use": _use,
}
