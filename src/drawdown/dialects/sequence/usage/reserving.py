"""``Idempotency-Key`` for what takes several steps: the key stands for an id, under which they go on."""

from __future__ import annotations

from typing import Any

from drawdown.core.commands import KeepDocuments
from drawdown.core.requests import Accepted, Answer
from drawdown.dialects.sequence.claims import claim
from drawdown.web.endpoints import Call


async def reserve(call: Call, asked: Any, new: str) -> tuple[str, bool]:
    """``new``, or what the same request was given under its key before; and whether that is so.

    Raises ``KeyReused`` where the key was another request's.
    """
    once = claim(call, asked)
    if once is None:
        return new, False

    def render(accepted: Accepted) -> Answer:
        return Answer(status=200, body=new.encode())

    given = await call.ledger.submit(call.book, KeepDocuments(), render, claim=once)
    return given.body.decode(), given.replayed
