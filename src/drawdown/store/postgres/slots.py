"""Where a claim or a lease lives: it belongs to no customer, so mostly in the slot of its own hash."""

from __future__ import annotations

import hashlib

from drawdown.core.identity import SLOTS, slot_of
from drawdown.core.state import (
    CUSTOMER_ALIAS,
    CUSTOMER_OWN_ID,
    DOCUMENT_NAME,
    ENTITLEMENT_CODE,
    ENTITLEMENT_NAME,
    METER_CODE,
)
from drawdown.core.types import Id

_OF_CATALOGUE = frozenset({ENTITLEMENT_CODE, ENTITLEMENT_NAME, METER_CODE})
_ALIAS = DOCUMENT_NAME + CUSTOMER_ALIAS


def claim_slot(book: Id, space: str, key: str) -> int:
    """The first 14 bits of a hash over the claim; the same forever.

    A kind of credit claims its code and its name at once, and a rate is about a meter and a kind of credit,
    so all of them are in the slot of their book, with what else is the book's own. An own id is claimed as an
    alias, too, so both are in one slot.
    """
    if space in _OF_CATALOGUE:
        return slot_of(book)
    if space == _ALIAS:
        space = CUSTOMER_OWN_ID
    return _hashed(book + f"{space}\0{key}".encode())


def lease_slot(name: str) -> int:
    """Likewise, of the name of a piece of background work."""
    return _hashed(name.encode())


def _hashed(content: bytes) -> int:
    digest = hashlib.blake2b(content, digest_size=2).digest()
    return int.from_bytes(digest, "big") % SLOTS
