"""The table of events and webhook endpoints."""

from __future__ import annotations

from drawdown.core.errors import DocumentNotFound, KeyReused
from drawdown.dialects.stripe.requests_catalog import Nothing, One, Page
from drawdown.dialects.stripe.webhooks import endpoints, feed, requests, wire
from drawdown.dialects.stripe.wire_catalog import Deleted
from drawdown.engine.accounts import Role
from drawdown.web.endpoints import Endpoint

_ENDPOINT = wire.ENDPOINTS_URL + "/{endpoint}"


def table(*, allow_private: bool) -> tuple[Endpoint, ...]:
    """``allow_private``: whether events may go to addresses that are not the world's."""
    return (
        Endpoint(
            method="POST",
            path=wire.ENDPOINTS_URL,
            handler=endpoints.writing(endpoints.create, allow_private=allow_private),
            summary="Create a webhook endpoint",
            role=Role.EDITOR,
            body=requests.CreateEndpoint,
            answer=wire.WebhookEndpoint,
            errors=(KeyReused,),
        ),
        Endpoint(
            method="POST",
            path=_ENDPOINT,
            handler=endpoints.writing(endpoints.update, allow_private=allow_private),
            summary="Change a webhook endpoint",
            role=Role.EDITOR,
            body=requests.UpdateEndpoint,
            answer=wire.WebhookEndpoint,
            errors=(DocumentNotFound, KeyReused),
        ),
        *_FIXED,
    )


_FIXED = (
    Endpoint(
        method="GET",
        path=wire.ENDPOINTS_URL,
        handler=endpoints.list_all,
        summary="List webhook endpoints, newest first",
        role=Role.VIEWER,
        query=Page,
        answer=wire.WebhookEndpointList,
        errors=(DocumentNotFound,),
    ),
    Endpoint(
        method="GET",
        path=_ENDPOINT,
        handler=endpoints.retrieve,
        summary="Retrieve a webhook endpoint",
        role=Role.VIEWER,
        query=One,
        answer=wire.WebhookEndpoint,
        errors=(DocumentNotFound,),
    ),
    Endpoint(
        method="DELETE",
        path=_ENDPOINT,
        handler=endpoints.delete,
        summary="Delete a webhook endpoint",
        role=Role.EDITOR,
        query=Nothing,
        answer=Deleted,
        errors=(DocumentNotFound,),
    ),
    Endpoint(
        method="GET",
        path=wire.EVENTS_URL,
        handler=feed.list_events,
        summary="List what happened in the last 30 days, newest first",
        role=Role.VIEWER,
        query=requests.ListEvents,
        answer=wire.EventList,
        errors=(DocumentNotFound,),
    ),
    Endpoint(
        method="GET",
        path=wire.EVENTS_URL + "/{event}",
        handler=feed.retrieve_event,
        summary="Retrieve an event",
        role=Role.VIEWER,
        query=One,
        answer=wire.EventObject,
        errors=(DocumentNotFound,),
    ),
)
