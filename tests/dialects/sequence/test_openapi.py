"""The OpenAPI document is whole, what the contract's records read, and what the server does."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
import schemathesis
from msgspec import inspect

from drawdown.dialects.sequence.dialect import VERSION
from drawdown.web.endpoints import Endpoint
from tests.dialects.sequence.calls import CALLS
from tests.dialects.sequence.support import BASE
from tests.dialects.sequence.test_every_endpoint import ENDPOINTS, each_endpoint, name_of
from tests.dialects.sequence.world import World
from tests.support.openapi import (
    Json,
    assert_answers_are_as_documented,
    assert_operations_are_whole,
    assert_schemas_are_valid,
    document_at,
    operations,
)
from tests.support.server import Server, Tenant


@pytest.fixture(scope="module")
def document(one: Server) -> Json:
    return document_at(f"{one.url}{BASE}/openapi.json")


def test_every_endpoint_is_described_and_nothing_else(document: Json) -> None:
    assert set(operations(document)) == {(row.method, row.path) for row in ENDPOINTS}
    assert_operations_are_whole(document, "application/json", frozenset({"400", "413"}))
    assert_schemas_are_valid(document)
    assert [each["url"] for each in document["servers"]] == ["/sequence", "/sequence/api"]
    assert set(document["components"]["securitySchemes"]) == {"bearer", "basic"}
    assert document["openapi"].startswith("3.1")


@each_endpoint
def test_what_each_takes_is_described(endpoint: Endpoint, document: Json) -> None:
    """In the query, the headers and the body, by the names of its record."""
    operation = operations(document)[endpoint.method, endpoint.path]
    queried = {each["name"] for each in operation["parameters"] if each["in"] == "query"}
    assert queried == names_of(endpoint.query)
    headers = {each["name"]: each for each in operation["parameters"] if each["in"] == "header"}
    expected = {"Sequence-Version"} | ({"Idempotency-Key"} if endpoint.method == "POST" else set())
    behalf = {"On-Behalf-Of"} if endpoint.path == "/credit-transactions" else set()
    assert headers.keys() == expected | behalf
    assert {name for name, each in headers.items() if each["required"]} == behalf
    assert headers["Sequence-Version"]["schema"]["enum"] == [VERSION]
    if endpoint.body is None:
        assert "requestBody" not in operation
        return
    schema = operation["requestBody"]["content"]["application/json"]["schema"]
    component = document["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
    assert set(component["properties"]) == names_of(endpoint.body)
    assert component["additionalProperties"] is False


def names_of(record: type | None) -> set[str]:
    found = () if record is None else msgspec.structs.fields(record)
    return {each.encode_name for each in found}


@each_endpoint
def test_what_is_refused_is_described(endpoint: Endpoint, document: Json) -> None:
    """An unknown version by all; 404 where something is named in the path, 409 where there may be a key."""
    operation = operations(document)[endpoint.method, endpoint.path]
    assert "unrecognised_api_version" in operation["responses"]["400"]["description"]
    assert ("404" in operation["responses"]) == ("{" in endpoint.path)
    assert ("409" in operation["responses"]) == (endpoint.method == "POST")
    for answer in operation["responses"].values():
        assert "Sequence-Version" in answer["headers"]


@each_endpoint
def test_the_contract_reads_whatever_is_described(
    endpoint: Endpoint, document: Json, world: World
) -> None:
    """By the same names, required where the contract requires, and nothing beside."""
    record = CALLS[name_of(endpoint)](world).record
    answer = operations(document)[endpoint.method, endpoint.path]["responses"][f"{endpoint.status}"]
    if record is None:
        assert "content" not in answer
        return
    schema = answer["content"]["application/json"]["schema"]
    fit(schema, inspect.type_info(record), document["components"]["schemas"], endpoint.path)


def fit(schema: Json, info: Any, components: Json, place: str) -> None:
    """Of every record in a record."""
    if "$ref" in schema:
        schema = components[schema["$ref"].rpartition("/")[2]]
    if isinstance(info, inspect.Metadata):
        info = info.type
    if isinstance(info, inspect.ListType):
        [items] = [each["items"] for each in schema.get("anyOf", [schema]) if "items" in each]
        fit(items, info.item_type, components, f"{place}[]")
    elif isinstance(info, inspect.StructType):
        fields = {each.encode_name: each for each in info.fields}
        assert schema["properties"].keys() == fields.keys(), place
        required = {name for name, each in fields.items() if each.required}
        assert set(schema.get("required", ())) == required, place
        for name, each in fields.items():
            fit(schema["properties"][name], each.type, components, f"{place}.{name}")


@pytest.mark.parametrize("mode", list(schemathesis.GenerationMode), ids=lambda mode: mode.value)
@each_endpoint
def test_whatever_is_sent_the_answer_is_as_described(
    here: Tenant, endpoint: Endpoint, mode: schemathesis.GenerationMode
) -> None:
    assert_answers_are_as_documented(
        f"{here.url}{BASE}",
        here.test.editor.secret,
        endpoint,
        mode,
        examples=3,
    )
