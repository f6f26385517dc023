"""Alerts on what is used by a meter, through Stripe's own SDK."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import pytest
import stripe

from tests.dialects.stripe.conftest import SDK_VERSION
from tests.dialects.stripe.test_catalog import refused
from tests.dialects.stripe.test_webhooks import events
from tests.support.server import Tenant

Client = stripe.StripeClient
TRIGGERED = "billing.alert.triggered"


@pytest.fixture
def meter(client: Client) -> Any:
    return meter_of(client, "sum")


def meter_of(client: Client, formula: str, **more: Any) -> Any:
    asked: Any = {
        "display_name": "Calls",
        "event_name": f"calls-{uuid4().hex[:8]}",
        "default_aggregation": {"formula": formula},
        **more,
    }
    return client.v1.billing.meters.create(asked)


def threshold(meter: Any, gte: int, *customers: str, **more: Any) -> Any:
    filters = [{"type": "customer", "customer": each} for each in customers]
    given = {"gte": gte, "meter": meter.id, "recurrence": "one_time", **more}
    return given | ({"filters": filters} if filters else {})


def make(client: Client, meter: Any, gte: int, *customers: str, **more: Any) -> Any:
    asked: Any = {
        "title": "Many",
        "alert_type": "usage_threshold",
        "usage_threshold": threshold(meter, gte, *customers),
        **more,
    }
    return client.v1.billing.alerts.create(asked)


def use(client: Client, meter: Any, customer: str, value: str, **more: Any) -> str:
    """Reports an event; its identifier."""
    payload = {"stripe_customer_id": customer, "value": value}
    asked: Any = {"event_name": meter.event_name, "payload": payload, **more}
    return client.v1.billing.meter_events.create(asked).identifier


def cancel(client: Client, meter: Any, identifier: str) -> None:
    asked: Any = {
        "event_name": meter.event_name,
        "type": "cancel",
        "cancel": {"identifier": identifier},
    }
    client.v1.billing.meter_event_adjustments.create(asked)


def values(client: Client, count: int) -> list[int]:
    return [each.object["value"] for each in events(client, count, type=TRIGGERED)]


def test_an_alert_is_made_read_and_listed(client: Client, customer: Any, meter: Any) -> None:
    made = make(client, meter, 100, customer.id)
    assert made.id.startswith("alrt_")
    assert (made.object, made.status, made.title) == ("billing.alert", "active", "Many")
    assert (made.alert_type, made.livemode) == ("usage_threshold", False)
    assert made.usage_threshold.to_dict() == {
        "filters": [{"type": "customer", "customer": customer.id}],
        "gte": 100,
        "meter": meter.id,
        "recurrence": "one_time",
    }
    alerts = client.v1.billing.alerts
    assert alerts.retrieve(made.id).to_dict() == made.to_dict()
    everybody = make(client, meter_of(client, "count"), 5)
    lists: list[tuple[Any, list[Any]]] = [
        ({"limit": 1}, [everybody, made]),
        ({"meter": meter.id}, [made]),
        ({"customer": customer.id}, [made]),
        ({"alert_type": "usage_threshold"}, [everybody, made]),
        ({"alert_type": "credit_balance_threshold"}, []),
    ]
    for asked, found in lists:
        listed = alerts.list(asked).auto_paging_iter()
        assert [each.id for each in listed] == [each.id for each in found], asked


def test_the_meter_and_the_customer_of_an_alert_are_expanded(
    client: Client, customer: Any, meter: Any
) -> None:
    wanted = ["usage_threshold.meter", "usage_threshold.filters.customer"]
    made = make(client, meter, 1, customer.id, expand=wanted)
    assert made.usage_threshold.meter.to_dict() == meter.to_dict()
    assert made.usage_threshold.filters[0].customer.id == customer.id
    [listed] = client.v1.billing.alerts.list({"expand": [f"data.{wanted[0]}"]}).data
    assert listed.to_dict()["usage_threshold"]["meter"] == meter.to_dict()


def test_usage_that_reaches_the_line_is_told_once_of_a_customer(
    client: Client, customer: Any, meter: Any
) -> None:
    other = client.v1.customers.create({"name": "Other"})
    made = make(client, meter, 10)
    own = make(client, meter, 5, other.id, title="Own")
    use(client, meter, customer.id, "9")
    use(client, meter, customer.id, "1.5")
    use(client, meter, customer.id, "80")
    use(client, meter, other.id, "4")
    use(client, meter, other.id, "20")
    first, *others = events(client, 3, type=TRIGGERED)
    assert first.object["object"] == "billing.alert_triggered"
    assert first.object["alert"] == made.to_dict()
    assert (first.object["customer"], first.object["value"]) == (customer.id, 10)
    assert first.object["livemode"] is False
    assert first.whole["api_version"] == SDK_VERSION
    told = {(each.object["alert"]["id"], each.object["value"]) for each in others}
    assert told == {(made.id, 24), (own.id, 24)}
    assert {each.object["customer"] for each in others} == {other.id}


@pytest.mark.parametrize(
    ("formula", "window", "sizes", "told"),
    [
        ("sum", None, ("4", "5", "1", "1"), 10),
        ("count", None, ("7",) * 11, 10),
        ("last", None, ("3", "9", "11", "2"), 11),
        ("sum", "day", ("8", "9", "12", "1"), 12),
    ],
)
def test_the_line_is_of_the_meters_own_formula(
    client: Client,
    customer: Any,
    formula: str,
    window: str | None,
    sizes: tuple[str, ...],
    told: int,
) -> None:
    """Of a meter with a window the latest event in each counts; these come within one."""
    more = {} if window is None else {"event_time_window": window}
    meter = meter_of(client, formula, **more)
    make(client, meter, 10, customer.id)
    noon = 43_200 + meter.created // 86_400 * 86_400 - 86_400
    for number, size in enumerate(sizes):
        use(client, meter, customer.id, size, timestamp=noon + number)
    assert values(client, 1) == [told]


def test_what_was_used_before_counts_and_sets_nothing_off_by_itself(
    client: Client, customer: Any, meter: Any
) -> None:
    use(client, meter, customer.id, "50")
    make(client, meter, 10, customer.id)
    assert client.v1.events.list({"type": TRIGGERED}).data == []
    use(client, meter, customer.id, "1")
    assert values(client, 1) == [51]


def test_cancelled_usage_counts_no_more_and_what_was_told_is_not_told_again(
    client: Client, customer: Any, meter: Any
) -> None:
    make(client, meter, 10, customer.id)
    cancel(client, meter, use(client, meter, customer.id, "9"))
    use(client, meter, customer.id, "9")
    cancel(client, meter, use(client, meter, customer.id, "3"))
    use(client, meter, customer.id, "4")
    make(client, meter, 13, customer.id, title="After it")
    use(client, meter, customer.id, "1")
    told = events(client, 2, type=TRIGGERED)
    assert [(each.object["alert"]["title"], each.object["value"]) for each in told] == [
        ("Many", 12),
        ("After it", 14),
    ]


def test_an_alert_rests_while_it_is_inactive_and_may_tell_again_once_it_is_activated(
    client: Client, customer: Any, meter: Any
) -> None:
    alerts = client.v1.billing.alerts
    made = make(client, meter, 10, customer.id)
    use(client, meter, customer.id, "10")
    assert alerts.deactivate(made.id).status == "inactive"
    use(client, meter, customer.id, "10")
    again = alerts.activate(made.id)
    assert again.to_dict() == made.to_dict()
    use(client, meter, customer.id, "1")
    assert values(client, 2) == [10, 21]
    assert alerts.archive(made.id).status == "archived"
    refused(lambda: alerts.retrieve(made.id), param="id", code="resource_missing")
    assert alerts.list({"meter": meter.id}).data == []


def test_version_2_of_meter_events_sets_it_off_as_well(
    client: Client, tenant: Tenant, customer: Any, meter: Any
) -> None:
    make(client, meter, 3)
    session = client.v2.billing.meter_event_session.create()
    payload = {"stripe_customer_id": customer.id, "value": "1"}
    event: Any = {"event_name": meter.event_name, "payload": payload}
    sent: Any = {"events": [event] * 5}
    streaming = stripe.StripeClient(
        session.authentication_token, base_addresses={"meter_events": tenant.url}
    )
    streaming.v2.billing.meter_event_stream.create(sent)
    assert values(client, 1) == [3]


@pytest.mark.parametrize(
    ("given", "param", "code"),
    [
        ({"usage_threshold": None}, "usage_threshold", "parameter_missing"),
        ({"gte": 0}, "usage_threshold[gte]", "parameter_invalid_integer"),
        ({"meter": "mtr_unknown"}, "usage_threshold[meter]", "resource_missing"),
        ({"recurrence": "monthly"}, "usage_threshold[recurrence]", None),
        (
            {"filters": [{"type": "customer", "customer": "cus_unknown"}]},
            "usage_threshold[filters][0][customer]",
            "resource_missing",
        ),
        (
            {"filters": [{"type": "customer", "customer": "a"}] * 2},
            "usage_threshold[filters]",
            None,
        ),
        (
            {"alert_type": "credit_balance_threshold"},
            "credit_balance_threshold",
            "parameter_missing",
        ),
        (
            {"credit_balance_threshold": True},
            "credit_balance_threshold",
            "parameters_exclusive",
        ),
    ],
)
def test_what_cannot_be_is_refused_by_its_parameter(
    client: Client, meter: Any, given: dict[str, Any], param: str, code: str | None
) -> None:
    asked: dict[str, Any] = {"title": "Many", "alert_type": "usage_threshold"}
    if "credit_balance_threshold" in given:
        lte = {"balance_type": "monetary", "monetary": {"currency": "usd", "value": 1}}
        asked |= {"usage_threshold": threshold(meter, 1), "credit_balance_threshold": {"lte": lte}}
    elif "alert_type" in given:
        asked |= given
    elif "usage_threshold" not in given:
        asked["usage_threshold"] = threshold(meter, 1) | given
    refused(lambda: client.v1.billing.alerts.create(asked), param=param, code=code)  # type: ignore[arg-type]
    assert client.v1.billing.alerts.list().data == []


def test_an_inactive_meter_is_not_watched(client: Client, customer: Any, meter: Any) -> None:
    made = make(client, meter, 1, customer.id)
    client.v1.billing.alerts.deactivate(made.id)
    client.v1.billing.meters.deactivate(meter.id)
    refused(lambda: make(client, meter, 1), param="usage_threshold[meter]")
    refused(lambda: client.v1.billing.alerts.activate(made.id), param="meter")
    assert client.v1.billing.alerts.retrieve(made.id).status == "inactive"


def test_25_alerts_watch_a_customers_use_of_one_meter_at_most(
    client: Client, customer: Any, meter: Any
) -> None:
    for gte in range(1, 26):
        make(client, meter, gte, customer.id)
    assert "25" in refused(lambda: make(client, meter, 99, customer.id), param=None)
    make(client, meter_of(client, "sum"), 1, customer.id)
    assert len(client.v1.billing.alerts.list({"limit": 100}).data) == 26


def test_a_retry_makes_one_alert(client: Client, customer: Any, meter: Any) -> None:
    asked: Any = {
        "title": "Many",
        "alert_type": "usage_threshold",
        "usage_threshold": threshold(meter, 1, customer.id),
    }
    made = [client.v1.billing.alerts.create(asked, {"idempotency_key": "k"}) for _ in range(2)]
    assert made[0].to_dict() == made[1].to_dict()
    assert len(client.v1.billing.alerts.list().data) == 1


def test_an_alert_of_another_dialect_is_not_told_of_here(
    client: Client, tenant: Tenant, customer: Any, meter: Any
) -> None:
    with tenant.client() as native:
        asked = {"kind": "metered_above", "amount": "5", "meter": meter.id}
        answer = native.post("/alerts", json=asked)
        assert answer.status_code == 201, answer.text
        make(client, meter, 6)
        use(client, meter, customer.id, "7")
        assert values(client, 1) == [7]
        [found] = [
            each
            for each in native.get("/alerts").json()["data"]
            if each["id"] != answer.json()["id"]
        ]
        assert (found["kind"], found["amount"]) == ("metered_above", "6")
