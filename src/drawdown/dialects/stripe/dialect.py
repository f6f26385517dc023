"""Stripe's manners: keys, versions, forms, errors, headers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from drawdown.config import Config
from drawdown.core import identity
from drawdown.core.errors import LedgerError
from drawdown.core.requests import Answer
from drawdown.dialects.stripe import errors, meter_streams
from drawdown.dialects.stripe.errors import StripeError
from drawdown.dialects.stripe.following import following
from drawdown.dialects.stripe.idempotency import HEADER as IDEMPOTENCY_KEY
from drawdown.dialects.stripe.parameters import JsonParameters, read
from drawdown.dialects.stripe.routes import ENDPOINTS, READINGS
from drawdown.dialects.stripe.versions import VERSION, is_version
from drawdown.dialects.stripe.webhooks import routes as webhooks
from drawdown.engine.accounts import Principal, SessionExpired
from drawdown.engine.ledger import Ledger
from drawdown.engine.sessions import SESSION_PREFIX
from drawdown.web import forms
from drawdown.web import headers as web_headers
from drawdown.web.endpoints import BodyDecoder, Call, Context, Dialect, QueryDecoder
from drawdown.web.errors import Header, WebError, echoed
from drawdown.web.headers import Credentials, Headers
from drawdown.web.rate_limits import Counted

FORM, JSON = "application/x-www-form-urlencoded", "application/json"
_RETRY = frozenset({409, 429, 500, 502, 503, 504})


#: Of the vendor's reasons those for a limit of all requests of an account, and for one of some endpoints.
_LIMITED: Mapping[Counted, str] = {"requests": "global-rate", "usage": "endpoint-rate"}


class StripeDialect(Dialect):
    name = "stripe"
    title = "Stripe Billing Credits"
    bases = ("",)
    body_media_type = FORM
    openapi_path = "/v1/openapi.json"
    error_record = errors.Envelope
    error_statuses = errors.STATUSES

    def __init__(self, *, allow_private: bool = False) -> None:
        """``allow_private``: whether events may go to addresses that are not the world's."""
        table = (*ENDPOINTS, *webhooks.table(allow_private=allow_private))
        self.endpoints = tuple(following(each, READINGS) for each in table)

    def credentials(self, headers: Headers) -> Credentials | None:
        """Bearer, or Basic with the key as user name. Publishable keys open nothing here."""
        found = web_headers.bearer(headers)
        if found is None and (basic := web_headers.basic(headers)) is not None:
            found = Credentials(basic[0])
        if found is not None and found.secret.startswith("pk_"):
            raise StripeError(
                "This request needs a secret API key, and a publishable one was given.",
                code="secret_key_required",
                status=401,
            )
        return found

    async def authenticate(
        self, ledger: Ledger, secret: str, key_id: str | None
    ) -> Principal | None:
        """By a key, or by the token of a session."""
        if not secret.startswith(SESSION_PREFIX):
            return await super().authenticate(ledger, secret, key_id)
        try:
            return await ledger.sessions.find(secret)
        except SessionExpired:
            raise StripeError(
                "This session has expired: make another one.",
                status=401,
                kind="temporary_session_expired",
            ) from None

    def admit(self, call: Call) -> None:
        if call.principal.session and call.endpoint.path != meter_streams.STREAM_URL:
            raise StripeError(
                f"The token of a session is for {meter_streams.STREAM_URL} alone.", status=403
            )
        version = call.headers.get("stripe-version")
        if version is not None and not is_version(version):
            raise StripeError(
                f"Invalid Stripe API version: {echoed(version)}. A version is a date, with a name from "
                f"2024-09-30 on: {VERSION}."
            )
        for header in ("stripe-account", "stripe-context"):
            account = call.headers.get(header)
            if account is not None and identity.parse(account) != call.principal.account:
                raise StripeError(
                    "The provided key does not have access to account "
                    f"'{echoed(account)}', or there is no such account.",
                    code="account_invalid",
                    status=403,
                )

    def media_type_of(self, record: type) -> str:
        return JSON if issubclass(record, JsonParameters) else FORM

    def body_decoder(self, record: type) -> BodyDecoder:
        """As it came: a form is read together with the query string (``idempotency``)."""
        wanted = self.media_type_of(record)

        def decode(raw: bytes, headers: Headers) -> bytes:
            given = headers.get("content-type")
            if raw and given is not None and given.partition(";")[0].strip().lower() != wanted:
                raise StripeError(f"The Content-Type must be {wanted}, not {echoed(given)}.")
            return raw

        return decode

    def query_decoder(self, record: type) -> QueryDecoder:
        def decode(raw: bytes) -> Any:
            return read(forms.nested(raw, "The query"), record)

        return decode

    def error(self, error: LedgerError | WebError, context: Context) -> Answer:
        return errors.answer(error, context.request_id)

    def response_headers(self, context: Context, answer: Answer) -> tuple[Header, ...]:
        """Version, idempotency key and replay; and on an error whether it is worth trying again."""
        version = context.headers.get("stripe-version") or VERSION
        found = [("stripe-version", version if is_version(version) else VERSION)]
        key = context.headers.get(IDEMPOTENCY_KEY) if context.method == "POST" else None
        if key is not None:
            found.append(("idempotency-key", key))
        if answer.replayed:
            found += [("idempotent-replayed", "true"), ("original-request", answer.request_id)]
        if answer.status >= 400:
            again = "true" if answer.status in _RETRY else "false"
            found.append(("stripe-should-retry", again))
        if context.allowance is not None and not context.allowance.granted:
            found.append(("stripe-rate-limited-reason", _LIMITED[context.allowance.counted]))
        return tuple((name.encode("ascii"), value.encode("latin-1")) for name, value in found)


def build(config: Config) -> Dialect:
    return StripeDialect(allow_private=config.webhooks_allow_private)
