"""``Idempotency-Key`` on every POST: the same request is carried out once, for at least a day."""

from __future__ import annotations

import hashlib
from typing import Any

import msgspec

from drawdown.core.errors import KeyReused
from drawdown.core.requests import Answer, Claim
from drawdown.web import fields
from drawdown.web.endpoints import Call

HEADER = "Idempotency-Key"
SPACE = "http.sequence"
_canonical = msgspec.json.Encoder(order="sorted").encode


def claim(call: Call, command: Any) -> Claim | None:
    """The claim on the request's key. Requests are equal when they ask for the same ``command``.

    So 10 and 10.0, or two spellings of one id, are no difference. Raises ``BadRequest`` for a key that
    cannot be kept.
    """
    key = call.headers.get(HEADER.lower())
    if key is None:
        return None
    asked = (call.endpoint.method, call.endpoint.path, command)
    return Claim(SPACE, fields.key(key, HEADER), hashlib.sha256(_canonical(asked)).digest())


async def answered(call: Call, once: Claim | None) -> Answer | None:
    """What the same request was answered before: for whoever looks at things before he asks the ledger.

    These may have changed since, and a repetition is answered all the same. Raises ``KeyReused`` where the
    key was another request's.
    """
    if once is None:
        return None
    kept = await call.ledger.store.find_claim((call.book, once.space, once.key))
    if kept is None or kept.answer is None:
        return None
    if kept.fingerprint != once.fingerprint:
        raise KeyReused(key=once.key)
    return msgspec.structs.replace(kept.answer, replayed=True)
