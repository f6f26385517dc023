"""What was brought over from the vendor: under which ids it goes on there, and what had happened to it.

A customer and an entitlement are known by the vendor's id: it is the customer's own id and the entitlement's
code, or their very id where it has that form. No request names a grant or a row of the ledger: the vendor's
id is shown in the place of their own. The vendor's rows are documents of the customer.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable

import msgspec

from drawdown.core.identity import spell
from drawdown.core.types import NOTHING, Customer, Entitlement, Entry, Grant, Id, Instant
from drawdown.dialects.dodo.credit.row_wire import TransactionType
from drawdown.dialects.dodo.wire import MetadataShown
from drawdown.engine.ledger import Ledger
from drawdown.engine.ports import DocumentFilter

#: Under this name a record keeps what it was at the vendor.
PROFILE = "dodo_import"
#: The kind of documents that the vendor's rows are.
ENTRY = "dodo.imported_entry"
#: The reason of whatever moved credit because it was brought over; its rows are the vendor's own.
REASON = "Brought over from Dodo Payments"

_CHUNK = 100


class FromVendor(msgspec.Struct, frozen=True, kw_only=True):
    """A customer or an entitlement: the business that it was one's of, and its id there."""

    business: str
    id: str


class GrantThere(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Of a grant, what the ledger cannot say of it: what it was made from, and for, at the vendor."""

    id: str
    source_type: str
    source_id: str | None = None
    rollover_count: int = 0
    is_rolled_over: bool = False
    parent_grant_id: str | None = None
    expires_at: str | None = None


class EntryThere(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A row of the vendor's ledger, in its own words. ``entitlement`` is the ledger's id, in hex."""

    entitlement: str
    at: Instant
    id: str
    transaction_type: TransactionType
    amount: str
    is_credit: bool
    balance_before: str
    balance_after: str
    overage_before: str
    overage_after: str
    created_at: str
    grant_id: str | None = None
    description: str | None = None
    reference_type: str | None = None
    reference_id: str | None = None
    metadata: MetadataShown = {}


_entry = msgspec.json.Decoder(EntryThere).decode


def entitlement_id(kind: Entitlement) -> str:
    return kind.profiles[PROFILE]["id"] if PROFILE in kind.profiles else spell("cde_", kind.id)


def grant_there(found: Grant) -> GrantThere | None:
    """None for a grant that was made here."""
    kept = found.profiles.get(PROFILE)
    return None if kept is None else msgspec.convert(kept, GrantThere)


def grant_id(found: Grant) -> str:
    there = grant_there(found)
    return spell("cgr_", found.id) if there is None else there.id


async def grant_ids(ledger: Ledger, owner: Customer, entries: Iterable[Entry]) -> dict[Id, str]:
    """The vendor's ids of the grants that some entries are of. Only who was brought over can have any."""
    if PROFILE not in owner.profiles:
        return {}
    found: dict[Id, str] = {}
    for each in dict.fromkeys(entry.grant for entry in entries if entry.grant != NOTHING):
        grant = await ledger.store.find_grant(each)
        if grant is not None:
            found[each] = grant_id(grant)
    return found


async def rows_there(
    ledger: Ledger, owner: Customer, kind: Entitlement
) -> AsyncIterator[EntryThere]:
    """The vendor's rows of a customer's balance, newest first."""
    after: Id | None = None
    while PROFILE in owner.profiles:
        documents = await ledger.documents(
            DocumentFilter(book=owner.book, kind=ENTRY, owner=owner.id, after=after, limit=_CHUNK)
        )
        for document in documents:
            row = _entry(document.body)
            if row.entitlement == kind.id.hex():
                yield row
        if len(documents) < _CHUNK:
            return
        after = documents[-1].id
