"""The hash chain: each entry of a wallet carries a hash over the one before and its own facts.

SHA-256 over the previous hash, a version byte and the canonical entry. Names, metadata and a store's
own keys stay out of it, so that personal data can be erased and a copy on another store has equal hashes.
"""

from __future__ import annotations

import hashlib
import struct

from drawdown.core.types import Entry, EntryKind

GENESIS = bytes(32)
VERSION = 1
#: Codes never change their meaning; a new kind gets a new one.
KIND_CODES = {
    EntryKind.GRANTED: 1,
    EntryKind.ACTIVATED: 2,
    EntryKind.DEBITED: 3,
    EntryKind.REVERSED: 4,
    EntryKind.EXPIRED: 5,
    EntryKind.VOIDED: 6,
    EntryKind.HELD: 7,
    EntryKind.RELEASED: 8,
    EntryKind.CAPTURED: 9,
    EntryKind.OVERAGE_CHARGED: 10,
    EntryKind.OVERAGE_REVERSED: 11,
    EntryKind.OVERAGE_REPAID: 12,
    EntryKind.OVERAGE_FORGIVEN: 13,
    EntryKind.OVERAGE_INVOICED: 14,
    EntryKind.ROLLED_OUT: 15,
    EntryKind.ROLLED_IN: 16,
    EntryKind.FORFEITED: 17,
    EntryKind.RESTORED: 18,
}
# Big-endian: the previous hash, then version, customer, entitlement, operation, ordinal, seq, grant, kind,
# and eleven integers.
_pack = struct.Struct(">32sB16s16s16sIQ16sB11q").pack


def link(previous: bytes, entry: Entry) -> bytes:
    """The hash of ``entry`` after ``previous`` (``GENESIS`` for a wallet's first); 32 bytes."""
    content = _pack(
        previous,
        VERSION,
        entry.customer,
        entry.entitlement,
        entry.operation,
        entry.ordinal,
        entry.seq,
        entry.grant,
        KIND_CODES[entry.kind],
        entry.amount,
        entry.posted_before,
        entry.posted_after,
        entry.held_before,
        entry.held_after,
        entry.overage_before,
        entry.overage_after,
        entry.grant_before,
        entry.grant_after,
        entry.at,
        entry.recorded_at,
    )
    return hashlib.sha256(content).digest()
