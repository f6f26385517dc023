"""The player of subscriptions and invoices: what they need at their instants, and who does what."""

from __future__ import annotations

from collections.abc import Callable, Collection
from contextlib import AbstractContextManager
from typing import Any

import msgspec

from drawdown.core.billing import (
    actions,
    changing,
    invariants,
    invoicing,
    notices,
    numbering,
    periods,
    subscribing,
)
from drawdown.core.billing.records import (
    INVOICE,
    SUBSCRIPTION,
    Invoice,
    InvoiceStatus,
    Subscription,
    SubscriptionStatus,
    invoice_of,
    subscription_of,
    unhexed,
)
from drawdown.core.standing.desk import Desk
from drawdown.core.standing.players import Documents, Kept, Players, Wants
from drawdown.core.types import Document, Id, Instant


class BillingPlayer:
    """``standing.players.Player`` of both kinds: one operation may be about documents of both."""

    ending = actions.EndAll()

    def wants(self, customer: Id, standing: Collection[Document], until: Instant) -> Wants:
        """Usage of the periods that end by then and of drafts that are final by then; what drafts hold."""
        found = Wants(documents={numbering.document_id(customer)})
        for document in standing:
            if document.kind == INVOICE:
                invoice = invoice_of(document.body)
                found.holds |= set(invoicing.holds_of(invoice))
                if document.due_at is not None and document.due_at <= until:
                    _want_lines(found, customer, invoice)
            elif document.kind == SUBSCRIPTION:
                subscription = subscription_of(document.body)
                for start, end in periods.periods_until(subscription, until):
                    told_at = notices.upcoming_at(end, start)
                    if told_at is not None and told_at <= until:
                        _want_usage(found, customer, subscription, start, told_at)
                    if end <= until:
                        _want_usage(found, customer, subscription, start, end)
        return found

    def wants_to_act(
        self,
        customer: Id,
        standing: Collection[Document],
        action: Any,
        at: Instant,
        known: Documents,
    ) -> Wants:
        found = self.wants(customer, standing, at)
        subject = getattr(action, "subscription", None) or getattr(action, "invoice", None)
        if subject is None:
            return found
        document = next((each for each in standing if each.id == subject), None)
        if document is None:
            found.documents.add(subject)
            document = known.get(subject)
        if document is not None and document.kind == INVOICE:
            invoice = invoice_of(document.body)
            found.grants |= {unhexed(each.grant) for line in invoice.lines for each in line.applied}
            if isinstance(action, actions.FinalizeInvoice):
                _want_lines(found, customer, invoice)
        elif document is not None and document.kind == SUBSCRIPTION:
            subscription = _running(subscription_of(document.body), at)
            end = subscription.period_end
            if isinstance(action, actions.CancelSubscription):
                end = at
            elif isinstance(action, actions.AmendSubscription | actions.Preview) and action.items:
                subscription = changing.changed(subscription, action.items, at)
            _want_usage(found, customer, subscription, subscription.period_start, end)
            if isinstance(action, actions.AmendSubscription) and action.begins_anew:
                now = changing.second_of(subscription, at)
                _want_usage(found, customer, subscription, subscription.period_start, now)
        return found

    def play(self, desk: Desk, document: Document) -> None:
        if document.kind == SUBSCRIPTION:
            subscribing.turn(desk, document)
            return
        invoice = invoice_of(document.body)
        if invoice.status is InvoiceStatus.DRAFT:
            invoicing.finalize(desk, document)
        else:
            notices.tell(desk, document, invoice)

    def act(self, desk: Desk, action: Any) -> None:
        _ACTIONS[type(action)](desk, action)

    def reserved(self, document: Document) -> Collection[Id]:
        return invoicing.holds_of(invoice_of(document.body)) if document.kind == INVOICE else ()

    def anew(self, desk: Desk) -> AbstractContextManager[object]:
        return invoicing.anew(desk)

    def check(self, documents: Collection[Document], kept: Kept) -> None:
        invariants.check(documents, kept)


def _finalize(desk: Desk, action: actions.FinalizeInvoice) -> None:
    invoicing.finalize(desk, invoicing.find_draft(desk, action.invoice))


def _delete(desk: Desk, action: actions.DeleteDraft) -> None:
    invoicing.delete(desk, invoicing.find_draft(desk, action.invoice))


def _amend(desk: Desk, action: actions.AmendInvoice) -> None:
    found = invoicing.find(desk, action.invoice)
    invoicing.amend(desk, found, action.profile, action.advances)


def _pay(desk: Desk, action: actions.PayInvoice) -> None:
    invoicing.pay(desk, invoicing.find(desk, action.invoice), action.out_of_band)


def _void(desk: Desk, action: actions.VoidInvoice) -> None:
    invoicing.void(desk, invoicing.find(desk, action.invoice))


def _give_up(desk: Desk, action: actions.MarkUncollectible) -> None:
    invoicing.give_up(desk, invoicing.find(desk, action.invoice))


def _end_all(desk: Desk, action: actions.EndAll) -> None:
    for document, _ in invoicing.drafts_of(desk):
        invoicing.discard(desk, document)
    for document in desk.standing(SUBSCRIPTION):
        subscribing.end(desk, document, subscription_of(document.body))


def _preview(desk: Desk, action: actions.Preview) -> None:
    document, subscription = subscribing.find(desk, action.subscription)
    until = None
    if action.items is not None:
        changing.check(subscription, action.items, desk.at)
        subscription = changing.changed(subscription, action.items, desk.at)
        if action.items.invoices_now and subscription.pending:
            until = changing.second_of(subscription, desk.at)
    desk.shown.append(invoicing.preview(desk, document.id, subscription, until))


_ACTIONS: dict[type, Callable[[Desk, Any], None]] = {
    actions.Subscribe: subscribing.subscribe,
    actions.AmendSubscription: subscribing.amend,
    actions.CancelSubscription: subscribing.cancel,
    actions.FinalizeInvoice: _finalize,
    actions.DeleteDraft: _delete,
    actions.AmendInvoice: _amend,
    actions.PayInvoice: _pay,
    actions.VoidInvoice: _void,
    actions.MarkUncollectible: _give_up,
    actions.EndAll: _end_all,
    actions.Preview: _preview,
}


def _want_lines(found: Wants, customer: Id, invoice: Invoice) -> None:
    """What is counted of an invoice's lines, where it is a draft."""
    if invoice.status is not InvoiceStatus.DRAFT:
        return
    for line in invoice.lines:
        span = periods.span_of(customer, line.item, line.start, line.end)
        if span is not None:
            found.spans.add(span)


def _want_usage(
    found: Wants, customer: Id, subscription: Subscription, start: Instant, end: Instant
) -> None:
    """What items are used in a time, and in that of lines that wait for an invoice."""
    parts = [(each, periods.counts_from(each, start), end) for each in subscription.items]
    parts += [(line.item, line.start, line.end) for line in subscription.pending]
    for item, since, until in parts:
        span = periods.span_of(customer, item, since, until)
        if span is not None and since < until:
            found.spans.add(span)


def _running(subscription: Subscription, at: Instant) -> Subscription:
    """As it will be at an instant, where periods have ended by then."""
    *_, (start, end) = periods.periods_until(subscription, at)
    if start == subscription.period_start:
        return subscription
    return msgspec.structs.replace(
        subscription,
        period_start=start,
        period_end=end,
        status=SubscriptionStatus.ACTIVE,
        pending=(),
    )


_PLAYER = BillingPlayer()
PLAYERS: Players = {SUBSCRIPTION: _PLAYER, INVOICE: _PLAYER}
