"""Making, changing, pausing and ending schedules. What their cycles do is in ``cycles``."""

from __future__ import annotations

from typing import Any

import msgspec

from drawdown.core import amounts, burn, identity, overage, posting
from drawdown.core.commands import (
    AmendSchedule,
    AskedOverage,
    CancelSchedule,
    ChangeTime,
    CreateSchedule,
    PauseSchedule,
    ResumeSchedule,
)
from drawdown.core.context import (
    Context,
    check_open,
    find_customer,
    find_entitlement,
    given,
    settled_context,
    written,
)
from drawdown.core.errors import (
    AmountTooLarge,
    FieldInvalid,
    ScheduleNotFound,
    ScheduleOver,
    TooManyGrants,
    TooManySchedules,
)
from drawdown.core.posting import Posting
from drawdown.core.requests import Accepted, Request
from drawdown.core.schedules import calendar, cycles
from drawdown.core.schedules import terms as schedules
from drawdown.core.schedules.calendar import Cadence, Cycle
from drawdown.core.schedules.rollover import as_written, rollover_of
from drawdown.core.schedules.terms import (
    SCHEDULES_LIVE_MAX,
    TRIAL,
    Schedule,
    ScheduleState,
    Trial,
)
from drawdown.core.spending import cost_basis_of, positive_units, priority_of, register_wallet
from drawdown.core.state import State
from drawdown.core.times import INSTANT_MAX
from drawdown.core.types import (
    GRANTS_OPEN_MAX,
    UNITS_MAX,
    Category,
    Entitlement,
    EntryKind,
    Grant,
    Id,
    Instant,
    Overage,
)


def create_schedule(request: Request, command: CreateSchedule, state: State) -> Accepted:
    """A schedule whose first cycle is due is made with it."""
    customer = find_customer(request, command.customer, state)
    entitlement = find_entitlement(request, command.entitlement, state)
    units = positive_units(command.amount, entitlement)
    context = settled_context(request, customer, entitlement, state)
    started = context.begin("create_schedule", _facts(command, units, entitlement))
    check_open(customer, entitlement)
    schedule = _new_schedule(context, command, units)
    _check_room(context, schedule)
    register_wallet(context)
    state.changes.new_schedules[schedule.id] = schedule
    state.schedule_wallets[schedule.id] = context.key
    context.wallet.schedules[schedule.id] = schedule
    accepted = _finish(context, started, schedule)
    if schedule.next_at is not None and schedule.next_at <= context.at:
        cycles.play(
            context.wallet, schedule, state.changes, context.at, context.request.recorded_at
        )
    if command.paused:
        _stand_still(schedule)
    _refresh(context, accepted, schedule)
    return accepted


def made_by(operation: Id) -> Id:
    """The schedule that an operation makes: its cycles are operations that come after this one."""
    return identity.later(operation, "schedule")


def _facts(command: CreateSchedule, units: int, entitlement: Entitlement) -> dict[str, object]:
    """What was asked for, amounts in units; an amount that is part of another as it was written."""
    facts: dict[str, object] = {"amount": units, "every": [command.every.unit, command.every.count]}
    facts |= given(command, *_FACTS)
    for name, terms in (("trial", command.trial), ("rollover", command.rollover)):
        if terms is not None:
            facts[name] = as_written(terms)
    if command.overage is not None:
        facts["overage"] = _override(command.overage, entitlement)
    if command.cost_basis is not None:
        facts["cost_basis"] = [str(command.cost_basis.amount), command.cost_basis.currency]
    return facts


_FACTS = (
    "anchor",
    "zone",
    "starts_at",
    "ends_at",
    "expires",
    "expires_after_days",
    "priority",
    "category",
    "scope",
    "name",
    "metadata",
    "paused",
)


def _new_schedule(context: Context, command: CreateSchedule, units: int) -> Schedule:
    at, entitlement = context.at, context.entitlement
    starts_at = at if command.starts_at is None else command.starts_at
    trial = _trial(command, entitlement)
    regular_at = starts_at if trial is None else trial.ends_at
    anchor = regular_at if command.anchor is None else command.anchor
    cadence = Cadence(anchor, command.zone, command.every)
    calendar.check(cadence)
    _check_times(command, starts_at, regular_at, at)
    schedule = Schedule(
        id=made_by(context.operation_id),
        customer=context.customer.id,
        entitlement=entitlement.id,
        amount=units,
        cadence=cadence,
        first=schedules.first_number(cadence, regular_at),
        starts_at=starts_at,
        created_at=at,
        updated_at=at,
        recorded_at=context.request.recorded_at,
        priority=priority_of(command.priority),
        category=command.category or Category.PAID,
        ends_at=command.ends_at,
        trial=trial,
        expires=command.expires,
        expires_after_days=command.expires_after_days,
        rollover=rollover_of(command.rollover, entitlement),
        overage=_override(command.overage, entitlement),
        currency=entitlement.currency,
        cost_basis=cost_basis_of(command.cost_basis, command.category),
        scope=command.scope,
        name=command.name,
        metadata=command.metadata,
    )
    schedules.check(schedule)
    take_up(schedule, at)
    return schedule


def take_up(schedule: Schedule, at: Instant) -> None:
    """Begin with the cycle that runs at ``at``: now, if the schedule has started."""
    if schedule.starts_at >= at:
        schedule.next_at = schedule.starts_at
        return
    number = schedules.number_at(schedule, at)
    schedule.cycle = None if number == schedule.lowest else number - 1
    schedule.next_at = at


def _check_times(
    command: CreateSchedule, starts_at: Instant, regular_at: Instant, at: Instant
) -> None:
    if not 0 <= starts_at <= INSTANT_MAX:
        raise FieldInvalid("starts_at", "a time from 1970 to 9999")
    if not 0 <= regular_at <= INSTANT_MAX:
        raise FieldInvalid("trial.ends_at", "a time from 1970 to 9999")
    if command.ends_at is not None and command.ends_at <= at:
        raise FieldInvalid("ends_at", "later than now")


def _trial(command: CreateSchedule, entitlement: Entitlement) -> Trial | None:
    terms = command.trial
    if terms is None:
        return None
    units = amounts.to_units(terms.amount, entitlement.scale, "trial.amount")
    return Trial(amount=units, ends_at=terms.ends_at, expires=terms.expires)


def _override(asked: AskedOverage | None, entitlement: Entitlement) -> Overage | None:
    return None if asked is None else overage.rule_of(asked, entitlement.scale)


def _check_room(context: Context, schedule: Schedule) -> None:
    live = sum(other.is_live for other in context.wallet.schedules.values())
    if live >= SCHEDULES_LIVE_MAX:
        raise TooManySchedules(maximum=SCHEDULES_LIVE_MAX)
    due = schedule.next_at is not None and schedule.next_at <= context.at
    _check_grant_room(context, schedule.amount_of(schedule.next_number) if due else 0)


def _check_grant_room(context: Context, units: int) -> None:
    """Whether the wallet can take a grant now. A cycle that finds no room later gives what there is."""
    wallet = context.wallet
    if wallet.granted + units > UNITS_MAX:
        scale = context.entitlement.scale
        raise AmountTooLarge(field="amount", maximum=amounts.render(UNITS_MAX, scale))
    if units and wallet.open_grants >= GRANTS_OPEN_MAX:
        raise TooManyGrants(maximum=GRANTS_OPEN_MAX, kind="open")


def _finish(context: Context, started: Posting, schedule: Schedule) -> Accepted:
    changes = context.state.changes
    schedule.updated_at = context.at
    changes.schedules[schedule.id] = schedule
    posting.note_due(changes, context.wallet, schedule)
    accepted = context.finish(started)
    _refresh(context, accepted, schedule)
    return accepted


def _refresh(context: Context, accepted: Accepted, schedule: Schedule) -> None:
    """Show the schedule, and the wallet, as they are after all that was done."""
    posting.note_due(context.state.changes, context.wallet, schedule)
    accepted.schedule = msgspec.structs.replace(schedule)
    accepted.balance = context.wallet.balance(context.entitlement.scale, context.at)


def schedule_context(request: Request, schedule: Id, state: State) -> tuple[Context, Schedule]:
    """The settled wallet of a schedule named by its id, and the schedule in it."""
    key = state.schedule_wallets[schedule]
    customer = None if key is None else state.customers[key[0]]
    if key is None or customer is None or customer.book != request.book:
        raise ScheduleNotFound(written(schedule))
    entitlement = find_entitlement(request, key[1], state)
    context = settled_context(request, customer, entitlement, state)
    return context, context.wallet.schedules[schedule]


def amend_schedule(request: Request, command: AmendSchedule, state: State) -> Accepted:
    """Another amount, from the next cycle on or from now on; another rule for overage, from now on."""
    context, schedule = schedule_context(request, command.schedule, state)
    facts, rule = _amendment(command, context.entitlement)
    started = context.begin("amend_schedule", facts, command.schedule)
    _check_live(schedule, "changed")
    _check_amendment(command)
    units: int | None = facts.get("amount")
    changed: dict[str, list[object]] = {}
    moved = 0
    if units is not None and command.when is ChangeTime.NEXT_CYCLE:
        before = schedule.amount if schedule.change is None else schedule.change
        changed["change"] = [before, units]
        schedule.change = None if units == schedule.amount else units
    elif units is not None:
        moved = _difference(context, schedule, units, command.prorate)
        _check_grant_room(context, max(moved, 0))
        changed["amount"] = [schedule.amount, units]
        schedule.amount, schedule.change = units, None
    if "overage" in facts:
        changed["overage"] = [schedule.overage, rule]
        schedule.overage = rule
        cycles.note_rule(context.wallet, state.changes)
    if not isinstance(command.ends_at, msgspec.UnsetType):
        changed["ends_at"] = [schedule.ends_at, command.ends_at]
        _end_at(context, schedule, command.ends_at)
    started.note_changes(changed)
    grant = _move(context, started, schedule, moved)
    accepted = _finish(context, started, schedule)
    accepted.amount = sum(entry.amount for entry in started.entries)
    accepted.grant = None if grant is None else msgspec.structs.replace(grant)
    return accepted


def _amendment(
    command: AmendSchedule, entitlement: Entitlement
) -> tuple[dict[str, Any], Overage | None]:
    """What is asked for, amounts in units; and the rule for overage where that is part of it."""
    facts: dict[str, Any] = {"when": command.when, "prorate": command.prorate}
    if command.amount is not None:
        facts["amount"] = positive_units(command.amount, entitlement)
    if not isinstance(command.ends_at, msgspec.UnsetType):
        facts["ends_at"] = command.ends_at
    if isinstance(command.overage, msgspec.UnsetType):
        return facts, None
    facts["overage"] = _override(command.overage, entitlement)
    return facts, facts["overage"]


def _end_at(context: Context, schedule: Schedule, ends_at: Instant | None) -> None:
    """Another end, later than now and than the start, at which the schedule is due if nothing is before."""
    if ends_at is not None and ends_at <= max(context.at, schedule.starts_at):
        raise FieldInvalid("ends_at", "later than now, and than starts_at")
    schedule.ends_at = ends_at
    if schedule.state is ScheduleState.PAUSED and schedule.cycle_at is None:
        schedule.next_at = ends_at
    else:
        begins_at = schedule.begins_at(schedule.next_number)
        schedule.next_at = schedules.bounded(schedule, begins_at)


def _check_amendment(command: AmendSchedule) -> None:
    if command.amount is None:
        if command.overage is msgspec.UNSET and command.ends_at is msgspec.UNSET:
            raise FieldInvalid("amount", "given, unless overage is")
        if command.prorate or command.when is not ChangeTime.NEXT_CYCLE:
            raise FieldInvalid("when", "left out, as prorate is, where no amount is given")
    if command.prorate and command.when is ChangeTime.NEXT_CYCLE:
        raise FieldInvalid("prorate", "left out where the change is for the next cycle")


def _difference(context: Context, schedule: Schedule, units: int, prorate: bool) -> int:
    """What a change from now on means for the cycle that runs. A trial's credit does not depend on it."""
    if schedule.cycle_at is None or schedule.cycle is None or schedule.cycle == TRIAL:
        return 0
    difference = units - schedule.amount
    if not prorate:
        return difference
    begun_at = schedule.begins_at(schedule.cycle)
    assert begun_at is not None, "the cycle runs"
    cycle = Cycle(schedule.cycle, begun_at, schedule.next_at)
    return calendar.prorated(difference, cycle.remaining(context.at))


def _move(context: Context, started: Posting, schedule: Schedule, moved: int) -> Grant | None:
    if moved > 0:
        return cycles.give(started, context.wallet, schedule, moved, context.at)
    left = -moved
    for grant in reversed(_free_of_cycle(context, schedule)):
        taken = min(left, grant.free)
        if taken:
            _take(context, started, grant, taken)
        left -= taken
    return None


def _free_of_cycle(context: Context, schedule: Schedule) -> list[Grant]:
    """The running cycle's own grants with something free, in burn-down order."""
    found = [
        grant
        for grant in context.wallet.grants.values()
        if grant.schedule == schedule.id
        and not grant.generation
        and grant.expired_at is None
        and grant.free > 0
        and schedule.cycle_at is not None
        and grant.created_at >= schedule.cycle_at
    ]
    order = context.wallet.burn_order
    return sorted(found, key=lambda grant: burn.order_of(grant, order))


def _take(context: Context, started: Posting, grant: Grant, units: int) -> None:
    """Void a part of a grant; one of which nothing is left then has been voided."""
    if units == grant.remaining:
        posting.write_off(started, context.wallet, grant, EntryKind.VOIDED, context.at)
    else:
        posting.post(started, context.wallet, grant, EntryKind.VOIDED, units, context.at)
    grant.updated_at = context.at


def pause_schedule(request: Request, command: PauseSchedule, state: State) -> Accepted:
    """The cycle that runs goes on to its end; then none begins until the schedule is resumed."""
    context, schedule = schedule_context(request, command.schedule, state)
    started = context.begin("pause_schedule", {}, command.schedule)
    if schedule.state is not ScheduleState.ACTIVE:
        raise ScheduleOver(state=schedule.state.value, verb="paused")
    started.note_changes({"state": [schedule.state.value, "paused"]})
    _stand_still(schedule)
    return _finish(context, started, schedule)


def _stand_still(schedule: Schedule) -> None:
    schedule.state = ScheduleState.PAUSED
    if schedule.cycle_at is None:
        schedule.next_at = schedule.ends_at


def resume_schedule(request: Request, command: ResumeSchedule, state: State) -> Accepted:
    """The calendar has gone on: the next cycle is the first to begin from now on, or the one of this time."""
    context, schedule = schedule_context(request, command.schedule, state)
    started = context.begin("resume_schedule", given(command, "at_once"), command.schedule)
    if schedule.state is not ScheduleState.PAUSED:
        raise ScheduleOver(state=schedule.state.value, verb="resumed")
    started.note_changes({"state": [schedule.state.value, "active"]})
    schedule.state = ScheduleState.ACTIVE
    grant = None
    if schedule.cycle_at is None and command.at_once and schedule.starts_at <= context.at:
        number = schedules.number_at(schedule, context.at)
        _check_grant_room(context, schedule.amount_of(number))
        grant = cycles.begin_late(started, context.wallet, schedule, number, context.at)
    elif schedule.cycle_at is None:
        _resume_at(schedule, context.at)
        cycles.note_rule(context.wallet, state.changes)
    accepted = _finish(context, started, schedule)
    accepted.grant = None if grant is None else msgspec.structs.replace(grant)
    if schedule.next_at is not None and schedule.next_at <= context.at:
        cycles.play(
            context.wallet,
            schedule,
            state.changes,
            schedule.next_at,
            context.request.recorded_at,
        )
        _refresh(context, accepted, schedule)
    return accepted


def _resume_at(schedule: Schedule, at: Instant) -> None:
    number = schedules.next_number_from(schedule, at)
    if number is not None and number > schedule.lowest:
        schedule.cycle = number - 1
    begins_at = None if number is None else schedule.begins_at(number)
    schedule.next_at = schedules.bounded(schedule, begins_at)


def cancel_schedule(request: Request, command: CancelSchedule, state: State) -> Accepted:
    """End it now or with its cycle. What its cycles gave stays, unless it is to be written off."""
    context, schedule = schedule_context(request, command.schedule, state)
    facts = {"at_cycle_end": command.at_cycle_end, "expire_credit": command.expire_credit}
    started = context.begin("cancel_schedule", facts, command.schedule)
    _check_live(schedule, "cancelled")
    if command.at_cycle_end and command.expire_credit:
        raise FieldInvalid("expire_credit", "left out where the schedule ends with its cycle")
    if command.at_cycle_end and schedule.cycle_at is not None and schedule.next_at is not None:
        started.note_changes({"ends_at": [schedule.ends_at, schedule.next_at]})
        schedule.ends_at = schedule.next_at
        return _finish(context, started, schedule)
    started.note_changes({"state": [schedule.state.value, "cancelled"]})
    cycles.end(schedule, ScheduleState.CANCELLED, context.at)
    cycles.note_rule(context.wallet, state.changes)
    if command.expire_credit:
        _expire_all(context, started, schedule)
    return _finish(context, started, schedule)


def _expire_all(context: Context, started: Posting, schedule: Schedule) -> None:
    """Write off what its cycles gave and is still there, rolled over or not."""
    found = [
        grant
        for grant in context.wallet.grants.values()
        if grant.schedule == schedule.id and grant.remaining > 0 and grant.expired_at is None
    ]
    for grant in sorted(found, key=lambda grant: (grant.created_at, grant.id)):
        posting.write_off(started, context.wallet, grant, EntryKind.EXPIRED, context.at)
        grant.expires_at = grant.updated_at = context.at


def _check_live(schedule: Schedule, verb: str) -> None:
    if not schedule.is_live:
        raise ScheduleOver(state=schedule.state.value, verb=verb)
