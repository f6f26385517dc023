"""Events: the feed, and endpoints that they are sent to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import msgspec

from drawdown.client.calls import API, PAGE_SIZE, Call, Listing, get, given, reader
from drawdown.client.records import (
    DeadLetter,
    DeletedEndpoint,
    Delivery,
    EventsPage,
    NewWebhookEndpoint,
    Page,
    QueuedDelivery,
    RotatedSecret,
    WebhookEndpoint,
)
from drawdown.client.values import in_path, time_text


def events(
    *,
    after: str | None = None,
    limit: int | None = None,
    type: str | None = None,
    customer: str | None = None,
) -> Call[EventsPage]:
    """A page of what happened, oldest first. Go on with its ``next``, also when it is empty.

    ``type`` may end in a ``*``.
    """
    query = {"after": after, "limit": limit, "type": type, "customer": customer}
    return get("/events-feed", EventsPage, **query)


def create_webhook_endpoint(
    url: str,
    *,
    format: str | None = None,
    types: Sequence[str] | None = None,
    customer: str | None = None,
    ordered: bool | None = None,
    description: str | None = None,
    metadata: Mapping[str, Any] | None = None,
) -> Call[NewWebhookEndpoint]:
    """Have what happens from now on sent to ``url``; the secret is answered this once.

    ``format`` is whose events they are; this API's own when it is left out.

    It takes no idempotency key, so it is sent once: if the answer is lost, look at
    ``webhook_endpoints`` and delete the one that you cannot use.
    """
    optional = {
        "format": format,
        "types": None if types is None else list(types),
        "customer": customer,
        "ordered": ordered,
        "description": description,
        "metadata": metadata,
    }
    return _post("", NewWebhookEndpoint, {"url": url, **given(optional)}, repeatable=False)


def get_webhook_endpoint(endpoint: str) -> Call[WebhookEndpoint]:
    """An endpoint, by its id."""
    return get(_path(endpoint), WebhookEndpoint)


def webhook_endpoints() -> Listing[WebhookEndpoint]:
    """Every endpoint, newest first."""
    return Listing(path="/webhook-endpoints", query={}, page=Page[WebhookEndpoint], page_size=None)


def change_webhook_endpoint(
    endpoint: str,
    *,
    url: str | None = None,
    types: Sequence[str] | None = None,
    ordered: bool | None = None,
    enabled: bool | None = None,
    description: str | None = None,
    metadata: Mapping[str, Any] | None = None,
) -> Call[WebhookEndpoint]:
    """Change what is given. One that is enabled again goes on where it stood."""
    body = {
        "url": url,
        "types": None if types is None else list(types),
        "ordered": ordered,
        "enabled": enabled,
        "description": description,
        "metadata": metadata,
    }
    return Call(
        method="PATCH",
        path=API + _path(endpoint),
        read=reader(WebhookEndpoint),
        body=msgspec.json.encode(given(body)),
    )


def delete_webhook_endpoint(endpoint: str) -> Call[DeletedEndpoint]:
    """Delete it, with what is kept of its deliveries."""
    return Call(method="DELETE", path=API + _path(endpoint), read=reader(DeletedEndpoint))


def rotate_webhook_secret(endpoint: str) -> Call[RotatedSecret]:
    """Sign with a new secret; for a day also with the one before. Sent once."""
    return _post(_below(endpoint, "rotate-secret"), RotatedSecret, {}, repeatable=False)


def test_webhook_endpoint(endpoint: str) -> Call[QueuedDelivery]:
    """Send an event that says nothing; ``webhook_deliveries`` tells what came of it."""
    return _post(_below(endpoint, "test"), QueuedDelivery, {}, repeatable=False)


def redeliver(
    endpoint: str, event: str | None = None, *, since: datetime | None = None
) -> Call[QueuedDelivery]:
    """Send one event again, or everything since a time."""
    body = given({"event": event, "since": None if since is None else time_text(since, "since")})
    return _post(_below(endpoint, "redeliver"), QueuedDelivery, body)


def webhook_deliveries(endpoint: str, *, page_size: int = PAGE_SIZE) -> Listing[Delivery]:
    """The newest attempts to deliver, newest first."""
    path = f"{_path(endpoint)}/deliveries"
    return Listing(path=path, query={}, page=Page[Delivery], page_size=page_size)


def dead_letters(endpoint: str, *, page_size: int = PAGE_SIZE) -> Listing[DeadLetter]:
    """The events that were given up, in the order in which they were recorded."""
    path = f"{_path(endpoint)}/dead-letters"
    return Listing(path=path, query={}, page=Page[DeadLetter], page_size=page_size)


def _path(endpoint: str) -> str:
    return f"/webhook-endpoints/{in_path(endpoint, 'endpoint')}"


def _below(endpoint: str, action: str) -> str:
    return f"/{in_path(endpoint, 'endpoint')}/{action}"


def _post(path: str, record: Any, body: Mapping[str, Any], *, repeatable: bool = True) -> Call[Any]:
    return Call(
        method="POST",
        path=f"{API}/webhook-endpoints{path}",
        read=reader(record),
        body=msgspec.json.encode(body),
        repeatable=repeatable,
    )
