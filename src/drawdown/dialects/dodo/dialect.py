"""Dodo's manners: its table, its errors, and when its SDKs should try again."""

from __future__ import annotations

from typing import Any

import msgspec

from drawdown.config import Config
from drawdown.core.errors import LedgerError
from drawdown.core.requests import Answer
from drawdown.core.types import BurnOrder
from drawdown.dialects.dodo import errors, routes, wire
from drawdown.dialects.dodo.usage.wire import MeterCondition
from drawdown.web import rate_limits
from drawdown.web.endpoints import BodyDecoder, Context, Dialect, QueryDecoder
from drawdown.web.errors import BadRequest, Header, Malformed, UnknownUrl, WebError
from drawdown.web.headers import Credentials, Headers, bearer

#: The vendor's SDKs send a 409 three times unless they are told not to.
_NO_RETRY: tuple[Header, ...] = ((b"x-should-retry", b"false"),)


class DodoDialect(Dialect):
    name, title, bases = "dodo", "Dodo Payments credit entitlements", ("/dodo",)
    error_record = wire.Error
    error_statuses = errors.STATUSES
    security = ("bearer",)
    path_errors = (UnknownUrl, errors.ParameterInvalid)
    schemas = (MeterCondition,)

    def __init__(
        self,
        page_base: int,
        *,
        allow_private: bool,
        burn_order: BurnOrder = BurnOrder.OLDEST_FIRST,
        free_threshold: bool = False,
    ) -> None:
        self.endpoints = routes.endpoints(
            page_base,
            allow_private=allow_private,
            burn_order=burn_order,
            free_threshold=free_threshold,
        )

    def credentials(self, headers: Headers) -> Credentials:
        found = bearer(headers)
        if found is None:
            raise errors.BearerMissing
        return found

    def body_decoder(self, record: type) -> BodyDecoder:
        """Where nothing must be said, nothing may be sent: the SDKs do so for a call without a body."""
        decode = super().body_decoder(record)
        if any(field.required for field in msgspec.structs.fields(record)):
            return decode
        return lambda raw, headers: decode(raw or b"{}", headers)

    def query_decoder(self, record: type) -> QueryDecoder:
        decode = super().query_decoder(record)

        def decode_query(raw: bytes) -> Any:
            try:
                return decode(raw)
            except (BadRequest, Malformed) as error:
                raise errors.QueryInvalid(str(error)) from None

        return decode_query

    def error(self, error: LedgerError | WebError, context: Context) -> Answer:
        return errors.answer(error)

    def response_headers(self, context: Context, answer: Answer) -> tuple[Header, ...]:
        found = rate_limits.headers(context.allowance)
        return (*found, *_NO_RETRY) if answer.status == 409 else found


def build(config: Config) -> Dialect:
    return DodoDialect(
        config.dodo_page_base,
        allow_private=config.webhooks_allow_private,
        burn_order=config.dodo_burn_order,
        free_threshold=config.dodo_free_threshold,
    )
