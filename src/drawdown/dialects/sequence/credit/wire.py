"""Credit grants, balances and transactions."""

from __future__ import annotations

from enum import StrEnum

from msgspec import UNSET, UnsetType

from drawdown.dialects.sequence.numbers import Number
from drawdown.dialects.sequence.wire import (
    CurrencyCode,
    DateText,
    DecimalText,
    IntegrationShown,
    Pagination,
    Request,
    Shown,
    TimeText,
    UuidText,
)


class CreditUnitType(StrEnum):
    """Money, or units of one metric."""

    CURRENCY = "CURRENCY"
    METRIC = "METRIC"


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


class CreditType(StrEnum):
    """The same two kinds as ``CreditUnitType``, by the words of what is read."""

    CASH = "CASH"
    USAGE = "USAGE"


class Grant(Shown):
    """A grant as it is now. Amounts are decimal strings here."""

    id: UuidText
    sequence_account_id: UuidText
    customer_id: UuidText
    type: CreditType
    currency: str
    name: str
    original_amount: DecimalText
    current_balance: DecimalText
    cost_of_credit: DecimalText
    created_at: TimeText
    metric_id: UuidText | None = None
    effective_date: DateText | None = None
    expiry_date: DateText | None = None
    tax_rate_id: str | None = None


class OneGrant(Grant):
    """One that was asked for, with what was answered when it was made."""

    credit_unit_type: CreditUnitType | UnsetType = UNSET
    amount: Number | UnsetType = UNSET
    integration_ids: list[IntegrationShown] | UnsetType = UNSET


class GrantPage(Shown):
    items: list[Grant]
    pagination: Pagination


class TransactionType(StrEnum):
    """What it does to the balance: takes away, or puts back."""

    DEBIT = "DEBIT"
    CREDIT = "CREDIT"


class CreateTransactionRequest(Request):
    grant_id: str
    type: TransactionType
    amount: str
    reason: str | None = None
    invoice_id: str | None = None
    billing_run_id: str | None = None


class Transaction(Shown):
    """One movement of a grant. ``reason`` of what time or an operator did is ``Expired`` or ``Voided``."""

    id: UuidText
    grant_id: UuidText
    type: TransactionType
    amount: DecimalText
    date: DateText
    created_at: TimeText
    reason: str | None = None
    invoice_id: str | None = None
    billing_run_id: str | None = None


class Balance(Shown):
    """Credit in one currency (whose code is the id), or of one metric."""

    id: str
    type: CreditType
    name: str
    balance: DecimalText
    grants: list[Grant]
    transactions: list[Transaction]


class Balances(Shown):
    items: list[Balance]
