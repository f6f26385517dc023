"""Rows of endpoints and what is kept of their deliveries, in the column order of every store."""

from __future__ import annotations

import msgspec

from drawdown.core.types import Id, Instant
from drawdown.engine.endpoints import Attempt, Delivered, Endpoint, Retry, Settings
from drawdown.engine.positions import BEGINNING, Position
from drawdown.store.rows import Row


def _as_hex(value: object) -> object:
    assert isinstance(value, bytes)
    return value.hex()


_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(dict[str, object]).decode


def _settings_text(settings: Settings) -> str:
    fields = msgspec.structs.asdict(settings)
    fields["customer"] = None if settings.customer is None else settings.customer.hex()
    return _encode(fields).decode()


def _settings_of(text: str) -> Settings:
    fields = _decode(text)
    customer = fields.pop("customer", None)
    assert customer is None or isinstance(customer, str)
    found = msgspec.convert({**fields, "customer": None}, Settings)
    if customer is None:
        return found
    return msgspec.structs.replace(found, customer=Id(bytes.fromhex(customer)))


def endpoint_row(endpoint: Endpoint) -> Row:
    return (
        endpoint.id,
        endpoint.book,
        _settings_text(endpoint.settings),
        endpoint.secret,
        endpoint.previous_secret,
        endpoint.previous_until,
        endpoint.enabled,
        endpoint.disabled_for,
        endpoint.failing_since,
        endpoint.cursor.recorded_at,
        endpoint.cursor.operation,
        endpoint.revision,
        endpoint.created_at,
        endpoint.updated_at,
        endpoint.made_with,
    )


def endpoint_of(row: Row) -> Endpoint:
    return Endpoint(
        id=row[0],
        book=row[1],
        settings=_settings_of(row[2]),
        secret=row[3],
        previous_secret=row[4],
        previous_until=row[5],
        enabled=bool(row[6]),
        disabled_for=row[7],
        failing_since=row[8],
        cursor=Position(Instant(row[9]), Id(row[10])),
        revision=row[11],
        created_at=row[12],
        updated_at=row[13],
        made_with=row[14],
    )


def changed_endpoint_row(endpoint: Endpoint) -> Row:
    """What ``update_endpoint`` takes: the new values, then which row, and as of which revision."""
    row = endpoint_row(endpoint)
    return (*row[2:12], row[13], endpoint.id, endpoint.revision - 1)


def cursor_row(delivered: Delivered) -> Row:
    cursor = delivered.cursor
    return (
        cursor.recorded_at,
        cursor.operation,
        delivered.failing_since,
        delivered.endpoint,
        delivered.revision,
    )


def retry_key(endpoint: Id, key: tuple[Position, int]) -> Row:
    position, ordinal = key
    return endpoint, position.recorded_at, position.operation, ordinal


def place_row(after: tuple[Position, int] | None) -> Row:
    """A place among an endpoint's events; None: before the first."""
    position, ordinal = after or (BEGINNING, -1)
    return position.recorded_at, position.operation, ordinal


def retry_row(retry: Retry) -> Row:
    return (
        *retry_key(retry.endpoint, retry.key),
        retry.customer,
        retry.type,
        retry.attempts,
        retry.next_at,
        retry.dead,
    )


def retry_of(row: Row) -> Retry:
    return Retry(
        endpoint=row[0],
        position=Position(Instant(row[1]), Id(row[2])),
        ordinal=row[3],
        customer=row[4],
        type=row[5],
        attempts=row[6],
        next_at=row[7],
        dead=bool(row[8]),
    )


def attempt_row(attempt: Attempt) -> Row:
    return (
        attempt.id,
        attempt.endpoint,
        attempt.event,
        attempt.type,
        attempt.attempt,
        attempt.at,
        attempt.milliseconds,
        attempt.outcome,
        attempt.status,
        attempt.answer,
        attempt.error,
    )


def attempt_of(row: Row) -> Attempt:
    names = Attempt.__struct_fields__
    order = (
        "id", "endpoint", "event", "type", "attempt", "at", "milliseconds", "outcome", "status",
        "answer", "error",
    )  # fmt: skip
    assert set(order) == set(names)
    return Attempt(**dict(zip(order, row, strict=True)))
