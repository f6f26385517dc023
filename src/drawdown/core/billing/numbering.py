"""Numbers of invoices: one row for each customer, over all currencies, without gaps.

What comes next is a document of the customer's, which stands with no wallet. Whoever makes an invoice final
has it locked, so a number is given once; a draft has none, so one that is deleted leaves none out.
"""

from __future__ import annotations

import hashlib

import msgspec

from drawdown.core.identity import derive
from drawdown.core.standing.desk import Desk
from drawdown.core.types import Document, Id

NUMBERING = "billing.numbering"


class Numbering(msgspec.Struct, frozen=True):
    """An invoice is numbered ``prefix``-0001 and so on: with four digits, or as many as it takes.

    ``currency`` is that of the first one.
    """

    prefix: str
    next: int = 1
    currency: str | None = None


def document_id(customer: Id) -> Id:
    return derive(customer, NUMBERING)


def default_prefix(customer: Id) -> str:
    """Eight characters that always follow from the customer's id."""
    return hashlib.sha256(customer).hexdigest()[:8].upper()


def take(desk: Desk, currency: str) -> str:
    """The number of an invoice in a currency that becomes final now."""
    customer = desk.wallet.customer
    document = desk.state.documents[document_id(customer)]
    if document is None:
        document = begin(desk, Numbering(default_prefix(customer)))
    numbering = numbering_of(document)
    after = msgspec.structs.replace(
        numbering, next=numbering.next + 1, currency=numbering.currency or currency
    )
    desk.change(document, body_of(after), stands=False)
    return f"{numbering.prefix}-{numbering.next:04d}"


def begin(desk: Desk, numbering: Numbering) -> Document:
    """For a customer who has none yet."""
    made = document_id(desk.wallet.customer)
    return desk.make(made, NUMBERING, body_of(numbering), stands=False)


_decode = msgspec.json.Decoder(Numbering).decode
_encode = msgspec.json.Encoder().encode


def numbering_of(document: Document) -> Numbering:
    return _decode(document.body)


def body_of(numbering: Numbering) -> str:
    return _encode(numbering).decode()
