"""The vendor's four settings of overage as the ledger's rule."""

from __future__ import annotations

from drawdown.core import amounts, currencies
from drawdown.core.amounts import Amount
from drawdown.core.commands import AskedOverage, Money
from drawdown.core.types import OverageBehavior, OverageMode
from drawdown.web import fields

PLACES_MAX = 12


def rule(
    *,
    enabled: bool,
    limit: Amount | None,
    behavior: str,
    price_per_unit: str | None,
    currency: str | None,
) -> AskedOverage:
    """Without a limit there is none to it."""
    if not enabled:
        return AskedOverage(mode=OverageMode.OFF, behavior=OverageBehavior(behavior))
    return AskedOverage(
        mode=OverageMode.UNLIMITED if limit is None else OverageMode.LIMITED,
        limit=limit,
        behavior=OverageBehavior(behavior),
        price_per_unit=_price(price_per_unit, currency),
    )


def _price(price_per_unit: str | None, currency: str | None) -> Money | None:
    """The vendor's price is in the currency's smallest unit, the ledger's in the currency.

    None for a currency that the ledger does not know. What is finer than the ledger keeps is cut off.
    """
    if price_per_unit is None or currency is None:
        return None
    price, code = fields.amount(price_per_unit), currency.lower()
    places = currencies.MINOR_PLACES.get(code)
    if places is None:
        return None
    finer = max(price.places + places - PLACES_MAX, 0)
    digits = price.digits // 10**finer
    return Money(amounts.normalised(digits, price.places + places - finer), code)
