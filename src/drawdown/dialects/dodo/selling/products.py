"""Dodo's products: what may be attached to one, and how one is shown. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeVar

import msgspec

from drawdown.core import amounts, identity, types
from drawdown.core.amounts import Amount
from drawdown.core.times import text_of
from drawdown.core.types import Id
from drawdown.dialects.dodo import reading, rendering
from drawdown.dialects.dodo.credit.imported import entitlement_id
from drawdown.dialects.dodo.credit.rows import brand_id
from drawdown.dialects.dodo.documents import Kept, Records
from drawdown.dialects.dodo.errors import DuplicateMeters, UnsupportedCurrency
from drawdown.dialects.dodo.selling.product_wire import (
    Attached,
    AttachRequest,
    CreditMapping,
    NotSold,
    OneTimePrice,
    Price,
    Product,
    ProductItem,
    ProductRecord,
    Proration,
    RecurringPrice,
    UsageBasedPrice,
)
from drawdown.dialects.dodo.wire import CURRENCIES, CreditEntitlement
from drawdown.web import fields
from drawdown.web.errors import BadRequest

T = TypeVar("T")
PRODUCTS = Records("dodo.product", "product", ProductRecord)
Entitlements = Mapping[str, types.Entitlement]
TEXT_MAX = 1_000
#: Digits before the point of what a meter's unit costs.
PRICE_DIGITS_MAX = 5
CURRENCY_RULE = "an upper-case ISO 4217 code that Dodo supports, such as USD"


def product_id(found: Id) -> str:
    return identity.spell("pdt_", found)


def check_not_sold(asked: NotSold) -> None:
    """Raises ``BadRequest`` for what the vendor sells with a product, and is not here."""
    for name, value in msgspec.structs.asdict(asked).items():
        if name in NotSold.__struct_fields__ and value:
            raise BadRequest(name, "left out or empty: nothing is sold here but credit")


def check_price(price: Price) -> None:
    """Raises ``BadRequest``."""
    if price.currency not in CURRENCIES:
        raise UnsupportedCurrency("price.currency", CURRENCY_RULE)
    if not isinstance(price, UsageBasedPrice):
        return
    seen: set[str] = set()
    for number, link in enumerate(price.meters or []):
        field = f"price.meters[{number}]"
        if link.meter_id in seen:
            raise DuplicateMeters(f"{field}.meter_id", "a meter that is not linked already")
        seen.add(link.meter_id)
        check_texts(
            field,
            name=link.name,
            description=link.description,
            measurement_unit=link.measurement_unit,
        )
        if (link.credit_entitlement_id is None) != (link.meter_units_per_credit is None):
            rule = "given together with credit_entitlement_id, or not at all"
            raise BadRequest(f"{field}.meter_units_per_credit", rule)
        if link.meter_units_per_credit is not None:
            positive(link.meter_units_per_credit, f"{field}.meter_units_per_credit")
        if link.price_per_unit is not None:
            reading.amount(link.price_per_unit, f"{field}.price_per_unit", PRICE_DIGITS_MAX)


def check_texts(within: str | None = None, **texts: str | None) -> None:
    """Raises ``BadRequest`` for a text that is empty, too long or has control characters."""
    for name, text in texts.items():
        if text is not None:
            field = name if within is None else f"{within}.{name}"
            fields.text(text, field, longest=TEXT_MAX, lines=True)


def positive(text: str, field: str) -> Amount:
    found = reading.amount(text, field)
    if not found.digits:
        raise BadRequest(field, "more than 0")
    return found


def attached(
    terms: AttachRequest, entitlement: types.Entitlement, field: str, mapping: str
) -> Attached:
    """An attachment that can be granted: whole units, a price where there is overage."""
    scale = entitlement.scale
    amounts.to_units(
        positive(terms.credits_amount, f"{field}.credits_amount"), scale, f"{field}.credits_amount"
    )
    for name in ("trial_credits", "overage_limit"):
        text = getattr(terms, name)
        if text is not None:
            amounts.to_units(reading.amount(text, f"{field}.{name}"), scale, f"{field}.{name}")
    if terms.price_per_unit is not None:
        reading.amount(terms.price_per_unit, f"{field}.price_per_unit")
    if terms.currency is not None and terms.currency not in CURRENCIES:
        raise UnsupportedCurrency(f"{field}.currency", CURRENCY_RULE)
    if (terms.rollover_timeframe_count is None) != (terms.rollover_timeframe_interval is None):
        rule = "given together with rollover_timeframe_interval, or not at all"
        raise BadRequest(f"{field}.rollover_timeframe_count", rule)
    found = Attached(id=mapping, entitlement=entitlement_id(entitlement), terms=terms)
    check_overage(mapping_of(found, entitlement), field)
    return found


def check_overage(mapping: CreditMapping, field: str) -> None:
    """Raises ``BadRequest`` for overage that has no price."""
    if mapping.overage_enabled and mapping.price_per_unit is None:
        raise BadRequest(f"{field}.price_per_unit", "given when overage_enabled is true")
    if mapping.price_per_unit is not None and mapping.currency is None:
        raise BadRequest(f"{field}.currency", "given when price_per_unit is")


def mapping_of(found: Attached, entitlement: types.Entitlement) -> CreditMapping:
    """What stands: what the attachment says, and where it says nothing, what the entitlement does."""
    own = rendering.entitlement(entitlement, entitlement.book)
    terms = found.terms
    rolls_for = own if terms.rollover_timeframe_count is None else terms
    return CreditMapping(
        id=found.id,
        credit_entitlement_id=found.entitlement,
        credit_entitlement_name=own.name,
        credit_entitlement_unit=own.unit,
        credits_amount=_plain(terms.credits_amount) or "0",
        overage_behavior=_first(terms.overage_behavior, own.overage_behavior),
        overage_enabled=_first(terms.overage_enabled, own.overage_enabled),
        proration_behavior=terms.proration_behavior,
        rollover_enabled=_first(terms.rollover_enabled, own.rollover_enabled),
        trial_credits_expire_after_trial=terms.trial_credits_expire_after_trial,
        currency=_first(terms.currency, own.currency),
        expires_after_days=_first(terms.expires_after_days, own.expires_after_days),
        low_balance_threshold_percent=terms.low_balance_threshold_percent,
        max_rollover_count=_first(terms.max_rollover_count, own.max_rollover_count),
        overage_limit=_limit(terms, own),
        price_per_unit=_first(terms.price_per_unit, own.price_per_unit),
        rollover_percentage=_first(terms.rollover_percentage, own.rollover_percentage),
        rollover_timeframe_count=rolls_for.rollover_timeframe_count,
        rollover_timeframe_interval=rolls_for.rollover_timeframe_interval,
        trial_credits=_plain(terms.trial_credits),
    )


def _first(said: T | None, else_: T) -> T:
    return else_ if said is None else said


def _limit(terms: AttachRequest, own: CreditEntitlement) -> str | None:
    if terms.overage_limit is not None:
        return _plain(terms.overage_limit)
    return None if own.overage_limit is None else str(own.overage_limit)


def _plain(text: str | None) -> str | None:
    return None if text is None else str(fields.amount(text))


def is_recurring(price: Price) -> bool:
    return not isinstance(price, OneTimePrice)


def price_of(price: Price) -> int:
    """What one costs at each payment, in the currency's smallest unit."""
    return price.fixed_price if isinstance(price, UsageBasedPrice) else price.price


def trial_days_of(price: Price) -> int:
    return price.trial_period_days if isinstance(price, RecurringPrice) else 0


def render(kept: Kept[ProductRecord], entitlements: Entitlements, account: Id) -> Product:
    document, body = kept.document, kept.body
    return Product(
        product_id=product_id(document.id),
        business_id=rendering.business_id(account),
        brand_id=brand_id(account),
        name=body.name,
        description=body.description,
        price=body.price,
        tax_category=body.tax_category,
        is_recurring=is_recurring(body.price),
        credit_entitlements=[
            mapping_of(each, entitlements[each.entitlement]) for each in body.attachments
        ],
        metadata=body.metadata,
        created_at=text_of(document.created_at),
        updated_at=text_of(document.updated_at),
    )


def render_item(kept: Kept[ProductRecord], account: Id) -> ProductItem:
    document, body = kept.document, kept.body
    return ProductItem(
        product_id=product_id(document.id),
        business_id=rendering.business_id(account),
        name=body.name,
        description=body.description,
        currency=body.price.currency,
        price=price_of(body.price),
        price_detail=body.price,
        tax_category=body.tax_category,
        tax_inclusive=body.price.tax_inclusive,
        is_recurring=is_recurring(body.price),
        metadata=body.metadata,
        created_at=text_of(document.created_at),
        updated_at=text_of(document.updated_at),
    )


def archived(body: ProductRecord, *, to: bool) -> ProductRecord:
    return msgspec.structs.replace(body, archived=to)


def prorates(mapping: CreditMapping) -> bool:
    return mapping.proration_behavior is Proration.PRORATE
