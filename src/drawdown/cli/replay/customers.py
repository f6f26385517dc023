"""Whose usage a row is: one customer for all, a column, or row numbers dealt round."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial

from drawdown.cli.failures import Failure
from drawdown.core import identity

CUSTOMERS_MAX = 1_000_000
FORMAT = "customer-{n:02}"

#: From a row's number (from 1) and its fields to the customer.
Rule = Callable[[int, Mapping[str, str]], str]


def one(name: str) -> Rule:
    """Every row is ``name``'s."""
    if not valid(name):
        raise Failure(f"--customer {name!r} is no id.", f"An id has {identity.OWN_ID_RULE}.")
    return lambda number, fields: name


def column(name: str) -> Rule:
    """Each row names its customer in the column ``name``."""
    return lambda number, fields: _checked(fields[name], name)


def dealt(count: int, template: str = FORMAT) -> Rule:
    """Row r belongs to customer (r - 1) mod ``count`` + 1, which ``template`` spells (``{n}``)."""
    if not 1 <= count <= CUSTOMERS_MAX:
        raise Failure(f"--customers must be from 1 to {CUSTOMERS_MAX:,}.")
    spelled = partial(_spelled, template)
    if count > 1 and spelled(1) == spelled(2):
        raise Failure(
            f"--customer-format {template!r} is the same for every customer.",
            "Write {n} where the number goes, or {n:03} for leading zeros.",
        )
    return lambda number, fields: spelled((number - 1) % count + 1)


def valid(name: str) -> bool:
    return identity.is_own_id(name) or identity.parse(name) is not None


def _checked(name: str, field: str) -> str:
    if not valid(name):
        raise ValueError(f"{field} is {name[:80]!r}; a customer's id has {identity.OWN_ID_RULE}")
    return name


def _spelled(template: str, number: int) -> str:
    try:
        name = template.format(n=number)
    except (ValueError, TypeError, LookupError, AttributeError):
        name = ""
    if not valid(name):
        raise Failure(
            f"--customer-format {template!r} makes no id.",
            f"Such as {FORMAT!r}: an id has {identity.OWN_ID_RULE}.",
        )
    return name
