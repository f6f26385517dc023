"""How a customer's invoices are numbered: ``invoice_prefix`` and ``next_invoice_sequence``.

Until his first subscription that is what he was made with; then the ledger counts.
"""

from __future__ import annotations

import msgspec
from msgspec import UnsetType

from drawdown.core.billing.numbering import NUMBERING, Numbering, default_prefix, document_id
from drawdown.core.commands import DocumentChange
from drawdown.core.errors import DocumentNotFound
from drawdown.core.types import Customer
from drawdown.dialects.stripe.kept import Kept, Records
from drawdown.dialects.stripe.requests import UpdateCustomer
from drawdown.web.endpoints import Call

NUMBERINGS = Records(NUMBERING, "numbering", Numbering)


async def find(call: Call, customer: Customer) -> Kept[Numbering] | None:
    try:
        found = await call.ledger.document(call.book, document_id(customer.id), NUMBERING)
    except DocumentNotFound:
        return None
    return NUMBERINGS.read(found)


def changed(
    known: Kept[Numbering], customer: Customer, asked: UpdateCustomer
) -> tuple[Numbering, tuple[DocumentChange, ...]]:
    """With what was given. A number that has been passed is never given again: it goes on from there."""
    body = known.body
    if not isinstance(asked.invoice_prefix, UnsetType):
        prefix = asked.invoice_prefix or default_prefix(customer.id)
        body = msgspec.structs.replace(body, prefix=prefix)
    if isinstance(asked.next_invoice_sequence, int):
        body = msgspec.structs.replace(body, next=max(body.next, asked.next_invoice_sequence))
    return body, () if body == known.body else (NUMBERINGS.changed(known, body),)
