"""The dialect against Stripe's own words: the fields of its SDK's objects, and its codes."""

from __future__ import annotations

import re
from pathlib import Path
from string import Formatter
from typing import Any, get_args

import pytest
import stripe

from drawdown.core.errors import LedgerError, every_error
from drawdown.dialects.stripe import errors, wire, wire_billing, wire_catalog
from drawdown.dialects.stripe.errors import StripeError
from drawdown.dialects.stripe.webhooks import wire as webhook_wire
from drawdown.web.errors import WebError


@pytest.mark.parametrize(
    ("shown", "reference"),
    [
        (wire.CreditGrant, stripe.billing.CreditGrant),
        (wire.CustomerObject, stripe.Customer),
        (wire_catalog.Product, stripe.Product),
        (wire_catalog.Price, stripe.Price),
        (wire_catalog.Meter, stripe.billing.Meter),
        (wire_catalog.Summary, stripe.billing.MeterEventSummary),
        (wire_catalog.MeterEvent, stripe.billing.MeterEvent),
        (wire_catalog.Adjustment, stripe.billing.MeterEventAdjustment),
        (wire_billing.Subscription, stripe.Subscription),
        (wire_billing.SubscriptionItem, stripe.SubscriptionItem),
        (wire_billing.Invoice, stripe.Invoice),
        (wire_billing.LineItem, stripe.InvoiceLineItem),
        (wire.TestClock, stripe.test_helpers.TestClock),
        (webhook_wire.WebhookEndpoint, stripe.WebhookEndpoint),
        (wire_billing.BalanceSummary, stripe.billing.CreditBalanceSummary),
        (wire_billing.Transaction, stripe.billing.CreditBalanceTransaction),
    ],
)
def test_every_field_of_the_reference_is_shown(shown: Any, reference: Any) -> None:
    expected = {name for name in reference.__annotations__ if not name.startswith("_")}
    left_out = {"OBJECT_NAME", "object", "deleted"}
    assert set(shown.__struct_fields__) == expected - left_out


@pytest.mark.parametrize("error", every_error())
def test_every_refusal_of_the_ledger_has_its_words(error: type[LedgerError]) -> None:
    assert 400 <= errors.LEDGER[error].status < 500


def test_every_refusal_of_the_web_has_its_words() -> None:
    def below(parent: type[WebError]) -> set[type[WebError]]:
        children = set(parent.__subclasses__())
        return children.union(*(below(child) for child in children))

    told = {each for each in below(WebError) if each.__module__ == "drawdown.web.errors"}
    assert told == errors.WEB.keys()
    assert StripeError not in errors.WEB, "it brings its own words"


@pytest.mark.parametrize("error", every_error())
def test_every_refusal_has_what_its_words_need(error: type[LedgerError]) -> None:
    """The words of a row are filled in from the fields that the error brings."""

    def fields(template: str) -> set[str]:
        return {name for _, name, _, _ in Formatter().parse(template) if name}

    assert fields(errors.LEDGER[error].message or "") <= fields(error.template)


def test_codes_are_stripe_s_own() -> None:
    """The SDK's type of an error's code lists every one that its users may look for."""
    union = stripe.Invoice.LastFinalizationError.__annotations__["code"]
    published = {code for part in get_args(union) for code in get_args(part)}
    rows = (row.code for table in (errors.LEDGER, errors.WEB) for row in table.values())
    sources = Path(errors.__file__).parent.glob("*.py")
    raised = {
        code for path in sources for code in re.findall(r'code="(\w+)"', path.read_text("utf-8"))
    }
    told = raised | {code for code in rows if code is not None}
    assert len(told) > 10
    assert told <= published
