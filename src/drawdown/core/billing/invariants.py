"""What must hold of subscriptions and invoices. Each raises ``Fault`` at the first breach.

What an invoice says that credit paid of a line is what entries say, one by one, and so is what a void one
gave back; what a draft says that it has set aside is what its holds have. Credit pays no more than a line is
over.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from typing import TypeVar

import msgspec

from drawdown.core.billing import periods
from drawdown.core.billing.records import (
    SUBSCRIPTION,
    Applied,
    Invoice,
    InvoiceStatus,
    Line,
    credits_of,
    hexed,
    invoice_of,
    step_of,
    subscription_of,
    unhexed,
)
from drawdown.core.fold import Fault
from drawdown.core.identity import nth
from drawdown.core.standing.players import Kept
from drawdown.core.types import Document, EntryKind, Id
from drawdown.core.usage.quantities import Quantity
from drawdown.core.usage.spans import Use

Read = TypeVar("Read")
Place = tuple[Id, int]
_MOVED = {EntryKind.DEBITED, EntryKind.REVERSED}


def check(documents: Collection[Document], kept: Kept) -> None:
    """Those that stand with a wallet, and of those that do not what is in its currency."""
    places: set[Place] = set()
    played: set[Id] = set()
    for document in documents:
        if document.kind == SUBSCRIPTION:
            _readable(document, subscription_of)
            continue
        invoice = _readable(document, invoice_of)
        if document.deleted_at is not None or invoice.currency != kept.currency:
            continue
        try:
            _check_status(document, invoice)
            for line in invoice.lines:
                _check_line(invoice, line, kept)
                for place in _named(line):
                    if place in places:
                        raise Fault(f"line {line.id} names an entry that another names")
                    places.add(place)
        except Fault as fault:
            noun = "draft" if invoice.status is InvoiceStatus.DRAFT else "invoice"
            raise Fault(f"{noun} {document.id.hex()}: {fault}") from None
        played.update(nth(document.id, number) for number in range(document.revision))
    _check_all_named(places, played, kept)


def _readable(document: Document, read: Callable[[str], Read]) -> Read:
    try:
        return read(document.body)
    except msgspec.MsgspecError as error:
        raise Fault(f"document {document.id.hex()} cannot be read: {error}") from None


def _check_status(document: Document, invoice: Invoice) -> None:
    """A draft stands with the wallet until it is final, an open one until it was told that it is overdue."""
    is_draft = invoice.status is InvoiceStatus.DRAFT
    if (is_draft or invoice.notice_at is not None) is not (document.entitlement is not None):
        raise Fault(f"it is {invoice.status}, and {'nowhere' if is_draft else 'waits to be final'}")
    if invoice.notice_at is not None and invoice.status is not InvoiceStatus.OPEN:
        raise Fault(f"it is {invoice.status}, and waits to be paid")
    due_at = invoice.finalizes_at if is_draft else invoice.notice_at
    if document.due_at != due_at:
        raise Fault(f"it is due at {document.due_at}, and says {due_at}")
    if (invoice.voided_at is not None) is not (invoice.status is InvoiceStatus.VOID):
        raise Fault(f"it is {invoice.status}, and void since {invoice.voided_at}")


def _check_line(invoice: Invoice, line: Line, kept: Kept) -> None:
    step = step_of(invoice.currency)
    if credits_of(line) > max(line.amount, 0) * step:
        raise Fault(f"line {line.id} is paid more than it comes to")
    use = Use(Quantity(line.quantity), {invoice.currency: line.paid_at_once})
    if not line.proration and periods.amount_of(line.item, use, invoice.currency)[1] != line.amount:
        raise Fault(f"line {line.id} does not come to what its quantity costs")
    _check_held(line, kept)
    for each in line.applied:
        _check_entry(line, each, (unhexed(each.operation), each.ordinal), EntryKind.DEBITED, kept)
    void = invoice.status is InvoiceStatus.VOID
    if len(line.returned) != (len(line.applied) if void else 0):
        raise Fault(f"line {line.id} does not say how what it took went back")
    for each, (operation, ordinal) in zip(line.applied, line.returned, strict=False):
        _check_entry(line, each, (unhexed(operation), ordinal), EntryKind.REVERSED, kept)


def _check_held(line: Line, kept: Kept) -> None:
    hold = None if line.hold is None else kept.holds.get(unhexed(line.hold))
    slices = () if hold is None else hold.slices
    if tuple((hexed(each.grant), each.amount) for each in slices) != line.held:
        raise Fault(f"line {line.id} does not name what is held")


def _check_entry(line: Line, said: Applied, place: Place, kind: EntryKind, kept: Kept) -> None:
    entry = kept.entries.get(place)
    if entry is None or (entry.kind, entry.grant, entry.amount) != (
        kind,
        unhexed(said.grant),
        said.units,
    ):
        raise Fault(f"line {line.id} does not name what was {kind}")


def _named(line: Line) -> Iterator[Place]:
    for each in line.applied:
        yield unhexed(each.operation), each.ordinal
    for operation, ordinal in line.returned:
        yield unhexed(operation), ordinal


def _check_all_named(places: set[Place], played: set[Id], kept: Kept) -> None:
    """Whatever moved with an invoice is a part of what that says."""
    operations = played | {operation for operation, _ in places}
    for place, entry in kept.entries.items():
        if entry.kind in _MOVED and place[0] in operations and place not in places:
            raise Fault(
                f"operation {place[0].hex()}: {entry.amount} was {entry.kind} for no invoice"
            )
