"""The OpenAPI document is whole, valid, and what the server does."""

from __future__ import annotations

import httpx
import pytest
import schemathesis

from drawdown.core.errors import every_error
from drawdown.dialects.native.errors import STATUSES, TITLES, KeyNotFound
from drawdown.web.endpoints import Endpoint
from drawdown.web.errors import WebError
from tests.dialects.native.support import ENDPOINTS
from tests.support.openapi import (
    Json,
    assert_answers_are_as_documented,
    assert_operations_are_whole,
    assert_schemas_are_valid,
    operations,
)
from tests.support.server import Tenant


@pytest.fixture
def document(native: httpx.Client) -> Json:
    found: Json = native.get("/openapi.json").json()
    return found


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
    """And every one answers something."""
    assert_operations_are_whole(document, "application/problem+json")
    for operation in operations(document).values():
        responses = operation["responses"]
        success = next(responses[status] for status in ("200", "201", "202") if status in responses)
        [(media, shape)] = success["content"].items()
        assert media in ("application/json", "text/event-stream")
        assert shape["schema"]


def test_every_reference_leads_somewhere_and_every_schema_is_valid(document: Json) -> None:
    assert_schemas_are_valid(document)


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
    base = tenant.url + "/api/v1"
    assert_answers_are_as_documented(base, tenant.test.admin.secret, row, mode)
