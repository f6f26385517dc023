"""Customers and their aliases."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import msgspec
from msgspec import Meta

from drawdown.dialects.sequence.paging import Page, SortBy, SortOrder
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


class CustomersQuery(Page):
    """``legalName`` is a part of theirs, in any case; ``email`` and ``alias`` are whole."""

    legal_name: str | None = None
    email: str | None = None
    alias: str | None = None
    include_archived: bool = True
    sort_by: SortBy = SortBy.CREATED_AT
    sort_order: SortOrder = SortOrder.DESC


class CustomerPage(Shown):
    items: list[Customer]
    pagination: Pagination


class CustomerByAlias(Customer, kw_only=True):
    """With what the vendor answers there, and nowhere else in this version: its earlier fields."""

    email: str
    billing_emails: list[str]
    contact_name: str | None = None


class CreateAliasRequest(Request):
    customer_id: str
    value: str
    label: str | None = None
    sequence_account_id: str | None = None


class UpdateAliasRequest(Request):
    """What it is called from now on; left out, it has no label. ``value`` is ours: another alias."""

    label: str | None = None
    value: str | None = None
    customer_id: str | None = None


class Alias(Shown):
    """``deletedAt`` is in the answer that takes one back, and in no other."""

    id: UuidText
    customer_id: UuidText
    sequence_account_id: UuidText
    value: str
    created_at: TimeText
    label: str | None = None
    deleted_at: TimeText | None = None


class Aliases(Shown):
    """All of a customer's: the vendor has no pages of them."""

    items: list[Alias]


class AliasesQuery(Page):
    """The one that says this."""

    value: str | None = None


class AliasPage(Shown):
    items: list[Alias]
    pagination: Pagination


class AliasRecord(Shown):
    """What is kept of an alias."""

    value: str
    label: str | None = None
