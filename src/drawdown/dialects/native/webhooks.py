"""Webhook endpoints: make them, change them, see what became of deliveries, have events sent again."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

import msgspec

from drawdown.core import identity
from drawdown.core.errors import CustomerNotFound
from drawdown.core.requests import Answer
from drawdown.core.times import text_of
from drawdown.core.types import Id
from drawdown.dialects.native import asked_webhooks, common, errors, wire, wire_events
from drawdown.dialects.native.events import FORMAT
from drawdown.dialects.native.render import name_of, optional_time
from drawdown.engine import endpoints as engine
from drawdown.engine.accounts import Role
from drawdown.engine.endpoints import ENDPOINT_PREFIX, ENDPOINTS_MAX, Attempt, Settings
from drawdown.engine.positions import read_token, token
from drawdown.web import fields
from drawdown.web.endpoints import Call, Endpoint, Handler
from drawdown.web.errors import BadRequest
from drawdown.webhooks import addresses, desk
from drawdown.webhooks.desk import Desk
from drawdown.webhooks.events import matches, spell_event
from drawdown.webhooks.formats import Format, Formats

DELIVERY_PREFIX = "dlv_"
ALL = "*"


class Rules(msgspec.Struct, frozen=True, kw_only=True):
    """What a server lets endpoints be: where events may go, and whose events they may be."""

    allow_private: bool = False
    formats: Formats = Formats([FORMAT])

    def format_of(self, name: str) -> Format:
        found = self.formats.find(name)
        if found is None:
            raise BadRequest("format", "one of " + ", ".join(self.formats.names()))
        return found

    def check_url(self, url: str) -> str:
        """A URL that events would be sent to."""
        try:
            addresses.check_url(url, self.allow_private)
        except addresses.AddressRefused as error:
            raise BadRequest("url", str(error)) from None
        return url


async def create(rules: Rules, call: Call) -> Answer:
    body: asked_webhooks.CreateEndpoint = call.body
    form = rules.format_of(body.format)
    owner = None
    if body.customer is not None:
        reference = fields.reference(body.customer, "customer")
        owner = (await call.ledger.customer(call.book, reference)).id
    settings = Settings(
        url=rules.check_url(body.url),
        format=form.name,
        types=_types(form, body.types or [ALL]),
        customer=owner,
        ordered=body.ordered,
        description=_description(body.description),
        metadata=fields.metadata(body.metadata or {}),
    )
    made = await _desk(call).create(settings, form.new_secret(), enabled=body.enabled)
    shown = msgspec.structs.asdict(await _shown(call, made))
    return Answer(
        status=201, body=wire.encode(wire_events.NewEndpoint(**shown, secret=made.secret))
    )


async def list_all(call: Call) -> Answer:
    """Newest first; they are few, so they come in one page."""
    found = await _desk(call).endpoints()
    return common.ok(wire.Page(data=[await _shown(call, each) for each in found], next=None))


async def get(call: Call) -> Answer:
    return common.ok(await _shown(call, await _desk(call).get(_named(call))))


async def change(rules: Rules, call: Call) -> Answer:
    body: asked_webhooks.ChangeEndpoint = call.body
    found = await _desk(call).get(_named(call))
    given: dict[str, Any] = {}
    if body.url is not None:
        given["url"] = rules.check_url(body.url)
    if body.ordered is not None:
        given["ordered"] = body.ordered
    if body.types is not None:
        given["types"] = _types(rules.format_of(found.settings.format), body.types)
    if body.description is not None:
        given["description"] = _description(body.description)
    if body.metadata is not None:
        given["metadata"] = fields.metadata(body.metadata)

    def changed(found: engine.Endpoint) -> None:
        found.settings = msgspec.structs.replace(found.settings, **given)

    found = await _desk(call).change(found.id, changed)
    if body.enabled is not None and body.enabled != found.enabled:
        found = await _desk(call).enable(found.id, body.enabled)
    return common.ok(await _shown(call, found))


async def delete(call: Call) -> Answer:
    await _desk(call).delete(_named(call))
    return common.ok(wire_events.Deleted(id=_spelled(_named(call)), deleted=True))


async def rotate(rules: Rules, call: Call) -> Answer:
    made = await _desk(call).get(_named(call))
    secret = rules.format_of(made.settings.format).new_secret()
    found = await _desk(call).rotate(made.id, secret)
    assert found.previous_until is not None
    return common.ok(
        wire_events.Rotated(
            id=_spelled(found.id),
            secret=found.secret,
            previous_valid_until=text_of(found.previous_until),
        )
    )


async def redeliver(rules: Rules, call: Call) -> Answer:
    body: asked_webhooks.Redeliver = call.body
    if (body.event is None) == (body.since is None):
        raise BadRequest("event", "given, or since in its place")
    if body.event is not None:
        made = await _desk(call).get(_named(call))
        form = rules.format_of(made.settings.format)
        try:
            await _desk(call).redeliver(made.id, body.event, form)
        except desk.EventNotFound:
            raise errors.EventNotFound(body.event) from None
    elif body.since is not None:
        await _desk(call).replay(_named(call), fields.instant(body.since, "since"))
    return _queued(call, body.event)


async def test(call: Call) -> Answer:
    return _queued(call, spell_event(await _desk(call).test(_named(call)), 0))


def _queued(call: Call, event: str | None) -> Answer:
    queued = wire_events.Queued(id=_spelled(_named(call)), event=event)
    return Answer(status=202, body=wire.encode(queued))


async def list_deliveries(call: Call) -> Answer:
    query: asked_webhooks.DeliveriesQuery = call.query
    found = await _desk(call).attempts(_named(call), common.after(query.after), query.limit + 1)
    return common.page(found, query.limit, _delivery, DELIVERY_PREFIX)


async def list_dead(call: Call) -> Answer:
    query: asked_webhooks.DeadQuery = call.query
    place = None if query.after is None else read_token(query.after)
    if query.after is not None and place is None:
        raise BadRequest("after", "the `next` of an earlier page")
    found = await _desk(call).dead(_named(call), place, query.limit + 1)
    shown = [
        wire_events.DeadLetter(
            event=spell_event(each.position.operation, each.ordinal),
            type=each.type,
            attempts=each.attempts,
            recorded_at=text_of(each.position.recorded_at),
            dead_at=text_of(each.next_at),
        )
        for each in found[: query.limit]
    ]
    more = len(found) > query.limit
    last = token(*found[query.limit - 1].key) if more else None
    return common.ok(wire.Page(data=shown, next=last))


def _desk(call: Call) -> Desk:
    return Desk(call.ledger, call.book)


def _named(call: Call) -> Id:
    found = identity.parse(call.path["endpoint"])
    if found is None:
        raise errors.EndpointNotFound(call.path["endpoint"])
    return found


def _spelled(endpoint: Id) -> str:
    return identity.spell(ENDPOINT_PREFIX, endpoint)


def _types(form: Format, given: list[str]) -> tuple[str, ...]:
    """Each must be able to match something: a misspelt type would never be heard of."""
    for place, pattern in enumerate(given):
        if not any(matches((pattern,), name) for name in form.types):
            raise BadRequest(f"types[{place}]", "a type of event, or its beginning and a *")
    return tuple(given)


def _description(given: str | None) -> str | None:
    if given is None:
        return None
    longest = asked_webhooks.DESCRIPTION_MAX
    return fields.text(given, "description", longest=longest, shortest=0) or None


async def _shown(call: Call, found: engine.Endpoint) -> wire_events.Endpoint:
    settings = found.settings
    owner = None
    if settings.customer is not None:
        owner = name_of(await call.ledger.customer(call.book, settings.customer))
    return wire_events.Endpoint(
        id=_spelled(found.id),
        url=settings.url,
        format=settings.format,
        description=settings.description,
        types=list(settings.types),
        customer=owner,
        ordered=settings.ordered,
        enabled=found.enabled,
        disabled_for=found.disabled_for,
        failing_since=optional_time(found.failing_since),
        metadata=settings.metadata,
        created_at=text_of(found.created_at),
        updated_at=text_of(found.updated_at),
    )


def _delivery(record: Attempt) -> wire_events.Delivery:
    return wire_events.Delivery(
        id=identity.spell(DELIVERY_PREFIX, record.id),
        event=record.event,
        type=record.type,
        attempt=record.attempt,
        at=text_of(record.at),
        outcome=record.outcome,
        status=record.status,
        milliseconds=record.milliseconds,
        answer=record.answer,
        error=record.error,
    )


def _answering(handler: Callable[[Call], Awaitable[Answer]]) -> Handler:
    """With what the desk refuses in this API's words."""

    async def handle(call: Call) -> Answer:
        try:
            return await handler(call)
        except desk.EndpointNotFound:
            raise errors.EndpointNotFound(call.path["endpoint"]) from None
        except desk.TooManyEndpoints:
            rule = f"A book has at most {ENDPOINTS_MAX} endpoints, and 1,000 events wait for each."
            raise errors.TooManyEndpoints(rule) from None

    return handle


def endpoints(rules: Rules) -> tuple[Endpoint, ...]:
    """The table of a server with these rules."""

    def ruled(handler: Callable[[Rules, Call], Awaitable[Answer]]) -> Handler:
        return _answering(partial(handler, rules))

    return (
        Endpoint(
            method="POST",
            path="/webhook-endpoints",
            handler=ruled(create),
            summary="Have what happens from now on sent to a URL; its secret is shown once",
            role=Role.EDITOR,
            body=asked_webhooks.CreateEndpoint,
            answer=wire_events.NewEndpoint,
            status=201,
            errors=(CustomerNotFound, errors.TooManyEndpoints),
        ),
        Endpoint(
            method="PATCH",
            path="/webhook-endpoints/{endpoint}",
            handler=ruled(change),
            summary="Change a webhook endpoint, disable it, or enable it: then it goes on where it stood",
            role=Role.EDITOR,
            body=asked_webhooks.ChangeEndpoint,
            answer=wire_events.Endpoint,
            errors=(errors.EndpointNotFound,),
        ),
        Endpoint(
            method="POST",
            path="/webhook-endpoints/{endpoint}/rotate-secret",
            handler=ruled(rotate),
            summary="Sign with a new secret; for a day also with the one before",
            role=Role.EDITOR,
            body=asked_webhooks.Nothing,
            answer=wire_events.Rotated,
            errors=(errors.EndpointNotFound,),
        ),
        Endpoint(
            method="POST",
            path="/webhook-endpoints/{endpoint}/redeliver",
            handler=ruled(redeliver),
            summary="Send one event again, or all since a time",
            role=Role.EDITOR,
            body=asked_webhooks.Redeliver,
            answer=wire_events.Queued,
            status=202,
            errors=(errors.EndpointNotFound, errors.EventNotFound, errors.TooManyEndpoints),
        ),
        *_UNRULED,
    )


_UNRULED = (
    Endpoint(
        method="GET",
        path="/webhook-endpoints",
        handler=_answering(list_all),
        summary="List the webhook endpoints, newest first",
        role=Role.VIEWER,
        answer=wire.Page[wire_events.Endpoint],
    ),
    Endpoint(
        method="GET",
        path="/webhook-endpoints/{endpoint}",
        handler=_answering(get),
        summary="Get a webhook endpoint",
        role=Role.VIEWER,
        answer=wire_events.Endpoint,
        errors=(errors.EndpointNotFound,),
    ),
    Endpoint(
        method="DELETE",
        path="/webhook-endpoints/{endpoint}",
        handler=_answering(delete),
        summary="Delete a webhook endpoint, with what is kept of its deliveries",
        role=Role.EDITOR,
        answer=wire_events.Deleted,
        errors=(errors.EndpointNotFound,),
    ),
    Endpoint(
        method="POST",
        path="/webhook-endpoints/{endpoint}/test",
        handler=_answering(test),
        summary="Send an event that says nothing, to see whether it arrives",
        role=Role.EDITOR,
        body=asked_webhooks.Nothing,
        answer=wire_events.Queued,
        status=202,
        errors=(errors.EndpointNotFound, errors.TooManyEndpoints),
    ),
    Endpoint(
        method="GET",
        path="/webhook-endpoints/{endpoint}/deliveries",
        handler=_answering(list_deliveries),
        summary="List the newest attempts to deliver, newest first",
        role=Role.VIEWER,
        query=asked_webhooks.DeliveriesQuery,
        answer=wire.Page[wire_events.Delivery],
        errors=(errors.EndpointNotFound,),
    ),
    Endpoint(
        method="GET",
        path="/webhook-endpoints/{endpoint}/dead-letters",
        handler=_answering(list_dead),
        summary="List the events that were given up, in the order in which they were recorded",
        role=Role.VIEWER,
        query=asked_webhooks.DeadQuery,
        answer=wire.Page[wire_events.DeadLetter],
        errors=(errors.EndpointNotFound,),
    ),
)
