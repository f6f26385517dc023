"""Which customers of a book to list, as a statement."""

from __future__ import annotations

from collections.abc import Callable

from drawdown.engine.ports import CustomerFilter


def customer_list(
    select: str, asked: CustomerFilter, mark: Callable[[int], str]
) -> tuple[str, list[object]]:
    """The statement of a filter, and what it is bound to; ``mark`` writes a place in it."""
    bindings: list[object] = []

    def bound(value: object) -> str:
        bindings.append(value)
        return mark(len(bindings))

    conditions = [f"c.book = {bound(asked.book)}"]
    if asked.email is not None:
        conditions.append(f"c.email = {bound(asked.email)}")
    if asked.name is not None:
        # The database lowers both, so that what it does not know as a letter is at least itself.
        within = bound(_within(asked.name))
        conditions.append(f"lower(c.name) LIKE lower({within}) ESCAPE '!'")
    if asked.since is not None:
        conditions.append(f"c.created_at >= {bound(asked.since)}")
    if asked.until is not None:
        conditions.append(f"c.created_at <= {bound(asked.until)}")
    if asked.after is not None:
        conditions.append(f"c.id < {bound(asked.after)}")
    if asked.before is not None:
        conditions.append(f"c.id > {bound(asked.before)}")
    order = "DESC" if asked.before is None else "ASC"
    where = " AND ".join(conditions)
    page = f"LIMIT {bound(asked.limit)}"
    if asked.offset:
        page += f" OFFSET {bound(asked.offset)}"
    return f"{select} WHERE {where} ORDER BY c.id {order} {page}", bindings


def _within(text: str) -> str:
    """A pattern for what contains the text, which stands for itself."""
    for sign in "!%_":
        text = text.replace(sign, "!" + sign)
    return f"%{text}%"
