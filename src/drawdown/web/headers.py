"""Request headers by name, without decoding those that nobody asks for; and credentials in them."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Sequence
from typing import NamedTuple


class Headers:
    """The headers of one request, matched in lower case; of a repeated header the first."""

    __slots__ = ("raw",)

    def __init__(self, raw: Sequence[tuple[bytes, bytes]]) -> None:
        self.raw = raw

    def get(self, name: str) -> str | None:
        """The value of the header ``name`` (lower case), decoded as Latin-1."""
        value = self.find(name.encode("latin-1"))
        return None if value is None else value.decode("latin-1")

    def find(self, name: bytes) -> bytes | None:
        """The same, as it was sent."""
        for key, value in self.raw:
            if key == name:
                return value
        return None


class Credentials(NamedTuple):
    """A secret, and the id of the key that it must belong to, where the dialect sends one."""

    secret: str
    key_id: str | None = None


def bearer(headers: Headers) -> Credentials | None:
    """``Authorization: Bearer <secret>``."""
    value = headers.get("authorization")
    if value is None or value[:7].lower() != "bearer ":
        return None
    return Credentials(value[7:].strip())


def basic(headers: Headers) -> tuple[str, str] | None:
    """User name and password of ``Authorization: Basic``; the password may hold colons."""
    value = headers.get("authorization")
    if value is None or value[:6].lower() != "basic ":
        return None
    try:
        text = base64.b64decode(value[6:].strip(), validate=True).decode("utf-8")
    except (binascii.Error, UnicodeDecodeError):
        return None
    name, colon, password = text.partition(":")
    return (name, password) if colon else None
