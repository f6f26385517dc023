"""What Sequence's requests and answers look like, field by field, in the vendor's names.

Version 2024-07-30. What has no value is left out of an answer, never null; in a request null means
left out.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import msgspec
from msgspec import UNSET, Meta, UnsetType

from drawdown.dialects.sequence.numbers import Number

_CODES = (
    "ARS AUD BGN BRL CAD CHF CLP CNY COP CZK DKK EGP EUR GBP HKD ILS INR ISK JPY KRW MXN NOK NZD "
    "PLN SEK SGD THB USD UYU ZAR"
)
#: The currencies that the vendor takes credits in: a closed list.
CURRENCIES = tuple(_CODES.split())
CurrencyCode = Annotated[str, Meta(extra_json_schema={"enum": list(CURRENCIES)})]

DateText = Annotated[
    str,
    Meta(
        description="A day in UTC.",
        extra_json_schema={"format": "date", "examples": ["2026-01-31"]},
    ),
]
TimeText = Annotated[str, Meta(extra_json_schema={"format": "date-time"})]
UuidText = Annotated[str, Meta(extra_json_schema={"format": "uuid"})]
CountryCode = Annotated[
    str,
    Meta(
        description="ISO 3166-1 alpha-2.",
        extra_json_schema={"pattern": "^[A-Z]{2}$", "examples": ["GB"]},
    ),
]


class CreditUnitType(StrEnum):
    """Money, or units of one metric."""

    CURRENCY = "CURRENCY"
    METRIC = "METRIC"


class TaxStatus(StrEnum):
    TAXED = "TAXED"
    TAX_EXEMPT = "TAX_EXEMPT"
    REVERSE_CHARGED = "REVERSE_CHARGED"


class BillingPreference(StrEnum):
    """Whether a contact gets invoices: addressed, copied, or not at all."""

    PRIMARY = "PRIMARY"
    STANDARD = "STANDARD"
    NONE = "NONE"


class Request(msgspec.Struct, rename="camel", kw_only=True, forbid_unknown_fields=True):
    """A body, or an object in one; unknown fields are refused."""


class Shown(msgspec.Struct, rename="camel", kw_only=True, omit_defaults=True):
    """An answer, or an object in one; only what has a default may be left out."""


class Address(
    msgspec.Struct, rename="camel", kw_only=True, forbid_unknown_fields=True, omit_defaults=True
):
    line1: str
    town: str
    postcode: str
    country: CountryCode
    line2: str | None = None
    state: str | None = None


class Contact(Request):
    name: str
    email: str
    billing_preference: BillingPreference


class Integration(Request):
    """The customer's id in another service."""

    service: str
    id: str


class CreateCustomerRequest(Request):
    legal_name: str
    address: Address
    contacts: Annotated[list[Contact], Meta(max_length=100)]
    tax_status: TaxStatus
    customer_aliases: list[str] | None = None
    label: str | None = None
    url: str | None = None
    parent_id: str | None = None
    integration_ids: Annotated[list[Integration], Meta(max_length=100)] | None = None


class CustomerProfile(Shown):
    """What Sequence knows of a customer and the ledger does not."""

    address: Address
    contacts: list[Contact]
    tax_status: TaxStatus
    label: str | None = None
    url: str | None = None
    parent_id: str | None = None
    integration_ids: list[Integration] = []


class ContactShown(Shown):
    id: UuidText
    name: str
    email: str
    billing_preference: BillingPreference
    created_at: TimeText
    updated_at: TimeText


class IntegrationShown(Shown):
    service: str
    id: str
    is_pending: bool


class Customer(Shown):
    id: UuidText
    created_at: TimeText
    legal_name: str
    address: Address
    tax_status: TaxStatus
    contacts: list[ContactShown]
    integration_ids: list[IntegrationShown]
    organizations: list[str]
    customer_aliases: list[str] | None = None
    label: str | None = None
    url: str | None = None
    parent_id: UuidText | None = None


class CreateCreditRequest(Request):
    customer_id: str
    name: str
    credit_unit_type: CreditUnitType
    currency: CurrencyCode
    amount: Number
    sequence_account_id: str | None = None
    metric_id: str | None = None
    cost_of_credit: Number | UnsetType = UNSET
    effective_date: DateText | None = None
    expiry_date: DateText | None = None
    create_invoice: bool | None = None
    tax_rate_id: str | None = None


class GrantProfile(Shown):
    """What Sequence knows of a grant and the ledger does not."""

    tax_rate_id: str | None = None


class CreatedCredit(Shown):
    """A grant as it is answered right after it was made. It has no balance field."""

    id: UuidText
    sequence_account_id: UuidText
    customer_id: UuidText
    name: str
    credit_unit_type: CreditUnitType
    currency: CurrencyCode
    amount: Number
    created_at: TimeText
    integration_ids: list[IntegrationShown]
    metric_id: UuidText | None = None
    cost_of_credit: Number | UnsetType = UNSET
    effective_date: DateText | None = None
    expiry_date: DateText | None = None
    tax_rate_id: str | None = None


class OutstandingGrant(Shown):
    """A grant with something left of it, pending or active."""

    id: UuidText
    name: str
    grant_amount: Number
    balance: Number
    issue_date: DateText
    expiry_date: DateText | None = None


class OutstandingGrants(Shown):
    """All of a customer's, in the order in which they burn down."""

    items: list[OutstandingGrant]


class ErrorDetail(Shown):
    type: str
    message: str


class Error(Shown):
    error: ErrorDetail
