"""The endpoints of ``invoice``: drafts, what makes them final, what becomes of them, and their lines."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
from msgspec import UNSET, UnsetType

from drawdown.core.billing import actions
from drawdown.core.billing.records import (
    INVOICE,
    SUBSCRIPTION,
    Invoice,
    InvoiceStatus,
    Line,
    Reason,
    Subscription,
    invoice_of,
    step_of,
    unhexed,
)
from drawdown.core.commands import Act
from drawdown.core.errors import CustomerNotFound
from drawdown.core.identity import reference, spell
from drawdown.core.requests import Accepted, Answer
from drawdown.core.times import moment_of
from drawdown.core.types import MICROSECONDS, Customer, Document, Id, Mode
from drawdown.core.usage import quantities
from drawdown.dialects.stripe import expansion, kept, wire, wire_billing, wire_catalog
from drawdown.dialects.stripe.errors import StripeError, missing_object
from drawdown.dialects.stripe.idempotency import Write, carry_out
from drawdown.dialects.stripe.ids import (
    invoice_id,
    line_id,
    seconds,
    subscription_id,
    transaction_id,
)
from drawdown.dialects.stripe.kept import Kept, Records
from drawdown.dialects.stripe.requests_billing import (
    FinalizeInvoice,
    ListInvoices,
    PayInvoice,
    UpdateInvoice,
)
from drawdown.dialects.stripe.requests_catalog import One, Page
from drawdown.dialects.stripe.test_clocks import clock_id
from drawdown.web.endpoints import Call

INVOICES = Records(INVOICE, "invoice", Invoice)
_MOMENT = "{:%d %b %Y}"
SUBSCRIPTIONS = Records(SUBSCRIPTION, "subscription", Subscription)
_REASONS = {
    Reason.CREATE: "subscription_create",
    Reason.CYCLE: "subscription_cycle",
    Reason.CANCEL: "subscription_cycle",
    Reason.UPDATE: "subscription_update",
}


class Profile(msgspec.Struct, kw_only=True, omit_defaults=True):
    """What Stripe knows of a subscription and of each of its invoices beside what is charged.

    ``own_…``: of an invoice alone.
    """

    collection_method: str = "charge_automatically"
    days_until_due: int | None = None
    description: str | None = None
    metadata: dict[str, str] = {}
    billing_mode: str = "classic"
    cancellation_comment: str | None = None
    cancellation_feedback: str | None = None
    own_metadata: dict[str, str] = {}
    own_description: str | None = None


class ItemProfile(msgspec.Struct, kw_only=True, omit_defaults=True):
    price: str
    product: str
    product_name: str
    unit: str | None = None
    metadata: dict[str, str] = {}
    created: int | None = None


class Shown(msgspec.Struct):
    """How invoices of one customer are shown."""

    customer: Customer
    mode: Mode

    @property
    def test_clock(self) -> str | None:
        clock = self.customer.test_clock
        return None if clock is None else clock_id(clock)

    def line(self, line: Line, document: Document, invoice: Invoice) -> wire_billing.LineItem:
        profile = msgspec.convert(line.item.profile, ItemProfile)
        whole = quantities.render(quantities.Quantity(line.quantity))
        subscription = subscription_id(unhexed(invoice.subscription))
        return wire_billing.LineItem(
            id=line_id(line),
            amount=line.amount,
            currency=invoice.currency,
            description=_description(line, f"{whole} × {profile.product_name}"),
            invoice=invoice_id(document.id),
            livemode=self.mode is Mode.LIVE,
            metadata=profile.metadata,
            parent=wire_billing.LineParent(
                subscription_item_details=wire_billing.LineItemDetails(
                    proration=line.proration,
                    subscription=subscription,
                    subscription_item=line.item.id,
                )
            ),
            period=wire_billing.LinePeriod(line.start // MICROSECONDS, line.end // MICROSECONDS),
            pretax_credit_amounts=self.credits(line, invoice),
            pricing=wire_billing.LinePricing(
                price_details=wire_billing.PriceDetails(profile.price, profile.product),
                unit_amount_decimal=profile.unit,
            ),
            quantity=line.quantity // quantities.ONE,
            quantity_decimal=whole,
            subscription=subscription,
            subtotal=line.amount,
        )

    def credits(self, line: Line, invoice: Invoice) -> list[wire_billing.CreditApplied]:
        step = step_of(invoice.currency)
        applied = [
            wire_billing.CreditApplied(
                amount=each.units // step,
                credit_balance_transaction=transaction_id(
                    unhexed(each.operation), each.ordinal, self.mode
                ),
            )
            for each in line.applied
        ]
        return applied or [
            wire_billing.CreditApplied(amount=units // step, credit_balance_transaction=None)
            for _, units in line.held
        ]

    def invoice(self, document: Document, *, preview: bool = False) -> wire_billing.Invoice:
        invoice = invoice_of(document.body)
        profile = msgspec.convert(invoice.profile, Profile)
        name = spell("upcoming_in_", document.id) if preview else invoice_id(document.id)
        lines = [self.line(line, document, invoice) for line in invoice.lines]
        paid = invoice.status is InvoiceStatus.PAID
        draft = invoice.status is InvoiceStatus.DRAFT
        details = wire.customer_object(self.customer, self.mode, expansion.NOTHING)
        total = invoice.total
        outside = paid and invoice.paid_out_of_band
        return wire_billing.Invoice(
            id=name,
            amount_due=invoice.due,
            amount_paid=invoice.due if paid else 0,
            amount_paid_off_stripe=invoice.due if outside else UNSET,
            amount_remaining=0 if paid else invoice.due,
            attempted=paid,
            auto_advance=(
                invoice.finalizes_at is not None if draft else invoice.status is InvoiceStatus.OPEN
            ),
            automatically_finalizes_at=seconds(invoice.finalizes_at),
            billing_reason="upcoming" if preview else _REASONS[invoice.reason],
            collection_method=profile.collection_method,
            created=document.created_at // MICROSECONDS,
            currency=invoice.currency,
            customer=wire.customer_id(self.customer),
            customer_address=details.address,
            customer_email=details.email,
            customer_name=details.name,
            customer_phone=details.phone,
            customer_shipping=details.shipping,
            customer_tax_exempt=details.tax_exempt,
            description=profile.own_description,
            due_date=seconds(invoice.due_at),
            effective_at=seconds(invoice.finalized_at),
            ending_balance=None if draft else -invoice.left,
            lines=wire_billing.LineItemList(
                data=lines, has_more=False, url=f"{wire_billing.INVOICES_URL}/{name}/lines"
            ),
            livemode=self.mode is Mode.LIVE,
            metadata=profile.own_metadata,
            number=invoice.number,
            parent=wire_billing.InvoiceParent(
                subscription_details=wire_billing.InvoiceSubscription(
                    metadata=profile.metadata,
                    subscription=subscription_id(unhexed(invoice.subscription)),
                )
            ),
            period_end=invoice.period_end // MICROSECONDS,
            period_start=invoice.period_start // MICROSECONDS,
            starting_balance=-invoice.carried,
            status=invoice.status.value,
            status_transitions=wire_billing.StatusTransitions(
                finalized_at=seconds(invoice.finalized_at),
                marked_uncollectible_at=seconds(invoice.uncollectible_at),
                paid_at=seconds(invoice.paid_at),
                voided_at=seconds(invoice.voided_at),
            ),
            subtotal=invoice.subtotal,
            subtotal_excluding_tax=invoice.subtotal,
            test_clock=self.test_clock,
            total=total,
            total_excluding_tax=total,
            total_pretax_credit_amounts=[
                each for line in lines for each in line.pretax_credit_amounts
            ],
        )


def _description(line: Line, what: str) -> str:
    if not line.proration:
        return what
    said = "Remaining" if line.amount >= 0 else "Unused"
    return f"{said} time on {what} after {_MOMENT.format(moment_of(line.start))}"


async def owner_of(call: Call, document: Document) -> Customer:
    return await call.ledger.customer(call.book, document.owner)


async def find(call: Call, text: str, param: str = "id") -> Kept[Invoice]:
    """As it is once what is due of its customer has been recorded."""
    found = await INVOICES.find(call, text, param)
    await call.ledger.settle_due(call.book, found.document.owner)
    return await INVOICES.find(call, text, param)


async def retrieve_invoice(call: Call) -> Answer:
    expansion.expansion(call.query.expand, expansion.INVOICE)
    return _answer(call, await _read(call, await find(call, call.path["invoice"])))


async def _read(call: Call, found: Kept[Invoice]) -> wire_billing.Invoice:
    customer = await owner_of(call, found.document)
    return Shown(customer, call.principal.mode).invoice(found.document)


async def list_invoices(call: Call) -> Answer:
    asked: ListInvoices = call.query
    expansion.expansion(asked.expand, expansion.INVOICE, of_list=True)
    created = kept.range_of(asked.created, "created")
    due = kept.range_of(asked.due_date, "due_date")
    owner = await owner_named(call, asked.customer)
    if owner is not None:
        await call.ledger.settle_due(call.book, owner)

    def keep(each: Kept[Invoice]) -> bool:
        invoice = each.body
        profile = msgspec.convert(invoice.profile, Profile)
        method = asked.collection_method
        subscription = subscription_id(unhexed(invoice.subscription))
        return (
            (asked.status is UNSET or invoice.status.value == asked.status)
            and (asked.subscription is UNSET or subscription == asked.subscription)
            and (method is UNSET or profile.collection_method == method)
            and created(each.document.created_at)
            and (asked.due_date is UNSET or (invoice.due_at is not None and due(invoice.due_at)))
        )

    found, more = await INVOICES.page(call, asked, keep, owner)
    data = [await _read(call, each) for each in found]
    page = wire_billing.InvoiceList(data=data, has_more=more, url=wire_billing.INVOICES_URL)
    return _answer(call, page)


async def owner_named(call: Call, text: Any) -> Id | None:
    if not isinstance(text, str):
        return None
    try:
        return (await call.ledger.customer(call.book, reference(text))).id
    except CustomerNotFound:
        raise missing_object("customer", text, "customer") from None


async def list_lines(call: Call) -> Answer:
    """In the order in which credit goes over them."""
    asked: Page = call.query
    expansion.expansion(asked.expand, expansion.LINE, of_list=True)
    found = await find(call, call.path["invoice"])
    customer = await owner_of(call, found.document)
    shown = Shown(customer, call.principal.mode)
    lines = [shown.line(line, found.document, found.body) for line in found.body.lines]
    names = [line.id for line in lines]

    async def cursor(text: str, param: str) -> Id:
        if text not in names:
            raise missing_object("line item", text, param)
        return Id(str(names.index(text)).encode())

    after, before = await kept.cursors(asked, cursor)
    start = 0 if after is None else int(after) + 1
    end = len(lines) if before is None else int(before)
    some = lines[start:end]
    page = some[: asked.limit] if before is None else some[-asked.limit :]
    url = f"{wire_billing.INVOICES_URL}/{call.path['invoice']}/lines"
    more = len(some) > asked.limit
    return _answer(call, wire_billing.LineItemList(data=page, has_more=more, url=url))


# Writes ------------------------------------------------------------------------------------------


async def _act(
    call: Call, expand: Sequence[str] | None, make: Any, found: Kept[Invoice] | None = None
) -> Write:
    expansion.expansion(expand, expansion.INVOICE)
    found = found or await find(call, call.path["invoice"])
    mode, invoice = call.principal.mode, found.id

    def show(accepted: Accepted) -> wire_billing.Invoice:
        assert accepted.customer is not None
        [document] = [each for each in accepted.documents if each.id == invoice]
        return Shown(accepted.customer, mode).invoice(document)

    return Write(command=command_of(found, make(invoice=invoice)), show=show)


def command_of(found: Kept[Invoice], action: Any) -> Act:
    return Act(
        customer=found.document.owner,
        entitlement=found.body.currency,
        kind=INVOICE,
        action=action,
    )


async def update_invoice(call: Call, asked: UpdateInvoice) -> Write:
    found = await find(call, call.path["invoice"])
    before = msgspec.convert(found.body.profile, Profile)
    after = msgspec.structs.replace(
        before, own_metadata=kept.merged(before.own_metadata, asked.metadata)
    )
    if not isinstance(asked.description, UnsetType):
        after = msgspec.structs.replace(after, own_description=asked.description)
    advances = None if isinstance(asked.auto_advance, UnsetType) else asked.auto_advance

    def amend(invoice: Id) -> actions.AmendInvoice:
        profile = msgspec.to_builtins(after)
        return actions.AmendInvoice(invoice=invoice, profile=profile, advances=advances)

    return await _act(call, asked.expand, amend, found)


async def finalize_invoice(call: Call, asked: FinalizeInvoice) -> Write:
    return await _act(call, asked.expand, actions.FinalizeInvoice)


async def pay_invoice(call: Call, asked: PayInvoice) -> Write:
    found = await find(call, call.path["invoice"])
    if not asked.paid_out_of_band and found.body.status in (
        InvoiceStatus.OPEN,
        InvoiceStatus.UNCOLLECTIBLE,
    ):
        raise StripeError(
            "This server takes no payments: give paid_out_of_band=true once the invoice has been paid.",
            param="paid_out_of_band",
        )
    return await _act(call, asked.expand, actions.PayInvoice, found)


async def void_invoice(call: Call, asked: One) -> Write:
    return await _act(call, asked.expand, actions.VoidInvoice)


async def mark_uncollectible(call: Call, asked: One) -> Write:
    return await _act(call, asked.expand, actions.MarkUncollectible)


async def delete_invoice(call: Call) -> Answer:
    """A draft only."""
    found = await find(call, call.path["invoice"])
    command = command_of(found, actions.DeleteDraft(invoice=found.id))
    await carry_out(call, command)
    gone = wire_catalog.Deleted(id=invoice_id(found.id), object="invoice")
    return _answer(call, gone)


def _answer(call: Call, shown: Any) -> Answer:
    return Answer(status=200, body=msgspec.json.encode(shown), request_id=call.request_id)
