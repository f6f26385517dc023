"""Stripe's search language, for customers: ``email:"ann@example.com" AND -metadata["tier"]:"gold"``.

Clauses are joined by AND or by OR, not by both. ``:`` is equal, in any case; ``~`` contains, three characters
at least; ``<``, ``>``, ``<=``, ``>=`` compare what is a number; ``-`` in front denies. A value in quotes,
double or single, is text, and ``null`` is nothing at all.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable

from drawdown.core.types import MICROSECONDS, Customer
from drawdown.dialects.stripe.errors import StripeError
from drawdown.web.errors import echoed

QUERY_MAX = 1_000
CLAUSES_MAX = 10
CONTAINS_MIN = 3

Test = Callable[[Customer], bool]

_CLAUSE = re.compile(
    r"""\s*(?P<not>-)?(?P<field>[a-z_]+)(?:\[(?P<mark>["'])(?P<key>(?:(?!(?P=mark)).){1,40})(?P=mark)\])?\s*"""
    r"""(?P<op>:|~|<=|>=|<|>)\s*(?:(?P<quote>["'])(?P<text>(?:(?!(?P=quote))[^\\]|\\.)*)(?P=quote)"""
    r"""|(?P<bare>[A-Za-z0-9_.@+-]+))\s*"""
)
_JOIN = re.compile(r"(AND|OR)\b", re.IGNORECASE)
_TEXTS = ("name", "email", "phone")
_ORDERS: dict[str, Callable[[int, int], bool]] = {
    "<": operator.lt,
    ">": operator.gt,
    "<=": operator.le,
    ">=": operator.ge,
    ":": operator.eq,
}


def test_of(query: str, phone_of: Callable[[Customer], str | None]) -> Test:
    """What a query asks of a customer. Raises ``StripeError``."""
    if len(query) > QUERY_MAX:
        raise _wrong(f"a query has at most {QUERY_MAX} characters")
    tests, joins, place = [], set(), 0
    while True:
        found = _CLAUSE.match(query, place)
        if found is None:
            raise _wrong(f"there is no clause at {echoed(query[place : place + 40] or 'the end')}")
        tests.append(_clause(found, phone_of))
        place = found.end()
        if place == len(query):
            break
        join = _JOIN.match(query, place)
        if join is None:
            raise _wrong("clauses are joined by AND or OR")
        joins.add(join[1].upper())
        place = join.end()
    if len(tests) > CLAUSES_MAX:
        raise _wrong(f"a query has at most {CLAUSES_MAX} clauses")
    if len(joins) > 1:
        raise _wrong("AND and OR cannot be in one query")
    together = any if joins == {"OR"} else all
    return lambda customer: together(test(customer) for test in tests)


def _clause(found: re.Match[str], phone_of: Callable[[Customer], str | None]) -> Test:
    field, key = found["field"], found["key"]
    if (key is not None) is not (field == "metadata"):
        raise _wrong('only metadata has a key, and always one: metadata["tier"]')
    if field == "created":
        test = _created(found)
    elif field in _TEXTS or field == "metadata":
        test = _text(found, _reading(field, key, phone_of))
    else:
        raise _wrong(
            f"{echoed(field)} cannot be searched: name, email, phone, created or metadata can"
        )
    if found["not"] is None:
        return test
    return lambda customer: not test(customer)


def _reading(
    field: str, key: str | None, phone_of: Callable[[Customer], str | None]
) -> Callable[[Customer], str | None]:
    if key is not None:
        return lambda customer: _as_text(customer.metadata.get(key))
    if field == "phone":
        return phone_of
    return lambda customer: customer.name if field == "name" else customer.email


def _as_text(value: object) -> str | None:
    return None if value is None else str(value)


def _text(found: re.Match[str], read: Callable[[Customer], str | None]) -> Test:
    asked, how = found["text"], found["op"]
    if asked is None:
        if found["bare"] == "null" and how == ":":
            return lambda customer: read(customer) is None
        raise _wrong(f"the value of {found['field']} is in quotes")
    wanted = re.sub(r"\\(.)", r"\1", asked).lower()
    if how == ":":
        return lambda customer: (read(customer) or "").lower() == wanted and bool(read(customer))
    if how != "~":
        raise _wrong(f"{found['field']} is text: it takes : and ~")
    if len(wanted) < CONTAINS_MIN:
        raise _wrong(f"what ~ looks for has {CONTAINS_MIN} characters at least")
    return lambda customer: wanted in (read(customer) or "").lower()


def _created(found: re.Match[str]) -> Test:
    text = found["text"] or found["bare"] or ""
    if found["op"] not in _ORDERS or not (text.isascii() and text.isdigit() and len(text) < 13):
        raise _wrong("created is compared with a Unix timestamp")
    second, holds = int(text), _ORDERS[found["op"]]
    return lambda customer: holds(customer.created_at // MICROSECONDS, second)


def _wrong(rule: str) -> StripeError:
    return StripeError(f"We were unable to parse your search query: {rule}.", param="query")
