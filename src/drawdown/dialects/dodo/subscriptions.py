"""Dodo's subscriptions: where one stands, and what is asked of the ledger for it. Pure.

A subscription is a document of its customer, and one schedule for each credit of its plan. With nothing to
pay the schedules go on by themselves; else each is for one billing cycle, once that was paid for.
"""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from drawdown.core import amounts, identity
from drawdown.core.commands import (
    AskedOverage,
    AttachRate,
    Command,
    CreateAlert,
    CreateSchedule,
    RolloverTerms,
    TrialTerms,
)
from drawdown.core.schedules import calendar
from drawdown.core.schedules.calendar import Cadence, CalendarUnit, Cycle, Every
from drawdown.core.schedules.terms import GENERATIONS_MAX, CycleExpiry
from drawdown.core.types import (
    DAY,
    AlertKind,
    Id,
    Instant,
    Reference,
)
from drawdown.dialects.dodo import overage, products
from drawdown.dialects.dodo.links import LowBalance, of_low_balance, of_subscription
from drawdown.dialects.dodo.product_wire import (
    CreditMapping,
    Link,
    OneTimePrice,
    ProductRecord,
    TimeInterval,
)
from drawdown.dialects.dodo.records import Kept, Records
from drawdown.dialects.dodo.subscription_wire import (
    CartItem,
    CartRequest,
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
    """For when schedules are made: from ``starts_at`` (None: now) to ``ends_at`` (None: without end).

    ``first_ends_at``: the end of a first cycle with ``part`` of its credit; in a trial, of the trial's.
    """

    starts_at: Instant | None = None
    ends_at: Instant | None = None
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
    )


def every_of(count: int, interval: TimeInterval | str) -> Every:
    return Every(CalendarUnit(str(interval).lower()), count)


# Where it stands ----------------------------------------------------------------------------------


def started(record: SubscriptionRecord, at: Instant) -> SubscriptionRecord:
    """The subscription as it begins at ``at``, with its trial if it has one."""
    plan = record.plan
    trial_ends_at = Instant(at + record.trial_days * DAY) if record.trial_days else None
    anchor = at if trial_ends_at is None else trial_ends_at
    lasts = Cadence(at, ZONE, every_of(plan.lasts, plan.lasts_interval))
    begun = msgspec.structs.replace(
        record,
        started_at=at,
        trial_ends_at=trial_ends_at,
        anchor=anchor,
        ends_at=calendar.occurrence(lasts, 1),
    )
    paid_to = cycle_of(begun, at).ends_at if plan.amount else None
    return msgspec.structs.replace(begun, paid_to=paid_to)


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
    if record.paid_to is not None and record.paid_to <= at:
        return Status.ON_HOLD
    return Status.ACTIVE


def as_of(record: SubscriptionRecord, at: Instant) -> SubscriptionRecord:
    """The subscription with the plan that was to take its plan's place by ``at``."""
    scheduled = record.scheduled
    if scheduled is None or scheduled.effective_at > at:
        return record
    plan, since = scheduled.plan, scheduled.effective_at
    after = msgspec.structs.replace(record, plan=plan, scheduled=None)
    if (record.plan.every, record.plan.interval) != (plan.every, plan.interval):
        after = msgspec.structs.replace(after, anchor=since)
    return msgspec.structs.replace(after, paid_to=since if plan.amount else None)


def is_over(record: SubscriptionRecord, at: Instant) -> bool:
    return status_of(record, at) in (Status.CANCELLED, Status.EXPIRED)


def now_to(record: SubscriptionRecord, at: Instant) -> Stretch:
    """For when the schedules of a subscription are made as it begins, or as a cycle of it is paid."""
    if in_trial(record, at):
        ends_at = record.paid_to or record.ends_at
        return Stretch(ends_at=ends_at, first_ends_at=record.trial_ends_at, trial=True)
    return Stretch(ends_at=end_of(record))


def from_next(record: SubscriptionRecord, at: Instant) -> Stretch | None:
    """For when what changes with the next billing date is made; None where a payment comes first."""
    starts_at = cycle_of(record, at).ends_at
    if record.paid_to is not None or starts_at is None:
        return None
    if record.ends_at is not None and record.ends_at <= starts_at:
        return None
    return Stretch(starts_at=starts_at, ends_at=record.ends_at)


def end_of(record: SubscriptionRecord) -> Instant | None:
    ends = [each for each in (record.paid_to, record.ends_at) if each is not None]
    return min(ends) if ends else None


def changed_plan(
    record: SubscriptionRecord, plan: Plan, at: Instant, *, anew: bool
) -> SubscriptionRecord:
    """The subscription with another plan. Its cycle goes on; ``anew`` one of the new plan's begins now."""
    old = record.plan
    anew = anew or (old.every, old.interval) != (plan.every, plan.interval)
    after = msgspec.structs.replace(record, plan=plan, scheduled=None)
    if anew:
        after = msgspec.structs.replace(after, anchor=at, trial_ends_at=None)
    paid_to = cycle_of(after, at).ends_at if plan.amount else None
    return msgspec.structs.replace(after, paid_to=paid_to)


def stretch_of_change(record: SubscriptionRecord, at: Instant) -> Stretch:
    """The first credit of a plan that has just changed is for what is left of the cycle."""
    cycle = cycle_of(record, at)
    return Stretch(
        ends_at=end_of(record),
        first_ends_at=cycle.ends_at,
        part=cycle.remaining(at),
        trial=in_trial(record, at),
    )


# What is asked of the ledger ----------------------------------------------------------------------


def begin(
    record: SubscriptionRecord, subscription: str, customer: Id, stretch: Stretch
) -> Iterator[Command]:
    """A schedule for each credit of the plan."""
    for item in record.plan.cart:
        yield schedule_of(record, item, subscription, customer, stretch)


def watch(record: SubscriptionRecord, subscription: str, customer: Id) -> Iterator[Command]:
    """An alert for each credit with a threshold."""
    for item in record.plan.cart:
        percent = item.terms.low_balance_threshold_percent
        units = 0 if percent is None else units_of(item, item.terms.credits_amount) * percent // 100
        if percent is None or not units:
            continue
        link = LowBalance(subscription, item.terms.credits_amount, percent)
        yield CreateAlert(
            entitlement=entitlement_of(item.terms),
            kind=AlertKind.AVAILABLE_BELOW,
            customer=customer,
            amount=amounts.normalised(units, item.precision),
            name=subscription,
            metadata=of_low_balance(link),
        )


def attach(links: list[Link], customer: Id) -> Iterator[Command]:
    for link in links:
        yield AttachRate(rate=rate_of(link), customer=customer)


def rate_of(link: Link) -> Id:
    found = identity.parse(link.rate)
    assert found is not None, "it was spelled here"
    return found


def entitlement_of(terms: CreditMapping) -> Reference:
    """The vendor's id of one that was brought over is its code."""
    return identity.reference(terms.credit_entitlement_id)


def schedule_of(
    record: SubscriptionRecord,
    item: CartItem,
    subscription: str,
    customer: Id,
    stretch: Stretch,
) -> CreateSchedule:
    """A schedule over a stretch of the subscription. Where credit rolls over, the rest ends with a cycle."""
    terms, plan = item.terms, record.plan
    every = every_of(plan.every, plan.interval)
    paid_apart = record.paid_to is not None
    expires, days = _expiry(terms)
    return CreateSchedule(
        customer=customer,
        entitlement=entitlement_of(terms),
        amount=fields.amount(terms.credits_amount),
        every=every,
        anchor=record.anchor,
        zone=ZONE,
        starts_at=stretch.starts_at,
        ends_at=stretch.ends_at,
        trial=_first(item, stretch),
        expires=expires,
        expires_after_days=days,
        rollover=_rollover(terms, every if paid_apart else None),
        overage=_overage(terms),
        name=subscription,
        metadata=of_subscription(subscription),
    )


def _first(item: CartItem, stretch: Stretch) -> TrialTerms | None:
    """The first cycle's own credit: a trial's, or that of the part that is left of a running one."""
    terms, prorated = item.terms, products.prorates(item.terms)
    if stretch.first_ends_at is None or not (stretch.trial or prorated):
        return None
    text = (terms.trial_credits or "0") if stretch.trial else terms.credits_amount
    units = calendar.prorated(units_of(item, text), stretch.part if prorated else WHOLE)
    return TrialTerms(
        amount=amounts.normalised(units, item.precision),
        ends_at=stretch.first_ends_at,
        expires=stretch.trial and terms.trial_credits_expire_after_trial,
    )


def units_of(item: CartItem, text: str) -> int:
    return amounts.to_units(fields.amount(text), item.precision)


def _expiry(terms: CreditMapping) -> tuple[CycleExpiry, int | None]:
    """Credit lives by its days; with rollover the cycle's end decides what becomes of it."""
    if terms.rollover_enabled:
        return CycleExpiry.CYCLE_END, None
    if terms.expires_after_days is None:
        return CycleExpiry.NEVER, None
    return CycleExpiry.AFTER_DAYS, terms.expires_after_days


def _rollover(terms: CreditMapping, lives: Every | None) -> RolloverTerms | None:
    """``lives``: how long carried credit does where the terms do not say."""
    percentage = 100 if terms.rollover_percentage is None else terms.rollover_percentage
    most = terms.max_rollover_count
    if not terms.rollover_enabled or not percentage or most == 0:
        return None
    count, interval = terms.rollover_timeframe_count, terms.rollover_timeframe_interval
    if count is not None and interval is not None:
        lives = every_of(count, interval)
    elif terms.expires_after_days is not None:
        lives = Every(CalendarUnit.DAY, min(terms.expires_after_days, calendar.EVERY_MAX))
    return RolloverTerms(
        percentage=percentage,
        generations_max=None if most is None else min(most, GENERATIONS_MAX),
        timeframe=lives,
    )


def _overage(terms: CreditMapping) -> AskedOverage:
    limit = terms.overage_limit
    return overage.rule(
        enabled=terms.overage_enabled,
        limit=None if limit is None else fields.amount(limit),
        behavior=terms.overage_behavior.value,
        price_per_unit=terms.price_per_unit,
        currency=terms.currency,
    )


def overridden(plan: Plan, asked: CartRequest, field: str) -> Plan:
    """The plan with other terms of one credit; what is not said stays. Raises ``BadRequest``."""
    kinds = [item.terms.credit_entitlement_id for item in plan.cart]
    if asked.credit_entitlement_id not in kinds:
        rule = "the id of an entitlement that the subscription gives credit of"
        raise BadRequest(f"{field}.credit_entitlement_id", rule)
    number = kinds.index(asked.credit_entitlement_id)
    item = plan.cart[number]
    for name in ("credits_amount", "overage_limit"):
        if (text := getattr(asked, name)) is not None:
            found = fields.amount(text, f"{field}.{name}")
            amounts.to_units(found, item.precision, f"{field}.{name}")
    if asked.credits_amount is not None:
        products.positive(asked.credits_amount, f"{field}.credits_amount")
    said = {
        name: value
        for name, value in msgspec.structs.asdict(asked).items()
        if value is not None and name != "credit_entitlement_id"
    }
    terms = msgspec.structs.replace(item.terms, **said)
    products.check_overage(terms, field)
    cart = list(plan.cart)
    cart[number] = CartItem(terms=terms, precision=item.precision)
    return msgspec.structs.replace(plan, cart=cart)
