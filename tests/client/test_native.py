"""The client knows all that the native API of this release offers, and nothing that it does not."""

from __future__ import annotations

import inspect
import re
from datetime import UTC, datetime
from typing import Any

from msgspec import Struct

from drawdown import client
from drawdown.client import errors, records
from drawdown.client.calls import Call, Listing
from drawdown.config import Config
from drawdown.dialects.native import asked, dialect, wire
from drawdown.dialects.native.errors import TABLE, TITLES
from tests.client.test_shape import builders

#: Another dialect's, which the native API never answers.
NOT_NATIVE = {"key_in_use", "document_not_found", "document_changed", "wrong_status"}
#: What goes on and on is read with any reader of server-sent events.
STREAMED = {("GET", "/customers/{}/balances/stream")}
#: Where the server answers a list, the client has the items.
NOT_RECORDS = {"Problem", "BatchResult", "BatchResults", "Page"}


def example(build: Any) -> Call[Any] | Listing[Any]:
    """The request with an ``x`` for whatever is needed."""
    needed = [
        parameter
        for parameter in inspect.signature(build).parameters.values()
        if parameter.default is parameter.empty
    ]
    special: dict[str, Any] = {"debits": [], "events": [], "wallets": []}
    special |= dict.fromkeys(("frozen_at", "to", "start"), datetime(2031, 1, 31, tzinfo=UTC))
    made: Call[Any] | Listing[Any] = build(
        **{one.name: special.get(one.name, "x") for one in needed}
    )
    return made


def test_every_route_of_the_native_api_has_a_method() -> None:
    made = set()
    for _, build in builders():
        request = example(build)
        method = request.method if isinstance(request, Call) else "GET"
        made.add((method, re.sub(r"/x(?=/|$)", "/{}", request.path.removeprefix("/api/v1"))))
    offered = {
        (endpoint.method, re.sub(r"\{\w+\}", "{}", endpoint.path))
        for endpoint in dialect.build(Config()).endpoints
    }
    assert made == offered - STREAMED


def test_every_code_of_the_native_api_has_a_class() -> None:
    """And no class is for a code that there is not."""
    codes = {error.code for error in TABLE} | {error.code for error in TITLES}
    assert set(errors.BY_CODE) == codes - NOT_NATIVE
    assert set(errors.BY_CODE.values()) <= {getattr(client, name) for name in client.__all__}


def test_a_code_and_a_status_lead_to_the_same_branch() -> None:
    for error, (status, _) in TABLE.items():
        if error.code not in NOT_NATIVE:
            branch = errors.class_of(status, "brand_new")
            assert issubclass(errors.class_of(status, error.code), branch), error.code


def test_every_field_that_is_answered_is_in_a_record() -> None:
    answered = {
        name: kind
        for name, kind in inspect.getmembers(wire, inspect.isclass)
        if issubclass(kind, Struct) and kind.__module__ == wire.__name__
        if not issubclass(kind, asked.Request) and name not in NOT_RECORDS
    }
    assert len(answered) > 10
    for name, kind in answered.items():
        record = getattr(records, name)
        known = set(record.__struct_encode_fields__) - {"replayed"}
        assert known == set(kind.__struct_encode_fields__) - {"replayed"}, name
