"""The table that a dialect is: routing, decoding, roles and documentation come from it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import Any, ClassVar

import msgspec

from drawdown.core.errors import LedgerError
from drawdown.core.requests import Answer
from drawdown.core.types import Id, Instant
from drawdown.engine.accounts import Principal, Role
from drawdown.engine.ledger import Ledger
from drawdown.web import headers as web_headers
from drawdown.web.decoding import json_decoder, query_decoder
from drawdown.web.errors import Header, UnknownUrl, WebError
from drawdown.web.headers import Credentials, Headers
from drawdown.web.rate_limits import Allowance, Counted

BodyDecoder = Callable[[bytes, Headers], Any]
QueryDecoder = Callable[[bytes], Any]


class Context(msgspec.Struct, kw_only=True):
    """One request as far as it is known: ``endpoint``, ``principal`` are None until found.

    ``client`` is the address at the other end of the connection. ``allowance`` is what is left to the
    caller; None where nothing is counted.
    """

    method: str
    path: str
    query: bytes
    headers: Headers
    request_id: str
    client: str = ""
    endpoint: Endpoint | None = None
    principal: Principal | None = None
    allowance: Allowance | None = None


class Call(msgspec.Struct, kw_only=True):
    """One request that may be answered. ``path`` holds the decoded path parameters by name.

    ``body`` and ``query`` are of the endpoint's types, None where it has none.
    """

    ledger: Ledger
    context: Context
    endpoint: Endpoint
    principal: Principal
    headers: Headers
    request_id: str
    path: dict[str, str]
    query: Any = None
    body: Any = None

    @property
    def book(self) -> Id:
        return self.principal.book

    @property
    def now(self) -> Instant:
        return self.ledger.clock.now()


class Stream(msgspec.Struct, kw_only=True):
    """An answer without an end: parts as they come, until the client goes or the server stops."""

    parts: AsyncIterator[bytes]
    content_type: bytes


Handler = Callable[[Call], Awaitable[Answer | Stream]]


class Endpoint(msgspec.Struct, frozen=True, kw_only=True):
    """One row. ``path`` is below the dialect's base: ``/grants/{grant}/expire``.

    ``role`` is the least role that may call it. Without ``body`` no body is read; without ``query``
    the query string is not looked at. ``answer``, ``stream`` (the media type of an answer that goes on and
    on) and ``errors`` are for the documentation. ``counted``: by which of its account's limits.
    """

    method: str
    path: str
    handler: Handler
    summary: str
    role: Role
    body: type | None = None
    query: type | None = None
    answer: type | None = None
    stream: str | None = None
    status: int = 200
    errors: tuple[type[LedgerError | WebError], ...] = ()
    counted: Counted = "requests"


class HeaderTaken(msgspec.Struct, frozen=True, kw_only=True):
    """For the document: a header that is read beside ``Authorization``, with the rules of its text."""

    name: str
    description: str
    required: bool = False
    rules: Mapping[str, Any] = {}


class Dialect:
    """What a dialect is: its table and its manners. Override what differs.

    ``bases`` are the paths it is served under, without a slash at the end; the first is the
    documented one. ``name`` is for logs and metrics.
    """

    name: ClassVar[str]
    title: ClassVar[str]
    bases: ClassVar[tuple[str, ...]]
    content_type: ClassVar[bytes] = b"application/json"
    error_content_type: ClassVar[bytes] = b"application/json"
    body_media_type: ClassVar[str] = "application/json"
    #: Where the OpenAPI document is, below the first base; open to everybody.
    openapi_path: ClassVar[str] = "/openapi.json"
    #: For the document: the shape of errors, their statuses where they are not the class's own, and
    #: records that other schemas refer to.
    error_record: ClassVar[type | None] = None
    error_statuses: ClassVar[Mapping[type[Exception], int]] = {}
    #: For the document: the schemes of HTTP by which a key is taken.
    security: ClassVar[tuple[str, ...]] = ("bearer", "basic")
    #: Likewise: what may be wrong with the parameters of a path.
    path_errors: ClassVar[tuple[type[WebError], ...]] = (UnknownUrl,)
    #: Likewise: what ``admit`` may raise, and what headers say of every answer.
    header_errors: ClassVar[tuple[type[WebError], ...]] = ()
    headers_answered: ClassVar[Mapping[str, str]] = {}
    schemas: ClassVar[tuple[type, ...]] = ()

    endpoints: tuple[Endpoint, ...] = ()

    def credentials(self, headers: Headers) -> Credentials | None:
        """The key that a request carries; None when it has none in a form this dialect reads.

        It is in ``Authorization`` and nowhere else: by that header ``dispatch`` remembers who asks.
        """
        return web_headers.bearer(headers)

    async def authenticate(
        self, ledger: Ledger, secret: str, key_id: str | None
    ) -> Principal | None:
        """Who a secret belongs to; None for a wrong one. Raises ``KeyRevoked``, or a ``WebError``."""
        return await ledger.authenticate(secret, key_id)

    def admit(self, call: Call) -> None:
        """Refuse a request for its headers (a version, an account), by raising; body unread."""

    def headers_taken(self, endpoint: Endpoint) -> tuple[HeaderTaken, ...]:
        """For the document: those that an endpoint reads."""
        return ()

    def media_type_of(self, record: type) -> str:
        """For the document: what bodies of ``record`` are written in."""
        return self.body_media_type

    def body_decoder(self, record: type) -> BodyDecoder:
        """How bodies of ``record`` are read; asked once per endpoint. Raises ``WebError``s."""
        return json_decoder(record)

    def query_decoder(self, record: type) -> QueryDecoder:
        """How query strings of ``record`` are read; asked once per endpoint."""
        return query_decoder(record)

    def error(self, error: LedgerError | WebError, context: Context) -> Answer:
        """The answer to a refusal, in the dialect's shape: one table of every class."""
        raise AssertionError(f"{type(self).__name__} does not say how errors look")

    def response_headers(self, context: Context, answer: Answer) -> tuple[Header, ...]:
        """Headers beside content-type, content-length and request-id, which are always there."""
        return ()


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    body_bytes_max: int = 4 * 1024 * 1024
