"""Filters: which events a meter counts, as a tree of conditions on their properties.

As a document: ``{"and": [...]}``, ``{"or": [...]}`` or ``{"property", "op", "value"}``.

    eq, ne, in                       a number equals a number or a string that writes it; strings equal
                                     strings, truths equal truths; nothing else is equal
    gt, gte, lt, lte                 numbers, compared exactly; what is no number does not match
    contains, not_contains           part of a string
    exists                           whether the event has the property at all; ``value`` true unless given

An event without the property matches only ``ne``, ``not_contains`` and ``exists`` false. Letter case
counts unless a meter says that it does not.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping
from enum import StrEnum
from typing import Any

import msgspec

from drawdown.core.amounts import Amount
from drawdown.core.errors import FieldInvalid
from drawdown.core.usage.properties import (
    NAME_RULE,
    Properties,
    Scalar,
    is_name,
    number_in,
    scalar_of,
)
from drawdown.core.usage.quantities import QUANTITY_RULE, of_amount

#: Levels of a tree, the condition's own included.
DEPTH_MAX = 5
CONDITIONS_MAX = 100
VALUES_MAX = 100
SHAPE_RULE = 'an object like {"property", "op", "value"}, or one of {"and": […]} and {"or": […]}'


class Operator(StrEnum):
    """How a property is compared with a condition's value."""

    EQ = "eq"
    NE = "ne"
    IN = "in"
    GT = "gt"
    GTE = "gte"
    LT = "lt"
    LTE = "lte"
    CONTAINS = "contains"
    NOT_CONTAINS = "not_contains"
    EXISTS = "exists"


class Condition(msgspec.Struct, frozen=True, tag_field="is", tag="condition"):
    """One comparison. ``value`` is a tuple for ``in`` only."""

    property: str
    op: Operator
    value: Scalar | tuple[Scalar, ...]


class AllOf(msgspec.Struct, frozen=True, tag_field="is", tag="and"):
    """Matches when every part does."""

    parts: tuple[AllOf | AnyOf | Condition, ...]


class AnyOf(msgspec.Struct, frozen=True, tag_field="is", tag="or"):
    """Matches when at least one part does."""

    parts: tuple[AllOf | AnyOf | Condition, ...]


Filter = AllOf | AnyOf | Condition

_NEGATED = {Operator.NE: Operator.EQ, Operator.NOT_CONTAINS: Operator.CONTAINS}
_COMPARED: dict[Operator, Callable[[int, int], bool]] = {
    Operator.GT: operator.gt,
    Operator.GTE: operator.ge,
    Operator.LT: operator.lt,
    Operator.LTE: operator.le,
}


def matches(tree: Filter, properties: Properties, *, case_sensitive: bool = True) -> bool:
    """Whether an event with these properties passes."""
    if isinstance(tree, AllOf):
        return all(matches(p, properties, case_sensitive=case_sensitive) for p in tree.parts)
    if isinstance(tree, AnyOf):
        return any(matches(p, properties, case_sensitive=case_sensitive) for p in tree.parts)
    found = properties.get(tree.property)
    if tree.op is Operator.EXISTS:
        return (found is not None) is tree.value
    if tree.op in _NEGATED:
        return not _holds(_NEGATED[tree.op], found, tree.value, case_sensitive)
    return _holds(tree.op, found, tree.value, case_sensitive)


def filter_of(document: object, field: str = "filter") -> Filter:
    """The filter that decoded JSON writes (``properties`` says how numbers come).

    Raises ``FieldInvalid``, naming the part: ``filter.and[1].op``.
    """
    tree = _tree(document, field, 1)
    if _size(tree) > CONDITIONS_MAX:
        raise FieldInvalid(field, f"a tree of at most {CONDITIONS_MAX} conditions")
    return tree


def document_of(tree: Filter) -> dict[str, Any]:
    """The document that writes ``tree``; its numbers are amounts."""
    if isinstance(tree, Condition):
        value = list(tree.value) if isinstance(tree.value, tuple) else tree.value
        return {"property": tree.property, "op": tree.op.value, "value": value}
    name = "and" if isinstance(tree, AllOf) else "or"
    return {name: [document_of(part) for part in tree.parts]}


def _holds(
    op: Operator,
    found: Scalar | None,
    value: Scalar | tuple[Scalar, ...],
    case_sensitive: bool,
) -> bool:
    if found is None:
        return False
    if isinstance(value, tuple):
        return any(_equal(found, each, case_sensitive) for each in value)
    if op is Operator.EQ:
        return _equal(found, value, case_sensitive)
    if op is Operator.CONTAINS:
        return (
            isinstance(found, str)
            and isinstance(value, str)
            and _cased(value, case_sensitive) in _cased(found, case_sensitive)
        )
    number = number_in(found)
    assert isinstance(value, Amount)
    return number is not None and _COMPARED[op](number, of_amount(value))


def _equal(found: Scalar, value: Scalar, case_sensitive: bool) -> bool:
    """The condition's ``value`` says what is compared."""
    if isinstance(value, Amount):
        return number_in(found) == of_amount(value)
    if isinstance(value, str) and isinstance(found, str):
        return _cased(found, case_sensitive) == _cased(value, case_sensitive)
    return found is value


def _cased(text: str, case_sensitive: bool) -> str:
    return text if case_sensitive else text.casefold()


def _tree(document: object, field: str, depth: int) -> Filter:
    if not isinstance(document, Mapping):
        raise FieldInvalid(field, SHAPE_RULE)
    if len(document) == 1 and next(iter(document)) in ("and", "or"):
        [(name, parts)] = document.items()
        found = _parts(parts, f"{field}.{name}", depth)
        return AllOf(found) if name == "and" else AnyOf(found)
    if not {"property", "op"} <= set(document) <= {"property", "op", "value"}:
        raise FieldInvalid(field, SHAPE_RULE)
    return _condition(document, field)


def _parts(parts: object, field: str, depth: int) -> tuple[Filter, ...]:
    if not isinstance(parts, list) or not 1 <= len(parts) <= CONDITIONS_MAX:
        raise FieldInvalid(field, f"a list of 1 to {CONDITIONS_MAX} filters")
    if depth == DEPTH_MAX:
        raise FieldInvalid(field, f"nested at most {DEPTH_MAX} levels deep")
    return tuple(_tree(part, f"{field}[{n}]", depth + 1) for n, part in enumerate(parts))


def _condition(document: Mapping[str, object], field: str) -> Condition:
    name, op = document["property"], document["op"]
    if not isinstance(name, str) or not is_name(name):
        raise FieldInvalid(f"{field}.property", NAME_RULE)
    if not isinstance(op, str) or op not in {each.value for each in Operator}:
        raise FieldInvalid(f"{field}.op", f"one of {', '.join(Operator)}")
    value = _value(Operator(op), document.get("value"), f"{field}.value")
    return Condition(name, Operator(op), value)


def _value(op: Operator, value: object, field: str) -> Scalar | tuple[Scalar, ...]:
    """What ``op`` compares with, in the type that it needs."""
    if op is Operator.IN:
        if not isinstance(value, list) or not 1 <= len(value) <= VALUES_MAX:
            raise FieldInvalid(field, f"a list of 1 to {VALUES_MAX} values")
        return tuple(scalar_of(each, f"{field}[{n}]") for n, each in enumerate(value))
    if op is Operator.EXISTS and value is None:
        return True
    found = scalar_of(value, field)
    if op is Operator.EXISTS and not isinstance(found, bool):
        raise FieldInvalid(field, "true or false")
    if op in _COMPARED and not isinstance(found, Amount):
        raise FieldInvalid(field, f"a number, {QUANTITY_RULE}")
    if op in (Operator.CONTAINS, Operator.NOT_CONTAINS) and (
        not isinstance(found, str) or not found
    ):
        raise FieldInvalid(field, "a string that is not empty")
    return found


def _size(tree: Filter) -> int:
    return 1 if isinstance(tree, Condition) else sum(map(_size, tree.parts))
