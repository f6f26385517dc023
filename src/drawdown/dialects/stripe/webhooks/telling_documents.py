"""Events of documents: products, prices, subscriptions and invoices, each as an operation left it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import msgspec

from drawdown.core.billing.records import (
    INVOICE,
    SUBSCRIPTION,
    Invoice,
    InvoiceStatus,
    Subscription,
    invoice_of,
    subscription_of,
)
from drawdown.core.identity import parse
from drawdown.core.types import Document, Id
from drawdown.dialects.stripe import (
    expansion,
    invoices,
    items,
    prices,
    products,
    subscriptions,
    transactions,
)
from drawdown.dialects.stripe.ids import invoice_id
from drawdown.dialects.stripe.transactions import Lines
from drawdown.dialects.stripe.webhooks.telling import Telling, Told, changed, difference


class Turn(msgspec.Struct):
    """A document before and after an operation: None where there was none, or is none any more."""

    kind: str
    before: Document | None
    after: Document | None


class _Changed(msgspec.Struct):
    """Each document: its id, its kind, and what it said before and after; and what was only told of."""

    documents: list[tuple[str, str, str | None, str | None]] = []
    shown: list[tuple[str, str, str]] = []


_changed = msgspec.json.Decoder(_Changed).decode


async def turns(telling: Telling) -> list[Turn]:
    """The documents that an operation changed, in its order."""
    operation = telling.operation
    found = []
    for name, kind, old, new in _changed(operation.changed or b"{}").documents:
        document = await telling.ledger.store.find_document(Id(bytes.fromhex(name)))
        if document is None:
            continue
        found.append(Turn(kind, _with(document, old, telling), _with(document, new, telling)))
    return found


def upcoming(telling: Telling) -> Iterator[Told]:
    """Of an invoice that is to come there is no document: it is as the operation says, and has no id."""
    operation = telling.operation
    for name, kind, body in _changed(operation.changed or b"{}").shown:
        document = Document(
            id=Id(bytes.fromhex(name)),
            book=telling.book,
            owner=operation.customer,
            kind=kind,
            body=body,
            created_at=operation.at,
            updated_at=operation.at,
        )
        view = invoices.Shown(telling.customer, telling.mode)
        shown = msgspec.to_builtins(view.invoice(document, preview=True))
        del shown["id"]
        yield Told("invoice.upcoming", shown)


def _with(document: Document, body: str | None, telling: Telling) -> Document | None:
    if body is None:
        return None
    at = telling.operation.at
    return msgspec.structs.replace(document, body=body, updated_at=at, deleted_at=None)


def lines_of(found: list[Turn]) -> Lines:
    """Which line of which invoice an entry of the operation was for."""
    lines: Lines = {}
    for turn in found:
        if turn.kind == INVOICE and turn.after is not None:
            lines |= transactions.lines_of(invoice_id(turn.after.id), invoice_of(turn.after.body))
    return lines


async def told(telling: Telling, turn: Turn) -> list[Told]:
    if turn.kind == SUBSCRIPTION:
        return await _subscription(telling, turn)
    tell = _TOLD.get(turn.kind)
    return [] if tell is None else list(tell(telling, turn))


def _kept(noun: str, show: Callable[[Telling, Document], Any]) -> Any:
    def tell(telling: Telling, turn: Turn) -> Iterator[Told]:
        if turn.before is None and turn.after is not None:
            yield Told(f"{noun}.created", show(telling, turn.after))
        elif turn.before is not None and turn.after is None:
            yield Told(f"{noun}.deleted", show(telling, turn.before))
        elif turn.before is not None and turn.after is not None:
            before, after = show(telling, turn.before), show(telling, turn.after)
            yield from changed(f"{noun}.updated", before, after)

    return tell


def _product(telling: Telling, document: Document) -> Any:
    return products.shown(products.PRODUCTS.read(document), telling.mode)


def _price(telling: Telling, document: Document) -> Any:
    return prices.shown(prices.PRICES.read(document), telling.mode, expansion.NOTHING)


# Invoices ------------------------------------------------------------------------------------------


def _invoice(telling: Telling, turn: Turn) -> Iterator[Told]:
    """What became of it first, then that it changed."""
    view = invoices.Shown(telling.customer, telling.mode)
    before = None if turn.before is None else view.invoice(turn.before)
    if turn.after is None:
        if before is not None:
            yield Told("invoice.deleted", before)
        return
    after, invoice = view.invoice(turn.after), invoice_of(turn.after.body)
    was = None if turn.before is None else invoice_of(turn.before.body)
    if before is None:
        yield Told("invoice.created", after)
    for name in _became(was, invoice):
        yield Told(name, after)
    if before is not None:
        yield from changed("invoice.updated", before, after)


def _became(was: Invoice | None, invoice: Invoice) -> Iterator[str]:
    status = None if was is None else was.status
    is_open = invoice.status is InvoiceStatus.OPEN
    if invoice.finalized_at is not None and (was is None or was.finalized_at is None):
        yield "invoice.finalized"
        if is_open and invoice.due_at is not None:
            yield "invoice.sent"
    if invoice.status is status:
        if is_open and was is not None and was.notice_at != invoice.notice_at:
            yield "invoice.overdue" if invoice.notice_at is None else "invoice.will_be_due"
        return
    if invoice.status is InvoiceStatus.PAID:
        yield "invoice.paid"
        yield "invoice.payment_succeeded"
    elif invoice.status is InvoiceStatus.VOID:
        yield "invoice.voided"
    elif invoice.status is InvoiceStatus.UNCOLLECTIBLE:
        yield "invoice.marked_uncollectible"


# Subscriptions -------------------------------------------------------------------------------------


async def _subscription(telling: Telling, turn: Turn) -> list[Told]:
    """One that has ended is deleted."""
    if turn.after is None:
        return []
    body = subscription_of(turn.after.body)
    after = await _shown(telling, turn.after, body)
    if turn.before is None:
        return [Told("customer.subscription.created", after)]
    was = subscription_of(turn.before.body)
    before = await _shown(telling, turn.before, was)
    if body.ended_at is not None and was.ended_at is None:
        previous = difference(msgspec.to_builtins(before), msgspec.to_builtins(after))
        return [Told("customer.subscription.deleted", after, previous)]
    return changed("customer.subscription.updated", before, after)


async def _shown(telling: Telling, document: Document, body: Subscription) -> Any:
    by_id: items.Prices = {}
    for item in body.items:
        name = msgspec.convert(item.profile, invoices.ItemProfile).price
        found = parse(name)
        assert found is not None, "a subscription names prices by their ids"
        price = await telling.ledger.document(telling.book, found, products.PRICE_KIND)
        by_id[name] = prices.PRICES.read(price)
    return subscriptions.shown(document, telling.customer, telling.mode, by_id)


_TOLD: dict[str, Callable[[Telling, Turn], Iterator[Told]]] = {
    products.PRODUCTS.kind: _kept("product", _product),
    prices.PRICES.kind: _kept("price", _price),
    INVOICE: _invoice,
}
