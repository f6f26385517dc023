"""The endpoints of ``webhook_endpoint``, on the desk that all dialects share.

They are no part of the ledger: a repeated ``Idempotency-Key`` answers the endpoint that was made with it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
from msgspec import UNSET, UnsetType

from drawdown.core import identity
from drawdown.core.errors import KeyReused
from drawdown.core.requests import Answer
from drawdown.core.types import MICROSECONDS, Id, Mode
from drawdown.dialects.stripe import expansion, kept
from drawdown.dialects.stripe.errors import StripeError, missing_object
from drawdown.dialects.stripe.idempotency import key_of, refuse_used
from drawdown.dialects.stripe.parameters import missing, read
from drawdown.dialects.stripe.requests_catalog import Page
from drawdown.dialects.stripe.versions import is_version
from drawdown.dialects.stripe.webhooks import wire
from drawdown.dialects.stripe.webhooks.events import FORMAT
from drawdown.dialects.stripe.webhooks.requests import CreateEndpoint, UpdateEndpoint
from drawdown.dialects.stripe.webhooks.types import EVENT_TYPES
from drawdown.dialects.stripe.wire_catalog import Deleted
from drawdown.engine import endpoints as engine
from drawdown.engine.endpoints import Settings
from drawdown.web import forms
from drawdown.web.endpoints import Call, Handler
from drawdown.web.errors import echoed
from drawdown.webhooks import addresses, desk
from drawdown.webhooks.desk import Desk

NOUN = "webhook endpoint"
PREFIX = "we_"
ENDPOINTS_MAX = 16
#: Under these names an endpoint's profile keeps what the desk has no place for.
API_VERSION, ASKED = "api_version", "asked"
_FULL = f"You have reached the maximum of {ENDPOINTS_MAX} webhook endpoints: delete one."


async def create(call: Call, asked: CreateEndpoint, allow_private: bool) -> Answer:
    expansion.expansion(asked.expand, expansion.METER)
    if asked.api_version is not None and not is_version(asked.api_version):
        message = f"Invalid API version: {echoed(asked.api_version)}"
        raise StripeError(message, param="api_version")
    said = hashlib.sha256(msgspec.json.encode(asked, order="sorted")).hexdigest()
    settings = Settings(
        url=_url(asked.url, allow_private),
        format=FORMAT.name,
        types=_types(asked.enabled_events),
        description=asked.description,
        metadata=dict(kept.merged({}, asked.metadata)),
        profile={API_VERSION: asked.api_version, ASKED: said},
    )
    key, secret = key_of(call.headers), FORMAT.new_secret()
    before = [each for each in await _ours(call) if each.made_with != f"{FORMAT.name}:{key}"]
    if len(before) >= ENDPOINTS_MAX:
        raise StripeError(_FULL)
    made = await _desk(call).create(settings, secret, key=key)
    if key is not None and made.settings.profile.get(ASKED) != said:
        raise KeyReused(key=key)
    answer = _answer(call, shown(made, call.principal.mode, secret=True))
    return msgspec.structs.replace(answer, replayed=made.secret != secret)


async def update(call: Call, asked: UpdateEndpoint, allow_private: bool) -> Answer:
    expansion.expansion(asked.expand, expansion.METER)
    found = await _found(call)
    given: dict[str, Any] = {}
    if isinstance(asked.url, str):
        given["url"] = _url(asked.url, allow_private)
    if isinstance(asked.enabled_events, list):
        given["types"] = _types(asked.enabled_events)
    if not isinstance(asked.description, UnsetType):
        given["description"] = asked.description

    def change(endpoint: engine.Endpoint) -> None:
        texts = {name: str(value) for name, value in endpoint.settings.metadata.items()}
        metadata = dict(kept.merged(texts, asked.metadata))
        if len(metadata) > 50:
            raise StripeError("metadata takes at most 50 keys.", param="metadata")
        endpoint.settings = msgspec.structs.replace(endpoint.settings, metadata=metadata, **given)

    found = await _desk(call).change(found.id, change)
    if isinstance(asked.disabled, bool) and asked.disabled is found.enabled:
        found = await _desk(call).enable(found.id, not asked.disabled)
    return _answer(call, shown(found, call.principal.mode))


async def retrieve(call: Call) -> Answer:
    expansion.expansion(call.query.expand, expansion.METER)
    return _answer(call, shown(await _found(call), call.principal.mode))


async def delete(call: Call) -> Answer:
    found = await _found(call)
    await _desk(call).delete(found.id)
    return _answer(call, Deleted(id=endpoint_id(found.id), object="webhook_endpoint"))


async def list_all(call: Call) -> Answer:
    asked: Page = call.query
    expansion.expansion(asked.expand, expansion.METER, of_list=True)
    ours = await _ours(call)

    async def cursor(text: str, param: str) -> Id:
        return (await _named(call, text, param)).id

    async def chunk(after: Id | None, before: Id | None) -> list[engine.Endpoint]:
        if before is not None:
            return [each for each in reversed(ours) if each.id > before]
        return [each for each in ours if after is None or each.id < after]

    found, more = await kept.page_of(asked, cursor, chunk, lambda each: each.id, lambda _: True)
    data = [shown(each, call.principal.mode) for each in found]
    page = wire.WebhookEndpointList(data=data, has_more=more, url=wire.ENDPOINTS_URL)
    return _answer(call, page)


# What they share -----------------------------------------------------------------------------------


def endpoint_id(endpoint: Id) -> str:
    return identity.spell(PREFIX, endpoint)


def shown(found: engine.Endpoint, mode: Mode, *, secret: bool = False) -> wire.WebhookEndpoint:
    settings = found.settings
    return wire.WebhookEndpoint(
        id=endpoint_id(found.id),
        api_version=settings.profile.get(API_VERSION),
        created=found.created_at // MICROSECONDS,
        description=settings.description,
        enabled_events=list(settings.types),
        livemode=mode is Mode.LIVE,
        metadata={name: str(value) for name, value in settings.metadata.items()},
        secret=found.secret if secret else UNSET,
        status="enabled" if found.enabled else "disabled",
        url=settings.url,
    )


def _desk(call: Call) -> Desk:
    return Desk(call.ledger, call.book)


async def _ours(call: Call) -> list[engine.Endpoint]:
    """The book's endpoints that Stripe's events are sent to, newest first."""
    found = await _desk(call).endpoints()
    return [each for each in found if each.settings.format == FORMAT.name]


async def _found(call: Call) -> engine.Endpoint:
    return await _named(call, call.path["endpoint"], "id")


async def _named(call: Call, text: str, param: str) -> engine.Endpoint:
    named = identity.parse(text)
    try:
        found = None if named is None else await _desk(call).get(named)
    except desk.EndpointNotFound:
        found = None
    if found is None or found.settings.format != FORMAT.name:
        raise missing_object(NOUN, text, param)
    return found


def _url(url: str, allow_private: bool) -> str:
    try:
        addresses.check_url(url, allow_private)
    except addresses.AddressRefused as error:
        message = f"Invalid URL: it must be {error}."
        raise StripeError(message, code="url_invalid", param="url") from None
    return url


def _types(given: list[str]) -> tuple[str, ...]:
    if not given:
        raise missing("enabled_events")
    for place, name in enumerate(given):
        if name != "*" and name not in EVENT_TYPES:
            message = f"Invalid enabled_events: {echoed(name)} is no type of event."
            raise StripeError(message, param=f"enabled_events[{place}]")
    return tuple(dict.fromkeys(given))


def writing(
    handler: Callable[[Call, Any, bool], Awaitable[Answer]], *, allow_private: bool
) -> Handler:
    """The handler of an endpoint that writes, with its form read and what the desk refuses in our words."""

    async def handle(call: Call) -> Answer:
        if (key := key_of(call.headers)) is not None:
            await refuse_used(call, key)
        tree = forms.nested(b"&".join((call.context.query, call.body)))
        assert call.endpoint.body is not None
        asked: Any = read(tree, call.endpoint.body)
        try:
            return await handler(call, asked, allow_private)
        except desk.EndpointNotFound:
            raise missing_object(NOUN, call.path.get("endpoint", ""), "id") from None
        except desk.TooManyEndpoints:
            raise StripeError(_FULL) from None

    return handle


def _answer(call: Call, shown: Any) -> Answer:
    return Answer(status=200, body=msgspec.json.encode(shown), request_id=call.request_id)
