"""Sequence's manners: its table, its versions, its keys, its errors."""

from __future__ import annotations

from typing import ClassVar

from drawdown.config import Config
from drawdown.core.errors import LedgerError
from drawdown.core.requests import KEY_MAX, Answer
from drawdown.dialects.sequence import claims, errors, routes, wire
from drawdown.dialects.sequence.credit import transactions
from drawdown.dialects.sequence.errors import PairMissing, UnrecognisedApiVersion
from drawdown.web.endpoints import Call, Context, Dialect, Endpoint, HeaderTaken
from drawdown.web.errors import Header, WebError
from drawdown.web.headers import Credentials, Headers, basic, bearer

VERSION = "2024-07-30"
VERSION_HEADER = "sequence-version"
_SPOKEN: Header = (VERSION_HEADER.encode(), VERSION.encode())
_BASIC: Header = (b"www-authenticate", b'Basic realm="drawdown", charset="UTF-8"')
_REPLAYED: Header = (b"idempotent-replayed", b"true")
_VERSION = HeaderTaken(
    name="Sequence-Version",
    description="The version that the client speaks.",
    rules={"enum": [VERSION]},
)
_KEY = HeaderTaken(
    name=claims.HEADER,
    description="The same request with the same key is carried out once.",
    rules={"minLength": 1, "maxLength": KEY_MAX},
)
_BEHALF = HeaderTaken(
    name=transactions.ON_BEHALF_OF, description="The account of the API key.", required=True
)


class SequenceDialect(Dialect):
    """Keys by Basic (the key's id as user name, the secret as password), or by Bearer."""

    name = "sequence"
    title = "Sequence credits and usage"
    bases = ("/sequence", "/sequence/api")
    error_record = wire.Error
    error_statuses = errors.STATUSES
    header_errors = (UnrecognisedApiVersion,)
    headers_answered: ClassVar = {"Sequence-Version": "The version that is spoken."}

    def __init__(self, *, allow_private: bool) -> None:
        self.endpoints = routes.endpoints(allow_private=allow_private)

    def credentials(self, headers: Headers) -> Credentials:
        pair, alone = basic(headers), bearer(headers)
        if pair is not None and not pair[0].startswith("sk_"):
            return Credentials(pair[1], pair[0])
        if alone is None:
            raise PairMissing
        return alone

    def admit(self, call: Call) -> None:
        """Versions before 2024-07-30 have other customers and credits; they are not spoken here."""
        given = call.headers.get(VERSION_HEADER)
        if given is not None and given != VERSION:
            raise UnrecognisedApiVersion(given, VERSION)

    def headers_taken(self, endpoint: Endpoint) -> tuple[HeaderTaken, ...]:
        key = (_KEY,) if endpoint.method == "POST" else ()
        behalf = (_BEHALF,) if endpoint.path == transactions.PATH else ()
        return (_VERSION, *key, *behalf)

    def error(self, error: LedgerError | WebError, context: Context) -> Answer:
        return errors.answer(error)

    def response_headers(self, context: Context, answer: Answer) -> tuple[Header, ...]:
        """The version stands on every answer, refusals included."""
        if answer.status == 401:
            return (_SPOKEN, _BASIC)
        return (_SPOKEN, _REPLAYED) if answer.replayed else (_SPOKEN,)


def build(config: Config) -> Dialect:
    return SequenceDialect(allow_private=config.webhooks_allow_private)
