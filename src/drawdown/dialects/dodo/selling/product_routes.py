"""Dodo's endpoints of products: credit that comes with each billing cycle, and usage paid in credit."""

from __future__ import annotations

from functools import partial

import msgspec

from drawdown.core import errors, types
from drawdown.core.amounts import Amount
from drawdown.core.commands import CreateRate
from drawdown.core.identity import parse, spell, spell_uuid
from drawdown.core.requests import Accepted, Answer
from drawdown.core.types import Reference
from drawdown.core.usage.meters import Aggregation
from drawdown.core.usage.rating import PerCredit
from drawdown.core.usage.records import Customers, Meter, Period, Rate
from drawdown.dialects.dodo import reading
from drawdown.dialects.dodo.answering import answer
from drawdown.dialects.dodo.credit.imported import entitlement_id
from drawdown.dialects.dodo.credit.rows import brand_id
from drawdown.dialects.dodo.documents import Kept, again, submit
from drawdown.dialects.dodo.errors import MeterArchived, RecordNotFound
from drawdown.dialects.dodo.selling import products
from drawdown.dialects.dodo.selling.product_wire import (
    Attached,
    AttachRequest,
    CreateProductRequest,
    Link,
    ListProductsQuery,
    Price,
    Product,
    ProductPage,
    ProductRecord,
    RetrieveProductQuery,
    UpdateProductRequest,
    UsageBasedPrice,
)
from drawdown.dialects.dodo.selling.products import PRODUCTS
from drawdown.engine.accounts import Role
from drawdown.web import fields
from drawdown.web.endpoints import Call, Endpoint
from drawdown.web.errors import BadRequest


async def create_product(call: Call, *, free_threshold: bool) -> Answer:
    body: CreateProductRequest = call.body
    products.check_not_sold(body)
    products.check_price(body.price)
    record = ProductRecord(
        name=_name(body.name),
        price=body.price,
        tax_category=body.tax_category,
        description=_description(body.description),
        metadata=reading.metadata(body.metadata),
        attachments=await _attachments(call, body.credit_entitlements or []),
        links=await _links(call, body.price, free_threshold),
    )
    made = await submit(call.ledger, call.book, None, PRODUCTS.new(call.ledger, call.book, record))
    return await _shown(call, PRODUCTS.read(made.documents[0]))


async def retrieve_product(call: Call) -> Answer:
    return await _shown(call, await _found(call))


async def list_products(call: Call, *, page_base: int) -> Answer:
    query: ListProductsQuery = call.query
    account = call.principal.account

    async def keep(kept: Kept[ProductRecord]) -> bool:
        recurring = products.is_recurring(kept.body.price)
        return (
            kept.body.archived is query.archived
            and query.recurring in (None, recurring)
            and query.brand_id in (None, brand_id(account))
        )

    found = await PRODUCTS.page(
        call.ledger,
        call.book,
        keep,
        offset=query.offset(page_base),
        limit=query.page_size,
    )
    return answer(call, ProductPage([products.render_item(each, account) for each in found]))


async def update_product(call: Call, *, free_threshold: bool) -> Answer:
    """What is null stays. Subscriptions that run keep what they were sold."""
    body: UpdateProductRequest = call.body
    products.check_not_sold(body)
    changes: dict[str, object] = {}
    if body.name is not None:
        changes["name"] = _name(body.name)
    if body.price is not None:
        products.check_price(body.price)
        changes |= {"price": body.price, "links": await _links(call, body.price, free_threshold)}
    if body.tax_category is not None:
        changes["tax_category"] = body.tax_category
    if body.description is not None:
        changes["description"] = _description(body.description)
    if body.metadata is not None:
        changes["metadata"] = reading.metadata(body.metadata)
    if body.credit_entitlements is not None:
        changes["attachments"] = await _attachments(call, body.credit_entitlements)
    await _change(call, changes)
    return answer(call, None)


async def archive_product(call: Call, *, to: bool) -> Answer:
    """One that is archived is sold no more; the subscriptions to it go on."""
    await _change(call, {"archived": to})
    return answer(call, None)


async def _change(call: Call, changes: dict[str, object]) -> None:
    async def attempt() -> Accepted:
        kept = await _found(call)
        after = msgspec.structs.replace(kept.body, **changes)
        return await submit(call.ledger, call.book, None, PRODUCTS.changed(kept, after))

    await again(attempt)


async def _found(call: Call) -> Kept[ProductRecord]:
    return await PRODUCTS.find(call.ledger, call.book, call.path["id"])


async def _shown(call: Call, kept: Kept[ProductRecord]) -> Answer:
    named = {
        each.entitlement: await call.ledger.entitlement(call.book, reference_of(each.entitlement))
        for each in kept.body.attachments
    }
    return answer(call, products.render(kept, named, call.principal.account))


def reference_of(text: str) -> Reference:
    return parse(text) or text


async def _attachments(call: Call, asked: list[AttachRequest]) -> list[Attached]:
    found: list[Attached] = []
    for number, terms in enumerate(asked):
        field = f"credit_entitlements[{number}]"
        entitlement = await live_entitlement(call, terms.credit_entitlement_id, field)
        mapping = spell_uuid(call.ledger.ids.new())
        each = products.attached(terms, entitlement, field, mapping)
        if any(each.entitlement == other.entitlement for other in found):
            rule = "an entitlement that is not attached already"
            raise BadRequest(f"{field}.credit_entitlement_id", rule)
        found.append(each)
    return found


async def live_entitlement(call: Call, text: str, field: str) -> types.Entitlement:
    """Raises ``EntitlementNotFound`` and ``EntitlementClosed``."""
    reference = fields.reference(text, f"{field}.credit_entitlement_id")
    found = await call.ledger.entitlement(call.book, reference)
    if found.closed_at is not None:
        raise errors.EntitlementClosed()
    return found


async def _links(call: Call, price: Price, free_threshold: bool) -> list[Link]:
    """The meters that are paid in credit, each with its rate: one that is there already, or a new one."""
    if not isinstance(price, UsageBasedPrice):
        return []
    found: list[Link] = []
    for number, link in enumerate(price.meters or []):
        field = f"price.meters[{number}]"
        meter = await call.ledger.meter(
            call.book, fields.reference(link.meter_id, f"{field}.meter_id")
        )
        if meter.closed_at is not None:
            raise MeterArchived
        if link.credit_entitlement_id is None or link.meter_units_per_credit is None:
            continue
        entitlement = await live_entitlement(call, link.credit_entitlement_id, field)
        free = (link.free_threshold or 0) if free_threshold else 0
        terms = PerCredit(
            units_per_credit=fields.amount(link.meter_units_per_credit), free=Amount(free)
        )
        rate = await _rate(call, meter, entitlement, terms)
        found.append(
            Link(
                meter=spell("mtr_", meter.id),
                entitlement=entitlement_id(entitlement),
                rate=spell("rate_", rate.id),
                units_per_credit=link.meter_units_per_credit,
            )
        )
    return found


async def _rate(call: Call, meter: Meter, entitlement: types.Entitlement, price: PerCredit) -> Rate:
    """Products that charge alike share a rate: a customer of both is charged once."""
    period = _period(meter, price)
    for rate in await call.ledger.rates(call.book):
        if (
            (rate.meter, rate.entitlement, rate.price) == (meter.id, entitlement.id, price)
            and rate.customers is Customers.ATTACHED
            and rate.period == period
            and rate.closed_at is None
        ):
            return rate
    command = CreateRate(
        meter=meter.id,
        entitlement=entitlement.id,
        price=price,
        period=period,
        customers=Customers.ATTACHED,
    )
    made = (await call.ledger.apply(call.book, command)).rate
    assert made is not None
    return made


def _period(meter: Meter, price: PerCredit) -> Period:
    """Sums go on for ever, so that no fraction of a credit is lost.

    A highest or last value has a cycle, and so has what is free in each.
    """
    sums = meter.measure.aggregation in (Aggregation.COUNT, Aggregation.SUM)
    if sums and not price.free.digits:
        return Period(unit=None)
    return Period(cycle=True)


def _name(text: str) -> str:
    return fields.text(text, "name", longest=reading.NAME_MAX)


def _description(text: str | None) -> str | None:
    if text is None:
        return None
    longest = reading.DESCRIPTION_MAX
    return fields.text(text, "description", longest=longest, shortest=0, lines=True)


_SALE: tuple[type[errors.LedgerError] | type[MeterArchived], ...] = (
    errors.EntitlementNotFound,
    errors.EntitlementClosed,
    errors.MeterNotFound,
    MeterArchived,
    errors.TooManyMeters,
)


def endpoints(page_base: int, *, free_threshold: bool) -> tuple[Endpoint, ...]:
    return (
        Endpoint(
            method="POST",
            path="/products",
            handler=partial(create_product, free_threshold=free_threshold),
            summary="Create a product",
            role=Role.EDITOR,
            body=CreateProductRequest,
            answer=Product,
            errors=_SALE,
        ),
        Endpoint(
            method="GET",
            path="/products",
            handler=partial(list_products, page_base=page_base),
            summary="List products, newest first",
            role=Role.VIEWER,
            query=ListProductsQuery,
            answer=ProductPage,
        ),
        Endpoint(
            method="GET",
            path="/products/{id}",
            handler=retrieve_product,
            summary="Retrieve a product",
            role=Role.VIEWER,
            query=RetrieveProductQuery,
            answer=Product,
            errors=(RecordNotFound,),
        ),
        Endpoint(
            method="PATCH",
            path="/products/{id}",
            handler=partial(update_product, free_threshold=free_threshold),
            summary="Change a product",
            role=Role.EDITOR,
            body=UpdateProductRequest,
            errors=(RecordNotFound, *_SALE),
        ),
        Endpoint(
            method="DELETE",
            path="/products/{id}",
            handler=partial(archive_product, to=True),
            summary="Archive a product",
            role=Role.EDITOR,
            errors=(RecordNotFound,),
        ),
        Endpoint(
            method="POST",
            path="/products/{id}/unarchive",
            handler=partial(archive_product, to=False),
            summary="Sell an archived product again",
            role=Role.EDITOR,
            errors=(RecordNotFound,),
        ),
    )
