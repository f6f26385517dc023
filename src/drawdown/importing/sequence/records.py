"""What the vendor's pages hold, as far as it is brought over; whatever else a record has is left alone."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import UNSET, Meta, UnsetType

from drawdown.dialects.sequence.credit.wire import CreditType, TransactionType
from drawdown.dialects.sequence.customers.wire import BillingPreference, TaxStatus
from drawdown.dialects.sequence.usage.wire import AggregationType, Deduction, MetricType

#: An id names a folder, too.
Id = Annotated[str, Meta(pattern=r"\A(?!\.{1,2}\Z)[A-Za-z0-9._:@-]{1,64}\Z")]
Text = Annotated[str, Meta(max_length=500)]


class Record(msgspec.Struct, rename="camel", kw_only=True):
    """An object of the vendor's."""


class Address(Record):
    line1: Text = ""
    town: Text = ""
    postcode: Text = ""
    country: Text = ""
    line2: Text | None = None
    state: Text | None = None


class Contact(Record):
    name: Text
    email: Text
    billing_preference: BillingPreference


class Integration(Record):
    service: Text
    id: Text


class Customer(Record):
    id: str
    created_at: Text
    legal_name: Annotated[str, Meta(min_length=1, max_length=500)]
    address: Address | None = None
    contacts: Annotated[list[Contact], Meta(max_length=100)] = []
    tax_status: TaxStatus = TaxStatus.TAXED
    customer_aliases: list[str] | None = None
    label: Text | None = None
    url: Text | None = None
    parent_id: Text | None = None
    integration_ids: Annotated[list[Integration], Meta(max_length=100)] | None = None
    archived_at: Text | None = None


class Alias(Record):
    id: str
    customer_id: Id
    value: str
    created_at: Text
    label: Text | None = None
    deleted_at: Text | None = None


class Metric(Record):
    id: str
    sequence_account_id: Text
    created_at: Text
    name: Annotated[str, Meta(min_length=1, max_length=500)]
    metric_type: MetricType
    event_type: str
    aggregation_type: AggregationType
    aggregation_property: str | None = None
    grouping_property: str | None = None
    unit: Text | None = None
    description: Text | None = None
    property_filters: msgspec.Raw | UnsetType = UNSET
    properties_to_negate: list[str] | None = None
    case_sensitive: bool | None = None
    deduction: Deduction | None = None
    deleted_at: Text | None = None


class Grant(Record):
    id: str
    sequence_account_id: Text
    customer_id: Id
    type: CreditType
    currency: Text
    name: Annotated[str, Meta(min_length=1, max_length=500)]
    original_amount: str
    current_balance: str
    created_at: Text
    cost_of_credit: str = "0"
    metric_id: Id | None = None
    effective_date: Text | None = None
    expiry_date: Text | None = None
    tax_rate_id: Text | None = None


class Transaction(Record):
    """It has a date, or the time at which it was made, or both."""

    grant_id: Id
    type: TransactionType
    amount: str
    id: Text | None = None
    date: Text | None = None
    created_at: Text | None = None
    reason: Text | None = None
    invoice_id: Text | None = None
    billing_run_id: Text | None = None


class Balance(Record):
    id: Text
    type: CreditType
    name: Text
    balance: str
    grants: list[Grant]
    transactions: list[Transaction]


class Balances(Record):
    items: list[Balance]
