"""Short ways to say what most tests of the Sequence dialect begin with."""

from __future__ import annotations

import json
import secrets
from typing import Any

import httpx

from tests.dialects.sequence.contract import Credit, Customer, Items, Outstanding, read
from tests.support.server import Key, Tenant

BASE = "/sequence"
CUSTOMER: dict[str, Any] = {
    "legalName": "Acme Ltd",
    "address": {"line1": "1 High Street", "town": "London", "postcode": "E1 6AN", "country": "GB"},
    "contacts": [{"name": "Ada", "email": "ada@acme.example", "billingPreference": "PRIMARY"}],
    "taxStatus": "TAXED",
}


def client(tenant: Tenant, key: Key | None = None, base: str = BASE) -> httpx.Client:
    """A client with Sequence's Basic credentials; the editor's test key unless another is given."""
    key = key or tenant.test.editor
    return httpx.Client(base_url=tenant.url + base, auth=(key.id, key.secret), timeout=30)


def new_customer(sequence: httpx.Client, **more: Any) -> Customer:
    return read(sequence.post("/customers", json=CUSTOMER | more), 201, Customer)


def credit_body(customer: str, **more: Any) -> dict[str, Any]:
    """A grant of 1000 USD, but for what is given. ``amount`` and ``costOfCredit`` may be raw text."""
    return {
        "customerId": customer,
        "name": "Launch credit",
        "creditUnitType": "CURRENCY",
        "currency": "USD",
        "amount": "1000",
    } | more


def written(body: dict[str, Any]) -> bytes:
    """The body as JSON in which ``amount`` and ``costOfCredit`` are exactly the text given."""
    parts = []
    for name, value in body.items():
        raw = name in {"amount", "costOfCredit"} and isinstance(value, str)
        parts.append(f"{json.dumps(name)}: {value if raw else json.dumps(value)}")
    return ("{" + ", ".join(parts) + "}").encode()


def post_credit(
    sequence: httpx.Client, body: dict[str, Any], headers: dict[str, str] | None = None
) -> httpx.Response:
    return sequence.post("/credits", content=written(body), headers=headers)


def new_credit(sequence: httpx.Client, customer: str, **more: Any) -> Credit:
    return read(post_credit(sequence, credit_body(customer, **more)), 201, Credit)


def outstanding(sequence: httpx.Client, customer: str) -> list[Outstanding]:
    return read(sequence.get(f"/credits/{customer}/grants"), 200, Items).items


def new_metric(native: httpx.Client, scale: int = 0) -> str:
    """The code of a new kind of credit: what Sequence calls a metric."""
    code = f"metric-{secrets.token_hex(6)}"
    body = {"code": code, "unit": "token", "scale": scale}
    assert native.post("/entitlements", json=body).status_code == 201
    return code


def debit(native: httpx.Client, customer: str, amount: str, kind: str = "usd") -> httpx.Response:
    key = secrets.token_hex(8)
    body = {"customer": customer, "entitlement": kind, "amount": amount, "idempotency_key": key}
    return native.post("/debits", json=body)


def drawn(native: httpx.Client, customer: str, amount: str, kind: str = "usd") -> None:
    response = debit(native, customer, amount, kind)
    assert response.status_code == 201, response.text
