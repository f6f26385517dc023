"""``expand``: which ids of an answer are to be followed. A path that leads nowhere is refused.

What is always null here may be asked for, as at Stripe, and stays null.
"""

from __future__ import annotations

from collections.abc import Sequence

from drawdown.dialects.stripe.errors import StripeError
from drawdown.web.errors import echoed

LEVELS_MAX = 4
PATHS_MAX = 20

#: Of each object what an ``expand`` may name, and what is there: None, where that is always null or shown
#: by the object itself.
_PAID = "pretax_credit_amounts.credit_balance_transaction"
_LEADS: dict[str, dict[str, str | None]] = {
    "billing.alert": {
        "credit_balance_threshold.filters.customer": "customer",
        "usage_threshold.filters.customer": "customer",
        "usage_threshold.meter": "billing.meter",
    },
    "billing.credit_balance_summary": {"customer": "customer"},
    "billing.credit_balance_transaction": {
        "credit.credits_application_invoice_voided.invoice": "invoice",
        "credit_grant": "billing.credit_grant",
        "debit.credits_applied.invoice": "invoice",
        "test_clock": "test_helpers.test_clock",
    },
    "billing.credit_grant": {"customer": "customer", "test_clock": "test_helpers.test_clock"},
    "customer": {
        "cash_balance": None,
        "default_source": None,
        "invoice_credit_balance": None,
        "invoice_settings.default_payment_method": None,
        "sources": None,
        "subscriptions": None,
        "tax": None,
        "tax_ids": None,
        "test_clock": "test_helpers.test_clock",
    },
    "invoice": {
        "customer": "customer",
        "default_payment_method": None,
        f"lines.data.{_PAID}": "billing.credit_balance_transaction",
        "lines.data.pricing.price_details.price": "price",
        "parent.subscription_details.subscription": "subscription",
        "payments": None,
        "test_clock": "test_helpers.test_clock",
        f"total_{_PAID}": "billing.credit_balance_transaction",
    },
    "line_item": {
        _PAID: "billing.credit_balance_transaction",
        "pricing.price_details.price": "price",
        "subscription": "subscription",
    },
    "price": {"currency_options": None, "product": "product", "tiers": None},
    "product": {"default_price": "price", "tax_code": None},
    "subscription": {
        "customer": "customer",
        "default_payment_method": None,
        "default_source": None,
        "items.data.price": "price",
        "latest_invoice": "invoice",
        "pending_setup_intent": None,
        "schedule": None,
        "test_clock": "test_helpers.test_clock",
    },
}
#: What is whole wherever it is shown: only what lies below it can be asked for.
_WHOLE = frozenset({("subscription", "items.data.price")})


def leads_of(kind: str) -> dict[str, str | None]:
    """What an object of the kind leads to, by the paths that lead there."""
    return _LEADS.get(kind, {})


class Reach:
    """The paths that may be asked for of an object: as far as ids lead."""

    def __init__(self, kind: str) -> None:
        self._kind = kind

    def __contains__(self, path: str) -> bool:
        leads = leads_of(self._kind)
        if path in leads:
            return (self._kind, path) not in _WHOLE
        return any(
            path.startswith(lead + ".") and path.removeprefix(lead + ".") in Reach(kind)
            for lead, kind in leads.items()
            if kind is not None
        )


ALERT = Reach("billing.alert")
CUSTOMER = Reach("customer")
GRANT = Reach("billing.credit_grant")
INVOICE = Reach("invoice")
LINE = Reach("line_item")
METER = Reach("billing.meter")
PRICE = Reach("price")
PRODUCT = Reach("product")
SUBSCRIPTION = Reach("subscription")
SUMMARY = Reach("billing.credit_balance_summary")
TRANSACTION = Reach("billing.credit_balance_transaction")


class Expansion:
    """What an object is asked to show beside what it always does; what ids lead to is put in later."""

    def __init__(self, paths: frozenset[str] = frozenset()) -> None:
        self._paths = paths

    def wants(self, field: str) -> bool:
        return field in self._paths


NOTHING = Expansion()


def expansion(asked: Sequence[str] | None, known: Reach, *, of_list: bool = False) -> Expansion:
    """The paths of an ``expand`` parameter; in a list they begin with ``data``, and lose it here."""
    if not asked:
        return NOTHING
    start = "data." if of_list else ""
    for index, path in enumerate(asked):
        param = f"expand[{index}]"
        if path.count(".") >= LEVELS_MAX:
            raise StripeError(
                f"You can expand at most {LEVELS_MAX} levels of properties; {echoed(path)} has more.",
                param=param,
            )
        if not path.startswith(start) or path.removeprefix(start) not in known:
            hint = f" Did you mean {start}{path}?" if of_list and path in known else ""
            raise StripeError(
                f"This property cannot be expanded ({echoed(path)}).{hint}", param=param
            )
    return Expansion(frozenset(path.removeprefix(start) for path in asked))
