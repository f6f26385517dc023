"""What was brought over from the vendor: under which ids it goes on there, and what had happened to it.

A customer is known by the vendor's id: it is his own id, or his very id where it has that form. A grant and a
transaction are found by the vendor's ids, too: for each there is a document of the book, whose id follows
from the vendor's, that says which grant, or whose transaction, it is. The transactions of before are
documents of their customer, in the order of their times.
"""

from __future__ import annotations

import msgspec

from drawdown.core.commands import DocumentChange
from drawdown.core.errors import DocumentNotFound
from drawdown.core.identity import derive, placed, spell
from drawdown.core.types import (
    MICROSECONDS,
    Customer,
    Document,
    Entry,
    EntryKind,
    Grant,
    Id,
    Instant,
    Mode,
)
from drawdown.engine.ledger import Ledger
from drawdown.engine.ports import DocumentFilter

#: Under this name a record keeps what it was at the vendor.
PROFILE = "stripe_import"
#: The kinds of documents that the vendor's transactions are, and the places that its ids lead to.
TRANSACTION, PLACE = "stripe.imported_transaction", "stripe.imported_id"
#: The reason of whatever moved credit because it was brought over; its transactions are the vendor's own.
REASON = "Brought over from Stripe"
#: So many transactions of a customer are shown; the newest.
SHOWN_MAX = 100_000
_CHUNK = 1_000


class CustomerThere(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """``deleted``: he was when he came."""

    id: str
    deleted: bool = False


class GrantThere(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Of a grant, what the ledger cannot say of it; times are seconds, ``left`` is minor units.

    ``left`` was not used, expired or voided there. ``told``: what became of it is among the transactions that
    were brought over; of one that had not begun there may have been none. ``expires_at`` is given of a grant
    that was voided there, which needs no end here.
    """

    id: str
    created: int
    updated: int
    left: int
    told: bool = True
    expires_at: int | None = None
    voided_at: int | None = None


class TransactionThere(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A transaction of the vendor's. ``grant`` is the vendor's id; ``value`` is minor units."""

    id: str
    created: int
    effective_at: int
    kind: str
    grant: str
    currency: str
    value: int
    invoice: str | None = None
    line: str | None = None

    @property
    def is_credit(self) -> bool:
        return self.kind in CREDITS


class _Place(msgspec.Struct, frozen=True, omit_defaults=True):
    """A grant, or whose transaction it is, in hex; of a transaction also its document."""

    grant: str | None = None
    transaction: str | None = None


CREDITS = ("credits_granted", "credits_application_invoice_voided")
DEBITS = ("credits_applied", "credits_expired", "credits_voided")

_encode = msgspec.json.Encoder().encode
_place = msgspec.json.Decoder(_Place).decode
_transaction = msgspec.json.Decoder(TransactionThere).decode


def was_deleted(customer: Customer) -> bool:
    """Whether he was deleted at the vendor, before he came."""
    kept = customer.profiles.get(PROFILE)
    return kept is not None and msgspec.convert(kept, CustomerThere).deleted


# Grants ------------------------------------------------------------------------------------------


def grant_there(grant: Grant) -> GrantThere | None:
    """None for a grant that was made here."""
    kept = grant.profiles.get(PROFILE)
    return None if kept is None else msgspec.convert(kept, GrantThere)


def grant_id(grant: Grant, mode: Mode) -> str:
    there = grant_there(grant)
    if there is not None:
        return there.id
    return spell("credgr_test_" if mode is Mode.TEST else "credgr_", grant.id)


def updated_at(grant: Grant, there: GrantThere) -> Instant:
    """When it was changed last, there or here: not by being brought over."""
    came_at = grant.created_at if there.voided_at is None else grant.voided_at
    if came_at is None or grant.updated_at <= came_at:
        return Instant(there.updated * MICROSECONDS)
    return grant.updated_at


def is_of_import(entry: Entry, grant: Grant) -> bool:
    """Whether an entry is there only because its grant was brought over.

    What had expired since the vendor was asked is news.
    """
    there = grant_there(grant)
    if there is None or not there.told:
        return False
    if derive(entry.operation, "grant") == grant.id:
        return entry.kind is not EntryKind.EXPIRED or there.left == 0
    return entry.kind is EntryKind.VOIDED and there.voided_at is not None


# Finding by the vendor's ids ---------------------------------------------------------------------


def place_of_grant(book: Id, text: str, grant: Id) -> DocumentChange:
    return _place_of(book, text, _Place(grant=grant.hex()))


def place_of_transaction(book: Id, text: str, document: Id) -> DocumentChange:
    return _place_of(book, text, _Place(transaction=document.hex()))


def _place_of(book: Id, text: str, place: _Place) -> DocumentChange:
    return DocumentChange(
        id=_place_id(book, text), owner=book, kind=PLACE, body=_encode(place).decode()
    )


def _place_id(book: Id, text: str) -> Id:
    return derive(book, f"{PLACE}:{text}")


async def find_grant(ledger: Ledger, book: Id, text: str) -> Id | None:
    """The grant that the vendor calls so."""
    return (await _find_place(ledger, book, text))[0]


async def find_transaction(ledger: Ledger, book: Id, text: str) -> Document | None:
    """The transaction that the vendor calls so."""
    _, transaction = await _find_place(ledger, book, text)
    return None if transaction is None else await ledger.document(book, transaction, TRANSACTION)


async def _find_place(ledger: Ledger, book: Id, text: str) -> tuple[Id | None, Id | None]:
    try:
        return ids_in((await ledger.document(book, _place_id(book, text), PLACE)).body)
    except DocumentNotFound:
        return None, None


def ids_in(body: str) -> tuple[Id | None, Id | None]:
    """Where a place leads to: the grant, or the document of the transaction."""
    place = _place(body)
    grant, transaction = (
        None if text is None else Id(bytes.fromhex(text))
        for text in (place.grant, place.transaction)
    )
    return grant, transaction


# Transactions ------------------------------------------------------------------------------------


def transaction_change(owner: Id, rank: int, there: TransactionThere) -> DocumentChange:
    """``rank`` counts those of one second, from 0, the oldest first."""
    at = Instant(there.created * MICROSECONDS)
    return DocumentChange(
        id=placed(owner, at, rank, there.id),
        owner=owner,
        kind=TRANSACTION,
        body=_encode(there).decode(),
    )


def read(document: Document) -> TransactionThere:
    return _transaction(document.body)


async def transactions_there(ledger: Ledger, owner: Customer) -> list[TransactionThere]:
    """The vendor's transactions of a customer, newest first."""
    if PROFILE not in owner.profiles:
        return []
    asked = DocumentFilter(book=owner.book, kind=TRANSACTION, owner=owner.id, limit=_CHUNK)
    found: list[TransactionThere] = []
    while len(found) < SHOWN_MAX:
        documents = await ledger.documents(asked)
        found += [read(each) for each in documents]
        if len(documents) < _CHUNK:
            break
        asked = msgspec.structs.replace(asked, after=documents[-1].id)
    return found
