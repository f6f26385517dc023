"""Dodo's endpoints of changes of plan: at once, once it is paid for, or with the next billing date."""

from __future__ import annotations

import msgspec

from drawdown.core.commands import Command
from drawdown.core.identity import derive, spell
from drawdown.core.requests import Answer
from drawdown.core.times import text_of
from drawdown.dialects.dodo import reading
from drawdown.dialects.dodo.answering import answer
from drawdown.dialects.dodo.documents import Kept
from drawdown.dialects.dodo.errors import ChangeWaits, NotAllowedNow
from drawdown.dialects.dodo.selling import (
    held,
    plan_changes,
    subscription_commands,
    subscription_schedules,
    subscriptions,
)
from drawdown.dialects.dodo.selling.held import Held
from drawdown.dialects.dodo.selling.subscription_wire import (
    ChangedPlan,
    ChangePlanRequest,
    EffectiveAt,
    OnPaymentFailure,
    PendingChange,
    Plan,
    PlanPreview,
    ProrationMode,
    Scheduled,
    Status,
    SubscriptionRecord,
)
from drawdown.dialects.dodo.wire import MetadataShown
from drawdown.web.endpoints import Call
from drawdown.web.errors import BadRequest

Change = tuple[SubscriptionRecord, list[Command]]


async def change_plan(call: Call) -> Answer:
    """Another product: now, when what that costs is confirmed, or with the next billing date."""
    body: ChangePlanRequest = call.body
    plan = await _asked(call, body)
    waits: list[PendingChange | None] = []

    async def decide(found: Held) -> Change:
        _check_changeable(found, body)
        waits.clear()
        if body.effective_at is EffectiveAt.NEXT_BILLING_DATE:
            return await _scheduled(call, found, plan)
        mode, metadata = body.proration_billing_mode, _metadata(body)
        cost = _cost(found, plan, mode).amount
        if not cost or body.on_payment_failure is OnPaymentFailure.APPLY_CHANGE:
            return await changed(call, found, plan, mode, metadata)
        pending = _pending(found, plan, mode, cost, metadata)
        waits.append(pending)
        return msgspec.structs.replace(found.body, pending=pending), []

    await held.change(call, decide)
    return answer(call, _told(waits[-1] if waits else None))


async def _asked(call: Call, body: ChangePlanRequest) -> Plan:
    subscriptions.check_not_sold(body)
    if body.collect_via_payment_link:
        raise BadRequest("collect_via_payment_link", "false or left out: there are no links here")
    if body.return_url is not None:
        raise BadRequest("return_url", "left out, unless collect_via_payment_link is true")
    return await held.plan_of(call, await held.sold(call, body.product_id), body.quantity)


def _check_changeable(found: Held, body: ChangePlanRequest) -> None:
    record = found.body
    if subscriptions.status_of(record, found.now) is not Status.ACTIVE:
        raise NotAllowedNow("Only an active subscription's plan can be changed.")
    if record.cancel_at is not None:
        raise NotAllowedNow("The subscription ends: set cancel_at_next_billing_date to false.")
    if record.pending is not None and not body.cancel_older_payment_link:
        raise ChangeWaits("A change of plan waits for its payment: cancel_older_payment_link.")
    if record.scheduled is not None and not body.cancel_scheduled_change_plan:
        raise ChangeWaits("A change of plan is scheduled: cancel_scheduled_change_plan.")


def _cost(found: Held, plan: Plan, mode: ProrationMode) -> plan_changes.Cost:
    old = found.body.plan
    if old.amount and plan.amount and old.currency != plan.currency:
        raise NotAllowedNow(f"The plans are sold in {old.currency} and {plan.currency}.")
    return plan_changes.cost_of(found.body, plan, mode, found.now)


def _metadata(body: ChangePlanRequest) -> MetadataShown | None:
    return None if body.metadata is None else reading.metadata(body.metadata)


def _pending(
    found: Held, plan: Plan, mode: ProrationMode, cost: int, metadata: MetadataShown | None
) -> PendingChange:
    """It lapses with the cycle that its cost was reckoned for."""
    expires_at = subscriptions.cycle_of(found.body, found.now).ends_at
    if expires_at is None:
        raise NotAllowedNow("There is no further billing date.")
    document = found.kept.document
    payment = derive(document.id, f"change:{document.revision}")
    return PendingChange(
        payment_id=spell("pay_", payment),
        plan=plan,
        mode=mode,
        amount=cost,
        created_at=found.now,
        expires_at=expires_at,
        metadata=metadata,
    )


def _told(pending: PendingChange | None) -> ChangedPlan:
    if pending is None:
        return ChangedPlan()
    return ChangedPlan(payment_id=pending.payment_id, expires_on=text_of(pending.expires_at))


async def changed(
    call: Call, found: Held, plan: Plan, mode: ProrationMode, metadata: MetadataShown | None
) -> Change:
    """The other plan from now on. What the old one gave stays until it expires."""
    anew = plan_changes.is_anew(found.body, plan, mode)
    after = subscriptions.changed_plan(found.body, plan, found.now, anew=anew)
    if metadata is not None:
        after = msgspec.structs.replace(after, metadata=metadata)
    stretch = subscriptions.stretch_of_change(after, found.now)
    return after, [
        *await subscription_schedules.end_schedules(call, found),
        *await subscription_schedules.close_alerts(call, found),
        *subscription_commands.begin(after, found.id, found.owner.id, stretch),
        *subscription_commands.watch(plan.cart, found.id, found.owner.id),
    ]


async def _scheduled(call: Call, found: Held, plan: Plan) -> Change:
    """The schedules end with their cycles; those of the new plan begin then, unless it is to be paid."""
    effective_at = subscriptions.cycle_of(found.body, found.now).ends_at
    if effective_at is None:
        raise NotAllowedNow("There is no further billing date.")
    scheduled = Scheduled(
        id=held.spelled(call, "pch_"),
        plan=plan,
        created_at=found.now,
        effective_at=effective_at,
    )
    record = msgspec.structs.replace(found.body, scheduled=scheduled, pending=None)
    commands = await subscription_schedules.ending(call, found, effective_at)
    after = subscriptions.as_of(record, effective_at)
    if subscriptions.goes_on_after(after, effective_at):
        stretch = subscriptions.Stretch(starts_at=effective_at)
        commands += subscription_commands.begin(after, found.id, found.owner.id, stretch)
    known = [subscription_commands.threshold(item) for item in found.body.plan.cart]
    new = [item for item in plan.cart if subscription_commands.threshold(item) not in known]
    commands += subscription_commands.watch(new, found.id, found.owner.id)
    return record, commands


async def cancel_change_plan(call: Call) -> Answer:
    """The plan that runs goes on."""

    async def decide(found: Held) -> Change:
        if found.body.scheduled is None:
            raise NotAllowedNow("No change of the plan is scheduled.")
        record = msgspec.structs.replace(found.body, scheduled=None)
        commands = [
            *await subscription_schedules.restored(call, found, record),
            *await subscription_schedules.close_alerts(call, found),
            *subscription_commands.watch(record.plan.cart, found.id, found.owner.id),
        ]
        return record, commands

    await held.change(call, decide)
    return answer(call, None)


async def preview_change_plan(call: Call) -> Answer:
    """What a change would cost now, and what the subscription would be. Nothing changes."""
    body: ChangePlanRequest = call.body
    plan = await _asked(call, body)
    found = await held.find(call)
    _check_changeable(found, body)
    record, at, mode = found.body, found.now, body.proration_billing_mode
    cost = _cost(found, plan, mode)
    after = subscriptions.changed_plan(
        record, plan, at, anew=plan_changes.is_anew(record, plan, mode)
    )
    if body.effective_at is EffectiveAt.NEXT_BILLING_DATE:
        at = subscriptions.cycle_of(record, at).ends_at or at
        cost = plan_changes.whole(plan)
        after = subscriptions.changed_plan(record, plan, at, anew=True)
    document = found.kept.document
    then = Held(Kept(document, after), found.owner, at)
    preview = PlanPreview(
        immediate_charge=plan_changes.charge(record, plan, cost, document.id, at),
        new_plan=await held.rendered(call, then),
    )
    return answer(call, preview)
