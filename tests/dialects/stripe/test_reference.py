"""The dialect against Stripe's own words: the types of its SDK's parameters and objects, and its codes."""

from __future__ import annotations

import re
from pathlib import Path
from string import Formatter
from typing import Any, get_args

import pytest
import stripe
from stripe import params
from stripe.params import billing, test_helpers

from drawdown.core.errors import LedgerError, every_error
from drawdown.dialects.stripe import alerts, errors, requests, wire, wire_billing, wire_catalog
from drawdown.dialects.stripe import requests_billing as billed
from drawdown.dialects.stripe import requests_catalog as catalog
from drawdown.dialects.stripe.errors import StripeError
from drawdown.dialects.stripe.parameters import Parameters
from drawdown.dialects.stripe.webhooks import requests as webhook_requests
from drawdown.dialects.stripe.webhooks import wire as webhook_wire
from drawdown.web.errors import WebError

#: Options of the SDK itself, which it does not send.
OPTIONS = set(stripe.RequestOptions.__annotations__)
#: Not in the reference, and taken: the operator's own id.
#: And of the vendor's preview, what is on credit.
UNDOCUMENTED: dict[type[Parameters], set[str]] = {
    requests.CreateCustomer: {"id"},
    alerts.CreateAlert: {"credit_balance_threshold", "spend_threshold"},
    alerts.ListAlerts: {"customer"},
}

RECORDS: list[tuple[type[Parameters], Any]] = [
    (requests.CreateGrant, billing.CreditGrantCreateParams),
    (requests.Amount, billing.CreditGrantCreateParamsAmount),
    (requests.Monetary, billing.CreditGrantCreateParamsAmountMonetary),
    (requests.ApplicabilityConfig, billing.CreditGrantCreateParamsApplicabilityConfig),
    (requests.Scope, billing.CreditGrantCreateParamsApplicabilityConfigScope),
    (requests.ScopePrice, billing.CreditGrantCreateParamsApplicabilityConfigScopePrice),
    (requests.UpdateGrant, billing.CreditGrantUpdateParams),
    (requests.OneGrant, billing.CreditGrantRetrieveParams),
    (requests.OneGrant, billing.CreditGrantExpireParams),
    (requests.OneGrant, billing.CreditGrantVoidGrantParams),
    (requests.ListGrants, billing.CreditGrantListParams),
    (requests.CreateCustomer, params.CustomerCreateParams),
    (requests.Address, params.CustomerCreateParamsAddress),
    (requests.Shipping, params.CustomerCreateParamsShipping),
    (requests.Address, params.CustomerCreateParamsShippingAddress),
    (requests.InvoiceSettings, params.CustomerCreateParamsInvoiceSettings),
    (requests.CustomField, params.CustomerCreateParamsInvoiceSettingsCustomField),
    (requests.RenderingOptions, params.CustomerCreateParamsInvoiceSettingsRenderingOptions),
    (requests.RetrieveCustomer, params.CustomerRetrieveParams),
    (requests.UpdateCustomer, params.CustomerUpdateParams),
    (requests.ListCustomers, params.CustomerListParams),
    (requests.DeleteCustomer, params.CustomerDeleteParams),
    (requests.SearchCustomers, params.CustomerSearchParams),
    (catalog.CreateProduct, params.ProductCreateParams),
    (catalog.UpdateProduct, params.ProductUpdateParams),
    (catalog.ListProducts, params.ProductListParams),
    (catalog.Nothing, params.ProductDeleteParams),
    (catalog.One, params.ProductRetrieveParams),
    (catalog.CreatePrice, params.PriceCreateParams),
    (catalog.Recurring, params.PriceCreateParamsRecurring),
    (catalog.Tier, params.PriceCreateParamsTier),
    (catalog.TransformQuantity, params.PriceCreateParamsTransformQuantity),
    (catalog.PriceProduct, params.PriceCreateParamsProductData),
    (catalog.UpdatePrice, params.PriceUpdateParams),
    (catalog.ListPrices, params.PriceListParams),
    (catalog.RecurringFilter, params.PriceListParamsRecurring),
    (catalog.CreateMeter, billing.MeterCreateParams),
    (catalog.UpdateMeter, billing.MeterUpdateParams),
    (catalog.ListMeters, billing.MeterListParams),
    (catalog.ListSummaries, billing.MeterEventSummaryListParams),
    (catalog.CreateMeterEvent, billing.MeterEventCreateParams),
    (catalog.CreateAdjustment, billing.MeterEventAdjustmentCreateParams),
    (catalog.Cancel, billing.MeterEventAdjustmentCreateParamsCancel),
    (billed.CreateSubscription, params.SubscriptionCreateParams),
    (billed.AskedItem, params.SubscriptionCreateParamsItem),
    (billed.UpdateSubscription, params.SubscriptionUpdateParams),
    (billed.CancelSubscription, params.SubscriptionCancelParams),
    (billed.ListSubscriptions, params.SubscriptionListParams),
    (billed.ListInvoices, params.InvoiceListParams),
    (billed.UpdateInvoice, params.InvoiceUpdateParams),
    (billed.FinalizeInvoice, params.InvoiceFinalizeInvoiceParams),
    (billed.PayInvoice, params.InvoicePayParams),
    (billed.CreatePreview, params.InvoiceCreatePreviewParams),
    (catalog.Page, params.InvoiceLineItemListParams),
    (billed.CreateTestClock, test_helpers.TestClockCreateParams),
    (billed.AdvanceTestClock, test_helpers.TestClockAdvanceParams),
    (catalog.Page, test_helpers.TestClockListParams),
    (webhook_requests.CreateEndpoint, params.WebhookEndpointCreateParams),
    (webhook_requests.UpdateEndpoint, params.WebhookEndpointUpdateParams),
    (webhook_requests.ListEvents, params.EventListParams),
    (catalog.Page, params.WebhookEndpointListParams),
    (alerts.CreateAlert, billing.AlertCreateParams),
    (alerts.ListAlerts, billing.AlertListParams),
    (billed.RetrieveSummary, billing.CreditBalanceSummaryRetrieveParams),
    (billed.SummaryFilter, billing.CreditBalanceSummaryRetrieveParamsFilter),
    (billed.ListTransactions, billing.CreditBalanceTransactionListParams),
]


@pytest.mark.parametrize(("record", "reference"), RECORDS)
def test_every_parameter_of_the_reference_is_known(
    record: type[Parameters], reference: Any
) -> None:
    """Each is taken, or refused with a reason of its own; none is called unknown."""
    known = set(record.__struct_fields__) | record.unsupported.keys()
    assert known == set(reference.__annotations__) - OPTIONS | UNDOCUMENTED.get(record, set())


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
        (wire_billing.TestClock, stripe.test_helpers.TestClock),
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
