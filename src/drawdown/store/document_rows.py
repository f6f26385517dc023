"""Documents as rows."""

from __future__ import annotations

from collections.abc import Callable

from drawdown.core.identity import slot_of
from drawdown.core.types import Document
from drawdown.engine.ports import DocumentFilter
from drawdown.store.rows import Row


def document_of(row: Row) -> Document:
    return Document(
        id=row[0],
        book=row[1],
        owner=row[2],
        kind=row[3],
        body=row[4],
        revision=row[5],
        created_at=row[6],
        updated_at=row[7],
        deleted_at=row[8],
        entitlement=row[9],
        due_at=row[10],
    )


def document_row(document: Document) -> Row:
    return (
        slot_of(document.owner),
        document.id,
        document.book,
        document.owner,
        document.kind,
        document.body,
        document.revision,
        document.created_at,
        document.updated_at,
        document.deleted_at,
        document.entitlement,
        document.due_at,
    )


def changed_row(document: Document) -> Row:
    return (
        document.body,
        document.revision,
        document.updated_at,
        document.deleted_at,
        document.entitlement,
        document.due_at,
    )


def document_list(
    select: str, asked: DocumentFilter, mark: Callable[[int], str]
) -> tuple[str, list[object]]:
    """The statement of a filter, and what it is bound to; ``mark`` writes a place in it."""
    bindings: list[object] = []

    def bound(value: object) -> str:
        bindings.append(value)
        return mark(len(bindings))

    if asked.owner is None:
        conditions = [f"d.book = {bound(asked.book)}"]
    else:
        conditions = [f"d.slot = {bound(slot_of(asked.owner))}", f"d.owner = {bound(asked.owner)}"]
    conditions.append(f"d.kind = {bound(asked.kind)}")
    if asked.deleted is not None:
        conditions.append(f"d.deleted_at IS {'NOT ' if asked.deleted else ''}NULL")
    if asked.after is not None:
        conditions.append(f"d.id < {bound(asked.after)}")
    if asked.before is not None:
        conditions.append(f"d.id > {bound(asked.before)}")
    order = "DESC" if asked.before is None else "ASC"
    where = " AND ".join(conditions)
    return f"{select} WHERE {where} ORDER BY d.id {order} LIMIT {bound(asked.limit)}", bindings
