"""Lists and changes of entitlements, customers, balances, the ledger and wallets, in the vendor's names."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType

from drawdown.core.schedules.calendar import EVERY_MAX
from drawdown.dialects.dodo.credit.row_wire import LedgerRow
from drawdown.dialects.dodo.wire import (
    INT64_MAX,
    Balance,
    Bits32,
    Bits64,
    CreditEntitlement,
    Customer,
    EntryType,
    Locale,
    MetadataGiven,
    OverageBehavior,
    Page,
    Percentage,
    Time,
)


class ListEntitlementsQuery(Page):
    deleted: bool = False
    locale: str | None = None


class EntitlementPage(msgspec.Struct):
    items: list[CreditEntitlement]


class UpdateEntitlementRequest(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """What is left out stays; null clears what can be cleared, and leaves the rest as it was."""

    name: str | None = None
    unit: str | None = None
    precision: int | None = None
    rollover_enabled: bool | None = None
    overage_enabled: bool | None = None
    overage_behavior: OverageBehavior | None = None
    description: str | UnsetType | None = UNSET
    expires_after_days: Annotated[int, Meta(ge=1, le=36_500)] | UnsetType | None = UNSET
    rollover_percentage: Percentage | UnsetType | None = UNSET
    rollover_timeframe_count: Annotated[int, Meta(ge=1, le=EVERY_MAX)] | UnsetType | None = UNSET
    rollover_timeframe_interval: str | UnsetType | None = UNSET
    max_rollover_count: Bits32 | UnsetType | None = UNSET
    overage_limit: Bits64 | UnsetType | None = UNSET
    price_per_unit: str | UnsetType | None = UNSET
    currency: str | UnsetType | None = UNSET


class ListBalancesQuery(Page):
    customer_id: str | None = None


class BalancePage(msgspec.Struct):
    items: list[Balance]


class ListLedgerQuery(Page):
    """The vendor's schema leaves ``transaction_type`` any text: of an unknown one there is nothing."""

    transaction_type: str | None = None
    start_date: str | None = None
    end_date: str | None = None


class LedgerPage(msgspec.Struct):
    items: list[LedgerRow]


class UpdateCustomerRequest(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """Null leaves name, e-mail and metadata as they were, and clears the rest."""

    name: str | None = None
    email: str | None = None
    metadata: MetadataGiven | None = None
    phone_number: str | UnsetType | None = UNSET
    preferred_locale: Locale | UnsetType | None = UNSET


class ListCustomersQuery(Page):
    email: str | None = None
    name: str | None = None
    created_at_gte: str | None = None
    created_at_lte: str | None = None


class CustomerPage(msgspec.Struct):
    items: list[Customer]


class HeldCredit(msgspec.Struct, kw_only=True):
    """An entitlement, with the customer's balance of it."""

    credit_entitlement_id: str
    name: str
    unit: str
    description: str | None
    balance: str
    overage: str


class HeldCredits(msgspec.Struct):
    items: list[HeldCredit]


class WalletCurrency(StrEnum):
    USD = "USD"
    INR = "INR"


class Wallet(msgspec.Struct, kw_only=True):
    """Money, in the currency's smallest unit."""

    customer_id: str
    currency: WalletCurrency
    balance: int
    created_at: Time
    updated_at: Time


class Wallets(msgspec.Struct):
    items: list[Wallet]
    total_balance_usd: int


class CreateWalletEntryRequest(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    amount: Annotated[int, Meta(ge=1, le=INT64_MAX)]
    currency: WalletCurrency
    entry_type: EntryType
    reason: str | None = None
    idempotency_key: str | None = None


class ListWalletEntriesQuery(Page):
    currency: WalletCurrency | None = None


class WalletEntry(msgspec.Struct, kw_only=True):
    """The vendor knows more kinds, all of payments, which are not taken here."""

    id: str
    business_id: str
    customer_id: str
    currency: WalletCurrency
    amount: int
    is_credit: bool
    before_balance: int
    after_balance: int
    created_at: Time
    reason: str | None
    event_type: Literal["merchant_adjustment"] = "merchant_adjustment"
    reference_object_id: str | None = None


class WalletEntryPage(msgspec.Struct):
    items: list[WalletEntry]
