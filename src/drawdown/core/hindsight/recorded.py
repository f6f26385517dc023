"""The commands behind operations: what was recorded, asked for again.

An operation keeps what was asked for as facts, amounts in units. From them comes a command that, decided on
the same state at the same instant under the operation's id, moves the same credit. What was a limit of the
asker's (how long a hold may live, how many grants may be open) was kept then, and is left out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

import msgspec
from msgspec import UNSET, Struct, UnsetType

from drawdown.core import amounts, commands
from drawdown.core.amounts import Amount
from drawdown.core.commands import ChangeTime, Command, Direction, Money, OverCapture
from drawdown.core.schedules.calendar import CalendarUnit, Every
from drawdown.core.schedules.terms import CycleExpiry
from drawdown.core.types import (
    Attributes,
    Category,
    Entry,
    EntryKind,
    Grant,
    Id,
    Instant,
    Metadata,
    Operation,
    Overage,
    Scope,
)
from drawdown.core.usage.records import Event

#: What an operation draws on a wallet for whoever uses it.
DEMANDS = frozenset({"debit", "spend", "capture", "usage"})


class Past(Struct, frozen=True, kw_only=True):
    """What an operation is read with: scales by kind of credit, and the usage event that it records.

    ``grant`` is what it makes, as it is kept: where it was asked for an earlier time, that says from when on.
    """

    scale_of: Callable[[Id], int]
    event: Event | None = None
    grant: Grant | None = None

    def amount(self, units: int, kind: Id | None) -> Amount:
        assert kind is not None, "the operation is about one wallet"
        return amounts.normalised(units, self.scale_of(kind))


def command_of(operation: Operation, past: Past) -> Command | None:
    """What was asked for; None where nothing was that moves credit."""
    read = _READERS.get(operation.kind)
    return None if read is None else read(operation, past)


def grant_needed(operation: Operation, entries: Iterable[Entry]) -> Id | None:
    """The grant that an operation is to be read with (``Past``); or that it made under another name."""
    made = next((each.grant for each in entries if each.kind is EntryKind.GRANTED), None)
    if operation.kind != "grant":
        return None if operation.kind in _READERS else made
    facts = msgspec.json.decode(operation.facts, type=_Grant)
    late = facts.effective_at is not None and facts.effective_at < operation.at
    return made if late else None


class _Rollover(Struct):
    percentage: int
    generations_max: int | None
    timeframe: Every | None
    minimum: str | None
    maximum: str | None


class _Grant(Struct):
    amount: int
    priority: int | None = None
    category: Category | None = None
    effective_at: Instant | None = None
    expires_at: Instant | UnsetType | None = UNSET
    cost_basis: Money | None = None
    name: str | None = None
    scope: Scope = {}
    metadata: Metadata = {}
    used_before: int | None = None
    rollover: _Rollover | None = None


def _grant(operation: Operation, past: Past) -> Command:
    """A grant taken as effective from when it was made may have been asked for an earlier time."""
    facts = msgspec.json.decode(operation.facts, type=_Grant)
    late = facts.effective_at is not None and facts.effective_at < operation.at
    kind = operation.entitlement
    assert kind is not None
    used = None if facts.used_before is None else past.amount(facts.used_before, kind)
    return commands.IssueGrant(
        customer=operation.customer,
        entitlement=kind,
        amount=past.amount(facts.amount, kind),
        priority=facts.priority,
        category=facts.category,
        effective_at=past.grant.effective_at if late and past.grant else facts.effective_at,
        expires_at=facts.expires_at,
        cost_basis=facts.cost_basis,
        name=facts.name,
        scope=facts.scope,
        metadata=facts.metadata,
        used_before=used,
        rollover=_rollover(facts.rollover),
    )


class _Debit(Struct):
    amount: int
    attributes: Attributes = {}
    valid_at: Instant | None = None
    as_overage: bool = False


def _debit(operation: Operation, past: Past) -> Command:
    facts = msgspec.json.decode(operation.facts, type=_Debit)
    assert operation.entitlement is not None
    return commands.Debit(
        customer=operation.customer,
        entitlement=operation.entitlement,
        amount=past.amount(facts.amount, operation.entitlement),
        attributes=facts.attributes,
        valid_at=facts.valid_at,
        as_overage=facts.as_overage,
    )


class _Price(Struct):
    entitlement: str
    price: str


class _Spend(Struct):
    quantity: str
    wallets: tuple[_Price, ...]
    partial: bool = False
    attributes: Attributes = {}
    valid_at: Instant | None = None


def _spend(operation: Operation, past: Past) -> Command:
    facts = msgspec.json.decode(operation.facts, type=_Spend)
    return commands.Spend(
        customer=operation.customer,
        quantity=_exact(facts.quantity),
        wallets=tuple(
            commands.Price(Id(bytes.fromhex(each.entitlement)), _exact(each.price))
            for each in facts.wallets
        ),
        partial=facts.partial,
        attributes=facts.attributes,
        valid_at=facts.valid_at,
    )


class _Hold(Struct):
    amount: int
    attributes: Attributes = {}
    expires_in: int | None = None
    expires_at: Instant | UnsetType | None = UNSET


def _hold(operation: Operation, past: Past) -> Command:
    facts = msgspec.json.decode(operation.facts, type=_Hold)
    assert operation.entitlement is not None
    return commands.Authorize(
        customer=operation.customer,
        entitlement=operation.entitlement,
        amount=past.amount(facts.amount, operation.entitlement),
        expires_at=facts.expires_at,
        expires_in=facts.expires_in,
        attributes=facts.attributes,
        hold_max=None,
    )


class _Capture(Struct):
    amount: int
    final: bool
    over_capture: OverCapture


def _capture(operation: Operation, past: Past) -> Command:
    facts = msgspec.json.decode(operation.facts, type=_Capture)
    return commands.Capture(
        hold=_subject(operation),
        amount=past.amount(facts.amount, operation.entitlement),
        final=facts.final,
        over_capture=facts.over_capture,
    )


def _release(operation: Operation, past: Past) -> Command:
    return commands.Release(hold=_subject(operation))


class _Extend(Struct):
    expires_at: Instant | None = None
    expires_in: int | None = None


def _extend(operation: Operation, past: Past) -> Command:
    facts = msgspec.json.decode(operation.facts, type=_Extend)
    return commands.Extend(
        hold=_subject(operation),
        expires_at=facts.expires_at,
        expires_in=facts.expires_in,
        hold_max=None,
    )


class _Reverse(Struct):
    amount: int | None = None
    entitlement: str | None = None


def _reverse(operation: Operation, past: Past) -> Command:
    facts = msgspec.json.decode(operation.facts, type=_Reverse)
    kind = None if facts.entitlement is None else Id(bytes.fromhex(facts.entitlement))
    return commands.ReverseDebit(
        debit=_subject(operation),
        entitlement=kind,
        amount=None if facts.amount is None else past.amount(facts.amount, kind),
    )


class _Adjust(Struct):
    direction: Direction
    amount: int


def _adjust(operation: Operation, past: Past) -> Command:
    facts = msgspec.json.decode(operation.facts, type=_Adjust)
    amount = past.amount(facts.amount, operation.entitlement)
    return commands.AdjustGrant(grant=_subject(operation), direction=facts.direction, amount=amount)


def _expire(operation: Operation, past: Past) -> Command:
    return commands.ExpireGrant(grant=_subject(operation))


class _Void(Struct):
    only_unused: bool = False


def _void(operation: Operation, past: Past) -> Command:
    facts = msgspec.json.decode(operation.facts, type=_Void)
    return commands.VoidGrant(grant=_subject(operation), only_unused=facts.only_unused)


class _Amend(Struct):
    expires_at: Instant | UnsetType | None = UNSET


def _amend(operation: Operation, past: Past) -> Command:
    """Metadata decides nothing."""
    facts = msgspec.json.decode(operation.facts, type=_Amend)
    return commands.AmendGrant(grant=_subject(operation), expires_at=facts.expires_at)


class _Trial(Struct):
    amount: str
    ends_at: Instant
    expires: bool


class _Schedule(Struct):
    amount: int
    every: tuple[CalendarUnit, int]
    anchor: Instant | None = None
    zone: str = "UTC"
    starts_at: Instant | None = None
    ends_at: Instant | None = None
    trial: _Trial | None = None
    expires: CycleExpiry = CycleExpiry.CYCLE_END
    expires_after_days: int | None = None
    rollover: _Rollover | None = None
    overage: Overage | None = None
    priority: int | None = None
    category: Category | None = None
    cost_basis: tuple[str, str] | None = None
    scope: Scope = {}
    name: str | None = None
    metadata: Metadata = {}
    paused: bool = False


def _schedule(operation: Operation, past: Past) -> Command:
    facts = msgspec.json.decode(operation.facts, type=_Schedule)
    kind = operation.entitlement
    assert kind is not None
    paid = facts.cost_basis
    return commands.CreateSchedule(
        customer=operation.customer,
        entitlement=kind,
        amount=past.amount(facts.amount, kind),
        every=Every(*facts.every),
        anchor=facts.anchor,
        zone=facts.zone,
        starts_at=facts.starts_at,
        ends_at=facts.ends_at,
        trial=_trial(facts.trial),
        expires=facts.expires,
        expires_after_days=facts.expires_after_days,
        rollover=_rollover(facts.rollover),
        overage=_overage(facts.overage, past, kind),
        priority=facts.priority,
        category=facts.category,
        cost_basis=None if paid is None else Money(_exact(paid[0]), paid[1]),
        scope=facts.scope,
        name=facts.name,
        metadata=facts.metadata,
        paused=facts.paused,
    )


def _trial(facts: _Trial | None) -> commands.TrialTerms | None:
    if facts is None:
        return None
    return commands.TrialTerms(
        amount=_exact(facts.amount), ends_at=facts.ends_at, expires=facts.expires
    )


def _rollover(facts: _Rollover | None) -> commands.RolloverTerms | None:
    if facts is None:
        return None
    return commands.RolloverTerms(
        percentage=facts.percentage,
        generations_max=facts.generations_max,
        timeframe=facts.timeframe,
        minimum=None if facts.minimum is None else _exact(facts.minimum),
        maximum=None if facts.maximum is None else _exact(facts.maximum),
    )


def _overage(rule: Overage | None, past: Past, kind: Id | None) -> commands.AskedOverage | None:
    if rule is None:
        return None
    price = rule.price_per_unit
    return commands.AskedOverage(
        mode=rule.mode,
        limit=None if rule.limit is None else past.amount(rule.limit, kind),
        behavior=rule.behavior,
        price_per_unit=None if price is None else Money(_exact(price.amount), price.currency),
    )


class _AmendSchedule(Struct):
    when: ChangeTime
    prorate: bool
    amount: int | None = None
    overage: Overage | UnsetType | None = UNSET
    ends_at: Instant | UnsetType | None = UNSET


def _amend_schedule(operation: Operation, past: Past) -> Command:
    facts = msgspec.json.decode(operation.facts, type=_AmendSchedule)
    kind, rule = operation.entitlement, facts.overage
    return commands.AmendSchedule(
        schedule=_subject(operation),
        amount=None if facts.amount is None else past.amount(facts.amount, kind),
        when=facts.when,
        prorate=facts.prorate,
        overage=UNSET if isinstance(rule, UnsetType) else _overage(rule, past, kind),
        ends_at=facts.ends_at,
    )


def _pause(operation: Operation, past: Past) -> Command:
    return commands.PauseSchedule(schedule=_subject(operation))


class _Resume(Struct):
    at_once: bool = False


def _resume(operation: Operation, past: Past) -> Command:
    facts = msgspec.json.decode(operation.facts, type=_Resume)
    return commands.ResumeSchedule(schedule=_subject(operation), at_once=facts.at_once)


class _Cancel(Struct):
    at_cycle_end: bool
    expire_credit: bool


def _cancel(operation: Operation, past: Past) -> Command:
    facts = msgspec.json.decode(operation.facts, type=_Cancel)
    return commands.CancelSchedule(
        schedule=_subject(operation),
        at_cycle_end=facts.at_cycle_end,
        expire_credit=facts.expire_credit,
    )


def _reset(operation: Operation, past: Past) -> Command:
    assert operation.entitlement is not None
    return commands.ResetOverage(customer=operation.customer, entitlement=operation.entitlement)


def _settle(operation: Operation, past: Past) -> Command:
    """What time did, cycles too: it does it again."""
    assert operation.entitlement is not None
    return commands.Settle(customer=operation.customer, entitlement=operation.entitlement)


def _usage(operation: Operation, past: Past) -> Command | None:
    event = past.event
    if event is None:
        return None
    return commands.RecordUsage(
        customer=operation.customer,
        own_id=event.own_id,
        name=event.name,
        time=event.time,
        properties=event.properties,
    )


def _subject(operation: Operation) -> Id:
    assert operation.subject is not None
    return operation.subject


def _exact(text: str) -> Amount:
    found = amounts.parse(text)
    assert found is not None, "it was written from an amount"
    return found


_READERS: dict[str, Callable[[Operation, Past], Command | None]] = {
    "grant": _grant,
    "debit": _debit,
    "spend": _spend,
    "hold": _hold,
    "capture": _capture,
    "release": _release,
    "extend": _extend,
    "reverse": _reverse,
    "adjust": _adjust,
    "expire": _expire,
    "void": _void,
    "amend": _amend,
    "create_schedule": _schedule,
    "amend_schedule": _amend_schedule,
    "pause_schedule": _pause,
    "resume_schedule": _resume,
    "cancel_schedule": _cancel,
    "reset": _reset,
    "settle": _settle,
    "cycle": _settle,
    "usage": _usage,
}
