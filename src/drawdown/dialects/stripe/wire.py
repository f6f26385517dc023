"""Objects of the ledger as Stripe's API reference (2026-10-28) has them. Pure.

Times are whole seconds and amounts whole minor units, both rounded down.
"""

from __future__ import annotations

from typing import Annotated, Any, NamedTuple

import msgspec
from msgspec import UNSET, Meta, UnsetType

from drawdown.core import currencies, identity
from drawdown.core.billing.numbering import Numbering, default_prefix
from drawdown.core.billing.records import PRICE
from drawdown.core.types import MICROSECONDS, Category, Customer, Entitlement, Grant, Metadata, Mode
from drawdown.dialects.stripe import imported, words
from drawdown.dialects.stripe.expansion import Expansion
from drawdown.dialects.stripe.requests import Address, CustomerDetails, CustomField, Shipping

#: This dialect's name among the profiles that the ledger keeps beside its objects.
PROFILE = "stripe"
#: A list of what this server has no part in.
NothingHere = Annotated[list[str], Meta(max_length=0)]

GRANTS_URL = "/v1/billing/credit_grants"
CUSTOMERS_URL = "/v1/customers"


class GrantMonetary(msgspec.Struct):
    currency: str
    value: int


class GrantAmount(msgspec.Struct, kw_only=True):
    type: words.Monetary = "monetary"
    monetary: GrantMonetary


class GrantPrice(msgspec.Struct):
    id: str


class GrantScope(msgspec.Struct, kw_only=True):
    """One of the two."""

    price_type: words.Metered | UnsetType = UNSET
    prices: list[GrantPrice] | UnsetType = UNSET


class GrantApplicability(msgspec.Struct):
    scope: GrantScope


class List(msgspec.Struct, tag_field="object", tag="list", kw_only=True):
    """``url`` is the path of the list itself: the SDKs ask there for the next page."""

    data: list[Any]
    has_more: bool
    url: str


class EmptyList(List, tag_field="object", tag="list", kw_only=True):
    data: NothingHere


class CustomerRenderingOptions(msgspec.Struct, kw_only=True):
    amount_tax_display: str | None = None
    template: None = None


class CustomerInvoiceSettings(msgspec.Struct, kw_only=True):
    custom_fields: list[CustomField] | None = None
    default_payment_method: None = None
    footer: str | None = None
    rendering_options: CustomerRenderingOptions | None = None


class ClockAdvancing(msgspec.Struct):
    target_frozen_time: int


class ClockDetails(msgspec.Struct, omit_defaults=True):
    advancing: ClockAdvancing | UnsetType = UNSET


class TestClock(msgspec.Struct, tag_field="object", tag="test_helpers.test_clock", kw_only=True):
    id: str
    created: int
    deletes_after: int
    frozen_time: int
    livemode: bool
    name: str | None
    status: words.ClockStatus
    status_details: ClockDetails


class CustomerObject(msgspec.Struct, tag_field="object", tag="customer", kw_only=True):
    """What is UNSET is shown only where there is one, or when it is asked for by ``expand``."""

    id: str
    address: Address | None
    balance: int = 0
    business_name: str | UnsetType = UNSET
    created: int
    currency: str | None = None
    customer_account: None = None
    default_source: None = None
    delinquent: bool = False
    description: str | None
    discount: None = None
    email: str | None
    individual_name: str | UnsetType = UNSET
    invoice_prefix: str
    invoice_settings: CustomerInvoiceSettings
    livemode: bool
    metadata: dict[str, str]
    name: str | None
    next_invoice_sequence: int
    phone: str | None
    preferred_locales: list[str]
    shipping: Shipping | None
    tax_exempt: words.TaxExempt
    test_clock: str | None = None
    cash_balance: UnsetType | None = UNSET
    invoice_credit_balance: dict[str, int] | UnsetType = UNSET
    sources: EmptyList | UnsetType = UNSET
    subscriptions: EmptyList | UnsetType = UNSET
    tax: UnsetType | None = UNSET
    tax_ids: EmptyList | UnsetType = UNSET


class CreditGrant(msgspec.Struct, tag_field="object", tag="billing.credit_grant", kw_only=True):
    """``amount`` is the original amount; what remains is not on the grant."""

    id: str
    amount: GrantAmount
    applicability_config: GrantApplicability
    category: Category
    created: int
    customer: str | CustomerObject
    customer_account: None = None
    effective_at: int
    expires_at: int | None
    livemode: bool
    metadata: dict[str, str]
    name: str | None
    priority: int
    test_clock: str | TestClock | None
    updated: int
    voided_at: int | None


class CreditGrantList(List, tag_field="object", tag="list", kw_only=True):
    data: list[CreditGrant]


def credit_grant(
    grant: Grant, customer: Customer, entitlement: Entitlement, mode: Mode
) -> CreditGrant:
    """A grant of a currency. Its amount in other units than whole minor ones is rounded down."""
    assert entitlement.currency is not None
    value = currencies.minor_floor(grant.amount, entitlement.currency)
    times = _times(grant)
    return CreditGrant(
        id=imported.grant_id(grant, mode),
        amount=GrantAmount(monetary=GrantMonetary(entitlement.currency, value)),
        applicability_config=GrantApplicability(_scope(grant)),
        category=grant.category,
        created=times.created,
        customer=customer_id(customer),
        effective_at=_seconds(grant.effective_at),
        expires_at=times.expires_at,
        livemode=mode is Mode.LIVE,
        metadata=_texts(grant.metadata),
        name=_grant_name(grant, entitlement),
        priority=grant.priority,
        test_clock=clock_of(customer),
        updated=times.updated,
        voided_at=times.voided_at,
    )


class _Times(NamedTuple):
    created: int
    updated: int
    expires_at: int | None
    voided_at: int | None


def _times(grant: Grant) -> _Times:
    """In seconds; of a grant that was brought over, as they were there until it is changed here."""
    there = imported.grant_there(grant)
    expires_at, voided_at = _seconds_or_none(grant.expires_at), _seconds_or_none(grant.voided_at)
    if there is None:
        return _Times(_seconds(grant.created_at), _seconds(grant.updated_at), expires_at, voided_at)
    if there.voided_at is not None:
        expires_at, voided_at = there.expires_at, voided_at and there.voided_at
    return _Times(there.created, _seconds(imported.updated_at(grant, there)), expires_at, voided_at)


def _scope(grant: Grant) -> GrantScope:
    """A limit that is none of prices is another dialect's, and not told here."""
    prices = grant.scope.get(PRICE)
    if prices is None:
        return GrantScope(price_type="metered")
    return GrantScope(prices=[GrantPrice(each) for each in prices])


#: Beside a grant that was made here without a name: it has none here, as at Stripe.
NAMELESS: dict[str, dict[str, Any]] = {PROFILE: {"name": None}}


def _grant_name(grant: Grant, entitlement: Entitlement) -> str | None:
    """A grant made elsewhere without a name goes by its entitlement's."""
    if grant.name is None and PROFILE in grant.profiles:
        return None
    return grant.name or entitlement.name


def customer_id(customer: Customer) -> str:
    return customer.own_id or identity.spell("cus_", customer.id)


def clock_of(customer: Customer) -> str | None:
    return None if customer.test_clock is None else identity.spell("clock_", customer.test_clock)


def details_of(customer: Customer) -> CustomerDetails:
    return msgspec.convert(customer.profiles.get(PROFILE, {}), CustomerDetails)


def numbering_of(customer: Customer) -> Numbering:
    """As he was made or changed; what was numbered since is not in it."""
    details = details_of(customer)
    prefix = details.invoice_prefix or default_prefix(customer.id)
    return Numbering(prefix, details.next_invoice_sequence or 1)


def customer_object(
    customer: Customer, mode: Mode, expand: Expansion, numbering: Numbering | None = None
) -> CustomerObject:
    """``numbering`` None: as ``numbering_of`` has it."""
    details = details_of(customer)
    numbering = numbering or numbering_of(customer)
    return CustomerObject(
        id=customer_id(customer),
        address=details.address,
        business_name=details.business_name or UNSET,
        created=_seconds(customer.created_at),
        description=details.description,
        email=customer.email,
        individual_name=details.individual_name or UNSET,
        currency=numbering.currency,
        invoice_prefix=numbering.prefix,
        invoice_settings=_invoice_settings(details),
        livemode=mode is Mode.LIVE,
        metadata=_texts(customer.metadata),
        name=customer.name,
        next_invoice_sequence=numbering.next,
        phone=details.phone,
        preferred_locales=details.preferred_locales or [],
        shipping=details.shipping,
        tax_exempt=details.tax_exempt or "none",
        test_clock=clock_of(customer),
        **_expanded(customer, expand),
    )


class CustomerList(List, tag_field="object", tag="list", kw_only=True):
    data: list[CustomerObject]


class CustomerSearch(msgspec.Struct, tag_field="object", tag="search_result", kw_only=True):
    """``next_page`` is to be given as ``page``."""

    data: list[CustomerObject]
    has_more: bool
    next_page: str | None
    url: str


class DeletedCustomer(msgspec.Struct, tag_field="object", tag="customer", kw_only=True):
    """What is left of one who was deleted."""

    id: str
    deleted: bool = True


def customer_profile(details: CustomerDetails) -> dict[str, dict[str, Any]]:
    """What of the details was given, as the ledger keeps it; nothing when nothing was."""
    given = {
        name: msgspec.to_builtins(value)
        for name in CustomerDetails.__struct_fields__
        if (value := getattr(details, name)) is not None
    }
    return {PROFILE: given} if given else {}


def _invoice_settings(details: CustomerDetails) -> CustomerInvoiceSettings:
    given = details.invoice_settings
    if given is None:
        return CustomerInvoiceSettings()
    options = given.rendering_options
    return CustomerInvoiceSettings(
        custom_fields=given.custom_fields or None,
        footer=given.footer,
        rendering_options=(
            None
            if options is None
            else CustomerRenderingOptions(amount_tax_display=options.amount_tax_display)
        ),
    )


def phone_of(customer: Customer) -> str | None:
    found = customer.profiles.get(PROFILE, {}).get("phone")
    return found if isinstance(found, str) else None


def _expanded(customer: Customer, expand: Expansion) -> dict[str, Any]:
    """What ``expand`` adds to a customer: of payments, taxes and subscriptions there is nothing here."""
    found: dict[str, Any] = {}
    for field in ("cash_balance", "tax"):
        if expand.wants(field):
            found[field] = None
    if expand.wants("invoice_credit_balance"):
        found["invoice_credit_balance"] = {}
    for field in ("sources", "subscriptions", "tax_ids"):
        if expand.wants(field):
            url = f"{CUSTOMERS_URL}/{customer_id(customer)}/{field}"
            found[field] = EmptyList(data=[], has_more=False, url=url)
    return found


def _texts(metadata: Metadata) -> dict[str, str]:
    """Metadata values are always text here; a number or boolean given elsewhere is written as JSON has it."""
    return {
        name: value if isinstance(value, str) else msgspec.json.encode(value).decode()
        for name, value in metadata.items()
    }


def _seconds(instant: int) -> int:
    return instant // MICROSECONDS


def _seconds_or_none(instant: int | None) -> int | None:
    return None if instant is None else _seconds(instant)
