"""What the endpoints of products, prices, meters and meter events take (``requests``)."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal

from msgspec import UNSET, Meta, UnsetType

from drawdown.dialects.stripe.parameters import Parameters
from drawdown.dialects.stripe.requests import PAGE_DEFAULT, PAGE_MAX, Expand, Text, Timestamp

_NO_TAX = "this server computes no tax; leave it out."
_NO_SHIPPING = "this server ships nothing; leave it out."
_ONE_CURRENCY = "a price is in one currency here; make one for each."
_NOT_CHOSEN = "an amount that the customer chooses has no use here; leave it out."

Name = Annotated[str, Meta(min_length=1, max_length=250)]
OwnId = Annotated[str, Meta(pattern="[A-Za-z0-9._:@-]{1,64}")]
Lookup = Annotated[str, Meta(max_length=200)]
EventName = Annotated[str, Meta(max_length=100)]
PayloadKey = Annotated[str, Meta(max_length=100)]


class One(Parameters, kw_only=True):
    """Of an object that its path names."""

    expand: Expand | None = None


class Nothing(Parameters, kw_only=True):
    """No parameters at all."""


class Page(Parameters, kw_only=True):
    ending_before: str | UnsetType = UNSET
    limit: Annotated[int, Meta(ge=1, le=PAGE_MAX)] = PAGE_DEFAULT
    starting_after: str | UnsetType = UNSET
    expand: Expand | None = None


class MarketingFeature(Parameters, kw_only=True):
    name: Annotated[str, Meta(max_length=80)]


class ProductDetails(Parameters, kw_only=True):
    """``marketing_features``, ``images`` None: none."""

    active: bool | UnsetType = UNSET
    description: Annotated[str, Meta(max_length=40_000)] | UnsetType | None = UNSET
    images: Annotated[list[Text], Meta(max_length=8)] | UnsetType | None = UNSET
    marketing_features: (
        Annotated[list[MarketingFeature], Meta(max_length=15)] | UnsetType | None
    ) = UNSET
    metadata: dict[str, str] | UnsetType | None = UNSET
    statement_descriptor: Annotated[str, Meta(max_length=22)] | UnsetType | None = UNSET
    tax_code: Text | UnsetType | None = UNSET
    unit_label: Annotated[str, Meta(max_length=12)] | UnsetType | None = UNSET
    url: Annotated[str, Meta(max_length=2048)] | UnsetType | None = UNSET
    expand: Expand | None = None


class DefaultRecurring(Parameters, kw_only=True):
    interval: Literal["day", "week", "month", "year"]
    interval_count: Annotated[int, Meta(ge=1, le=1095)] = 1


class DefaultPrice(Parameters, kw_only=True):
    unsupported: ClassVar[dict[str, str]] = {
        "currency_options": _ONE_CURRENCY,
        "custom_unit_amount": _NOT_CHOSEN,
    }

    currency: str
    metadata: dict[str, str] | None = None
    recurring: DefaultRecurring | None = None
    tax_behavior: Literal["exclusive", "inclusive", "unspecified"] = "unspecified"
    unit_amount: int | None = None
    unit_amount_decimal: str | None = None


class CreateProduct(ProductDetails, kw_only=True):
    unsupported: ClassVar[dict[str, str]] = {
        "package_dimensions": _NO_SHIPPING,
        "shippable": _NO_SHIPPING,
        "tax_details": _NO_TAX,
    }

    name: Name
    id: OwnId | None = None
    default_price_data: DefaultPrice | None = None
    type: Literal["good", "service"] = "service"


class UpdateProduct(ProductDetails, kw_only=True):
    unsupported: ClassVar[dict[str, str]] = {
        "package_dimensions": _NO_SHIPPING,
        "shippable": _NO_SHIPPING,
        "tax_details": _NO_TAX,
    }

    name: Name | UnsetType = UNSET
    default_price: Text | UnsetType | None = UNSET


class ListProducts(Page, kw_only=True):
    unsupported: ClassVar[dict[str, str]] = {"shippable": _NO_SHIPPING}

    active: bool | UnsetType = UNSET
    created: Any = UNSET
    ids: Annotated[list[str], Meta(max_length=100)] | UnsetType = UNSET
    type: Literal["good", "service"] | UnsetType = UNSET
    url: str | UnsetType = UNSET


class PriceProduct(Parameters, kw_only=True):
    unsupported: ClassVar[dict[str, str]] = {"tax_details": _NO_TAX}

    name: Name
    id: OwnId | None = None
    active: bool = True
    metadata: dict[str, str] | None = None
    statement_descriptor: Annotated[str, Meta(max_length=22)] | None = None
    tax_code: Text | None = None
    unit_label: Annotated[str, Meta(max_length=12)] | None = None


class Recurring(Parameters, kw_only=True):
    interval: Literal["day", "week", "month", "year"]
    interval_count: Annotated[int, Meta(ge=1, le=1095)] = 1
    meter: Text | None = None
    trial_period_days: Annotated[int, Meta(ge=1, le=730)] | None = None
    usage_type: Literal["licensed", "metered"] = "licensed"


class Tier(Parameters, kw_only=True):
    up_to: str
    flat_amount: int | None = None
    flat_amount_decimal: str | None = None
    unit_amount: int | None = None
    unit_amount_decimal: str | None = None


class TransformQuantity(Parameters, kw_only=True):
    divide_by: Annotated[int, Meta(ge=1, le=2**53)]
    round: Literal["up", "down"]


class CreatePrice(Parameters, kw_only=True):
    unsupported: ClassVar[dict[str, str]] = {
        "currency_options": _ONE_CURRENCY,
        "custom_unit_amount": _NOT_CHOSEN,
    }

    currency: str
    active: bool = True
    billing_scheme: Literal["per_unit", "tiered"] = "per_unit"
    lookup_key: Lookup | None = None
    metadata: dict[str, str] | None = None
    nickname: Text | None = None
    product: Text | None = None
    product_data: PriceProduct | None = None
    recurring: Recurring | None = None
    tax_behavior: Literal["exclusive", "inclusive", "unspecified"] = "unspecified"
    tiers: Annotated[list[Tier], Meta(max_length=100)] | None = None
    tiers_mode: Literal["graduated", "volume"] | None = None
    transfer_lookup_key: bool = False
    transform_quantity: TransformQuantity | None = None
    unit_amount: int | None = None
    unit_amount_decimal: str | None = None
    expand: Expand | None = None


class UpdatePrice(Parameters, kw_only=True):
    unsupported: ClassVar[dict[str, str]] = {"currency_options": _ONE_CURRENCY}

    active: bool | UnsetType = UNSET
    lookup_key: Lookup | UnsetType | None = UNSET
    metadata: dict[str, str] | UnsetType | None = UNSET
    nickname: Text | UnsetType | None = UNSET
    tax_behavior: Literal["exclusive", "inclusive", "unspecified"] | UnsetType = UNSET
    transfer_lookup_key: bool = False
    expand: Expand | None = None


class RecurringFilter(Parameters, kw_only=True):
    interval: Literal["day", "week", "month", "year"] | UnsetType = UNSET
    meter: str | UnsetType = UNSET
    usage_type: Literal["licensed", "metered"] | UnsetType = UNSET


class ListPrices(Page, kw_only=True):
    active: bool | UnsetType = UNSET
    created: Any = UNSET
    currency: str | UnsetType = UNSET
    lookup_keys: Annotated[list[str], Meta(max_length=10)] | UnsetType = UNSET
    product: str | UnsetType = UNSET
    recurring: RecurringFilter | UnsetType = UNSET
    type: Literal["one_time", "recurring"] | UnsetType = UNSET


class CustomerMapping(Parameters, kw_only=True):
    event_payload_key: PayloadKey
    type: Literal["by_id"]


class DefaultAggregation(Parameters, kw_only=True):
    formula: Literal["count", "last", "sum"]


class ValueSettings(Parameters, kw_only=True):
    event_payload_key: PayloadKey


class CreateMeter(Parameters, kw_only=True):
    default_aggregation: DefaultAggregation
    display_name: Name
    event_name: Annotated[str, Meta(min_length=1, max_length=100)]
    customer_mapping: CustomerMapping | None = None
    event_time_window: Literal["day", "hour"] | None = None
    value_settings: ValueSettings | None = None
    expand: Expand | None = None


class UpdateMeter(Parameters, kw_only=True):
    display_name: Name | UnsetType = UNSET
    expand: Expand | None = None


class ListMeters(Page, kw_only=True):
    status: Literal["active", "inactive"] | UnsetType = UNSET


class ListSummaries(Page, kw_only=True):
    customer: str
    start_time: Timestamp
    end_time: Timestamp
    value_grouping_window: Literal["day", "hour"] | None = None


class Cancel(Parameters, kw_only=True):
    identifier: Annotated[str, Meta(min_length=1, max_length=100)]


class CreateAdjustment(Parameters, kw_only=True):
    event_name: EventName
    type: Literal["cancel"]
    cancel: Cancel | None = None
    expand: Expand | None = None


class CreateMeterEvent(Parameters, kw_only=True):
    event_name: EventName
    payload: dict[str, str]
    identifier: Annotated[str, Meta(min_length=1, max_length=100)] | None = None
    timestamp: Timestamp | None = None
    expand: Expand | None = None
