"""The endpoints of ``v2.billing``: meter events as JSON, one by one or a hundred at once in a session."""

from __future__ import annotations

from typing import Annotated, Any, Literal
from uuid import UUID, uuid5

import msgspec
from msgspec import Meta

from drawdown.core.identity import spell
from drawdown.core.requests import Accepted, Answer
from drawdown.core.times import text_of
from drawdown.core.types import MICROSECONDS, Id, Instant, Mode
from drawdown.dialects.stripe import meters, wire_catalog, words
from drawdown.dialects.stripe.errors import StripeError
from drawdown.dialects.stripe.idempotency import Write, key_of
from drawdown.dialects.stripe.parameters import JsonParameters, missing, read, tree_of
from drawdown.dialects.stripe.requests_catalog import Cancel, CreateMeterEvent, EventName
from drawdown.web import fields
from drawdown.web.endpoints import Call
from drawdown.web.errors import BadRequest

EVENTS_URL = "/v2/billing/meter_events"
ADJUSTMENTS_URL = "/v2/billing/meter_event_adjustments"
SESSION_URL = "/v2/billing/meter_event_session"
STREAM_URL = "/v2/billing/meter_event_stream"
SESSION_LASTS = 15 * 60 * MICROSECONDS
STREAM_MAX = 100
_NAMESPACE = UUID("6f1b6ad0-1d2a-5a70-9a05-3ed1f2f0c5f3")


class AskedEvent(JsonParameters, kw_only=True):
    event_name: EventName
    payload: dict[str, str]
    identifier: Annotated[str, Meta(min_length=1, max_length=100)] | None = None
    timestamp: Annotated[str, Meta(max_length=100)] | None = None


class AskedAdjustment(JsonParameters, kw_only=True):
    event_name: EventName
    type: Literal["cancel"]
    cancel: Cancel


class AskedSession(JsonParameters, kw_only=True):
    """Nothing is asked of one."""


class AskedStream(JsonParameters, kw_only=True):
    events: Annotated[list[AskedEvent], Meta(max_length=STREAM_MAX)]


class JsonMeterEvent(
    msgspec.Struct, tag_field="object", tag="v2.billing.meter_event", kw_only=True
):
    created: str
    event_name: str
    identifier: str
    livemode: bool
    payload: dict[str, str]
    timestamp: str


class JsonAdjustment(
    msgspec.Struct, tag_field="object", tag="v2.billing.meter_event_adjustment", kw_only=True
):
    id: str
    cancel: wire_catalog.Canceled
    created: str
    event_name: str
    livemode: bool
    status: words.AdjustmentStatus = "complete"
    type: words.AdjustmentType = "cancel"


class Session(
    msgspec.Struct, tag_field="object", tag="v2.billing.meter_event_session", kw_only=True
):
    """``authentication_token`` stands for the key that asked, in streams alone, until ``expires_at``."""

    id: str
    authentication_token: str
    created: str
    expires_at: str
    livemode: bool


class Taken(msgspec.Struct):
    """What a stream is answered: nothing."""


def _written(instant: int) -> str:
    """Of RFC 3339, with milliseconds always, as version 2 has them."""
    seconds, rest = divmod(instant, MICROSECONDS)
    return f"{text_of(seconds * MICROSECONDS)[:-1]}.{rest // 1_000:03}Z"


async def create_meter_event(call: Call, asked: AskedEvent) -> Write:
    command = await meters.usage_of(call, *_as_v1(asked, "timestamp"))
    mode = call.principal.mode

    def show(accepted: Accepted) -> JsonMeterEvent:
        event = meters.recorded_anew(accepted)
        return JsonMeterEvent(
            created=_written(event.recorded_at),
            event_name=event.name,
            identifier=event.own_id,
            livemode=mode is Mode.LIVE,
            payload=asked.payload,
            timestamp=_written(event.time),
        )

    return Write(command=command, show=show)


def _as_v1(asked: AskedEvent, param: str) -> tuple[CreateMeterEvent, Instant | None]:
    """The event as forms have it, and its time."""
    event = CreateMeterEvent(
        event_name=asked.event_name, payload=asked.payload, identifier=asked.identifier
    )
    if asked.timestamp is None:
        return event, None
    try:
        return event, fields.instant(asked.timestamp, param)
    except BadRequest:
        message = "Invalid timestamp: must be a time of RFC 3339, such as 2026-10-28T12:00:00Z."
        raise StripeError(message, param=param) from None


async def create_adjustment(call: Call, asked: AskedAdjustment) -> Write:
    identifier, mode = asked.cancel.identifier, call.principal.mode
    command = await meters.cancelling(call, asked.event_name, identifier)
    now = call.now

    def show(accepted: Accepted) -> JsonAdjustment:
        assert accepted.event is not None
        return JsonAdjustment(
            id=spell("mtr_evt_adj_", accepted.event.id),
            cancel=wire_catalog.Canceled(identifier),
            created=_written(now),
            event_name=asked.event_name,
            livemode=mode is Mode.LIVE,
        )

    return Write(command=command, show=show)


async def create_session(call: Call) -> Answer:
    read(tree_of(call.body), AskedSession)
    now = call.now
    until = Instant(now + SESSION_LASTS)
    principal = call.principal
    made = Session(
        id=spell("mes_", Id(call.ledger.ids.new())),
        authentication_token=await call.ledger.sessions.open(principal, until),
        created=_written(now),
        expires_at=_written(until),
        livemode=principal.mode is Mode.LIVE,
    )
    return _answer(call, made)


async def create_stream(call: Call) -> Answer:
    """All are looked at first, and what is wrong with one is said before any is recorded.

    One whose identifier was used before is left out, and where it has none, that follows from the
    ``Idempotency-Key``: a stream that was not answered can be sent again.
    """
    asked = read(tree_of(call.body), AskedStream)
    if not asked.events:
        raise missing("events")
    key = key_of(call.headers)
    commands = []
    for number, event in enumerate(asked.events):
        if event.identifier is None and key is not None:
            event.identifier = str(uuid5(_NAMESPACE, f"{key}:{number}"))
        try:
            command = await meters.usage_of(call, *_as_v1(event, "timestamp"))
        except StripeError as error:
            raise _of_event(error, number) from None
        commands.append((command, _nothing, None))
    for each in await call.ledger.submit_many(call.book, commands):
        if isinstance(each, BaseException):
            raise each
    return _answer(call, Taken())


def _nothing(accepted: Accepted) -> Answer:
    return Answer(status=200, body=b"")


def _of_event(error: StripeError, number: int) -> StripeError:
    """The same of one of several: its parameter is inside of that."""
    first, bracket, rest = (error.param or "").partition("[")
    inside = f"[{first}]{bracket}{rest}" if first else ""
    return StripeError(
        error.message,
        code=error.error_code,
        param=f"events[{number}]{inside}",
        status=error.http_status,
        kind=error.kind,
    )


def _answer(call: Call, shown: Any) -> Answer:
    return Answer(status=200, body=msgspec.json.encode(shown), request_id=call.request_id)
