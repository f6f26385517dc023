"""One dialect as an ASGI app: find the endpoint, check the key, decode, call, answer, observe."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable, MutableMapping
from functools import cached_property, partial
from typing import Any

import structlog

from drawdown.core.errors import LedgerError
from drawdown.core.requests import Answer
from drawdown.engine.accounts import KeyRevoked, Principal
from drawdown.engine.ledger import Ledger
from drawdown.engine.ports import StoreUnavailable
from drawdown.web.endpoints import (
    BodyDecoder,
    Call,
    Context,
    Dialect,
    Endpoint,
    Limits,
    QueryDecoder,
    Stream,
)
from drawdown.web.errors import (
    Forbidden,
    Header,
    MethodNotAllowed,
    TooLarge,
    TooManyRequests,
    Unauthorized,
    Unavailable,
    Unexpected,
    WebError,
)
from drawdown.web.headers import Headers
from drawdown.web.openapi import document
from drawdown.web.rate_limits import RateLimiter
from drawdown.web.request_ids import new_request_id
from drawdown.web.routing import Router

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
#: Who a secret, and the id of its key if there is one, belong to; None: nobody. Raises ``KeyRevoked``.
Authenticate = Callable[[str, str | None], Awaitable[Principal | None]]
#: Told of every answer: the dialect's name, what is known of the request, the status, the seconds.
Observe = Callable[[str, Context, int, float], None]

READING = ("GET", "HEAD")
#: Of a body that is too large, so many times the limit is thrown away before the answer, in so many seconds.
_DISCARDED = 4
_DISCARDING_SECONDS = 5

log = structlog.get_logger("drawdown.web")


class ClientGone(Exception):
    """The client hung up before its body was whole: there is nobody to answer."""


def ignore(dialect: str, context: Context, status: int, seconds: float) -> None:
    """Observes nothing."""


class DialectApp:
    """Serves one dialect over one ledger, to whoever ``authenticate`` knows: by default, by its keys.

    ``limiter`` None: everybody may ask as often as they like.
    """

    def __init__(
        self,
        dialect: Dialect,
        ledger: Ledger,
        limits: Limits,
        observe: Observe,
        authenticate: Authenticate | None = None,
        limiter: RateLimiter | None = None,
    ) -> None:
        self._dialect, self._ledger, self._limiter = dialect, ledger, limiter
        self._authenticate = authenticate or partial(dialect.authenticate, ledger)
        #: Who has asked in this turn of the event loop, by what they sent as Authorization.
        self._known: dict[bytes, Principal] = {}
        self._body_bytes_max = limits.body_bytes_max
        self._observe = observe
        self._document_path = dialect.bases[0] + dialect.openapi_path
        self._router = Router(dialect.bases, dialect.endpoints)
        self._decoders = {
            id(endpoint): _decoders(dialect, endpoint) for endpoint in dialect.endpoints
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        started = time.perf_counter()
        context = Context(
            method=scope["method"],
            path=scope["raw_path"].decode("ascii", "replace"),
            query=scope["query_string"],
            headers=Headers(scope["headers"]),
            request_id=new_request_id(),
            client=_address_of(scope),
        )
        extra: tuple[Header, ...] = ()
        answer: Answer | Stream
        content_type = self._dialect.content_type
        try:
            answer = await self._answer(context, receive)
        except ClientGone:
            return
        except (LedgerError, WebError) as error:
            answer, extra = self._refusal(self._counted(error, context), context)
        except StoreUnavailable:
            answer, extra = self._refusal(Unavailable(), context)
        except Exception:
            log.exception("unexpected error", request_id=context.request_id, path=context.path)
            answer, extra = self._refusal(Unexpected(context.request_id), context)
        if isinstance(answer, Stream):
            self._observe(self._dialect.name, context, 200, time.perf_counter() - started)
            await _stream(answer, context, receive, send)
            return
        if answer.status >= 400:
            content_type = self._dialect.error_content_type
        await send(
            {
                "type": "http.response.start",
                "status": answer.status,
                "headers": [
                    (b"content-type", content_type),
                    (b"content-length", b"%d" % len(answer.body)),
                    (b"request-id", context.request_id.encode("ascii")),
                    *extra,
                    *self._dialect.response_headers(context, answer),
                ],
            }
        )
        await send({"type": "http.response.body", "body": answer.body})
        self._observe(self._dialect.name, context, answer.status, time.perf_counter() - started)

    async def _answer(self, context: Context, receive: Receive) -> Answer | Stream:
        if context.path == self._document_path:
            if context.method not in READING:
                raise MethodNotAllowed(context.method, context.path, READING)
            self._count(context)
            return Answer(status=200, body=self._document)
        endpoint, path = self._router.find(context.method, context.path)
        context.endpoint = endpoint
        principal = context.principal = await self._principal(context.headers)
        self._count(context)
        if not principal.role.allows(endpoint.role):
            raise Forbidden(endpoint.role.value, principal.role.value)
        call = Call(
            ledger=self._ledger,
            context=context,
            endpoint=endpoint,
            principal=principal,
            headers=context.headers,
            request_id=context.request_id,
            path=path,
        )
        self._dialect.admit(call)
        decode_query, decode_body = self._decoders[id(endpoint)]
        if decode_query is not None:
            call.query = decode_query(context.query)
        if decode_body is not None:
            call.body = decode_body(await self._read(context.headers, receive), context.headers)
        return await endpoint.handler(call)

    def _count(self, context: Context) -> None:
        """Count the request, under the key that was found or else the address. Raises when it is too much."""
        if self._limiter is None:
            return
        if context.principal is None or context.endpoint is None:
            found = self._limiter.of_address(context.client)
        else:
            found = self._limiter.of_account(context.principal, context.endpoint.counted)
        context.allowance = found
        if found is not None and not found.granted:
            raise TooManyRequests(found.limit, found.seconds, found.reset_in)

    def _counted(self, error: LedgerError | WebError, context: Context) -> LedgerError | WebError:
        """The refusal of a request that got no further than to a key is one of nobody known."""
        if context.principal is None and context.allowance is None:
            try:
                self._count(context)
            except TooManyRequests as too_many:
                return too_many
        return error

    @cached_property
    def _document(self) -> bytes:
        return document(self._dialect)

    async def _principal(self, headers: Headers) -> Principal:
        """Who asks. All that is asked in one turn of the event loop has arrived before the first of it is
        answered: so what an Authorization opened for the first, it opens for all of them.
        """
        authorization = headers.find(b"authorization") or b""
        known = self._known.get(authorization)
        if known is None:
            known = await self._authenticated(headers)
            if not self._known:
                asyncio.get_running_loop().call_soon(self._known.clear)
            self._known[authorization] = known
        return known

    async def _authenticated(self, headers: Headers) -> Principal:
        given = self._dialect.credentials(headers)
        if given is None:
            raise Unauthorized(given=False)
        try:
            principal = await self._authenticate(given.secret, given.key_id)
        except KeyRevoked:
            raise Unauthorized(given=True, revoked=True) from None
        if principal is None:
            raise Unauthorized(given=True)
        return principal

    async def _read(self, headers: Headers, receive: Receive) -> bytes:
        """The whole body; gives up as soon as it is known to be too large."""
        announced = headers.get("content-length")
        if announced is not None and int(announced) > self._body_bytes_max:
            raise await self._too_large(receive)
        parts, size, more = list[bytes](), 0, True
        while more:
            message = await receive()
            if message["type"] != "http.request":
                raise ClientGone
            parts.append(message.get("body", b""))
            size, more = size + len(parts[-1]), message.get("more_body", False)
            if size > self._body_bytes_max:
                raise await self._too_large(receive) if more else TooLarge(self._body_bytes_max)
        return parts[0] if len(parts) == 1 else b"".join(parts)

    async def _too_large(self, receive: Receive) -> TooLarge:
        """What is still to come is thrown away first, within bounds: a client that sends all of it before it
        reads would find its connection broken, and never learn why.
        """
        left, more = _DISCARDED * self._body_bytes_max, True
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_DISCARDING_SECONDS):
                while more and left > 0:
                    message = await receive()
                    left -= len(message.get("body", b""))
                    more = message["type"] == "http.request" and message.get("more_body", False)
        return TooLarge(self._body_bytes_max)

    def _refusal(
        self, error: LedgerError | WebError, context: Context
    ) -> tuple[Answer, tuple[Header, ...]]:
        answer = self._dialect.error(error, context)
        return answer, error.headers if isinstance(error, WebError) else ()


def _address_of(scope: Scope) -> str:
    """Of the other end of the connection; it has none on a local socket."""
    client = scope.get("client")
    return client[0] if client else ""


async def _stream(stream: Stream, context: Context, receive: Receive, send: Send) -> None:
    """Send what comes, until the connection says that it ends; then the answer does, too."""
    headers = [
        (b"content-type", stream.content_type),
        (b"cache-control", b"no-store"),
        (b"x-accel-buffering", b"no"),  # a proxy that waits for more would show old news
        (b"request-id", context.request_id.encode("ascii")),
        (b"connection", b"close"),
    ]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    ended = asyncio.ensure_future(_ended(receive))
    parts = stream.parts
    try:
        while not ended.done():
            following = asyncio.ensure_future(anext(parts, None))
            await asyncio.wait({following, ended}, return_when=asyncio.FIRST_COMPLETED)
            if not following.done():
                following.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                part = await following
                if part is None:
                    break
                await send({"type": "http.response.body", "body": part, "more_body": True})
    finally:
        ended.cancel()
        await parts.aclose()  # type: ignore[attr-defined]
    await send({"type": "http.response.body", "body": b"", "more_body": False})


async def _ended(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


def _decoders(
    dialect: Dialect, endpoint: Endpoint
) -> tuple[QueryDecoder | None, BodyDecoder | None]:
    return (
        None if endpoint.query is None else dialect.query_decoder(endpoint.query),
        None if endpoint.body is None else dialect.body_decoder(endpoint.body),
    )
