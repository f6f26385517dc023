"""Products, prices, meters and meter events through Stripe's own SDK."""

from __future__ import annotations

import time
from decimal import Decimal
from typing import Any

import pytest
import stripe

Client = stripe.StripeClient


def make_meter(client: Client, event_name: str = "search", **more: Any) -> stripe.billing.Meter:
    asked: Any = {
        "display_name": "Searches",
        "event_name": event_name,
        "default_aggregation": {"formula": "sum"},
        **more,
    }
    return client.v1.billing.meters.create(asked)


def make_price(client: Client, meter: str | None = None, **more: Any) -> stripe.Price:
    recurring: dict[str, Any] = {"interval": "month"}
    if meter is not None:
        recurring |= {"usage_type": "metered", "meter": meter}
    asked: dict[str, Any] = {
        "currency": "usd",
        "product_data": {"name": "Search"},
        "recurring": recurring,
        "unit_amount_decimal": "0.05",
        **more,
    }
    if "unit_amount" in more or "tiers" in more:
        del asked["unit_amount_decimal"]
    return client.v1.prices.create(asked)  # type: ignore[arg-type]


def refused(asked: Any, *, param: str | None, code: str | None = None) -> str:
    with pytest.raises(stripe.InvalidRequestError) as error:
        asked()
    assert (error.value.param, error.value.code) == (param, code), error.value
    return str(error.value.user_message)


def test_a_product_is_made_changed_listed_and_deleted(client: Client) -> None:
    made = client.v1.products.create(
        {"name": "Search", "unit_label": "call", "metadata": {"a": "1"}}
    )
    assert (made.active, made.type, made.description) == (True, "service", None)
    assert client.v1.products.retrieve(made.id).to_dict() == made.to_dict()
    changed = client.v1.products.update(
        made.id, {"name": "Search 2", "metadata": {"a": "", "b": "2"}, "unit_label": ""}
    )
    assert (changed.name, changed.metadata.to_dict(), changed.unit_label) == (
        "Search 2",
        {"b": "2"},
        None,
    )
    other = client.v1.products.create({"name": "Other", "active": False})
    assert [each.id for each in client.v1.products.list({"active": True}).data] == [made.id]
    assert [each.id for each in client.v1.products.list({"limit": 1}).auto_paging_iter()] == [
        other.id,
        made.id,
    ]
    gone = client.v1.products.delete(other.id)
    assert (gone.deleted, gone.id) == (True, other.id)
    refused(lambda: client.v1.products.retrieve(other.id), param="id", code="resource_missing")


def test_a_product_with_prices_cannot_be_deleted(client: Client) -> None:
    price = make_price(client, unit_amount=500)
    assert "prices" in refused(lambda: client.v1.products.delete(str(price.product)), param=None)


def test_a_price_is_finer_than_a_cent(client: Client) -> None:
    meter = make_meter(client)
    price = make_price(client, meter.id)
    assert price.unit_amount is None
    assert price.unit_amount_decimal == Decimal("0.05")
    assert price.recurring is not None
    assert (price.recurring.meter, price.recurring.usage_type) == (meter.id, "metered")
    assert (price.type, price.billing_scheme, price.active) == ("recurring", "per_unit", True)
    assert "tiers" not in price.to_dict()
    shown = client.v1.prices.retrieve(price.id, {"expand": ["product", "tiers"]})
    assert isinstance(shown.product, stripe.Product)
    assert shown.product.name == "Search"


def test_tiers_are_shown_where_they_are_asked_for(client: Client) -> None:
    tiers = [{"up_to": 10, "unit_amount": 3}, {"up_to": "inf", "unit_amount_decimal": "0.5"}]
    meter = make_meter(client)
    price = make_price(
        client, meter.id, billing_scheme="tiered", tiers_mode="graduated", tiers=tiers
    )
    found = client.v1.prices.retrieve(price.id, {"expand": ["tiers"]})
    assert found.tiers is not None
    assert [(each.up_to, each.unit_amount_decimal) for each in found.tiers] == [
        (10, Decimal(3)),
        (None, Decimal("0.5")),
    ]


@pytest.mark.parametrize(
    ("asked", "param", "code"),
    [
        ({"currency": "xyz"}, "currency", None),
        ({"unit_amount": 1, "unit_amount_decimal": "1"}, "unit_amount", "parameters_exclusive"),
        ({"unit_amount": -1}, "unit_amount", "parameter_invalid_integer"),
        ({"unit_amount_decimal": "1e3"}, "unit_amount_decimal", None),
        ({"product": "prod_nothing"}, "product_data", "parameters_exclusive"),
        (
            {"recurring": {"interval": "year", "interval_count": 4}},
            "recurring[interval_count]",
            None,
        ),
        (
            {"recurring": {"interval": "month", "usage_type": "metered"}},
            "recurring[meter]",
            "parameter_missing",
        ),
        (
            {"recurring": {"interval": "month", "usage_type": "metered", "meter": "mtr_no"}},
            "recurring[meter]",
            "resource_missing",
        ),
        ({"billing_scheme": "tiered", "tiers_mode": "volume"}, "tiers", "parameter_missing"),
        (
            {
                "billing_scheme": "tiered",
                "tiers_mode": "volume",
                "tiers": [{"up_to": 5, "unit_amount": 1}],
            },
            "tiers[0][up_to]",
            None,
        ),
        (
            {
                "billing_scheme": "tiered",
                "tiers_mode": "graduated",
                "tiers": [{"up_to": "inf", "unit_amount": 1}] * 2,
            },
            "tiers[0][up_to]",
            None,
        ),
        (
            {
                "billing_scheme": "tiered",
                "tiers_mode": "graduated",
                "tiers": [{"up_to": up, "unit_amount": 1} for up in (10, 10, "inf")],
            },
            "tiers[1][up_to]",
            None,
        ),
    ],
)
def test_a_price_that_cannot_be_is_refused(
    client: Client, asked: dict[str, Any], param: str, code: str | None
) -> None:
    base: dict[str, Any] = {"currency": "usd", "product_data": {"name": "Search"}}
    if not asked.keys() & {"unit_amount", "unit_amount_decimal", "tiers_mode"}:
        base["unit_amount"] = 1
    refused(lambda: client.v1.prices.create({**base, **asked}), param=param, code=code)  # type: ignore[typeddict-item]


def test_a_price_s_amount_never_changes(client: Client) -> None:
    price = make_price(client, unit_amount=500, nickname="Pro")
    changed = client.v1.prices.update(price.id, {"active": False, "nickname": ""})
    assert (changed.active, changed.nickname, changed.unit_amount) == (False, None, 500)
    refused(
        lambda: client.v1.prices.update(price.id, {"unit_amount": 1}),  # type: ignore[arg-type]
        param="unit_amount",
        code="parameter_unknown",
    )


def test_a_lookup_key_is_one_price_s_unless_it_is_moved(client: Client) -> None:
    first = make_price(client, unit_amount=1, lookup_key="pro")
    refused(
        lambda: make_price(client, unit_amount=2, lookup_key="pro"),
        param="lookup_key",
        code="resource_already_exists",
    )
    second = make_price(client, unit_amount=2, lookup_key="pro", transfer_lookup_key=True)
    assert [each.id for each in client.v1.prices.list({"lookup_keys": ["pro"]}).data] == [second.id]
    assert client.v1.prices.retrieve(first.id).lookup_key is None


def test_one_active_meter_has_an_event_s_name(client: Client) -> None:
    meter = make_meter(client)
    assert (meter.status, meter.customer_mapping.event_payload_key) == (
        "active",
        "stripe_customer_id",
    )
    refused(lambda: make_meter(client), param="event_name")
    off = client.v1.billing.meters.deactivate(meter.id)
    assert off.status == "inactive"
    assert off.status_transitions.deactivated_at is not None
    refused(lambda: client.v1.billing.meters.deactivate(meter.id), param=None)
    again = make_meter(client)
    refused(lambda: client.v1.billing.meters.reactivate(meter.id), param="event_name")
    active = client.v1.billing.meters.list({"status": "active"})
    assert [each.id for each in active.data] == [again.id]
    assert [each.id for each in client.v1.billing.meters.list({"limit": 1}).auto_paging_iter()] == [
        again.id,
        meter.id,
    ]
    renamed = client.v1.billing.meters.update(again.id, {"display_name": "Calls"})
    assert renamed.display_name == "Calls"


def use(client: Client, customer: str, value: str, **more: Any) -> stripe.billing.MeterEvent:
    asked: Any = {
        "event_name": "search",
        "payload": {"stripe_customer_id": customer, "value": value},
        **more,
    }
    return client.v1.billing.meter_events.create(asked)


def test_events_are_counted_by_the_minute(client: Client, customer: stripe.Customer) -> None:
    meter = make_meter(client)
    now = int(time.time())
    start = now // 3600 * 3600 - 7200
    event = use(client, customer.id, "2.5", identifier="one", timestamp=start)
    assert (event.identifier, event.timestamp, event.event_name) == ("one", start, "search")
    use(client, customer.id, "4", timestamp=start + 3599)
    use(client, customer.id, "1", timestamp=start + 3600)

    def summaries(**more: Any) -> list[tuple[int, float]]:
        asked: Any = {
            "customer": customer.id,
            "start_time": start,
            "end_time": start + 7200,
            **more,
        }
        found = client.v1.billing.meters.event_summaries.list(meter.id, asked)
        return [
            (each.start_time - start, each.aggregated_value) for each in found.auto_paging_iter()
        ]

    assert summaries() == [(0, 7.5)]
    assert summaries(value_grouping_window="hour", limit=1) == [(3600, 1), (0, 6.5)]
    refused(lambda: summaries(start_time=start + 1), param="start_time")


def test_an_event_that_cannot_be_counted_is_refused(
    client: Client, customer: stripe.Customer
) -> None:
    make_meter(client)
    use(client, customer.id, "1", identifier="one")
    message = "An event already exists with identifier one."
    assert refused(lambda: use(client, customer.id, "1", identifier="one"), param=None) == message
    assert refused(lambda: use(client, customer.id, "2", identifier="one"), param=None) == message
    refused(lambda: use(client, customer.id, "x"), param="payload[value]")
    refused(
        lambda: use(client, "cus_x", "1"),
        param="payload[stripe_customer_id]",
        code="resource_missing",
    )
    now = int(time.time())
    for timestamp in (now - 36 * 86_400, now + 600):
        refused(lambda: use(client, customer.id, "1", timestamp=timestamp), param="timestamp")  # noqa: B023
    message = refused(lambda: use(client, customer.id, "1", event_name="nope"), param=None)
    assert message == 'No active meter found for event name "nope".'


def test_the_same_request_records_an_event_once(client: Client, customer: stripe.Customer) -> None:
    make_meter(client)
    asked: Any = {
        "event_name": "search",
        "payload": {"stripe_customer_id": customer.id, "value": "1"},
        "identifier": "one",
    }
    options: Any = {"idempotency_key": "key"}
    first = client.v1.billing.meter_events.create(asked, options)
    second = client.v1.billing.meter_events.create(asked, options)
    assert first.to_dict() == second.to_dict()


@pytest.mark.parametrize(
    ("formula", "window", "expected"),
    [
        ("count", None, 4),
        ("last", None, 3),
        ("sum", None, 13),
        ("sum", "hour", 10),
        ("sum", "day", 3),
    ],
)
def test_a_meter_counts_by_its_formula_and_its_window(
    client: Client, customer: stripe.Customer, formula: str, window: str | None, expected: float
) -> None:
    """Four events: two in one hour, and one in each of two others; the last of the day has 3."""
    more: Any = {} if window is None else {"event_time_window": window}
    meter = make_meter(client, default_aggregation={"formula": formula}, **more)
    day = int(time.time()) // 86_400 * 86_400 - 86_400
    for time_of_day, value in ((3_600, "3"), (3_700, "2"), (7_200, "5"), (90 * 60 * 9, "3")):
        use(client, customer.id, value, timestamp=day + time_of_day)
    found = client.v1.billing.meters.event_summaries.list(
        meter.id, {"customer": customer.id, "start_time": day, "end_time": day + 86_400}
    )
    assert [each.aggregated_value for each in found.data] == [expected]


def test_a_canceled_event_counts_no_more(client: Client, customer: stripe.Customer) -> None:
    meter = make_meter(client)
    now = int(time.time()) // 60 * 60
    use(client, customer.id, "2", identifier="one")
    use(client, customer.id, "3", identifier="two")

    def cancel(identifier: str, event_name: str = "search") -> stripe.billing.MeterEventAdjustment:
        return client.v1.billing.meter_event_adjustments.create(
            {"event_name": event_name, "type": "cancel", "cancel": {"identifier": identifier}}
        )

    def counted() -> float:
        found = client.v1.billing.meters.event_summaries.list(
            meter.id, {"customer": customer.id, "start_time": now - 60, "end_time": now + 600}
        )
        return found.data[0].aggregated_value

    assert counted() == 5
    made = cancel("one")
    assert (made.status, made.type, made.event_name) == ("complete", "cancel", "search")
    assert counted() == 3
    refused(lambda: cancel("one"), param="cancel[identifier]", code="resource_missing")
    refused(lambda: cancel("two", "other"), param="cancel[identifier]", code="resource_missing")
    refused(lambda: use(client, customer.id, "2", identifier="one"), param=None)
