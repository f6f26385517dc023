"""Subscriptions as Dodo shows them. Pure."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from drawdown.core import amounts, identity, types
from drawdown.core.times import text_of
from drawdown.core.types import Id, Instant, Reference
from drawdown.core.usage.records import Meter
from drawdown.dialects.dodo import rendering
from drawdown.dialects.dodo.credit.rows import brand_id
from drawdown.dialects.dodo.documents import Kept
from drawdown.dialects.dodo.reading import PROFILE
from drawdown.dialects.dodo.selling import subscriptions
from drawdown.dialects.dodo.selling.product_wire import MeterLink
from drawdown.dialects.dodo.selling.subscription_wire import (
    AwaitedPayment,
    CartItem,
    CreatedSubscription,
    CreditCart,
    CreditUsage,
    CreditUsageItem,
    LimitedCustomer,
    MeterCart,
    MeterCreditCart,
    Scheduled,
    ScheduledChange,
    Status,
    Subscription,
    SubscriptionItem,
    SubscriptionRecord,
)
from drawdown.dialects.dodo.usage.meters import METER_PREFIX
from drawdown.dialects.dodo.usage.wire import MeterProfile
from drawdown.dialects.dodo.wire import CustomerProfile

Balances = Mapping[str, types.Balance]
Meters = Mapping[Reference, Meter]


def limited(found: types.Customer) -> LimitedCustomer:
    profile = msgspec.convert(found.profiles.get(PROFILE, {}), CustomerProfile)
    return LimitedCustomer(
        customer_id=rendering.customer_id(found),
        email=found.email or "",
        name=found.name or "",
        metadata=found.metadata,
        phone_number=profile.phone_number,
    )


def payment_id(kept: Kept[SubscriptionRecord]) -> str:
    """The payment that is waited for, or that there is nothing of: one a billing cycle."""
    number = kept.body.confirmed
    return identity.spell("pay_", identity.derive(kept.document.id, f"payment:{number}"))


def created(kept: Kept[SubscriptionRecord], owner: types.Customer) -> CreatedSubscription:
    return CreatedSubscription(
        subscription_id=subscriptions.subscription_id(kept.document.id),
        payment_id=payment_id(kept),
        customer=limited(owner),
        metadata=kept.body.metadata,
        recurring_pre_tax_amount=kept.body.plan.amount,
    )


def item(kept: Kept[SubscriptionRecord], owner: types.Customer, now: Instant) -> SubscriptionItem:
    document, body = kept.document, kept.body
    plan, cycle = body.plan, subscriptions.cycle_of(body, now)
    begun_at = cycle.starts_at if body.started_at is None else max(cycle.starts_at, body.started_at)
    return SubscriptionItem(
        subscription_id=subscriptions.subscription_id(document.id),
        product_id=plan.product_id,
        product_name=plan.product_name,
        quantity=plan.quantity,
        status=subscriptions.status_of(body, now),
        customer=limited(owner),
        billing=body.billing,
        currency=plan.currency,
        recurring_pre_tax_amount=plan.amount,
        tax_inclusive=plan.tax_inclusive,
        payment_frequency_count=plan.every,
        payment_frequency_interval=plan.interval,
        subscription_period_count=plan.lasts,
        subscription_period_interval=plan.lasts_interval,
        trial_period_days=body.trial_days,
        previous_billing_date=text_of(begun_at),
        next_billing_date=text_of(now if cycle.ends_at is None else cycle.ends_at),
        cancel_at_next_billing_date=body.cancel_at is not None and body.cancelled_at is None,
        created_at=text_of(document.created_at),
        metadata=body.metadata,
        cancelled_at=_cancelled_at(body, now),
        customer_business_name=body.customer_business_name,
        tax_id=body.tax_id,
        scheduled_change=None if body.scheduled is None else _scheduled(body.scheduled),
        paused_at=None if body.paused_at is None else text_of(body.paused_at),
        awaited_payment=_awaited(kept, now),
    )


def _awaited(kept: Kept[SubscriptionRecord], now: Instant) -> AwaitedPayment | None:
    plan, pending = kept.body.plan, kept.body.pending
    if subscriptions.status_of(kept.body, now) in (Status.PENDING, Status.ON_HOLD):
        return AwaitedPayment(payment_id(kept), plan.amount, plan.currency, plan.product_id)
    if pending is None:
        return None
    plan = pending.plan
    return AwaitedPayment(pending.payment_id, pending.amount, plan.currency, plan.product_id)


def _scheduled(found: Scheduled) -> ScheduledChange:
    return ScheduledChange(
        id=found.id,
        product_id=found.plan.product_id,
        product_name=found.plan.product_name,
        quantity=found.plan.quantity,
        created_at=text_of(found.created_at),
        effective_at=text_of(found.effective_at),
    )


def _cancelled_at(body: SubscriptionRecord, now: Instant) -> str | None:
    if subscriptions.status_of(body, now) is not Status.CANCELLED:
        return None
    at = body.cancelled_at or body.cancel_at
    return None if at is None else text_of(at)


def subscription(
    kept: Kept[SubscriptionRecord],
    owner: types.Customer,
    balances: Balances,
    meters: Meters,
    account: Id,
    now: Instant,
) -> Subscription:
    """``meters``: those of the plan, by id and code."""
    body = kept.body
    shown = item(kept, owner, now)
    return Subscription(
        **msgspec.structs.asdict(shown),
        brand_id=brand_id(account),
        cancellation_comment=body.cancellation_comment,
        cancellation_feedback=body.cancellation_feedback,
        expires_at=None if body.ends_at is None else text_of(body.ends_at),
        credit_entitlement_cart=[
            _credit(each, body, balances[each.terms.credit_entitlement_id])
            for each in body.plan.cart
        ],
        meter_credit_entitlement_cart=[
            MeterCreditCart(
                meter_id=link.meter,
                meter_name=meters[identity.reference(link.meter)].name,
                credit_entitlement_id=link.entitlement,
                meter_units_per_credit=link.units_per_credit,
                product_id=body.plan.product_id,
            )
            for link in body.plan.links
        ],
        meters=[_meter(each, meters, body.plan.currency) for each in body.plan.meters],
    )


def _meter(link: MeterLink, meters: Meters, currency: str) -> MeterCart:
    """What the price calls a meter, and where it does not, what the meter is called."""
    found = meters[identity.reference(link.meter_id)]
    profile = msgspec.convert(found.profiles.get(PROFILE, {}), MeterProfile)
    return MeterCart(
        meter_id=identity.spell(METER_PREFIX, found.id),
        name=link.name or found.name,
        currency=currency,
        free_threshold=link.free_threshold or 0,
        measurement_unit=link.measurement_unit or profile.measurement_unit,
        description=link.description or profile.description,
        price_per_unit=link.price_per_unit,
    )


def _credit(sold: CartItem, body: SubscriptionRecord, balance: types.Balance) -> CreditCart:
    terms = sold.terms
    return CreditCart(
        credit_entitlement_id=terms.credit_entitlement_id,
        credit_entitlement_name=terms.credit_entitlement_name,
        credits_amount=terms.credits_amount,
        overage_balance=amounts.render(balance.overage, balance.scale),
        overage_behavior=terms.overage_behavior,
        overage_enabled=terms.overage_enabled,
        product_id=body.plan.product_id,
        remaining_balance=amounts.render(balance.posted, balance.scale),
        rollover_enabled=terms.rollover_enabled,
        unit=terms.credit_entitlement_unit,
        expires_after_days=terms.expires_after_days,
        low_balance_threshold_percent=terms.low_balance_threshold_percent,
        max_rollover_count=terms.max_rollover_count,
        overage_limit=terms.overage_limit,
        rollover_percentage=terms.rollover_percentage,
        rollover_timeframe_count=terms.rollover_timeframe_count,
        rollover_timeframe_interval=terms.rollover_timeframe_interval,
    )


def credit_usage(kept: Kept[SubscriptionRecord], balances: Balances) -> CreditUsage:
    """Balance and overage are the customer's; whether overage may be, and how far, the subscription's."""
    return CreditUsage(
        subscription_id=subscriptions.subscription_id(kept.document.id),
        items=[
            _usage(each, balances[each.terms.credit_entitlement_id]) for each in kept.body.plan.cart
        ],
    )


def _usage(sold: CartItem, balance: types.Balance) -> CreditUsageItem:
    terms, headroom, reached = sold.terms, None, False
    if terms.overage_enabled and terms.overage_limit is not None:
        limit = subscriptions.units_of(sold, terms.overage_limit)
        reached = balance.overage >= limit
        headroom = amounts.render(max(limit - balance.overage, 0), sold.precision)
    return CreditUsageItem(
        credit_entitlement_id=terms.credit_entitlement_id,
        credit_entitlement_name=terms.credit_entitlement_name,
        unit=terms.credit_entitlement_unit,
        balance=amounts.render(balance.posted, balance.scale),
        overage=amounts.render(balance.overage, balance.scale),
        overage_enabled=terms.overage_enabled,
        limit_reached=reached,
        overage_limit=terms.overage_limit,
        remaining_headroom=headroom,
    )
