"""What the endpoints of subscriptions, invoices, test clocks and balances take (``requests``)."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal

from msgspec import UNSET, Meta, UnsetType

from drawdown.dialects.stripe.parameters import Parameters
from drawdown.dialects.stripe.requests import (
    NO_ACCOUNTS,
    NO_PAYMENTS,
    NO_TAX,
    Expand,
    Scope,
    Text,
    Timestamp,
)
from drawdown.dialects.stripe.requests_catalog import Page

_NO_CONNECT = "this server has no connected accounts; leave it out."
_NO_DISCOUNTS = "this server knows no coupons; leave it out."
_NO_PRORATION = "nothing is charged for a part of a period here; leave it out."
_NO_ITEMS = "invoices have what subscriptions were used for here, and nothing else; leave it out."
_NO_PAPERS = "this server issues no documents for invoices; leave it out."
_NO_SCHEDULES = "this server has no subscription schedules; leave it out."
_METERED = "give it with trial_end."
_ONLY_ITEMS = "what is previewed is another set of items; leave it out."
_NO_THRESHOLDS = "invoices are made as periods end; leave it out."

Description = Annotated[str, Meta(max_length=500)]
Days = Annotated[int, Meta(ge=0, le=3650)]


class AskedItem(Parameters, kw_only=True):
    unsupported: ClassVar[dict[str, str]] = {
        "billing_thresholds": _NO_THRESHOLDS,
        "current_trial": _METERED,
        "discounts": _NO_DISCOUNTS,
        "plan": "name a price instead.",
        "price_data": "make the price by itself, and name it with price.",
        "tax_rates": NO_TAX,
    }

    price: Text
    quantity: Annotated[int, Meta(ge=1, le=999_999)] | None = None
    metadata: dict[str, str] | None = None


class ChangedItem(Parameters, kw_only=True):
    """``clear_usage`` has no effect where there is a meter, as at Stripe."""

    unsupported: ClassVar[dict[str, str]] = AskedItem.unsupported

    id: Text | None = None
    price: Text | None = None
    quantity: Annotated[int, Meta(ge=1, le=999_999)] | None = None
    deleted: bool = False
    clear_usage: bool = False
    metadata: dict[str, str] | UnsetType | None = UNSET


class BillingMode(Parameters, kw_only=True):
    type: Literal["classic", "flexible"]
    flexible: Any = None


class CreateSubscription(Parameters, kw_only=True):
    unsupported: ClassVar[dict[str, str]] = {
        "add_invoice_items": _NO_ITEMS,
        "application_fee_percent": _NO_CONNECT,
        "automatic_tax": NO_TAX,
        "backdate_start_date": "a subscription begins now; leave it out.",
        "billing_cycle_anchor_config": "give the instant itself with billing_cycle_anchor.",
        "billing_schedules": _NO_SCHEDULES,
        "billing_thresholds": _NO_THRESHOLDS,
        "customer_account": NO_ACCOUNTS,
        "default_payment_method": NO_PAYMENTS,
        "default_source": NO_PAYMENTS,
        "default_tax_rates": NO_TAX,
        "discounts": _NO_DISCOUNTS,
        "invoice_settings": _NO_PAPERS,
        "off_session": NO_PAYMENTS,
        "on_behalf_of": _NO_CONNECT,
        "payment_settings": NO_PAYMENTS,
        "pending_invoice_item_interval": _NO_ITEMS,
        "transfer_data": _NO_CONNECT,
        "trial_from_plan": _METERED,
        "trial_settings": NO_PAYMENTS,
    }

    customer: Text
    items: Annotated[list[AskedItem], Meta(max_length=20)]
    billing_cycle_anchor: Timestamp | None = None
    billing_mode: BillingMode | None = None
    cancel_at: Timestamp | None = None
    cancel_at_period_end: bool = False
    collection_method: Literal["charge_automatically", "send_invoice"] = "charge_automatically"
    currency: str | None = None
    days_until_due: Days | None = None
    description: Description | None = None
    metadata: dict[str, str] | None = None
    payment_behavior: (
        Literal[
            "allow_incomplete", "default_incomplete", "error_if_incomplete", "pending_if_incomplete"
        ]
        | None
    ) = None
    proration_behavior: Literal["always_invoice", "create_prorations", "none"] | None = None
    trial_end: str | None = None
    trial_period_days: Annotated[int, Meta(ge=1, le=730)] | None = None
    expand: Expand | None = None


class CancellationReasons(Parameters, kw_only=True):
    unsupported: ClassVar[dict[str, str]] = {
        "feedback_option": "this server keeps no feedback options; give feedback or a comment."
    }

    comment: Annotated[str, Meta(max_length=5000)] | UnsetType | None = UNSET
    feedback: (
        Literal[
            "customer_service", "low_quality", "missing_features", "other", "switched_service",
            "too_complex", "too_expensive", "unused",
        ]
        | UnsetType
        | None
    ) = UNSET  # fmt: skip


class PauseCollection(Parameters, kw_only=True):
    behavior: Literal["keep_as_draft", "mark_uncollectible", "void"]
    resumes_at: Timestamp | None = None


class UpdateSubscription(Parameters, kw_only=True):
    unsupported: ClassVar[dict[str, str]] = {
        **{
            name: reason
            for name, reason in CreateSubscription.unsupported.items()
            if name
            not in {"backdate_start_date", "billing_cycle_anchor_config", "customer_account"}
        },
    }

    billing_cycle_anchor: Any = UNSET
    cancel_at: Timestamp | UnsetType | None = UNSET
    cancel_at_period_end: bool | UnsetType = UNSET
    cancellation_details: CancellationReasons | None = None
    collection_method: Literal["charge_automatically", "send_invoice"] | UnsetType = UNSET
    days_until_due: Days | UnsetType = UNSET
    description: Description | UnsetType | None = UNSET
    items: Annotated[list[ChangedItem], Meta(max_length=20)] | None = None
    metadata: dict[str, str] | UnsetType | None = UNSET
    pause_collection: PauseCollection | UnsetType | None = UNSET
    payment_behavior: (
        Literal[
            "allow_incomplete", "default_incomplete", "error_if_incomplete", "pending_if_incomplete"
        ]
        | None
    ) = None
    proration_behavior: Literal["always_invoice", "create_prorations", "none"] | None = None
    proration_date: Timestamp | None = None
    trial_end: Literal["now"] | None = None
    expand: Expand | None = None


class CancelSubscription(Parameters, kw_only=True):
    cancellation_details: CancellationReasons | None = None
    invoice_now: bool = False
    prorate: bool = False
    expand: Expand | None = None


class ListSubscriptions(Page, kw_only=True):
    unsupported: ClassVar[dict[str, str]] = {
        "automatic_tax": NO_TAX,
        "customer_account": NO_ACCOUNTS,
        "plan": "name a price instead.",
    }

    collection_method: Literal["charge_automatically", "send_invoice"] | UnsetType = UNSET
    created: Any = UNSET
    current_period_end: Any = UNSET
    current_period_start: Any = UNSET
    customer: str | UnsetType = UNSET
    price: str | UnsetType = UNSET
    status: (
        Literal[
            "active", "all", "canceled", "ended", "incomplete", "incomplete_expired", "past_due",
            "paused", "trialing", "unpaid",
        ]
        | UnsetType
    ) = UNSET  # fmt: skip
    test_clock: str | UnsetType = UNSET


class ListInvoices(Page, kw_only=True):
    unsupported: ClassVar[dict[str, str]] = {
        "customer_account": NO_ACCOUNTS,
    }

    collection_method: Literal["charge_automatically", "send_invoice"] | UnsetType = UNSET
    created: Any = UNSET
    customer: str | UnsetType = UNSET
    due_date: Any = UNSET
    status: Literal["draft", "open", "paid", "uncollectible", "void"] | UnsetType = UNSET
    subscription: str | UnsetType = UNSET


class UpdateInvoice(Parameters, kw_only=True):
    unsupported: ClassVar[dict[str, str]] = {
        "account_tax_ids": NO_TAX,
        "application_fee_amount": _NO_CONNECT,
        "automatic_tax": NO_TAX,
        "automatically_finalizes_at": "a draft is final after an hour, or with auto_advance=false when told.",
        "collection_method": "change the subscription instead.",
        "custom_fields": _NO_PAPERS,
        "days_until_due": "change the subscription instead.",
        "default_payment_method": NO_PAYMENTS,
        "default_source": NO_PAYMENTS,
        "default_tax_rates": NO_TAX,
        "discounts": _NO_DISCOUNTS,
        "due_date": "change days_until_due of the subscription instead.",
        "effective_at": _NO_PAPERS,
        "footer": _NO_PAPERS,
        "issuer": _NO_CONNECT,
        "number": "numbers are given by this server; leave it out.",
        "on_behalf_of": _NO_CONNECT,
        "payment_settings": NO_PAYMENTS,
        "rendering": _NO_PAPERS,
        "shipping_cost": "this server ships nothing; leave it out.",
        "shipping_details": "this server ships nothing; leave it out.",
        "statement_descriptor": NO_PAYMENTS,
        "transfer_data": _NO_CONNECT,
    }

    auto_advance: bool | UnsetType = UNSET
    description: Annotated[str, Meta(max_length=1500)] | UnsetType | None = UNSET
    metadata: dict[str, str] | UnsetType | None = UNSET
    expand: Expand | None = None


class FinalizeInvoice(Parameters, kw_only=True):
    auto_advance: bool | None = None
    expand: Expand | None = None


class PayInvoice(Parameters, kw_only=True):
    unsupported: ClassVar[dict[str, str]] = {
        "forgive": NO_PAYMENTS,
        "mandate": NO_PAYMENTS,
        "off_session": NO_PAYMENTS,
        "payment_method": NO_PAYMENTS,
        "source": NO_PAYMENTS,
    }

    paid_out_of_band: bool = False
    expand: Expand | None = None


class PreviewedChange(Parameters, kw_only=True):
    unsupported: ClassVar[dict[str, str]] = {
        "billing_cycle_anchor": _ONLY_ITEMS,
        "billing_mode": _ONLY_ITEMS,
        "billing_schedules": _ONLY_ITEMS,
        "cancel_at": _ONLY_ITEMS,
        "cancel_at_period_end": _ONLY_ITEMS,
        "cancel_now": _ONLY_ITEMS,
        "default_tax_rates": _ONLY_ITEMS,
        "metadata": _ONLY_ITEMS,
        "pause": _ONLY_ITEMS,
        "resume_at": _ONLY_ITEMS,
        "start_date": _ONLY_ITEMS,
        "trial_end": _ONLY_ITEMS,
    }

    items: Annotated[list[ChangedItem], Meta(max_length=20)] | None = None
    proration_behavior: Literal["always_invoice", "create_prorations", "none"] | None = None
    proration_date: Timestamp | None = None


class CreatePreview(Parameters, kw_only=True):
    unsupported: ClassVar[dict[str, str]] = {
        "automatic_tax": NO_TAX,
        "customer_account": NO_ACCOUNTS,
        "customer_details": NO_TAX,
        "discounts": _NO_DISCOUNTS,
        "invoice_items": _NO_ITEMS,
        "issuer": _NO_CONNECT,
        "on_behalf_of": _NO_CONNECT,
        "schedule": _NO_SCHEDULES,
        "schedule_details": _NO_SCHEDULES,
    }

    subscription: Text | None = None
    customer: Text | None = None
    currency: str | None = None
    preview_mode: Literal["next", "recurring"] = "next"
    subscription_details: PreviewedChange | None = None
    expand: Expand | None = None


class CreateTestClock(Parameters, kw_only=True):
    frozen_time: Timestamp
    customer: str | None = None
    name: Annotated[str, Meta(max_length=300)] | None = None
    expand: Expand | None = None


class AdvanceTestClock(Parameters, kw_only=True):
    frozen_time: Timestamp
    expand: Expand | None = None


class SummaryFilter(Parameters, kw_only=True):
    type: Literal["applicability_scope", "credit_grant"]
    applicability_scope: Scope | None = None
    credit_grant: str | None = None


class RetrieveSummary(Parameters, kw_only=True):
    unsupported: ClassVar[dict[str, str]] = {"customer_account": NO_ACCOUNTS}

    customer: Text
    filter: SummaryFilter
    expand: Expand | None = None


class ListTransactions(Page, kw_only=True):
    unsupported: ClassVar[dict[str, str]] = {"customer_account": NO_ACCOUNTS}

    credit_grant: str | UnsetType = UNSET
    customer: str | UnsetType = UNSET
