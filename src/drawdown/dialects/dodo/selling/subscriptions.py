"""Dodo's subscriptions: where one stands, and what is asked of the ledger for it. Pure.

A subscription is a document of its customer, and one schedule for each credit of its plan. With nothing to
pay the schedules go on by themselves; else each is for one billing cycle, once that was paid for.
"""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from drawdown.core import amounts, identity
from drawdown.core.schedules import calendar
from drawdown.core.schedules.calendar import Cadence, CalendarUnit, Cycle, Every
from drawdown.core.types import (
    DAY,
    Id,
    Instant,
    Reference,
)
from drawdown.dialects.dodo import reading
from drawdown.dialects.dodo.documents import Kept, Records
from drawdown.dialects.dodo.selling import products
from drawdown.dialects.dodo.selling.links import LowBalance
from drawdown.dialects.dodo.selling.product_wire import (
    CreditMapping,
    OneTimePrice,
    ProductRecord,
    TimeInterval,
    UsageBasedPrice,
)
from drawdown.dialects.dodo.selling.subscription_wire import (
    CartItem,
    CartRequest,
    CreditOverride,
    NotSold,
    Plan,
    Status,
    SubscriptionRecord,
)
from drawdown.web import fields
from drawdown.web.errors import BadRequest

SUBSCRIPTIONS = Records("dodo.subscription", "subscription", SubscriptionRecord)
ZONE = "UTC"
WHOLE = (1, 1)


class Stretch(msgspec.Struct, frozen=True, kw_only=True):
    """From when on schedules are made: ``starts_at``; None: now.

    ``first_ends_at``: the end of a first cycle with ``part`` of its credit; in a trial, of the trial's.
    """

    starts_at: Instant | None = None
    first_ends_at: Instant | None = None
    part: tuple[int, int] = WHOLE
    trial: bool = False


def subscription_id(found: Id) -> str:
    return identity.spell("sub_", found)


# What is sold -------------------------------------------------------------------------------------


def plan_of(kept: Kept[ProductRecord], entitlements: products.Entitlements, quantity: int) -> Plan:
    """What a product is as it is sold now; one of a one-time price is no subscription's."""
    body, price = kept.body, kept.body.price
    assert not isinstance(price, OneTimePrice)
    return Plan(
        product_id=products.product_id(kept.document.id),
        product_name=body.name,
        quantity=quantity,
        currency=price.currency,
        price=products.price_of(price),
        every=price.payment_frequency_count,
        interval=price.payment_frequency_interval,
        lasts=price.subscription_period_count,
        lasts_interval=price.subscription_period_interval,
        tax_inclusive=bool(price.tax_inclusive),
        cart=[
            CartItem(
                terms=products.mapping_of(each, entitlements[each.entitlement]),
                precision=entitlements[each.entitlement].scale,
            )
            for each in body.attachments
        ],
        links=body.links,
        meters=(price.meters or []) if isinstance(price, UsageBasedPrice) else [],
    )


def every_of(count: int, interval: TimeInterval | str) -> Every:
    return Every(CalendarUnit(str(interval).lower()), count)


# Where it stands ----------------------------------------------------------------------------------


def started(record: SubscriptionRecord, at: Instant) -> SubscriptionRecord:
    """The subscription as it begins at ``at``, with its trial if it has one."""
    plan = record.plan
    trial_ends_at = Instant(at + record.trial_days * DAY) if record.trial_days else None
    anchor = at if trial_ends_at is None else trial_ends_at
    begun = msgspec.structs.replace(
        record,
        started_at=at,
        trial_ends_at=trial_ends_at,
        anchor=anchor,
        ends_at=term_ends_at(plan, at),
    )
    paid_to = cycle_of(begun, at).ends_at if plan.amount else None
    return msgspec.structs.replace(begun, paid_to=paid_to)


def term_ends_at(plan: Plan, begun_at: Instant) -> Instant | None:
    lasts = Cadence(begun_at, ZONE, every_of(plan.lasts, plan.lasts_interval))
    return calendar.occurrence(lasts, 1)


def cycle_of(record: SubscriptionRecord, at: Instant) -> Cycle:
    """The billing cycle that runs at ``at``; of one that has not begun, the one that would."""
    plan = record.plan
    trial_ends_at, begun_at = record.trial_ends_at, record.started_at
    if begun_at is not None and trial_ends_at is not None and at < trial_ends_at:
        return Cycle(0, begun_at, trial_ends_at)
    anchor = at if record.anchor is None else record.anchor
    cadence = Cadence(anchor, ZONE, every_of(plan.every, plan.interval))
    found = calendar.cycle_at(cadence, at)
    assert found is not None, "instants are from 1970 to 9999"
    return found


def cycles_to(record: SubscriptionRecord, at: Instant) -> Iterator[Cycle]:
    """The billing cycles that have begun by ``at``, the newest first, as it counts them now."""
    if record.started_at is None:
        return
    while at >= record.started_at:
        cycle = cycle_of(record, at)
        starts_at = max(cycle.starts_at, record.started_at)
        yield Cycle(cycle.number, starts_at, cycle.ends_at)
        at = Instant(starts_at - 1)


def in_trial(record: SubscriptionRecord, at: Instant) -> bool:
    return record.trial_ends_at is not None and at < record.trial_ends_at


def status_of(record: SubscriptionRecord, at: Instant) -> Status:
    if record.cancelled_at is not None:
        return Status.CANCELLED
    if record.cancel_at is not None and record.cancel_at <= at:
        return Status.CANCELLED
    if record.started_at is None:
        return Status.PENDING
    if record.ends_at is not None and record.ends_at <= at:
        return Status.EXPIRED
    if record.paused_at is not None:
        return Status.PAUSED
    if record.paid_to is not None and record.paid_to <= at:
        return Status.ON_HOLD
    return Status.ACTIVE


def as_of(
    record: SubscriptionRecord, at: Instant, closed_at: Instant | None = None
) -> SubscriptionRecord:
    """The subscription with the plan that was to take its plan's place by ``at``, if one was.

    ``closed_at``: when its customer was closed, which ended it.
    """
    if closed_at is not None and not is_over(record, closed_at):
        return msgspec.structs.replace(
            as_of(record, closed_at), cancelled_at=closed_at, scheduled=None, pending=None
        )
    pending, scheduled = record.pending, record.scheduled
    if pending is not None and pending.expires_at <= at:
        record = msgspec.structs.replace(record, pending=None)
    if scheduled is None or scheduled.effective_at > at:
        return record
    plan, since = scheduled.plan, scheduled.effective_at
    known = {link.rate for link in record.plan.links}
    stays = {link.rate for link in plan.links} <= known
    after = msgspec.structs.replace(
        record,
        plan=plan,
        scheduled=None,
        pending=None,
        metered_since=record.metered_since if stays else since,
    )
    if other_cycles(record.plan, plan):
        after = msgspec.structs.replace(after, anchor=since)
    return msgspec.structs.replace(after, paid_to=since if plan.amount else None)


def is_over(record: SubscriptionRecord, at: Instant) -> bool:
    return status_of(record, at) in (Status.CANCELLED, Status.EXPIRED)


def watches(
    record: SubscriptionRecord, link: LowBalance, kinds: tuple[Reference, ...], at: Instant
) -> bool:
    """Whether an alert of the subscription counted at ``at``; ``kinds`` are what its entitlement is called.

    Alerts of a plan that is to come are made with its scheduling, and those of the one before it stay.
    """
    ends = (record.cancelled_at, record.cancel_at, record.ends_at)
    if any(end is not None and end <= at for end in ends):
        return False
    scheduled = record.scheduled
    if scheduled is None:
        return True
    current = as_of(record, at).plan
    other = record.plan if current is scheduled.plan else scheduled.plan
    return _says(current, link, kinds) or not _says(other, link, kinds)


def _says(plan: Plan, link: LowBalance, kinds: tuple[Reference, ...]) -> bool:
    said = (link.credits, link.percent)
    return any(
        entitlement_of(item.terms) in kinds
        and (item.terms.credits_amount, item.terms.low_balance_threshold_percent) == said
        for item in plan.cart
    )


def at_start(record: SubscriptionRecord, at: Instant) -> Stretch:
    """For when the schedules of a subscription are made as it begins, or as a cycle of it is paid."""
    if in_trial(record, at):
        return Stretch(first_ends_at=record.trial_ends_at, trial=True)
    return Stretch()


def goes_on_after(record: SubscriptionRecord, at: Instant) -> bool:
    """Whether a cycle begins at ``at`` by itself: nothing is to be paid, and it is not over by then."""
    return record.paid_to is None and (record.ends_at is None or at < record.ends_at)


def other_cycles(old: Plan, plan: Plan) -> bool:
    return (old.every, old.interval) != (plan.every, plan.interval)


def changed_plan(
    record: SubscriptionRecord, plan: Plan, at: Instant, *, anew: bool
) -> SubscriptionRecord:
    """The subscription with another plan. Its cycle goes on; ``anew`` one of the new plan's begins now."""
    anew = anew or other_cycles(record.plan, plan)
    after = msgspec.structs.replace(
        record, plan=plan, scheduled=None, pending=None, metered_since=None
    )
    if anew:
        after = msgspec.structs.replace(after, anchor=at, trial_ends_at=None)
    paid_to = cycle_of(after, at).ends_at if plan.amount else None
    return msgspec.structs.replace(after, paid_to=paid_to)


def stretch_of_change(record: SubscriptionRecord, at: Instant) -> Stretch:
    """The first credit of a plan that has just changed is for what is left of the cycle."""
    cycle = cycle_of(record, at)
    return Stretch(
        first_ends_at=cycle.ends_at,
        part=cycle.remaining(at),
        trial=in_trial(record, at),
    )


# What is said of it -------------------------------------------------------------------------------


def entitlement_of(terms: CreditMapping) -> Reference:
    """The vendor's id of one that was brought over is its code."""
    return identity.reference(terms.credit_entitlement_id)


def units_of(item: CartItem, text: str) -> int:
    return amounts.to_units(fields.amount(text), item.precision)


def overridden(plan: Plan, asked: CartRequest, field: str, since: Instant | None) -> Plan:
    """The plan with other terms of one credit, from ``since`` on; what is not said stays.

    Raises ``BadRequest``.
    """
    number = _attached(plan, asked.credit_entitlement_id, field)
    item = plan.cart[number]
    said: dict[str, object] = {
        name: value
        for name, value in msgspec.structs.asdict(asked).items()
        if value is not None and name != "credit_entitlement_id"
    }
    for name in said.keys() & {"credits_amount", "overage_limit"}:
        said[name] = _whole(str(said[name]), item, f"{field}.{name}")
    if asked.credits_amount is not None:
        products.positive(asked.credits_amount, f"{field}.credits_amount")
    terms = msgspec.structs.replace(item.terms, **said)
    if (terms.rollover_timeframe_count is None) != (terms.rollover_timeframe_interval is None):
        rule = "given together with rollover_timeframe_interval, or not at all"
        raise BadRequest(f"{field}.rollover_timeframe_count", rule)
    products.check_overage(terms, field)
    if terms == item.terms:
        return plan
    cart = list(plan.cart)
    cart[number] = CartItem(terms=terms, precision=item.precision, since=since)
    return msgspec.structs.replace(plan, cart=cart)


def _whole(text: str, item: CartItem, field: str) -> str:
    found = reading.amount(text, field)
    amounts.to_units(found, item.precision, field)
    return str(found)


def _attached(plan: Plan, kind: str, field: str) -> int:
    kinds = [item.terms.credit_entitlement_id for item in plan.cart]
    if kind not in kinds:
        rule = "the id of an entitlement that the subscription gives credit of"
        raise BadRequest(f"{field}.credit_entitlement_id", rule)
    return kinds.index(kind)


def with_amounts(plan: Plan, asked: list[CreditOverride], field: str) -> Plan:
    """The plan with other amounts of its credits, as one is sold. Raises ``BadRequest``."""
    seen: set[str] = set()
    for number, each in enumerate(asked):
        place = f"{field}[{number}]"
        if each.credit_entitlement_id in seen:
            rule = "an entitlement that is not said already"
            raise BadRequest(f"{place}.credit_entitlement_id", rule)
        seen.add(each.credit_entitlement_id)
        terms = CartRequest(
            credit_entitlement_id=each.credit_entitlement_id, credits_amount=each.credits_amount
        )
        plan = overridden(plan, terms, place, None)
    return plan


def check_not_sold(asked: NotSold) -> None:
    """Raises ``BadRequest`` for what the vendor sells beside a product."""
    if asked.addons:
        raise BadRequest("addons", "left out or empty: there are no add-ons here")
    if asked.discount_code is not None:
        raise BadRequest("discount_code", "left out: there are no discounts here")
    if asked.discount_codes:
        raise BadRequest("discount_codes", "left out or empty: there are no discounts here")
