"""``expand``: which ids of an answer are to be followed. A path that leads nowhere is refused.

What is always null here may be asked for, as at Stripe, and stays null; a test clock stays an id.
"""

from __future__ import annotations

from collections.abc import Sequence

from drawdown.dialects.stripe.errors import StripeError
from drawdown.web.errors import echoed

LEVELS_MAX = 4
PATHS_MAX = 20

CUSTOMER = frozenset(
    {
        "cash_balance",
        "default_source",
        "invoice_credit_balance",
        "invoice_settings.default_payment_method",
        "sources",
        "subscriptions",
        "tax",
        "tax_ids",
        "test_clock",
    }
)
PRODUCT = frozenset({"default_price", "tax_code"})
PRICE = frozenset({"currency_options", "product", "tiers"})
METER: frozenset[str] = frozenset()
SUMMARY = frozenset({"customer", *(f"customer.{path}" for path in CUSTOMER)})
INVOICE = frozenset(
    {
        "customer",
        "default_payment_method",
        "payments",
        "test_clock",
        *(f"customer.{path}" for path in CUSTOMER),
    }
)
#: Of an invoice that is read, also what paid its lines.
READ_INVOICE = INVOICE | {
    "lines.data.pretax_credit_amounts.credit_balance_transaction",
    "total_pretax_credit_amounts.credit_balance_transaction",
}
LINE = frozenset({"pretax_credit_amounts.credit_balance_transaction"})
TRANSACTION = frozenset(
    {
        "credit.credits_application_invoice_voided.invoice",
        "credit_grant",
        "debit.credits_applied.invoice",
        "test_clock",
    }
)
SUBSCRIPTION = frozenset(
    {
        "customer",
        "default_payment_method",
        "default_source",
        "latest_invoice",
        "pending_setup_intent",
        "schedule",
        "test_clock",
        *(f"latest_invoice.{path}" for path in INVOICE),
    }
)
GRANT = frozenset({"customer", "test_clock", *(f"customer.{path}" for path in CUSTOMER)})


class Expansion:
    """The paths to follow from one object."""

    def __init__(self, paths: frozenset[str] = frozenset()) -> None:
        self._paths = paths

    def wants(self, field: str) -> bool:
        """Whether ``field`` is to be followed; what lies below it needs it followed too."""
        return field in self._paths or any(path.startswith(field + ".") for path in self._paths)

    def below(self, field: str) -> Expansion:
        """What to follow from the object that ``field`` names."""
        start = field + "."
        return Expansion(
            frozenset(path.removeprefix(start) for path in self._paths if path.startswith(start))
        )


NOTHING = Expansion()


def expansion(
    asked: Sequence[str] | None, known: frozenset[str], *, of_list: bool = False
) -> Expansion:
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
