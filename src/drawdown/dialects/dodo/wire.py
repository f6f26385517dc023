"""What Dodo's requests and answers look like, field by field, in the vendor's names."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import msgspec
from msgspec import Meta

from drawdown.core.schedules.calendar import EVERY_MAX

INT32_MAX = 2**31 - 1
INT64_MAX = 2**63 - 1
PAGE_MAX = 100

Bits32 = Annotated[int, Meta(ge=0, le=INT32_MAX)]
Bits64 = Annotated[int, Meta(ge=0, le=INT64_MAX)]
Percentage = Annotated[int, Meta(ge=0, le=100)]
MetadataInt = Annotated[int, Meta(ge=-INT64_MAX, le=INT64_MAX)]
#: Flat: strings, numbers and booleans, no lists and no objects.
MetadataGiven = dict[str, str | MetadataInt | float | bool]
MetadataShown = dict[str, str | int | float | bool]

_CODES = (
    "AED ALL AMD ANG AOA ARS AUD AWG AZN BAM BBD BDT BGN BHD BIF BMD BND BOB BRL BSD BWP BYN BZD "
    "CAD CHF CLP CNY COP CRC CUP CVE CZK DJF DKK DOP DZD EGP ETB EUR FJD FKP GBP GEL GHS GIP GMD "
    "GNF GTQ GYD HKD HNL HRK HTG HUF IDR ILS INR IQD JMD JOD JPY KES KGS KHR KMF KRW KWD KYD KZT "
    "LAK LBP LKR LRD LSL LYD MAD MDL MGA MKD MMK MNT MOP MRU MUR MVR MWK MXN MYR MZN NAD NGN NIO "
    "NOK NPR NZD OMR PAB PEN PGK PHP PKR PLN PYG QAR RON RSD RUB RWF SAR SBD SCR SEK SGD SHP SLE "
    "SLL SOS SRD SSP STN SVC SZL THB TND TOP TRY TTD TWD TZS UAH UGX USD UYU UZS VES VND VUV WST "
    "XAF XCD XOF XPF YER ZAR ZMW"
)
#: The currencies that the vendor's SDK knows (1.123.0, ``Currency``): a closed list.
CURRENCIES = frozenset(_CODES.split())


def one_of(*values: str) -> Meta:
    """For the document: the only texts that there are. Where they are given, others are refused by hand."""
    return Meta(extra_json_schema={"enum": list(values)})


#: What answers hold, as the vendor's SDKs require it.
CurrencyText = Annotated[str, one_of(*sorted(CURRENCIES))]
IntervalText = Annotated[str, one_of("Day", "Week", "Month", "Year")]
Time = Annotated[str, Meta(extra_json_schema={"format": "date-time"})]
#: What the vendor's objects have and no credit needs: always empty.
NothingHere = Annotated[list[str], Meta(max_length=0)]

#: The languages that the vendor's SDK knows (1.123.0, ``Locale``).
Locale = StrEnum("Locale", "ar ca zh nl en fr de he id it ja ka ko ms pl pt ro ru es sv th tr")


class OverageBehavior(StrEnum):
    """What becomes of overage when a billing cycle ends."""

    FORGIVE_AT_RESET = "forgive_at_reset"
    INVOICE_AT_BILLING = "invoice_at_billing"
    CARRY_DEFICIT = "carry_deficit"
    CARRY_DEFICIT_AUTO_REPAY = "carry_deficit_auto_repay"


class EntryType(StrEnum):
    CREDIT = "credit"
    DEBIT = "debit"


class GrantStatus(StrEnum):
    ACTIVE = "active"
    EXPIRED = "expired"
    DEPLETED = "depleted"


class Page(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    page_size: Annotated[int, Meta(ge=0, le=PAGE_MAX)] = 10
    page_number: Bits32 = 0

    def offset(self, page_base: int) -> int:
        """How many come before the page; ``page_base`` is the number of the first one."""
        return max(self.page_number - page_base, 0) * self.page_size


class CreateCustomerRequest(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    email: str
    name: str
    phone_number: str | None = None
    metadata: MetadataGiven | None = None
    preferred_locale: Locale | None = None


class CustomerProfile(msgspec.Struct, kw_only=True, frozen=True, omit_defaults=True):
    """What Dodo knows of a customer and the ledger does not."""

    phone_number: str | None = None
    preferred_locale: str | None = None


class Customer(msgspec.Struct, kw_only=True):
    customer_id: str
    business_id: str
    name: str
    email: str
    created_at: Time
    phone_number: str | None
    metadata: MetadataShown
    preferred_locale: Annotated[str, one_of(*Locale)] | None
    blocked_at: Time | None = None
    blocklist_entry_id: str | None = None


class CreateEntitlementRequest(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    name: str
    unit: str
    precision: Annotated[int, Meta(ge=0, le=10)]
    rollover_enabled: bool
    overage_enabled: bool
    description: str | None = None
    expires_after_days: Annotated[int, Meta(ge=1, le=36_500)] | None = None
    rollover_percentage: Percentage | None = None
    rollover_timeframe_count: Annotated[int, Meta(ge=1, le=EVERY_MAX)] | None = None
    rollover_timeframe_interval: str | None = None
    max_rollover_count: Bits32 | None = None
    overage_limit: Bits64 | None = None
    overage_behavior: OverageBehavior | None = None
    price_per_unit: str | None = None
    currency: str | None = None


class EntitlementProfile(msgspec.Struct, kw_only=True, frozen=True, omit_defaults=True):
    """What Dodo knows of an entitlement and the ledger does not.

    The defaults are what is answered for an entitlement that was made elsewhere.
    """

    description: str | None = None
    rollover_enabled: bool = False
    rollover_percentage: int | None = None
    rollover_timeframe_count: int | None = None
    rollover_timeframe_interval: str | None = None
    max_rollover_count: int | None = None
    overage_enabled: bool = False
    overage_limit: int | None = None
    overage_behavior: OverageBehavior = OverageBehavior.FORGIVE_AT_RESET
    price_per_unit: str | None = None
    currency: str | None = None


class CreditEntitlement(msgspec.Struct, kw_only=True):
    id: str
    business_id: str
    name: str
    unit: str
    precision: int
    description: str | None
    expires_after_days: int | None
    rollover_enabled: bool
    rollover_percentage: int | None
    rollover_timeframe_count: int | None
    rollover_timeframe_interval: IntervalText | None
    max_rollover_count: int | None
    overage_enabled: bool
    overage_limit: int | None
    overage_behavior: OverageBehavior
    price_per_unit: str | None
    currency: CurrencyText | None
    created_at: Time
    updated_at: Time


class RetrieveEntitlementQuery(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """``locale`` asks for a translation. None are kept: the text is answered as it was given."""

    locale: str | None = None


class Balance(msgspec.Struct, kw_only=True):
    id: str
    customer_id: str
    credit_entitlement_id: str
    balance: str
    overage: str
    created_at: Time
    updated_at: Time
    last_transaction_at: Time | None


class ListGrantsQuery(Page):
    status: GrantStatus | None = None


class Grant(msgspec.Struct, kw_only=True):
    id: str
    credit_entitlement_id: str
    customer_id: str
    source_type: Annotated[str, one_of("subscription", "one_time", "addon", "api", "rollover")]
    source_id: str | None
    initial_amount: str
    remaining_amount: str
    rollover_count: int
    is_expired: bool
    is_rolled_over: bool
    parent_grant_id: str | None
    expires_at: Time | None
    metadata: MetadataShown
    created_at: Time
    updated_at: Time


class GrantPage(msgspec.Struct):
    items: list[Grant]


class CreateLedgerEntryRequest(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    entry_type: EntryType
    amount: str
    expires_at: str | None = None
    reason: str | None = None
    idempotency_key: str | None = None
    metadata: MetadataGiven | None = None


class LedgerEntry(msgspec.Struct, kw_only=True):
    id: str
    customer_id: str
    credit_entitlement_id: str
    entry_type: EntryType
    amount: str
    is_credit: bool
    balance_before: str
    balance_after: str
    overage_before: str
    overage_after: str
    grant_id: str | None
    reason: str | None
    metadata: MetadataShown
    created_at: Time


class Error(msgspec.Struct):
    code: str
    message: str
