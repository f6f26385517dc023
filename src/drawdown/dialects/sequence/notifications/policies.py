"""Policies: each is a webhook endpoint for every recipient, of one name and with one secret.

The policy's id is in the profile of each of its endpoints.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial
from itertools import groupby

import msgspec

from drawdown.core import errors, identity
from drawdown.core.identity import spell_uuid
from drawdown.core.requests import Answer
from drawdown.core.times import text_of
from drawdown.core.types import Id
from drawdown.dialects.sequence.answering import answer, check_account
from drawdown.dialects.sequence.claims import HEADER
from drawdown.dialects.sequence.errors import NotAllowed, PolicyNotFound
from drawdown.dialects.sequence.notifications import wire
from drawdown.dialects.sequence.notifications.events import FORMAT, OWN_TYPES, TYPES
from drawdown.dialects.sequence.paging import Page, page
from drawdown.engine import endpoints as engine
from drawdown.engine.accounts import Role
from drawdown.engine.endpoints import ENDPOINTS_MAX, Settings
from drawdown.web import fields
from drawdown.web.endpoints import Call, Endpoint, Handler
from drawdown.web.errors import BadRequest
from drawdown.webhooks import addresses, desk
from drawdown.webhooks.desk import Desk

SECRET_MAX = 255
#: What is sent to whoever has not said what he wants: what the vendor has.
ALL = tuple(each for each in TYPES if each not in OWN_TYPES)
#: In the profile of an endpoint: its policy, and whether that has said what it wants.
POLICY, CHOSEN = "policy", "chosen"

Recipients = list[engine.Endpoint]


async def create(call: Call, *, allow_private: bool) -> Answer:
    body: wire.CreatePolicyRequest = call.body
    check_account(body.sequence_account_id, call.principal.account)
    if body.channel is wire.Channel.EMAIL:
        raise BadRequest("channel", "WEBHOOK: mail is not sent from here")
    urls = [
        _url(each, f"recipients[{place}]", allow_private)
        for place, each in enumerate(body.recipients)
    ]
    if len(set(urls)) < len(urls):
        raise BadRequest("recipients", "a list of different addresses")
    secret = FORMAT.new_secret() if body.webhook_secret is None else _secret(body.webhook_secret)
    chosen = body.notification_types is not None
    settings = Settings(
        url="",
        format=FORMAT.name,
        types=_types(body.notification_types) if body.notification_types is not None else ALL,
        description=fields.text(body.name, "name"),
        profile={POLICY: spell_uuid(call.ledger.ids.new()), CHOSEN: chosen},
    )
    made = await _made(call, settings, urls, secret)
    return answer(call, 201, _shown(call, made, made[0].secret))


async def _made(call: Call, settings: Settings, urls: list[str], secret: str) -> Recipients:
    """An endpoint for each; those that were made with the request's key before are the same policy's."""
    given = call.headers.get(HEADER.lower())
    key = None if given is None else fields.key(given, HEADER)
    made: Recipients = []
    try:
        for place, url in enumerate(urls):
            asked = msgspec.structs.replace(settings, url=url)
            found = await _desk(call).create(
                asked, secret, key=None if key is None else f"{place}:{key}"
            )
            settings = msgspec.structs.replace(settings, profile=found.settings.profile)
            if msgspec.structs.replace(asked, profile={}) != msgspec.structs.replace(
                found.settings, profile={}
            ):
                raise errors.KeyReused(key=key)
            made.append(found)
    except desk.TooManyEndpoints:
        for each in made:
            await _desk(call).delete(each.id)
        raise
    return made


async def list_all(call: Call) -> Answer:
    query: Page = call.query
    policies = await _policies(call)

    async def chunk(after: Id | None, before: Id | None, limit: int) -> list[Recipients]:
        if before is not None:
            return [each for each in reversed(policies) if _id(each) > before][:limit]
        return [each for each in policies if after is None or _id(each) < after][:limit]

    found, pagination = await page(query, chunk, _id)
    items = [_shown(call, each) for each in found]
    return answer(call, 200, wire.PolicyPage(items=items, pagination=pagination))


async def retrieve(call: Call) -> Answer:
    return answer(call, 200, _shown(call, await _found(call)))


async def delete(call: Call) -> Answer:
    for each in await _found(call):
        await _desk(call).delete(each.id)
    return answer(call, 204)


async def add_type(call: Call) -> Answer:
    """Of a policy that is told of everything, it is told of this beside that."""
    body: wire.AddTypeRequest = call.body
    [added] = _types([body.notification_type])
    return await _choose(call, lambda types: tuple(dict.fromkeys((*types, added))))


async def remove_type(call: Call) -> Answer:
    name = call.path["type"]

    def without(types: tuple[str, ...]) -> tuple[str, ...]:
        if name not in types:
            raise PolicyNotFound
        if len(types) == 1:
            raise NotAllowed("A policy is told of something: delete it instead.")
        return tuple(each for each in types if each != name)

    return await _choose(call, without)


async def _choose(call: Call, change: Callable[[tuple[str, ...]], tuple[str, ...]]) -> Answer:
    found = await _found(call)
    types = change(found[0].settings.types)

    def chosen(endpoint: engine.Endpoint) -> None:
        profile = {**endpoint.settings.profile, CHOSEN: True}
        endpoint.settings = msgspec.structs.replace(endpoint.settings, types=types, profile=profile)

    after = [await _desk(call).change(each.id, chosen) for each in found]
    return answer(call, 200, _shown(call, after))


async def add_recipient(call: Call, *, allow_private: bool) -> Answer:
    """Told from now on, signed with the policy's secret."""
    body: wire.AddRecipientRequest = call.body
    found = await _found(call)
    url = _url(body.recipient, "recipient", allow_private)
    if url not in [each.settings.url for each in found]:
        if len(found) >= wire.RECIPIENTS_MAX:
            raise NotAllowed(f"A policy has at most {wire.RECIPIENTS_MAX} recipients.")
        settings = msgspec.structs.replace(found[0].settings, url=url)
        found = [*found, await _desk(call).create(settings, found[0].secret)]
    return answer(call, 200, _shown(call, found))


async def remove_recipient(call: Call) -> Answer:
    found = await _found(call)
    gone = [each for each in found if each.settings.url == call.path["recipient"]]
    if not gone:
        raise PolicyNotFound
    if len(found) == 1:
        raise NotAllowed("A policy has a recipient: delete it instead.")
    await _desk(call).delete(gone[0].id)
    return answer(call, 200, _shown(call, [each for each in found if each not in gone]))


# What they share -----------------------------------------------------------------------------------


def _desk(call: Call) -> Desk:
    return Desk(call.ledger, call.book)


def _policy(endpoint: engine.Endpoint) -> str:
    return str(endpoint.settings.profile[POLICY])


async def _policies(call: Call) -> list[Recipients]:
    """Newest first; of each the recipients as they were added."""
    found = [each for each in await _desk(call).endpoints() if each.settings.format == FORMAT.name]
    ordered = sorted(found, key=lambda each: (_policy(each), each.id))
    return [list(group) for _, group in groupby(ordered, key=_policy)][::-1]


def _id(policy: Recipients) -> Id:
    found = identity.parse(_policy(policy[0]))
    assert found is not None, "a policy's id is one of ours"
    return found


async def _found(call: Call) -> Recipients:
    named = identity.parse(call.path["id"])
    for each in await _policies(call):
        if _id(each) == named:
            return each
    raise PolicyNotFound


def _url(url: str, field: str, allow_private: bool) -> str:
    try:
        addresses.check_url(url, allow_private)
    except addresses.AddressRefused as error:
        raise BadRequest(field, str(error)) from None
    return url


def _secret(text: str) -> str:
    if not 16 <= len(text) <= SECRET_MAX or not (text.isascii() and text.isprintable()):
        raise BadRequest("webhookSecret", f"16 to {SECRET_MAX} printable ASCII characters")
    return text


def _types(given: list[str]) -> tuple[str, ...]:
    for place, name in enumerate(given):
        if name not in wire.ALL_TYPES:
            raise BadRequest(f"notificationTypes[{place}]", f"one of {', '.join(wire.ALL_TYPES)}")
    if not given:
        raise BadRequest("notificationTypes", "at least one, or left out for all")
    return tuple(dict.fromkeys(given))


def _shown(call: Call, policy: Recipients, secret: str | None = None) -> wire.Policy:
    settings = policy[0].settings
    return wire.Policy(
        id=_policy(policy[0]),
        sequence_account_id=spell_uuid(call.principal.account),
        name=settings.description or "",
        channel=wire.Channel.WEBHOOK,
        recipients=[each.settings.url for each in policy],
        created_at=text_of(policy[0].created_at),
        notification_types=list(settings.types) if settings.profile[CHOSEN] else None,
        webhook_secret=secret,
    )


def _in_our_words(handler: Callable[[Call], Awaitable[Answer]]) -> Handler:
    """With what the desk refuses in this API's words."""

    async def handle(call: Call) -> Answer:
        try:
            return await handler(call)
        except desk.EndpointNotFound:
            raise PolicyNotFound from None
        except desk.TooManyEndpoints:
            message = f"There are at most {ENDPOINTS_MAX} recipients in all: remove one."
            raise NotAllowed(message) from None

    return handle


def endpoints(*, allow_private: bool) -> tuple[Endpoint, ...]:
    """The table. ``allow_private``: whether events may go to addresses that are not the world's."""
    return (
        Endpoint(
            method="POST",
            path="/notifications/policies",
            handler=_in_our_words(partial(create, allow_private=allow_private)),
            summary="Create a notification policy",
            role=Role.EDITOR,
            body=wire.CreatePolicyRequest,
            answer=wire.Policy,
            status=201,
            errors=(NotAllowed, errors.KeyReused),
        ),
        Endpoint(
            method="POST",
            path="/notifications/policies/{id}/recipients",
            handler=_in_our_words(partial(add_recipient, allow_private=allow_private)),
            summary="Tell one more",
            role=Role.EDITOR,
            body=wire.AddRecipientRequest,
            answer=wire.Policy,
            errors=(PolicyNotFound, NotAllowed),
        ),
        *_FIXED,
    )


_FIXED = (
    Endpoint(
        method="GET",
        path="/notifications/policies",
        handler=_in_our_words(list_all),
        summary="List notification policies, newest first",
        role=Role.VIEWER,
        query=Page,
        answer=wire.PolicyPage,
    ),
    Endpoint(
        method="GET",
        path="/notifications/policies/{id}",
        handler=_in_our_words(retrieve),
        summary="Get a notification policy",
        role=Role.VIEWER,
        answer=wire.Policy,
        errors=(PolicyNotFound,),
    ),
    Endpoint(
        method="DELETE",
        path="/notifications/policies/{id}",
        handler=_in_our_words(delete),
        summary="Delete a notification policy",
        role=Role.EDITOR,
        status=204,
        errors=(PolicyNotFound,),
    ),
    Endpoint(
        method="POST",
        path="/notifications/policies/{id}/notification-types",
        handler=_in_our_words(add_type),
        summary="Tell of one type more",
        role=Role.EDITOR,
        body=wire.AddTypeRequest,
        answer=wire.Policy,
        errors=(PolicyNotFound,),
    ),
    Endpoint(
        method="DELETE",
        path="/notifications/policies/{id}/notification-types/{type}",
        handler=_in_our_words(remove_type),
        summary="Tell of a type no more",
        role=Role.EDITOR,
        answer=wire.Policy,
        errors=(PolicyNotFound, NotAllowed),
    ),
    Endpoint(
        method="DELETE",
        path="/notifications/policies/{id}/recipients/{recipient}",
        handler=_in_our_words(remove_recipient),
        summary="Tell one no more",
        role=Role.EDITOR,
        answer=wire.Policy,
        errors=(PolicyNotFound, NotAllowed),
    ),
)
