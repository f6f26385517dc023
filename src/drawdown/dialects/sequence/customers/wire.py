"""Customers and their aliases."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import msgspec
from msgspec import Meta

from drawdown.dialects.sequence.wire import (
    CountryCode,
    IntegrationShown,
    Pagination,
    Request,
    Shown,
    TimeText,
    UuidText,
)


class TaxStatus(StrEnum):
    TAXED = "TAXED"
    TAX_EXEMPT = "TAX_EXEMPT"
    REVERSE_CHARGED = "REVERSE_CHARGED"


class BillingPreference(StrEnum):
    """Whether a contact gets invoices: addressed, copied, or not at all."""

    PRIMARY = "PRIMARY"
    STANDARD = "STANDARD"
    NONE = "NONE"


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
    integration_ids: tuple[Integration, ...] = ()


class ContactShown(Shown):
    id: UuidText
    name: str
    email: str
    billing_preference: BillingPreference
    created_at: TimeText
    updated_at: TimeText


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
    archived_at: TimeText | None = None


class UpdateCustomerRequest(CreateCustomerRequest):
    """The customer as it is to be. Left out, the aliases stay as they are."""


class CustomerPage(Shown):
    items: list[Customer]
    pagination: Pagination


class CreateAliasRequest(Request):
    customer_id: str
    value: str
    sequence_account_id: str | None = None


class UpdateAliasRequest(Request):
    """The alias that is to stand in its place."""

    value: str
    customer_id: str | None = None


class Alias(Shown):
    id: UuidText
    customer_id: UuidText
    sequence_account_id: UuidText
    value: str
    created_at: TimeText


class AliasPage(Shown):
    items: list[Alias]
    pagination: Pagination


class AliasRecord(Shown):
    """What is kept of an alias."""

    value: str
