"""The schedules and alerts of a subscription, as they are now, and what becomes of them."""

from __future__ import annotations

from drawdown.core import identity
from drawdown.core.commands import AmendSchedule, CancelSchedule, CloseAlert, Command
from drawdown.core.schedules.terms import Schedule, ScheduleState
from drawdown.core.types import Id, Instant
from drawdown.dialects.dodo.selling import subscription_commands, subscriptions
from drawdown.dialects.dodo.selling.held import Held
from drawdown.dialects.dodo.selling.links import subscription_in
from drawdown.dialects.dodo.selling.subscription_wire import SubscriptionRecord
from drawdown.dialects.dodo.selling.subscriptions import Stretch
from drawdown.web.endpoints import Call

#: Live schedules and alerts of one wallet are fewer.
_LIVE_MAX = 200


async def schedules(call: Call, held: Held) -> list[Schedule]:
    """Those of the subscription that are live now."""
    body = held.body
    plans = [body.plan] if body.scheduled is None else [body.plan, body.scheduled.plan]
    kinds = [subscriptions.entitlement_of(item.terms) for plan in plans for item in plan.cart]
    found: list[Schedule] = []
    for kind in dict.fromkeys(kinds):
        for state in (ScheduleState.ACTIVE, ScheduleState.PAUSED):
            listed = await call.ledger.schedules(
                call.book, customer=held.owner.id, entitlement=kind, state=state, limit=_LIVE_MAX
            )
            found += [each for each in listed if subscription_in(each.metadata) == held.id]
    now = [await call.ledger.schedule(call.book, each.id) for each in found]
    return [each for each in now if each.is_live]


async def end_schedules(call: Call, held: Held) -> list[Command]:
    return [CancelSchedule(schedule=each.id) for each in await schedules(call, held)]


async def close_alerts(call: Call, held: Held) -> list[Command]:
    found = await call.ledger.alerts(call.book, customer=held.owner.id, live=True, limit=_LIVE_MAX)
    return [
        CloseAlert(alert=each.id) for each in found if subscription_in(each.metadata) == held.id
    ]


async def ending(call: Call, found: Held, ends_at: Instant | None) -> list[Command]:
    """What runs ends then; what was to begin then does not."""
    live = await schedules(call, found)
    return [
        CancelSchedule(schedule=each.id)
        if each.cycle is None
        else AmendSchedule(schedule=each.id, ends_at=ends_at)
        for each in live
    ]


async def restored(call: Call, found: Held, record: SubscriptionRecord) -> list[Command]:
    """What runs goes on, where its terms do; what begins with the next billing date begins then."""
    later = {
        await _kind(call, item.terms.credit_entitlement_id): item
        for item in record.plan.cart
        if item.since is not None and item.since > found.now
    }
    commands: list[Command] = []
    for each in await schedules(call, found):
        if each.cycle is None:
            commands.append(CancelSchedule(schedule=each.id))
        elif each.entitlement not in later:
            commands.append(AmendSchedule(schedule=each.id, ends_at=record.ends_at))
    for item in later.values():
        commands += begin_at(record, item.since, found, item.terms.credit_entitlement_id)
    return commands


async def _kind(call: Call, spelled: str) -> Id:
    return (await call.ledger.entitlement(call.book, identity.reference(spelled))).id


async def superseded(
    call: Call, found: Held, changed: list[str], since: Instant | None
) -> list[Command]:
    """The schedules of credits that get other terms end: now, where none of their cycles runs."""
    kinds = {await _kind(call, each) for each in changed}
    live = await schedules(call, found)
    return [_superseding(each, since) for each in live if each.entitlement in kinds]


def _superseding(found: Schedule, since: Instant | None) -> Command:
    if found.cycle_at is None or since is None:
        return CancelSchedule(schedule=found.id)
    return AmendSchedule(schedule=found.id, ends_at=since)


def begin_at(
    record: SubscriptionRecord, since: Instant | None, found: Held, kind: str
) -> list[Command]:
    """A schedule from then on, unless what it gives is to be paid first."""
    if since is None or not subscriptions.goes_on_after(record, since):
        return []
    stretch = Stretch(starts_at=since)
    return [
        subscription_commands.schedule_of(record, item, found.id, found.owner.id, stretch)
        for item in record.plan.cart
        if item.terms.credit_entitlement_id == kind
    ]
