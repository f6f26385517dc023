"""Bad input by the byte: a clear error in Dodo's shape, never a 5xx, never half an effect."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import quote

import pytest

from tests.dialects.dodo.raw import Raw, exchange, message
from tests.dialects.dodo.sdk import Dodo
from tests.support.server import Tenant

BALANCE = "5"


@dataclass
class Place:
    """A customer with a balance of 5, where bad requests are aimed at."""

    url: str
    secret: str
    customer: str
    entitlement: str

    @property
    def entries(self) -> str:
        return f"{self.wallet}/ledger-entries"

    @property
    def wallet(self) -> str:
        return f"/dodo/credit-entitlements/{self.entitlement}/balances/{self.customer}"

    def ask(self, method: str, target: str, body: bytes = b"", **headers: str) -> Raw:
        given = {"authorization": f"Bearer {self.secret}", "content-type": "application/json"}
        given |= {name.replace("_", "-"): value for name, value in headers.items()}
        return exchange(self.url, message(method, target, given, body))


@pytest.fixture
def place(tenant: Tenant) -> Iterator[Place]:
    """What is asked of it must leave the balance and the number of grants as they were."""
    dodo = Dodo(tenant.url, tenant.test.editor.secret, blocking=True)
    customer, tokens = dodo.customer(), dodo.entitlement()
    dodo.credit(customer, tokens.id, BALANCE)
    yield Place(tenant.url, tenant.test.editor.secret, customer, tokens.id)
    assert dodo.balance(customer, tokens.id).balance == BALANCE
    assert len(dodo.grants(customer, tokens.id)) == 1
    dodo.close()


def assert_refused(answer: Raw, status: int, code: str, text: str) -> None:
    assert (answer.status, answer.json["code"]) == (status, code), answer.body
    assert set(answer.json) == {"code", "message"}
    assert text in answer.json["message"]
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["request-id"].startswith("req_")


ENTRY = b'{"entry_type":"credit","amount":"1"'
BODIES: list[tuple[bytes, int, str]] = [
    (b"", 400, "JSON"),
    (b"{", 400, "JSON"),
    (b"credit", 400, "JSON"),
    (ENTRY, 400, "JSON"),
    (ENTRY + b"}}", 400, "JSON"),
    (ENTRY + b",}", 400, "JSON"),
    (b"{'entry_type':'credit'}", 400, "JSON"),
    (b"\xef\xbb\xbf" + ENTRY + b"}", 400, "JSON"),
    (ENTRY + b',"reason":"\xff"}', 400, "UTF-8"),
    (ENTRY + b',"reason":"\xed\xa0\x80"}', 400, "UTF-8"),
    (ENTRY + b',"reason":"\\ud800"}', 400, "JSON"),
    (ENTRY + b',"reason":"\\x41"}', 400, "JSON"),
    (ENTRY + b',"metadata":{"a":NaN}}', 400, "JSON"),
    (ENTRY + b',"metadata":{"a":Infinity}}', 400, "JSON"),
    (ENTRY + b',"metadata":{"a":1e999}}', 422, "metadata"),
    (ENTRY + b',"metadata":{"a":' + b"9" * 5000 + b"}}", 422, "metadata"),
    (ENTRY + b',"metadata":' + b"[" * 50_000 + b"]" * 50_000 + b"}", 400, "nested"),
    (b"[" * 50_000 + b"]" * 50_000, 400, "nested"),
    (b'{"a":' * 50_000 + b"1" + b"}" * 50_000, 400, "nested"),
    (b"null", 422, "object"),
    (b"[]", 422, "object"),
    (b'"credit"', 422, "object"),
    (b"{}", 422, "required"),
    (b'{"entry_type":"credit"}', 422, "amount is required"),
    (b'{"amount":"1"}', 422, "entry_type is required"),
    (b'{"entry_type":"credit","amount":1}', 422, "amount must be a string"),
    (b'{"entry_type":"credit","amount":1.5}', 422, "amount must be a string"),
    (b'{"entry_type":"credit","amount":1e2}', 422, "amount must be a string"),
    (b'{"entry_type":"credit","amount":true}', 422, "amount must be a string"),
    (b'{"entry_type":"credit","amount":null}', 422, "amount must be a string"),
    (b'{"entry_type":"credit","amount":["1"]}', 422, "amount must be a string"),
    (b'{"entry_type":"credit","amount":"1e2"}', 422, "amount"),
    (b'{"entry_type":"credit","amount":"NaN"}', 422, "amount"),
    (b'{"entry_type":1,"amount":"1"}', 422, "entry_type"),
    (ENTRY + b',"expires_at":1767225600}', 422, "expires_at must be a string"),
    (ENTRY + b',"expires_at":""}', 422, "expires_at"),
    (ENTRY + b',"idempotency_key":7}', 422, "idempotency_key must be a string"),
    (ENTRY + b',"reason":{}}', 422, "reason must be a string"),
    (ENTRY + b',"metadata":[]}', 422, "metadata must be an object"),
    (ENTRY + b',"metadata":"a"}', 422, "metadata must be an object"),
    (ENTRY + b',"metadata":{"a":[1]}}', 422, "metadata"),
    (ENTRY + b',"customer_id":"x"}', 422, "customer_id is not a field"),
    (ENTRY + b',"":1}', 422, "is not a field"),
]


@pytest.mark.parametrize(("body", "status", "text"), BODIES)
def test_a_bad_body_changes_nothing(place: Place, body: bytes, status: int, text: str) -> None:
    answer = place.ask("POST", place.entries, body)
    assert_refused(answer, status, "INVALID_REQUEST_BODY", text)


@pytest.mark.parametrize("path", ["/dodo/customers", "/dodo/credit-entitlements"])
@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"{}", b"[" * 50_000, b'{"name":"\xff"}'])
def test_no_endpoint_takes_what_is_no_request(place: Place, path: str, body: bytes) -> None:
    answer = place.ask("POST", path, body)
    assert answer.status in {400, 422}
    assert_refused(answer, answer.status, "INVALID_REQUEST_BODY", "")


QUERIES: list[tuple[str, str]] = [
    ("page_size=abc", "page_size"),
    ("page_size=", "page_size"),
    ("page_size=1.5", "page_size"),
    ("page_size=99999999999999999999", "page_size"),
    ("page_size=10&page_size=20", "page_size must be given once"),
    ("page_number=0x1", "page_number"),
    ("page_number[]=1", "page_number[]"),
    ("status=active&status=expired", "status must be given once"),
    ("status=%ff", "UTF-8"),
    ("status=%00", "status"),
    ("limit=10", "limit is not a field"),
]


@pytest.mark.parametrize(("query", "text"), QUERIES)
def test_a_bad_query_is_refused(place: Place, query: str, text: str) -> None:
    answer = place.ask("GET", f"{place.wallet}/grants?{query}")
    assert_refused(answer, 422, "INVALID_QUERY_PARAMS", text)


STRANGE = ["%00", "a%00b", "%0a", "x" * 256, quote("é" * 300), "%e2%80%8b"]


@pytest.mark.parametrize("identifier", STRANGE)
def test_an_id_that_nothing_can_have_is_refused(place: Place, identifier: str) -> None:
    """422 for what is over-long or unprintable, in each place where an id stands."""
    for path, field in (
        (f"/customers/{identifier}", "customer_id"),
        (f"/credit-entitlements/{identifier}", "credit_entitlement_id"),
        (f"/credit-entitlements/usd/balances/{identifier}", "customer_id"),
        (f"/credit-entitlements/{identifier}/balances/{place.customer}/grants", "credit_"),
    ):
        answer = place.ask("GET", f"/dodo{path}")
        assert_refused(answer, 422, "INVALID_REQUEST_PARAMETERS", field)


@pytest.mark.parametrize(
    "identifier", ["%20", "..", "%2e%2e", "*", "';--", "cus_", "cus_" + "0" * 22, "cus_" + "z" * 22]
)
def test_an_id_that_nobody_has_is_not_found(place: Place, identifier: str) -> None:
    """Also one that looks like a generated id and is none."""
    answer = place.ask("GET", f"/dodo/customers/{identifier}")
    assert_refused(answer, 404, "NOT_FOUND", "")


def test_an_id_spelled_by_another_dialect_is_the_same_id(place: Place) -> None:
    """Any prefix will do; case does not."""
    digits = place.customer.removeprefix("cus_")
    for spelling in (digits, f"customer_{digits}"):
        assert place.ask("GET", f"/dodo/customers/{spelling}").json["customer_id"] == place.customer
    assert place.ask("GET", f"/dodo/customers/cus_{digits.swapcase()}").status == 404


def test_an_address_that_is_not_there_is_not_found(place: Place) -> None:
    for method, path in (
        ("GET", "/dodo/nothing"),
        ("GET", "/dodo/customers/%ff"),
        ("POST", f"{place.wallet}/ledger-entries/1"),
        ("GET", "/dodo/subscriptions/sub_1/invoices"),
    ):
        assert_refused(place.ask(method, path), 404, "NOT_FOUND", path)


def test_a_method_that_an_address_does_not_take_is_refused(place: Place) -> None:
    """405 with what it does take."""
    answer = place.ask("DELETE", place.entries)
    assert_refused(answer, 405, "UNSUPPORTED_ACTION", "DELETE")
    assert answer.headers["allow"] == "POST"


KEYS = [
    None,
    "",
    "Bearer",
    "Bearer ",
    "Bearer My Bearer Token",
    "Bearer dodo_test_key",
    "Bearer sk_test_" + "0" * 54,
    "Basic c2tfdGVzdDo=",
    "Token abc",
    "Bearer \xff",
]


@pytest.mark.parametrize("authorization", KEYS)
def test_a_key_that_opens_nothing_is_refused(place: Place, authorization: str | None) -> None:
    """401 whether there is a body or not; a key may hold spaces, as the SDK's own tests have it."""
    headers = {} if authorization is None else {"authorization": authorization}
    for request in (
        message("GET", place.wallet, headers),
        message("POST", place.entries, headers, ENTRY + b"}"),
    ):
        answer = exchange(place.url, request)
        assert_refused(answer, 401, "UNAUTHORIZED", "")
        assert answer.headers["www-authenticate"].startswith("Bearer")


def test_a_key_may_be_given_with_any_spelling_of_bearer(place: Place) -> None:
    answer = place.ask("GET", place.wallet, authorization=f"bEARER {place.secret}")
    assert (answer.status, answer.json["balance"]) == (200, BALANCE)


def test_a_body_over_the_limit_is_refused(place: Place) -> None:
    """Before it is read, when its length is announced."""
    answer = place.ask("POST", place.entries, content_length="4194305")
    assert_refused(answer, 413, "INVALID_REQUEST_BODY", "4194304")


def test_a_body_may_come_in_chunks(place: Place) -> None:
    """However small they are, they are one body."""
    body = b'{"entry_type":"debit","amount":"6"}'
    chunks = b"".join(b"1\r\n%c\r\n" % byte for byte in body) + b"0\r\n\r\n"
    answer = place.ask("POST", place.entries, chunks, transfer_encoding="chunked")
    assert_refused(answer, 400, "INSUFFICIENT_CREDIT_BALANCE", "6")
