"""The table: every endpoint of Sequence's."""

from __future__ import annotations

from drawdown.dialects.sequence.credit import balances, grants, transactions
from drawdown.dialects.sequence.customers import aliases, customers

ENDPOINTS = (
    *customers.ENDPOINTS,
    *aliases.ENDPOINTS,
    *grants.ENDPOINTS,
    *balances.ENDPOINTS,
    *transactions.ENDPOINTS,
)
