"""What is told beside what is charged: that an invoice is to come, that one will be due, that one is overdue.

Each has its instant. A subscription's next invoice is told before its period ends, as it would be then; an
open invoice with a due date stands with the wallet until that has passed. One that is overdue makes its
subscription past due, until it is paid, void or given up, or the next is overdue in its turn.
"""

from __future__ import annotations

import msgspec

from drawdown.core.billing.records import (
    Invoice,
    InvoiceStatus,
    Subscription,
    SubscriptionStatus,
    body_of,
    hexed,
    subscription_of,
    unhexed,
)
from drawdown.core.standing.desk import Desk
from drawdown.core.times import INSTANT_MAX
from drawdown.core.types import DAY, Document, Instant

#: So long before its time is it told that an invoice is to come, or will be due.
AHEAD = 3 * DAY
#: So many documents stand with one wallet at most: what would be more is not told of its due date.
STANDING_MAX = 1_000


# Invoices that are to come --------------------------------------------------------------------------


def upcoming_at(end: Instant, since: Instant) -> Instant | None:
    """When it is told that a period's end comes; None where that was before ``since``, or then."""
    at = Instant(end - AHEAD)
    return at if at > since else None


def next_turn(subscription: Subscription) -> Instant:
    at = subscription.upcoming_at or subscription.period_end
    until = None if subscription.pause is None else subscription.pause.until
    return at if until is None else min(at, until)


# Invoices that are due ------------------------------------------------------------------------------


def dated(desk: Desk, invoice: Invoice) -> Invoice:
    """One that becomes final now, with the date at which it is due, and when that is told."""
    if invoice.due_days is None:
        return invoice
    due_at = Instant(min(desk.at + invoice.due_days * DAY, INSTANT_MAX))
    notice_at = None
    if invoice.status is InvoiceStatus.OPEN and len(desk.wallet.documents) < STANDING_MAX:
        notice_at = upcoming_at(due_at, desk.at) or max(due_at, Instant(desk.at + 1))
    return msgspec.structs.replace(invoice, due_at=due_at, notice_at=notice_at)


def tell(desk: Desk, document: Document, invoice: Invoice) -> None:
    """An open invoice will be due, or is overdue."""
    assert invoice.due_at is not None, "only what is due some time waits for it"
    notice_at = invoice.due_at if invoice.due_at > desk.at else None
    after = msgspec.structs.replace(invoice, notice_at=notice_at)
    desk.change(document, body_of(after), due_at=notice_at, stands=notice_at is not None)
    if notice_at is None:
        _overdue(desk, hexed(document.id), invoice)


def _overdue(desk: Desk, name: str, invoice: Invoice) -> None:
    found = _running(desk, invoice)
    if found is not None and found[1].status is not SubscriptionStatus.TRIALING:
        _keep(desk, found, SubscriptionStatus.PAST_DUE, name)


def settled(desk: Desk, document: Document, invoice: Invoice) -> None:
    """It is not owed any more, or nobody waits for it."""
    found = _running(desk, invoice)
    if found is not None and found[1].overdue == hexed(document.id):
        _keep(desk, found, SubscriptionStatus.ACTIVE, None)


def _running(desk: Desk, invoice: Invoice) -> tuple[Document, Subscription] | None:
    """The invoice's subscription, unless that has ended."""
    document = desk.wallet.documents.get(unhexed(invoice.subscription))
    return None if document is None else (document, subscription_of(document.body))


def _keep(
    desk: Desk,
    found: tuple[Document, Subscription],
    status: SubscriptionStatus,
    overdue: str | None,
) -> None:
    document, before = found
    after = msgspec.structs.replace(before, status=status, overdue=overdue)
    desk.change(document, body_of(after), due_at=document.due_at)
