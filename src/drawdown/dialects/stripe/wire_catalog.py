"""Products, prices, meters and what is counted, as Stripe's API reference (2026-10-28) has them."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from msgspec import UNSET, Meta, UnsetType

from drawdown.dialects.stripe import words
from drawdown.dialects.stripe.wire import List

PRODUCTS_URL = "/v1/products"
PRICES_URL = "/v1/prices"
METERS_URL = "/v1/billing/meters"
METER_EVENTS_URL = "/v1/billing/meter_events"
ADJUSTMENTS_URL = "/v1/billing/meter_event_adjustments"


class Feature(msgspec.Struct):
    name: str


class Product(msgspec.Struct, tag_field="object", tag="product", kw_only=True):
    id: str
    active: bool
    created: int
    default_price: str | None
    description: str | None
    images: list[str]
    livemode: bool
    marketing_features: list[Feature]
    metadata: dict[str, str]
    name: str
    package_dimensions: None = None
    shippable: None = None
    statement_descriptor: str | None
    tax_code: str | None
    tax_details: None = None
    type: words.ProductType
    unit_label: str | None
    updated: int
    url: str | None


class ProductList(List, tag_field="object", tag="list", kw_only=True):
    data: list[Product]


class Deleted(msgspec.Struct, kw_only=True):
    """What is left of an object that was deleted."""

    id: str
    object: str
    deleted: bool = True


class PriceRecurring(msgspec.Struct, kw_only=True):
    interval: words.Interval
    interval_count: int
    meter: str | None
    trial_period_days: int | None
    usage_type: words.UsageType


class PriceTier(msgspec.Struct, kw_only=True):
    flat_amount: int | None
    flat_amount_decimal: str | None
    unit_amount: int | None
    unit_amount_decimal: str | None
    up_to: int | None


class PriceTransform(msgspec.Struct, kw_only=True):
    divide_by: int
    round: words.Round


class Price(msgspec.Struct, tag_field="object", tag="price", kw_only=True):
    """``unit_amount`` is null where the decimal is no whole number; the decimal is always a string."""

    id: str
    active: bool
    billing_scheme: words.BillingScheme
    created: int
    currency: str
    custom_unit_amount: None = None
    livemode: bool
    lookup_key: str | None
    metadata: dict[str, str]
    nickname: str | None
    product: str | Product
    recurring: PriceRecurring | None
    tax_behavior: words.TaxBehavior
    tiers: list[PriceTier] | UnsetType = UNSET
    tiers_mode: words.TiersMode | None
    transform_quantity: PriceTransform | None
    type: words.PriceType
    unit_amount: int | None
    unit_amount_decimal: str | None
    currency_options: dict[str, Any] | UnsetType = UNSET


class Plan(msgspec.Struct, tag_field="object", tag="plan", kw_only=True):
    """A recurring price in the words that Stripe had for it before there were prices."""

    id: str
    active: bool
    amount: int | None
    amount_decimal: str | None
    billing_scheme: words.BillingScheme
    created: int
    currency: str
    interval: words.Interval
    interval_count: int
    livemode: bool
    metadata: dict[str, str]
    meter: str | None
    nickname: str | None
    product: str | Product
    tiers_mode: words.TiersMode | None
    transform_usage: PriceTransform | None
    trial_period_days: int | None
    usage_type: words.UsageType


class PriceList(List, tag_field="object", tag="list", kw_only=True):
    data: list[Price]


class MeterMapping(msgspec.Struct, kw_only=True):
    type: words.MappingType = "by_id"
    event_payload_key: str


class MeterAggregation(msgspec.Struct):
    formula: words.Formula


class MeterTransitions(msgspec.Struct):
    deactivated_at: int | None


class MeterValue(msgspec.Struct):
    event_payload_key: str


class Meter(msgspec.Struct, tag_field="object", tag="billing.meter", kw_only=True):
    id: str
    created: int
    customer_mapping: MeterMapping
    default_aggregation: MeterAggregation
    display_name: str
    event_name: str
    event_time_window: words.Window | None
    livemode: bool
    status: words.MeterStatus
    status_transitions: MeterTransitions
    updated: int
    value_settings: MeterValue


class MeterList(List, tag_field="object", tag="list", kw_only=True):
    data: list[Meter]


class Summary(msgspec.Struct, tag_field="object", tag="billing.meter_event_summary", kw_only=True):
    id: str
    aggregated_value: Annotated[msgspec.Raw, Meta(extra_json_schema={"type": "number"})]
    end_time: int
    livemode: bool
    meter: str
    start_time: int


class SummaryList(List, tag_field="object", tag="list", kw_only=True):
    data: list[Summary]


class MeterEvent(msgspec.Struct, tag_field="object", tag="billing.meter_event", kw_only=True):
    created: int
    event_name: str
    identifier: str
    livemode: bool
    payload: dict[str, str]
    timestamp: int


class Canceled(msgspec.Struct):
    identifier: str


class Adjustment(
    msgspec.Struct, tag_field="object", tag="billing.meter_event_adjustment", kw_only=True
):
    cancel: Canceled
    event_name: str
    livemode: bool
    status: words.AdjustmentStatus = "complete"
    type: words.AdjustmentType = "cancel"
