"""Alerts on credit through Stripe's own SDK, in the shape of its preview."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import pytest
import stripe

from tests.dialects.stripe.conftest import SDK_VERSION
from tests.dialects.stripe.test_catalog import refused
from tests.dialects.stripe.test_webhooks import events

Client = stripe.StripeClient


def threshold(value: int, *customers: str, currency: str = "usd") -> Any:
    monetary = {"currency": currency, "value": value}
    filters = [{"type": "customer", "customer": each} for each in customers]
    lte = {"balance_type": "monetary", "monetary": monetary}
    return {"lte": lte, **({"filters": filters} if filters else {})}


def make(client: Client, value: int, *customers: str, **more: Any) -> Any:
    given: Any = {
        "title": "Low",
        "alert_type": "credit_balance_threshold",
        "credit_balance_threshold": threshold(value, *customers),
        **more,
    }
    return client.v1.billing.alerts.create(given)


@pytest.fixture
def draw(customer: Any, native: Any) -> Any:
    """Draws so many dollars of the customer's at once."""

    def drawn(amount: str) -> None:
        body = {
            "customer": customer.id,
            "entitlement": "usd",
            "amount": amount,
            "idempotency_key": uuid4().hex,
        }
        answer = native.post("/debits", json=body)
        assert answer.status_code == 201, answer.text

    return drawn


@pytest.fixture
def native(tenant: Any) -> Any:
    with tenant.client() as opened:
        yield opened


def test_an_alert_is_made_read_and_listed(client: Client, customer: Any) -> None:
    made = make(client, 500, customer.id)
    assert made.id.startswith("alrt_")
    assert (made.object, made.status, made.title) == ("billing.alert", "active", "Low")
    assert made.alert_type == "credit_balance_threshold"
    assert made.to_dict()["credit_balance_threshold"] == {
        "filters": [{"type": "customer", "customer": customer.id}],
        "lte": {
            "balance_type": "monetary",
            "custom_pricing_unit": None,
            "monetary": {"currency": "usd", "value": 500},
        },
    }
    assert client.v1.billing.alerts.retrieve(made.id).to_dict() == made.to_dict()
    everybody = make(client, 0)
    assert everybody.to_dict()["credit_balance_threshold"]["filters"] == []
    names = [each.id for each in client.v1.billing.alerts.list({"limit": 1}).auto_paging_iter()]
    assert names == [everybody.id, made.id]
    of_customer: Any = {"customer": customer.id}
    assert [each.id for each in client.v1.billing.alerts.list(of_customer).data] == [made.id]


def test_credit_that_falls_to_a_line_is_told_once(
    client: Client, customer: Any, make_grant: Any, draw: Any
) -> None:
    make_grant()
    made = make(client, 500, customer.id)
    gone = make(client, 0, title="Exhausted")
    draw("4")
    draw("1.505")
    draw("1")
    draw("3.495")
    low, exhausted = events(client, 2, type="billing.alert.triggered")
    assert low.object["alert"] == made.to_dict()
    assert low.object["object"] == "billing.alert_triggered"
    assert (low.object["customer"], low.object["value"]) == (customer.id, 449)
    assert (low.object["currency"], low.whole["api_version"]) == ("usd", SDK_VERSION)
    assert exhausted.object["alert"]["id"] == gone.id
    assert exhausted.object["value"] == 0


def test_an_alert_rests_while_it_is_inactive_and_is_gone_when_archived(
    client: Client, customer: Any, make_grant: Any, draw: Any
) -> None:
    made = make(client, 500, customer.id)
    make_grant()
    assert client.v1.billing.alerts.deactivate(made.id).status == "inactive"
    refused(
        lambda: client.v1.billing.alerts.deactivate(made.id),
        param=None,
        code="status_transition_invalid",
    )
    draw("6")
    make_grant()
    again = client.v1.billing.alerts.activate(made.id)
    assert (again.id, again.status) == (made.id, "active")
    refused(
        lambda: client.v1.billing.alerts.activate(made.id),
        param=None,
        code="status_transition_invalid",
    )
    draw("10")
    [told] = events(client, 1, type="billing.alert.triggered")
    assert told.object["value"] == 400
    assert client.v1.billing.alerts.archive(made.id).status == "archived"
    refused(lambda: client.v1.billing.alerts.retrieve(made.id), param="id", code="resource_missing")
    assert client.v1.billing.alerts.list().data == []
    make_grant()
    draw("14")
    assert len(client.v1.events.list({"type": "billing.alert.triggered"}).data) == 1


def test_a_retry_makes_one_alert(client: Client, customer: Any) -> None:
    given: Any = {
        "title": "Low",
        "alert_type": "credit_balance_threshold",
        "credit_balance_threshold": threshold(1, customer.id),
    }
    made = [client.v1.billing.alerts.create(given, {"idempotency_key": "k"}) for _ in range(2)]
    assert made[0].to_dict() == made[1].to_dict()
    assert len(client.v1.billing.alerts.list().data) == 1


@pytest.mark.parametrize(
    ("given", "param", "code"),
    [
        ({"credit_balance_threshold": None}, "credit_balance_threshold", "parameter_missing"),
        ({"alert_type": "spend_threshold"}, "alert_type", None),
        ({"title": "x" * 257}, "title", None),
        (
            {"credit_balance_threshold": threshold(1, currency="xyz")},
            "credit_balance_threshold[lte][monetary][currency]",
            None,
        ),
        (
            {"credit_balance_threshold": threshold(-1)},
            "credit_balance_threshold[lte][monetary][value]",
            "parameter_invalid_integer",
        ),
        (
            {"credit_balance_threshold": threshold(1, "cus_unknown")},
            "credit_balance_threshold[filters][0][customer]",
            "resource_missing",
        ),
        (
            {"credit_balance_threshold": threshold(1, "a", "b")},
            "credit_balance_threshold[filters]",
            None,
        ),
        ({"usage_threshold": {"gte": 1}}, "usage_threshold[meter]", "parameter_missing"),
        ({"spend_threshold": {"gte": 1}}, "spend_threshold", None),
    ],
)
def test_what_cannot_be_is_refused_by_its_parameter(
    client: Client, given: dict[str, Any], param: str, code: str | None
) -> None:
    if given == {"credit_balance_threshold": None}:
        asked: Any = {"title": "Low", "alert_type": "credit_balance_threshold"}
        refused(lambda: client.v1.billing.alerts.create(asked), param=param, code=code)
    else:
        refused(lambda: make(client, 1, **given), param=param, code=code)
    assert client.v1.billing.alerts.list().data == []


def test_a_customer_has_25_alerts_at_most(client: Client, customer: Any) -> None:
    for value in range(25):
        make(client, value, customer.id)
    assert "25" in refused(lambda: make(client, 99, customer.id), param=None)
    assert len(client.v1.billing.alerts.list({"limit": 100}).data) == 25
