"""The OpenAPI document is whole, valid, and what the server does."""

from __future__ import annotations

import re
from typing import Any

import httpx
import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from jsonschema_rs import Draft202012Validator
from schemathesis.specs.openapi import checks

from drawdown.core.errors import every_error
from drawdown.dialects.native.errors import STATUSES, TITLES, KeyNotFound
from drawdown.web.endpoints import Endpoint
from drawdown.web.errors import WebError
from tests.dialects.native.support import ENDPOINTS
from tests.support.server import Tenant

Json = dict[str, Any]


@pytest.fixture
def document(native: httpx.Client) -> Json:
    found: Json = native.get("/openapi.json").json()
    return found


def operations(document: Json) -> dict[tuple[str, str], Json]:
    return {
        (method.upper(), path): operation
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    }


def test_every_endpoint_is_documented_and_nothing_else(document: Json) -> None:
    table = {(each.method, each.path) for each in ENDPOINTS}
    assert set(operations(document)) == table
    assert {
        ("POST", "/entitlements"), ("POST", "/customers"), ("POST", "/grants"),
        ("POST", "/grants/{grant}/expire"), ("POST", "/grants/{grant}/void"),
        ("GET", "/grants"), ("GET", "/grants/{grant}"), ("POST", "/debits"),
        ("POST", "/debits/batch"), ("POST", "/debits/{debit}/reverse"),
        ("GET", "/debits/{debit}"), ("GET", "/entries"),
        ("GET", "/balances/{customer}/{entitlement}"),
        ("POST", "/holds"), ("GET", "/holds"), ("GET", "/holds/{hold}"),
        ("POST", "/holds/{hold}/capture"), ("POST", "/holds/{hold}/release"),
        ("POST", "/holds/{hold}/extend"), ("PATCH", "/grants/{grant}"),
        ("POST", "/grants/{grant}/adjust"), ("POST", "/spends"), ("GET", "/spends/{debit}"),
    } <= table  # fmt: skip


def test_every_operation_says_what_it_takes_answers_and_refuses(document: Json) -> None:
    names = set()
    for (method, path), operation in operations(document).items():
        names.add(operation["operationId"])
        assert operation["summary"]
        declared = {each["name"] for each in operation["parameters"] if each["in"] == "path"}
        assert declared == set(re.findall(r"{(\w+)}", path))
        responses = operation["responses"]
        success = next(responses[status] for status in ("200", "201", "202") if status in responses)
        [(media, shape)] = success["content"].items()
        assert media in ("application/json", "text/event-stream")
        assert shape["schema"]
        assert {"401", "403", "500", "503"} <= set(responses)
        for status, response in responses.items():
            assert response["description"]
            assert "Request-Id" in response["headers"]
            if int(status) >= 400:
                assert response["content"]["application/problem+json"]["schema"]
        if "requestBody" in operation:
            assert {"400", "413", "422"} <= set(responses), (method, path)
    assert len(names) == len(operations(document))


def test_every_reference_leads_somewhere_and_every_schema_is_valid(document: Json) -> None:
    schemas = document["components"]["schemas"]

    def references(value: Any) -> set[str]:
        if isinstance(value, dict):
            own = {value["$ref"]} if isinstance(value.get("$ref"), str) else set()
            return own.union(*map(references, value.values()))
        if isinstance(value, list):
            return set().union(*map(references, value))
        return set()

    for reference in references(document):
        assert reference.rpartition("/")[0] == "#/components/schemas"
        assert reference.rpartition("/")[2] in schemas
    for name in schemas:
        whole = {"$ref": f"#/components/schemas/{name}", "components": document["components"]}
        Draft202012Validator(whole)


def test_every_class_of_error_has_its_row() -> None:
    modules = {WebError.__module__, KeyNotFound.__module__}

    def subclasses(kind: type[WebError]) -> set[type[WebError]]:
        direct = {each for each in kind.__subclasses__() if each.__module__ in modules}
        return direct.union(*(subclasses(each) for each in direct))

    assert set(STATUSES) == set(every_error())
    assert set(TITLES) == subclasses(WebError)


@pytest.mark.parametrize("mode", list(schemathesis.GenerationMode), ids=lambda mode: mode.value)
@pytest.mark.parametrize("row", ENDPOINTS, ids=lambda row: f"{row.method} {row.path}")
def test_whatever_is_sent_the_answer_is_as_documented(
    tenant: Tenant, row: Endpoint, mode: schemathesis.GenerationMode
) -> None:
    """Requests drawn from the document, right and wrong: status, type and shape agree with it.

    Left out are two checks: that it works without a key (the key is sent beside the case; test_access
    says what happens without), and that all that fits the schema is accepted, since no schema says
    which characters can be printed or which customers exist.
    """
    schema = schemathesis.openapi.from_url(tenant.url + "/api/v1/openapi.json")
    schema.config.update(base_url=tenant.url + "/api/v1")
    operation = schema[row.path][row.method]
    if not operation.body and not operation.query and not operation.path_parameters:
        cases = st.just(operation.Case())
    else:
        cases = operation.as_strategy(generation_mode=mode)

    @settings(
        max_examples=10, deadline=None, database=None, suppress_health_check=list(HealthCheck)
    )
    @given(case=cases)
    def check(case: schemathesis.Case[Any]) -> None:
        case.call_and_validate(
            headers={"authorization": f"Bearer {tenant.test.admin.secret}"},
            excluded_checks=[checks.ignored_auth, checks.positive_data_acceptance],
        )

    check()
