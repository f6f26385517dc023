"""Every request of the native API, written once: what is asked, and how the answer is read."""

from drawdown.client.requests import (
    ahead,
    alerts,
    balances,
    clocks,
    debits,
    directory,
    grants,
    holds,
    schedules,
    top_ups,
    usage,
    webhooks,
)

__all__ = [
    "ahead",
    "alerts",
    "balances",
    "clocks",
    "debits",
    "directory",
    "grants",
    "holds",
    "schedules",
    "top_ups",
    "usage",
    "webhooks",
]
