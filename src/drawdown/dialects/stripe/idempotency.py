"""Writes: read the form, carry out the command once per ``Idempotency-Key``, keep what was answered.

Once a request has been understood, its answer is kept with its key, refusals included; one that could
not be understood is not kept. A used key with other parameters is refused, whatever is wrong with them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec

from drawdown.core.commands import Command, DocumentChange, ExpireGrant
from drawdown.core.errors import GrantNotFound, LedgerError, NotFound
from drawdown.core.requests import KEY_MAX, Accepted, Answer, Claim, Origin
from drawdown.core.types import Id
from drawdown.dialects.stripe import errors
from drawdown.dialects.stripe.errors import StripeError
from drawdown.dialects.stripe.parameters import JsonParameters, read, tree_of
from drawdown.web import forms
from drawdown.web.endpoints import Call, Handler
from drawdown.web.errors import WebError
from drawdown.web.headers import Headers

HEADER = "idempotency-key"
SPACE = "http.stripe"
#: An id that nothing has.
NOTHING = Id(bytes(16))


class Write(msgspec.Struct, kw_only=True):
    """A request understood: what to ask of the ledger, how to show it, what its ids were written as.

    ``documents`` change with it. ``show`` may raise ``StripeError`` for what turns out to have been done
    before.
    """

    command: Command
    show: Callable[[Accepted], Any]
    names: dict[type[NotFound], tuple[str, str]] = {}
    documents: tuple[DocumentChange, ...] = ()


def key_of(headers: Headers) -> str | None:
    """The request's idempotency key. Raises ``StripeError`` for one that cannot be kept."""
    key = headers.get(HEADER)
    if key is not None and not (1 <= len(key) <= KEY_MAX and key.isprintable()):
        raise StripeError(
            f"The Idempotency-Key must be 1 to {KEY_MAX} printable characters.",
            kind=errors.IDEMPOTENCY,
        )
    return key


async def carry_out(
    call: Call, command: Command, documents: tuple[DocumentChange, ...] = ()
) -> None:
    """For a request without a key: a ``DELETE``. Raises ``LedgerError``."""
    await call.ledger.submit(
        call.book,
        command,
        lambda _: Answer(status=200, body=b""),
        asked_by=Origin(call.request_id),
        documents=documents,
    )


def writing(prepare: Callable[[Call, Any], Awaitable[Write]]) -> Handler:
    """The handler of an endpoint that writes: ``prepare`` understands its parameters."""

    async def handle(call: Call) -> Answer:
        key = key_of(call.headers)
        try:
            parameters = _parameters(call)
            write = await prepare(call, parameters)
        except WebError:
            if key is not None:
                await refuse_used(call, key)
            raise
        claim = None if key is None else Claim(SPACE, key, _fingerprint(call, parameters))
        return await _carry_out(call, write, claim)

    return handle


def _parameters(call: Call) -> Any:
    """The form, together with what stands in the query string; or the JSON."""
    record: Any = call.endpoint.body
    if issubclass(record, JsonParameters):
        return read(tree_of(call.body), record)
    return read(forms.nested(b"&".join((call.context.query, call.body))), record)


async def _carry_out(call: Call, write: Write, claim: Claim | None) -> Answer:
    def render(accepted: Accepted) -> Answer:
        try:
            shown = msgspec.json.encode(write.show(accepted))
        except StripeError as error:
            return errors.answer(error, call.request_id)
        return Answer(status=call.endpoint.status, body=shown, request_id=call.request_id)

    def refuse(error: LedgerError) -> Answer:
        return errors.answer(errors.named(error, write.names), call.request_id)

    try:
        return await call.ledger.submit(
            call.book,
            write.command,
            render,
            claim=claim,
            refuse=refuse,
            asked_by=Origin(call.request_id, None if claim is None else claim.key),
            documents=write.documents,
        )
    except NotFound as error:
        raise errors.named(error, write.names) from None


async def refuse_used(call: Call, key: str) -> None:
    """Raises ``KeyReused`` when the key has an answer: this request cannot be the one it belongs to.

    Asking to expire nothing looks the key up, and keeps nothing.
    """

    def render(accepted: Accepted) -> Answer:
        raise AssertionError("nothing was expired")

    claim = Claim(SPACE, key, b"")
    try:
        await call.ledger.submit(call.book, ExpireGrant(grant=NOTHING), render, claim=claim)
    except GrantNotFound:
        return


def _fingerprint(call: Call, parameters: Any) -> bytes:
    """Of the request as it was understood: method, path and parameters, however they were written."""
    asked = (call.endpoint.method, call.endpoint.path, call.path, parameters)
    return hashlib.sha256(msgspec.json.encode(asked, order="sorted")).digest()
