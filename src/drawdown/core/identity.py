"""Ids: valid UUIDv7 in 16 bytes whose last 14 bits are the slot of the customer they belong to.

The slot is drawn at random once for a customer and is where the customer lives for life; whatever
belongs to the customer carries the same slot, so that an id alone says where to look. Objects
without a customer draw their own.

Text forms: a prefix of the dialect's own and 22 base-62 characters (``grant_06Xk...``), or the plain
lower-case UUID. ``parse`` accepts both, whatever the prefix: every dialect accepts every spelling.
"""

from __future__ import annotations

import hashlib
import re
import struct
import uuid

from drawdown.core.types import Id, Instant, Reference

SLOT_BITS = 14
SLOTS = 1 << SLOT_BITS
OWN_ID = re.compile(r"(?!\.{1,2}\Z)[A-Za-z0-9._:@-]{1,64}")
#: The rule of ``OWN_ID`` in words, for error messages.
OWN_ID_RULE = (
    "1 to 64 characters of A-Z a-z 0-9 . _ : @ -, not . or .. and not in the form of a generated id"
)

_pack = struct.Struct(">QQ").pack
_pack_place = struct.Struct(">14sH").pack  # the first 14 bytes as they are, then two others
_ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_DIGITS = {character: value for value, character in enumerate(_ALPHABET)}
_PAIRS = [high + low for high in _ALPHABET for low in _ALPHABET]
_WIDTH = 22
_SPELLED = re.compile(rf"(?:[a-z]+_)*([0-9A-Za-z]{{{_WIDTH}}})")
_UUID = re.compile(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")


def compose(milliseconds: int, fraction: int, randomness: int, slot: int) -> Id:
    """A UUIDv7: 48 bits of Unix milliseconds, 12 bits of a fraction of one, 48 random bits, slot."""
    high = (milliseconds & (1 << 48) - 1) << 16 | 0x7 << 12 | fraction & 0xFFF
    low = 0b10 << 62 | (randomness & (1 << 48) - 1) << SLOT_BITS | slot
    return Id(_pack(high, low))


def derive(origin: bytes, label: str) -> Id:
    """The id that always follows from ``origin`` and ``label``; keeps the origin's time and slot."""
    digest = hashlib.sha256(origin + label.encode()).digest()
    low = 0b10 << 62 | int.from_bytes(digest[:6], "big") << SLOT_BITS | slot_of(origin)
    return Id(origin[:8] + low.to_bytes(8, "big"))


def later(origin: bytes, label: str) -> Id:
    """As ``derive``, but one step of time after its origin, as is all that follows from it in turn."""
    high = int.from_bytes(origin[:8], "big")
    stamp = ((high >> 16) << 12 | high & 0xFFF) + 1
    bits = _bits_of(derive(origin, label))
    return compose(stamp >> 12, stamp & 0xFFF, bits, slot_of(origin))


def precede(origin: bytes, label: str) -> Id:
    """As ``derive``, but before its origin: what a request comes upon was there before what it does."""
    return _between(origin, label, 0, _bits_of(origin))


def follow(origin: bytes, label: str, before: bytes | None = None) -> Id:
    """As ``derive``, but after its origin, and before another id of that origin's: what comes of it."""
    last = (1 << 48) - 1
    end = last if before is None else _bits_of(before)
    return _between(origin, label, min(_bits_of(origin) + 1, last), end)


def parts(origin: bytes, count: int) -> list[Id]:
    """``count`` ids that sort in their order, after their origin, with as much room between any two."""
    first, end = _bits_of(origin) + 1, 1 << 48
    room = (end - first) // max(count, 1)
    return [
        _between(origin, f"part:{number}", first + number * room, first + (number + 1) * room)
        for number in range(count)
    ]


def _between(origin: bytes, label: str, first: int, end: int) -> Id:
    digest = hashlib.sha256(origin + label.encode()).digest()
    bits = first + int.from_bytes(digest[:6], "big") % max(end - first, 1)
    low = 0b10 << 62 | bits << SLOT_BITS | slot_of(origin)
    return Id(origin[:8] + low.to_bytes(8, "big"))


def _bits_of(identifier: bytes) -> int:
    """The 48 random bits of an id."""
    return int.from_bytes(identifier[8:], "big") >> SLOT_BITS & (1 << 48) - 1


def nth(origin: bytes, number: int) -> Id:
    """The id of the ``number``-th of a row of things that follow from ``origin``: they sort in their order.

    Below 2**24; 24 other bits follow from the origin, and the slot is its own.
    """
    assert 0 <= number < 1 << 24
    digest = hashlib.sha256(origin).digest()
    rest = number << 24 | int.from_bytes(digest[:3], "big")
    low = 0b10 << 62 | rest << SLOT_BITS | slot_of(origin)
    return Id(origin[:8] + low.to_bytes(8, "big"))


def dated(origin: bytes, label: str, at: Instant, number: int = 0) -> Id:
    """As ``derive``, but of a time of its own: it sorts among what was made then, by its number up to 255."""
    fraction = at % 1_000 * 4_096 // 1_000
    bits = min(number, 255) << 40 | _bits_of(derive(origin, label)) >> 8
    return compose(at // 1_000, fraction, bits, slot_of(origin))


def number_of(identifier: bytes) -> int:
    """The number with which an id was made (``dated``)."""
    return _bits_of(identifier) >> 40


def placed(owner: bytes, at: Instant, rank: int, text: str) -> Id:
    """The id that always follows from a text, in its owner's slot; sorts by time, then ``rank``, from 0."""
    milliseconds, microseconds = divmod(at, 1_000)
    digest = hashlib.sha256(text.encode()).digest()
    place = rank << 32 | int.from_bytes(digest[:4], "big")
    return compose(milliseconds, microseconds << 2, place, slot_of(owner))


def relocate(identifier: bytes, slot: int) -> Id:
    """The same id in another slot: an operation moves to the slot of its customer."""
    return Id(_pack_place(identifier, identifier[14] << 8 & 0xC000 | slot))


def in_book(identifier: bytes, book: bytes) -> Id:
    """The same id in the slot of a book: where an alert on everybody's credit lives."""
    return relocate(identifier, slot_of(book))


def made_at(identifier: bytes) -> Instant:
    """When an id was made, to the millisecond."""
    return Instant(int.from_bytes(identifier[:6], "big") * 1_000)


def slot_of(identifier: bytes) -> int:
    return (identifier[14] & 0x3F) << 8 | identifier[15]


def is_generated(value: bytes) -> bool:
    """Whether 16 bytes are a version 7 UUID of the standard variant."""
    return value[6] >> 4 == 0x7 and value[8] >> 6 == 0b10


def spell(prefix: str, identifier: bytes) -> str:
    """``prefix`` and the 22 base-62 characters of the id, most significant first.

    Cut into 6, 8 and 8 characters at first, since small numbers are divided in half the time of large ones.
    """
    number, last = divmod(int.from_bytes(identifier, "big"), 62**8)
    first, middle = divmod(number, 62**8)
    a, b = divmod(first, 62**4)
    c, d = divmod(middle, 62**4)
    e, f = divmod(last, 62**4)
    return (
        f"{prefix}{_PAIRS[a]}{_PAIRS[b // 3844]}{_PAIRS[b % 3844]}"
        f"{_PAIRS[c // 3844]}{_PAIRS[c % 3844]}{_PAIRS[d // 3844]}{_PAIRS[d % 3844]}"
        f"{_PAIRS[e // 3844]}{_PAIRS[e % 3844]}{_PAIRS[f // 3844]}{_PAIRS[f % 3844]}"
    )


def spell_uuid(identifier: bytes) -> str:
    text = identifier.hex()
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


def parse(text: str) -> Id | None:
    """The id behind a generated spelling of any dialect, or None when ``text`` is not one."""
    if len(text) < _WIDTH:
        return None
    if _UUID.fullmatch(text):
        value = uuid.UUID(text).bytes
    elif match := _SPELLED.fullmatch(text):
        number = 0
        for character in match[1]:
            number = number * 62 + _DIGITS[character]
        if number >> 128:
            return None
        value = number.to_bytes(16, "big")
    else:
        return None
    return Id(value) if is_generated(value) else None


def reference(text: str) -> Reference:
    """What ``text`` names: the id it spells, else an own id or code, as it stands."""
    return parse(text) or text


def is_own_id(text: str) -> bool:
    """Whether the operator may give ``text`` as an own id (``OWN_ID_RULE``)."""
    return OWN_ID.fullmatch(text) is not None and parse(text) is None
