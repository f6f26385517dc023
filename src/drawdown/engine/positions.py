"""Places in what was recorded, and the text in which they are handed out."""

from __future__ import annotations

from base64 import urlsafe_b64decode, urlsafe_b64encode

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
_BYTES = 8 + 16 + 2


def since(instant: Instant) -> Position:
    """Before whatever was recorded at an instant or later."""
    return Position(Instant(max(instant - 1, 0)), Id(b"\xff" * 16))


def token(position: Position, ordinal: int) -> str:
    """A place in a feed: after one event of an operation. It means the same on every store."""
    place = (
        position.recorded_at.to_bytes(8, "big") + position.operation + ordinal.to_bytes(2, "big")
    )
    return urlsafe_b64encode(place).decode().rstrip("=")


def read_token(text: str) -> tuple[Position, int] | None:
    """What ``token`` wrote; None for any other text."""
    try:
        place = urlsafe_b64decode(text.encode("ascii") + b"==")
    except ValueError:
        return None
    if len(place) != _BYTES:
        return None
    position = Position(Instant(int.from_bytes(place[:8], "big")), Id(place[8:24]))
    ordinal = int.from_bytes(place[24:], "big")
    if position.recorded_at >= 2**63 or token(position, ordinal) != text:
        return None
    return position, ordinal
