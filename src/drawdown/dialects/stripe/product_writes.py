"""Products as they are made and changed, with the price that one has by default."""

from __future__ import annotations

import msgspec
from msgspec import UnsetType

from drawdown.core.commands import DocumentChange, KeepDocuments
from drawdown.core.requests import Accepted
from drawdown.dialects.stripe import expansion, prices, products, wire_catalog
from drawdown.dialects.stripe.errors import StripeError
from drawdown.dialects.stripe.idempotency import Write
from drawdown.dialects.stripe.products import PRODUCTS, Product
from drawdown.dialects.stripe.requests_catalog import (
    CreatePrice,
    CreateProduct,
    DefaultPrice,
    Recurring,
    UpdateProduct,
)
from drawdown.web.endpoints import Call

_DATA = "default_price_data"


async def create_product(call: Call, asked: CreateProduct) -> Write:
    expansion.expansion(asked.expand, expansion.PRODUCT)
    body = products.changed(Product(name=asked.name, type=asked.type, own_id=asked.id), asked)
    made, change = products.new(call, body)
    if asked.default_price_data is None:
        return _write(call, [change])
    price = await _default(call, asked.default_price_data, products.product_id(made))
    body = msgspec.structs.replace(body, default_price=prices.price_id(price.id))
    change = msgspec.structs.replace(change, body=msgspec.json.encode(body).decode())
    return _write(call, [change, price])


async def _default(call: Call, asked: DefaultPrice, product: str) -> DocumentChange:
    recurring = asked.recurring
    price = CreatePrice(
        currency=asked.currency,
        metadata=asked.metadata,
        recurring=(
            None
            if recurring is None
            else Recurring(interval=recurring.interval, interval_count=recurring.interval_count)
        ),
        tax_behavior=asked.tax_behavior,
        unit_amount=asked.unit_amount,
        unit_amount_decimal=asked.unit_amount_decimal,
    )
    try:
        return prices.PRICES.new(call, await prices.price_of(call, price, product))
    except StripeError as error:
        if error.param is not None:
            head, bracket, rest = error.param.partition("[")
            error.param = f"{_DATA}[{head}]{bracket}{rest}"
        raise


async def update_product(call: Call, asked: UpdateProduct) -> Write:
    expansion.expansion(asked.expand, expansion.PRODUCT)
    found = await PRODUCTS.find(call, call.path["product"])
    body = products.changed(found.body, asked)
    if isinstance(asked.name, str):
        body = msgspec.structs.replace(body, name=asked.name)
    if not isinstance(asked.default_price, UnsetType):
        default = await _own_price(call, asked.default_price, products.product_id(found))
        body = msgspec.structs.replace(body, default_price=default)
    return _write(call, [PRODUCTS.changed(found, body)])


async def _own_price(call: Call, text: str | None, product: str) -> str | None:
    if text is None:
        return None
    price = await prices.PRICES.find(call, text, "default_price")
    if price.body.product != product:
        message = f"The price specified is not one of the product {product}."
        raise StripeError(message, param="default_price")
    return prices.price_id(price.id)


def _write(call: Call, changes: list[DocumentChange]) -> Write:
    mode = call.principal.mode

    def show(accepted: Accepted) -> wire_catalog.Product:
        return products.shown(PRODUCTS.read(accepted.documents[0]), mode)

    return Write(command=KeepDocuments(), show=show, documents=tuple(changes))
