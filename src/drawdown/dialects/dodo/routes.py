"""The table: every endpoint of Dodo's."""

from __future__ import annotations

from drawdown.core.types import BurnOrder
from drawdown.dialects.dodo import (
    balance_routes,
    customer_routes,
    entitlement_routes,
    ledger_routes,
    meters,
    product_routes,
    subscription_routes,
    usage,
    wallet_routes,
    webhooks,
)
from drawdown.web.endpoints import Endpoint


def endpoints(
    page_base: int, *, allow_private: bool, burn_order: BurnOrder, free_threshold: bool
) -> tuple[Endpoint, ...]:
    """``page_base``: the number of the first page, 0 as documented, or 1.

    ``allow_private``: whether webhooks may go to addresses that are not the world's. ``burn_order``: of the
    entitlements that are made. ``free_threshold``: whether a meter's counts where it is paid in credit.
    """
    return (
        *customer_routes.endpoints(page_base),
        *entitlement_routes.endpoints(page_base, burn_order),
        *balance_routes.endpoints(page_base),
        *ledger_routes.endpoints(page_base),
        *wallet_routes.endpoints(page_base),
        *meters.endpoints(page_base),
        *usage.endpoints(page_base),
        *product_routes.endpoints(page_base, free_threshold=free_threshold),
        *subscription_routes.endpoints(page_base),
        *webhooks.endpoints(allow_private=allow_private),
    )
