"""What ``verify`` holds names to: each leads to what is called so, and what is called so is led to.

A claim that leads nowhere keeps a name from everybody. A name without its claim may be given a second time,
and whatever it is the name of is not found by it meanwhile.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import msgspec

from drawdown.core.asking.directory import names_of_customer
from drawdown.core.context import written
from drawdown.core.fold import Fault
from drawdown.core.identity import spell
from drawdown.core.state import (
    CUSTOMER_ALIAS,
    CUSTOMER_OWN_ID,
    DOCUMENT_NAME,
    ENTITLEMENT_CODE,
    ENTITLEMENT_NAME,
    METER_CODE,
    USAGE_EVENT,
    Name,
    document_name,
)
from drawdown.core.types import Customer, Document, Entitlement, Id
from drawdown.core.usage.records import Meter

#: By the kind of documents: the name that the body of one says it has.
NamesByKind = Mapping[str, Callable[[str], str | None]]

_ALIAS = DOCUMENT_NAME + CUSTOMER_ALIAS
_WORDS = {
    CUSTOMER_OWN_ID: "customer id",
    _ALIAS: "alias",
    ENTITLEMENT_CODE: "entitlement code",
    ENTITLEMENT_NAME: "entitlement name",
    METER_CODE: "meter code",
    USAGE_EVENT: "usage event id",
}


class Claimed(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A claim as it is kept: ``answered`` if it holds an answer.

    ``pending``: what is done under it may not be there yet.
    """

    name: Name
    target: Id | None
    answered: bool = False
    pending: bool = False


class EventNamed(msgspec.Struct, frozen=True, gc=False):
    """Of a usage event, what its claim is about."""

    id: Id
    book: Id
    own_id: str


Bearer = Customer | Entitlement | Meter | Document | EventNamed


def bearers_in(space: str) -> tuple[type[Bearer], ...]:
    """What the names of a space lead to; nothing for the spaces of idempotency keys."""
    if space == _ALIAS:  # a customer's own id is his alias, too
        return (Customer, Document)
    if space.startswith(DOCUMENT_NAME):
        return (Document,)
    return _BEARERS.get(space, ())


_BEARERS: dict[str, tuple[type[Bearer], ...]] = {
    CUSTOMER_OWN_ID: (Customer,),
    ENTITLEMENT_CODE: (Entitlement,),
    ENTITLEMENT_NAME: (Entitlement,),
    METER_CODE: (Meter,),
    USAGE_EVENT: (EventNamed,),
}


def names_of(bearer: Bearer, documents: NamesByKind) -> tuple[Name, ...]:
    """Those that must lead to it. What was called nothing is known by its id, without a claim."""
    if isinstance(bearer, EventNamed):
        return ((bearer.book, USAGE_EVENT, bearer.own_id),)
    if isinstance(bearer, Customer):
        return () if bearer.own_id is None else names_of_customer(bearer.book, bearer.own_id)
    if isinstance(bearer, Meter):
        return ((bearer.book, METER_CODE, bearer.code),)
    if isinstance(bearer, Document):
        text = _text_of(bearer, documents)
        return () if text is None else (document_name(bearer.book, bearer.kind, text),)
    spelled = spell("", bearer.id)
    return tuple(name for name in _names_of_entitlement(bearer) if name[2] != spelled)


def _names_of_entitlement(kind: Entitlement) -> tuple[Name, ...]:
    """A currency is there by itself; of one that is closed another may have the name, but not the code."""
    if kind.currency is not None:
        return ()
    code, name = (kind.book, ENTITLEMENT_CODE, kind.code), (kind.book, ENTITLEMENT_NAME, kind.name)
    return (code, name) if kind.closed_at is None else (code,)


def _text_of(document: Document, documents: NamesByKind) -> str | None:
    read = documents.get(document.kind)
    if read is None or document.deleted_at is not None:
        return None
    try:
        return read(document.body)
    except msgspec.MsgspecError as error:
        raise Fault(f"{described(document)} cannot be read: {error}") from None


def fault_of_claim(
    claim: Claimed, bearer: Bearer | None, documents: NamesByKind, *, apart: bool
) -> str | None:
    """What is wrong with a claim, given what it leads to.

    ``apart``: where claims are apart from what is done under them, one that is pending is no fault, and the
    name that a document had before stays its own until it is given back.
    """
    if not bearers_in(claim.name[1]):
        held = claim.answered or (apart and claim.pending)
        return None if held else _told(claim.name, "holds no answer and leads to nothing", _DELETE)
    if apart and claim.pending:
        return None
    if claim.target is None:
        return _told(claim.name, "leads to nothing", _DELETE)
    if bearer is None:
        return _told(claim.name, f"leads to {written(claim.target)}, which is not there", _RESTORE)
    if _leads_to(claim.name, bearer, documents, apart=apart):
        return None
    return _told(claim.name, f"leads to {described(bearer)}, which is not called so", _POINT)


def _leads_to(name: Name, bearer: Bearer, documents: NamesByKind, *, apart: bool) -> bool:
    if isinstance(bearer, Entitlement):
        return name in _names_of_entitlement(bearer)
    if not isinstance(bearer, Document):
        return name in names_of(bearer, documents)
    if (bearer.book, DOCUMENT_NAME + bearer.kind) != name[:2]:
        return False
    if apart:
        return True
    if bearer.kind not in documents:
        return bearer.deleted_at is None
    return name in names_of(bearer, documents)


def check_slot(claim: Claimed, is_there: bool) -> None:
    """``is_there``: whether the claim stands in the slot of its name. Raises ``Fault``."""
    if not is_there:
        raise Fault(_told(claim.name, "is not in the slot where it is looked for", _MOVE))


def fault_of_name(name: Name, bearer: Bearer, target: Id | None) -> str | None:
    """What is wrong with a name that something has. ``target``: what its claim leads to, if there is one."""
    if target is None:
        return (
            f"{described(bearer)} has the {_words(name)}, but there is no claim on it, so another may take"
            " it: insert the claim, or restore a backup that has it"
        )
    if target != bearer.id:
        return (
            f"{described(bearer)} has the {_words(name)}, but the claim on it leads to {written(target)}:"
            " point it to whose it is, and call the other something else"
        )
    return None


_DELETE = "delete the claim, which keeps the name from everybody"
_RESTORE = (
    "restore what it led to from a backup, or delete the claim, which keeps the name from everybody"
)
_MOVE = "insert it anew in the slot of its name, or restore a backup that has it there"
_POINT = "point it to whose name it is, or delete it"


def _told(name: Name, what: str, remedy: str) -> str:
    return f"the claim on the {_words(name)} {what}: {remedy}"


def _words(name: Name) -> str:
    """The name as an operator knows it."""
    book, space, text = name
    words = _WORDS.get(space)
    if words is None and space.startswith(DOCUMENT_NAME):
        words = f"name of a {space.removeprefix(DOCUMENT_NAME)}"
    return f"{words or f'idempotency key of {space}'} {text!r} in book {written(book)}"


def described(bearer: Bearer) -> str:
    """As an operator finds it."""
    what = bearer.kind if isinstance(bearer, Document) else _NOUNS[type(bearer)]
    deleted = "deleted " if isinstance(bearer, Document) and bearer.deleted_at is not None else ""
    return f"{deleted}{what} {written(bearer.id)}"


_NOUNS: dict[type[Bearer], str] = {
    Customer: "customer",
    Entitlement: "entitlement",
    Meter: "meter",
    EventNamed: "usage event",
}
