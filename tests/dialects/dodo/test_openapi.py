"""The OpenAPI document is whole, what the SDK reads and sends by its types, and what the server does."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Literal, get_args, get_origin

import pytest
import schemathesis
from schemathesis.checks import not_a_server_error

from drawdown.dialects.dodo.dialect import DodoDialect
from drawdown.dialects.dodo.errors import NotRestored
from drawdown.web.endpoints import Endpoint
from tests.dialects.dodo import typed
from tests.dialects.dodo.typed import Fitting, Typed, pattern
from tests.support.openapi import (
    Json,
    assert_answers_are_as_documented,
    assert_operations_are_whole,
    assert_schemas_are_valid,
    document_at,
    operations,
)
from tests.support.server import Server, Tenant, start_server

ENDPOINTS = DodoDialect(0, allow_private=False).endpoints
SDK = typed.calls()
#: What the vendor has no call for.
OURS = {("POST", "/subscriptions/{}/confirm-payment")}
#: Where the vendor takes money or the means to pay it: refused, whatever is asked.
MONEY = {
    ("POST", "/subscriptions/{}/charge"),
    ("POST", "/subscriptions/{}/update-payment-method"),
}
#: Wallets are in dollars and rupees alone, as the vendor's documentation says and its types do not.
NARROWER = {("/customers/{customer_id}/wallets/ledger-entries", "currency")}
ROWS = [row for row in ENDPOINTS if (row.method, pattern(row.path)) not in OURS | MONEY]


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """What is described does not depend on the store: one will do."""
    running = start_server(tmp_path_factory.mktemp("described"))
    yield running
    running.stop()


@pytest.fixture(scope="module")
def tenant(served: Server) -> Tenant:
    return served.tenant()


@pytest.fixture(scope="module")
def document(served: Server) -> Json:
    return document_at(f"{served.url}/dodo/openapi.json")


def test_every_endpoint_is_described_and_nothing_else(document: Json) -> None:
    assert set(operations(document)) == {(row.method, row.path) for row in ENDPOINTS}
    assert_operations_are_whole(document, "application/json")
    assert_schemas_are_valid(document)
    assert document["security"] == [{"bearer": []}]
    assert set(document["components"]["securitySchemes"]) == {"bearer"}


def test_every_endpoint_but_ours_is_one_that_the_sdk_calls() -> None:
    assert {(row.method, pattern(row.path)) for row in ENDPOINTS} - SDK.keys() == OURS


def call_of(row: Endpoint) -> Typed:
    return SDK[row.method, pattern(row.path)]


def test_the_sdk_reads_whatever_is_described(document: Json) -> None:
    """Each required member is required, and of a type that it takes: words are words that it knows."""
    fitting = Fitting(document["components"]["schemas"])
    for row in ROWS:
        operation = operations(document)[row.method, row.path]
        content = operation["responses"][str(row.status)].get("content")
        answer = call_of(row).answer
        assert (content is None) == (answer is type(None)), row
        if content is not None:
            schema = content["application/json"]["schema"]
            fitting.check(schema, answer, f"{row.method} {row.path}")
    assert fitting.problems == []


def asked_of(document: Json, row: Endpoint) -> tuple[Json, set[str]]:
    """The schemas of what may be asked by name, in the body or the query, and what must be."""
    operation = operations(document)[row.method, row.path]
    parameters = {each["name"]: each["schema"] for each in operation["parameters"]}
    if "requestBody" not in operation:
        return parameters, set()
    schema = operation["requestBody"]["content"]["application/json"]["schema"]
    properties, required = Fitting(document["components"]["schemas"]).properties(schema)
    return parameters | properties, required


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row.method} {row.path}")
def test_what_the_sdk_can_send_is_described(document: Json, row: Endpoint) -> None:
    """Every word that it knows is known, and nothing more is required."""
    call = call_of(row)
    properties, required = asked_of(document, row)
    path = {
        each["name"]
        for each in operations(document)[row.method, row.path]["parameters"]
        if each["in"] == "path"
    }
    missing = call.given.keys() - properties.keys() - path
    # The SDK takes one of a path's ids among its parameters, by its own name.
    missing -= {name for name in missing if name.endswith("_id") and name in call.required and path}
    assert not missing
    assert required <= call.required
    components = document["components"]["schemas"]
    for name in call.given.keys() & properties.keys():
        known = words_of(properties[name], components)
        said = {each for each in literals_of(call.given[name]) if isinstance(each, str)}
        assert known is None or said <= known or (row.path, name) in NARROWER, name


def words_of(schema: Json, components: Json) -> set[Any] | None:
    """Those that a schema takes; None: any."""
    while "$ref" in schema:
        schema = components[schema["$ref"].rpartition("/")[2]]
    if "enum" in schema:
        return set(schema["enum"])
    within = [schema["items"]] if "items" in schema else schema.get("anyOf", [])
    found = [words_of(each, components) for each in within if each.get("type") != "null"]
    return None if not found or None in found else set().union(*(each or () for each in found))


def literals_of(kind: Any) -> set[Any]:
    if get_origin(kind) is Literal:
        return set(get_args(kind))
    return set().union(*(literals_of(each) for each in get_args(kind)))


@pytest.mark.parametrize("mode", list(schemathesis.GenerationMode), ids=lambda mode: mode.value)
@pytest.mark.parametrize("row", ENDPOINTS, ids=lambda row: f"{row.method} {row.path}")
def test_whatever_is_sent_the_answer_is_as_described(
    tenant: Tenant, row: Endpoint, mode: schemathesis.GenerationMode
) -> None:
    """The vendor's 500 for what cannot be brought back is documented; the server's log has no other."""
    documented = (not_a_server_error,) if NotRestored in row.errors else ()
    assert_answers_are_as_documented(
        f"{tenant.url}/dodo",
        tenant.test.editor.secret,
        row,
        mode,
        examples=3,
        without=documented,
    )
