"""What the vendor's pages hold, as far as it is brought over; whatever else a record has is left alone."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from drawdown.core.times import INSTANT_MAX
from drawdown.core.types import MICROSECONDS, PRIORITY_MAX, Category
from drawdown.dialects.stripe.requests import PRICES_MAX

#: An id names a folder, too.
Id = Annotated[str, Meta(pattern=r"\A(?!\.{1,2}\Z)[A-Za-z0-9._:@-]{1,64}\Z")]
Text = Annotated[str, Meta(max_length=255)]
Second = Annotated[int, Meta(ge=0, le=INSTANT_MAX // MICROSECONDS)]


class Customer(msgspec.Struct, kw_only=True):
    """One who was deleted is a stub: his id, and that he was."""

    id: str
    object: Literal["customer"]
    deleted: bool = False
    created: Second | None = None
    livemode: bool | None = None
    test_clock: Text | None = None
    name: Annotated[str, Meta(max_length=256)] | None = None
    email: Annotated[str, Meta(max_length=512)] | None = None
    metadata: dict[str, str] | None = None
    address: dict[str, Any] | None = None
    business_name: Any = None
    description: Any = None
    individual_name: Any = None
    invoice_prefix: Any = None
    invoice_settings: dict[str, Any] | None = None
    next_invoice_sequence: Any = None
    phone: Any = None
    preferred_locales: Any = None
    shipping: dict[str, Any] | None = None
    tax_exempt: Any = None


class Monetary(msgspec.Struct, kw_only=True):
    currency: Text
    value: Annotated[int, Meta(ge=0)]


class Amount(msgspec.Struct, kw_only=True):
    type: Literal["monetary"]
    monetary: Monetary


class Price(msgspec.Struct, kw_only=True):
    id: Text


class Scope(msgspec.Struct, kw_only=True):
    price_type: Literal["metered"] | None = None
    prices: Annotated[list[Price], Meta(max_length=PRICES_MAX)] | None = None


class Applicability(msgspec.Struct, kw_only=True):
    scope: Scope


class Grant(msgspec.Struct, kw_only=True):
    id: str
    object: Literal["billing.credit_grant"]
    amount: Amount
    applicability_config: Applicability
    category: Category
    created: Second
    customer: Id
    livemode: bool
    updated: Second
    effective_at: Second | None = None
    expires_at: Second | None = None
    metadata: dict[str, str] | None = None
    name: Annotated[str, Meta(max_length=100)] | None = None
    priority: Annotated[int, Meta(ge=0, le=PRIORITY_MAX)] | None = None
    test_clock: Text | None = None
    voided_at: Second | None = None


class OfInvoice(msgspec.Struct, kw_only=True):
    invoice: Text
    invoice_line_item: Text


class Credit(msgspec.Struct, kw_only=True):
    amount: Amount
    type: Literal["credits_granted", "credits_application_invoice_voided"]
    credits_application_invoice_voided: OfInvoice | None = None


class Debit(msgspec.Struct, kw_only=True):
    amount: Amount
    type: Literal["credits_applied", "credits_expired", "credits_voided"]
    credits_applied: OfInvoice | None = None


class Transaction(msgspec.Struct, kw_only=True):
    id: str
    object: Literal["billing.credit_balance_transaction"]
    created: Second
    credit_grant: Id
    effective_at: Second
    livemode: bool
    type: Literal["credit", "debit"]
    credit: Credit | None = None
    debit: Debit | None = None
    test_clock: Text | None = None


class Balance(msgspec.Struct, kw_only=True):
    available_balance: Amount
    ledger_balance: Amount


class Summary(msgspec.Struct, kw_only=True):
    object: Literal["billing.credit_balance_summary"]
    balances: list[Balance]
    customer: str
    livemode: bool
