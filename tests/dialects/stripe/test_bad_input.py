"""Whatever is sent, the answer is a refusal in Stripe's shape, and nothing was done."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from urllib.parse import urlsplit

import httpx
import pytest
import stripe

from tests.dialects.stripe.conftest import MakeGrant
from tests.support.server import Server, Tenant

GRANTS = "/v1/billing/credit_grants"
FORM = "application/x-www-form-urlencoded"
TYPES = {"invalid_request_error", "idempotency_error", "api_error"}
#: A good form without its customer; what is wrong is put in the place of one of its parts.
GOOD = {
    "amount[type]": "monetary",
    "amount[monetary][currency]": "usd",
    "amount[monetary][value]": "1000",
    "applicability_config[scope][price_type]": "metered",
}


def good(customer: str, without: str = "") -> bytes:
    parts = {"customer": customer} | GOOD
    return "&".join(f"{name}={value}" for name, value in parts.items() if name != without).encode()


def check_refused(answer: httpx.Response, *statuses: int) -> dict[str, str]:
    assert answer.status_code in (statuses or (400,)), answer.text
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["request-id"].startswith("req_")
    assert answer.json().keys() == {"error"}
    error = answer.json()["error"]
    assert error["type"] in TYPES
    assert error["message"]
    assert error.keys() <= {"type", "message", "code", "param", "doc_url"}
    assert isinstance(error, dict)
    return error


@pytest.fixture
def unmoved(raw: httpx.Client, customer: stripe.Customer) -> Iterator[None]:
    """Nothing of what the test sent has left a trace."""
    yield
    assert raw.get(GRANTS).json()["data"] == []
    with httpx.Client(base_url=raw.base_url.join("/api/v1"), headers=raw.headers) as native:
        assert len(native.get("/customers").json()["data"]) == 1


VALUE, CURRENCY = "amount[monetary][value]", "amount[monetary][currency]"
SCOPE = "applicability_config[scope]"
WRONG_VALUES: list[tuple[str, str, str | None]] = [
    *(
        (VALUE, value, "parameter_invalid_integer")
        for value in (
            "10.5", "1e3", "NaN", "Infinity", "-Infinity", "0x10", "1_000", "%EF%BC%91%EF%BC%90",
            "9" * 20, "9" * 5000, "ten", "+5", "%2B5", "5+", "1%2C000", "true", "null",
        )
    ),
    (VALUE, "9223372036854775807", "amount_too_large"),
    (VALUE, "-1", "amount_too_small"),
    (VALUE, "-0", "amount_too_small"),
    (VALUE, "", "parameter_invalid_empty"),
    (CURRENCY, "", "parameter_invalid_empty"),
    (CURRENCY, "dollars", None),
    (CURRENCY, "us", None),
    (CURRENCY, "%00", None),
    ("customer", "", "parameter_invalid_empty"),
    ("amount[type]", "Monetary", None),
    (SCOPE + "[price_type]", "", "parameter_invalid_empty"),
]  # fmt: skip


@pytest.mark.usefixtures("unmoved")
@pytest.mark.parametrize(("name", "value", "code"), WRONG_VALUES)
def test_a_required_value_that_is_none(
    raw: httpx.Client, customer: stripe.Customer, name: str, value: str, code: str | None
) -> None:
    body = good(customer.id, without=name) + f"&{name}={value}".encode()
    answer = raw.post(GRANTS, content=body, headers={"content-type": FORM})
    error = check_refused(answer)
    assert (error["param"], error.get("code")) == (name, code)


@pytest.mark.usefixtures("unmoved")
@pytest.mark.parametrize("name", ["customer", *GOOD])
def test_a_required_parameter_that_is_missing(
    raw: httpx.Client, customer: stripe.Customer, name: str
) -> None:
    body = good(customer.id, without=name)
    error = check_refused(raw.post(GRANTS, content=body, headers={"content-type": FORM}))
    missing = "applicability_config" if name.startswith("applicability") else name
    assert (error["param"], error["code"]) == (missing, "parameter_missing")
    assert error["message"] == f"Missing required param: {missing}."


ADDED: list[tuple[str, str, str | None]] = [
    # the wrong shape
    ("amount=1000", "amount", None),
    ("amount[]=1000", "amount", None),
    ("customer[id]=cus_1", "customer", None),
    ("customer[]=cus_1", "customer", None),
    ("category[]=paid", "category", None),
    ("name[first]=Jenny", "name", None),
    ("priority[]=1", "priority", None),
    ("metadata=yes", "metadata", None),
    ("metadata[]=yes", "metadata", None),
    ("metadata[a][b]=yes", "metadata[a]", None),
    ("metadata[a][]=yes", "metadata[a]", None),
    ("expand=customer", "expand", None),
    ("expand[a]=customer", "expand", None),
    ("expand[0][0]=customer", "expand[0]", None),
    (SCOPE + "[prices]=price_1", SCOPE + "[prices]", None),
    (SCOPE + "[prices][]=price_1", SCOPE + "[prices][0]", None),
    (SCOPE + "[prices][0][name]=x", SCOPE + "[prices][0][name]", "parameter_unknown"),
    # numbers and times that are none
    ("priority=5.0", "priority", "parameter_invalid_integer"),
    ("priority=", "priority", "parameter_invalid_empty"),
    ("effective_at=", "effective_at", "parameter_invalid_empty"),
    ("effective_at=2030-01-01T00:00:00Z", "effective_at", "parameter_invalid_integer"),
    ("effective_at=1893456000.5", "effective_at", "parameter_invalid_integer"),
    ("expires_at=never", "expires_at", "parameter_invalid_integer"),
    ("expires_at=-1", "expires_at", "parameter_invalid_integer"),
    ("expires_at=1893456000000", "expires_at", "parameter_invalid_integer"),
    ("expires_at=99999999999999999999", "expires_at", "parameter_invalid_integer"),
    ("expires_at=0", "expires_at", None),
    # text that is none
    ("name=%00", "name", None),
    ("name=a%1Bb", "name", None),
    ("metadata[%07]=x", "metadata[\x07]", None),
    ("customer=" + "x" * 5001, "customer", None),
    # unknown names
    ("colour=red", "colour", "parameter_unknown"),
    ("amount[monetary][cents]=5", "amount[monetary][cents]", "parameter_unknown"),
    ("amount[custom_pricing_unit][value]=5", "amount[custom_pricing_unit]", "parameter_unknown"),
    ("=nameless", "", None),
    ("[]=x", "[]", None),
    ("a[b=x", "a[b", None),
    ("a]b=x", "a]b", None),
    ("a[b]c=x", "a[b]c", None),
]  # fmt: skip


@pytest.mark.usefixtures("unmoved")
@pytest.mark.parametrize(("added", "param", "code"), ADDED)
def test_a_parameter_that_does_not_fit(
    raw: httpx.Client, customer: stripe.Customer, added: str, param: str, code: str | None
) -> None:
    replaced = added.partition("=")[0].partition("[")[0]
    without = replaced if replaced == "customer" else ""
    body = good(customer.id, without) + b"&" + added.encode()
    if replaced == "amount" and "monetary" not in added and "custom" not in added:
        body = f"customer={customer.id}&{SCOPE}[price_type]=metered&{added}".encode()
    if "prices" in added:
        body = good(customer.id, SCOPE + "[price_type]") + b"&" + added.encode()
    error = check_refused(raw.post(GRANTS, content=body, headers={"content-type": FORM}))
    if param:
        assert (error["param"], error.get("code")) == (param, code)


BODIES: list[tuple[str, bytes, int]] = [
    ("a nesting of nine", b"a" + b"[b]" * 8 + b"=1", 400),
    ("a nesting of ten thousand", b"a" + b"[b]" * 10_000 + b"=1", 400),
    ("lists in lists", b"a" + b"[]" * 5_000 + b"=1", 400),
    ("one name as a value and as an object", b"amount=1&amount[type]=monetary", 400),
    ("one name as an object and as a value", b"amount[type]=monetary&amount=1", 400),
    ("one name as an object and as a list", b"metadata[a]=1&metadata[]=2", 400),
    ("bytes that are no text", b"name=\xff\xfe", 400),
    ("escapes that are no text", b"name=%ff%fe", 400),
    ("half a surrogate pair", b"name=%ed%a0%80", 400),
    ("a name that is no text", b"%ff=1", 400),
    ("too many parameters", b"&".join(b"a%d=1" % number for number in range(1_001)), 400),
    ("a thousand unknown parameters", b"&".join(b"a%d=1" % number for number in range(1_000)), 400),
    ("JSON", json.dumps({"customer": "cus_1"}).encode(), 400),
    ("nothing but separators", b"&" * 100_000, 400),
    ("a body beyond the limit", b"name=" + b"x" * (4 * 1024 * 1024), 413),
]


@pytest.mark.usefixtures("unmoved")
@pytest.mark.parametrize(("body", "status"), [pytest.param(b, s, id=n) for n, b, s in BODIES])
def test_a_body_that_is_no_form(raw: httpx.Client, body: bytes, status: int) -> None:
    for path in (GRANTS, "/v1/customers"):
        if path == "/v1/customers" and not body.strip(b"&"):
            continue  # an empty form makes a customer
        answer = raw.post(path, content=body, headers={"content-type": FORM})
        check_refused(answer, status)


@pytest.mark.usefixtures("unmoved")
@pytest.mark.parametrize(
    "content_type", ["application/json", "multipart/form-data", "text/plain", ""]
)
def test_a_body_of_another_type(
    raw: httpx.Client, customer: stripe.Customer, content_type: str
) -> None:
    answer = raw.post(GRANTS, content=good(customer.id), headers={"content-type": content_type})
    assert (
        check_refused(answer)["message"] == f"The Content-Type must be {FORM}, not {content_type}."
    )


def test_an_empty_body_may_say_any_type(raw: httpx.Client, make_grant: MakeGrant) -> None:
    """SDKs void and expire with an empty body, whatever type they give it."""
    path = f"{GRANTS}/{make_grant().id}/void"
    assert raw.post(path, headers={"content-type": "application/json"}).status_code == 200


@pytest.mark.parametrize("name", ["{}", "{}[", "amount[{}]", "metadata[{}]", "metadata[{}][b]"])
def test_what_was_sent_is_repeated_only_as_far_as_a_person_would_read_it(
    raw: httpx.Client, customer: stripe.Customer, name: str
) -> None:
    body = good(customer.id) + f"&{name.format('x' * 50_000)}=1".encode()
    answer = raw.post(GRANTS, content=body, headers={"content-type": FORM})
    check_refused(answer)
    assert len(answer.content) < 2_000


def test_a_long_address_is_repeated_in_part(raw: httpx.Client) -> None:
    answer = raw.get("/v1/" + "x" * 20_000)
    check_refused(answer, 404)
    assert len(answer.content) < 2_000


@pytest.mark.parametrize(
    "path",
    [
        f"{GRANTS}/%ff",
        f"{GRANTS}/%00",
        f"{GRANTS}/%0d%0aset-cookie:%20a=b",
        f"{GRANTS}/..%2f..%2fetc",
        f"{GRANTS}/{'x' * 5_000}",
        f"{GRANTS}/credgr_test_%F0%9F%92%B0",
        f"/v1/customers/{'0' * 22}",
        f"/v1/customers/{'z' * 22}",
        "/v1/customers/%00",
        "/v1/customers/' OR 1=1 --",
    ],
)
def test_an_address_of_nothing(raw: httpx.Client, path: str) -> None:
    check_refused(raw.get(path), 404)


@pytest.mark.parametrize(
    "query",
    ["expand[]=%ff", "expand[]", "&".join(f"expand[]={n}" for n in range(21)), "a" + "[b]" * 99],
)
def test_a_query_that_does_not_fit(
    raw: httpx.Client, customer: stripe.Customer, query: str
) -> None:
    check_refused(raw.get(f"/v1/customers/{customer.id}?{query}"))


def converse(url: str, request: bytes, *, hang_up: bool = False) -> bytes:
    """Send bytes as they are and read until the server has nothing more to say."""
    parts = urlsplit(url)
    with socket.create_connection((parts.hostname, parts.port), timeout=60) as connection:
        connection.sendall(request)
        if hang_up:
            connection.shutdown(socket.SHUT_WR)
        found = b""
        while piece := connection.recv(65_536):
            found += piece
    return found


def head(tenant: Tenant, *lines: str, path: str = GRANTS) -> bytes:
    first = [
        f"POST {path} HTTP/1.1",
        "host: localhost",
        f"authorization: Bearer {tenant.test.editor.secret}",
        "connection: close",
    ]
    return "\r\n".join([*first, *lines, "", ""]).encode("latin-1")


@pytest.mark.usefixtures("unmoved")
def test_a_client_that_hangs_up_in_its_body_has_asked_for_nothing(
    tenant: Tenant, customer: stripe.Customer
) -> None:
    body = good(customer.id)
    request = head(tenant, f"content-type: {FORM}", f"content-length: {len(body) + 10}") + body
    assert converse(tenant.url, request, hang_up=True) == b""


@pytest.mark.usefixtures("unmoved")
def test_a_body_announced_as_too_large_is_refused_unread(tenant: Tenant) -> None:
    request = head(tenant, f"content-type: {FORM}", f"content-length: {10**12}")
    answer = converse(tenant.url, request)
    assert answer.startswith(b"HTTP/1.1 413 ")
    assert b'"type":"invalid_request_error"' in answer


def test_a_body_in_chunks_is_one_body(
    tenant: Tenant, raw: httpx.Client, customer: stripe.Customer
) -> None:
    body = good(customer.id)
    pieces = b"".join(b"1\r\n" + body[n : n + 1] + b"\r\n" for n in range(len(body)))
    request = head(tenant, f"content-type: {FORM}", "transfer-encoding: chunked")
    answer = converse(tenant.url, request + pieces + b"0\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 200 OK")
    assert len(raw.get(GRANTS).json()["data"]) == 1


@pytest.mark.usefixtures("unmoved")
@pytest.mark.parametrize(
    "line", ["idempotency-key: \xff\xfe\x80", "stripe-version: \xff", "stripe-account: \xe9\xff"]
)
def test_a_header_of_other_bytes(tenant: Tenant, customer: stripe.Customer, line: str) -> None:
    body = good(customer.id)
    length = f"content-length: {len(body)}"
    answer = converse(tenant.url, head(tenant, f"content-type: {FORM}", length, line) + body)
    assert answer.partition(b" ")[2][:3] in {b"400", b"403"}
    assert b'{"error":{"type":' in answer


def test_the_server_stays_well(server: Server) -> None:
    """No refusal above was the server's own mistake: those are logged as errors."""
    assert not [line for line in server.log_lines() if line["level"] in {"error", "critical"}]
