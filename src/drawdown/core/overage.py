"""Usage past zero: whether it may be, how far, and what the rule may say.

Overage is a number of its own, beside the balance, which is never below zero. It is usage that nothing has
paid for, so no grant has a part in it: one number a wallet, whichever debits it came from.
"""

from __future__ import annotations

from drawdown.core import amounts, currencies
from drawdown.core.commands import AskedOverage, Money
from drawdown.core.errors import FieldInvalid
from drawdown.core.state import Wallet
from drawdown.core.types import (
    UNITS_MAX,
    EntryKind,
    Overage,
    OverageBehavior,
    OverageMode,
    UnitPrice,
)

#: What a reset does with overage; the behaviors that are not here carry it on.
RESETS = {
    OverageBehavior.FORGIVE_AT_RESET: EntryKind.OVERAGE_FORGIVEN,
    OverageBehavior.INVOICE_AT_BILLING: EntryKind.OVERAGE_INVOICED,
}


def headroom(wallet: Wallet) -> int:
    """How many units the wallet may be used past zero, beyond its present overage."""
    rule = wallet.overage_rule
    if rule.mode is OverageMode.OFF:
        return 0
    most = UNITS_MAX if rule.limit is None else rule.limit
    return max(most - wallet.overage, 0)


def rule_of(asked: AskedOverage | None, scale: int) -> Overage:
    """The rule asked for. Raises ``FieldInvalid``, ``AmountTooFine`` or ``AmountTooLarge``."""
    if asked is None:
        return Overage()
    limited = asked.mode is OverageMode.LIMITED
    if limited != (asked.limit is not None):
        rule = "an amount" if limited else "left out, unless the mode is limited"
        raise FieldInvalid("overage.limit", rule)
    limit = None
    if asked.limit is not None:
        limit = amounts.to_units(asked.limit, scale, "overage.limit")
    return Overage(
        mode=asked.mode, limit=limit, behavior=asked.behavior, price_per_unit=_price(asked)
    )


def _price(asked: AskedOverage) -> UnitPrice | None:
    price: Money | None = asked.price_per_unit
    if price is None:
        return None
    if price.currency not in currencies.MINOR_PLACES:
        rule = "a lower-case ISO 4217 currency code"
        raise FieldInvalid("overage.price_per_unit.currency", rule)
    return UnitPrice(str(price.amount), price.currency)
