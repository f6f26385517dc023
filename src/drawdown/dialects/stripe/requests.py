"""What each endpoint takes: the parameters of Stripe's API reference, version 2026-10-28.

Lengths are those that Stripe's OpenAPI document gives. ``unsupported`` names what is known there and
cannot be honoured here.
"""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal

from msgspec import UNSET, Meta, UnsetType

from drawdown.core.times import INSTANT_MAX
from drawdown.core.types import MICROSECONDS, PRIORITY_MAX, Category
from drawdown.dialects.stripe.expansion import PATHS_MAX
from drawdown.dialects.stripe.parameters import Parameters

PAGE_DEFAULT = 10
PAGE_MAX = 100
PRICES_MAX = 20

Timestamp = Annotated[int, Meta(ge=0, le=INSTANT_MAX // MICROSECONDS)]
Expand = Annotated[list[str], Meta(max_length=PATHS_MAX)]
Text = Annotated[str, Meta(max_length=5000)]
LongName = Annotated[str, Meta(max_length=150)]
Phone = Annotated[str, Meta(max_length=20)]

NO_PAYMENTS = "this server takes no payments; leave it out."
NO_TAX = "this server computes no tax; leave it out."
NO_ACCOUNTS = "this server has no accounts that stand for customers; name a customer instead."


class Monetary(Parameters, kw_only=True):
    currency: str
    value: int


class Amount(Parameters, kw_only=True):
    monetary: Monetary
    type: Literal["monetary"]


class ScopePrice(Parameters, kw_only=True):
    id: str


class Scope(Parameters, kw_only=True):
    price_type: Literal["metered"] | UnsetType = UNSET
    prices: Annotated[list[ScopePrice], Meta(max_length=PRICES_MAX)] | UnsetType = UNSET


class ApplicabilityConfig(Parameters, kw_only=True):
    scope: Scope


class CreateGrant(Parameters, kw_only=True):
    unsupported: ClassVar[dict[str, str]] = {"customer_account": NO_ACCOUNTS}

    amount: Amount
    applicability_config: ApplicabilityConfig
    customer: Text
    category: Category = Category.PAID
    effective_at: Timestamp | UnsetType = UNSET
    expires_at: Timestamp | None = None
    name: Annotated[str, Meta(max_length=100)] | None = None
    priority: Annotated[int, Meta(ge=0, le=PRIORITY_MAX)] | UnsetType = UNSET
    metadata: dict[str, str] | None = None
    expand: Expand | None = None


class UpdateGrant(Parameters, kw_only=True):
    """``expires_at`` None: never. ``metadata`` None: delete all of it; an empty value: that key."""

    expires_at: Timestamp | UnsetType | None = UNSET
    metadata: dict[str, str] | UnsetType | None = UNSET
    expand: Expand | None = None


class OneGrant(Parameters, kw_only=True):
    """For retrieve, expire and void."""

    expand: Expand | None = None


class ListGrants(Parameters, kw_only=True):
    unsupported: ClassVar[dict[str, str]] = {"customer_account": NO_ACCOUNTS}

    customer: str | UnsetType = UNSET
    ending_before: str | UnsetType = UNSET
    limit: Annotated[int, Meta(ge=1, le=PAGE_MAX)] = PAGE_DEFAULT
    starting_after: str | UnsetType = UNSET
    expand: Expand | None = None


class Address(Parameters, kw_only=True):
    city: Text | None = None
    country: Text | None = None
    line1: Text | None = None
    line2: Text | None = None
    postal_code: Text | None = None
    state: Text | None = None


class Shipping(Parameters, kw_only=True):
    address: Address
    name: Text
    phone: Phone | None = None


class CustomField(Parameters, kw_only=True):
    name: Annotated[str, Meta(max_length=40)]
    value: Annotated[str, Meta(max_length=140)]


class RenderingOptions(Parameters, kw_only=True):
    unsupported: ClassVar[dict[str, str]] = {"template": "this server has no invoice templates."}

    amount_tax_display: Literal["exclude_tax", "include_inclusive_tax"] | None = None


class InvoiceSettings(Parameters, kw_only=True):
    unsupported: ClassVar[dict[str, str]] = {"default_payment_method": NO_PAYMENTS}

    custom_fields: Annotated[list[CustomField], Meta(max_length=4)] | None = None
    footer: Text | None = None
    rendering_options: RenderingOptions | None = None


class CustomerDetails(Parameters, kw_only=True):
    """What Stripe keeps of a customer and the ledger does not: kept beside it, and shown."""

    address: Address | None = None
    business_name: LongName | None = None
    description: Text | None = None
    individual_name: LongName | None = None
    invoice_prefix: Annotated[str, Meta(pattern="[A-Z0-9]{1,12}")] | None = None
    invoice_settings: InvoiceSettings | None = None
    next_invoice_sequence: Annotated[int, Meta(ge=1, le=2**31 - 1)] | None = None
    phone: Phone | None = None
    preferred_locales: Annotated[list[Text], Meta(max_length=100)] | None = None
    shipping: Shipping | None = None
    tax_exempt: Literal["none", "exempt", "reverse"] | None = None


class CreateCustomer(CustomerDetails, kw_only=True):
    """``id`` is not documented, and accepted: the operator's own name for the customer."""

    unsupported: ClassVar[dict[str, str]] = {
        "balance": "this server issues no invoices, so nothing would use it; make a credit grant.",
        "cash_balance": "this server holds no cash; leave it out.",
        "payment_method": NO_PAYMENTS,
        "source": NO_PAYMENTS,
        "tax": NO_TAX,
        "tax_id_data": NO_TAX,
        "validate": NO_PAYMENTS,
    }

    id: Text | None = None
    test_clock: Text | None = None
    name: Annotated[str, Meta(max_length=256)] | None = None
    email: Annotated[str, Meta(max_length=512)] | None = None
    metadata: dict[str, str] | None = None
    expand: Expand | None = None


class UpdateCustomer(Parameters, kw_only=True):
    """What is left out stays as it was; an empty value unsets it."""

    unsupported: ClassVar[dict[str, str]] = {
        **{
            name: reason
            for name, reason in CreateCustomer.unsupported.items()
            if name not in {"payment_method", "tax_id_data"}
        },
        "default_source": NO_PAYMENTS,
    }

    address: Address | UnsetType | None = UNSET
    business_name: LongName | UnsetType | None = UNSET
    description: Text | UnsetType | None = UNSET
    email: Annotated[str, Meta(max_length=512)] | UnsetType | None = UNSET
    individual_name: LongName | UnsetType | None = UNSET
    invoice_prefix: Annotated[str, Meta(pattern="[A-Z0-9]{1,12}")] | UnsetType | None = UNSET
    invoice_settings: InvoiceSettings | UnsetType | None = UNSET
    metadata: dict[str, str] | UnsetType | None = UNSET
    name: Annotated[str, Meta(max_length=256)] | UnsetType | None = UNSET
    next_invoice_sequence: Annotated[int, Meta(ge=1, le=2**31 - 1)] | UnsetType | None = UNSET
    phone: Phone | UnsetType | None = UNSET
    preferred_locales: Annotated[list[Text], Meta(max_length=100)] | UnsetType | None = UNSET
    shipping: Shipping | UnsetType | None = UNSET
    tax_exempt: Literal["none", "exempt", "reverse"] | UnsetType | None = UNSET
    expand: Expand | None = None


class ListCustomers(Parameters, kw_only=True):
    created: Any = UNSET
    email: str | UnsetType = UNSET
    ending_before: str | UnsetType = UNSET
    limit: Annotated[int, Meta(ge=1, le=PAGE_MAX)] = PAGE_DEFAULT
    starting_after: str | UnsetType = UNSET
    test_clock: str | UnsetType = UNSET
    expand: Expand | None = None


class SearchCustomers(Parameters, kw_only=True):
    query: Text
    limit: Annotated[int, Meta(ge=1, le=PAGE_MAX)] = PAGE_DEFAULT
    page: str | None = None
    expand: Expand | None = None


class DeleteCustomer(Parameters, kw_only=True):
    """No parameters at all."""


class RetrieveCustomer(Parameters, kw_only=True):
    expand: Expand | None = None
