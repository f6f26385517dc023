"""What Stripe's Python SDK can ask for, by its own types, beside the dialect's table: now, and in 2025."""

from __future__ import annotations

import re
from typing import Any, NamedTuple

import pytest
from msgspec import inspect

from drawdown.dialects.stripe import alerts, requests
from drawdown.dialects.stripe.parameters import Parameters
from drawdown.web.endpoints import Endpoint
from tests.dialects.stripe.python_sdk import PythonSdk, pattern
from tests.dialects.stripe.test_every_endpoint import ENDPOINTS, each_endpoint
from tests.support.server import Tenant

Key = tuple[str, str]
#: Not in the reference, and taken: the operator's own id; and of the vendor's preview, what is on credit.
UNDOCUMENTED: dict[type[Parameters], set[str]] = {
    requests.CreateCustomer: {"id"},
    alerts.CreateAlert: {"credit_balance_threshold", "spend_threshold"},
    alerts.ListAlerts: {"customer"},
}
#: What the types leave to choose, and the reference or this server's documentation does not.
NEEDED = {
    "customer",  # the account that might stand for one is refused
    "amount.monetary",  # there are no other amounts
    "cancel.identifier",  # nothing else is cancelled
    "items",
    "items.price",
    "usage_threshold.filters.customer",  # there is no other filter
}


class Known(NamedTuple):
    """A version of the SDK: what it calls what it asks for, and what may be asked of this table's."""

    names: dict[Key, str]
    listed: dict[Key, dict[str, Any]]


def key_of(row: Endpoint) -> Key:
    return row.method, pattern(row.path)


def known_to(form: str) -> Known:
    """No server is asked: it is in the SDK's types."""
    with PythonSdk(form, "http://127.0.0.1:1", "sk_test_none") as sdk:
        names = sdk.calls()
        asked = {key: names[key] for key in map(key_of, ENDPOINTS) if key in names}
        found = sdk.parameters(list(asked.values()))
    return Known(names, {key: found[name] for key, name in asked.items()})


@pytest.fixture(scope="module")
def newest() -> Known:
    return known_to("blocking")


@pytest.fixture(scope="module")
def older() -> Known:
    return known_to("of 2025")


@pytest.fixture(params=["newest", "older"])
def known(request: pytest.FixtureRequest) -> Known:
    found: Known = request.getfixturevalue(request.param)
    return found


def test_every_endpoint_is_one_that_the_sdk_calls(known: Known) -> None:
    assert {key_of(row) for row in ENDPOINTS} - known.names.keys() == set()


def test_what_the_vendor_has_beyond_the_table_is_not_there(newest: Known, alone: Tenant) -> None:
    """404 in its shape: nothing is half there."""
    beyond = newest.names.keys() - {key_of(row) for row in ENDPOINTS}
    assert len(beyond) > 500
    with alone.client(base="") as http:
        for method, path in sorted(beyond):
            answer = http.request(method, path.replace("{}", "x"))
            error = answer.json()["error"]
            told = (answer.status_code, error["type"], error["message"].split("x")[0])
            assert told[:2] == (404, "invalid_request_error"), (method, path)
            assert error["message"].startswith(("Unrecognized request URL (", "No such ")), path


def record_of(row: Endpoint) -> type[Parameters]:
    record = row.body or row.query
    assert record is not None, row
    assert issubclass(record, Parameters)
    return record


class Difference(NamedTuple):
    """Names are below the request: ``items.price``; a word stands behind its parameter."""

    unknown: set[str]
    more: set[str]
    needed: set[str]
    words: set[str]


def difference(record: type[Parameters], listed: dict[str, Any], above: str = "") -> Difference:
    """Between what a record takes or refuses by name, and what the SDK's types list."""
    fields = {field.encode_name: field for field in inspect.type_info(record).fields}  # type: ignore[attr-defined]
    known = fields.keys() | record.unsupported.keys()
    found = Difference(
        {above + name for name in listed.keys() - known},
        {above + name for name in known - listed.keys() - UNDOCUMENTED.get(record, set())},
        set(),
        set(),
    )
    for name in fields.keys() & listed.keys():
        kind, said = bare(fields[name].type), listed[name]
        if fields[name].required and not said["required"]:
            found.needed.add(above + name)
        ours = words_of(kind)
        missing = set(said["words"] or ()) - ours if ours is not None else set()
        found.words.update(f"{above}{name}: {word}" for word in missing)
        if said["below"] and isinstance(kind, inspect.StructType):
            assert issubclass(kind.cls, Parameters)
            below = difference(kind.cls, said["below"], f"{above}{name}.")
            for ours_too, theirs in zip(found, below, strict=True):
                ours_too.update(theirs)
    return found


def bare(kind: Any) -> Any:
    """Without what may be left out or unset, without bounds; of a list what it is of."""
    if isinstance(kind, inspect.UnionType):
        [only] = [each for each in kind.types if not isinstance(each, inspect.NoneType)]
        return bare(only)
    if isinstance(kind, inspect.Metadata):
        return bare(kind.type)
    return bare(kind.item_type) if isinstance(kind, inspect.ListType) else kind


def words_of(kind: Any) -> set[str] | None:
    """Those that are taken; None: any that is of its form, or what its endpoint reads by itself."""
    if isinstance(kind, inspect.LiteralType):
        return {str(each) for each in kind.values}
    if isinstance(kind, inspect.EnumType):
        return {member.value for member in kind.cls}
    return None


@each_endpoint
def test_whatever_the_sdk_can_send_is_taken_or_refused_by_name(
    endpoint: Endpoint, known: Known
) -> None:
    """Nothing of it is called unknown, nothing more is needed, and each word is one that is known."""
    found = difference(record_of(endpoint), known.listed[key_of(endpoint)])
    assert found.unknown == set()
    assert found.needed <= NEEDED
    assert found.words == set()


@each_endpoint
def test_nothing_is_taken_that_the_vendor_does_not_list(
    endpoint: Endpoint, newest: Known, older: Known
) -> None:
    """Now, or in 2025."""
    record, key = record_of(endpoint), key_of(endpoint)
    now, then = difference(record, newest.listed[key]), difference(record, older.listed[key])
    assert now.more & then.more == set()


def test_there_is_much_that_cannot_be_honoured() -> None:
    assert len({name for row in ENDPOINTS for name in record_of(row).unsupported}) > 40


@each_endpoint
def test_what_cannot_be_honoured_is_refused_with_its_reason(
    endpoint: Endpoint, alone: Tenant
) -> None:
    """By the parameter's name, before anything is looked for."""
    record = record_of(endpoint)
    path = re.sub(r"{\w+}", "x", endpoint.path)
    with alone.client(base="") as http:
        for name, reason in record.unsupported.items():
            given: Any = {"params" if endpoint.body is None else "data": {name: "1"}}
            answer = http.request(endpoint.method, path, **given)
            assert (answer.status_code, answer.json()["error"]) == (
                400,
                {
                    "type": "invalid_request_error",
                    "message": f"The parameter {name} is not supported here: {reason}",
                    "param": name,
                },
            )
