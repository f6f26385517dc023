"""The endpoints of ``price``: per unit, in tiers or in packages, with amounts finer than a minor unit."""

from __future__ import annotations

import re
from typing import Any

import msgspec
from msgspec import UNSET, UnsetType

from drawdown.core import amounts, currencies
from drawdown.core.commands import DocumentChange, KeepDocuments
from drawdown.core.errors import FieldInvalid, MeterNotFound
from drawdown.core.identity import parse, spell
from drawdown.core.requests import Accepted, Answer
from drawdown.core.types import MICROSECONDS, Id, Mode
from drawdown.core.usage import rating
from drawdown.dialects.stripe import expansion, kept, meters, products, wire_catalog
from drawdown.dialects.stripe.errors import StripeError, missing_object
from drawdown.dialects.stripe.expansion import Expansion
from drawdown.dialects.stripe.idempotency import Write
from drawdown.dialects.stripe.kept import Kept, Records
from drawdown.dialects.stripe.parameters import missing
from drawdown.dialects.stripe.requests_catalog import (
    CreatePrice,
    ListPrices,
    Recurring,
    Tier,
    UpdatePrice,
)
from drawdown.web.endpoints import Call
from drawdown.web.errors import echoed

#: What an amount may be, in minor units.
AMOUNT_MAX = 999_999_999_999
_DECIMAL = re.compile(r"\d{1,12}(\.\d{1,12})?", re.ASCII)
#: An interval and its count are at most three years.
_COUNTS = {"day": 1095, "week": 156, "month": 36, "year": 3}


class KeptTier(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Amounts are decimals in minor units; ``up_to`` None: without end."""

    up_to: int | None = None
    unit: str = "0"
    flat: str | None = None


class KeptRecurring(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    interval: str
    interval_count: int = 1
    usage_type: str = "licensed"
    meter: str | None = None
    trial_period_days: int | None = None


class Price(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """``unit``: a decimal in minor units; None where there are tiers."""

    product: str
    currency: str
    active: bool = True
    unit: str | None = None
    tiers: tuple[KeptTier, ...] = ()
    tiers_mode: str | None = None
    divide_by: int | None = None
    round: str | None = None
    recurring: KeptRecurring | None = None
    lookup_key: str | None = None
    metadata: dict[str, str] = {}
    nickname: str | None = None
    tax_behavior: str = "unspecified"


PRICES = Records(products.PRICE_KIND, "price", Price)


def price_id(found: Id) -> str:
    return spell("price_", found)


def rate_of(price: Price) -> rating.Price:
    """What a quantity costs, in minor units."""
    if price.tiers:
        tiers = tuple(
            rating.Tier(
                up_to=None if each.up_to is None else amounts.Amount(each.up_to),
                price=_amount(each.unit),
                flat=_amount(each.flat or "0"),
            )
            for each in price.tiers
        )
        kind = rating.Volume if price.tiers_mode == "volume" else rating.Graduated
        return kind(tiers=tiers)
    assert price.unit is not None
    unit = _amount(price.unit)
    if price.divide_by is not None:
        rounding = rating.Rounding(price.round or "up")
        return rating.Package(size=amounts.Amount(price.divide_by), price=unit, rounding=rounding)
    return rating.PerUnit(price=unit)


def _amount(text: str) -> amounts.Amount:
    found = amounts.parse(text)
    assert found is not None, "it was checked when the price was made"
    return found


async def create_price(call: Call, asked: CreatePrice) -> Write:
    expand = expansion.expansion(asked.expand, expansion.PRICE)
    product, change = await _product(call, asked)
    price = await price_of(call, asked, products.product_id(product))
    changes = [PRICES.new(call, price), *change]
    changes += await _taken_over(call, asked.lookup_key, asked.transfer_lookup_key, None)
    return _write(call, tuple(changes), expand)


async def price_of(call: Call, asked: CreatePrice, product: str) -> Price:
    """What is asked for. Raises ``StripeError``."""
    currency = asked.currency.lower()
    if currency not in currencies.MINOR_PLACES:
        message = (
            f"Invalid currency: {echoed(currency[:20])}. It must be a three-letter ISO 4217 code."
        )
        raise StripeError(message, param="currency")
    recurring = None if asked.recurring is None else await _recurring(call, asked.recurring)
    price = Price(
        product=product,
        currency=currency,
        active=asked.active,
        recurring=recurring,
        lookup_key=asked.lookup_key,
        metadata=kept.merged({}, asked.metadata),
        nickname=asked.nickname,
        tax_behavior=asked.tax_behavior,
        **_terms(asked),
    )
    try:
        rating.check(rate_of(price), "price")
    except FieldInvalid as error:
        raise _wrong_tier(error) from None
    return price


async def _product(
    call: Call, asked: CreatePrice
) -> tuple[Kept[products.Product], list[DocumentChange]]:
    """The product named, or one that is made with the price."""
    if (asked.product is None) == (asked.product_data is None):
        if asked.product is None:
            raise missing("product")
        raise StripeError(
            "You may only specify one of these parameters: product, product_data.",
            code="parameters_exclusive",
            param="product_data",
        )
    if asked.product is not None:
        return await products.PRODUCTS.find(call, asked.product, "product"), []
    data = asked.product_data
    assert data is not None
    body = products.Product(
        name=data.name,
        active=data.active,
        metadata=kept.merged({}, data.metadata),
        statement_descriptor=data.statement_descriptor,
        tax_code=data.tax_code,
        unit_label=data.unit_label,
        own_id=data.id,
    )
    made, change = products.new(call, body)
    return made, [change]


async def _recurring(call: Call, asked: Recurring) -> KeptRecurring:
    if asked.interval_count > _COUNTS[asked.interval]:
        raise StripeError(
            "The interval must be at most three years.", param="recurring[interval_count]"
        )
    metered = asked.usage_type == "metered"
    if metered and asked.meter is None:
        raise missing("recurring[meter]")
    if asked.meter is not None and not metered:
        raise StripeError(
            "A meter is only for prices with usage_type=metered.", param="recurring[meter]"
        )
    meter = None
    if asked.meter is not None:
        meter = meters.meter_id(await _meter(call, asked.meter), call.principal.mode)
    return KeptRecurring(
        interval=asked.interval,
        interval_count=asked.interval_count,
        usage_type=asked.usage_type,
        meter=meter,
        trial_period_days=asked.trial_period_days,
    )


async def _meter(call: Call, text: str) -> Id:
    """An active one of this dialect's."""
    param, found = "recurring[meter]", parse(text)
    try:
        meter = None if found is None else await call.ledger.meter(call.book, found)
    except MeterNotFound:
        meter = None
    if meter is None or not meters.is_shown(meter):
        raise missing_object(meters.NOUN, text, param)
    if meter.closed_at is not None:
        raise StripeError("This meter is inactive: it cannot be attached to a price.", param=param)
    return meter.id


def _wrong_tier(error: FieldInvalid) -> StripeError:
    """The core's words of a tier in Stripe's: a last one without an end is one up to "inf"."""
    field, rule = str(error.fields["field"]), str(error.fields["rule"])
    names = {"price": "unit_amount_decimal", "flat": "flat_amount_decimal"}
    where, *below = field.removeprefix("price.").split(".")
    param = names.get(where, where) + "".join(f"[{names.get(each, each)}]" for each in below)
    rule = rule.replace("left out of the last tier", "inf in the last tier")
    rule = rule.replace("given in every tier but the last", "a number in every tier but the last")
    return StripeError(f"Invalid {param}: must be {rule}.", param=param)


def _terms(asked: CreatePrice) -> dict[str, Any]:
    """What one costs: exactly one of an amount, a decimal and tiers."""
    if asked.billing_scheme == "tiered":
        return _tiered(asked)
    if asked.tiers is not None or asked.tiers_mode is not None:
        message = "tiers and tiers_mode are only for billing_scheme=tiered."
        raise StripeError(message, param="tiers")
    unit = _decimal(asked.unit_amount, asked.unit_amount_decimal, "unit_amount")
    if unit is None:
        raise missing("unit_amount")
    terms: dict[str, Any] = {"unit": unit}
    if asked.transform_quantity is not None:
        transform = asked.transform_quantity
        terms |= {"divide_by": transform.divide_by, "round": transform.round}
    return terms


def _tiered(asked: CreatePrice) -> dict[str, Any]:
    if asked.tiers_mode is None:
        raise missing("tiers_mode")
    if not asked.tiers:
        raise missing("tiers")
    for name in ("unit_amount", "unit_amount_decimal", "transform_quantity"):
        if getattr(asked, name) is not None:
            raise StripeError(f"{name} is not for billing_scheme=tiered.", param=name)
    tiers = tuple(_tier(each, number) for number, each in enumerate(asked.tiers))
    return {"tiers": tiers, "tiers_mode": asked.tiers_mode}


def _tier(asked: Tier, number: int) -> KeptTier:
    here = f"tiers[{number}]"
    unit = _decimal(asked.unit_amount, asked.unit_amount_decimal, f"{here}[unit_amount]")
    flat = _decimal(asked.flat_amount, asked.flat_amount_decimal, f"{here}[flat_amount]")
    if unit is None and flat is None:
        raise missing(f"{here}[unit_amount]")
    if asked.up_to == "inf":
        return KeptTier(unit=unit or "0", flat=flat)
    if not (asked.up_to.isascii() and asked.up_to.isdigit() and len(asked.up_to) < 16):
        message = f"Invalid {here}[up_to]: must be an integer or inf"
        raise StripeError(message, code="parameter_invalid_integer", param=f"{here}[up_to]")
    return KeptTier(up_to=int(asked.up_to), unit=unit or "0", flat=flat)


def _decimal(whole: int | None, decimal: str | None, name: str) -> str | None:
    """At most one of the two: a decimal in minor units."""
    if whole is not None and decimal is not None:
        raise StripeError(
            f"You may only specify one of these parameters: {name}, {name}_decimal.",
            code="parameters_exclusive",
            param=name,
        )
    if decimal is not None:
        if _DECIMAL.fullmatch(decimal) is None:
            message = (
                f"Invalid decimal: {echoed(decimal)}; at most 12 places before and after the point."
            )
            raise StripeError(message, param=f"{name}_decimal")
        found = amounts.parse(decimal)
        assert found is not None
        return amounts.render(found.digits, found.places)
    if whole is not None and not 0 <= whole <= AMOUNT_MAX:
        raise StripeError(
            f"Invalid non-negative integer: {name} must be from 0 to {AMOUNT_MAX}.",
            code="parameter_invalid_integer",
            param=name,
        )
    return None if whole is None else str(whole)


async def _taken_over(
    call: Call, lookup_key: str | None, transfer: bool, own: Id | None
) -> list[DocumentChange]:
    """Of active prices one has a lookup key: another's is refused, or taken from it."""
    if lookup_key is None:
        return []
    asked = ListPrices(limit=1)
    found, _ = await PRICES.page(
        call, asked, lambda each: each.body.lookup_key == lookup_key and each.id != own
    )
    if found and not transfer:
        raise StripeError(
            f"A price ({price_id(found[0].id)}) already uses that lookup key. Use transfer_lookup_key to "
            "move it.",
            code="resource_already_exists",
            param="lookup_key",
        )
    return [
        PRICES.changed(each, msgspec.structs.replace(each.body, lookup_key=None)) for each in found
    ]


async def update_price(call: Call, asked: UpdatePrice) -> Write:
    expand = expansion.expansion(asked.expand, expansion.PRICE)
    found = await PRICES.find(call, call.path["price"])
    given: dict[str, Any] = {
        name: value
        for name in ("active", "lookup_key", "nickname", "tax_behavior")
        if (value := getattr(asked, name)) is not UNSET
    }
    given["metadata"] = kept.merged(found.body.metadata, asked.metadata)
    body = msgspec.structs.replace(found.body, **given)
    key = asked.lookup_key if isinstance(asked.lookup_key, str) else None
    others = await _taken_over(call, key, asked.transfer_lookup_key, found.id)
    return _write(call, (PRICES.changed(found, body), *others), expand)


def _write(call: Call, changes: tuple[DocumentChange, ...], expand: Expansion) -> Write:
    mode = call.principal.mode

    def show(accepted: Accepted) -> wire_catalog.Price:
        return shown(PRICES.read(accepted.documents[0]), mode, expand)

    return Write(command=KeepDocuments(), show=show, documents=changes)


def shown(found: Kept[Price], mode: Mode, expand: Expansion) -> wire_catalog.Price:
    body, recurring = found.body, found.body.recurring
    options: dict[str, Any] = {}
    if expand.wants("tiers") and body.tiers:
        options["tiers"] = [_shown_tier(each) for each in body.tiers]
    if expand.wants("currency_options"):
        options["currency_options"] = {}
    return wire_catalog.Price(
        id=price_id(found.id),
        active=body.active,
        billing_scheme="tiered" if body.tiers else "per_unit",
        created=found.document.created_at // MICROSECONDS,
        currency=body.currency,
        livemode=mode is Mode.LIVE,
        lookup_key=body.lookup_key,
        metadata=body.metadata,
        nickname=body.nickname,
        product=body.product,
        recurring=(
            None
            if recurring is None
            else wire_catalog.PriceRecurring(
                interval=recurring.interval,
                interval_count=recurring.interval_count,
                meter=recurring.meter,
                trial_period_days=recurring.trial_period_days,
                usage_type=recurring.usage_type,
            )
        ),
        tax_behavior=body.tax_behavior,
        tiers_mode=body.tiers_mode,
        transform_quantity=(
            None
            if body.divide_by is None
            else wire_catalog.PriceTransform(divide_by=body.divide_by, round=body.round or "up")
        ),
        type="one_time" if recurring is None else "recurring",
        unit_amount=whole(body.unit),
        unit_amount_decimal=body.unit,
        **options,
    )


def as_plan(price: wire_catalog.Price) -> wire_catalog.Plan:
    recurring = price.recurring
    assert recurring is not None, "a subscription has no others"
    return wire_catalog.Plan(
        id=price.id,
        active=price.active,
        amount=price.unit_amount,
        amount_decimal=price.unit_amount_decimal,
        billing_scheme=price.billing_scheme,
        created=price.created,
        currency=price.currency,
        interval=recurring.interval,
        interval_count=recurring.interval_count,
        livemode=price.livemode,
        metadata=price.metadata,
        meter=recurring.meter,
        nickname=price.nickname,
        product=price.product,
        tiers_mode=price.tiers_mode,
        transform_usage=price.transform_quantity,
        trial_period_days=recurring.trial_period_days,
        usage_type=recurring.usage_type,
    )


def _shown_tier(tier: KeptTier) -> wire_catalog.PriceTier:
    return wire_catalog.PriceTier(
        flat_amount=whole(tier.flat),
        flat_amount_decimal=tier.flat,
        unit_amount=whole(tier.unit),
        unit_amount_decimal=tier.unit,
        up_to=tier.up_to,
    )


def whole(decimal: str | None) -> int | None:
    """The integer that a decimal is; None where it is none."""
    return int(decimal) if decimal is not None and decimal.isdigit() else None


async def retrieve_price(call: Call) -> Answer:
    expand = expansion.expansion(call.query.expand, expansion.PRICE)
    found = await PRICES.find(call, call.path["price"])
    return _answer(call, shown(found, call.principal.mode, expand))


async def list_prices(call: Call) -> Answer:
    asked: ListPrices = call.query
    expand = expansion.expansion(asked.expand, expansion.PRICE, of_list=True)
    created = kept.range_of(asked.created, "created")

    def keep(each: Kept[Price]) -> bool:
        body = each.body
        return (
            (asked.active is UNSET or body.active is asked.active)
            and (isinstance(asked.currency, UnsetType) or body.currency == asked.currency.lower())
            and (isinstance(asked.lookup_keys, UnsetType) or body.lookup_key in asked.lookup_keys)
            and (asked.product is UNSET or body.product == asked.product)
            and (asked.type is UNSET or (body.recurring is None) is (asked.type == "one_time"))
            and _recurs(body, asked)
            and created(each.document.created_at)
        )

    found, more = await PRICES.page(call, asked, keep)
    data = [shown(each, call.principal.mode, expand) for each in found]
    page = wire_catalog.PriceList(data=data, has_more=more, url=wire_catalog.PRICES_URL)
    return _answer(call, page)


def _recurs(body: Price, asked: ListPrices) -> bool:
    if isinstance(asked.recurring, UnsetType):
        return True
    recurring = body.recurring
    return recurring is not None and all(
        isinstance(value, UnsetType) or getattr(recurring, name) == value
        for name in ("interval", "meter", "usage_type")
        for value in (getattr(asked.recurring, name),)
    )


def _answer(call: Call, shown: Any) -> Answer:
    return Answer(status=200, body=msgspec.json.encode(shown), request_id=call.request_id)
