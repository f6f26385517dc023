"""What ``verify`` holds ids from elsewhere to: what a program kept of them leads to what goes by them here.

Each stands in a document of its book, whose id follows from it; so whoever has it finds the document, and
what that says: which grant it is here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import msgspec

from drawdown.core.claims import described
from drawdown.core.context import written
from drawdown.core.fold import Fault
from drawdown.core.identity import derive
from drawdown.core.types import NOTHING, Document, Entitlement, Id, Profiles


class GrantKept(msgspec.Struct, frozen=True, gc=False):
    """Of a grant, what tells as what it is known elsewhere."""

    id: Id
    book: Id
    profiles: Profiles


Kept = GrantKept | Entitlement | Document


class Lead(msgspec.Struct, frozen=True):
    """A kind of documents that lead from ids. ``target``: of which kinds what it leads to may be, and its id.

    ``known_as`` says by which id of elsewhere something goes, if by any.
    """

    target: Callable[[str], tuple[tuple[type[Kept], ...], Id]]
    known_as: Callable[[Kept], str | None]


#: By the kind of documents.
Leads = Mapping[str, Lead]


def target_of(document: Document, leads: Leads) -> tuple[tuple[type[Kept], ...], Id]:
    """Raises ``Fault`` for a document that cannot be read."""
    try:
        kinds, target = leads[document.kind].target(document.body)
    except (msgspec.MsgspecError, ValueError) as error:
        raise Fault(f"{described(document)} cannot be read: {error}") from None
    if len(target) != len(NOTHING):
        raise Fault(f"{described(document)} cannot be read: {target.hex()} is no id")
    return kinds, target


def check_lead(document: Document, target: Id, found: Kept | None, leads: Leads) -> None:
    """``found`` is what it leads to, where there is anything. Raises ``Fault``."""
    where = f"{described(document)} in book {written(document.book)} leads to {written(target)}"
    if found is None:
        raise Fault(f"{where}, which is not there: restore it from a backup, or import again")
    known_as = leads[document.kind].known_as(found)
    is_it = known_as is not None and found.book == document.book
    if not is_it or derive(document.book, f"{document.kind}:{known_as}") != document.id:
        raise Fault(
            f"{where}, which goes by another id: point it to what goes by its own, or restore a backup"
        )
