"""Dodo's endpoints that change a subscription: its details, its end, a pause, its credit; and payments."""

from __future__ import annotations

import msgspec

from drawdown.core.commands import (
    AmendSchedule,
    Command,
    PauseSchedule,
    ResumeSchedule,
)
from drawdown.core.requests import Answer
from drawdown.core.schedules.terms import ScheduleState
from drawdown.dialects.dodo import reading
from drawdown.dialects.dodo.errors import NotAllowedNow
from drawdown.dialects.dodo.selling import (
    held,
    plan_routes,
    products,
    subscription_commands,
    subscription_schedules,
    subscriptions,
)
from drawdown.dialects.dodo.selling.held import Held
from drawdown.dialects.dodo.selling.subscription_wire import (
    CartRequest,
    ConfirmPaymentRequest,
    CreateSubscriptionRequest,
    Status,
    SubscriptionRecord,
    UpdateSubscriptionRequest,
)
from drawdown.web import fields
from drawdown.web.endpoints import Call
from drawdown.web.errors import BadRequest

_REFERENCE_MAX = 255
#: References of payments that are kept, the newest.
_PAYMENTS_KEPT = 100
#: What the vendor changes here and this server does not, with what to do instead.
_NOT_HERE = {
    "pause": "left out: status paused or active is what pauses and resumes",
    "next_billing_date": "left out: billing dates are counted from the day on which it began",
    "customer_name": "left out: PATCH /customers/{customer_id} changes it",
    "disable_on_demand": "left out: no subscription is charged on demand here",
}

Change = tuple[SubscriptionRecord, list[Command]]


# Payments -----------------------------------------------------------------------------------------


async def confirm_payment(call: Call) -> Answer:
    """What is waited for was paid: it begins, its next cycle or another plan does. Nothing is taken here."""
    body: ConfirmPaymentRequest = call.body
    reference = ""
    if body.reference is not None:
        reference = fields.text(body.reference, "reference", longest=_REFERENCE_MAX)

    async def decide(found: Held) -> Change:
        record, status = found.body, subscriptions.status_of(found.body, found.now)
        if reference and reference in record.payments:
            raise NotAllowedNow("The payment with this reference was confirmed before.")
        if status is Status.PENDING:
            after = subscriptions.started(record, found.now)
            commands = subscription_commands.beginning(after, found.id, found.owner.id, found.now)
        elif status is Status.ON_HOLD:
            ends_at = subscriptions.cycle_of(record, found.now).ends_at
            after = msgspec.structs.replace(record, paid_to=ends_at)
            commands = await _next_cycle(call, found, after)
        elif status is Status.ACTIVE and record.pending is not None:
            waited = record.pending
            after, commands = await plan_routes.changed(
                call, found, waited.plan, waited.mode, waited.metadata
            )
        else:
            raise NotAllowedNow(f"There is nothing to pay: the subscription is {status.value}.")
        payments = [*record.payments, reference][-_PAYMENTS_KEPT:]
        confirmed = record.confirmed + 1
        return msgspec.structs.replace(after, payments=payments, confirmed=confirmed), commands

    return await held.shown(call, await held.change(call, decide))


async def _next_cycle(call: Call, found: Held, after: SubscriptionRecord) -> list[Command]:
    """The cycle that runs now begins, of the schedules that stand still and of those that are to come."""
    standing = {
        each.entitlement: each for each in await subscription_schedules.schedules(call, found)
    }
    stretch, commands = subscriptions.at_start(after, found.now), list[Command]()
    for item in after.plan.cart:
        kind = await call.ledger.entitlement(call.book, subscriptions.entitlement_of(item.terms))
        if kind.id in standing:
            schedule = standing[kind.id].id
            commands += [
                ResumeSchedule(schedule=schedule, at_once=True),
                PauseSchedule(schedule=schedule),
            ]
        else:
            commands.append(
                subscription_commands.schedule_of(after, item, found.id, found.owner.id, stretch)
            )
    return commands


# Changes ------------------------------------------------------------------------------------------


async def update_subscription(call: Call) -> Answer:
    """Change details, pause, resume, cancel, extend, or change the credit from the next billing date on."""
    body: UpdateSubscriptionRequest = call.body
    _check(body)

    async def decide(found: Held) -> Change:
        if body.status in (Status.PAUSED, Status.ACTIVE):
            return await (_paused if body.status is Status.PAUSED else _resumed)(call, found)
        record, commands = _with_details(found.body, body), list[Command]()
        if _changes_credit(body):
            _check_live(found)
        if body.subscription_period_count or body.subscription_period_interval:
            record, more = await _extended(call, found, record, body)
            commands += more
        if body.status is Status.CANCELLED:
            return await _cancelled(call, found, record)
        ends = body.cancel_at_next_billing_date
        if ends:
            record, more = await _with_end(call, found, record, ends)
            commands += more
        if body.credit_entitlement_cart:
            record, more = await _with_cart(call, found, record, body.credit_entitlement_cart)
            commands += more
        if ends is False:
            record, more = await _with_end(call, found, record, ends)
            commands += more
        return record, commands

    return await held.shown(call, await held.change(call, decide))


def _check(body: UpdateSubscriptionRequest) -> None:
    """Raises ``BadRequest``."""
    for name, rule in _NOT_HERE.items():
        if getattr(body, name) is not None:
            raise BadRequest(name, rule)
    if body.status not in (None, Status.CANCELLED, Status.PAUSED, Status.ACTIVE):
        raise BadRequest("status", "cancelled, paused or active")
    nothing = (None, msgspec.UNSET)
    said = [name for name, value in msgspec.structs.asdict(body).items() if value not in nothing]
    if body.status in (Status.PAUSED, Status.ACTIVE) and said != ["status"]:
        raise BadRequest("status", "alone, when it is paused or active")
    check_details(body)
    products.check_texts(cancellation_comment=body.cancellation_comment)


def check_details(body: CreateSubscriptionRequest | UpdateSubscriptionRequest) -> None:
    """Raises ``BadRequest``."""
    business = body.customer_business_name
    business = None if business is msgspec.UNSET else business
    products.check_texts(customer_business_name=business, tax_id=body.tax_id)
    if body.billing is not None:
        products.check_texts("billing", **msgspec.structs.asdict(body.billing))


def _changes_credit(body: UpdateSubscriptionRequest) -> bool:
    return bool(
        body.credit_entitlement_cart
        or body.cancel_at_next_billing_date is not None
        or body.subscription_period_count
        or body.subscription_period_interval
    )


def _with_details(
    record: SubscriptionRecord, body: UpdateSubscriptionRequest
) -> SubscriptionRecord:
    said: dict[str, object] = {
        "billing": body.billing,
        "cancellation_comment": body.cancellation_comment,
        "cancellation_feedback": body.cancellation_feedback,
        "tax_id": body.tax_id,
        "metadata": None if body.metadata is None else reading.metadata(body.metadata),
    }
    given = {name: value for name, value in said.items() if value is not None}
    if body.customer_business_name is not msgspec.UNSET:
        given["customer_business_name"] = body.customer_business_name
    return msgspec.structs.replace(record, **given)


def _check_live(found: Held) -> None:
    status = subscriptions.status_of(found.body, found.now)
    if status in (Status.CANCELLED, Status.EXPIRED):
        raise NotAllowedNow(f"The subscription is {status.value}: make a new one.")


# Pauses -------------------------------------------------------------------------------------------


async def _paused(call: Call, found: Held) -> Change:
    """Nothing more is given or charged by meters until it is resumed. What was given stays."""
    if subscriptions.status_of(found.body, found.now) is not Status.ACTIVE:
        raise NotAllowedNow("Only an active subscription can be paused.")
    if found.body.cancel_at is not None or found.body.scheduled is not None:
        raise NotAllowedNow("A change of the subscription is scheduled: take it back first.")
    commands: list[Command] = [
        PauseSchedule(schedule=each.id)
        for each in await subscription_schedules.schedules(call, found)
        if each.state is ScheduleState.ACTIVE
    ]
    commands += await subscription_schedules.close_alerts(call, found)
    return msgspec.structs.replace(found.body, paused_at=found.now, pending=None), commands


async def _resumed(call: Call, found: Held) -> Change:
    """The calendar has gone on: where it is another cycle, that begins, unless it is to be paid."""
    if subscriptions.status_of(found.body, found.now) is not Status.PAUSED:
        raise NotAllowedNow("Only a paused subscription can be resumed.")
    record = msgspec.structs.replace(found.body, paused_at=None)
    commands = list(subscription_commands.watch(record.plan.cart, found.id, found.owner.id))
    if record.paid_to is None:
        commands += [
            ResumeSchedule(schedule=each.id, at_once=True)
            for each in await subscription_schedules.schedules(call, found)
        ]
    return record, commands


# Ends ---------------------------------------------------------------------------------------------


async def _cancelled(call: Call, found: Held, record: SubscriptionRecord) -> Change:
    """At once: nothing more is given or charged. Credit that was given stays until it expires."""
    _check_live(found)
    commands = [
        *await subscription_schedules.end_schedules(call, found),
        *await subscription_schedules.close_alerts(call, found),
    ]
    after = msgspec.structs.replace(
        record, cancelled_at=found.now, scheduled=None, pending=None, paused_at=None
    )
    return after, commands


async def _with_end(call: Call, found: Held, record: SubscriptionRecord, ends: bool) -> Change:
    """Cancel with the next billing date, or go on after all."""
    if ends is (record.cancel_at is not None):
        return record, []
    if not ends:
        record = msgspec.structs.replace(record, cancel_at=None)
        return record, await subscription_schedules.restored(call, found, record)
    cancel_at = subscriptions.cycle_of(record, found.now).ends_at
    commands = await subscription_schedules.ending(call, found, cancel_at)
    after = msgspec.structs.replace(record, cancel_at=cancel_at, scheduled=None, pending=None)
    return after, commands


async def _extended(
    call: Call, found: Held, record: SubscriptionRecord, body: UpdateSubscriptionRequest
) -> Change:
    """A later end of the term; what is given until then goes on with it."""
    plan = msgspec.structs.replace(
        record.plan,
        lasts=body.subscription_period_count or record.plan.lasts,
        lasts_interval=body.subscription_period_interval or record.plan.lasts_interval,
    )
    after = msgspec.structs.replace(record, plan=plan)
    if record.started_at is None:
        return after, []
    ends_at = subscriptions.term_ends_at(plan, record.started_at)
    if record.ends_at is not None and (ends_at is None or ends_at < record.ends_at):
        raise BadRequest("subscription_period_count", "as long as the period is now, or longer")
    after = msgspec.structs.replace(after, ends_at=ends_at)
    return after, [
        AmendSchedule(schedule=each.id, ends_at=ends_at)
        for each in await subscription_schedules.schedules(call, found)
        if each.ends_at == record.ends_at
    ]


# Credit -------------------------------------------------------------------------------------------


async def _with_cart(
    call: Call, found: Held, record: SubscriptionRecord, cart: list[CartRequest]
) -> Change:
    """Other terms from the next billing date on: a schedule ends with its cycle, another follows it."""
    if found.body.scheduled is not None:
        raise NotAllowedNow("A change of the plan is scheduled: take it back first.")
    if record.paused_at is not None:
        raise NotAllowedNow("The subscription is paused: resume it first.")
    status = subscriptions.status_of(record, found.now)
    since = None
    if status is Status.ACTIVE:
        since = subscriptions.cycle_of(record, found.now).ends_at
    before, plan = record.plan, record.plan
    for number, asked in enumerate(cart):
        field = f"credit_entitlement_cart[{number}]"
        plan = subscriptions.overridden(plan, asked, field, since)
    after = msgspec.structs.replace(record, plan=plan)
    if record.started_at is None:
        return after, []
    changed = [
        new.terms.credit_entitlement_id
        for old, new in zip(before.cart, plan.cart, strict=True)
        if old != new
    ]
    commands: list[Command] = []
    if record.cancel_at is None or since is None:
        commands += await subscription_schedules.superseded(call, found, changed, since)
    if record.cancel_at is None:
        for kind in changed:
            commands += subscription_schedules.begin_at(after, since, found, kind)
    alerts = await subscription_schedules.close_alerts(call, found)
    watched = subscription_commands.watch(plan.cart, found.id, found.owner.id)
    return after, [*commands, *alerts, *watched]
