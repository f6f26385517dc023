"""Items of a subscription: the prices that are asked for, and what becomes of those that are there."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
from msgspec import UnsetType

from drawdown.core.billing.actions import ItemChange
from drawdown.core.billing.records import Item, Metered, Subscription
from drawdown.core.identity import spell
from drawdown.core.types import MICROSECONDS, Instant
from drawdown.dialects.stripe import kept, meters, prices, products
from drawdown.dialects.stripe.errors import StripeError
from drawdown.dialects.stripe.invoices import ItemProfile
from drawdown.dialects.stripe.kept import Kept
from drawdown.dialects.stripe.parameters import missing
from drawdown.dialects.stripe.requests_billing import AskedItem, ChangedItem
from drawdown.web.endpoints import Call

Prices = dict[str, Kept[prices.Price]]


class Terms(msgspec.Struct, frozen=True):
    """What all prices of a subscription have in common."""

    currency: str
    interval: str
    interval_count: int


def terms_of(body: Subscription) -> Terms:
    return Terms(body.currency, body.every.unit.value, body.every.count)


def check(price: Kept[prices.Price], terms: Terms, param: str) -> None:
    """Raises ``StripeError`` for a price that cannot be charged so."""
    recurring = price.body.recurring
    if recurring is None:
        message = (
            "The price specified is set to `type=one_time`; a subscription takes recurring ones."
        )
        raise StripeError(message, param=param)
    if not price.body.active:
        raise StripeError("The price specified is inactive.", param=param)
    if price.body.currency != terms.currency:
        message = f"All prices must be in one currency, here {terms.currency}."
        raise StripeError(message, param=param)
    if (recurring.interval, recurring.interval_count) != (terms.interval, terms.interval_count):
        raise StripeError("All prices must recur at the same interval.", param=param)


async def item_of(
    call: Call, asked: AskedItem | ChangedItem, price: Kept[prices.Price], param: str
) -> Item:
    """A new one."""
    body = price.body
    assert body.recurring is not None
    metered = None
    if body.recurring.meter is not None:
        _check_quantity(asked.quantity, param)
        meter = await meters.find(call, body.recurring.meter, f"{param}[price]")
        metered = Metered(meter=meter.id.hex(), measure=meter.measure)
    product = await products.PRODUCTS.find(call, body.product)
    profile = ItemProfile(
        price=prices.price_id(price.id),
        product=body.product,
        product_name=product.body.name,
        unit=body.unit,
        metadata=kept.merged({}, asked.metadata),
    )
    return Item(
        id=spell("si_", call.ledger.ids.new()),
        name=prices.price_id(price.id),
        rate=prices.rate_of(body),
        metered=metered,
        quantity=asked.quantity or 1,
        profile=msgspec.to_builtins(profile),
    )


def _check_quantity(quantity: int | None, param: str) -> None:
    if quantity is not None:
        raise StripeError(
            "Quantity should not be specified where usage_type is `metered`.",
            param=f"{param}[quantity]",
        )


async def known(call: Call, body: Subscription) -> Prices:
    """The prices of its items, by their ids."""
    names = [msgspec.convert(each.profile, ItemProfile).price for each in body.items]
    return {name: await prices.PRICES.find(call, name) for name in names}


async def change_of(
    call: Call,
    body: Subscription,
    asked: Sequence[ChangedItem],
    now: Instant,
    behavior: str | None,
    proration_date: int | None,
    param: str = "items",
) -> tuple[ItemChange, Prices]:
    """What is asked for, with the prices that come. Whether an item is there, the ledger says."""
    present = {item.id: item for item in body.items}
    added, changed, removed, by_id = list[Item](), list[Item](), list[str](), Prices()
    for number, each in enumerate(asked):
        here = f"{param}[{number}]"
        old = None if each.id is None else present.get(each.id)
        if each.id is not None and (each.deleted or old is None):
            removed.append(each.id)
            continue
        price = await _priced(call, each, old, f"{here}[price]")
        if price is not None:
            check(price, terms_of(body), f"{here}[price]")
            by_id[prices.price_id(price.id)] = price
            item = await item_of(call, each, price, here)
        else:
            assert old is not None, "a new item names its price"
            if old.metered is not None:
                _check_quantity(each.quantity, here)
            item = msgspec.structs.replace(old, quantity=each.quantity or old.quantity)
        if old is None:
            added.append(_created(item, now))
        else:
            changed.append(_in_place_of(old, item, each))
    change = ItemChange(
        added=tuple(added),
        changed=tuple(changed),
        removed=tuple(removed),
        prorates=behavior != "none",
        prorated_from=None if proration_date is None else Instant(proration_date * MICROSECONDS),
        invoices_now=behavior == "always_invoice",
    )
    return change, by_id


async def _priced(
    call: Call, asked: ChangedItem, old: Item | None, param: str
) -> Kept[prices.Price] | None:
    """The price that it gets; None where it has that already."""
    if asked.price is None:
        if old is None:
            raise missing(param)
        return None
    price = await prices.PRICES.find(call, asked.price, param)
    return None if old is not None and prices.price_id(price.id) == old.name else price


def _created(item: Item, now: Instant) -> Item:
    return msgspec.structs.replace(item, profile={**item.profile, "created": now // MICROSECONDS})


def _in_place_of(old: Item, new: Item, asked: ChangedItem) -> Item:
    """With the id, the metadata and the time of making of the one that it is now."""
    before = msgspec.convert(old.profile, ItemProfile)
    given = asked.metadata
    profile = msgspec.structs.replace(
        msgspec.convert(new.profile, ItemProfile),
        metadata=before.metadata
        if isinstance(given, UnsetType)
        else kept.merged(before.metadata, given),
        created=before.created,
    )
    return msgspec.structs.replace(new, id=old.id, profile=msgspec.to_builtins(profile))
