"""What Dodo's products look like on the wire, and as the document that is kept of each."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from drawdown.core.schedules.calendar import EVERY_MAX
from drawdown.dialects.dodo.wire import (
    Bits32,
    Bits64,
    CurrencyText,
    IntervalText,
    MetadataGiven,
    MetadataShown,
    NothingHere,
    OverageBehavior,
    Page,
    Percentage,
    Time,
)

#: The vendor's limits on one product.
ATTACHMENTS_MAX = 5
METERS_MAX = 20
DAYS_MAX = 36_500

Count = Annotated[int, Meta(ge=1, le=EVERY_MAX)]
Days = Annotated[int, Meta(ge=0, le=DAYS_MAX)]
BasisPoints = Annotated[int, Meta(ge=0, le=10_000)]


class TaxCategory(StrEnum):
    DIGITAL_PRODUCTS = "digital_products"
    SAAS = "saas"
    E_BOOK = "e_book"
    EDTECH = "edtech"
    LIVE_TUTORING = "live_tutoring"


class TimeInterval(StrEnum):
    """In any case: the vendor's prose writes lower case."""

    DAY = "Day"
    WEEK = "Week"
    MONTH = "Month"
    YEAR = "Year"

    @classmethod
    def _missing_(cls, value: object) -> TimeInterval | None:
        return next((each for each in cls if each.lower() == str(value).lower()), None)


class Proration(StrEnum):
    """Whether the first credit after a change of plan is for what is left of the cycle, or whole."""

    PRORATE = "prorate"
    NO_PRORATE = "no_prorate"


class MeterLink(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """With ``credit_entitlement_id`` a meter's usage is paid in credit, else in money: not here."""

    meter_id: str
    credit_entitlement_id: str | None = None
    meter_units_per_credit: str | None = None
    free_threshold: Bits64 | None = None
    price_per_unit: str | None = None
    name: str | None = None
    description: str | None = None
    measurement_unit: str | None = None


class _Price(msgspec.Struct, kw_only=True, forbid_unknown_fields=True, tag_field="type"):
    currency: CurrencyText
    discount: Percentage | None = None
    discount_bps: BasisPoints | None = None
    purchasing_power_parity: bool = False
    tax_inclusive: bool | None = None


class OneTimePrice(_Price, kw_only=True, tag="one_time_price"):
    price: Bits32
    pay_what_you_want: bool = False
    suggested_price: Bits32 | None = None


class _PeriodicPrice(_Price, kw_only=True):
    payment_frequency_count: Count
    payment_frequency_interval: TimeInterval
    subscription_period_count: Count
    subscription_period_interval: TimeInterval


class RecurringPrice(_PeriodicPrice, kw_only=True, tag="recurring_price"):
    price: Bits32
    trial_period_days: Days = 0
    trial_amount: Bits32 | None = None
    trial_apply_discounts: bool = False
    trial_payment_method_optional: bool = False
    zero_amount_payment_method_optional: bool = False


class UsageBasedPrice(_PeriodicPrice, kw_only=True, tag="usage_based_price"):
    fixed_price: Bits32
    meters: Annotated[list[MeterLink], Meta(max_length=METERS_MAX)] | None = None


Price = OneTimePrice | RecurringPrice | UsageBasedPrice


class Overrides(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """What stands in place of an entitlement's own settings; null: they stand."""

    expires_after_days: Annotated[int, Meta(ge=1, le=DAYS_MAX)] | None = None
    low_balance_threshold_percent: Percentage | None = None
    max_rollover_count: Bits32 | None = None
    overage_enabled: bool | None = None
    overage_limit: str | None = None
    rollover_enabled: bool | None = None
    rollover_percentage: Percentage | None = None
    rollover_timeframe_count: Count | None = None
    rollover_timeframe_interval: TimeInterval | None = None


class AttachRequest(Overrides, kw_only=True, forbid_unknown_fields=True):
    """Credit of an entitlement with every billing cycle of a product."""

    credit_entitlement_id: str
    credits_amount: str
    currency: CurrencyText | None = None
    overage_behavior: OverageBehavior | None = None
    price_per_unit: str | None = None
    proration_behavior: Proration = Proration.NO_PRORATE
    trial_credits: str | None = None
    trial_credits_expire_after_trial: bool = False


Attachments = Annotated[list[AttachRequest], Meta(max_length=ATTACHMENTS_MAX)]


class NotSold(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """What the vendor sells with a product, and is not here: empty, or refused."""

    addons: list[str] | None = None
    digital_product_delivery: dict[str, Any] | None = None
    entitlements: list[dict[str, Any]] | None = None
    image_id: str | None = None
    license_key_activation_message: str | None = None
    license_key_activations_limit: int | None = None
    license_key_duration: dict[str, Any] | None = None
    license_key_enabled: bool | None = None
    pricing_mode: str | None = None


class CreateProductRequest(NotSold, kw_only=True, forbid_unknown_fields=True):
    name: str
    price: Price
    tax_category: TaxCategory
    brand_id: str | None = None
    credit_entitlements: Attachments | None = None
    description: str | None = None
    metadata: MetadataGiven | None = None


class UpdateProductRequest(NotSold, kw_only=True, forbid_unknown_fields=True):
    """What is null stays as it is. Subscriptions that run keep what they were sold."""

    name: str | None = None
    price: Price | None = None
    tax_category: TaxCategory | None = None
    brand_id: str | None = None
    credit_entitlements: Attachments | None = None
    description: str | None = None
    metadata: MetadataGiven | None = None


class RetrieveProductQuery(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    locale: str | None = None


class ListProductsQuery(Page):
    archived: bool = False
    recurring: bool | None = None
    brand_id: str | None = None
    locale: str | None = None


class Attached(msgspec.Struct, kw_only=True, omit_defaults=True):
    """An attachment as it is kept. ``id`` is the vendor's id of the mapping, a UUID."""

    id: str
    entitlement: str
    terms: AttachRequest


class Link(msgspec.Struct, kw_only=True):
    """A meter paid in credit, and the rate by which it is."""

    meter: str
    entitlement: str
    rate: str
    units_per_credit: str


class ProductRecord(msgspec.Struct, kw_only=True, omit_defaults=True):
    """The document that is kept of a product. Ids are spelled."""

    name: str
    price: Price
    tax_category: TaxCategory
    description: str | None = None
    metadata: MetadataShown = {}
    attachments: list[Attached] = []
    links: list[Link] = []
    archived: bool = False


class CreditMapping(msgspec.Struct, kw_only=True):
    """An attachment as it is shown: with what stands, wherever it was said."""

    id: str
    credit_entitlement_id: str
    credit_entitlement_name: str
    credit_entitlement_unit: str
    credits_amount: str
    overage_behavior: OverageBehavior
    overage_enabled: bool
    proration_behavior: Proration
    rollover_enabled: bool
    trial_credits_expire_after_trial: bool
    currency: CurrencyText | None
    expires_after_days: int | None
    low_balance_threshold_percent: int | None
    max_rollover_count: int | None
    overage_limit: str | None
    price_per_unit: str | None
    rollover_percentage: int | None
    rollover_timeframe_count: int | None
    rollover_timeframe_interval: IntervalText | None
    trial_credits: str | None


class Product(msgspec.Struct, kw_only=True):
    product_id: str
    business_id: str
    brand_id: str
    name: str
    description: str | None
    price: Price
    tax_category: TaxCategory
    is_recurring: bool
    credit_entitlements: list[CreditMapping]
    metadata: MetadataShown
    created_at: Time
    updated_at: Time
    license_key_enabled: bool = False
    entitlements: NothingHere = []


class ProductItem(msgspec.Struct, kw_only=True):
    """A product as the vendor lists it: ``price`` is its amount, ``price_detail`` the whole of it."""

    product_id: str
    business_id: str
    name: str
    description: str | None
    currency: CurrencyText
    price: int
    price_detail: Price
    tax_category: TaxCategory
    tax_inclusive: bool | None
    is_recurring: bool
    metadata: MetadataShown
    created_at: Time
    updated_at: Time
    entitlements: NothingHere = []


class ProductPage(msgspec.Struct):
    items: list[ProductItem]
