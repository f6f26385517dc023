"""What the vendor's pages hold, as far as it is brought over; whatever else a record has is left alone."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

from drawdown.dialects.dodo.credit.row_wire import TransactionType
from drawdown.dialects.dodo.wire import MetadataGiven, OverageBehavior

Text = Annotated[str, Meta(max_length=1_000)]
Decimal = Annotated[str, Meta(max_length=64)]


class Entitlement(msgspec.Struct, kw_only=True):
    id: str
    business_id: str
    name: str
    unit: str
    precision: Annotated[int, Meta(ge=0, le=10)]
    rollover_enabled: bool
    overage_enabled: bool
    overage_behavior: OverageBehavior
    created_at: Text
    description: str | None = None
    expires_after_days: int | None = None
    rollover_percentage: int | None = None
    rollover_timeframe_count: int | None = None
    rollover_timeframe_interval: str | None = None
    max_rollover_count: int | None = None
    overage_limit: int | None = None
    price_per_unit: Decimal | None = None
    currency: str | None = None


class Customer(msgspec.Struct, kw_only=True):
    customer_id: str
    business_id: str
    name: str
    email: str
    created_at: Text
    phone_number: str | None = None
    metadata: MetadataGiven | None = None
    preferred_locale: Annotated[str, Meta(max_length=35)] | None = None


class Balance(msgspec.Struct, kw_only=True):
    id: Text
    customer_id: str
    credit_entitlement_id: str
    balance: Decimal
    overage: Decimal
    created_at: Text


class Grant(msgspec.Struct, kw_only=True):
    id: str
    customer_id: str
    credit_entitlement_id: str
    source_type: Text
    initial_amount: Decimal
    remaining_amount: Decimal
    rollover_count: Annotated[int, Meta(ge=0)]
    is_expired: bool
    is_rolled_over: bool
    created_at: Text
    updated_at: Text
    source_id: Text | None = None
    parent_grant_id: Text | None = None
    expires_at: Text | None = None
    metadata: MetadataGiven | None = None


class Row(msgspec.Struct, kw_only=True):
    """A row of the ledger."""

    id: str
    customer_id: str
    credit_entitlement_id: str
    transaction_type: TransactionType
    amount: Decimal
    is_credit: bool
    balance_before: Decimal
    balance_after: Decimal
    overage_before: Decimal
    overage_after: Decimal
    created_at: Text
    grant_id: Text | None = None
    description: Text | None = None
    reference_type: Text | None = None
    reference_id: Text | None = None
    metadata: MetadataGiven | None = None
