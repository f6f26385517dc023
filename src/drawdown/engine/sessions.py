"""Sessions: tokens that stand for a key for some minutes.

A token is drawn at random. What is kept of it is its hash, as a claim in its key's book, and until when it
lasts: whoever reads the database can neither use a token nor make one. Claims are pruned long after that.
"""

from __future__ import annotations

import hashlib
import re
import secrets
from collections.abc import Awaitable, Callable

import msgspec

from drawdown.core import identity
from drawdown.core.commands import ExpireGrant
from drawdown.core.errors import LedgerError
from drawdown.core.requests import Accepted, Answer, Claim
from drawdown.core.types import Id, Instant
from drawdown.engine.accounts import KeyRevoked, Principal, SessionExpired
from drawdown.engine.ports import Clock, Store

SESSION_PREFIX = "session_"
SPACE = "session"
_TOKEN_BYTES = 32
_TOKEN = re.compile(SESSION_PREFIX + r"([0-9A-Za-z]{22})_[0-9a-f]{64}")
#: An id that nothing has.
_NOTHING = Id(bytes(16))

Submit = Callable[..., Awaitable[Answer]]


class _Kept(msgspec.Struct):
    until: Instant


_kept = msgspec.json.Decoder(_Kept).decode


class Sessions:
    def __init__(self, store: Store, clock: Clock, submit: Submit) -> None:
        self._store, self._clock, self._submit = store, clock, submit

    async def open(self, principal: Principal, until: Instant) -> str:
        """A token that stands for a key up to an instant.

        It is kept as the answer to having nothing expired: that changes nothing, and is refused.
        """
        name = identity.spell("", principal.key_id)
        token = f"{SESSION_PREFIX}{name}_{secrets.token_hex(_TOKEN_BYTES)}"
        body = msgspec.json.encode(_Kept(until))

        def refuse(error: LedgerError) -> Answer:
            return Answer(status=200, body=body)

        claim = Claim(SPACE, _digest(token), SPACE.encode())
        command = ExpireGrant(grant=_NOTHING)
        await self._submit(principal.book, command, _render, claim=claim, refuse=refuse)
        return token

    async def find(self, token: str) -> Principal | None:
        """Who ``open`` gave this token to; None for a wrong one.

        Raises ``KeyRevoked`` and ``SessionExpired``. Only a hash is looked for, so that how long that takes
        says nothing of another token.
        """
        written = _TOKEN.fullmatch(token)
        named = None if written is None else identity.parse("key_" + written[1])
        found = None if named is None else await self._store.find_key(named)
        if found is None:
            return None
        key = found[0]
        claim = await self._store.find_claim((key.book, SPACE, _digest(token)))
        if claim is None or claim.answer is None:
            return None
        if key.revoked_at is not None:
            raise KeyRevoked
        if _kept(claim.answer.body).until <= self._clock.now():
            raise SessionExpired
        return Principal(
            key_id=key.id,
            account=key.account,
            book=key.book,
            mode=key.mode,
            role=key.role,
            session=True,
        )


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()


def _render(accepted: Accepted) -> Answer:
    raise AssertionError("nothing was expired")
