"""The OpenAPI document is whole, what the SDKs read and send by their types, and what the server does."""

from __future__ import annotations

import msgspec
import pytest
import schemathesis
from schemathesis.specs.openapi import checks

from drawdown.web.endpoints import Endpoint
from tests.dialects.stripe.python_sdk import PythonSdk, pattern
from tests.dialects.stripe.test_every_endpoint import ENDPOINTS, each_endpoint
from tests.support.openapi import (
    Json,
    assert_answers_are_as_documented,
    assert_operations_are_whole,
    assert_schemas_are_valid,
    document_at,
    operations,
)
from tests.support.server import Server, Tenant

FORM, JSON = "application/x-www-form-urlencoded", "application/json"


@pytest.fixture(scope="module")
def document(one: Server) -> Json:
    return document_at(f"{one.url}/v1/openapi.json")


def test_every_endpoint_is_described_and_nothing_else(document: Json) -> None:
    assert set(operations(document)) == {(row.method, row.path) for row in ENDPOINTS}
    assert_operations_are_whole(document, JSON, frozenset({"400", "413"}))
    assert_schemas_are_valid(document)


#: Alerts on credit are of the vendor's preview.
PREVIEW = ["alert_type"]
#: Of 2026: an id that may be followed, and more types of events.
LATER = ["pricing.price_details.price", "events.list.data[].type", "events.retrieve.type"]


@pytest.mark.parametrize(("form", "but"), [("blocking", []), ("of 2025", LATER)])
def test_the_sdk_reads_whatever_is_described(form: str, but: list[str], document: Json) -> None:
    """Each required member is required, and of a type that it takes: words are words that it knows.

    What it does not read at all is the answer to a stream.
    """
    with PythonSdk(form, "http://127.0.0.1:1", "sk_test_none") as sdk:
        names, schemas = sdk.calls(), {}
        for row in ENDPOINTS:
            operation = operations(document)[row.method, row.path]
            content = operation["responses"][str(row.status)]["content"]
            schemas[names[row.method, pattern(row.path)]] = content[JSON]["schema"]
        assert len(schemas) == len(ENDPOINTS)
        del schemas["v2.billing.meter_event_stream.create"]
        found = sdk.unfit(document["components"]["schemas"], schemas, [*PREVIEW, *but])
    assert found == []


@each_endpoint
def test_what_each_takes_is_described(endpoint: Endpoint, document: Json) -> None:
    """In the query, as a form, or as the JSON of version 2; by the names of its record."""
    operation = operations(document)[endpoint.method, endpoint.path]
    queried = {each["name"] for each in operation["parameters"] if each["in"] == "query"}
    record = endpoint.body or endpoint.query
    assert record is not None
    fields = {field.encode_name for field in msgspec.structs.fields(record)}
    if endpoint.body is None:
        assert queried == fields
        return
    [(media, body)] = operation["requestBody"]["content"].items()
    assert media == (JSON if endpoint.path.startswith("/v2") else FORM)
    schema = document["components"]["schemas"][body["schema"]["$ref"].rpartition("/")[2]]
    assert set(schema["properties"]) == fields


@each_endpoint
def test_where_something_is_named_it_may_not_be_there(endpoint: Endpoint, document: Json) -> None:
    """404 is among the answers of what has an id in its path, or takes a cursor."""
    operation = operations(document)[endpoint.method, endpoint.path]
    takes = {each["name"] for each in operation["parameters"]}
    if "{" in endpoint.path or "starting_after" in takes:
        assert "404" in operation["responses"]


@pytest.mark.parametrize("mode", list(schemathesis.GenerationMode), ids=lambda mode: mode.value)
@each_endpoint
def test_whatever_is_sent_the_answer_is_as_described(
    alone: Tenant, endpoint: Endpoint, mode: schemathesis.GenerationMode
) -> None:
    assert_answers_are_as_documented(
        alone.url,
        alone.test.editor.secret,
        endpoint,
        mode,
        examples=2,
        # Of a name that is repeated the last counts alone, however many a list may have: not in JSON.
        without=() if endpoint.path.startswith("/v2") else (checks.negative_data_rejection,),
        document="/v1/openapi.json",
    )
