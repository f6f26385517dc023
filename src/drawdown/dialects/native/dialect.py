"""The native API as a table: each group of endpoints stands below its handlers."""

from __future__ import annotations

from drawdown.config import Config
from drawdown.core.errors import LedgerError
from drawdown.core.requests import Answer
from drawdown.dialects.native import (
    alerts,
    asked,
    asked_schedules,
    asked_top_ups,
    asked_usage,
    asked_webhooks,
    balances,
    debits,
    directory,
    dry_runs,
    errors,
    explain,
    feed,
    forecasts,
    grants,
    history,
    holds,
    keys,
    overage,
    schedules,
    spends,
    streams,
    test_clocks,
    top_ups,
    usage,
    webhooks,
    wire,
    wire_alerts,
    wire_events,
    wire_top_ups,
)
from drawdown.dialects.native.events import FORMAT
from drawdown.web import rate_limits
from drawdown.web.decoding import json_decoder
from drawdown.web.endpoints import BodyDecoder, Context, Dialect, Endpoint
from drawdown.web.errors import Header, WebError
from drawdown.web.headers import Credentials, Headers, basic, bearer
from drawdown.webhooks.formats import Formats

NATIVE = Formats([FORMAT])
REPLAYED = ((b"idempotent-replayed", b"true"),)
#: Bodies in which nothing is required.
_MAY_BE_EMPTY = (
    asked.EndGrant,
    asked.ReleaseHold,
    asked_schedules.ChangeSchedule,
    asked_schedules.CancelSchedule,
    asked_webhooks.Nothing,
    asked_top_ups.ConfirmTopUp,
    asked_top_ups.FailTopUp,
)


class NativeDialect(Dialect):
    """Problem details for errors; keys by Bearer, or by Basic with the secret as user name."""

    name = "native"
    title = "Drawdown"
    bases = ("/api/v1",)
    error_content_type = b"application/problem+json"
    error_record = wire.Problem
    error_statuses = errors.STATUSES
    _endpoints: tuple[Endpoint, ...] = (
        *directory.ENDPOINTS,
        *test_clocks.ENDPOINTS,
        *grants.ENDPOINTS,
        *holds.ENDPOINTS,
        *schedules.ENDPOINTS,
        *alerts.ENDPOINTS,
        *top_ups.ENDPOINTS,
        *debits.ENDPOINTS,
        *spends.ENDPOINTS,
        *overage.ENDPOINTS,
        *explain.ENDPOINTS,
        *balances.ENDPOINTS,
        *history.ENDPOINTS,
        *forecasts.ENDPOINTS,
        *dry_runs.ENDPOINTS,
        *streams.ENDPOINTS,
        *usage.ENDPOINTS,
        *feed.ENDPOINTS,
        *keys.ENDPOINTS,
    )
    schemas = (
        wire.OrderKey,
        wire_events.Event,
        *wire_events.DATA,
        *wire_alerts.DATA,
        *wire_top_ups.DATA,
        asked_usage.NewUsageEvent,
    )

    def credentials(self, headers: Headers) -> Credentials | None:
        found = bearer(headers)
        if found is None and (pair := basic(headers)) is not None:
            user, password = pair
            found = Credentials(password, user) if password else Credentials(user)
        return found

    def body_decoder(self, record: type) -> BodyDecoder:
        """Strict JSON. An empty body is an empty object where nothing is required."""
        decode = json_decoder(record)
        if record not in _MAY_BE_EMPTY:
            return decode
        return lambda raw, headers: decode(raw or b"{}", headers)

    def error(self, error: LedgerError | WebError, context: Context) -> Answer:
        return errors.answer(error, context.request_id)

    def __init__(self, rules: webhooks.Rules) -> None:
        self.endpoints = (*self._endpoints, *webhooks.endpoints(rules))

    def response_headers(self, context: Context, answer: Answer) -> tuple[Header, ...]:
        found = rate_limits.headers(context.allowance)
        return (*found, *REPLAYED) if answer.replayed else found


def build(config: Config, formats: Formats = NATIVE) -> Dialect:
    """``formats``: whose events can be delivered."""
    rules = webhooks.Rules(allow_private=config.webhooks_allow_private, formats=formats)
    return NativeDialect(rules)
