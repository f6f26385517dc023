"""Credit grants, balances and transactions."""

from __future__ import annotations

from enum import StrEnum

from msgspec import UNSET, UnsetType

from drawdown.dialects.sequence.numbers import Number
from drawdown.dialects.sequence.wire import (
    CurrencyCode,
    DateText,
    IntegrationShown,
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
