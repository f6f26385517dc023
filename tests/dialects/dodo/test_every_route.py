"""Every route of the table asked wrongly, byte by byte: what it is told, and that nothing happens.

What each answers is held to the OpenAPI document: there is no status that it does not name, and no 5xx but
the vendor's own for what cannot be brought back.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import quote

import msgspec
import pytest

from drawdown.dialects.dodo.dialect import DodoDialect
from drawdown.dialects.dodo.errors import NotAllowedNow, NotRestored
from drawdown.engine.accounts import Role
from drawdown.web.endpoints import Endpoint
from tests.dialects.dodo.raw import Raw, exchange, message
from tests.dialects.dodo.typed import Fitting
from tests.support.openapi import Described, Json, document_at, operations
from tests.support.server import Key, Server, Tenant, start_server

ENDPOINTS = DodoDialect(0, allow_private=False).endpoints
BODY, QUERY, PATH = "INVALID_REQUEST_BODY", "INVALID_QUERY_PARAMS", "INVALID_REQUEST_PARAMETERS"
#: Where the vendor takes money or the means to pay it: the same is said, whatever is asked.
MONEY = {
    "POST /subscriptions/{subscription_id}/charge",
    "POST /subscriptions/{subscription_id}/update-payment-method",
}
BODY_BYTES_MAX = 65_536
EVENT = "evt 1/ü%"
KINDS = {
    "string": "x",
    "integer": 1,
    "number": 1.5,
    "boolean": True,
    "array": [[]],
    "object": {"a": {}},
}
MONTHLY = {
    "type": "recurring_price",
    "currency": "USD",
    "price": 0,
    "payment_frequency_count": 1,
    "payment_frequency_interval": "Month",
    "subscription_period_count": 1,
    "subscription_period_interval": "Year",
}
KIND = {
    "name": "Tokens",
    "unit": "token",
    "precision": 2,
    "rollover_enabled": False,
    "overage_enabled": False,
}
METER = {
    "name": "Calls",
    "event_name": "call",
    "measurement_unit": "call",
    "aggregation": {"type": "count"},
}


def name_of(row: Endpoint) -> str:
    return f"{row.method} {row.path}"


def rows(only: Callable[[Endpoint], bool]) -> pytest.MarkDecorator:
    """A test for each row of the table that ``only`` lets through."""
    return pytest.mark.parametrize("row", [row for row in ENDPOINTS if only(row)], ids=name_of)


class Place:
    """An account with one thing of each kind in its test book, and the ids of all."""

    def __init__(self, tenant: Tenant, described: Described) -> None:
        self.tenant, self.described = tenant, described
        self.ids: dict[str, str] = {"event_id": quote(EVENT, safe="")}
        customer = self.make("/customers", {"name": "Ada", "email": "ada@example.com"})
        self.ids["customer_id"] = customer["customer_id"]
        self.ids["credit_entitlement_id"] = self.make("/credit-entitlements", KIND)["id"]
        self.make(f"{self.wallet}/ledger-entries", {"entry_type": "credit", "amount": "5"})
        self.ids["meter_id"] = self.make("/meters", METER)["id"]
        self.make("/events/ingest", {"events": [self.event]})
        self.ids["id"] = self.make("/products", self.product)["product_id"]
        made = self.make("/subscriptions", self.subscription)
        self.ids["subscription_id"] = made["subscription_id"]
        self.ids["webhook_id"] = self.make("/webhooks", {"url": "https://example.com/"})["id"]
        self.bodies = self._bodies()

    @property
    def wallet(self) -> str:
        return (
            f"/credit-entitlements/{self.ids['credit_entitlement_id']}"
            f"/balances/{self.ids['customer_id']}"
        )

    @property
    def event(self) -> Json:
        return {
            "event_id": EVENT,
            "customer_id": self.ids["customer_id"],
            "event_name": "call",
            "metadata": {"n": 1},
        }

    @property
    def product(self) -> Json:
        credit = {"credit_entitlement_id": self.ids["credit_entitlement_id"], "credits_amount": "7"}
        return {
            "name": "Pro",
            "price": MONTHLY,
            "tax_category": "saas",
            "credit_entitlements": [credit],
        }

    @property
    def subscription(self) -> Json:
        return {
            "product_id": self.ids["id"],
            "customer": {"customer_id": self.ids["customer_id"]},
            "quantity": 1,
            "billing": {"country": "DE"},
        }

    def _bodies(self) -> dict[str, Json]:
        """What each route that takes a body would take, as far as it must say something."""
        plan = {
            "product_id": self.ids["id"],
            "proration_billing_mode": "prorated_immediately",
            "quantity": 1,
        }
        one = "/subscriptions/{subscription_id}"
        return {
            "POST /customers": {"name": "Bo", "email": "bo@example.com"},
            "POST /credit-entitlements": KIND | {"name": "Others"},
            "POST /credit-entitlements/{credit_entitlement_id}/balances/{customer_id}/ledger-entries": {
                "entry_type": "debit",
                "amount": "1",
            },
            "POST /customers/{customer_id}/wallets/ledger-entries": {
                "amount": 1,
                "currency": "USD",
                "entry_type": "credit",
            },
            "POST /products": self.product,
            "POST /subscriptions": self.subscription,
            f"POST {one}/change-plan": plan,
            f"POST {one}/change-plan/preview": plan,
            "POST /meters": METER,
            "POST /events/ingest": {"events": [self.event | {"event_id": "another"}]},
            "POST /webhooks": {"url": "https://example.com/"},
            "PATCH /webhooks/{webhook_id}/headers": {"headers": {"x-a": "b"}},
        }

    def body_of(self, row: Endpoint) -> Json:
        return self.bodies.get(name_of(row), {})

    def make(self, path: str, body: Json) -> Any:
        answer = self.send("POST", f"/dodo{path}", body=json.dumps(body).encode())
        assert answer.status in (200, 201), answer.body
        return answer.json

    def target(self, row: Endpoint, **ids: str) -> str:
        return "/dodo" + row.path.format(**self.ids | ids)

    def send(
        self,
        method: str,
        target: str,
        *,
        key: Key | None = None,
        body: bytes = b"",
        **headers: str,
    ) -> Raw:
        """As the SDK does, with a content type whether or not there is a body."""
        given = {"authorization": f"Bearer {(key or self.tenant.test.editor).secret}"}
        if method != "GET":
            given["content-type"] = "application/json"
        given |= {name.replace("_", "-"): value for name, value in headers.items()}
        answer = exchange(self.tenant.url, message(method, target, given, body))
        self.described.check(method, target, answer.status, answer.body)
        return answer

    def ask(self, row: Endpoint, body: Any = None, query: str = "", **options: Any) -> Raw:
        """What the row takes, unless another ``body`` is given."""
        sent = b""
        if row.body is not None:
            sent = json.dumps(self.body_of(row) if body is None else body).encode()
        return self.send(row.method, self.target(row) + query, body=sent, **options)

    def state(self) -> list[Any]:
        """All that is there."""
        return [
            self.send("GET", f"/dodo{path}").json
            for path in (
                "/customers",
                "/credit-entitlements",
                f"{self.wallet}/ledger",
                f"{self.wallet}/grants",
                f"/customers/{self.ids['customer_id']}/wallets",
                "/meters",
                "/events",
                "/products",
                "/subscriptions",
                f"/subscriptions/{self.ids['subscription_id']}",
                "/webhooks",
                f"/webhooks/{self.ids['webhook_id']}/headers",
            )
        ]


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """What is refused before the ledger is asked does not depend on the store: one will do."""
    running = start_server(tmp_path_factory.mktemp("routes"), body_bytes_max=str(BODY_BYTES_MAX))
    yield running
    running.stop()


@pytest.fixture(scope="module")
def described(served: Server) -> Described:
    return Described(document_at(f"{served.url}/dodo/openapi.json"), "/dodo")


@pytest.fixture(scope="module")
def document(served: Server) -> Json:
    return document_at(f"{served.url}/dodo/openapi.json")


@pytest.fixture(scope="module")
def place(served: Server, described: Described) -> Iterator[Place]:
    """Of all that is asked of it nothing may change anything."""
    found = Place(served.tenant(), described)
    before = found.state()
    yield found
    assert found.state() == before


@pytest.fixture(scope="module")
def other(served: Server, described: Described) -> Place:
    """Another account, with as much of its own."""
    return Place(served.tenant(), described)


def refused(answer: Raw, status: int, code: str, text: str = "") -> None:
    assert (answer.status, answer.json["code"]) == (status, code), answer.body
    assert set(answer.json) == {"code", "message"}
    assert text in answer.json["message"]
    assert "x-should-retry" not in answer.headers


def test_there_is_a_body_for_each_route_that_must_have_one(place: Place, document: Json) -> None:
    """The others take an empty object."""
    required = {
        name_of(row)
        for row in ENDPOINTS
        if operations(document)[row.method, row.path].get("requestBody", {}).get("required")
    }
    assert required == set(place.bodies)


#: What cannot be done to what is there: nothing waits for a payment, or for the next billing date.
NOTHING_TO_DO = {
    "POST /subscriptions/{subscription_id}/confirm-payment",
    "DELETE /subscriptions/{subscription_id}/change-plan/scheduled",
}


def test_what_each_route_answers_is_as_described(served: Server, described: Described) -> None:
    """Asked as it should be, each does what it is for; what was taken away is brought back in the end."""
    place = Place(served.tenant(), described)
    restoring = [row for row in ENDPOINTS if NotRestored in row.errors]
    others = [row for row in ENDPOINTS if row not in restoring and name_of(row) not in MONEY]
    methods = ("GET", "PATCH", "POST", "DELETE")
    for row in sorted(others, key=lambda row: methods.index(row.method)) + restoring:
        answer = place.ask(row)
        if name_of(row) in NOTHING_TO_DO:
            assert answer.status in (400, 404), (name_of(row), answer.body)
        else:
            assert answer.status == row.status, (name_of(row), answer.body)


@rows(lambda row: True)
def test_who_has_no_key_learns_nothing(place: Place, row: Endpoint) -> None:
    """401 before anything else is looked at, with what to send."""
    for given in ({}, {"authorization": "Bearer My Bearer Token"}):
        answer = exchange(place.tenant.url, message(row.method, place.target(row), given, b"{"))
        refused(answer, 401, "UNAUTHORIZED")
        assert answer.headers["www-authenticate"].startswith("Bearer")


@rows(lambda row: row.role is not Role.VIEWER)
def test_a_viewer_does_not_write(place: Place, row: Endpoint) -> None:
    """403, whatever is in the body."""
    for answer in (
        place.ask(row, key=place.tenant.test.viewer),
        place.send(row.method, place.target(row), body=b"{", key=place.tenant.test.viewer),
    ):
        refused(answer, 403, "UNAUTHORIZED", "editor")


def test_only_reading_is_for_viewers() -> None:
    assert {row.method for row in ENDPOINTS if row.role is Role.VIEWER} == {"GET"}


def names_something(row: Endpoint) -> bool:
    return "{" in row.path and name_of(row) not in MONEY


@rows(lambda row: name_of(row) in MONEY)
def test_no_money_is_taken(place: Place, row: Endpoint) -> None:
    refused(place.ask(row), 400, "UNSUPPORTED_ACTION")


@rows(names_something)
def test_what_is_anothers_is_not_there(place: Place, other: Place, row: Endpoint) -> None:
    """Of another account, and of this account's other mode: as if there were nothing."""
    answers = [
        place.send(row.method, other.target(row), body=sent_by(place, row)),
        place.ask(row, key=place.tenant.live.editor),
    ]
    if "{event_id}" in row.path:
        answers = answers[1:]  # both accounts have an event of that name
    for answer in answers:
        assert_nowhere(answer, row)


def sent_by(place: Place, row: Endpoint) -> bytes:
    return b"" if row.body is None else json.dumps(place.body_of(row)).encode()


def assert_nowhere(answer: Raw, row: Endpoint) -> None:
    if NotRestored in row.errors:
        assert (answer.status, answer.json["code"]) == (500, "INTERNAL_SERVER_ERROR")
        assert answer.headers["x-should-retry"] == "false"
    else:
        refused(answer, 404, "NOT_FOUND", "There is no")


@rows(names_something)
def test_an_id_that_nothing_can_have_is_refused(place: Place, row: Endpoint) -> None:
    """422 where it is over-long or unprintable, in each place of a path; 404 where any text may be one."""
    for parameter in [each for each in place.ids if f"{{{each}}}" in row.path]:
        for bad in ("x" * 256, "%00", quote("é" * 300), "%E2%80%8B"):
            answer = place.send(
                row.method, place.target(row, **{parameter: bad}), body=sent_by(place, row)
            )
            assert answer.status in (404, 422), answer.body
            if answer.status == 422:
                refused(answer, 422, PATH, parameter)
        unknown = place.send(
            row.method, place.target(row, **{parameter: "nobody"}), body=sent_by(place, row)
        )
        if unknown.status != 200:
            assert_nowhere(unknown, row)


@rows(lambda row: row.body is not None)
def test_a_body_that_is_none_is_refused(place: Place, row: Endpoint) -> None:
    """400 for what is no JSON, 422 for another kind of JSON; also where it is empty and may not be."""
    target = place.target(row)
    for body in (b"{", b'{"a":}', b"\xff", b'{"a":NaN}', b"[" * 2_000):
        refused(place.send(row.method, target, body=body), 400, BODY)
    for body in (b"[]", b'"x"', b"null", b"7"):
        refused(place.send(row.method, target, body=body), 422, BODY, "object")
    if name_of(row) in place.bodies:
        refused(place.send(row.method, target), 400, BODY, "JSON")
        refused(place.send(row.method, target, body=b"{}"), 422, BODY, "required")


@rows(lambda row: row.body is not None)
def test_a_body_has_an_end(place: Place, row: Endpoint) -> None:
    """413, whatever is in it."""
    body = b" " * (BODY_BYTES_MAX + 1)
    answer = place.send(row.method, place.target(row), body=body)
    refused(answer, 413, BODY, str(BODY_BYTES_MAX))


@rows(lambda row: row.body is None and row.method != "GET")
def test_a_content_type_without_a_body_is_nothing_to_read(other: Place, row: Endpoint) -> None:
    """As the SDK sends it. A body that nobody asked for is not looked at, either."""
    first = other.send(row.method, other.target(row))
    again = other.send(row.method, other.target(row), body=b"{")
    for answer in (first, again):
        if answer.status >= 400:
            allowed = {400, 404, 410, 500} if NotAllowedNow in row.errors or row.errors else set()
            assert answer.status in allowed, answer.body
            assert answer.json["code"] != BODY


@rows(lambda row: row.body is not None)
def test_a_field_that_it_does_not_know_is_refused_by_name(place: Place, row: Endpoint) -> None:
    answer = place.ask(row, place.body_of(row) | {"colour": "blue"})
    refused(answer, 422, BODY, "colour is not a field")


@rows(lambda row: row.query is not None)
def test_a_parameter_that_it_does_not_know_is_refused_by_name(place: Place, row: Endpoint) -> None:
    refused(place.ask(row, query="?colour=blue"), 422, QUERY, "colour is not a field")
    refused(place.ask(row, query="?colour=%ff"), 422, QUERY)


@rows(lambda row: row.body is not None)
def test_a_field_of_another_type_is_refused_by_name(
    place: Place, document: Json, row: Endpoint
) -> None:
    """Each field, with each kind of JSON that it is not."""
    schema = operations(document)[row.method, row.path]["requestBody"]["content"]
    components = document["components"]["schemas"]
    properties, _ = Fitting(components).properties(schema["application/json"]["schema"])
    for name, described in properties.items():
        for kind in KINDS.keys() - kinds_of(described, components):
            answer = place.ask(row, place.body_of(row) | {name: KINDS[kind]})
            assert answer.status == 422, (name, kind, answer.body)
            assert answer.json["code"] in {BODY, "MAXIMUM_KEYS_REACHED"}
            assert answer.json["message"].startswith(name), (kind, answer.body)


#: What is about the vendor's brands and checkout: taken, and without effect.
WITHOUT_EFFECT = {"brand_id", "billing_currency", "payment_method_id", "return_url"}


@rows(lambda row: row.body is not None and name_of(row) not in MONEY)
def test_a_text_is_printable_and_has_an_end(place: Place, document: Json, row: Endpoint) -> None:
    """Whatever is kept of a request, or names something. What names nothing there is, is not found."""
    schema = operations(document)[row.method, row.path]["requestBody"]["content"]
    components = document["components"]["schemas"]
    properties, _ = Fitting(components).properties(schema["application/json"]["schema"])
    for name in properties.keys() - WITHOUT_EFFECT:
        if "string" in kinds_of(properties[name], components):
            for bad in ("x" * 10_001, "a\0b"):
                answer = place.ask(row, place.body_of(row) | {name: bad})
                if name == "product_id":
                    refused(answer, 404, "NOT_FOUND", "There is no product")
                elif name == "currency" and "unit" in properties:
                    refused(answer, 422, "UNSUPPORTED_CURRENCY", name)
                else:
                    refused(answer, 422, BODY, name.removesuffix("_interval"))


def kinds_of(schema: Json, components: Json) -> set[str]:
    """The kinds of JSON that a schema takes."""
    while "$ref" in schema:
        schema = components[schema["$ref"].rpartition("/")[2]]
    if "anyOf" in schema:
        return set().union(*(kinds_of(each, components) for each in schema["anyOf"]))
    said = schema.get("type", "string" if "enum" in schema else list(KINDS))
    found = {said} if isinstance(said, str) else set(said)
    return found | {"integer"} if "number" in found else found


@rows(lambda row: row.query is not None)
def test_a_parameter_of_another_type_is_refused_by_name(
    place: Place, document: Json, row: Endpoint
) -> None:
    for parameter in queries_of(document, row):
        name, kinds = (
            parameter["name"],
            kinds_of(parameter["schema"], document["components"]["schemas"]),
        )
        bad = {"integer": ["x", "1.5", "", "-1", "9" * 20], "boolean": ["maybe", ""]}
        for value in [each for kind in kinds for each in bad.get(kind, [])]:
            refused(place.ask(row, query=f"?{name}={value}"), 422, QUERY, name)
        refused(place.ask(row, query=f"?{name}=1&{name}=2"), 422, QUERY, name)


def queries_of(document: Json, row: Endpoint) -> list[Json]:
    described = operations(document)[row.method, row.path]["parameters"]
    return [each for each in described if each["in"] == "query"]


def parameters_of(row: Endpoint) -> set[str]:
    """Of its query, by name."""
    if row.query is None:
        return set()
    return {field.name for field in msgspec.structs.fields(row.query)}


#: Times in queries, which all are dates of what happened.
TIMES = ("created_at_gte", "created_at_lte", "start_date", "end_date", "start", "end")


@rows(lambda row: bool(set(TIMES) & parameters_of(row)))
def test_a_time_in_a_query_may_have_any_zone_or_none(place: Place, row: Endpoint) -> None:
    """None is UTC. What is no time is refused by the parameter's name."""
    for name in set(TIMES) & parameters_of(row):
        for text in (
            "2026-05-06T07:08:09",
            "2026-05-06T07:08:09Z",
            "2026-05-06T07:08:09.123456%2B02:00",
        ):
            assert place.ask(row, query=f"?{name}={text}").status == 200
        for text in ("yesterday", "2026-13-01T00:00:00Z", "1767225600", "", "2026-05-06T25:00:00Z"):
            refused(place.ask(row, query=f"?{name}={text}"), 422, QUERY, name)


@rows(lambda row: "page_size" in parameters_of(row))
def test_pages_have_bounds(place: Place, row: Endpoint) -> None:
    """None of nothing, none past the end, a hundred at most."""
    for query in ("?page_size=0", "?page_number=2147483647", "?page_size=100&page_number=1000"):
        answer = place.ask(row, query=query)
        assert (answer.status, answer.json) == (200, {"items": []}), query
    for query in ("?page_size=101", "?page_number=2147483648", "?page_size=-1"):
        refused(place.ask(row, query=query), 422, QUERY, query[1:].partition("=")[0])


@rows(lambda row: row.query is not None)
def test_an_id_in_a_query_that_nothing_can_have_is_refused(place: Place, row: Endpoint) -> None:
    """As a parameter of the query. One that nobody has finds nothing."""
    for name in {"customer_id", "meter_id"} & parameters_of(row):
        for bad in ("x" * 256, "%00"):
            refused(place.ask(row, query=f"?{name}={bad}"), 422, QUERY, name)
        answer = place.ask(row, query=f"?{name}=nobody")
        if answer.status != 404:
            assert (answer.status, answer.json) == (200, {"items": []})


def test_an_event_is_found_by_whatever_id_it_was_given(place: Place) -> None:
    """Slashes, spaces, percent signs and letters of any alphabet, percent-encoded."""
    found = place.send("GET", f"/dodo/events/{quote(EVENT, safe='')}")
    assert found.json["event_id"] == EVENT
    for other_than in ("evt 1", quote("evt 1/u%", safe=""), quote(EVENT, safe="").lower() + "x"):
        target = f"/dodo/events/{other_than.replace(' ', '%20')}"
        refused(place.send("GET", target), 404, "NOT_FOUND")
