"""The table: every endpoint of Dodo's."""

from __future__ import annotations

from drawdown.core.types import BurnOrder
from drawdown.dialects.dodo.credit import balances, customers, entitlements, ledger, wallets
from drawdown.dialects.dodo.selling import product_routes, subscription_routes
from drawdown.dialects.dodo.usage import events, meters
from drawdown.dialects.dodo.webhooks import routes as webhook_routes
from drawdown.web.endpoints import Endpoint


def endpoints(
    page_base: int, *, allow_private: bool, burn_order: BurnOrder, free_threshold: bool
) -> tuple[Endpoint, ...]:
    """``page_base``: the number of the first page, 0 as documented, or 1.

    ``allow_private``: whether webhooks may go to addresses that are not the world's. ``burn_order``: of the
    entitlements that are made. ``free_threshold``: whether a meter's counts where it is paid in credit.
    """
    return (
        *customers.endpoints(page_base),
        *entitlements.endpoints(page_base, burn_order),
        *balances.endpoints(page_base),
        *ledger.endpoints(page_base),
        *wallets.endpoints(page_base),
        *meters.endpoints(page_base),
        *events.endpoints(page_base),
        *product_routes.endpoints(page_base, free_threshold=free_threshold),
        *subscription_routes.endpoints(page_base),
        *webhook_routes.endpoints(allow_private=allow_private),
    )
