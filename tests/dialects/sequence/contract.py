"""Sequence's answers as its documentation has them, version 2024-07-30: a client's view, strictly typed.

Written from the contract, not from the server's records: what is missing, what is too much and what is
null fails here. Numbers stay raw text, so that a test sees what was written: plain, never an exponent.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import date
from typing import Annotated, Literal, TypeVar

import httpx
import msgspec
from msgspec import UNSET, Meta, UnsetType

VERSION = "2024-07-30"

Uuid = Annotated[str, Meta(pattern="^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$")]
Day = Annotated[str, Meta(pattern=r"^\d{4}-\d\d-\d\d$")]
Moment = Annotated[str, Meta(pattern=r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,6})?Z$")]
Text = Annotated[str, Meta(pattern=r"^\d+(\.\d*[1-9])?$")]
ErrorType = Annotated[str, Meta(pattern="^[A-Z][A-Za-z]+$")]
Preference = Literal["PRIMARY", "STANDARD", "NONE"]

Record = TypeVar("Record")


class Strict(msgspec.Struct, rename="camel", kw_only=True, forbid_unknown_fields=True):
    pass


class Address(Strict):
    line1: str
    town: str
    postcode: str
    country: str
    line2: str | UnsetType = UNSET
    state: str | UnsetType = UNSET


class Contact(Strict):
    id: Uuid
    name: str
    email: str
    billing_preference: Preference
    created_at: Moment
    updated_at: Moment


class Integration(Strict):
    service: str
    id: str
    is_pending: bool


class Customer(Strict):
    id: Uuid
    created_at: Moment
    legal_name: str
    address: Address
    tax_status: Literal["TAXED", "TAX_EXEMPT", "REVERSE_CHARGED"]
    contacts: list[Contact]
    integration_ids: list[Integration]
    organizations: list[msgspec.Raw]
    customer_aliases: list[str] | UnsetType = UNSET
    label: str | UnsetType = UNSET
    url: str | UnsetType = UNSET
    parent_id: Uuid | UnsetType = UNSET
    archived_at: Moment | UnsetType = UNSET


class Pagination(Strict):
    after: str | UnsetType = UNSET
    before: str | UnsetType = UNSET


class Customers(Strict):
    items: list[Customer]
    pagination: Pagination


class CustomerByAlias(Customer, kw_only=True):
    """What the vendor answers there has fields of its earlier versions."""

    email: str
    billing_emails: list[str]
    contact_name: str | UnsetType = UNSET


class Alias(Strict):
    id: Uuid
    customer_id: Uuid
    sequence_account_id: Uuid
    value: str
    created_at: Moment
    label: str | UnsetType = UNSET
    deleted_at: Moment | UnsetType = UNSET


class Aliases(Strict):
    items: list[Alias]
    pagination: Pagination


class CustomersAliases(Strict):
    """An unpaged list: no ``pagination``."""

    items: list[Alias]


class Credit(Strict):
    """The 201 body of POST /credits."""

    id: Uuid
    sequence_account_id: Uuid
    customer_id: Uuid
    name: str
    credit_unit_type: Literal["CURRENCY", "METRIC"]
    currency: str
    amount: msgspec.Raw
    created_at: Moment
    integration_ids: list[Integration]
    metric_id: Uuid | UnsetType = UNSET
    cost_of_credit: msgspec.Raw | UnsetType = UNSET
    effective_date: Day | UnsetType = UNSET
    expiry_date: Day | UnsetType = UNSET
    tax_rate_id: str | UnsetType = UNSET


class Outstanding(Strict):
    """One item of GET /credits/{customerId}/grants."""

    id: Uuid
    name: str
    grant_amount: msgspec.Raw
    balance: msgspec.Raw
    issue_date: Day
    expiry_date: Day | UnsetType = UNSET


class Grant(Strict):
    """3.4: amounts are strings here."""

    id: Uuid
    sequence_account_id: Uuid
    customer_id: Uuid
    type: Literal["CASH", "USAGE"]
    currency: str
    name: str
    original_amount: Text
    current_balance: Text
    cost_of_credit: Text
    created_at: Moment
    metric_id: Uuid | UnsetType = UNSET
    effective_date: Day | UnsetType = UNSET
    expiry_date: Day | UnsetType = UNSET
    tax_rate_id: str | UnsetType = UNSET


class OneGrant(Grant):
    """3.3: with three more."""

    credit_unit_type: Literal["CURRENCY", "METRIC"] | UnsetType = UNSET
    amount: msgspec.Raw | UnsetType = UNSET
    integration_ids: list[Integration] | UnsetType = UNSET


class Grants(Strict):
    items: list[Grant]
    pagination: Pagination


class Transaction(Strict):
    id: Uuid
    grant_id: Uuid
    type: Literal["DEBIT", "CREDIT"]
    amount: Text
    date: Day
    created_at: Moment
    reason: str | UnsetType = UNSET
    invoice_id: str | UnsetType = UNSET
    billing_run_id: str | UnsetType = UNSET


class Balance(Strict):
    id: str
    type: Literal["CASH", "USAGE"]
    name: str
    balance: Text
    grants: list[Grant]
    transactions: list[Transaction]


class Balances(Strict):
    items: list[Balance]


class Items(Strict):
    """An unpaged list: no ``pagination``."""

    items: list[Outstanding]


class Policy(Strict):
    id: Uuid
    sequence_account_id: Uuid
    name: str
    channel: Literal["WEBHOOK", "EMAIL"]
    recipients: list[str]
    created_at: Moment
    notification_types: list[str] | UnsetType = UNSET
    webhook_secret: str | UnsetType = UNSET


class Policies(Strict):
    items: list[Policy]
    pagination: Pagination


class Detail(Strict):
    type: ErrorType
    message: Annotated[str, Meta(min_length=10)]


class Envelope(Strict):
    error: Detail


def read(response: httpx.Response, status: int, record: type[Record]) -> Record:
    """The body as a client reads it, from an answer that must have this status."""
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/json"
    assert response.headers["sequence-version"] == VERSION
    found = msgspec.json.decode(response.content, type=record)
    for each in _within(found):
        _check(each)
    return found


#: Fields that are JSON numbers where they are not strings.
NUMBERS = ("amount", "cost_of_credit", "grant_amount", "balance", "value")
DATES = ("effective_date", "expiry_date", "issue_date", "date", "created_at", "event_timestamp")
_NUMBER = re.compile(rb"\d+(\.\d*[1-9])?")


def _within(value: object) -> Iterator[Strict]:
    """A record, and every record in it."""
    if isinstance(value, list):
        for each in value:
            yield from _within(each)
    elif isinstance(value, Strict):
        yield value
        for name in value.__struct_fields__:
            yield from _within(getattr(value, name))


def _check(record: Strict) -> None:
    """What a pattern cannot say: that a number is written plainly, and that a day is one."""
    for name in NUMBERS:
        found = getattr(record, name, None)
        if isinstance(found, msgspec.Raw):
            assert _NUMBER.fullmatch(found), (name, bytes(found))
    for name in DATES:
        day = getattr(record, name, None)
        if isinstance(day, str):
            date.fromisoformat(day[:10])


def refusal(response: httpx.Response, status: int, kind: str, *parts: str) -> str:
    """The message of an error of this status and type, in which every part must stand."""
    error = read(response, status, Envelope).error
    assert error.type == kind, error
    for part in parts:
        assert part in error.message, error.message
    return error.message
