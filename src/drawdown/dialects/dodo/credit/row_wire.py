"""What Dodo's ledger rows and its webhooks look like, field by field, in the vendor's names."""

from __future__ import annotations

from enum import StrEnum
from typing import Any

import msgspec

from drawdown.dialects.dodo.wire import MetadataShown, Time


class TransactionType(StrEnum):
    """What a row of the ledger says happened. The last two are only in rows that the vendor wrote."""

    CREDIT_ADDED = "credit_added"
    CREDIT_DEDUCTED = "credit_deducted"
    CREDIT_EXPIRED = "credit_expired"
    CREDIT_ROLLED_OVER = "credit_rolled_over"
    ROLLOVER_FORFEITED = "rollover_forfeited"
    OVERAGE_CHARGED = "overage_charged"
    OVERAGE_RESET = "overage_reset"
    MANUAL_ADJUSTMENT = "manual_adjustment"
    AUTO_TOP_UP = "auto_top_up"
    REFUND = "refund"


class LedgerRow(msgspec.Struct, kw_only=True):
    """``amount`` is positive; ``is_credit`` says which way it went."""

    id: str
    business_id: str
    brand_id: str
    customer_id: str
    credit_entitlement_id: str
    transaction_type: TransactionType
    amount: str
    is_credit: bool
    balance_before: str
    balance_after: str
    overage_before: str
    overage_after: str
    grant_id: str | None
    description: str | None
    reference_type: str | None
    reference_id: str | None
    metadata: MetadataShown
    created_at: Time


class LedgerRowTold(LedgerRow, kw_only=True):
    """A row as a webhook carries it."""

    payload_type: str = "CreditLedgerEntry"


class BalanceLow(msgspec.Struct, kw_only=True):
    """That a subscription's credit has fallen to a share of what it gives."""

    customer_id: str
    subscription_id: str
    brand_id: str
    credit_entitlement_id: str
    credit_entitlement_name: str
    available_balance: str
    subscription_credits_amount: str
    threshold_percent: int
    threshold_amount: str
    payload_type: str = "CreditBalanceLow"


class WebhookEvent(msgspec.Struct, kw_only=True):
    """The body of a delivery."""

    business_id: str
    type: str
    timestamp: Time
    data: Any
