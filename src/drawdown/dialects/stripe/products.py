"""The endpoints of ``product``: what prices are of. The ledger knows nothing of them."""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec import UNSET, UnsetType

from drawdown.core.commands import DocumentChange, KeepDocuments
from drawdown.core.errors import DocumentNotFound
from drawdown.core.identity import spell
from drawdown.core.requests import Answer
from drawdown.core.types import MICROSECONDS, Document, Mode
from drawdown.dialects.stripe import expansion, kept, wire_catalog
from drawdown.dialects.stripe.errors import StripeError
from drawdown.dialects.stripe.idempotency import carry_out
from drawdown.dialects.stripe.kept import Kept, Records
from drawdown.dialects.stripe.requests_catalog import (
    ListProducts,
    ProductDetails,
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
    own_id: str | None = None


class Products(Records[Product]):
    """Found by the id that was chosen for one, too: that is its document's name."""

    async def find(self, call: Call, text: str, param: str = "id") -> Kept[Product]:
        try:
            return await super().find(call, text, param)
        except StripeError:
            try:
                return self.read(await call.ledger.document_named(call.book, text, self.kind))
            except DocumentNotFound:
                pass
            raise


PRODUCTS = Products("stripe.product", "product", Product)
PRICE_KIND = "stripe.price"


def new(call: Call, body: Product) -> tuple[Kept[Product], DocumentChange]:
    """A product as it will be, called by its own id where it has one."""
    change = msgspec.structs.replace(PRODUCTS.new(call, body), takes=body.own_id)
    made = Document(
        id=change.id,
        book=call.book,
        owner=call.book,
        kind=change.kind,
        body=change.body or "",
        created_at=call.now,
        updated_at=call.now,
    )
    return Kept(made, body), change


def product_id(found: Kept[Product]) -> str:
    return found.body.own_id or spell("prod_", found.id)


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


def shown(found: Kept[Product], mode: Mode) -> wire_catalog.Product:
    document, body = found.document, found.body
    return wire_catalog.Product(
        id=product_id(found),
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


async def retrieve_product(call: Call) -> Answer:
    expansion.expansion(call.query.expand, expansion.PRODUCT)
    found = await PRODUCTS.find(call, call.path["product"])
    return _answer(call, shown(found, call.principal.mode))


async def delete_product(call: Call) -> Answer:
    """Only one that no price is of."""
    found = await PRODUCTS.find(call, call.path["product"])
    name = product_id(found)
    written = msgspec.json.encode(name).decode()
    listed = DocumentFilter(book=call.book, kind=PRICE_KIND, limit=1_000)
    while prices := await call.ledger.documents(listed):
        if any(f'"product":{written}' in each.body for each in prices):
            raise StripeError(
                "This product cannot be deleted because it has one or more prices. Set active to false "
                "instead."
            )
        listed = msgspec.structs.replace(listed, after=prices[-1].id)
    change = msgspec.structs.replace(PRODUCTS.changed(found, None), gives_back=found.body.own_id)
    await carry_out(call, KeepDocuments(), (change,))
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
            and (isinstance(asked.ids, UnsetType) or product_id(each) in asked.ids)
            and created(each.document.created_at)
        )

    found, more = await PRODUCTS.page(call, asked, keep)
    mode = call.principal.mode
    data = [shown(each, mode) for each in found]
    page = wire_catalog.ProductList(data=data, has_more=more, url=wire_catalog.PRODUCTS_URL)
    return _answer(call, page)


def _answer(call: Call, shown: Any) -> Answer:
    return Answer(status=200, body=msgspec.json.encode(shown), request_id=call.request_id)
