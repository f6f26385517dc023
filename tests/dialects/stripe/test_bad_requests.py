"""Whatever a request of any endpoint says, it is answered in Stripe's shape, and never with a fault."""

from __future__ import annotations

from random import Random
from typing import Any

import httpx
import pytest
import stripe
from msgspec import inspect

from drawdown.dialects.stripe.dialect import StripeDialect
from drawdown.dialects.stripe.parameters import Parameters
from drawdown.web.endpoints import Endpoint
from tests.dialects.stripe.test_catalog import make_meter, make_price

ENDPOINTS = StripeDialect().endpoints
VALUES = [
    "", "0", "-1", "1", "99999999999999999999", "1.5", "1e9", "true", "nonsense", "usd", "now", "inf",
    "253402300799", "253402300800", "é\u0000", "x" * 600, "month", "metered", "tiered", "graduated",
]  # fmt: skip


def names_of(record: type, prefix: str = "") -> list[str]:
    """Every parameter, with those inside of it, as a form spells them."""
    found: list[str] = []
    kind = inspect.type_info(record)
    assert isinstance(kind, inspect.StructType)
    for field in kind.fields:
        name = f"{prefix}[{field.encode_name}]" if prefix else field.encode_name
        found.append(name)
        found += _inside(field.type, name)
    return found


def _inside(kind: Any, name: str) -> list[str]:
    if isinstance(kind, inspect.Metadata):
        return _inside(kind.type, name)
    if isinstance(kind, inspect.UnionType):
        return [each for part in kind.types for each in _inside(part, name)]
    if isinstance(kind, inspect.ListType):
        return [f"{name}[0]", *_inside(kind.item_type, f"{name}[0]")]
    if isinstance(kind, inspect.DictType):
        return [f"{name}[key]", f"{name}[stripe_customer_id]", f"{name}[value]"]
    if isinstance(kind, inspect.StructType):
        return names_of(kind.cls, name)
    return []


def right(
    endpoint: Endpoint, customer: str, meter: str, price: str, subscription: str
) -> dict[str, str]:
    """A form that would be taken."""
    forms = {
        "/v1/products": {"name": "Search"},
        "/v1/prices": {
            "currency": "usd",
            "product_data[name]": "Search",
            "recurring[interval]": "month",
            "recurring[usage_type]": "metered",
            "recurring[meter]": meter,
            "unit_amount_decimal": "0.05",
        },
        "/v1/billing/meters": {
            "display_name": "Calls",
            "event_name": "calls",
            "default_aggregation[formula]": "sum",
        },
        "/v1/billing/meter_events": {
            "event_name": "search",
            "payload[stripe_customer_id]": customer,
            "payload[value]": "1",
        },
        "/v1/subscriptions": {"customer": customer, "items[0][price]": price},
        "/v1/invoices/create_preview": {"subscription": subscription},
        "/v1/test_helpers/test_clocks": {"frozen_time": "1893456000"},
        "/v1/test_helpers/test_clocks/{clock}/advance": {"frozen_time": "1893456005"},
        "/v1/billing/credit_balance_summary": {
            "customer": customer,
            "filter[type]": "applicability_scope",
            "filter[applicability_scope][price_type]": "metered",
        },
        "/v1/billing/credit_grants": {
            "customer": customer,
            "amount[type]": "monetary",
            "amount[monetary][currency]": "usd",
            "amount[monetary][value]": "100",
            "applicability_config[scope][prices][0][id]": price,
        },
    }
    takes = endpoint.method == "POST" or endpoint.path.endswith("summary")
    return dict(forms.get(endpoint.path, {})) if takes else {}


def record_of(endpoint: Endpoint) -> type[Parameters]:
    found = endpoint.body or endpoint.query
    assert found is not None
    return found


@pytest.mark.parametrize(
    "endpoint", ENDPOINTS, ids=[f"{each.method} {each.path}" for each in ENDPOINTS]
)
def test_no_request_is_a_fault(
    endpoint: Endpoint, raw: httpx.Client, client: stripe.StripeClient
) -> None:
    """Values that mean something and others, in as many parameters as there are; 60 requests each."""
    random = Random(endpoint.path)
    clock = client.v1.test_helpers.test_clocks.create({"frozen_time": 1_893_456_000})
    customer = client.v1.customers.create({"test_clock": clock.id})
    meter = make_meter(client)
    price = make_price(client, meter.id)
    subscription = client.v1.subscriptions.create(
        {"customer": customer.id, "items": [{"price": price.id}]}
    )
    known = [clock.id, customer.id, meter.id, price.id, str(price.product), subscription.id]
    known.append(str(subscription.latest_invoice))
    names = names_of(record_of(endpoint))
    seen = set()
    for _ in range(60):
        path = endpoint.path
        for name in ("grant", "customer", "product", "price", "meter", "subscription", "invoice"):
            path = path.replace(f"{{{name}}}", random.choice([*known, "nothing"]))
        path = path.replace("{clock}", random.choice([*known, "nothing"]))
        path = path.replace("{transaction}", random.choice(["cbtxn_1", "nothing", *known]))
        chosen = random.sample(names, random.randint(0, min(8, len(names))))
        if random.random() < 0.6:  # on the ground of what would be right
            chosen = chosen[:2]
            said = right(endpoint, customer.id, meter.id, price.id, subscription.id)
        else:
            said = {}
        said |= {name: random.choice([*VALUES, *known]) for name in chosen}
        if endpoint.method == "POST":
            answer = raw.request(endpoint.method, path, data=said)
        else:
            answer = raw.request(endpoint.method, path, params=said)
        seen.add(answer.status_code)
        assert answer.status_code < 500, (path, said, answer.text)
        if answer.status_code >= 400:
            error = answer.json()["error"]
            assert error["type"] == "invalid_request_error", answer.text
            assert error["message"]
    assert seen & {200, 400, 404}
