"""Schedules: grants that recur. Made, read, listed, amended, paused, resumed, cancelled."""

from __future__ import annotations

from msgspec import UNSET, UnsetType

from drawdown.core import commands, identity
from drawdown.core.amounts import render
from drawdown.core.commands import AskedOverage, Command, TrialTerms
from drawdown.core.errors import (
    FieldInvalid,
    KeyReused,
    ScheduleNotFound,
    ScheduleOver,
    TooManyGrants,
    TooManySchedules,
)
from drawdown.core.requests import Accepted, Answer
from drawdown.core.schedules.calendar import Every
from drawdown.core.schedules.terms import Schedule
from drawdown.core.times import text_of
from drawdown.core.types import Customer, Entitlement, Id
from drawdown.dialects.native import asked_schedules as asked
from drawdown.dialects.native import common, errors, overage, wire
from drawdown.dialects.native import wire_schedules as shown
from drawdown.dialects.native.asked import OverageRequest
from drawdown.dialects.native.directory import NAME_MAX, optional_text
from drawdown.dialects.native.grants import money_of, rollover_terms, scope_of
from drawdown.dialects.native.render import SCHEDULE_PREFIX, cost_basis, name_of, optional_time
from drawdown.dialects.native.render import overage as shown_overage
from drawdown.dialects.native.render import rollover as shown_rollover
from drawdown.dialects.native.render import span as shown_span
from drawdown.engine.accounts import Role
from drawdown.web import fields
from drawdown.web.endpoints import Call, Endpoint


async def create_schedule(call: Call) -> Answer:
    body: asked.CreateSchedule = call.body
    command = commands.CreateSchedule(
        customer=fields.reference(body.customer, "customer"),
        entitlement=fields.reference(body.entitlement, "entitlement"),
        amount=fields.amount(body.amount),
        every=Every(body.every.unit, body.every.count),
        anchor=common.optional_instant(body.anchor, "anchor"),
        zone=body.zone,
        starts_at=common.optional_instant(body.starts_at, "starts_at"),
        ends_at=common.optional_instant(body.ends_at, "ends_at"),
        trial=_trial(body.trial),
        expires=body.expires,
        expires_after_days=body.expires_after_days,
        rollover=rollover_terms(body.rollover),
        overage=_overage(body.overage),
        priority=body.priority,
        category=body.category,
        cost_basis=money_of(body.cost_basis),
        scope=scope_of(body.scope),
        name=optional_text(body.name, "name", NAME_MAX),
        metadata=fields.metadata(body.metadata),
    )
    written = common.created(_shape, call.request_id)
    key = common.ledger_key("schedule", body.idempotency_key)
    return await call.ledger.submit(call.book, command, written, key=key)


def _trial(body: asked.TrialRequest | None) -> TrialTerms | None:
    if body is None:
        return None
    return TrialTerms(
        amount=fields.amount(body.amount, "trial.amount"),
        ends_at=fields.instant(body.ends_at, "trial.ends_at"),
        expires=body.expires,
    )


def _overage(body: OverageRequest | None) -> AskedOverage | None:
    return None if body is None else overage.rule(body)


async def get_schedule(call: Call) -> Answer:
    found = await call.ledger.schedule(call.book, _named(call))
    names = await common.Names().find(call, [(found.customer, found.entitlement)])
    return common.ok(_listed(names, found))


async def list_schedules(call: Call) -> Answer:
    query: asked.SchedulesQuery = call.query
    found = await call.ledger.schedules(
        call.book,
        customer=common.optional_reference(query.customer, "customer"),
        entitlement=common.optional_reference(query.entitlement, "entitlement"),
        state=query.state,
        after=common.after(query.after),
        limit=query.limit + 1,
    )
    names = await common.Names().find(call, ((each.customer, each.entitlement) for each in found))
    return common.page(found, query.limit, lambda each: _listed(names, each), SCHEDULE_PREFIX)


async def amend_schedule(call: Call) -> Answer:
    body: asked.AmendSchedule = call.body
    command = commands.AmendSchedule(
        schedule=_named(call),
        amount=None if body.amount is None else fields.amount(body.amount),
        overage=UNSET if isinstance(body.overage, UnsetType) else _overage(body.overage),
        when=body.when,
        prorate=body.prorate,
    )
    return await _change(call, command, "amend_schedule", body.idempotency_key)


async def pause_schedule(call: Call) -> Answer:
    command = commands.PauseSchedule(schedule=_named(call))
    return await _change(call, command, "pause_schedule", call.body.idempotency_key)


async def resume_schedule(call: Call) -> Answer:
    command = commands.ResumeSchedule(schedule=_named(call))
    return await _change(call, command, "resume_schedule", call.body.idempotency_key)


async def cancel_schedule(call: Call) -> Answer:
    body: asked.CancelSchedule = call.body
    command = commands.CancelSchedule(
        schedule=_named(call),
        at_cycle_end=body.at_cycle_end,
        expire_credit=body.expire_credit,
    )
    return await _change(call, command, "cancel_schedule", body.idempotency_key)


async def _change(call: Call, command: Command, namespace: str, key: str | None) -> Answer:
    written = common.answered(200, _shape, call.request_id)
    ledger_key = common.ledger_key(namespace, key)
    return await call.ledger.submit(call.book, command, written, key=ledger_key)


def _named(call: Call) -> Id:
    text = call.path["schedule"]
    found = identity.parse(text)
    if found is None:
        raise ScheduleNotFound(text)
    return found


def _shape(accepted: Accepted) -> shown.Schedule:
    assert accepted.schedule is not None
    assert accepted.customer is not None
    assert accepted.entitlement is not None
    assert accepted.balance is not None
    available = accepted.balance.available
    return shown_of(accepted.schedule, accepted.customer, accepted.entitlement, available)


def _listed(names: common.Names, schedule: Schedule) -> shown.Schedule:
    owner, kind = names.customers[schedule.customer], names.entitlements[schedule.entitlement]
    return shown_of(schedule, owner, kind)


def shown_of(
    schedule: Schedule, owner: Customer, kind: Entitlement, available: int | None = None
) -> shown.Schedule:
    scale, cadence = kind.scale, schedule.cadence
    return shown.Schedule(
        id=identity.spell(SCHEDULE_PREFIX, schedule.id),
        customer=name_of(owner),
        entitlement=kind.code,
        state=schedule.state,
        amount=render(schedule.amount, scale),
        next_amount=render(schedule.amount_of(schedule.next_number), scale),
        every=shown_span(cadence.every),
        anchor=text_of(cadence.anchor),
        zone=cadence.zone,
        starts_at=text_of(schedule.starts_at),
        ends_at=optional_time(schedule.ends_at),
        trial=_shown_trial(schedule, scale),
        expires=schedule.expires,
        expires_after_days=schedule.expires_after_days,
        rollover=shown_rollover(schedule.rollover, scale),
        overage=None if schedule.overage is None else shown_overage(schedule.overage, scale),
        priority=schedule.priority,
        category=schedule.category,
        cost_basis=cost_basis(schedule.cost_basis),
        name=schedule.name,
        scope={name: list(values) for name, values in schedule.scope.items()},
        metadata=schedule.metadata,
        cycle=schedule.cycle,
        cycle_started_at=optional_time(schedule.cycle_at),
        next_at=optional_time(schedule.next_at),
        created_at=text_of(schedule.created_at),
        updated_at=text_of(schedule.updated_at),
        ended_at=optional_time(schedule.ended_at),
        available=None if available is None else render(available, scale),
    )


def _shown_trial(schedule: Schedule, scale: int) -> shown.Trial | None:
    trial = schedule.trial
    if trial is None:
        return None
    return shown.Trial(
        amount=render(trial.amount, scale), ends_at=text_of(trial.ends_at), expires=trial.expires
    )


_OF_SCHEDULE = (ScheduleNotFound, ScheduleOver, FieldInvalid, KeyReused)

ENDPOINTS = (
    Endpoint(
        method="POST",
        path="/schedules",
        handler=create_schedule,
        summary="Grant an amount at the beginning of every cycle",
        role=Role.EDITOR,
        body=asked.CreateSchedule,
        answer=shown.Schedule,
        status=201,
        errors=(
            FieldInvalid,
            *errors.NAMED,
            *errors.AMOUNT,
            *errors.CLOSED,
            TooManyGrants,
            TooManySchedules,
            KeyReused,
        ),
    ),
    Endpoint(
        method="GET",
        path="/schedules",
        handler=list_schedules,
        summary="List schedules, newest first",
        role=Role.VIEWER,
        query=asked.SchedulesQuery,
        answer=wire.Page[shown.Schedule],
        errors=errors.NAMED,
    ),
    Endpoint(
        method="GET",
        path="/schedules/{schedule}",
        handler=get_schedule,
        summary="Get a schedule as it is now",
        role=Role.VIEWER,
        answer=shown.Schedule,
        errors=(ScheduleNotFound,),
    ),
    Endpoint(
        method="PATCH",
        path="/schedules/{schedule}",
        handler=amend_schedule,
        summary="Give another amount, from the next cycle on or from now on, or another rule for overage",
        role=Role.EDITOR,
        body=asked.AmendSchedule,
        answer=shown.Schedule,
        errors=(*_OF_SCHEDULE, *errors.AMOUNT, TooManyGrants),
    ),
    Endpoint(
        method="POST",
        path="/schedules/{schedule}/pause",
        handler=pause_schedule,
        summary="Give nothing at the cycles to come, until it is resumed",
        role=Role.EDITOR,
        body=asked.ChangeSchedule,
        answer=shown.Schedule,
        errors=_OF_SCHEDULE,
    ),
    Endpoint(
        method="POST",
        path="/schedules/{schedule}/resume",
        handler=resume_schedule,
        summary="Go on at the next cycle that begins",
        role=Role.EDITOR,
        body=asked.ChangeSchedule,
        answer=shown.Schedule,
        errors=_OF_SCHEDULE,
    ),
    Endpoint(
        method="POST",
        path="/schedules/{schedule}/cancel",
        handler=cancel_schedule,
        summary="End a schedule now, or with the cycle that runs",
        role=Role.EDITOR,
        body=asked.CancelSchedule,
        answer=shown.Schedule,
        errors=_OF_SCHEDULE,
    ),
)
