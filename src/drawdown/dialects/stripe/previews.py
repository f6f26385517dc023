"""The next invoice of a subscription as things stand, or with other items."""

from __future__ import annotations

from msgspec import UNSET

from drawdown.core.billing import actions
from drawdown.core.billing.records import SUBSCRIPTION, subscription_of
from drawdown.core.commands import Act
from drawdown.core.requests import Accepted
from drawdown.core.types import Document
from drawdown.dialects.stripe import expansion, invoices, items, wire_billing
from drawdown.dialects.stripe.errors import StripeError, missing_object
from drawdown.dialects.stripe.idempotency import Write
from drawdown.dialects.stripe.parameters import missing
from drawdown.dialects.stripe.requests_billing import CreatePreview
from drawdown.dialects.stripe.requests_catalog import Page
from drawdown.web.endpoints import Call


async def _previewed(call: Call, asked: CreatePreview) -> Document:
    """The subscription that is named, or the only one that the customer has."""
    details = asked.subscription_details
    if asked.subscription is None and details is not None and details.items is not None:
        raise missing("subscription")
    owner = await invoices.owner_named(call, UNSET if asked.customer is None else asked.customer)
    if asked.subscription is not None:
        found = await invoices.SUBSCRIPTIONS.find(call, asked.subscription, "subscription")
        if owner is not None and owner != found.document.owner:
            raise missing_object("subscription", asked.subscription, "subscription")
        running = [found.document] if found.document.entitlement is not None else []
    elif owner is None:
        raise missing("customer")
    else:
        every = Page(limit=2)
        some, _ = await invoices.SUBSCRIPTIONS.page(
            call, every, lambda each: each.body.ended_at is None, owner
        )
        running = [each.document for each in some]
    if not running:
        raise StripeError(
            "No upcoming invoices: there is no subscription that has not ended.",
            code="invoice_upcoming_none",
            status=404,
        )
    if len(running) > 1:
        raise StripeError(
            "This customer has several subscriptions: name one of them.", param="subscription"
        )
    return running[0]


async def create_preview(call: Call, asked: CreatePreview) -> Write:
    """What the next invoice would be now; nothing is kept or set aside."""
    expansion.expansion(asked.expand, expansion.INVOICE)
    document = await _previewed(call, asked)
    subscription = subscription_of(document.body)
    mode = call.principal.mode

    def show(accepted: Accepted) -> wire_billing.Invoice:
        assert accepted.customer is not None
        [preview] = accepted.documents
        return invoices.Shown(accepted.customer, mode).invoice(preview, preview=True)

    change, details = None, asked.subscription_details
    if details is not None and details.items is not None:
        change, _ = await items.change_of(
            call,
            subscription,
            details.items,
            call.now,
            details.proration_behavior,
            details.proration_date,
            "subscription_details[items]",
        )
    command = Act(
        customer=document.owner,
        entitlement=subscription.currency,
        kind=SUBSCRIPTION,
        action=actions.Preview(subscription=document.id, items=change),
    )
    return Write(command=command, show=show)
