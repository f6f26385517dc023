"""Dodo's filters of events, to those of the core and back. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from drawdown.core.errors import FieldInvalid
from drawdown.core.usage import filters
from drawdown.core.usage.filters import AllOf, AnyOf, Condition, Filter
from drawdown.core.usage.properties import document_of
from drawdown.dialects.dodo.usage.wire import Conjunction, MeterFilter, Operator
from drawdown.web.errors import BadRequest

CLAUSES_MAX = 10
LEVELS_MAX = 3
_CONDITION_RULE = "an object of key, operator and value"
_FILTER_RULE = "an object of conjunction and clauses"

_OPERATORS: dict[Operator, filters.Operator] = {
    Operator.EQUALS: filters.Operator.EQ,
    Operator.NOT_EQUALS: filters.Operator.NE,
    Operator.GREATER_THAN: filters.Operator.GT,
    Operator.GREATER_THAN_OR_EQUALS: filters.Operator.GTE,
    Operator.LESS_THAN: filters.Operator.LT,
    Operator.LESS_THAN_OR_EQUALS: filters.Operator.LTE,
    Operator.CONTAINS: filters.Operator.CONTAINS,
    Operator.DOES_NOT_CONTAIN: filters.Operator.NOT_CONTAINS,
}
_NAMES = {theirs: ours for ours, theirs in _OPERATORS.items()}


def filter_of(given: Mapping[str, Any]) -> Filter:
    """The filter that decoded JSON writes, its numbers exact. Refuses with ``BadRequest``."""
    return _tree(given, "filter", 1)


def shown_of(tree: Filter) -> MeterFilter | None:
    """As Dodo writes it; None for what it has no words for, which was made elsewhere."""
    if isinstance(tree, Condition):
        tree = AllOf((tree,))
    return _shown(tree)


def _tree(given: Any, field: str, level: int) -> Filter:
    if not isinstance(given, Mapping) or set(given) != {"conjunction", "clauses"}:
        raise BadRequest(field, _FILTER_RULE)
    conjunction, clauses = given["conjunction"], given["clauses"]
    if conjunction not in set(Conjunction):
        raise BadRequest(f"{field}.conjunction", "one of and, or")
    if not isinstance(clauses, list) or not 1 <= len(clauses) <= CLAUSES_MAX:
        raise BadRequest(f"{field}.clauses", f"a list of 1 to {CLAUSES_MAX}")
    nested = isinstance(clauses[0], Mapping) and "clauses" in clauses[0]
    if nested and level == LEVELS_MAX:
        raise BadRequest(f"{field}.clauses", f"nested at most {LEVELS_MAX} levels deep")
    parts = tuple(
        _tree(clause, f"{field}.clauses[{place}]", level + 1)
        if nested
        else _condition(clause, f"{field}.clauses[{place}]")
        for place, clause in enumerate(clauses)
    )
    return AllOf(parts) if conjunction == Conjunction.AND else AnyOf(parts)


def _condition(given: Any, field: str) -> Filter:
    if not isinstance(given, Mapping) or set(given) != {"key", "operator", "value"}:
        raise BadRequest(field, _CONDITION_RULE)
    if given["operator"] not in set(Operator):
        raise BadRequest(f"{field}.operator", f"one of {', '.join(Operator)}")
    operator = _OPERATORS[Operator(given["operator"])]
    document = {"property": given["key"], "op": operator.value, "value": given["value"]}
    try:
        return filters.filter_of(document, "")
    except FieldInvalid as error:
        part = {".property": "key", ".value": "value"}.get(str(error.fields["field"]), "operator")
        raise BadRequest(f"{field}.{part}", str(error.fields["rule"])) from None


def _shown(tree: AllOf | AnyOf) -> MeterFilter | None:
    conditions = all(isinstance(part, Condition) for part in tree.parts)
    clauses = [
        _condition_shown(part) if conditions and isinstance(part, Condition) else shown_of(part)
        for part in tree.parts
    ]
    if any(clause is None for clause in clauses):
        return None
    conjunction = Conjunction.AND if isinstance(tree, AllOf) else Conjunction.OR
    return MeterFilter(conjunction=conjunction, clauses=clauses)


def _condition_shown(condition: Condition) -> dict[str, Any] | None:
    operator, value = _NAMES.get(condition.op), condition.value
    if operator is None or isinstance(value, tuple):
        return None
    shown = document_of({"value": value})["value"]
    return {"key": condition.property, "operator": operator, "value": shown}
