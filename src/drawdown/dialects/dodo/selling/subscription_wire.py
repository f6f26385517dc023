"""What Dodo's subscriptions look like on the wire, and as the document that is kept of each."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from drawdown.core.types import Instant
from drawdown.dialects.dodo.selling.countries import Country
from drawdown.dialects.dodo.selling.product_wire import (
    Count,
    CreditMapping,
    Days,
    Link,
    MeterLink,
    Overrides,
    TimeInterval,
)
from drawdown.dialects.dodo.wire import (
    INT32_MAX,
    CurrencyText,
    IntervalText,
    MetadataGiven,
    MetadataShown,
    NothingHere,
    OverageBehavior,
    Page,
    Time,
)

CART_MAX = 5


class Status(StrEnum):
    PENDING = "pending"
    ACTIVE = "active"
    ON_HOLD = "on_hold"
    PAUSED = "paused"
    CANCELLED = "cancelled"
    FAILED = "failed"
    EXPIRED = "expired"
    PAST_DUE = "past_due"


class CancelReason(StrEnum):
    CUSTOMER = "cancelled_by_customer"
    MERCHANT = "cancelled_by_merchant"
    DUNNING = "cancelled_by_merchant_send_dunning"
    GRACE_PERIOD = "cancelled_by_merchant_grace_period_expired"
    DODO_TEAM = "dodo_team"


class CancellationFeedback(StrEnum):
    TOO_EXPENSIVE = "too_expensive"
    MISSING_FEATURES = "missing_features"
    SWITCHED_SERVICE = "switched_service"
    UNUSED = "unused"
    CUSTOMER_SERVICE = "customer_service"
    LOW_QUALITY = "low_quality"
    TOO_COMPLEX = "too_complex"
    OTHER = "other"


class ProrationMode(StrEnum):
    """How the vendor bills a change of plan. Here it says whether a new cycle begins (``FULL``)."""

    PRORATED = "prorated_immediately"
    FULL = "full_immediately"
    DIFFERENCE = "difference_immediately"
    DO_NOT_BILL = "do_not_bill"
    KEEP_CYCLE = "prorated_immediately_keep_cycle"


class OnPaymentFailure(StrEnum):
    """Whether a change of plan waits for what it costs. Nobody takes payments here: it does, unless told."""

    PREVENT_CHANGE = "prevent_change"
    APPLY_CHANGE = "apply_change"


class EffectiveAt(StrEnum):
    IMMEDIATELY = "immediately"
    NEXT_BILLING_DATE = "next_billing_date"


Quantity = Annotated[int, Meta(ge=1, le=INT32_MAX)]


class Billing(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    country: Country
    city: str | None = None
    state: str | None = None
    street: str | None = None
    zipcode: str | None = None


class WhoSubscribes(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """A customer there is, by ``customer_id``; or a new one, by ``email``."""

    customer_id: str | None = None
    email: str | None = None
    name: str | None = None
    phone_number: str | None = None


class CreditOverride(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """Another amount of one attached credit, as the vendor's checkout takes it for an item of its cart."""

    credit_entitlement_id: str
    credits_amount: str


class AddonGiven(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    addon_id: str
    quantity: int


class NotSold(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """What the vendor sells beside a product, and is not here: empty, or refused."""

    addons: list[AddonGiven] | None = None
    discount_code: str | None = None
    discount_codes: list[str] | None = None


class CreateSubscriptionRequest(NotSold, kw_only=True, forbid_unknown_fields=True):
    """What is about a checkout is taken and has no effect: there is none here.

    ``credit_entitlements`` is not the vendor's: his checkout takes it.
    """

    product_id: str
    customer: WhoSubscribes
    quantity: Quantity
    billing: Billing
    metadata: MetadataGiven | None = None
    trial_period_days: Days | None = None
    tax_id: str | None = None
    customer_business_name: str | None = None
    credit_entitlements: Annotated[list[CreditOverride], Meta(max_length=CART_MAX)] | None = None
    on_demand: dict[str, Any] | None = None
    one_time_product_cart: list[dict[str, Any]] | None = None
    allowed_payment_method_types: Annotated[list[str], Meta(max_length=100)] | None = None
    mandate_min_amount_inr_paise: int | None = None
    payment_method_id: str | None = None
    billing_currency: str | None = None
    force_3ds: bool | None = None
    payment_link: bool | None = None
    redirect_immediately: bool | None = None
    require_phone_number: bool | None = None
    return_url: str | None = None
    short_link: bool | None = None
    show_saved_payment_methods: bool | None = None


class CartRequest(Overrides, kw_only=True, forbid_unknown_fields=True):
    """What changes of one attached credit, from the next billing date on; null: it stays."""

    credit_entitlement_id: str
    credits_amount: str | None = None


class UpdateSubscriptionRequest(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """``status`` paused and active stand alone. The period can only be extended.

    What is null or left out stays; ``customer_business_name`` null is cleared.
    """

    billing: Billing | None = None
    cancel_at_next_billing_date: bool | None = None
    cancel_reason: CancelReason | None = None
    cancellation_comment: str | None = None
    cancellation_feedback: CancellationFeedback | None = None
    credit_entitlement_cart: Annotated[list[CartRequest], Meta(max_length=CART_MAX)] | None = None
    customer_business_name: str | msgspec.UnsetType | None = msgspec.UNSET
    customer_name: str | None = None
    disable_on_demand: dict[str, Any] | None = None
    metadata: MetadataGiven | None = None
    next_billing_date: str | None = None
    pause: bool | None = None
    status: Status | None = None
    subscription_period_count: Count | None = None
    subscription_period_interval: TimeInterval | None = None
    tax_id: str | None = None


class ChangePlanRequest(NotSold, kw_only=True, forbid_unknown_fields=True):
    """``cancel_older_payment_link``: in place of a change that waits for its payment.

    ``cancel_scheduled_change_plan``: in place of one that waits for the next billing date.
    """

    product_id: str
    proration_billing_mode: ProrationMode
    quantity: Quantity
    effective_at: EffectiveAt = EffectiveAt.IMMEDIATELY
    metadata: MetadataGiven | None = None
    on_payment_failure: OnPaymentFailure | None = None
    cancel_older_payment_link: bool = False
    cancel_scheduled_change_plan: bool = False
    adaptive_currency_fees_inclusive: bool | None = None
    collect_via_payment_link: bool = False
    return_url: str | None = None


class ConfirmPaymentRequest(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """``reference`` is the payment's where it was taken."""

    reference: str | None = None


class RetrieveSubscriptionQuery(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    locale: str | None = None


class ListSubscriptionsQuery(Page):
    brand_id: str | None = None
    cancel_at_next_billing_date: bool | None = None
    created_at_gte: str | None = None
    created_at_lte: str | None = None
    customer_id: str | None = None
    locale: str | None = None
    product_id: str | None = None
    status: Status | None = None


class UsageHistoryQuery(Page):
    start_date: str | None = None
    end_date: str | None = None
    meter_id: str | None = None


class CartItem(msgspec.Struct, kw_only=True, omit_defaults=True):
    """What was sold of one credit: ``terms`` as they stood then. ``precision`` is the entitlement's.

    ``since``: from when on these are the terms; None: as long as the plan's are.
    """

    terms: CreditMapping
    precision: int
    since: Instant | None = None


class Plan(msgspec.Struct, kw_only=True, omit_defaults=True):
    """What was sold: a product as it was then."""

    product_id: str
    product_name: str
    quantity: int
    currency: str
    price: int
    every: int
    interval: TimeInterval
    lasts: int
    lasts_interval: TimeInterval
    tax_inclusive: bool = False
    cart: list[CartItem] = []
    links: list[Link] = []
    meters: list[MeterLink] = []

    @property
    def amount(self) -> int:
        """What each billing cycle costs, in the currency's smallest unit."""
        return self.price * self.quantity


class Scheduled(msgspec.Struct, kw_only=True):
    """A plan that takes the place of the one that runs, at ``effective_at``."""

    id: str
    plan: Plan
    created_at: Instant
    effective_at: Instant


class PendingChange(msgspec.Struct, kw_only=True, omit_defaults=True):
    """A plan that takes the place of the one that runs once ``amount`` is paid, until ``expires_at``."""

    payment_id: str
    plan: Plan
    mode: ProrationMode
    amount: int
    created_at: Instant
    expires_at: Instant
    metadata: MetadataShown | None = None


class SubscriptionRecord(msgspec.Struct, kw_only=True, omit_defaults=True):
    """The document that is kept of a subscription; its credit is that of its schedules.

    ``started_at`` None: it waits for its first payment. ``anchor``: from which billing dates are counted.
    ``paid_to``: the end of the last cycle that was paid; None: there is nothing to pay. ``confirmed``: how
    many payments were. ``metered_since``: from when on the plan's meters charge usage; None: always.
    """

    plan: Plan
    billing: Billing
    trial_days: int = 0
    metadata: MetadataShown = {}
    started_at: Instant | None = None
    trial_ends_at: Instant | None = None
    anchor: Instant | None = None
    ends_at: Instant | None = None
    paid_to: Instant | None = None
    paused_at: Instant | None = None
    scheduled: Scheduled | None = None
    pending: PendingChange | None = None
    metered_since: Instant | None = None
    cancel_at: Instant | None = None
    cancelled_at: Instant | None = None
    cancellation_comment: str | None = None
    cancellation_feedback: CancellationFeedback | None = None
    customer_business_name: str | None = None
    tax_id: str | None = None
    confirmed: int = 0
    payments: list[str] = []


class LimitedCustomer(msgspec.Struct, kw_only=True):
    customer_id: str
    email: str
    name: str
    metadata: MetadataShown
    phone_number: str | None


class CreatedSubscription(msgspec.Struct, kw_only=True):
    subscription_id: str
    payment_id: str
    customer: LimitedCustomer
    metadata: MetadataShown
    recurring_pre_tax_amount: int
    payment_method_required: bool = False
    addons: NothingHere = []
    client_secret: str | None = None
    discount_id: str | None = None
    payment_link: str | None = None


class CreditCart(msgspec.Struct, kw_only=True):
    credit_entitlement_id: str
    credit_entitlement_name: str
    credits_amount: str
    overage_balance: str
    overage_behavior: OverageBehavior
    overage_enabled: bool
    product_id: str
    remaining_balance: str
    rollover_enabled: bool
    unit: str
    expires_after_days: int | None
    low_balance_threshold_percent: int | None
    max_rollover_count: int | None
    overage_limit: str | None
    rollover_percentage: int | None
    rollover_timeframe_count: int | None
    rollover_timeframe_interval: IntervalText | None


class MeterCreditCart(msgspec.Struct, kw_only=True):
    meter_id: str
    meter_name: str
    credit_entitlement_id: str
    meter_units_per_credit: str
    product_id: str


class ScheduledChange(msgspec.Struct, kw_only=True):
    id: str
    product_id: str
    product_name: str
    quantity: int
    created_at: Time
    effective_at: Time
    addons: NothingHere = []


class AwaitedPayment(msgspec.Struct):
    """What is waited for, and for what: not the vendor's, who takes it himself."""

    payment_id: str
    amount: int
    currency: CurrencyText
    product_id: str


class SubscriptionItem(msgspec.Struct, kw_only=True):
    """A subscription as the vendor lists it."""

    subscription_id: str
    product_id: str
    product_name: str
    quantity: int
    status: Status
    customer: LimitedCustomer
    billing: Billing
    currency: CurrencyText
    recurring_pre_tax_amount: int
    tax_inclusive: bool
    payment_frequency_count: int
    payment_frequency_interval: TimeInterval
    subscription_period_count: int
    subscription_period_interval: TimeInterval
    trial_period_days: int
    previous_billing_date: Time
    next_billing_date: Time
    cancel_at_next_billing_date: bool
    created_at: Time
    metadata: MetadataShown
    cancelled_at: Time | None
    customer_business_name: str | None
    tax_id: str | None
    scheduled_change: ScheduledChange | None
    paused_at: Time | None
    awaited_payment: AwaitedPayment | None
    has_payment_method: bool = False
    on_demand: bool = False
    discounts: NothingHere = []


class SubscriptionPage(msgspec.Struct):
    items: list[SubscriptionItem]


class MeterCart(msgspec.Struct, kw_only=True):
    """A meter of the price that was sold. What costs money is billed by nobody here."""

    meter_id: str
    name: str
    currency: CurrencyText
    free_threshold: int
    measurement_unit: str
    description: str | None
    price_per_unit: str | None


class Subscription(SubscriptionItem, kw_only=True):
    brand_id: str
    cancellation_comment: str | None
    cancellation_feedback: CancellationFeedback | None
    expires_at: Time | None
    credit_entitlement_cart: list[CreditCart]
    meter_credit_entitlement_cart: list[MeterCreditCart]
    meters: list[MeterCart]
    addons: NothingHere = []


class CreditUsageItem(msgspec.Struct, kw_only=True):
    credit_entitlement_id: str
    credit_entitlement_name: str
    unit: str
    balance: str
    overage: str
    overage_enabled: bool
    limit_reached: bool
    overage_limit: str | None
    remaining_headroom: str | None


class CreditUsage(msgspec.Struct, kw_only=True):
    subscription_id: str
    items: list[CreditUsageItem]


class ChangedPlan(msgspec.Struct, kw_only=True):
    """With a payment's id the change waits until that is confirmed, or ``expires_on``. There are no links."""

    payment_id: str | None = None
    client_secret: str | None = None
    payment_link: str | None = None
    expires_on: str | None = None


class PreviewLine(msgspec.Struct, kw_only=True):
    """What is charged for a plan, or with a price below zero returned of one."""

    id: str
    product_id: str
    name: str
    quantity: int
    unit_price: int
    proration_factor: float
    currency: CurrencyText
    tax_inclusive: bool
    description: str | None = None
    tax: int | None = None
    tax_rate: float | None = None
    type: Literal["subscription"] = "subscription"


class PreviewSummary(msgspec.Struct, kw_only=True):
    """Nothing is put into wallets here, and nothing taxed or converted."""

    currency: CurrencyText
    total_amount: int
    settlement_amount: int
    settlement_currency: CurrencyText
    customer_credits_currency: CurrencyText
    customer_credits: int = 0
    settlement_tax: int | None = None
    tax: int | None = None


class ImmediateCharge(msgspec.Struct, kw_only=True):
    effective_at: Time
    line_items: list[PreviewLine]
    summary: PreviewSummary


class PlanPreview(msgspec.Struct, kw_only=True):
    immediate_charge: ImmediateCharge
    new_plan: Subscription


class PeriodUsage(msgspec.Struct, kw_only=True):
    """A meter's usage in one billing period. What is paid in credit costs no money."""

    id: str
    name: str
    consumed_units: str
    chargeable_units: str
    currency: CurrencyText
    free_threshold: int = 0
    price_per_unit: str = "0"
    total_price: int = 0


class UsagePeriod(msgspec.Struct, kw_only=True):
    start_date: Time
    end_date: Time
    meters: list[PeriodUsage]


class UsageHistory(msgspec.Struct):
    items: list[UsagePeriod]
