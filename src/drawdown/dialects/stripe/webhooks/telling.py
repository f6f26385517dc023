"""What an operation tells: a type, the object as the operation left it, and what was otherwise before.

What an operation itself says, and what never changes, is told as of then. What neither says of a grant or a
customer is as it is now, but for what was changed since: later operations say what that had been (``since``).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection
from typing import Any, NamedTuple

import msgspec

from drawdown.core import currencies
from drawdown.core.types import Customer, Entry, Id, Mode, Operation
from drawdown.engine.ledger import Ledger


class Told(NamedTuple):
    """``previous``: the attributes that changed, as they were; None where that is no question."""

    type: str
    object: Any
    previous: dict[str, Any] | None = None


class Telling(msgspec.Struct):
    """An operation, and what the ids in it stand for. ``owner`` None: it is the whole book's."""

    ledger: Ledger
    book: Id
    mode: Mode
    operation: Operation
    entries: tuple[Entry, ...]
    owner: Customer | None

    @property
    def customer(self) -> Customer:
        assert self.owner is not None
        return self.owner

    @property
    def subject(self) -> Id:
        assert self.operation.subject is not None
        return self.operation.subject

    def currency_of(self, entitlement: Id) -> str | None:
        return currencies.codes_by_id(self.book).get(entitlement)


async def since(telling: Telling, subject: Id, fields: Collection[str]) -> dict[str, Any]:
    """Those of a grant's or a customer's fields that were changed since, as they were until then."""
    operation = telling.operation
    async with telling.ledger.store.moment(subject) as moment:
        found = await moment.later_changes(subject, operation.id)
    place = (operation.recorded_at, operation.id)
    later = [each for each in found if (each.recorded_at, each.id) > place]
    before: dict[str, Any] = {}
    for each in sorted(later, key=lambda each: (each.recorded_at, each.id), reverse=True):
        said = msgspec.json.decode(each.changed or b"{}", type=dict[str, Any])
        before |= {name: said[name][0] for name in fields if name in said}
    return before


Tell = Callable[[Telling], Awaitable[list[Told]]]


def changed(name: str, before: Any, after: Any) -> list[Told]:
    """An object that is otherwise than it was; nothing where no word of it is."""
    previous = difference(msgspec.to_builtins(before), msgspec.to_builtins(after))
    return [Told(name, after, previous)] if previous else []


def difference(before: dict[str, Any], after: dict[str, Any]) -> dict[str, Any]:
    """Of what differs, what it was: of an object inside only what differs there, of a list all of it."""
    found: dict[str, Any] = {}
    for key in before.keys() | after.keys():
        old, new = before.get(key), after.get(key)
        if old == new:
            continue
        inside = isinstance(old, dict) and isinstance(new, dict)
        found[key] = difference(old or {}, new or {}) if inside else old
    return dict(sorted(found.items()))
