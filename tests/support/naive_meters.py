"""A naive meter that is obviously right: it keeps every event, and counts all of them anew when asked.

Exact fractions, JSON documents as they are, no state, no code shared with the core.
"""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from typing import Any

import msgspec

Document = dict[str, Any]


class NaiveEvent(msgspec.Struct):
    name: str
    time: int
    properties: Document


class NaiveMeter(msgspec.Struct):
    """``events`` by name: one that comes again takes the place of the one before."""

    aggregation: str
    property: str = ""
    where: Document | None = None
    any_case: bool = False
    events: dict[str, NaiveEvent] = {}

    def total(self) -> Fraction:
        counted = [event for event in self.events.values() if self.counts(event.properties)]
        if self.aggregation == "count":
            return Fraction(len(counted))
        if self.aggregation == "unique":
            return Fraction(len({_text(event.properties[self.property]) for event in counted}))
        if not counted:
            return Fraction(0)
        if self.aggregation == "last":
            counted = [max(counted, key=lambda event: (event.time, event.name))]
        numbers = [number(event.properties[self.property]) for event in counted]
        exact = [each for each in numbers if each is not None]
        return max(exact) if self.aggregation == "max" else sum(exact, Fraction(0))

    def counts(self, properties: Document) -> bool:
        if self.where is not None and not passes(self.where, properties, self.any_case):
            return False
        return self.aggregation != "unique" or properties.get(self.property) is not None


def passes(where: Document, properties: Document, any_case: bool) -> bool:
    if "and" in where:
        return min(passes(part, properties, any_case) for part in where["and"])
    if "or" in where:
        return max(passes(part, properties, any_case) for part in where["or"])
    found, op, value = properties.get(where["property"]), where["op"], where.get("value")
    if op == "exists":
        return (found is None) == (value is False)
    if op in ("ne", "not_contains"):
        opposite = {**where, "op": "eq" if op == "ne" else "contains"}
        return not passes(opposite, properties, any_case)
    if found is None:
        return False
    if op == "in":
        return any(_same(found, each, any_case) for each in value or [])
    if op == "eq":
        return _same(found, value, any_case)
    if op == "contains":
        return isinstance(found, str) and _case(str(value), any_case) in _case(found, any_case)
    return _compared(op, number(found), number(value))


def number(value: object) -> Fraction | None:
    """What is a number or writes one."""
    if isinstance(value, bool) or value is None:
        return None
    try:
        return Fraction(str(value))
    except ValueError:
        return None


def _compared(op: str, found: Fraction | None, value: Fraction | None) -> bool:
    if found is None or value is None:
        return False
    tests: dict[str, Callable[[Fraction], bool]] = {
        "gt": lambda difference: difference > 0,
        "gte": lambda difference: difference >= 0,
        "lt": lambda difference: difference < 0,
        "lte": lambda difference: difference <= 0,
    }
    return tests[op](found - value)


def _same(found: object, value: object, any_case: bool) -> bool:
    if isinstance(value, bool) or isinstance(found, bool):
        return isinstance(value, bool) and isinstance(found, bool) and value == found
    if isinstance(value, str):
        return isinstance(found, str) and _case(found, any_case) == _case(value, any_case)
    return number(found) is not None and number(found) == number(value)


def _case(text: str, any_case: bool) -> str:
    return text.casefold() if any_case else text


def _text(value: object) -> str:
    """Numbers and strings that write them in plain decimals are one."""
    if isinstance(value, bool):
        return str(value).lower()
    return str(value)
