"""Short ways to say what most tests of the native API begin with."""

from __future__ import annotations

import uuid
from typing import Any

import httpx

from drawdown.config import Config
from drawdown.dialects.native import dialect

Json = dict[str, Any]
#: All that the API offers.
ENDPOINTS = dialect.build(Config()).endpoints


def created(response: httpx.Response) -> Json:
    """The body of an answer that must be a 201."""
    assert response.status_code == 201, response.text
    body: Json = response.json()
    return body


def problem(response: httpx.Response, status: int, code: str) -> Json:
    """The body of an answer that must be problem details with this status and code."""
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/problem+json"
    body: Json = response.json()
    assert (body["status"], body["code"]) == (status, code), body
    assert body["type"] == f"urn:drawdown:problem:{code}"
    assert body["title"]
    assert body["detail"]
    assert body["request_id"] == response.headers["request-id"]
    return body


def new_customer(client: httpx.Client) -> str:
    own_id = f"customer-{uuid.uuid4().hex[:12]}"
    assert created(client.post("/customers", json={"id": own_id}))["id"] == own_id
    return own_id


def grant(client: httpx.Client, customer: str, amount: str, **more: Any) -> Json:
    body = {"customer": customer, "entitlement": "usd", "amount": amount, **more}
    return created(client.post("/grants", json=body))


def customer_with(client: httpx.Client, grants: list[tuple[str, str]]) -> str:
    """A customer with USD grants of these amounts and categories, made in this order."""
    customer = new_customer(client)
    for amount, category in grants:
        grant(client, customer, amount, category=category)
    return customer


def debit_body(customer: str, amount: str, **more: Any) -> Json:
    key = uuid.uuid4().hex
    body = {"customer": customer, "entitlement": "usd", "amount": amount, "idempotency_key": key}
    return body | more


def debit(client: httpx.Client, customer: str, amount: str, **more: Any) -> httpx.Response:
    return client.post("/debits", json=debit_body(customer, amount, **more))


def balance(client: httpx.Client, customer: str, entitlement: str = "usd") -> Json:
    response = client.get(f"/balances/{customer}/{entitlement}")
    assert response.status_code == 200, response.text
    body: Json = response.json()
    return body


def hold_body(customer: str, amount: str, **more: Any) -> Json:
    return debit_body(customer, amount, **more)


def hold(client: httpx.Client, customer: str, amount: str, **more: Any) -> Json:
    return created(client.post("/holds", json=hold_body(customer, amount, **more)))


def capture(client: httpx.Client, held: str, amount: str, **more: Any) -> httpx.Response:
    body = {"amount": amount, "idempotency_key": uuid.uuid4().hex, **more}
    return client.post(f"/holds/{held}/capture", json=body)


def ok(response: httpx.Response) -> Json:
    """The body of an answer that must be a 200."""
    assert response.status_code == 200, response.text
    body: Json = response.json()
    return body
