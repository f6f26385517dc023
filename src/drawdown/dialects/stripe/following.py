"""``expand``: what an id leads to, put in its place in an answer that is written already.

What is put there is what the object's own endpoint answers, and what lies below it is followed in turn. An id
of what is not there any more stays an id, and so do those past ``FOLLOWED_MAX`` of one answer.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from typing import Any

import msgspec

from drawdown.core.requests import Answer
from drawdown.dialects.stripe import expansion
from drawdown.dialects.stripe.errors import StripeError
from drawdown.dialects.stripe.parameters import JsonParameters
from drawdown.dialects.stripe.requests_catalog import One
from drawdown.web import forms
from drawdown.web.endpoints import Call, Endpoint, Handler, Stream

#: By kind of object: what its own path calls the id, and the handler that reads one.
Readings = Mapping[str, tuple[str, Callable[[Call], Awaitable[Answer]]]]
#: So many objects are read for one answer.
FOLLOWED_MAX = 1_000
_LISTS = frozenset({"list", "search_result"})


def following(endpoint: Endpoint, readings: Readings) -> Endpoint:
    """The endpoint, with what it is asked to expand."""
    return msgspec.structs.replace(endpoint, handler=_handler(endpoint.handler, readings))


def _handler(handler: Handler, readings: Readings) -> Handler:
    async def handle(call: Call) -> Answer | Stream:
        answer = await handler(call)
        if not isinstance(answer, Answer) or answer.status != 200:
            return answer
        paths = _asked(call)
        return await _followed(call, answer, paths, readings) if paths else answer

    return handle


def _asked(call: Call) -> Sequence[str]:
    """The paths of a request that was carried out, and so is well-formed."""
    record = call.endpoint.body
    if record is None or issubclass(record, JsonParameters):
        return getattr(call.query, "expand", None) or ()
    raw = b"&".join((call.context.query, call.body or b""))
    found = forms.nested(raw).get("expand") if b"expand" in raw else None
    return forms.as_list(found, "expand") if found else ()


async def _followed(call: Call, answer: Answer, paths: Sequence[str], readings: Readings) -> Answer:
    shown = msgspec.json.decode(answer.body)
    walk = _Walk(call, readings)
    if shown.get("object") in _LISTS:
        below = [path.removeprefix("data.") for path in paths]
        for each in shown["data"]:
            await walk.follow(each, below)
    else:
        await walk.follow(shown, paths)
    return msgspec.structs.replace(answer, body=msgspec.json.encode(shown))


class _Walk:
    """Through one answer; what is met twice is read once."""

    def __init__(self, call: Call, readings: Readings) -> None:
        self._call, self._readings = call, readings
        self._known: dict[tuple[str, ...], Any] = {}

    async def follow(self, shown: dict[str, Any], paths: Sequence[str]) -> None:
        leads = expansion.leads_of(shown.get("object", ""))
        for lead, kind in leads.items():
            start = lead + "."
            below = [path.removeprefix(start) for path in paths if path.startswith(start)]
            if kind is not None and (below or lead in paths):
                for owner, field in _places(shown, lead):
                    owner[field] = await self._found(owner[field], kind, below)

    async def _found(self, value: Any, kind: str, below: list[str]) -> Any:
        """What is an object already is read again for what lies below it."""
        name = value["id"] if isinstance(value, dict) else value
        key = (kind, name, *below)
        if key not in self._known and len(self._known) < FOLLOWED_MAX:
            self._known[key] = await self._read(kind, name, below)
        return self._known.get(key) or value

    async def _read(self, kind: str, name: str, below: list[str]) -> Any:
        field, reading = self._readings[kind]
        query = One(expand=below or None)
        try:
            answer = await reading(
                msgspec.structs.replace(self._call, path={field: name}, query=query, body=None)
            )
        except StripeError:
            return None
        found = msgspec.json.decode(answer.body)
        await self.follow(found, below)
        return found


def _places(shown: dict[str, Any], lead: str) -> Iterator[tuple[dict[str, Any], str]]:
    """Each object that has something where a path leads, and its field."""
    *above, last = lead.split(".")
    level = [shown]
    for part in above:
        level = [found for each in level for found in _within(each.get(part))]
    for each in level:
        if each.get(last) is not None:
            yield each, last


def _within(value: Any) -> list[dict[str, Any]]:
    if isinstance(value, list):
        return value
    return [value] if isinstance(value, dict) else []
