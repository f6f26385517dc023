"""Where a claim lives: in the slot of its own hash, since it belongs to no customer."""

from __future__ import annotations

import hashlib

from drawdown.core.identity import SLOTS
from drawdown.core.types import Id


def claim_slot(book: Id, space: str, key: str) -> int:
    """The first 14 bits of a hash over the claim; the same forever."""
    digest = hashlib.blake2b(book + f"{space}\0{key}".encode(), digest_size=2).digest()
    return int.from_bytes(digest, "big") % SLOTS
