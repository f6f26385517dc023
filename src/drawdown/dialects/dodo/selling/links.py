"""What ties a schedule or an alert of the ledger to the subscription that it was made for.

It is written into their metadata when they are made, and neither is changed in it afterwards.
"""

from __future__ import annotations

import msgspec

from drawdown.core.types import Metadata

SUBSCRIPTION = "dodo_subscription"
CREDITS = "dodo_credits_amount"
PERCENT = "dodo_threshold_percent"


class LowBalance(msgspec.Struct, frozen=True):
    """An alert of a subscription: ``percent`` of the ``credits`` that it gives each cycle."""

    subscription: str
    credits: str
    percent: int


def of_subscription(subscription: str) -> Metadata:
    """The metadata of a subscription's schedule; ``subscription`` is its id as Dodo spells it."""
    return {SUBSCRIPTION: subscription}


def of_low_balance(link: LowBalance) -> Metadata:
    """The metadata of the alert on a subscription's low balance."""
    return {SUBSCRIPTION: link.subscription, CREDITS: link.credits, PERCENT: link.percent}


def subscription_in(metadata: Metadata) -> str | None:
    found = metadata.get(SUBSCRIPTION)
    return found if isinstance(found, str) else None


def low_balance_in(metadata: Metadata) -> LowBalance | None:
    """None for an alert that somebody made elsewhere: Dodo tells of subscriptions' alone."""
    subscription, credits = subscription_in(metadata), metadata.get(CREDITS)
    percent = metadata.get(PERCENT)
    if subscription is None or not isinstance(credits, str) or not isinstance(percent, int):
        return None
    return LowBalance(subscription, credits, percent)
