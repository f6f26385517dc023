"""What was brought over from the vendor: under which ids it goes on there, and what had happened to it.

A customer is known by the vendor's id: it is his own id, or his very id where it has that form. A grant and a
metric are found by the vendor's ids, too: for each there is a document of the book, whose id follows from the
vendor's, that says which one it is. The transactions of before are documents of their customer, in the order
of their times.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import msgspec

from drawdown.core.commands import DocumentChange
from drawdown.core.errors import DocumentNotFound
from drawdown.core.identity import derive, placed, spell_uuid
from drawdown.core.times import text_of
from drawdown.core.types import (
    Customer,
    Document,
    Entitlement,
    Entry,
    EntryKind,
    Grant,
    Id,
    Instant,
    Profiles,
)
from drawdown.dialects.sequence.credit.wire import Transaction, TransactionType
from drawdown.engine.ledger import Ledger
from drawdown.engine.ports import DocumentFilter

#: Under this name a record keeps what it was at the vendor.
PROFILE = "sequence_import"
#: The kinds of documents that the vendor's transactions are, and the places that its ids lead to.
TRANSACTION, PLACE = "sequence.imported_transaction", "sequence.imported_id"
#: The reason of whatever moved credit because it was brought over; its transactions are the vendor's own.
REASON = "Brought over from Sequence"
#: So many transactions of a customer are read at most, to be counted.
KEPT_MAX = 1_000_000
_CHUNK = 1_000


class There(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A customer or a metric. ``archived``: he was when he came."""

    id: str
    archived: bool = False


class GrantThere(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Of a grant, what the ledger cannot say of it.

    ``is_spent``: nothing was left of it. ``told``: what became of it is among the transactions that were
    brought over. ``expiry_date`` is given of one that was voided, which needs no end here.
    """

    id: str
    created_at: Instant
    is_spent: bool = False
    told: bool = False
    expiry_date: str | None = None
    is_void: bool = False


class TransactionThere(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A transaction of the vendor's. ``entitlement`` is the ledger's id, in hex; ``grant`` the vendor's."""

    entitlement: str
    grant: str
    type: TransactionType
    amount: str
    at: Instant
    date: str
    id: str | None = None
    reason: str | None = None
    invoice_id: str | None = None
    billing_run_id: str | None = None


class _Place(msgspec.Struct, frozen=True):
    """In hex."""

    id: str


_encode = msgspec.json.Encoder().encode
_place = msgspec.json.Decoder(_Place).decode
_transaction = msgspec.json.Decoder(TransactionThere).decode


# Ids ---------------------------------------------------------------------------------------------


def customer_id(customer: Customer) -> str:
    return _id(customer) or spell_uuid(customer.id)


async def customer_ids(ledger: Ledger, book: Id, customers: Iterable[Id]) -> dict[Id, str]:
    """As this dialect shows them."""
    return {each: customer_id(await ledger.customer(book, each)) for each in set(customers)}


def metric_id(kind: Entitlement) -> str:
    return _id(kind) or spell_uuid(kind.id)


def _id(found: Customer | Entitlement) -> str | None:
    kept = found.profiles.get(PROFILE)
    return None if kept is None else msgspec.convert(kept, There).id


def profile(text: str, *, archived: bool = False) -> Profiles:
    """What a customer or a metric that the vendor called so keeps of it."""
    return {PROFILE: msgspec.to_builtins(There(id=text, archived=archived))}


def was_told(customer: Customer, is_made: bool, is_archived: bool) -> bool:
    """Whether that he was made, or archived, happened at the vendor, before he came."""
    kept = customer.profiles.get(PROFILE)
    if kept is None:
        return False
    return is_made or (is_archived and msgspec.convert(kept, There).archived)


def grant_there(grant: Grant) -> GrantThere | None:
    """None for a grant that was made here."""
    kept = grant.profiles.get(PROFILE)
    return None if kept is None else msgspec.convert(kept, GrantThere)


def grant_id(grant: Grant) -> str:
    there = grant_there(grant)
    return spell_uuid(grant.id) if there is None else there.id


def made_at(grant: Grant) -> Instant:
    """There, if it was."""
    there = grant_there(grant)
    return grant.created_at if there is None else there.created_at


def place_of(book: Id, text: str, identifier: Id) -> DocumentChange:
    """What leads from the vendor's id of a grant or metric to ours."""
    body = _encode(_Place(id=identifier.hex())).decode()
    return DocumentChange(id=_place_id(book, text), owner=book, kind=PLACE, body=body)


def _place_id(book: Id, text: str) -> Id:
    return derive(book, f"{PLACE}:{text}")


async def find(ledger: Ledger, book: Id, text: str) -> Id | None:
    """The grant or metric that the vendor calls so."""
    try:
        document = await ledger.document(book, _place_id(book, text), PLACE)
    except DocumentNotFound:
        return None
    return id_in(document.body)


def id_in(body: str) -> Id:
    """Where a place leads to."""
    return Id(bytes.fromhex(_place(body).id))


# Transactions ------------------------------------------------------------------------------------


def is_of_import(entry: Entry, grant: Grant) -> bool:
    """Whether an entry is there only because its grant was brought over, with its transactions."""
    there = grant_there(grant)
    return there is not None and there.told and is_known(entry, grant)


def is_known(entry: Entry, grant: Grant) -> bool:
    """Whether what an entry says had happened at the vendor. What had expired since it was asked had not."""
    there = grant_there(grant)
    if there is None:
        return False
    if derive(entry.operation, "grant") == grant.id:
        return entry.kind is not EntryKind.EXPIRED or there.is_spent
    return entry.kind is EntryKind.VOIDED and there.is_void


async def grants_of(
    ledger: Ledger, owner: Customer, entries: Iterable[Entry], known: Mapping[Id, Grant]
) -> dict[Id, Grant]:
    """The grants of some entries, beside those that are known. Of one who was not brought over none."""
    found = dict(known)
    if PROFILE not in owner.profiles:
        return found
    for each in {entry.grant for entry in entries} - found.keys():
        grant = await ledger.store.find_grant(each)
        if grant is not None:
            found[each] = grant
    return found


def change_of(owner: Id, rank: int, there: TransactionThere) -> DocumentChange:
    """``rank`` counts those of one instant, from 0, the oldest first."""
    name = f"{there.entitlement}:{there.id or there.grant}:{rank}"
    return DocumentChange(
        id=placed(owner, there.at, rank, name),
        owner=owner,
        kind=TRANSACTION,
        body=_encode(there).decode(),
    )


async def transactions_there(
    ledger: Ledger, owner: Customer, entitlement: Id, count: int
) -> list[Transaction]:
    """The newest of the vendor's transactions of a customer's, in one kind of credit."""
    found: list[Transaction] = []
    asked = DocumentFilter(book=owner.book, kind=TRANSACTION, owner=owner.id, limit=_CHUNK)
    while PROFILE in owner.profiles and len(found) < count:
        documents = await ledger.documents(asked)
        found += [
            _shown(each, there)
            for each in documents
            if (there := _transaction(each.body)).entitlement == entitlement.hex()
        ]
        if len(documents) < _CHUNK:
            break
        asked = msgspec.structs.replace(asked, after=documents[-1].id)
    return found[:count]


def _shown(document: Document, there: TransactionThere) -> Transaction:
    return Transaction(
        id=there.id or spell_uuid(document.id),
        grant_id=there.grant,
        type=there.type,
        amount=there.amount,
        date=there.date,
        created_at=text_of(there.at),
        reason=there.reason,
        invoice_id=there.invoice_id,
        billing_run_id=there.billing_run_id,
    )
