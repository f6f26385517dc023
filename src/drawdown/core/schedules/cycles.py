"""A schedule's cycles as operations: what was left of the last is carried or ended, the next is granted.

With a cycle's end goes the wallet's overage, where its rule says so. A cycle is one operation, whose id
follows from the schedule and the cycle's number. All of it happens at the instant at which the cycle begins,
whenever it is recorded.
"""

from __future__ import annotations

import msgspec

from drawdown.core import overage, posting
from drawdown.core.identity import derive, precede
from drawdown.core.posting import Posting
from drawdown.core.schedules import rollover
from drawdown.core.schedules import terms as schedules
from drawdown.core.schedules.terms import TRIAL, Schedule, ScheduleState
from drawdown.core.state import Changes, Wallet
from drawdown.core.types import (
    GRANTS_OPEN_MAX,
    UNITS_MAX,
    Category,
    CostBasis,
    EntryKind,
    Grant,
    Id,
    Instant,
    Operation,
)


def play(
    wallet: Wallet, schedule: Schedule, changes: Changes, at: Instant, recorded_at: Instant
) -> None:
    """Do what is due of a schedule: end its running cycle, begin the next unless over or paused."""
    is_over = schedule.is_over_by(at)
    number = schedule.next_number
    started = _begin(wallet, schedule, changes, at, recorded_at, is_over)
    if schedule.cycle_at is not None:
        _end_cycle(started, wallet, schedule, at)
        _reset_overage(started, wallet, schedule, at)
    if is_over:
        end(schedule, ScheduleState.ENDED, at)
        note_rule(wallet, changes)
    elif schedule.state is ScheduleState.PAUSED:
        schedule.cycle, schedule.cycle_at, schedule.next_at = number, None, schedule.ends_at
    else:
        _begin_cycle(started, wallet, schedule, number, at)
    changes.schedules[schedule.id] = schedule
    started.commit()


def operation_id(schedule: Schedule) -> Id:
    """The id of the operation that plays what is due of a schedule next."""
    if schedule.next_at is not None and schedule.is_over_by(schedule.next_at):
        return schedule.end_id()
    return schedule.cycle_id(schedule.next_number)


def end(schedule: Schedule, state: ScheduleState, at: Instant) -> None:
    """The schedule gives nothing any more."""
    schedule.state, schedule.ended_at = state, at
    schedule.cycle_at = schedule.next_at = schedule.change = None


def note_rule(wallet: Wallet, changes: Changes) -> None:
    """Follow what the wallet's schedules say about overage, after one began, ended or says something else."""
    rule = schedules.override_of(wallet.schedules.values())
    if rule != wallet.overage_override:
        wallet.overage_override = rule
        changes.wallets[(wallet.customer, wallet.entitlement)] = wallet


def _begin(
    wallet: Wallet,
    schedule: Schedule,
    changes: Changes,
    at: Instant,
    recorded_at: Instant,
    is_over: bool,
) -> Posting:
    number = schedule.next_number
    facts: dict[str, object] = {"number": schedule.cycle, "ended": True}
    if not is_over:
        facts = {"number": number}
        if schedule.state is ScheduleState.PAUSED:
            facts["skipped"] = True
    operation = Operation(
        id=operation_id(schedule),
        customer=wallet.customer,
        entitlement=wallet.entitlement,
        kind="cycle",
        at=at,
        recorded_at=recorded_at,
        facts=msgspec.json.encode(facts),
        subject=schedule.id,
    )
    return Posting(operation, changes)


def _reset_overage(started: Posting, wallet: Wallet, schedule: Schedule, at: Instant) -> None:
    """By the rule of the schedule whose cycle ends, whichever of several has begun last."""
    before = wallet.overage
    rule = schedule.overage or wallet.overage_rule
    kind = overage.RESETS.get(rule.behavior)
    if posting.reset_overage(started, wallet, kind, at):
        posting.note_reset(started, wallet, before)


def _end_cycle(started: Posting, wallet: Wallet, schedule: Schedule, at: Instant) -> None:
    turns = [
        grant
        for grant in wallet.grants.values()
        if grant.schedule == schedule.id and rollover.has_turn(schedule, grant, at)
    ]
    turns.sort(key=lambda grant: (grant.created_at, grant.id))
    for grant in turns:
        _take_turn(started, wallet, schedule, grant, at)


def _take_turn(
    started: Posting, wallet: Wallet, schedule: Schedule, grant: Grant, at: Instant
) -> None:
    terms, zone = schedule.rollover, schedule.cadence.zone
    expires_at = schedules.carried_expires_at(terms, at, zone)
    carry(started, wallet, grant, rollover.turn(schedule, grant), expires_at, at)


def carry(
    started: Posting,
    wallet: Wallet,
    grant: Grant,
    found: rollover.Turn,
    expires_at: Instant | None,
    at: Instant,
) -> Grant | None:
    """Do what becomes of a grant. What is carried of it, if anything is, expires at ``expires_at``."""
    carried = None
    if found.carried:
        posting.post(started, wallet, grant, EntryKind.ROLLED_OUT, found.carried, at)
        carried = _carried_grant(started, grant, found.carried, expires_at, at)
        posting.admit(started.changes, wallet, carried)
        posting.post(started, wallet, carried, EntryKind.ROLLED_IN, found.carried, at)
        if grant.remaining == 0:
            posting.close(wallet, grant)
    if found.ends is not None and grant.remaining > 0:
        posting.write_off(started, wallet, grant, found.ends, at)
    return carried


def _carried_grant(
    started: Posting, parent: Grant, units: int, expires_at: Instant | None, at: Instant
) -> Grant:
    """What was carried of a grant: worth its share of what was paid for it, and otherwise alike."""
    basis = parent.cost_basis
    return Grant(
        id=carried_id(started.operation.id, parent.id),
        customer=parent.customer,
        entitlement=parent.entitlement,
        amount=units,
        remaining=units,
        priority=parent.priority,
        category=parent.category,
        effective_at=at,
        expires_at=expires_at,
        recorded_at=started.operation.recorded_at,
        created_at=at,
        updated_at=at,
        scope=parent.scope,
        source="rollover",
        parent=parent.id,
        cost_basis=basis and CostBasis(basis.amount * units // parent.amount, basis.currency),
        name=parent.name,
        metadata=parent.metadata,
        profiles=parent.profiles,
        schedule=parent.schedule,
        generation=parent.generation + 1,
        rollover=parent.rollover,
    )


def begin_late(
    started: Posting, wallet: Wallet, schedule: Schedule, number: int, at: Instant
) -> Grant | None:
    """Begin the cycle that would run at ``at`` by the calendar, and has been skipped."""
    begun = _begin_cycle(started, wallet, schedule, number, at)
    schedule.cycle_at = schedule.begins_at(number)
    return begun


def _begin_cycle(
    started: Posting, wallet: Wallet, schedule: Schedule, number: int, at: Instant
) -> Grant | None:
    if number != TRIAL and schedule.change is not None:
        schedule.amount, schedule.change = schedule.change, None
    schedule.cycle, schedule.cycle_at = number, at
    schedule.next_at = schedules.cycle_ends_at(schedule, number)
    note_rule(wallet, started.changes)
    return give(started, wallet, schedule, schedule.amount_of(number), at)


def give(
    started: Posting, wallet: Wallet, schedule: Schedule, units: int, at: Instant
) -> Grant | None:
    """Grant ``units`` of the cycle that runs, as far as the wallet has room for them."""
    units = min(units, UNITS_MAX - wallet.granted)
    if units <= 0 or wallet.open_grants >= GRANTS_OPEN_MAX:
        return None
    grant = _cycle_grant(started, wallet, schedule, units, at)
    posting.admit(started.changes, wallet, grant)
    posting.post(started, wallet, grant, EntryKind.GRANTED, units, at)
    posting.repay(started, wallet, grant, units, at)
    return grant


def _cycle_grant(
    started: Posting, wallet: Wallet, schedule: Schedule, units: int, at: Instant
) -> Grant:
    assert schedule.cycle is not None
    trial = schedule.cycle == TRIAL
    category = Category.PROMOTIONAL if trial else schedule.category
    return Grant(
        id=grant_id(started.operation.id),
        customer=wallet.customer,
        entitlement=wallet.entitlement,
        amount=units,
        remaining=units,
        priority=schedule.priority,
        category=category,
        effective_at=at,
        expires_at=schedules.grant_expires_at(schedule, schedule.cycle, at),
        recorded_at=started.operation.recorded_at,
        created_at=at,
        updated_at=at,
        scope=schedule.scope,
        source="schedule",
        cost_basis=_cost_basis(schedule, category, units),
        name=schedule.name,
        metadata=schedule.metadata,
        schedule=schedule.id,
    )


def grant_id(operation: Id) -> Id:
    """The id of the grant that an operation of a schedule makes."""
    return derive(operation, "grant")


def carried_id(operation: Id, parent: Id) -> Id:
    """The id of the grant into which an operation carries what is left of another.

    It comes before that of the grant which the operation makes: in all else that orders grants by age the two
    are equal, and what was carried is the older credit (``burn``).
    """
    return precede(grant_id(operation), "rollover:" + parent.hex())


def _cost_basis(schedule: Schedule, category: Category, units: int) -> CostBasis | None:
    """What was paid: nothing for a promotion; as given for a whole cycle; a currency its face value."""
    if category is Category.PROMOTIONAL:
        return CostBasis(0, schedule.currency)
    if schedule.cost_basis is not None:
        basis = schedule.cost_basis
        return CostBasis(basis.amount * units // schedule.amount, basis.currency)
    return None if schedule.currency is None else CostBasis(units, schedule.currency)
