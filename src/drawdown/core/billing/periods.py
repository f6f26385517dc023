"""Billing periods: when a subscription's periods end, counted from its anchor, and what they cost."""

from __future__ import annotations

from collections.abc import Iterator

from drawdown.core.billing.records import Item, Subscription, SubscriptionStatus, step_of
from drawdown.core.schedules import calendar
from drawdown.core.schedules.calendar import Cadence, Every
from drawdown.core.times import INSTANT_MAX
from drawdown.core.types import Id, Instant
from drawdown.core.usage import rating
from drawdown.core.usage.quantities import ONE, Quantity
from drawdown.core.usage.spans import Span, Use

UTC = "UTC"


def next_end(anchor: Instant, every: Every, start: Instant) -> Instant:
    """The first end of a period after ``start``: periods begin at the anchor and every so often from it.

    One that would end after the last instant that can be written ends with that.
    """
    found = calendar.cycle_at(Cadence(anchor, UTC, every), start)
    assert found is not None
    return INSTANT_MAX if found.ends_at is None else found.ends_at


def end_of(subscription: Subscription, start: Instant) -> Instant:
    """When the period ends that begins at ``start``: at the anchor, where that is to come, else at the next.

    The subscription's own end may cut it short.
    """
    anchor = subscription.anchor
    end = anchor if start < anchor else next_end(anchor, subscription.every, start)
    return end if subscription.cancel_at is None else min(end, subscription.cancel_at)


def is_trial(subscription: Subscription) -> bool:
    """Whether the running period is the trial, in which nothing is charged."""
    return subscription.status is SubscriptionStatus.TRIALING


def ends_with(subscription: Subscription, end: Instant | None = None) -> bool:
    """Whether the subscription ends with its running period, or with one that ends then."""
    end = subscription.period_end if end is None else end
    cut = subscription.cancel_at
    return subscription.cancel_at_period_end or (cut is not None and cut <= end)


def periods_until(subscription: Subscription, until: Instant) -> Iterator[tuple[Instant, Instant]]:
    """The periods that end by an instant, and the one that runs then."""
    start, end = subscription.period_start, subscription.period_end
    yield start, end
    while end <= until and not ends_with(subscription, end):
        start, end = end, end_of(subscription, end)
        yield start, end


def counts_from(item: Item, start: Instant) -> Instant:
    """From when an item counts what is used in a period that began at ``start``."""
    return start if item.since is None else max(start, item.since)


def span_of(customer: Id, item: Item, start: Instant, end: Instant) -> Span | None:
    """What an item counts of a time; None of one that counts nothing."""
    if item.metered is None:
        return None
    return Span(customer, item.metered.measure, start, end)


def amount_of(item: Item, use: Use, currency: str) -> tuple[Quantity, int, int]:
    """The quantity, its cost in minor units without what was paid at once, and that, in units.

    The cost is rounded once, half up, after what was drawn as the usage came is taken from it.
    """
    quantity = use.quantity if item.metered is not None else Quantity(item.quantity * ONE)
    numerator, denominator = rating.cost(item.rate, quantity)
    step, paid = step_of(currency), use.paid.get(currency, 0)
    left = numerator * step - paid * denominator
    return quantity, max(rounded(left, denominator * step), 0), paid


def rounded(numerator: int, denominator: int) -> int:
    """A ratio as a whole number, half up."""
    return (2 * numerator + denominator) // (2 * denominator)
