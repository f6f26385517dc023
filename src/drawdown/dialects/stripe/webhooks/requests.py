"""What the endpoints of events and webhook endpoints take (``requests``)."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar

from msgspec import UNSET, Meta, UnsetType

from drawdown.dialects.stripe.parameters import Parameters
from drawdown.dialects.stripe.requests import Expand, Text
from drawdown.dialects.stripe.requests_catalog import Page

_NO_CONNECT = "this server has no connected accounts; leave it out."

Url = Annotated[str, Meta(max_length=2_048)]
EventType = Annotated[str, Meta(max_length=100)]
EventTypes = Annotated[list[EventType], Meta(max_length=300)]
Description = Annotated[str, Meta(max_length=5_000)]


class ListEvents(Page, kw_only=True):
    """``type`` may end with a ``*``: ``invoice.*``."""

    created: Any = UNSET
    delivery_success: bool | UnsetType = UNSET
    type: EventType | UnsetType = UNSET
    types: Annotated[list[EventType], Meta(max_length=20)] | UnsetType = UNSET


class CreateEndpoint(Parameters, kw_only=True):
    unsupported: ClassVar[dict[str, str]] = {"connect": _NO_CONNECT}

    url: Url
    enabled_events: EventTypes
    api_version: Text | None = None
    description: Description | None = None
    metadata: dict[str, str] | None = None
    expand: Expand | None = None


class UpdateEndpoint(Parameters, kw_only=True):
    url: Url | UnsetType = UNSET
    enabled_events: EventTypes | UnsetType = UNSET
    description: Description | UnsetType | None = UNSET
    disabled: bool | UnsetType = UNSET
    metadata: dict[str, str] | UnsetType | None = UNSET
    expand: Expand | None = None
