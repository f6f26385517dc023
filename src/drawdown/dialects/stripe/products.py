"""The endpoints of ``product``: what prices are of. The ledger knows nothing of them."""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec import UNSET, UnsetType

from drawdown.core.commands import KeepDocuments
from drawdown.core.identity import spell
from drawdown.core.requests import Accepted, Answer
from drawdown.core.types import MICROSECONDS, Document, Id, Mode
from drawdown.dialects.stripe import expansion, kept, wire_catalog
from drawdown.dialects.stripe.errors import StripeError
from drawdown.dialects.stripe.idempotency import Write, carry_out
from drawdown.dialects.stripe.kept import Kept, Records
from drawdown.dialects.stripe.requests_catalog import (
    CreateProduct,
    ListProducts,
    ProductDetails,
    UpdateProduct,
)
from drawdown.engine.ports import DocumentFilter
from drawdown.web.endpoints import Call


class Product(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    name: str
    type: str = "service"
    active: bool = True
    default_price: str | None = None
    description: str | None = None
    images: list[str] = []
    marketing_features: list[str] = []
    metadata: dict[str, str] = {}
    statement_descriptor: str | None = None
    tax_code: str | None = None
    unit_label: str | None = None
    url: str | None = None


PRODUCTS = Records("stripe.product", "product", Product)
PRICE_KIND = "stripe.price"


def product_id(found: Id) -> str:
    return spell("prod_", found)


def changed(before: Product, asked: ProductDetails) -> Product:
    """With what was given; an empty value unsets."""
    given: dict[str, Any] = {
        name: value
        for name in (
            "active",
            "description",
            "statement_descriptor",
            "tax_code",
            "unit_label",
            "url",
        )
        if (value := getattr(asked, name)) is not UNSET
    }
    if asked.images is not UNSET:
        given["images"] = asked.images or []
    if not isinstance(asked.marketing_features, UnsetType):
        given["marketing_features"] = [each.name for each in asked.marketing_features or ()]
    given["metadata"] = kept.merged(before.metadata, asked.metadata)
    return msgspec.structs.replace(before, **given)


def shown(document: Document, body: Product, mode: Mode) -> wire_catalog.Product:
    return wire_catalog.Product(
        id=product_id(document.id),
        active=body.active,
        created=document.created_at // MICROSECONDS,
        default_price=body.default_price,
        description=body.description,
        images=body.images,
        livemode=mode is Mode.LIVE,
        marketing_features=[wire_catalog.Feature(each) for each in body.marketing_features],
        metadata=body.metadata,
        name=body.name,
        statement_descriptor=body.statement_descriptor,
        tax_code=body.tax_code,
        type=body.type,
        unit_label=body.unit_label,
        updated=document.updated_at // MICROSECONDS,
        url=body.url,
    )


def _write(call: Call, change: Any) -> Write:
    mode = call.principal.mode

    def show(accepted: Accepted) -> wire_catalog.Product:
        read = PRODUCTS.read(accepted.documents[0])
        return shown(read.document, read.body, mode)

    return Write(command=KeepDocuments(), show=show, documents=(change,))


async def create_product(call: Call, asked: CreateProduct) -> Write:
    expansion.expansion(asked.expand, expansion.PRODUCT)
    body = changed(Product(name=asked.name, type=asked.type), asked)
    return _write(call, PRODUCTS.new(call, body))


async def update_product(call: Call, asked: UpdateProduct) -> Write:
    expansion.expansion(asked.expand, expansion.PRODUCT)
    found = await PRODUCTS.find(call, call.path["product"])
    body = changed(found.body, asked)
    if isinstance(asked.name, str):
        body = msgspec.structs.replace(body, name=asked.name)
    if not isinstance(asked.default_price, UnsetType):
        body = msgspec.structs.replace(body, default_price=asked.default_price)
    return _write(call, PRODUCTS.changed(found, body))


async def retrieve_product(call: Call) -> Answer:
    expansion.expansion(call.query.expand, expansion.PRODUCT)
    found = await PRODUCTS.find(call, call.path["product"])
    return _answer(call, shown(found.document, found.body, call.principal.mode))


async def delete_product(call: Call) -> Answer:
    """Only one that no price is of."""
    found = await PRODUCTS.find(call, call.path["product"])
    name = product_id(found.id)
    listed = DocumentFilter(book=call.book, kind=PRICE_KIND, limit=1_000)
    while prices := await call.ledger.documents(listed):
        if any(f'"product":"{name}"' in each.body for each in prices):
            raise StripeError(
                "This product cannot be deleted because it has one or more prices. Set active to false "
                "instead."
            )
        listed = msgspec.structs.replace(listed, after=prices[-1].id)
    await carry_out(call, KeepDocuments(), (PRODUCTS.changed(found, None),))
    return _answer(call, wire_catalog.Deleted(id=name, object="product"))


async def list_products(call: Call) -> Answer:
    asked: ListProducts = call.query
    expansion.expansion(asked.expand, expansion.PRODUCT, of_list=True)
    created = kept.range_of(asked.created, "created")

    def keep(each: Kept[Product]) -> bool:
        body = each.body
        return (
            (asked.active is UNSET or body.active is asked.active)
            and (asked.type is UNSET or body.type == asked.type)
            and (asked.url is UNSET or body.url == asked.url)
            and (isinstance(asked.ids, UnsetType) or product_id(each.id) in asked.ids)
            and created(each.document.created_at)
        )

    found, more = await PRODUCTS.page(call, asked, keep)
    mode = call.principal.mode
    data = [shown(each.document, each.body, mode) for each in found]
    page = wire_catalog.ProductList(data=data, has_more=more, url=wire_catalog.PRODUCTS_URL)
    return _answer(call, page)


def _answer(call: Call, shown: Any) -> Answer:
    return Answer(status=200, body=msgspec.json.encode(shown), request_id=call.request_id)
