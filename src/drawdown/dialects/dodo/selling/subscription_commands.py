"""What is asked of the ledger for a subscription: schedules, alerts, and for when meters charge. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from drawdown.core import amounts, identity
from drawdown.core.commands import (
    AskedOverage,
    AttachRate,
    Command,
    CreateAlert,
    CreateSchedule,
    DetachRate,
    RolloverTerms,
    TrialTerms,
)
from drawdown.core.schedules import calendar
from drawdown.core.schedules.terms import CycleExpiry
from drawdown.core.types import AlertKind, Id, Instant
from drawdown.dialects.dodo.credit import overage, rollover
from drawdown.dialects.dodo.selling import products, subscriptions
from drawdown.dialects.dodo.selling.links import LowBalance, of_low_balance, of_subscription
from drawdown.dialects.dodo.selling.product_wire import CreditMapping
from drawdown.dialects.dodo.selling.subscription_wire import CartItem, SubscriptionRecord
from drawdown.dialects.dodo.selling.subscriptions import (
    WHOLE,
    ZONE,
    Stretch,
    entitlement_of,
    every_of,
    units_of,
)
from drawdown.web import fields


def begin(
    record: SubscriptionRecord, subscription: str, customer: Id, stretch: Stretch
) -> Iterator[Command]:
    """A schedule for each credit of the plan."""
    for item in record.plan.cart:
        yield schedule_of(record, item, subscription, customer, stretch)


def beginning(
    record: SubscriptionRecord, subscription: str, customer: Id, at: Instant
) -> list[Command]:
    """As it begins: its schedules and its alerts."""
    stretch = subscriptions.at_start(record, at)
    return [
        *begin(record, subscription, customer, stretch),
        *watch(record.plan.cart, subscription, customer),
    ]


def threshold(item: CartItem) -> tuple[str, str, int | None]:
    """What an alert of a credit says."""
    terms = item.terms
    percent = terms.low_balance_threshold_percent
    return terms.credit_entitlement_id, terms.credits_amount, percent


def watch(cart: Iterable[CartItem], subscription: str, customer: Id) -> Iterator[Command]:
    """An alert for each credit with a threshold."""
    for item in cart:
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


def meter_changes(
    before: SubscriptionRecord | None, after: SubscriptionRecord, subscription: str, customer: Id
) -> Iterator[Command]:
    """Charge usage by the meters of the plans for as long as each of them is the subscription's."""
    old = {} if before is None else _metered(before)
    new = _metered(after)
    for rate in old.keys() - new.keys():
        yield DetachRate(rate=rate_of(rate), customer=customer, name=subscription)
    for rate, (starts_at, ends_at) in new.items():
        if old.get(rate) != (starts_at, ends_at):
            yield AttachRate(
                rate=rate_of(rate),
                customer=customer,
                name=subscription,
                starts_at=starts_at,
                ends_at=ends_at,
            )


def _metered(record: SubscriptionRecord) -> dict[str, tuple[Instant | None, Instant | None]]:
    """From when to when each rate charges: it ends with its plan, with the cancellation or the term."""
    if not record.started_at or record.cancelled_at or record.paused_at:
        return {}
    ends = [each for each in (record.cancel_at, record.ends_at) if each is not None]
    ends_at, scheduled = min(ends) if ends else None, record.scheduled
    changes_at = ends_at if scheduled is None else scheduled.effective_at
    found = {link.rate: (record.metered_since, changes_at) for link in record.plan.links}
    for link in () if scheduled is None else scheduled.plan.links:
        since = found[link.rate][0] if link.rate in found else changes_at
        found[link.rate] = (since, ends_at)
    return found


def rate_of(spelled: str) -> Id:
    found = identity.parse(spelled)
    assert found is not None, "it was spelled here"
    return found


def schedule_of(
    record: SubscriptionRecord,
    item: CartItem,
    subscription: str,
    customer: Id,
    stretch: Stretch,
) -> CreateSchedule:
    """A schedule from a stretch of the subscription on. Where credit rolls over, the rest ends with a cycle.

    One that is paid for stands still with each cycle's end.
    """
    terms, plan = item.terms, record.plan
    expires, days = _expiry(terms)
    return CreateSchedule(
        customer=customer,
        entitlement=entitlement_of(terms),
        amount=fields.amount(terms.credits_amount),
        every=every_of(plan.every, plan.interval),
        anchor=record.anchor,
        zone=ZONE,
        starts_at=stretch.starts_at,
        ends_at=record.ends_at,
        trial=_first(item, stretch),
        expires=expires,
        expires_after_days=days,
        rollover=_rollover(terms),
        overage=_overage(terms),
        name=subscription,
        metadata=of_subscription(subscription),
        paused=record.paid_to is not None,
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


def _expiry(terms: CreditMapping) -> tuple[CycleExpiry, int | None]:
    """Credit lives by its days; with rollover the cycle's end decides what becomes of it."""
    if terms.rollover_enabled:
        return CycleExpiry.CYCLE_END, None
    if terms.expires_after_days is None:
        return CycleExpiry.NEVER, None
    return CycleExpiry.AFTER_DAYS, terms.expires_after_days


def _rollover(terms: CreditMapping) -> RolloverTerms | None:
    return rollover.terms(
        enabled=terms.rollover_enabled,
        percentage=terms.rollover_percentage,
        most=terms.max_rollover_count,
        count=terms.rollover_timeframe_count,
        interval=terms.rollover_timeframe_interval,
        days=terms.expires_after_days,
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
