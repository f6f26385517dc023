"""What the words of an answer may be, as the OpenAPI document tells: those of Stripe's API reference."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

Monetary = Annotated[str, Meta(extra_json_schema={"enum": ["monetary"]})]
Metered = Annotated[str, Meta(extra_json_schema={"enum": ["metered"]})]
TaxExempt = Annotated[str, Meta(extra_json_schema={"enum": ["exempt", "none", "reverse"]})]
ClockStatus = Annotated[
    str, Meta(extra_json_schema={"enum": ["advancing", "internal_failure", "ready"]})
]
ProductType = Annotated[str, Meta(extra_json_schema={"enum": ["good", "service"]})]
BillingScheme = Annotated[str, Meta(extra_json_schema={"enum": ["per_unit", "tiered"]})]
TaxBehavior = Annotated[
    str, Meta(extra_json_schema={"enum": ["exclusive", "inclusive", "unspecified"]})
]
TiersMode = Annotated[str, Meta(extra_json_schema={"enum": ["graduated", "volume"]})]
PriceType = Annotated[str, Meta(extra_json_schema={"enum": ["one_time", "recurring"]})]
Interval = Annotated[str, Meta(extra_json_schema={"enum": ["day", "month", "week", "year"]})]
UsageType = Annotated[str, Meta(extra_json_schema={"enum": ["licensed", "metered"]})]
Round = Annotated[str, Meta(extra_json_schema={"enum": ["down", "up"]})]
MappingType = Annotated[str, Meta(extra_json_schema={"enum": ["by_id"]})]
Formula = Annotated[str, Meta(extra_json_schema={"enum": ["count", "last", "sum"]})]
Window = Annotated[str, Meta(extra_json_schema={"enum": ["day", "hour"]})]
MeterStatus = Annotated[str, Meta(extra_json_schema={"enum": ["active", "inactive"]})]
AdjustmentStatus = Annotated[str, Meta(extra_json_schema={"enum": ["complete", "pending"]})]
AdjustmentType = Annotated[str, Meta(extra_json_schema={"enum": ["cancel"]})]
BillingMode = Annotated[str, Meta(extra_json_schema={"enum": ["classic", "flexible"]})]
CancellationReason = Annotated[
    str,
    Meta(
        extra_json_schema={"enum": ["cancellation_requested", "payment_disputed", "payment_failed"]}
    ),
]
Feedback = Annotated[
    str,
    Meta(
        extra_json_schema={
            "enum": [
                "customer_service",
                "low_quality",
                "missing_features",
                "other",
                "switched_service",
                "too_complex",
                "too_expensive",
                "unused",
            ]
        }
    ),
]
CollectionMethod = Annotated[
    str, Meta(extra_json_schema={"enum": ["charge_automatically", "send_invoice"]})
]
PauseBehavior = Annotated[
    str, Meta(extra_json_schema={"enum": ["keep_as_draft", "mark_uncollectible", "void"]})
]
IssuerType = Annotated[str, Meta(extra_json_schema={"enum": ["account", "self"]})]
SubscriptionStatus = Annotated[
    str,
    Meta(
        extra_json_schema={
            "enum": [
                "active",
                "canceled",
                "incomplete",
                "incomplete_expired",
                "past_due",
                "paused",
                "trialing",
                "unpaid",
            ]
        }
    ),
]
InvoiceStatus = Annotated[
    str, Meta(extra_json_schema={"enum": ["draft", "open", "paid", "uncollectible", "void"]})
]
BillingReason = Annotated[
    str,
    Meta(
        extra_json_schema={
            "enum": ["subscription_create", "subscription_cycle", "subscription_update", "upcoming"]
        }
    ),
]
InvoiceParentType = Annotated[str, Meta(extra_json_schema={"enum": ["subscription_details"]})]
LineParentType = Annotated[str, Meta(extra_json_schema={"enum": ["subscription_item_details"]})]
PricingType = Annotated[str, Meta(extra_json_schema={"enum": ["price_details"]})]
PretaxType = Annotated[
    str, Meta(extra_json_schema={"enum": ["credit_balance_transaction", "discount"]})
]
CreditType = Annotated[
    str,
    Meta(extra_json_schema={"enum": ["credits_application_invoice_voided", "credits_granted"]}),
]
DebitType = Annotated[
    str,
    Meta(extra_json_schema={"enum": ["credits_applied", "credits_expired", "credits_voided"]}),
]
TransactionType = Annotated[str, Meta(extra_json_schema={"enum": ["credit", "debit"]})]
AlertFilter = Annotated[str, Meta(extra_json_schema={"enum": ["customer"]})]
Recurrence = Annotated[str, Meta(extra_json_schema={"enum": ["one_time"]})]
AlertType = Annotated[
    str, Meta(extra_json_schema={"enum": ["credit_balance_threshold", "usage_threshold"]})
]
AlertStatus = Annotated[str, Meta(extra_json_schema={"enum": ["active", "archived", "inactive"]})]
EndpointStatus = Annotated[str, Meta(extra_json_schema={"enum": ["disabled", "enabled"]})]
