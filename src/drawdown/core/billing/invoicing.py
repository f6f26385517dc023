"""Invoices: drawn up at the end of a period, final an hour later, then paid, void or given up.

A draft sets credit aside for its lines. Making one final is one operation: what all of the customer's drafts
have set aside is let go, this one's lines are drawn, in their order, and the other drafts set aside anew, by
the ends of their periods and then as they were made. What was reserved of a grant that has ended meanwhile
takes part in that; what of it is not drawn or reserved again is gone.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager

import msgspec

from drawdown.core.billing import notices, numbering, periods
from drawdown.core.billing.credits import Claimed, allocate
from drawdown.core.billing.records import (
    INVOICE,
    Applied,
    Invoice,
    InvoiceStatus,
    Item,
    Line,
    Outcome,
    Profile,
    Reason,
    Subscription,
    attributes_of,
    body_of,
    hexed,
    invoice_of,
    step_of,
    subscription_of,
    unhexed,
)
from drawdown.core.errors import DocumentNotFound, FieldInvalid, WrongStatus
from drawdown.core.identity import derive, spell
from drawdown.core.standing.desk import Desk, Shares
from drawdown.core.types import MICROSECONDS, Document, Id, Instant
from drawdown.core.usage.spans import Use

#: How long a draft waits for usage that comes late.
DRAFT = 3_600 * MICROSECONDS
#: So many drafts of a customer's may wait for somebody to say that they are final.
WAITING_MAX = 100

Draft = tuple[Document, Invoice]
#: What is charged, from when, until when.
Items = list[tuple[Item, Instant, Instant]]


def lines_of(
    desk: Desk,
    invoice: Id,
    pending: Iterable[Line],
    items: Iterable[tuple[Item, Instant, Instant]],
    currency: str,
) -> tuple[Line, ...]:
    """What waited for an invoice, then a line for each item and its time, as it was used."""
    new = [
        Line(id="", item=item, quantity=0, amount=0, start=start, end=end)
        for item, start, end in items
    ]
    found = []
    for number, line in enumerate((*pending, *new)):
        line_id = hexed(derive(invoice, f"line:{number}"))
        found.append(counted(desk, msgspec.structs.replace(line, id=line_id), currency))
    return tuple(found)


def counted(desk: Desk, line: Line, currency: str) -> Line:
    """The line by what is known of its use now."""
    if line.proration:
        return line
    span = periods.span_of(desk.wallet.customer, line.item, line.start, line.end)
    use = Use() if span is None else desk.use(span)
    quantity, amount, paid = periods.amount_of(line.item, use, currency)
    return msgspec.structs.replace(line, quantity=quantity, amount=amount, paid_at_once=paid)


def due_items(subscription: Subscription, end: Instant, ahead: Instant | None) -> Items:
    """What a period's end charges: what was used in it; of what is licensed, the time to ``ahead``."""
    found = []
    for item in subscription.items:
        if item.metered is None and ahead is not None:
            found.append((item, end, ahead))
        elif item.metered is not None and not periods.is_trial(subscription):
            start = periods.counts_from(item, subscription.period_start)
            if start < end:
                found.append((item, start, end))
    return found


def draw_up(
    desk: Desk, owner: Id, subscription: Subscription, reason: Reason, ahead: Instant | None
) -> Subscription:
    """A draft for the period that ends now, with credit set aside as far as there is.

    Returns the subscription, of which nothing waits for an invoice any more.
    """
    made = _new_id(desk, owner, subscription)
    items = due_items(subscription, desk.at, ahead)
    invoice = _drawn_up(desk, made, owner, subscription, reason, items, desk.at)
    finalizes_at = None if _is_kept(desk, invoice) else Instant(desk.at + DRAFT)
    invoice = msgspec.structs.replace(invoice, finalizes_at=finalizes_at)
    with anew(desk):
        desk.make(made, INVOICE, body_of(invoice), due_at=finalizes_at)
    return _invoiced(subscription, made)


def bill_now(
    desk: Desk,
    document: Document,
    subscription: Subscription,
    items: Items,
    period: tuple[Instant, Instant],
) -> None:
    """An invoice over what waits for one and over items, final at once; the subscription is as it is then.

    It stays a draft where nothing is collected and invoices are kept.
    """
    made = _new_id(desk, document.id, subscription)
    invoice = _drawn_up(desk, made, document.id, subscription, Reason.UPDATE, items, period[1])
    invoice = msgspec.structs.replace(invoice, period_start=period[0])
    draft = desk.make(made, INVOICE, body_of(invoice))
    after = _invoiced(subscription, made)
    desk.change(document, body_of(after), due_at=notices.next_turn(after))
    if _is_kept(desk, invoice):
        with anew(desk):
            pass
    else:
        finalize(desk, draft)


def _is_kept(desk: Desk, invoice: Invoice) -> bool:
    """Whether it waits until somebody says that it is final: so many do, others are final in their time."""
    waiting = sum(each.finalizes_at is None for _, each in drafts_of(desk))
    return invoice.outcome is Outcome.KEEP and waiting < WAITING_MAX


def _new_id(desk: Desk, owner: Id, subscription: Subscription) -> Id:
    """Later than that of the subscription's last invoice."""
    last = [] if subscription.invoice is None else [unhexed(subscription.invoice)]
    return desk.new_id(f"invoice:{owner.hex()}", last)


def _drawn_up(
    desk: Desk,
    made: Id,
    owner: Id,
    subscription: Subscription,
    reason: Reason,
    items: Items,
    end: Instant,
) -> Invoice:
    currency = subscription.currency
    return Invoice(
        subscription=hexed(owner),
        currency=currency,
        reason=reason,
        period_start=subscription.period_start,
        period_end=end,
        lines=lines_of(desk, made, subscription.pending, items, currency),
        carried=subscription.carried,
        outcome=None if subscription.pause is None else subscription.pause.outcome,
        due_days=subscription.due_days,
        profile=subscription.invoice_profile,
    )


def _invoiced(subscription: Subscription, invoice: Id) -> Subscription:
    return msgspec.structs.replace(subscription, invoice=hexed(invoice), pending=(), carried=0)


def first_invoice(desk: Desk, owner: Id, subscription: Subscription, items: Items) -> Document:
    """What is due as a subscription begins: final at once, and paid where that is nothing."""
    made = _new_id(desk, owner, subscription)
    invoice = Invoice(
        subscription=hexed(owner),
        currency=subscription.currency,
        reason=Reason.CREATE,
        period_start=subscription.started_at,
        period_end=subscription.started_at,
        lines=lines_of(desk, made, (), items, subscription.currency),
        due_days=subscription.due_days,
        profile=subscription.invoice_profile,
    )
    final = _final(desk, invoice)
    waits = final.notice_at is not None
    return desk.make(made, INVOICE, body_of(final), due_at=final.notice_at, stands=waits)


def preview(
    desk: Desk, owner: Id, subscription: Subscription, pending_until: Instant | None = None
) -> Document:
    """The next invoice as things stand: nothing is set aside for it, and nothing kept.

    ``pending_until``: one made then, over nothing but what waits for one.
    """
    end = pending_until or subscription.period_end
    ahead = None if periods.ends_with(subscription) else periods.end_of(subscription, end)
    made = desk.new_id(f"preview:{owner.hex()}")
    items = [] if pending_until else due_items(subscription, end, ahead)
    invoice = _drawn_up(desk, made, owner, subscription, Reason.CYCLE, items, end)
    return _previewed(desk, made, invoice)


def upcoming(desk: Desk, owner: Id, subscription: Subscription) -> Document:
    """The same as its time draws near, of what was used by now: whoever comes to it later says so, too."""
    end = subscription.period_end
    ahead = None if periods.ends_with(subscription) else periods.end_of(subscription, end)
    made = desk.new_id(f"upcoming:{owner.hex()}")
    items = due_items(subscription, end, ahead)
    so_far = [
        (item, start, until if item.metered is None else desk.at)
        for item, start, until in items
        if item.metered is None or start < desk.at
    ]
    invoice = _drawn_up(desk, made, owner, subscription, Reason.CYCLE, so_far, end)
    pending = len(subscription.pending)
    lines = [
        line if line.item.metered is None else msgspec.structs.replace(line, end=end)
        for line in invoice.lines[pending:]
    ]
    lines = [*invoice.lines[:pending], *lines]
    return _previewed(desk, made, msgspec.structs.replace(invoice, lines=tuple(lines)))


def _previewed(desk: Desk, made: Id, invoice: Invoice) -> Document:
    """With what credit would pay of it."""
    shares = allocate(desk.pool(), _claims(invoice), step_of(invoice.currency))
    lines = tuple(
        msgspec.structs.replace(line, held=_named(part))
        for line, part in zip(invoice.lines, shares, strict=True)
    )
    invoice = msgspec.structs.replace(invoice, lines=lines)
    return Document(
        id=made,
        book=desk.book,
        owner=desk.wallet.customer,
        kind=INVOICE,
        body=body_of(invoice),
        created_at=desk.at,
        updated_at=desk.at,
    )


def _claims(invoice: Invoice) -> list[Claimed]:
    """What each line asks of credit: only what is metered asks for any, and nothing that will be void."""
    step = step_of(invoice.currency) if invoice.outcome is not Outcome.VOID else 0
    return [
        Claimed(
            units=line.amount * step if line.item.metered is not None else 0,
            valid_at=invoice.period_end,
            attributes=attributes_of(line),
        )
        for line in invoice.lines
    ]


def _named(shares: Shares) -> tuple[tuple[str, int], ...]:
    return tuple((hexed(grant.id), units) for grant, units in shares)


def _reserved(desk: Desk, document: Id, invoice: Invoice, shares: Sequence[Shares]) -> Invoice:
    """The draft with what it sets aside for each line."""
    lines = []
    for line, part in zip(invoice.lines, shares, strict=True):
        hold = None
        if part:
            label = f"{document.hex()}:{line.id}"
            hold = hexed(desk.hold(label, part, attributes_of(line)).id)
        lines.append(msgspec.structs.replace(line, hold=hold, held=_named(part)))
    return msgspec.structs.replace(invoice, lines=tuple(lines))


def holds_of(invoice: Invoice) -> list[Id]:
    return [unhexed(line.hold) for line in invoice.lines if line.hold is not None]


def drafts_of(desk: Desk) -> list[Draft]:
    """All drafts, in the order in which credit goes over them."""
    standing = [(each, invoice_of(each.body)) for each in desk.standing(INVOICE)]
    found = [each for each in standing if each[1].status is InvoiceStatus.DRAFT]
    return sorted(found, key=lambda each: (each[1].period_end, each[0].created_at, each[0].id))


@contextmanager
def anew(desk: Desk) -> Iterator[Shares]:
    """Let go of what all drafts have set aside, and after the block set aside for them again, in their order.

    Yields what was let go of grants that have ended: it may be drawn within the block, and reserved again;
    what of it is neither is gone then.
    """
    ended = desk.let_go(hold for _, invoice in drafts_of(desk) for hold in holds_of(invoice))
    yield ended
    for document, invoice in drafts_of(desk):
        shares = allocate(desk.pool(ended), _claims(invoice), step_of(invoice.currency))
        after = _reserved(desk, document.id, invoice, shares)
        if after != invoice:
            desk.change(document, body_of(after), due_at=document.due_at)
    desk.write_off(ended)


def finalize(desk: Desk, document: Document) -> None:
    """Make a draft final, as one operation with what that means for the others."""
    with anew(desk) as ended:
        invoice = invoice_of(document.body)
        lines = tuple(counted(desk, line, invoice.currency) for line in invoice.lines)
        invoice = msgspec.structs.replace(invoice, lines=lines)
        shares = allocate(desk.pool(ended), _claims(invoice), step_of(invoice.currency))
        final = _final(desk, _drawn(desk, invoice, shares))
        waits = final.notice_at is not None
        desk.change(document, body_of(final), due_at=final.notice_at, stands=waits)
    _carry(desk, final, final.carried if final.status is InvoiceStatus.VOID else final.left)


def _drawn(desk: Desk, invoice: Invoice, shares: Sequence[Shares]) -> Invoice:
    """Draw what each line gets, and keep by which entry."""
    started, lines = desk.started, []
    for line, part in zip(invoice.lines, shares, strict=True):
        first = len(started.entries)
        desk.draw(part)
        applied = tuple(
            Applied(hexed(grant.id), units, hexed(started.operation.id), first + number)
            for number, (grant, units) in enumerate(part)
        )
        lines.append(msgspec.structs.replace(line, hold=None, held=(), applied=applied))
    return msgspec.structs.replace(invoice, lines=tuple(lines))


def _carry(desk: Desk, invoice: Invoice, amount: int) -> None:
    """Later invoices of the subscription are less by an amount; of one that has ended there are none."""
    document = desk.wallet.documents.get(unhexed(invoice.subscription))
    if amount and document is not None:
        before = subscription_of(document.body)
        after = msgspec.structs.replace(before, carried=before.carried + amount)
        desk.change(document, body_of(after), due_at=document.due_at)


def _status_of(invoice: Invoice) -> InvoiceStatus:
    """Of one that becomes final."""
    if invoice.outcome is Outcome.VOID:
        return InvoiceStatus.VOID
    if invoice.due == 0:
        return InvoiceStatus.PAID
    return InvoiceStatus.UNCOLLECTIBLE if invoice.outcome is Outcome.GIVE_UP else InvoiceStatus.OPEN


def _final(desk: Desk, invoice: Invoice) -> Invoice:
    status = _status_of(invoice)
    final = msgspec.structs.replace(
        invoice,
        status=status,
        finalizes_at=None,
        finalized_at=desk.at,
        number=numbering.take(desk, invoice.currency),
        paid_at=desk.at if status is InvoiceStatus.PAID else None,
        voided_at=desk.at if status is InvoiceStatus.VOID else None,
        uncollectible_at=desk.at if status is InvoiceStatus.UNCOLLECTIBLE else None,
    )
    return notices.dated(desk, final)


def delete(desk: Desk, document: Document) -> None:
    """There was no such draft: what it has set aside is let go, and gone with what has ended.

    What of it is left, the others may have.
    """
    discard(desk, document)
    with anew(desk):
        pass


def discard(desk: Desk, document: Document) -> None:
    """Delete a draft, and leave the others as they are."""
    invoice = invoice_of(document.body)
    desk.write_off(desk.let_go(holds_of(invoice)))
    _carry(desk, invoice, invoice.carried)
    desk.change(document, document.body, deleted=True)


def amend(desk: Desk, document: Document, profile: Profile | None, advances: bool | None) -> None:
    """Change what a dialect keeps of an invoice; of a draft, whether it becomes final by itself."""
    before = after = invoice_of(document.body)
    if profile is not None:
        after = msgspec.structs.replace(after, profile=profile)
    if advances is not None:
        _check(before, InvoiceStatus.DRAFT)
        waiting = sum(each.finalizes_at is None for _, each in drafts_of(desk))
        if not advances and before.finalizes_at is not None and waiting >= WAITING_MAX:
            raise FieldInvalid("advances", f"false for at most {WAITING_MAX} drafts of a customer")
        due_at = before.finalizes_at or max(
            Instant(before.period_end + DRAFT), Instant(desk.at + 1)
        )
        after = msgspec.structs.replace(after, finalizes_at=due_at if advances else None)
    next_at = after.finalizes_at or after.notice_at
    stands = after.status is InvoiceStatus.DRAFT or after.notice_at is not None
    desk.change(document, body_of(after), due_at=next_at, stands=stands)


def pay(desk: Desk, document: Document, out_of_band: bool) -> None:
    invoice = invoice_of(document.body)
    _check(invoice, InvoiceStatus.OPEN, InvoiceStatus.UNCOLLECTIBLE)
    paid = msgspec.structs.replace(
        invoice,
        status=InvoiceStatus.PAID,
        paid_at=desk.at,
        paid_out_of_band=out_of_band,
        notice_at=None,
    )
    desk.change(document, body_of(paid), stands=False)
    notices.settled(desk, document, invoice)


def give_up(desk: Desk, document: Document) -> None:
    """Credit stays spent: only what is not owed gives it back."""
    invoice = invoice_of(document.body)
    _check(invoice, InvoiceStatus.OPEN)
    after = msgspec.structs.replace(
        invoice, status=InvoiceStatus.UNCOLLECTIBLE, uncollectible_at=desk.at, notice_at=None
    )
    desk.change(document, body_of(after), stands=False)
    notices.settled(desk, document, invoice)


def void(desk: Desk, document: Document) -> None:
    """Give back what each line took, the last first; what has ended meanwhile is written off again.

    Drafts may have the rest.
    """
    invoice = invoice_of(document.body)
    _check(invoice, InvoiceStatus.OPEN, InvoiceStatus.UNCOLLECTIBLE)
    with anew(desk):
        lines = [_given_back(desk, line) for line in reversed(invoice.lines)]
    after = msgspec.structs.replace(
        invoice,
        status=InvoiceStatus.VOID,
        voided_at=desk.at,
        notice_at=None,
        lines=tuple(reversed(lines)),
    )
    desk.change(document, body_of(after), stands=False)
    notices.settled(desk, document, invoice)
    _carry(desk, invoice, invoice.carried - invoice.left)


def _given_back(desk: Desk, line: Line) -> Line:
    started, returned = desk.started, list[tuple[str, int]]()
    for each in reversed(line.applied):
        returned.append((hexed(started.operation.id), len(started.entries)))
        desk.give_back(unhexed(each.grant), each.units)
    return msgspec.structs.replace(line, returned=tuple(reversed(returned)))


def _check(invoice: Invoice, *allowed: InvoiceStatus) -> None:
    if invoice.status not in allowed:
        needed = " or ".join(allowed)
        raise WrongStatus(kind="invoice", status=invoice.status.value, needed=needed)


def find(desk: Desk, invoice: Id) -> Document:
    """An invoice of the wallet's customer, as it is now. Raises ``DocumentNotFound``."""
    found = desk.wallet.documents.get(invoice) or desk.state.documents.get(invoice)
    own = found is not None and found.owner == desk.wallet.customer and found.kind == INVOICE
    if found is None or not own or found.deleted_at is not None:
        raise DocumentNotFound(spell("", invoice))
    return found


def find_draft(desk: Desk, invoice: Id) -> Document:
    """Raises ``DocumentNotFound`` and ``WrongStatus``."""
    found = find(desk, invoice)
    _check(invoice_of(found.body), InvoiceStatus.DRAFT)
    return found
