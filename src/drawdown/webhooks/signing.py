"""Signatures of Standard Webhooks (standardwebhooks.com): three headers over the body as it is sent.

The signature is a line of HMAC, so the library of that name is what the tests verify with, not what signs.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from base64 import b64decode, b64encode
from collections.abc import Iterable

SECRET_PREFIX = "whsec_"  # noqa: S105 - what a secret begins with
#: The scheme asks for 24 to 64 bytes.
SECRET_BYTES = 32


def new_secret() -> str:
    return SECRET_PREFIX + b64encode(secrets.token_bytes(SECRET_BYTES)).decode()


def is_secret(text: str) -> bool:
    """Whether ``text`` can sign: the prefix and the base64 of 24 to 64 bytes."""
    if not text.startswith(SECRET_PREFIX):
        return False
    try:
        return 24 <= len(b64decode(text.removeprefix(SECRET_PREFIX), validate=True)) <= 64
    except ValueError:
        return False


def standard_headers(
    message: str, seconds: int, body: bytes, keys: Iterable[str]
) -> dict[str, str]:
    """``message`` stays the same for every attempt; ``seconds`` is when this one was made."""
    signed = f"{message}.{seconds}.".encode() + body
    return {
        "webhook-id": message,
        "webhook-timestamp": str(seconds),
        "webhook-signature": " ".join(_signature(key, signed) for key in keys),
    }


def _signature(secret: str, signed: bytes) -> str:
    key = b64decode(secret.removeprefix(SECRET_PREFIX))
    return "v1," + b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
