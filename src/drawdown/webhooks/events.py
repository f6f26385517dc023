"""Events: what one operation means to whoever listens, in the words of one dialect."""

from __future__ import annotations

import re

import msgspec

from drawdown.core import identity
from drawdown.core.types import Id
from drawdown.engine.positions import Position

EVENT_PREFIX = "evt_"
_SPELLED = re.compile(rf"{EVENT_PREFIX}([0-9A-Za-z]{{22}})_(\d{{1,5}})")


class Event(msgspec.Struct, frozen=True, kw_only=True):
    """One event. ``ordinal`` counts those of its operation, and never changes for what has happened.

    ``body`` is the JSON that is delivered. ``customer`` is None for what is the whole book's.
    """

    position: Position
    ordinal: int
    type: str
    body: bytes
    customer: Id | None

    @property
    def id(self) -> str:
        return spell_event(self.position.operation, self.ordinal)


def spell_event(operation: Id, ordinal: int) -> str:
    """The id of an event, the same for every attempt, endpoint and replay."""
    return f"{identity.spell(EVENT_PREFIX, operation)}_{ordinal}"


def parse_event(text: str) -> tuple[Id, int] | None:
    """The operation and ordinal of an event's id; None for what is no such id."""
    found = _SPELLED.fullmatch(text)
    operation = None if found is None else identity.parse(EVENT_PREFIX + found[1])
    if found is None or operation is None:
        return None
    return operation, int(found[2])


def matches(patterns: tuple[str, ...], name: str) -> bool:
    """Whether one of the patterns is the name, or its beginning before a ``*``."""
    return any(
        name.startswith(pattern[:-1]) if pattern.endswith("*") else name == pattern
        for pattern in patterns
    )
