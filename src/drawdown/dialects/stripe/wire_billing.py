"""Subscriptions, invoices, test clocks and balances, as Stripe's API reference (2026-10-28) has them.

What this server has no part in (payment, tax, discounts) is null, empty or left out, always.
"""

from __future__ import annotations

import msgspec
from msgspec import UNSET, UnsetType

from drawdown.dialects.stripe import words
from drawdown.dialects.stripe.requests import Address, Shipping
from drawdown.dialects.stripe.wire import (
    CreditGrant,
    CustomerObject,
    GrantAmount,
    List,
    NothingHere,
    TestClock,
)
from drawdown.dialects.stripe.wire_catalog import Plan, Price

SUBSCRIPTIONS_URL = "/v1/subscriptions"
INVOICES_URL = "/v1/invoices"
CLOCKS_URL = "/v1/test_helpers/test_clocks"
SUMMARY_URL = "/v1/billing/credit_balance_summary"
TRANSACTIONS_URL = "/v1/billing/credit_balance_transactions"


class TestClockList(List, tag_field="object", tag="list", kw_only=True):
    data: list[TestClock]


class AutomaticTax(msgspec.Struct, kw_only=True, frozen=True):
    enabled: bool = False
    liability: None = None
    disabled_reason: None = None


class InvoiceTax(AutomaticTax, kw_only=True, frozen=True):
    provider: None = None
    status: None = None


class Issuer(msgspec.Struct, frozen=True):
    type: words.IssuerType = "self"


class SubscriptionInvoiceSettings(msgspec.Struct, kw_only=True, frozen=True):
    account_tax_ids: None = None
    custom_fields: None = None
    description: None = None
    footer: None = None
    issuer: Issuer = Issuer()


class PaymentSettings(msgspec.Struct, kw_only=True, frozen=True):
    payment_method_options: None = None
    payment_method_types: None = None
    save_default_payment_method: None = None


class InvoicePayment(msgspec.Struct, kw_only=True, frozen=True):
    default_mandate: None = None
    payment_method_options: None = None
    payment_method_types: None = None


class BillingModeShown(msgspec.Struct, kw_only=True):
    type: words.BillingMode
    flexible: None = None


class CancellationDetails(msgspec.Struct, kw_only=True):
    comment: str | None = None
    feedback: words.Feedback | None = None
    feedback_option: None = None
    reason: words.CancellationReason | None = None


class PausedCollection(msgspec.Struct, kw_only=True):
    behavior: words.PauseBehavior
    resumes_at: int | None


class SubscriptionItem(msgspec.Struct, tag_field="object", tag="subscription_item", kw_only=True):
    id: str
    billed_until: UnsetType | None = UNSET
    billing_thresholds: None = None
    created: int
    current_period_end: int
    current_period_start: int
    current_trial: None = None
    discounts: NothingHere = []
    metadata: dict[str, str]
    plan: Plan
    price: Price
    quantity: int | UnsetType = UNSET
    subscription: str
    tax_rates: NothingHere = []


class SubscriptionItems(List, tag_field="object", tag="list", kw_only=True):
    data: list[SubscriptionItem]


class Subscription(msgspec.Struct, tag_field="object", tag="subscription", kw_only=True):
    id: str
    application: None = None
    application_fee_percent: None = None
    automatic_tax: AutomaticTax = AutomaticTax()
    billing_cycle_anchor: int
    billing_cycle_anchor_config: None = None
    billing_mode: BillingModeShown
    billing_schedules: NothingHere = []
    billing_thresholds: None = None
    cancel_at: int | None
    cancel_at_period_end: bool
    canceled_at: int | None
    cancellation_details: CancellationDetails
    collection_method: words.CollectionMethod
    created: int
    currency: str
    customer: str | CustomerObject
    customer_account: None = None
    days_until_due: int | None
    default_payment_method: None = None
    default_source: None = None
    default_tax_rates: NothingHere = []
    description: str | None
    discounts: NothingHere = []
    ended_at: int | None
    invoice_settings: SubscriptionInvoiceSettings = SubscriptionInvoiceSettings()
    items: SubscriptionItems
    latest_invoice: str | Invoice | None
    livemode: bool
    managed_payments: None = None
    metadata: dict[str, str]
    next_pending_invoice_item_invoice: None = None
    on_behalf_of: None = None
    pause_collection: PausedCollection | None
    payment_settings: PaymentSettings = PaymentSettings()
    pending_invoice_item_interval: None = None
    pending_setup_intent: None = None
    pending_update: None = None
    presentment_details: UnsetType | None = UNSET
    schedule: None = None
    start_date: int
    status: words.SubscriptionStatus
    status_details: UnsetType | None = UNSET
    test_clock: str | TestClock | None
    transfer_data: None = None
    trial_end: int | None
    trial_settings: None = None
    trial_start: int | None


class SubscriptionList(List, tag_field="object", tag="list", kw_only=True):
    data: list[Subscription]


class CreditApplied(msgspec.Struct, kw_only=True):
    """Of a draft nothing is booked yet: there is no transaction to name."""

    amount: int
    credit_balance_transaction: str | Transaction | None
    type: words.PretaxType = "credit_balance_transaction"


class ProrationDetails(msgspec.Struct, frozen=True):
    credited_items: None = None


class LineItemDetails(msgspec.Struct, kw_only=True):
    invoice_item: None = None
    proration: bool = False
    proration_details: ProrationDetails = ProrationDetails()
    subscription: str
    subscription_item: str


class LineParent(msgspec.Struct, kw_only=True):
    type: words.LineParentType = "subscription_item_details"
    invoice_item_details: None = None
    subscription_item_details: LineItemDetails


class LinePeriod(msgspec.Struct):
    start: int
    end: int


class PriceDetails(msgspec.Struct):
    price: str | Price
    product: str


class LinePricing(msgspec.Struct, kw_only=True):
    type: words.PricingType = "price_details"
    price_details: PriceDetails
    unit_amount_decimal: str | None


class LineItem(msgspec.Struct, tag_field="object", tag="line_item", kw_only=True):
    id: str
    amount: int
    currency: str
    description: str | None
    discount_amounts: NothingHere = []
    discountable: bool = True
    discounts: NothingHere = []
    invoice: str
    livemode: bool
    metadata: dict[str, str]
    parent: LineParent
    period: LinePeriod
    pretax_credit_amounts: list[CreditApplied]
    pricing: LinePricing
    quantity: int
    quantity_decimal: str
    subscription: str | Subscription
    subtotal: int
    taxes: NothingHere = []


class LineItemList(List, tag_field="object", tag="list", kw_only=True):
    data: list[LineItem]


class InvoiceSubscription(msgspec.Struct, kw_only=True):
    metadata: dict[str, str]
    subscription: str | Subscription


class InvoiceParent(msgspec.Struct, kw_only=True):
    type: words.InvoiceParentType = "subscription_details"
    quote_details: None = None
    subscription_details: InvoiceSubscription


class StatusTransitions(msgspec.Struct, kw_only=True):
    finalized_at: int | None
    marked_uncollectible_at: int | None
    paid_at: int | None
    voided_at: int | None


class Invoice(msgspec.Struct, tag_field="object", tag="invoice", kw_only=True):
    id: str
    account_country: None = None
    account_name: None = None
    account_tax_ids: None = None
    amount_due: int
    amount_overpaid: int = 0
    amount_paid: int
    amount_paid_off_stripe: int | UnsetType
    amount_remaining: int
    amount_shipping: int = 0
    application: None = None
    attempt_count: int = 0
    attempted: bool
    auto_advance: bool
    automatic_tax: InvoiceTax = InvoiceTax()
    automatically_finalizes_at: int | None
    billing_reason: words.BillingReason
    collection_method: words.CollectionMethod
    confirmation_secret: None = None
    created: int
    currency: str
    custom_fields: None = None
    customer: str | CustomerObject
    customer_account: None = None
    customer_address: Address | None
    customer_email: str | None
    customer_name: str | None
    customer_phone: str | None
    customer_shipping: Shipping | None
    customer_tax_exempt: words.TaxExempt
    customer_tax_ids: NothingHere = []
    default_payment_method: None = None
    default_source: None = None
    default_tax_rates: NothingHere = []
    description: str | None
    discounts: NothingHere = []
    due_date: int | None
    effective_at: int | None
    ending_balance: int | None
    footer: None = None
    from_invoice: None = None
    hosted_invoice_url: None = None
    invoice_pdf: None = None
    issuer: Issuer = Issuer()
    last_finalization_error: None = None
    latest_revision: None = None
    lines: LineItemList
    livemode: bool
    metadata: dict[str, str]
    next_payment_attempt: None = None
    number: str | None
    on_behalf_of: None = None
    parent: InvoiceParent
    payment_settings: InvoicePayment = InvoicePayment()
    payments: UnsetType | None = UNSET
    period_end: int
    period_start: int
    post_payment_credit_notes_amount: int = 0
    pre_payment_credit_notes_amount: int = 0
    receipt_number: None = None
    rendering: None = None
    shipping_cost: None = None
    shipping_details: None = None
    starting_balance: int = 0
    statement_descriptor: None = None
    status: words.InvoiceStatus
    status_details: UnsetType | None = UNSET
    status_transitions: StatusTransitions
    subtotal: int
    subtotal_excluding_tax: int
    test_clock: str | TestClock | None
    threshold_reason: UnsetType | None = UNSET
    total: int
    total_discount_amounts: NothingHere = []
    total_excluding_tax: int
    total_pretax_credit_amounts: list[CreditApplied]
    total_taxes: NothingHere = []
    webhooks_delivered_at: None = None


class InvoiceList(List, tag_field="object", tag="list", kw_only=True):
    data: list[Invoice]


class Balance(msgspec.Struct, kw_only=True):
    available_balance: GrantAmount
    ledger_balance: GrantAmount


class BalanceSummary(
    msgspec.Struct, tag_field="object", tag="billing.credit_balance_summary", kw_only=True
):
    balances: list[Balance]
    customer: str | CustomerObject
    customer_account: None = None
    livemode: bool


class OfInvoice(msgspec.Struct):
    invoice: str | Invoice
    invoice_line_item: str


class Credit(msgspec.Struct, kw_only=True):
    amount: GrantAmount
    credits_application_invoice_voided: OfInvoice | None = None
    type: words.CreditType


class Debit(msgspec.Struct, kw_only=True):
    amount: GrantAmount
    credits_applied: OfInvoice | None = None
    type: words.DebitType


class Transaction(
    msgspec.Struct, tag_field="object", tag="billing.credit_balance_transaction", kw_only=True
):
    id: str
    created: int
    credit: Credit | None
    credit_grant: str | CreditGrant
    debit: Debit | None
    effective_at: int
    livemode: bool
    test_clock: str | TestClock | None
    type: words.TransactionType


class TransactionList(List, tag_field="object", tag="list", kw_only=True):
    data: list[Transaction]
