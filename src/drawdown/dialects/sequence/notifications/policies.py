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
from drawdown.dialects.sequence.errors import NotAllowed, PolicyNotFound
from drawdown.dialects.sequence.notifications import wire
from drawdown.dialects.sequence.notifications.events import FORMAT, OWN_TYPES, TYPES
from drawdown.dialects.sequence.paging import page, within
from drawdown.dialects.sequence.usage.reserving import reserve
from drawdown.engine import endpoints as engine
from drawdown.engine.accounts import Role
from drawdown.engine.endpoints import ENDPOINTS_MAX, Settings
from drawdown.web import fields
from drawdown.web.endpoints import Call, Endpoint, Handler
from drawdown.web.errors import BadRequest
from drawdown.webhooks import addresses, desk
from drawdown.webhooks.desk import Desk
from drawdown.webhooks.events import matches

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
    urls = _urls(body.recipients, allow_private)
    types = ALL if body.notification_types is None else _chosen(body.notification_types)
    name = fields.text(body.name, "name")
    secret = FORMAT.new_secret() if body.webhook_secret is None else _secret(body.webhook_secret)
    policy, repeated = await reserve(call, body, spell_uuid(call.ledger.ids.new()))
    settings = Settings(
        url="",
        format=FORMAT.name,
        types=types,
        description=name,
        profile={POLICY: policy, CHOSEN: body.notification_types is not None},
    )
    made = await _made(call, settings, urls, secret)
    shown = answer(call, 201, _shown(call, made, made[0].secret))
    return msgspec.structs.replace(shown, replayed=repeated)


async def _made(call: Call, settings: Settings, urls: list[str], secret: str) -> Recipients:
    """An endpoint for each; those that a repeated request has made before are the same policy's."""
    made: Recipients = []
    try:
        for url in urls:
            made.append(await _tell(call, msgspec.structs.replace(settings, url=url), secret))
            secret = made[0].secret
    except desk.TooManyEndpoints:
        for each in made:
            await _desk(call).delete(each.id)
        raise
    return made


async def _tell(call: Call, settings: Settings, secret: str) -> engine.Endpoint:
    """However often and however many ask at once, an address has one endpoint of a policy."""
    key = f"{settings.profile[POLICY]}:{settings.url}"
    return await _desk(call).create(settings, secret, key=key)


async def list_all(call: Call) -> Answer:
    query: wire.PoliciesQuery = call.query
    asked = query.notification_type
    asked = None if asked is None else _type(asked, "notificationType")
    listed = [each for each in await _policies(call) if asked in (None, *_told(each[0]))]
    found, pagination = await page(call, query, within(listed, _id), _id)
    items = [_shown(call, each) for each in found]
    return answer(call, 200, wire.PolicyPage(items=items, pagination=pagination))


async def retrieve(call: Call) -> Answer:
    return answer(call, 200, _shown(call, await _found(call)))


async def delete(call: Call) -> Answer:
    """Answers what there was."""
    found = await _found(call)
    for each in found:
        await _desk(call).delete(each.id)
    return answer(call, 200, _shown(call, found))


async def add_types(call: Call) -> Answer:
    """Of a policy that is told of everything, it is told of these beside that."""
    body: wire.AddTypesRequest = call.body
    added = _types(body.notification_types)
    _, repeated = await reserve(call, (call.path["id"], body), "")
    after = await _choose(call, lambda types: tuple(dict.fromkeys((*types, *added))))
    return msgspec.structs.replace(after, replayed=repeated)


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
    """What others choose at the same time is chosen, too."""
    found = await _found(call)
    if change(_told(found[0])) == _told(found[0]) and found[0].settings.profile.get(CHOSEN):
        return answer(call, 200, _shown(call, found))

    def chosen(endpoint: engine.Endpoint) -> None:
        types, profile = change(_told(endpoint)), {**endpoint.settings.profile, CHOSEN: True}
        endpoint.settings = msgspec.structs.replace(endpoint.settings, types=types, profile=profile)

    after = [await _desk(call).change(each.id, chosen) for each in found]
    return answer(call, 200, _shown(call, after))


async def add_recipients(call: Call, *, allow_private: bool) -> Answer:
    """All of them, or none. Told from now on, signed with the policy's secret.

    One that is told already stays so; one that was asked no more is asked again.
    """
    body: wire.AddRecipientsRequest = call.body
    urls = _urls(body.recipients, allow_private)
    found = await _found(call)
    _, repeated = await reserve(call, (call.path["id"], body), "")
    known = {each.settings.url for each in found}
    new = [each for each in urls if each not in known]
    if len(found) + len(new) > wire.RECIPIENTS_MAX:
        raise NotAllowed(f"A policy has at most {wire.RECIPIENTS_MAX} recipients.")
    profile = {**found[0].settings.profile, POLICY: _policy(found[0])}
    settings = msgspec.structs.replace(found[0].settings, profile=profile)
    made = await _made(call, settings, new, found[0].secret)
    for each in found:
        if each.settings.url in urls and not each.enabled:
            await _desk(call).enable(each.id, True)
    return msgspec.structs.replace(answer(call, 200, _shown(call, found + made)), replayed=repeated)


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
    """One that was made elsewhere, to be told in this dialect, is a policy of its own."""
    return str(endpoint.settings.profile.get(POLICY) or spell_uuid(endpoint.id))


def _told(endpoint: engine.Endpoint) -> tuple[str, ...]:
    """Of what it is told, by name: elsewhere the beginnings of names may be given."""
    given = endpoint.settings.types
    if not any(each.endswith("*") for each in given):
        return given
    return tuple(each for each in TYPES if matches(given, each))


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


def _urls(given: list[str], allow_private: bool) -> list[str]:
    urls = [_url(each, f"recipients[{n}]", allow_private) for n, each in enumerate(given)]
    if len(set(urls)) < len(urls):
        raise BadRequest("recipients", "a list of different addresses")
    return urls


def _secret(text: str) -> str:
    if not 16 <= len(text) <= SECRET_MAX or not (text.isascii() and text.isprintable()):
        raise BadRequest("webhookSecret", f"16 to {SECRET_MAX} printable ASCII characters")
    return text


def _chosen(given: list[str]) -> tuple[str, ...]:
    if not given:
        raise BadRequest("notificationTypes", "at least one, or left out for all")
    return _types(given)


def _types(given: list[str]) -> tuple[str, ...]:
    named = [_type(each, f"notificationTypes[{place}]") for place, each in enumerate(given)]
    return tuple(dict.fromkeys(named))


def _type(name: str, field: str) -> str:
    if name not in wire.ALL_TYPES:
        raise BadRequest(field, f"one of {', '.join(wire.ALL_TYPES)}")
    return name


def _shown(call: Call, policy: Recipients, secret: str | None = None) -> wire.Policy:
    settings, types = policy[0].settings, _told(policy[0])
    is_chosen = settings.profile.get(CHOSEN, True) or types != ALL
    return wire.Policy(
        id=_policy(policy[0]),
        sequence_account_id=spell_uuid(call.principal.account),
        name=settings.description or "",
        channel=wire.Channel.WEBHOOK,
        recipients=[each.settings.url for each in policy],
        created_at=text_of(policy[0].created_at),
        notification_types=list(types) if is_chosen else None,
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
            handler=_in_our_words(partial(add_recipients, allow_private=allow_private)),
            summary="Tell more",
            role=Role.EDITOR,
            body=wire.AddRecipientsRequest,
            answer=wire.Policy,
            errors=(PolicyNotFound, NotAllowed, errors.KeyReused),
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
        query=wire.PoliciesQuery,
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
        answer=wire.Policy,
        errors=(PolicyNotFound,),
    ),
    Endpoint(
        method="POST",
        path="/notifications/policies/{id}/notification-types",
        handler=_in_our_words(add_types),
        summary="Tell of more types",
        role=Role.EDITOR,
        body=wire.AddTypesRequest,
        answer=wire.Policy,
        errors=(PolicyNotFound, errors.KeyReused),
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
