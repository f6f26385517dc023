"""Dodo's webhook endpoints, on the desk that all dialects share."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import Any

import msgspec

from drawdown.core import identity
from drawdown.core.requests import Answer
from drawdown.core.times import text_of
from drawdown.core.types import Id
from drawdown.dialects.dodo.answering import answer
from drawdown.dialects.dodo.errors import NotAllowedNow, QueryInvalid, RecordNotFound
from drawdown.dialects.dodo.webhooks import wire
from drawdown.dialects.dodo.webhooks.events import FORMAT, HEADERS, RATE_LIMIT
from drawdown.engine import endpoints as engine
from drawdown.engine.accounts import Role
from drawdown.engine.endpoints import ENDPOINTS_MAX, Settings
from drawdown.web import fields
from drawdown.web.endpoints import Call, Endpoint, Handler
from drawdown.web.errors import BadRequest
from drawdown.webhooks import addresses, desk
from drawdown.webhooks.desk import Desk

WEBHOOK_PREFIX = "whk_"
ALL = "*"
HEADERS_MAX = 20
HEADER_NAME_MAX = 100
HEADER_VALUE_MAX = 1_000
_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
#: What says who sends, how long it is and who signed it is not for others to say.
_RESERVED = re.compile(
    "webhook-.*|host|content-.*|transfer-encoding|connection|keep-alive|upgrade|te|trailer|expect"
)
_SENSITIVE = re.compile(".*(authorization|cookie|token|secret|key|password|signature).*")


async def create(call: Call, *, allow_private: bool) -> Answer:
    """With an idempotency key that an endpoint was made with, that one is answered."""
    body: wire.CreateWebhookRequest = call.body
    key = None if body.idempotency_key is None else fields.key(body.idempotency_key)
    headers = {name: value for name, value in _headers(body.headers or {}).items() if value}
    profile = {RATE_LIMIT: body.rate_limit, HEADERS: headers}
    settings = Settings(
        url=_url(body.url, allow_private),
        format=FORMAT.name,
        types=_types(body.filter_types),
        description=_description(body.description),
        metadata=fields.metadata(body.metadata or {}),
        profile={name: value for name, value in profile.items() if value},
    )
    made = await _desk(call).create(
        settings,
        FORMAT.new_secret(),
        enabled=not body.disabled,
        key=key,
    )
    return _shown(call, made)


async def list_all(call: Call) -> Answer:
    """Newest first; an iterator is the id of the last of the page before."""
    query: wire.ListWebhooksQuery = call.query
    found = await _ours(call)
    if query.iterator is not None:
        after = identity.parse(query.iterator)
        if after is None:
            raise QueryInvalid("iterator must be the iterator of an earlier page.")
        found = [each for each in found if each.id < after]
    page, more = found[: query.limit], len(found) > query.limit
    last = _spelled(page[-1].id) if page else None
    shown = wire.WebhookPage(
        data=[_details(each) for each in page],
        iterator=last if more else None,
        prev_iterator=None,
        done=not more,
    )
    return answer(call, shown)


async def get(call: Call) -> Answer:
    return _shown(call, await _found(call))


async def update(call: Call, *, allow_private: bool) -> Answer:
    body: wire.UpdateWebhookRequest = call.body
    found = await _found(call)
    given: dict[str, Any] = {}
    if body.url is not None:
        given["url"] = _url(body.url, allow_private)
    if not isinstance(body.description, msgspec.UnsetType):
        given["description"] = _description(body.description)
    if not isinstance(body.filter_types, msgspec.UnsetType):
        given["types"] = _types(body.filter_types)
    if not isinstance(body.metadata, msgspec.UnsetType):
        given["metadata"] = fields.metadata(body.metadata or {})

    def change(endpoint: engine.Endpoint) -> None:
        profile = dict(endpoint.settings.profile)
        if not isinstance(body.rate_limit, msgspec.UnsetType):
            profile[RATE_LIMIT] = body.rate_limit
        endpoint.settings = msgspec.structs.replace(endpoint.settings, profile=profile, **given)

    found = await _desk(call).change(found.id, change)
    if body.disabled is not None and body.disabled is found.enabled:
        found = await _desk(call).enable(found.id, not body.disabled)
    return _shown(call, found)


async def delete(call: Call) -> Answer:
    await _desk(call).delete((await _found(call)).id)
    return answer(call, None)


async def get_secret(call: Call) -> Answer:
    return answer(call, wire.WebhookSecret((await _found(call)).secret))


async def get_headers(call: Call) -> Answer:
    kept = (await _found(call)).settings.profile.get(HEADERS, {})
    secret = [name for name in kept if _SENSITIVE.fullmatch(name)]
    shown = {name: value for name, value in kept.items() if name not in secret}
    return answer(call, wire.WebhookHeaders(headers=shown, sensitive=secret))


async def update_headers(call: Call) -> Answer:
    """Laid over what there is. The vendor has no way to remove one: here an empty value does."""
    body: wire.UpdateHeadersRequest = call.body
    found, given = await _found(call), _headers(body.headers)

    def change(endpoint: engine.Endpoint) -> None:
        profile = dict(endpoint.settings.profile)
        laid = {**profile.get(HEADERS, {}), **given}
        profile[HEADERS] = {name: value for name, value in laid.items() if value}
        if len(profile[HEADERS]) > HEADERS_MAX:
            raise BadRequest("headers", f"at most {HEADERS_MAX} together with those there are")
        endpoint.settings = msgspec.structs.replace(endpoint.settings, profile=profile)

    await _desk(call).change(found.id, change)
    return answer(call, None)


# What they share -----------------------------------------------------------------------------------


def _desk(call: Call) -> Desk:
    return Desk(call.ledger, call.book)


async def _ours(call: Call) -> list[engine.Endpoint]:
    """The book's endpoints that Dodo's events are sent to, newest first."""
    found = await _desk(call).endpoints()
    return [each for each in found if each.settings.format == FORMAT.name]


async def _found(call: Call) -> engine.Endpoint:
    named = identity.parse(call.path["webhook_id"])
    if named is None:
        raise desk.EndpointNotFound
    found = await _desk(call).get(named)
    if found.settings.format != FORMAT.name:
        raise desk.EndpointNotFound
    return found


def _spelled(endpoint: Id) -> str:
    return identity.spell(WEBHOOK_PREFIX, endpoint)


def _url(url: str, allow_private: bool) -> str:
    try:
        addresses.check_url(url, allow_private)
    except addresses.AddressRefused as error:
        raise BadRequest("url", str(error)) from None
    return url


def _types(given: list[str] | None) -> tuple[str, ...]:
    if given is None:
        return (ALL,)
    for place, name in enumerate(given):
        if name not in wire.EVENT_TYPES:
            raise BadRequest(f"filter_types[{place}]", "one of Dodo's types of event")
    return tuple(dict.fromkeys(given))


def _description(given: str | None) -> str | None:
    return fields.text(given, "description", shortest=0) or None if given is not None else None


def _headers(given: Mapping[str, str]) -> dict[str, str]:
    """By names in lower case, which is how they are sent."""
    if len(given) > HEADERS_MAX:
        raise BadRequest("headers", f"at most {HEADERS_MAX} headers")
    found = {name.lower(): value for name, value in given.items()}
    for name, value in found.items():
        if _TOKEN.fullmatch(name) is None or len(name) > HEADER_NAME_MAX:
            raise BadRequest("headers", f"keyed by header names of 1 to {HEADER_NAME_MAX} letters")
        if _RESERVED.fullmatch(name):
            raise BadRequest(f"headers.{name}", "left out: the delivery itself says this")
        if len(value) > HEADER_VALUE_MAX or not (value.isascii() and value.isprintable()):
            raise BadRequest(
                f"headers.{name}", f"at most {HEADER_VALUE_MAX} printable ASCII characters"
            )
    return found


def _details(found: engine.Endpoint) -> wire.Webhook:
    settings = found.settings
    return wire.Webhook(
        id=_spelled(found.id),
        url=settings.url,
        description=settings.description or "",
        metadata={name: str(value) for name, value in settings.metadata.items()},
        disabled=not found.enabled,
        filter_types=None if settings.types == (ALL,) else list(settings.types),
        rate_limit=settings.profile.get(RATE_LIMIT),
        created_at=text_of(found.created_at),
        updated_at=text_of(found.updated_at),
    )


def _shown(call: Call, found: engine.Endpoint) -> Answer:
    return answer(call, _details(found))


def _in_dodos_words(handler: Callable[[Call], Awaitable[Answer]]) -> Handler:
    """With what the desk refuses in this API's words."""

    async def handle(call: Call) -> Answer:
        try:
            return await handler(call)
        except desk.EndpointNotFound:
            raise RecordNotFound("webhook") from None
        except desk.TooManyEndpoints:
            raise NotAllowedNow(
                f"There are at most {ENDPOINTS_MAX} webhooks: delete one."
            ) from None

    return handle


def endpoints(*, allow_private: bool) -> tuple[Endpoint, ...]:
    """The table. ``allow_private``: whether events may go to addresses that are not the world's."""
    return (
        Endpoint(
            method="POST",
            path="/webhooks",
            handler=_in_dodos_words(partial(create, allow_private=allow_private)),
            summary="Create a webhook",
            role=Role.EDITOR,
            body=wire.CreateWebhookRequest,
            answer=wire.Webhook,
            errors=(NotAllowedNow,),
        ),
        Endpoint(
            method="PATCH",
            path="/webhooks/{webhook_id}",
            handler=_in_dodos_words(partial(update, allow_private=allow_private)),
            summary="Change a webhook",
            role=Role.EDITOR,
            body=wire.UpdateWebhookRequest,
            answer=wire.Webhook,
            errors=(RecordNotFound,),
        ),
        *_FIXED,
    )


_FIXED = (
    Endpoint(
        method="GET",
        path="/webhooks",
        handler=_in_dodos_words(list_all),
        summary="List webhooks, newest first",
        role=Role.VIEWER,
        query=wire.ListWebhooksQuery,
        answer=wire.WebhookPage,
    ),
    Endpoint(
        method="GET",
        path="/webhooks/{webhook_id}",
        handler=_in_dodos_words(get),
        summary="Retrieve a webhook",
        role=Role.VIEWER,
        answer=wire.Webhook,
        errors=(RecordNotFound,),
    ),
    Endpoint(
        method="DELETE",
        path="/webhooks/{webhook_id}",
        handler=_in_dodos_words(delete),
        summary="Delete a webhook",
        role=Role.EDITOR,
        errors=(RecordNotFound,),
    ),
    Endpoint(
        method="GET",
        path="/webhooks/{webhook_id}/secret",
        handler=_in_dodos_words(get_secret),
        summary="Retrieve what a webhook's deliveries are signed with",
        role=Role.VIEWER,
        answer=wire.WebhookSecret,
        errors=(RecordNotFound,),
    ),
    Endpoint(
        method="GET",
        path="/webhooks/{webhook_id}/headers",
        handler=_in_dodos_words(get_headers),
        summary="Retrieve the headers that are sent with a webhook's deliveries",
        role=Role.VIEWER,
        answer=wire.WebhookHeaders,
        errors=(RecordNotFound,),
    ),
    Endpoint(
        method="PATCH",
        path="/webhooks/{webhook_id}/headers",
        handler=_in_dodos_words(update_headers),
        summary="Add, replace or remove headers that are sent with a webhook's deliveries",
        role=Role.EDITOR,
        body=wire.UpdateHeadersRequest,
        errors=(RecordNotFound,),
    ),
)
