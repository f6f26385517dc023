"""Events and webhook endpoints, as Stripe's API reference (2026-10-28) has them."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from msgspec import UNSET, Meta, UnsetType

from drawdown.dialects.stripe import words
from drawdown.dialects.stripe.webhooks.types import EVENT_TYPES
from drawdown.dialects.stripe.wire import List

EventType = Annotated[str, Meta(extra_json_schema={"enum": sorted(EVENT_TYPES)})]

EVENTS_URL = "/v1/events"
ENDPOINTS_URL = "/v1/webhook_endpoints"


class EventRequest(msgspec.Struct, kw_only=True):
    """Which request set an event off: both are null where none of this dialect did."""

    id: str | None = None
    idempotency_key: str | None = None


class EventData(msgspec.Struct, kw_only=True):
    """The object as the event left it, and what of it was otherwise before."""

    object: Annotated[Any, Meta(extra_json_schema={"type": "object"})]
    previous_attributes: dict[str, Any] | UnsetType = UNSET


class EventObject(msgspec.Struct, tag_field="object", tag="event", kw_only=True):
    """``pending_webhooks``: to how many endpoints it is still to be delivered."""

    id: str
    api_version: str
    created: int
    data: EventData
    livemode: bool
    pending_webhooks: int
    request: EventRequest
    type: EventType


class EventList(List, tag_field="object", tag="list", kw_only=True):
    data: list[EventObject]


class WebhookEndpoint(msgspec.Struct, tag_field="object", tag="webhook_endpoint", kw_only=True):
    """``secret`` is in the answer that made it, and nowhere else."""

    id: str
    api_version: str | None
    application: None = None
    created: int
    description: str | None
    enabled_events: list[str]
    livemode: bool
    metadata: dict[str, str]
    secret: str | UnsetType = UNSET
    status: words.EndpointStatus
    url: str


class WebhookEndpointList(List, tag_field="object", tag="list", kw_only=True):
    data: list[WebhookEndpoint]
