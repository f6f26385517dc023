"""Dodo's requests to commands: the vendor's rules that go beyond the type of a field."""

from __future__ import annotations

import msgspec

from drawdown.core.amounts import Amount
from drawdown.core.commands import (
    AskedOverage,
    CreateCustomer,
    CreateEntitlement,
    Debit,
    IssueGrant,
    RolloverTerms,
)
from drawdown.core.types import (
    UNITS_MAX,
    BurnOrder,
    Entitlement,
    Instant,
    Metadata,
    Profiles,
    Reference,
    Shortfall,
)
from drawdown.dialects.dodo.credit import overage, rollover
from drawdown.dialects.dodo.errors import (
    ParameterInvalid,
    QueryInvalid,
    TooManyPairs,
    UnsupportedCurrency,
)
from drawdown.dialects.dodo.wire import (
    CURRENCIES,
    CreateCustomerRequest,
    CreateEntitlementRequest,
    CreateLedgerEntryRequest,
    CustomerProfile,
    EntitlementProfile,
    EntryType,
    MetadataGiven,
    OverageBehavior,
)
from drawdown.web import fields
from drawdown.web.errors import BadRequest

#: Under this name the ledger keeps what only Dodo knows of an object.
PROFILE = "dodo"
PAIRS_MAX = 50
NAME_MAX = 255
UNIT_MAX = 50
EMAIL_MAX = 320
PHONE_NUMBER_MAX = 50
DESCRIPTION_MAX = 1000
REASON_MAX = 1000
#: Digits before the point: the vendor keeps amounts in a NUMERIC(38, 28).
WHOLE_DIGITS_MAX = 10
INTERVALS = ("Day", "Week", "Month", "Year")


def path_reference(text: str, field: str) -> Reference:
    """An id in a path, in any spelling; or an own id or code."""
    try:
        return fields.reference(text, field)
    except BadRequest as error:
        raise ParameterInvalid(field, error.rule) from None


def query_reference(text: str, field: str) -> Reference:
    """The same in a query."""
    try:
        return fields.reference(text, field)
    except BadRequest as error:
        raise QueryInvalid(str(error)) from None


def query_instant(text: str | None, field: str) -> Instant | None:
    """A time of a query; without a zone it is UTC."""
    try:
        return None if text is None else fields.instant(text, field, assume_utc=True)
    except BadRequest as error:
        raise QueryInvalid(str(error)) from None


def create_customer(body: CreateCustomerRequest) -> CreateCustomer:
    locale = body.preferred_locale
    profile = CustomerProfile(
        phone_number=optional_text(body.phone_number, "phone_number", PHONE_NUMBER_MAX),
        preferred_locale=None if locale is None else str(locale),
    )
    return CreateCustomer(
        name=fields.text(body.name, "name", longest=NAME_MAX),
        email=fields.text(body.email, "email", longest=EMAIL_MAX),
        metadata=metadata(body.metadata),
        profiles=_profiles(profile),
    )


def create_entitlement(
    body: CreateEntitlementRequest, burn_order: BurnOrder = BurnOrder.OLDEST_FIRST
) -> CreateEntitlement:
    """As at Dodo the oldest grant is drawn first, unless it is set otherwise; usage goes past zero."""
    _check_rollover(body)
    _check_price(body)
    return CreateEntitlement(
        name=fields.text(body.name, "name", longest=NAME_MAX),
        unit=fields.text(body.unit, "unit", longest=UNIT_MAX),
        scale=body.precision,
        burn_order=burn_order,
        shortfall=Shortfall.OVERAGE,
        expires_after_days=body.expires_after_days,
        overage=_overage(body),
        profiles=_profiles(_entitlement_profile(body)),
    )


def _overage(body: CreateEntitlementRequest) -> AskedOverage:
    """It holds where no subscription has another. Of a limit that no wallet can reach, what it can."""
    most = UNITS_MAX // 10**body.precision
    limit = body.overage_limit
    return overage.rule(
        enabled=body.overage_enabled,
        limit=None if limit is None else Amount(min(limit, most)),
        behavior=(body.overage_behavior or OverageBehavior.FORGIVE_AT_RESET).value,
        price_per_unit=body.price_per_unit,
        currency=body.currency,
    )


def _entitlement_profile(body: CreateEntitlementRequest) -> EntitlementProfile:
    return EntitlementProfile(
        description=optional_text(body.description, "description", DESCRIPTION_MAX, shortest=0),
        rollover_enabled=body.rollover_enabled,
        rollover_percentage=body.rollover_percentage,
        rollover_timeframe_count=body.rollover_timeframe_count,
        rollover_timeframe_interval=_interval(body.rollover_timeframe_interval),
        max_rollover_count=body.max_rollover_count,
        overage_enabled=body.overage_enabled,
        overage_limit=body.overage_limit,
        overage_behavior=body.overage_behavior or OverageBehavior.FORGIVE_AT_RESET,
        price_per_unit=body.price_per_unit,
        currency=body.currency,
    )


def _profiles(profile: CustomerProfile | EntitlementProfile) -> Profiles:
    """What was given of it; nothing when all of it is at its default."""
    given = msgspec.to_builtins(profile)
    return {PROFILE: given} if given else {}


def _check_rollover(body: CreateEntitlementRequest) -> None:
    if (body.rollover_timeframe_count is None) != (body.rollover_timeframe_interval is None):
        missing = "count" if body.rollover_timeframe_count is None else "interval"
        raise BadRequest(
            f"rollover_timeframe_{missing}",
            "given too: count and interval are set together, or neither",
        )


def _check_price(body: CreateEntitlementRequest) -> None:
    if body.price_per_unit is not None:
        amount(body.price_per_unit, "price_per_unit")
        if body.currency is None:
            raise BadRequest("currency", "given when price_per_unit is")
    elif body.overage_enabled:
        raise BadRequest("price_per_unit", "given when overage_enabled is true")
    if body.currency is not None and body.currency not in CURRENCIES:
        raise UnsupportedCurrency(
            "currency", "an upper-case ISO 4217 code that Dodo supports, such as USD"
        )


def _interval(text: str | None) -> str | None:
    """Capitalised as in the vendor's enum. Its prose writes lower case, so any case is accepted."""
    if text is None:
        return None
    found = text.capitalize()
    if found not in INTERVALS:
        raise BadRequest("rollover_timeframe_interval", f"one of {', '.join(INTERVALS)}")
    return found


def ledger_entry(
    body: CreateLedgerEntryRequest, customer: Reference, kind: Entitlement
) -> IssueGrant | Debit:
    """A credit is a grant, a debit draws. Without ``expires_at`` the entitlement decides.

    What of a credit rolls over as it expires is as the entitlement says now.
    """
    units, pairs = amount(body.amount, "amount"), metadata(body.metadata)
    reason = optional_text(body.reason, "reason", REASON_MAX, shortest=0)
    if body.entry_type is EntryType.DEBIT:
        if body.expires_at is not None:
            raise BadRequest("expires_at", "left out of a debit: only credit expires")
        return Debit(
            customer=customer,
            entitlement=kind.id,
            amount=units,
            metadata=pairs,
            reason=reason,
            within_credit=True,
        )
    return IssueGrant(
        customer=customer,
        entitlement=kind.id,
        amount=units,
        expires_at=_expiry(body.expires_at),
        metadata=pairs,
        reason=reason,
        rollover=_rollover(body, kind),
    )


def _rollover(body: CreateLedgerEntryRequest, kind: Entitlement) -> RolloverTerms | None:
    """Nothing where the credit never expires."""
    if body.expires_at is None and kind.expires_after_days is None:
        return None
    profile = msgspec.convert(kind.profiles.get(PROFILE, {}), EntitlementProfile)
    return rollover.terms(
        enabled=profile.rollover_enabled,
        percentage=profile.rollover_percentage,
        most=profile.max_rollover_count,
        count=profile.rollover_timeframe_count,
        interval=profile.rollover_timeframe_interval,
        days=kind.expires_after_days,
    )


def _expiry(text: str | None) -> Instant | msgspec.UnsetType:
    """Some SDKs cannot tell null from absent, so both mean the entitlement's own rule."""
    if text is None:
        return msgspec.UNSET
    return fields.instant(text, "expires_at", assume_utc=True)


def amount(text: str, field: str, whole_digits_max: int = WHOLE_DIGITS_MAX) -> Amount:
    """An amount of credit, or a price of one. Raises ``BadRequest``."""
    found = fields.amount(text, field)
    if found.digits >= 10 ** (whole_digits_max + found.places):
        raise BadRequest(
            field, f"a decimal with at most {whole_digits_max} digits before the point"
        )
    return found


def metadata(values: MetadataGiven | None) -> Metadata:
    if values is None:
        return {}
    if len(values) > PAIRS_MAX:
        raise TooManyPairs("metadata", f"at most {PAIRS_MAX} key-value pairs")
    return fields.metadata(values)


def optional_text(value: str | None, field: str, longest: int, *, shortest: int = 1) -> str | None:
    if value is None:
        return None
    return fields.text(value, field, longest=longest, shortest=shortest, lines=True)
