"""What may be wrong with each field of each request: its types, its lengths, its words, its ranges."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from copy import deepcopy
from typing import Any, NamedTuple

import msgspec
from msgspec import inspect

from tests.dialects.sequence.world import NOTHING


class Field(NamedTuple):
    """``required``: null is no value of it. ``wrong``: what else is not."""

    required: bool
    wrong: tuple[Any, ...]


_NO_TEXT: tuple[Any, ...] = (7, 1.5, True, [], {}, ["x"])
_NO_LIST: tuple[Any, ...] = (7, True, "x", {}, {"0": "x"})
_CONTROL = "a\x07b"


def _text(*wrong: Any, required: bool = False, longest: int = 500, empty: bool = False) -> Field:
    """``empty``: text without a character will do."""
    short = () if empty else ("",)
    return Field(required, (*_NO_TEXT, *short, "x" * (longest + 1), _CONTROL, *wrong))


def _reference(*, required: bool = False) -> Field:
    """Of something that there must be."""
    return _text("nobody", NOTHING, "a\nb", required=required, longest=255)


def _word(*wrong: Any, required: bool = False) -> Field:
    return Field(required, (*_NO_TEXT, "", "nothing", *wrong))


def _day(*wrong: Any, required: bool = False) -> Field:
    others = ("", "2031-02-30", "31/12/2031", "2031-1-1", "1969-12-31", "99999-01-01")
    return Field(required, (*_NO_TEXT, *others, "2031-01-01T00:00:00Z", *wrong))


_ACCOUNT = _text(NOTHING, "acct_nothing")
_NUMBER: tuple[Any, ...] = ("1000", True, [], {}, -1, -0.5, 1e-13, 1e19)
_ALIAS = _text("a b", ".", "..", "VOID", "ä", longest=64)
_NAME_OF_PROPERTY = ("", "x" * 101)

_CUSTOMER: Mapping[str, Field] = {
    "legalName": _text(required=True),
    "address": Field(required=True, wrong=(7, "x", [], True)),
    "address.line1": _text(required=True),
    "address.town": _text(required=True),
    "address.postcode": _text(required=True),
    "address.country": _word("gb", "GBR", "G1", required=True),
    "address.line2": _text(empty=True),
    "address.state": _text(empty=True),
    "contacts": Field(required=True, wrong=(*_NO_LIST, [{}] * 101)),
    "contacts[0]": Field(required=True, wrong=(7, "x", [], True)),
    "contacts[0].name": _text(required=True),
    "contacts[0].email": _text("nobody", "a b@c", required=True, longest=320),
    "contacts[0].billingPreference": _word("primary", required=True),
    "taxStatus": _word("taxed", required=True),
    "customerAliases": Field(
        required=False, wrong=(*_NO_LIST, ["x", "x"], [f"x-{number}" for number in range(31)])
    ),
    "customerAliases[0]": _ALIAS._replace(required=True),
    "label": _text(),
    "url": _text(),
    "parentId": _reference(),
    "integrationIds": Field(required=False, wrong=(*_NO_LIST, [{}] * 101)),
    "integrationIds[0]": Field(required=True, wrong=(7, "x", [], True)),
    "integrationIds[0].service": _text(required=True),
    "integrationIds[0].id": _text(required=True),
}
_METRIC: Mapping[str, Field] = {
    "name": _text(required=True),
    "metricType": _word("simple", required=True),
    "eventType": _text("drawdown.replaced", required=True, longest=100),
    "aggregationType": _word("CUSTOM", "sum", required=True),
    "aggregationProperty": Field(required=True, wrong=(*_NO_TEXT, *_NAME_OF_PROPERTY)),
    "groupingProperty": Field(required=True, wrong=(*_NO_TEXT, *_NAME_OF_PROPERTY)),
    "unit": _text(),
    "description": _text(empty=True),
    "propertyFilters": Field(
        required=False,
        wrong=(
            *(7, "x", [], True),
            *({"": 1}, {"x" * 101: 1}, {f"p-{number}": 1 for number in range(21)}),
            *({"region": []}, {"region": {}}, {"region": None}, {"region": [["x"]]}),
            {"region": list(range(101))},
        ),
    ),
    "propertiesToNegate": Field(required=False, wrong=(*_NO_LIST, ["other"], ["region"] * 51)),
    "propertiesToNegate[0]": Field(required=True, wrong=(*_NO_TEXT, "", "other")),
    "caseSensitive": Field(required=False, wrong=(7, "true", [], {})),
    "deduction": _word("at_once"),
    "sequenceAccountId": _ACCOUNT,
}

#: By the endpoint, and the field's place in the body.
FIELDS: Mapping[str, Mapping[str, Field]] = {
    "POST /customers": _CUSTOMER,
    "PUT /customers/{id}": _CUSTOMER,
    "POST /customer-aliases": {
        "customerId": _reference(required=True),
        "value": _ALIAS._replace(required=True),
        "label": _text(),
        "sequenceAccountId": _ACCOUNT,
    },
    "PUT /customer-aliases/{id}": {
        "label": _text(),
        "value": _ALIAS,
        "customerId": _reference(),
    },
    "POST /credits": {
        "customerId": _reference(required=True),
        "name": _text(required=True),
        "creditUnitType": _word("CASH", "USAGE", "metric", "CURRENCY", required=True),
        "currency": _word("usd", "JOD", "XAU", required=True),
        "amount": Field(required=True, wrong=(*_NUMBER, 0)),
        "sequenceAccountId": _ACCOUNT,
        "metricId": _reference(required=True),
        "costOfCredit": Field(required=False, wrong=_NUMBER),
        "effectiveDate": _day("2032-01-01"),
        "expiryDate": _day("2029-12-31"),
        "createInvoice": Field(required=False, wrong=(True, 7, "false", [], {})),
        "taxRateId": _text(),
    },
    "POST /credit-transactions": {
        "grantId": _reference(required=True),
        "type": _word("debit", "REFUND", required=True),
        "amount": Field(
            required=True,
            wrong=(*_NO_TEXT, "", "ten", "-1", "0", "1e-13", "1_000", " 1", "0x10", "NaN"),
        ),
        "reason": _text(),
        "invoiceId": _text(),
        "billingRunId": _text(),
    },
    "POST /usage-metrics": _METRIC,
    "PUT /usage-metrics/{id}": _METRIC,
    "POST /usage-events": {
        "customerAlias": _text("a\nb", required=True, longest=255),
        "eventType": _text("drawdown.replaced", required=True, longest=100),
        "customerEventId": _text(longest=200),
        "eventTimestamp": Field(
            required=False,
            wrong=(*_NO_TEXT, "", "yesterday", "2999-01-01T00:00:00Z", "2026-02-30T00:00:00Z"),
        ),
        "eventProperties": Field(
            required=False,
            wrong=(
                *(7, "x", [], True),
                *({"": 1}, {"x" * 101: 1}, {f"p-{number}": 1 for number in range(51)}),
                *({"p": []}, {"p": {}}, {"p": "x" * 501}, {"p": 1e99}),
            ),
        ),
        "sequenceAccountId": _ACCOUNT,
    },
    "POST /notifications/policies": {
        "name": _text(required=True),
        "channel": _word("EMAIL", "webhook", required=True),
        "recipients": Field(
            required=True,
            wrong=(
                *(*_NO_LIST, []),
                [f"https://hooks.example.com/{number}" for number in range(11)],
                ["https://hooks.example.com/x"] * 2,
            ),
        ),
        "recipients[0]": Field(
            required=True,
            wrong=(*_NO_TEXT, "", "x", "ftp://example.com", "http://127.0.0.1/", "https://"),
        ),
        "notificationTypes": Field(required=False, wrong=(*_NO_LIST, [])),
        "notificationTypes[0]": _word("customer_created", required=True),
        "webhookSecret": _text("short", "ä" * 16, longest=255),
        "sequenceAccountId": _ACCOUNT,
    },
    "POST /notifications/policies/{id}/notification-types": {
        "notificationTypes": Field(required=True, wrong=(*_NO_LIST, [])),
        "notificationTypes[0]": _word("customer_created", required=True),
    },
    "POST /notifications/policies/{id}/recipients": {
        "recipients": Field(
            required=True,
            wrong=(
                *(*_NO_LIST, []),
                [f"https://hooks.example.com/{number}" for number in range(11)],
                ["https://hooks.example.com/x"] * 2,
            ),
        ),
        "recipients[0]": Field(
            required=True, wrong=(*_NO_TEXT, "", "x", "ftp://example.com", "http://127.0.0.1/")
        ),
    },
}


def places(record: type) -> Iterator[str]:
    """Every field of a record and of what is in it, as refusals name them; of a list its first item."""
    yield from _within(inspect.type_info(record), "")


def _within(info: inspect.Type, place: str) -> Iterator[str]:
    match info:
        case inspect.Metadata():
            yield from _within(info.type, place)
        case inspect.UnionType():
            for kind in info.types:
                yield from _within(kind, place)
        case inspect.StructType():
            for each in info.fields:
                below = f"{place}.{each.encode_name}" if place else each.encode_name
                yield below
                yield from _within(each.type, below)
        case inspect.ListType():
            yield f"{place}[0]"
            yield from _within(info.item_type, f"{place}[0]")


def changed(body: dict[str, Any], place: str, value: Any) -> dict[str, Any]:
    """The body with another value at a place; UNSET: without one."""
    found = deepcopy(body)
    *above, last = [
        int(step[1:-1]) if step.startswith("[") else step
        for step in re.findall(r"[^.\[\]]+|\[\d+\]", place)
    ]
    within: Any = found
    for step in above:
        within = within[step]
    if value is msgspec.UNSET:
        del within[last]
    else:
        within[last] = value
    return found
