"""Every request of the native API, written once: what is asked, and how the answer is read."""

from drawdown.client.requests import (
    balances,
    clocks,
    debits,
    directory,
    grants,
    holds,
    schedules,
    usage,
    webhooks,
)

__all__ = [
    "balances",
    "clocks",
    "debits",
    "directory",
    "grants",
    "holds",
    "schedules",
    "usage",
    "webhooks",
]
