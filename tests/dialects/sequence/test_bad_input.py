"""Whatever is sent, it is answered in the dialect's own shape, never with a 5xx, and does nothing."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from tests.dialects.sequence.contract import refusal
from tests.dialects.sequence.support import credit_body, written

MALFORMED: list[bytes] = [
    b"",
    b" ",
    b"{",
    b"}",
    b"nonsense",
    b"'a'",
    b"{'a': 1}",
    b'{"name": "x",}',
    b'{"name": "x"} {}',
    b'{"name": "\xff\xfe"}',
    b'{"name": "\\ud800"}',
    b'{"name": "a\x00b"}',
    b"\xef\xbb\xbf{}",
    b'{"name": nul}',
    b"legalName=Acme&taxStatus=TAXED",
    b"[" * 100_000,
    b"[" * 100_000 + b"]" * 100_000,
    b'{"a":' * 100_000 + b"1" + b"}" * 100_000,
]
NOT_OBJECTS: list[bytes] = [b"null", b"[]", b'"x"', b"1", b"true", b"[{}]"]


@pytest.mark.parametrize("path", ["/customers", "/credits"])
@pytest.mark.parametrize("body", [*MALFORMED, *NOT_OBJECTS], ids=lambda body: repr(body[:20]))
def test_a_body_that_cannot_be_read_is_refused(
    sequence: httpx.Client, path: str, body: bytes
) -> None:
    refusal(sequence.post(path, content=body), 400, "ValidationError")


AMOUNTS = [
    '"1000"',
    "null",
    "true",
    "{}",
    "[]",
    "[1]",
    "-1",
    "-0",
    "-0.5",
    "0",
    "0.0",
    "0e5",
    "1e999",
    "1e-999",
    "1E+400",
    "1e99999999999999999999999",
    "0.0000000001",
    "1e-10",
    "0.0000000000001",
    "10000000000",
    "9223372036.854775808",
    "9223372036854775807",
    "9223372036854775808",
    "99999999999999999999",
    "1" * 400,
    "0." + "1" * 400,
]
NOT_JSON_NUMBERS = ["NaN", "Infinity", "-Infinity", "0x10", "01", "1.", ".5", "+1", "1e", "1_000"]


@pytest.mark.parametrize("amount", [*AMOUNTS, *NOT_JSON_NUMBERS], ids=lambda text: text[:24])
def test_an_amount_that_cannot_be_kept_exactly_is_refused(
    sequence: httpx.Client, customer: str, amount: str
) -> None:
    """No number, none above 0, one with an exponent out of bounds, one past the scale or 64 bits."""
    answer = sequence.post("/credits", content=written(credit_body(customer, amount=amount)))
    message = refusal(answer, 400, "ValidationError")
    assert "amount" in message or amount in NOT_JSON_NUMBERS
    assert sequence.get(f"/credits/{customer}/grants").content == b'{"items":[]}'


@pytest.mark.parametrize(
    "cost", ['"9"', "true", "-1", "1e999", "0.0000000001", "99999999999999999999", "NaN"]
)
def test_a_cost_that_cannot_be_kept_exactly_is_refused(
    sequence: httpx.Client, customer: str, cost: str
) -> None:
    answer = sequence.post("/credits", content=written(credit_body(customer, costOfCredit=cost)))
    message = refusal(answer, 400, "ValidationError")
    assert "costOfCredit" in message or cost == "NaN"
    assert sequence.get(f"/credits/{customer}/grants").content == b'{"items":[]}'


CHANGES: list[tuple[dict[str, Any], tuple[str, ...]]] = [
    ({"customerId": 7}, ("customerId", "a string")),
    ({"customerId": None}, ("customerId", "a string")),
    ({"customerId": ""}, ("customerId", "characters")),
    ({"customerId": "x" * 256}, ("customerId", "255")),
    ({"customerId": "a\nb"}, ("customerId", "printable")),
    ({"name": ["x"]}, ("name", "a string")),
    ({"name": ""}, ("name", "characters")),
    ({"name": "x" * 501}, ("name", "500")),
    ({"name": "a\u0007b"}, ("name", "control")),
    ({"creditUnitType": "CASH"}, ("creditUnitType", "CURRENCY, METRIC")),
    ({"creditUnitType": 1}, ("creditUnitType",)),
    ({"currency": 840}, ("currency", "a string")),
    ({"metricId": {}}, ("metricId", "a string")),
    ({"effectiveDate": "2031-02-30"}, ("effectiveDate", "calendar date")),
    ({"effectiveDate": 20310101}, ("effectiveDate", "a string")),
    ({"effectiveDate": "2031-01-01T00:00:00Z"}, ("effectiveDate", "calendar date")),
    ({"expiryDate": "31/12/2031"}, ("expiryDate", "2026-01-31")),
    ({"expiryDate": "99999-01-01"}, ("expiryDate", "9999-12-31")),
    ({"createInvoice": "false"}, ("createInvoice", "true or false")),
    ({"taxRateId": ""}, ("taxRateId", "characters")),
    ({"sequenceAccountId": 1}, ("sequenceAccountId", "a string")),
    ({"balance": 5}, ("balance", "leave it out")),
    ({"Amount": 5}, ("Amount", "leave it out")),
    ({"id": "01920000-0000-7000-8000-000000000000"}, ("id", "leave it out")),
]


@pytest.mark.parametrize(("change", "parts"), CHANGES)
def test_a_field_that_breaks_its_rule_is_refused_by_name(
    sequence: httpx.Client, customer: str, change: dict[str, Any], parts: tuple[str, ...]
) -> None:
    answer = sequence.post("/credits", content=written(credit_body(customer, **change)))
    refusal(answer, 400, "ValidationError", *parts)
    assert sequence.get(f"/credits/{customer}/grants").content == b'{"items":[]}'


@pytest.mark.parametrize("field", ["customerId", "name", "creditUnitType", "currency", "amount"])
def test_what_the_vendor_requires_is_required(
    sequence: httpx.Client, customer: str, field: str
) -> None:
    body = {name: value for name, value in credit_body(customer).items() if name != field}
    answer = sequence.post("/credits", content=written(body))
    refusal(answer, 400, "ValidationError", field, "required")


@pytest.mark.parametrize("path", ["/customers", "/credits"])
def test_a_body_beyond_the_limit_is_refused(sequence: httpx.Client, path: str) -> None:
    """Announced or not: without a content-length, too."""
    large = b'{"name": "' + b"x" * (4 << 20) + b'"}'
    refusal(sequence.post(path, content=large), 413, "PayloadTooLarge", "bytes")
    pieces = (large[start : start + 65536] for start in range(0, len(large), 65536))
    refusal(sequence.post(path, content=pieces), 413, "PayloadTooLarge", "bytes")
