"""Places in what was recorded, and the text in which they are handed out."""

from __future__ import annotations

import re

import msgspec

from drawdown.core.types import Id, Instant


class Position(msgspec.Struct, frozen=True, order=True):
    """A place in what was recorded, which is in this order; the same on every store."""

    recorded_at: Instant
    operation: Id


#: Before everything.
BEGINNING = Position(Instant(0), Id(bytes(16)))
#: What comes after every event of an operation.
LAST = 2**16 - 1
PREFIX = "feed_"
_TOKEN = re.compile(PREFIX + "([0-9a-f]{52})")


def since(instant: Instant) -> Position:
    """Before whatever was recorded at an instant or later."""
    return Position(Instant(max(instant - 1, 0)), Id(b"\xff" * 16))


def token(position: Position, ordinal: int) -> str:
    """A place in a feed: after one event of an operation. It means the same on every store."""
    place = (
        position.recorded_at.to_bytes(8, "big") + position.operation + ordinal.to_bytes(2, "big")
    )
    return PREFIX + place.hex()


def read_token(text: str) -> tuple[Position, int] | None:
    """What ``token`` wrote; None for any other text."""
    found = _TOKEN.fullmatch(text)
    if found is None:
        return None
    place = bytes.fromhex(found[1])
    position = Position(Instant(int.from_bytes(place[:8], "big")), Id(place[8:24]))
    if position.recorded_at >= 2**63:
        return None
    return position, int.from_bytes(place[24:], "big")
