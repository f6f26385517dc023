"""Whatever is sent, the native API answers with problem details that name field and rule; never a 5xx.

Every case is sent to a customer with credit, and must leave the balance as it was.
"""

from __future__ import annotations

import socket
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

from tests.conftest import StartServer
from tests.dialects.native.support import (
    Json,
    balance,
    created,
    customer_with,
    debit_body,
    grant,
    hold,
    hold_body,
    new_customer,
    problem,
)
from tests.support.server import Tenant


@pytest.fixture
def ada(native: httpx.Client) -> str:
    return customer_with(native, [("20", "paid")])


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"{",
        b"[1,2",
        b'{"customer":"ada",}',
        b"{'customer':'ada'}",
        b'{"amount":NaN}',
        b'{"amount":Infinity}',
        b'{"amount":01}',
        b'{"customer":"\xff\xfe"}',
        b'{"customer":"\\ud800"}',
        b'{"a":' * 100_000,
        b"customer=ada&amount=1",
        b"\x00",
    ],
)
@pytest.mark.parametrize(
    "path", ["/customers", "/grants", "/debits", "/debits/batch", "/holds", "/spends"]
)
def test_what_is_no_json_is_malformed(native: httpx.Client, path: str, raw: bytes) -> None:
    problem(native.post(path, content=raw), 400, "malformed")


@pytest.mark.parametrize("raw", [b"[]", b"null", b'"x"', b"1", b"1e999"])
def test_a_body_is_an_object(native: httpx.Client, raw: bytes) -> None:
    response = native.post("/debits", content=raw)
    assert response.status_code in {400, 422}
    assert "must be" in response.json()["detail"]


AMOUNTS: list[tuple[Any, str]] = [
    (1, "field_invalid"),
    (1.5, "field_invalid"),
    (None, "field_invalid"),
    (True, "field_invalid"),
    (["1"], "field_invalid"),
    ("", "field_invalid"),
    ("one", "field_invalid"),
    ("1e3", "field_invalid"),
    ("1E3", "field_invalid"),
    ("NaN", "field_invalid"),
    ("Infinity", "field_invalid"),
    ("-1", "field_invalid"),
    ("+1", "field_invalid"),
    (" 1", "field_invalid"),
    ("1,000", "field_invalid"),
    ("1_000", "field_invalid"),
    ("1.", "field_invalid"),
    (".1", "field_invalid"),
    ("0x10", "field_invalid"),
    ("٣", "field_invalid"),
    ("1" * 20, "field_invalid"),
    ("0.0000000000001", "field_invalid"),
    ("0", "amount_not_positive"),
    ("0.000", "amount_not_positive"),
    ("0.0000000001", "amount_too_fine"),
    ("9223372036.854775808", "amount_too_large"),
    ("9999999999999999999", "amount_too_large"),
]


@pytest.mark.parametrize(("amount", "code"), AMOUNTS)
def test_an_amount_is_a_positive_decimal_string_within_scale_and_range(
    native: httpx.Client, ada: str, amount: Any, code: str
) -> None:
    for path, body in (
        ("/debits", debit_body(ada, "1")),
        ("/grants", {"customer": ada, "entitlement": "usd"}),
    ):
        refused = problem(native.post(path, json=body | {"amount": amount}), 422, code)
        assert refused["field"] == "amount"
    assert balance(native, ada)["seq"] == 1


def test_the_largest_amount_is_held_and_no_more(native: httpx.Client) -> None:
    """64 bits at scale 9; the refusal names the maximum."""
    customer = new_customer(native)
    grant(native, customer, "9223372036.854775807")
    body = {"customer": customer, "entitlement": "usd", "amount": "0.000000001"}
    refused = problem(native.post("/grants", json=body), 422, "amount_too_large")
    assert refused["maximum"] == "9223372036.854775807"
    assert balance(native, customer)["posted"] == "9223372036.854775807"


DEBITS: list[tuple[Json, str, str]] = [
    ({"customer": 1}, "customer", "field_invalid"),
    ({"customer": ""}, "customer", "field_invalid"),
    ({"customer": "x" * 256}, "customer", "field_invalid"),
    ({"customer": "a\u0000b"}, "customer", "field_invalid"),
    ({"entitlement": None}, "entitlement", "field_invalid"),
    ({"idempotency_key": ""}, "idempotency_key", "field_invalid"),
    ({"idempotency_key": "x" * 256}, "idempotency_key", "field_invalid"),
    ({"idempotency_key": "a\nb"}, "idempotency_key", "field_invalid"),
    ({"idempotency_key": 7}, "idempotency_key", "field_invalid"),
    ({"occurred_at": "2026-01-01T00:00:00"}, "occurred_at", "field_invalid"),
    ({"occurred_at": "2026-01-01"}, "occurred_at", "field_invalid"),
    ({"occurred_at": 1767225600}, "occurred_at", "field_invalid"),
    ({"occurred_at": "1969-12-31T23:59:59Z"}, "occurred_at", "field_invalid"),
    ({"occurred_at": "10000-01-01T00:00:00Z"}, "occurred_at", "field_invalid"),
    ({"attributes": []}, "attributes", "field_invalid"),
    ({"attributes": {"a": 1}}, "attributes", "field_invalid"),
    ({"attributes": {"k" * 41: "x"}}, "attributes", "field_invalid"),
    ({"attributes": {str(n): "x" for n in range(51)}}, "attributes", "field_invalid"),
    ({"metadata": {"a": {"b": "c"}}}, "metadata", "field_invalid"),
    ({"metadata": {"a": None}}, "metadata", "field_invalid"),
    ({"metadata": {"a": "x" * 501}}, "metadata.a", "field_invalid"),
    ({"metadata": {"a": "\u0000"}}, "metadata.a", "field_invalid"),
    ({"metadata": {"a": 2**63}}, "metadata.a", "field_invalid"),
    ({"price": "1"}, "price", "field_unknown"),
    ({"Amount": "1"}, "Amount", "field_unknown"),
]


@pytest.mark.parametrize(("change", "field", "code"), DEBITS)
def test_a_debit_that_breaks_a_rule_is_told_which(
    native: httpx.Client, ada: str, change: Json, field: str, code: str
) -> None:
    refused = problem(native.post("/debits", json=debit_body(ada, "1") | change), 422, code)
    assert refused["field"] == field
    assert refused["rule"] in refused["detail"] or code == "field_unknown"
    assert balance(native, ada)["seq"] == 1


@pytest.mark.parametrize("name", ["customer", "entitlement", "amount", "idempotency_key"])
def test_what_a_debit_needs_is_named_when_it_is_missing(
    native: httpx.Client, ada: str, name: str
) -> None:
    body = debit_body(ada, "1")
    del body[name]
    assert problem(native.post("/debits", json=body), 422, "field_missing")["field"] == name


GRANTS: list[tuple[Json, str, str]] = [
    ({"priority": -1}, "priority", "field_invalid"),
    ({"priority": 101}, "priority", "field_invalid"),
    ({"priority": "1"}, "priority", "field_invalid"),
    ({"priority": 1.0}, "priority", "field_invalid"),
    ({"category": "free"}, "category", "field_invalid"),
    ({"category": 1}, "category", "field_invalid"),
    ({"effective_at": "tomorrow"}, "effective_at", "field_invalid"),
    ({"expires_at": "2020-01-01T00:00:00"}, "expires_at", "field_invalid"),
    ({"expires_at": "2020-01-01T00:00:00Z"}, "expires_at", "expiry_not_in_future"),
    (
        {"effective_at": "2090-01-02T00:00:00Z", "expires_at": "2090-01-01T00:00:00Z"},
        "expires_at",
        "expiry_before_effective",
    ),
    ({"cost_basis": "5"}, "cost_basis", "field_invalid"),
    ({"cost_basis": {"amount": "5"}}, "cost_basis.currency", "field_missing"),
    (
        {"cost_basis": {"amount": 5, "currency": "usd"}},
        "cost_basis.amount",
        "field_invalid",
    ),
    (
        {"category": "promotional", "cost_basis": {"amount": "5", "currency": "usd"}},
        "cost_basis.amount",
        "field_invalid",
    ),
    (
        {"cost_basis": {"amount": "5", "currency": "xyz"}},
        "cost_basis.currency",
        "field_invalid",
    ),
    ({"name": ""}, "name", "field_invalid"),
    ({"name": "a\u0007"}, "name", "field_invalid"),
    ({"metadata": {"": "x"}}, "metadata", "field_invalid"),
    ({"unit": "usd"}, "unit", "field_unknown"),
]


@pytest.mark.parametrize(("change", "field", "code"), GRANTS)
def test_a_grant_that_breaks_a_rule_is_told_which(
    native: httpx.Client, ada: str, change: Json, field: str, code: str
) -> None:
    body = {"customer": ada, "entitlement": "usd", "amount": "1"}
    refused = problem(native.post("/grants", json=body | change), 422, code)
    assert refused["field"] == field
    assert balance(native, ada)["seq"] == 1


@pytest.mark.parametrize(
    ("path", "body", "field", "status"),
    [
        ("/customers", {"id": "a b"}, "id", 422),
        ("/customers", {"id": ""}, "id", 422),
        ("/customers", {"id": "x" * 65}, "id", 422),
        ("/customers", {"id": "0351FHoYKH7jQmOSMytF8b"}, "id", 422),
        ("/customers", {"id": 5}, "id", 422),
        ("/customers", {"name": ""}, "name", 422),
        ("/customers", {"email": "x" * 321}, "email", 422),
        ("/entitlements", {"code": "a b", "unit": "u", "scale": 0}, "code", 422),
        ("/entitlements", {"code": "a", "unit": "", "scale": 0}, "unit", 422),
        ("/entitlements", {"code": "a", "unit": "u", "scale": 11}, "scale", 422),
        ("/entitlements", {"code": "a", "unit": "u", "scale": -1}, "scale", 422),
        ("/entitlements", {"code": "a", "unit": "u", "scale": "2"}, "scale", 422),
        ("/entitlements", {"code": "a", "unit": "u"}, "scale", 422),
        ("/entitlements", {"code": "usd", "unit": "u", "scale": 0}, "code", 409),
        (
            "/entitlements",
            {"code": "a", "unit": "u", "scale": 0, "burn_order": "newest"},
            "burn_order",
            422,
        ),
        (
            "/entitlements",
            {"code": "a", "unit": "u", "scale": 0, "expires_after_days": 0},
            "expires_after_days",
            422,
        ),
        ("/keys", {"role": "owner"}, "role", 422),
        ("/keys", {"role": "viewer", "mode": "production"}, "mode", 422),
        ("/keys", {"role": "viewer", "name": "a\nb"}, "name", 422),
        ("/keys", {"role": "viewer", "idempotency_key": "x"}, "idempotency_key", 422),
        ("/debits/batch", {"debits": {}}, "debits", 422),
        ("/debits/batch", {}, "debits", 422),
    ],
)
def test_what_else_breaks_a_rule_is_told_which(
    tenant: Tenant, path: str, body: Json, field: str, status: int
) -> None:
    with tenant.client(tenant.test.admin) as client:
        response = client.post(path, json=body)
    assert response.status_code == status, response.text
    assert response.json()["field"] == field


@pytest.mark.parametrize(
    ("path", "field"),
    [
        ("/grants?limit=0", "limit"),
        ("/grants?limit=101", "limit"),
        ("/grants?limit=ten", "limit"),
        ("/grants?limit=1&limit=2", "limit"),
        ("/grants?after=nonsense", "after"),
        ("/grants?state=gone", "state"),
        ("/holds?limit=101", "limit"),
        ("/holds?after=nonsense", "after"),
        ("/holds?state=active", "state"),
        ("/holds?colour=red", "colour"),
        ("/holds?entitlement=", "entitlement"),
        ("/grants?colour=red", "colour"),
        ("/grants?customer=", "customer"),
        ("/customers?after=cus_1", "after"),
        ("/entries", "customer"),
    ],
)
def test_a_query_that_breaks_a_rule_is_told_which(
    native: httpx.Client, path: str, field: str
) -> None:
    response = native.get(path)
    assert response.status_code == 422, response.text
    assert response.json()["field"] == field


@pytest.mark.parametrize("after", ["x", "-1", "1.5", "\u0663", "9" * 20, "A" * 53, "=", "\0"])
def test_a_place_that_no_list_of_entries_gave_is_refused(native: httpx.Client, after: str) -> None:
    """The place is the store's own text; nothing else is one."""
    assert native.post("/customers", json={"id": "ada"}).status_code == 201
    response = native.get("/entries", params={"customer": "ada", "after": after})
    assert response.status_code == 422, response.text
    assert response.json()["field"] == "after"


def test_a_query_that_is_no_utf8_is_malformed(native: httpx.Client) -> None:
    problem(native.get("/grants?customer=%FF"), 400, "malformed")


HOLDS: list[tuple[Json, str, str]] = [
    ({"expires_in": 0}, "expires_in", "field_invalid"),
    ({"expires_in": -60}, "expires_in", "field_invalid"),
    ({"expires_in": 86_401}, "expires_in", "field_invalid"),
    ({"expires_in": 2**63}, "expires_in", "field_invalid"),
    ({"expires_in": 1.5}, "expires_in", "field_invalid"),
    ({"expires_in": "60"}, "expires_in", "field_invalid"),
    ({"expires_in": True}, "expires_in", "field_invalid"),
    ({"expires_in": 60, "expires_at": "2090-01-01T00:00:00Z"}, "expires_in", "field_invalid"),
    ({"expires_at": None}, "expires_at", "field_invalid"),
    ({"expires_at": 60}, "expires_at", "field_invalid"),
    ({"expires_at": "2090-01-01T00:00:00"}, "expires_at", "field_invalid"),
    ({"expires_at": "2090-01-01T00:00:00Z"}, "expires_at", "field_invalid"),
    ({"expires_at": "2020-01-01T00:00:00Z"}, "expires_at", "expiry_not_in_future"),
    ({"amount": "0"}, "amount", "amount_not_positive"),
    ({"amount": "0.0000000001"}, "amount", "amount_too_fine"),
    ({"amount": "9223372036.854775808"}, "amount", "amount_too_large"),
    ({"amount": 1}, "amount", "field_invalid"),
    ({"customer": ""}, "customer", "field_invalid"),
    ({"entitlement": None}, "entitlement", "field_invalid"),
    ({"attributes": {"a": 1}}, "attributes", "field_invalid"),
    ({"attributes": {"a": "x" * 501}}, "attributes.a", "field_invalid"),
    ({"attributes": {str(n): "x" for n in range(51)}}, "attributes", "field_invalid"),
    ({"metadata": {"a": None}}, "metadata", "field_invalid"),
    ({"idempotency_key": ""}, "idempotency_key", "field_invalid"),
    ({"occurred_at": "2026-01-01T00:00:00Z"}, "occurred_at", "field_unknown"),
]


@pytest.mark.parametrize(("change", "field", "code"), HOLDS)
def test_a_hold_that_breaks_a_rule_is_told_which(
    native: httpx.Client, ada: str, change: Json, field: str, code: str
) -> None:
    refused = problem(native.post("/holds", json=hold_body(ada, "1") | change), 422, code)
    assert refused["field"] == field
    assert balance(native, ada)["seq"] == 1


CAPTURES: list[tuple[Json, str, str]] = [
    ({"amount": "0"}, "amount", "amount_not_positive"),
    ({"amount": "-1"}, "amount", "field_invalid"),
    ({"amount": "0.0000000001"}, "amount", "amount_too_fine"),
    ({"amount": "9223372036.854775808"}, "amount", "amount_too_large"),
    ({"final": "yes"}, "final", "field_invalid"),
    ({"final": None}, "final", "field_invalid"),
    ({"over_capture": "allow"}, "over_capture", "field_invalid"),
    ({"idempotency_key": "a\nb"}, "idempotency_key", "field_invalid"),
    ({"attributes": {}}, "attributes", "field_unknown"),
]


@pytest.mark.parametrize(("change", "field", "code"), CAPTURES)
def test_a_capture_that_breaks_a_rule_is_told_which(
    native: httpx.Client, ada: str, change: Json, field: str, code: str
) -> None:
    made = hold(native, ada, "5")
    body = {"amount": "1", "idempotency_key": "k"} | change
    refused = problem(native.post(f"/holds/{made['id']}/capture", json=body), 422, code)
    assert refused["field"] == field
    assert balance(native, ada)["held"] == "5"


@pytest.mark.parametrize(
    ("path", "body", "name"),
    [
        ("/holds", {}, "customer"),
        ("/holds", {}, "entitlement"),
        ("/holds", {}, "amount"),
        ("/holds", {}, "idempotency_key"),
        ("/holds/{}/capture", {"amount": "1", "idempotency_key": "k"}, "amount"),
        ("/holds/{}/capture", {"amount": "1", "idempotency_key": "k"}, "idempotency_key"),
    ],
)
def test_what_a_hold_or_capture_needs_is_named_when_it_is_missing(
    native: httpx.Client, ada: str, path: str, body: Json, name: str
) -> None:
    made = hold(native, ada, "5")
    sent = dict(body or hold_body(ada, "1"))
    del sent[name]
    refused = native.post(path.format(made["id"]), json=sent)
    assert problem(refused, 422, "field_missing")["field"] == name


NOWHERE = "0351FHoYKH7jQmOSMytF8b"


@pytest.mark.parametrize(
    ("method", "path", "code"),
    [
        ("GET", "/customers/nobody", "customer_not_found"),
        ("GET", f"/customers/cus_{NOWHERE}", "customer_not_found"),
        ("GET", "/customers/a%00b", "customer_not_found"),
        ("GET", "/entitlements/nothing", "entitlement_not_found"),
        ("GET", "/entitlements/USD", "entitlement_not_found"),
        ("GET", f"/grants/grant_{NOWHERE}", "grant_not_found"),
        ("GET", "/grants/7", "grant_not_found"),
        ("POST", f"/grants/grant_{NOWHERE}/expire", "grant_not_found"),
        ("POST", "/grants/x%2Fy/void", "grant_not_found"),
        ("GET", f"/holds/hold_{NOWHERE}", "hold_not_found"),
        ("GET", "/holds/x", "hold_not_found"),
        ("POST", f"/holds/hold_{NOWHERE}/release", "hold_not_found"),
        ("POST", "/holds/x/release", "hold_not_found"),
        ("GET", "/holds?customer=nobody", "customer_not_found"),
        ("GET", "/holds?entitlement=nothing", "entitlement_not_found"),
        ("GET", f"/spends/deb_{NOWHERE}", "debit_not_found"),
        ("GET", f"/debits/deb_{NOWHERE}", "debit_not_found"),
        ("GET", "/debits/x", "debit_not_found"),
        ("GET", "/balances/nobody/usd", "customer_not_found"),
        ("GET", "/entries?customer=nobody", "customer_not_found"),
        ("GET", "/grants?customer=nobody", "customer_not_found"),
        ("GET", "/grants?entitlement=nothing", "entitlement_not_found"),
        ("GET", "/nothing", "unknown_url"),
        ("GET", "/debits/x/y/z", "unknown_url"),
        ("GET", "/customers/%FF", "unknown_url"),
    ],
)
def test_what_is_not_there_is_not_found(
    native: httpx.Client, method: str, path: str, code: str
) -> None:
    problem(native.request(method, path), 404, code)


def test_a_debit_of_a_currency_that_is_none_is_not_found(native: httpx.Client, ada: str) -> None:
    for entitlement in ("xyz", "USD", "ent_" + NOWHERE):
        body = debit_body(ada, "1", entitlement=entitlement)
        problem(native.post("/debits", json=body), 404, "entitlement_not_found")


def test_reversing_what_is_no_debit_is_not_found(native: httpx.Client, ada: str) -> None:
    made = grant(native, ada, "1")
    for name in (f"deb_{NOWHERE}", "x", made["id"]):
        response = native.post(f"/debits/{name}/reverse", json={"idempotency_key": "k"})
        problem(response, 404, "debit_not_found")


def test_another_books_objects_are_not_there(
    tenant: Tenant, native: httpx.Client, ada: str
) -> None:
    """Neither for the same account's other mode, nor for another account."""
    made = created(native.post("/debits", json=debit_body(ada, "1")))
    granted = made["draws"][0]["grant"]
    with tenant.client(tenant.live.admin) as live:
        problem(live.get(f"/customers/{ada}"), 404, "customer_not_found")
        problem(live.get(f"/grants/{granted}"), 404, "grant_not_found")
        problem(live.get(f"/debits/{made['id']}"), 404, "debit_not_found")
        problem(live.get(f"/balances/{ada}/usd"), 404, "customer_not_found")
        problem(live.post(f"/grants/{granted}/expire"), 404, "grant_not_found")
        problem(live.post(f"/grants/{granted}/void"), 404, "grant_not_found")
        reverse = live.post(f"/debits/{made['id']}/reverse", json={"idempotency_key": "k"})
        problem(reverse, 404, "debit_not_found")
        problem(live.post("/debits", json=debit_body(ada, "1")), 404, "customer_not_found")
        assert live.get("/grants").json()["data"] == []
        assert live.get("/customers").json()["data"] == []
    assert balance(native, ada)["used"] == "1"


def test_a_wrong_method_is_told_the_right_one(native: httpx.Client) -> None:
    response = native.delete("/debits")
    assert problem(response, 405, "method_not_allowed")["allowed"] == ["POST"]
    assert response.headers["allow"] == "POST"


def test_a_body_over_the_limit_is_refused_before_it_is_whole(serve: StartServer) -> None:
    """Announced or chunked; the connection is closed, so that the rest is never read."""
    server = serve(body_bytes_max="2000")
    tenant = server.tenant()
    secret = tenant.test.editor.secret
    with tenant.client() as client:
        fits = {"debits": [], "x": "y" * 1000}
        problem(client.post("/debits/batch", json=fits), 422, "field_unknown")
        refused = client.post("/debits/batch", json={"debits": ["x" * 2000]})
        assert problem(refused, 413, "body_too_large")["maximum"] == 2000
    head = f"POST /api/v1/debits HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {secret}\r\n"
    for framing, sent in (
        ("content-length: 1000000000", b""),
        ("transfer-encoding: chunked", b"7d0\r\n" + b"x" * 2000 + b"\r\n1\r\nx\r\n"),
    ):
        answer = raw_exchange(server.url, f"{head}{framing}\r\n\r\n".encode() + sent)
        assert answer.startswith(b"HTTP/1.1 413 "), answer
        assert b"connection: close" in answer


def test_bodies_that_were_refused_do_not_pile_up(serve: StartServer) -> None:
    """Sixty of 3 MB each, half of them batches with a bad element, leave the memory as it was."""
    server = serve()
    tenant = server.tenant()
    bad = b'{"colour":"' + b"x" * 3_000_000 + b'"}'
    with tenant.client() as client:

        def refuse(times: int) -> None:
            for _ in range(times):
                problem(client.post("/debits", content=bad), 422, "field_unknown")
                [result] = client.post(
                    "/debits/batch", content=b'{"debits":[' + bad + b"]}"
                ).json()["results"]
                assert result["error"]["code"] == "field_unknown"

        refuse(5)
        before = resident_bytes(server.url)
        refuse(30)
    assert resident_bytes(server.url) - before < 30_000_000


def resident_bytes(url: str) -> float:
    metrics = httpx.get(url + "/metrics", verify=False).text
    [line] = [line for line in metrics.splitlines() if line.startswith("process_resident_memory")]
    return float(line.split()[1])


def raw_exchange(url: str, sent: bytes) -> bytes:
    """Send bytes and read until the server closes the connection."""
    parts = urlsplit(url)
    assert parts.hostname
    with socket.create_connection((parts.hostname, parts.port or 80), timeout=60) as connection:
        connection.sendall(sent)
        received = b""
        while part := connection.recv(65536):
            received += part
    return received


def test_a_currency_in_capitals_is_told_how_currencies_are_written(native: httpx.Client) -> None:
    """Codes are compared as they are, so that somebody may have an entitlement called USD."""
    told = problem(native.get("/entitlements/USD"), 404, "entitlement_not_found")
    assert told["detail"].endswith("Currencies are lower case: usd.")
    told = problem(native.get("/entitlements/TOKENS"), 404, "entitlement_not_found")
    assert "lower case" not in told["detail"]
