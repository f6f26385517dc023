"""The table: every endpoint of Sequence's."""

from __future__ import annotations

from drawdown.dialects.sequence.credit import balances, grants, transactions
from drawdown.dialects.sequence.customers import aliases, customers
from drawdown.dialects.sequence.notifications import policies
from drawdown.dialects.sequence.usage import events, metrics
from drawdown.web.endpoints import Endpoint


def endpoints(*, allow_private: bool) -> tuple[Endpoint, ...]:
    """``allow_private``: whether webhooks may go to addresses that are not the world's."""
    return (
        *customers.ENDPOINTS,
        *aliases.ENDPOINTS,
        *grants.ENDPOINTS,
        *balances.ENDPOINTS,
        *transactions.ENDPOINTS,
        *metrics.ENDPOINTS,
        *events.ENDPOINTS,
        *policies.endpoints(allow_private=allow_private),
    )
