"""The picture of one grant in four dialects shows what a server answers."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any
from xml.etree import ElementTree

import httpx

from tests.docs.pages import ROOT
from tests.docs.test_concepts import DIALECTS, routes
from tests.support.server import Tenant

PICTURE = ROOT / "docs/one-grant.svg"
CUSTOMER = "gina"
#: What stands for the parts of an address that are neither a customer nor a grant.
OTHERS = {"credit_entitlement_id": "usd"}
#: Stripe's summary wants to know which credit is meant.
ASKED = {
    "/v1/billing/credit_balance_summary": {
        "customer": CUSTOMER,
        "filter[type]": "applicability_scope",
        "filter[applicability_scope][price_type]": "metered",
    }
}


def test_the_picture_of_one_grant_is_what_every_dialect_answers(tenant: Tenant) -> None:
    with tenant.client() as native:
        grant = make_grant(native)
    shown = list(facts())
    assert {dialect for dialect, *_ in shown} == {each.name for each in DIALECTS.values()}
    assert len(shown) > 15
    for name, call, field, value in shown:
        answer = ask(tenant, name, call, grant)
        assert found(answer, field) == json.loads(value), (name, call, field)


def make_grant(native: httpx.Client) -> str:
    """100.50 dollars that cost 90, of which 40.25 are used and 10 are held."""
    usd = {"customer": CUSTOMER, "entitlement": "usd"}
    made(native, "/customers", {"id": CUSTOMER})
    grant = made(
        native,
        "/grants",
        usd
        | {
            "amount": "100.50",
            "cost_basis": {"amount": "90", "currency": "usd"},
            "expires_at": "2032-01-01T00:00:00Z",
        },
    )
    made(native, "/debits", usd | {"amount": "40.25", "idempotency_key": "used"})
    made(native, "/holds", usd | {"amount": "10", "expires_in": 86_400, "idempotency_key": "held"})
    return str(grant["id"])


def made(native: httpx.Client, path: str, body: dict[str, Any]) -> dict[str, Any]:
    answer = native.post(path, json=body)
    assert answer.status_code == 201, answer.text
    record: dict[str, Any] = answer.json()
    return record


def facts() -> Iterator[tuple[str, str, str, str]]:
    """Dialect, call, field and value of each line in the picture, from the top to the bottom."""
    for card in ElementTree.parse(PICTURE).getroot().iterfind("{*}g"):
        call = field = ""
        for line in card.iterfind("{*}text"):
            kind, text = line.get("class"), line.text or ""
            if kind == "call":
                call = text
            elif kind == "field":
                field = text
            elif kind == "value":
                yield card.get("id", ""), call, field, text


def ask(tenant: Tenant, name: str, call: str, grant: str) -> Any:
    [dialect] = [each for each in DIALECTS.values() if each.name == name]
    [(method, path)] = routes(call, dialect)
    filled = re.sub(r"{(\w+)}", lambda part: part_of(part[1], grant), path)
    with tenant.client(base=dialect.bases[0]) as client:
        answer = client.request(method, filled, params=ASKED.get(path))
    assert answer.status_code == 200, answer.text
    return json.loads(answer.text)


def part_of(name: str, grant: str) -> str:
    if name.startswith("customer"):
        return CUSTOMER
    return OTHERS.get(name, grant)


def found(answer: Any, field: str) -> Any:
    """The first of that name, however deep; of an amount with its currency the amount."""
    waiting = [answer]
    while waiting:
        node = waiting.pop(0)
        if isinstance(node, dict):
            if field in node:
                return plain(node[field])
            waiting += node.values()
        if isinstance(node, list):
            waiting += node
    raise AssertionError(f"{field} is not in {answer}")


def plain(value: Any) -> Any:
    for name in ("monetary", "value", "amount"):
        if isinstance(value, dict) and name in value:
            value = value[name]
    return value
