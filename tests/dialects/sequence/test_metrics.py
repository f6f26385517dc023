"""Usage metrics: what they count, and what becomes of their credit when they change."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest
from msgspec import UNSET

from tests.dialects.sequence.contract import Balances, read, refusal
from tests.dialects.sequence.contract_usage import (
    Metric,
    Metrics,
    calculated,
    counting,
    metric_body,
    new_metric,
    send,
    units,
    value,
)
from tests.dialects.sequence.support import new_credit, new_customer, outstanding, post_credit

NOTHING = "019b7e4c-5d2a-7c41-8f0e-3a5b6c7d8e9f"


def get(sequence: httpx.Client, metric: str) -> Metric:
    return read(sequence.get(f"/usage-metrics/{metric}"), 200, Metric)


def put(sequence: httpx.Client, metric: str, **more: Any) -> Metric:
    return read(sequence.put(f"/usage-metrics/{metric}", json=metric_body(**more)), 200, Metric)


def test_a_metric_is_read_as_it_was_made(sequence: httpx.Client) -> None:
    made = new_metric(
        sequence,
        metricType="GROUPED",
        groupingProperty="model",
        unit="token",
        description="All tokens",
        propertyFilters={"region": ["eu", "us"], "size": 5},
        propertiesToNegate=["size"],
        caseSensitive=False,
        deduction="ON_INVOICE",
    )
    assert made == get(sequence, made.id)
    assert (made.property_filters, made.properties_to_negate) == (
        {"region": ["eu", "us"], "size": 5},
        ["size"],
    )
    assert (made.metric_type, made.grouping_property) == ("GROUPED", "model")
    assert (made.unit, made.description, made.deduction) == ("token", "All tokens", "ON_INVOICE")
    assert made.case_sensitive is False
    assert made.deleted_at is UNSET
    for text in ("nothing", NOTHING):
        refusal(sequence.get(f"/usage-metrics/{text}"), 404, "NotFound", "metric")


def test_metrics_are_listed_newest_first(sequence: httpx.Client) -> None:
    made = [new_metric(sequence, name=f"Metric {number}").id for number in range(3)]
    first = read(sequence.get("/usage-metrics", params={"limit": "2"}), 200, Metrics)
    assert [each.id for each in first.items] == made[:0:-1]
    assert isinstance(first.pagination.after, str)
    query = {"limit": "2", "after": first.pagination.after}
    last = read(sequence.get("/usage-metrics", params=query), 200, Metrics)
    assert [each.id for each in last.items] == made[:1]


def test_metrics_are_listed_by_what_they_are(sequence: httpx.Client) -> None:
    """By the vendor's filters: parts of names and ids, and several of what they count."""
    tokens = new_metric(sequence, name="Tokens in").id
    words = new_metric(sequence, name="Words", aggregationProperty="a,b", eventType="text").id
    users = new_metric(sequence, name="Tokens' users", aggregationType="UNIQUE").id
    calls = counting(sequence, name="Calls", eventType="call,in").id
    assert sequence.delete(f"/usage-metrics/{words}").status_code == 200
    for query, expected in (
        ({}, [calls, users, words, tokens]),
        ({"name": "TOKENS"}, [users, tokens]),
        ({"id": words[-12:].upper()}, [words]),
        ({"eventType": "text"}, [words]),
        ({"eventType": "text,call"}, [users, words, tokens]),
        ({"eventType": "call%2Cin,text"}, [calls, words]),
        ({"eventProperty": "tokens"}, [users, tokens]),
        ({"eventProperty": "tokens,a%2Cb", "aggregationType": "SUM"}, [words, tokens]),
        ({"aggregationType": "COUNT,UNIQUE"}, [calls, users]),
        ({"aggregationType": "CUSTOM"}, []),
        ({"name": "tokens", "eventType": "text"}, []),
    ):
        found = read(sequence.get("/usage-metrics", params=query), 200, Metrics).items
        assert [each.id for each in found] == expected, query
    first = {"name": "tokens", "limit": "1"}
    page = read(sequence.get("/usage-metrics", params=first), 200, Metrics)
    after = {"after": str(page.pagination.after)}
    last = read(sequence.get("/usage-metrics", params=first | after), 200, Metrics)
    assert [each.id for each in (*page.items, *last.items)] == [users, tokens]
    assert last.pagination.after is UNSET


def test_a_count_may_name_a_property_which_it_does_not_look_at(
    sequence: httpx.Client, customer: str
) -> None:
    """As the vendor's own example of a metric does. Events without it count; another changes nothing."""
    body = metric_body(aggregationType="COUNT", metricType="GROUPED", groupingProperty="channel")
    made = read(sequence.post("/usage-metrics", json=body), 201, Metric)
    assert (made.aggregation_type, made.aggregation_property) == ("COUNT", "tokens")
    for channel in ("chat", "mail"):
        send(sequence, customer, eventProperties={"channel": channel})
    path = f"/usage-metrics/{made.id}"
    after = read(sequence.put(path, json=body | {"aggregationProperty": "words"}), 200, Metric)
    assert after.aggregation_property == "words"
    send(sequence, customer, 7)
    assert value(sequence, made.id, customer) == "3"


@pytest.mark.parametrize(
    ("more", "parts"),
    [
        ({"aggregationType": "CUSTOM"}, ("aggregationType", "CUSTOM")),
        ({"aggregationType": "COUNT", "aggregationProperty": ""}, ("aggregationProperty",)),
        ({"aggregationProperty": None}, ("aggregationProperty", "given")),
        ({"metricType": "GROUPED"}, ("groupingProperty", "given")),
        ({"groupingProperty": "model"}, ("groupingProperty", "left out")),
        ({"propertiesToNegate": ["size"]}, ("propertiesToNegate", "propertyFilters")),
        ({"propertyFilters": {"size": {"gt": 1}}}, ("propertyFilters.size",)),
        ({"propertyFilters": {"size": []}}, ("propertyFilters.size", "1 to 100")),
        ({"propertyFilters": [1]}, ("propertyFilters", "an object")),
        ({"propertyFilters": {str(n): n for n in range(21)}}, ("propertyFilters", "at most 20")),
        ({"eventType": "drawdown.replaced"}, ("eventType",)),
        ({"eventType": ""}, ("eventType",)),
        ({"name": ""}, ("name",)),
        ({"deduction": "LATER"}, ("deduction", "AT_ONCE")),
        ({"metric": "x"}, ("metric",)),
        ({"sequenceAccountId": NOTHING}, ("sequenceAccountId",)),
    ],
)
def test_what_cannot_be_counted_is_refused(
    sequence: httpx.Client, more: dict[str, Any], parts: tuple[str, ...]
) -> None:
    """And nothing is made."""
    body = metric_body(**more)
    refusal(sequence.post("/usage-metrics", json=body), 400, "ValidationError", *parts)
    assert read(sequence.get("/usage-metrics"), 200, Metrics).items == []


def test_a_name_is_one_metrics_and_no_other_credits(
    sequence: httpx.Client, native: httpx.Client
) -> None:
    """One that was refused when it was half made leaves its name, and counts nothing."""
    new_metric(sequence)
    code = {"code": "images", "name": "Images", "unit": "image", "scale": 0}
    assert native.post("/entitlements", json=code).status_code == 201
    for name in ("Tokens", "Images"):
        body = metric_body(name=name, aggregationType="UNIQUE")
        refusal(sequence.post("/usage-metrics", json=body), 400, "ValidationError", "name")
    assert len(read(sequence.get("/usage-metrics"), 200, Metrics).items) == 1
    assert [each["closed_at"] for each in native.get("/meters").json()["data"]].count(None) == 1
    other = new_metric(sequence, name="Others")
    body = metric_body(name="Images")
    refusal(sequence.put(f"/usage-metrics/{other.id}", json=body), 400, "ValidationError", "name")
    assert get(sequence, other.id).name == "Others"


def test_the_same_idempotency_key_makes_one_metric(sequence: httpx.Client) -> None:
    headers = {"Idempotency-Key": "tokens"}
    first = sequence.post("/usage-metrics", json=metric_body(), headers=headers)
    again = sequence.post("/usage-metrics", json=metric_body(), headers=headers)
    assert read(first, 201, Metric) == read(again, 201, Metric)
    assert (first.headers.get("idempotent-replayed"), again.headers["idempotent-replayed"]) == (
        None,
        "true",
    )
    other = sequence.post("/usage-metrics", json=metric_body(name="Others"), headers=headers)
    refusal(other, 409, "IdempotencyKeyReused")


def test_usage_draws_the_units_of_its_metric(sequence: httpx.Client, customer: str) -> None:
    metric = new_metric(sequence)
    made = post_credit(sequence, units(customer, metric.id, "100"))
    assert made.status_code == 201
    send(sequence, customer, "30.25")
    send(sequence, customer, '"0.5"')
    [left] = outstanding(sequence, customer)
    assert bytes(left.balance) == b"69.25"
    [balance] = read(sequence.get(f"/credits/{customer}/balances"), 200, Balances).items
    assert (balance.id, balance.name, balance.balance) == (metric.id, "Tokens", "69.25")


def test_filters_and_negated_properties_choose_events(
    sequence: httpx.Client, customer: str
) -> None:
    chosen = counting(
        sequence,
        propertyFilters={"region": ["EU", "us"], "size": 5},
        propertiesToNegate=["size"],
        caseSensitive=False,
    )
    exact = counting(sequence, name="Exact", propertyFilters={"region": "EU"})
    for said in (
        {"region": "eu", "size": 4},
        {"region": "US"},
        {"region": "us", "size": "5"},
        {"region": "asia", "size": 4},
        {"size": 4},
    ):
        send(sequence, customer, eventProperties=said)
    assert value(sequence, chosen.id, customer) == "2"
    assert value(sequence, exact.id, customer) == "0"


def test_a_grouped_metric_adds_up_what_each_group_comes_to(
    sequence: httpx.Client, customer: str
) -> None:
    """Two users of one model and one of another: the same one is counted for each."""
    named = {"aggregationType": "UNIQUE", "aggregationProperty": "user"}
    simple = new_metric(sequence, **named)
    grouped = new_metric(
        sequence, name="Grouped", metricType="GROUPED", groupingProperty="model", **named
    )
    for user, model in (("a", "x"), ("b", "x"), ("a", "y"), ("a", "y")):
        send(sequence, customer, eventProperties={"user": user, "model": model})
    assert value(sequence, simple.id, customer) == "2"
    assert value(sequence, grouped.id, customer) == "3"
    assert calculated(sequence, grouped.id, customer).event_count == 4


def test_calculate_counts_whole_days_of_several_customers(
    sequence: httpx.Client, customer: str
) -> None:
    other = new_customer(sequence, customerAliases=["other"])
    metric = new_metric(sequence, unit="token")
    times = ("2026-01-31T23:59:59.999999Z", "2026-02-01T00:00:00Z", "2026-02-02T00:00:00Z")
    first, second, _ = [send(sequence, customer, "0.1", eventTimestamp=each) for each in times]
    third = send(sequence, "other", "0.2", eventTimestamp=times[1])
    both = f"{customer},other,{other.id}"
    found = calculated(sequence, metric.id, both, "2026-01-31", "2026-02-01")
    assert (bytes(found.value), found.event_count, found.unit) == (b"0.4", 3, "token")
    assert {found.min_event_id, found.max_event_id} <= {first.id, second.id, third.id}
    assert value(sequence, metric.id, customer, "2026-02-01", "2026-02-01") == "0.1"
    nothing = calculated(sequence, metric.id, customer, "2025-01-01", "2025-12-31")
    assert (bytes(nothing.value), nothing.event_count, nothing.min_event_id) == (b"0", 0, UNSET)
    repeated = [("customerAliases", customer), ("customerAliases", "other")]
    days = [("periodStart", "2026-02-01"), ("periodEnd", "2026-02-01")]
    answered = sequence.get(f"/usage-metrics/{metric.id}/calculate", params=[*repeated, *days])
    assert answered.json()["eventCount"] == 2


@pytest.mark.parametrize(
    ("query", "part"),
    [
        ({"periodEnd": "2025-12-31"}, "periodEnd"),
        ({"periodEnd": "2026-02-30"}, "periodEnd"),
        ({"periodStart": "yesterday"}, "periodStart"),
        ({"customerAliases": "nobody"}, "customerAliases"),
        ({"customerAliases": ",".join(["a"] * 101)}, "customerAliases"),
        ({"customParameters": "x"}, "customParameters"),
    ],
)
def test_calculate_says_what_is_wrong(
    sequence: httpx.Client, customer: str, query: dict[str, str], part: str
) -> None:
    metric = new_metric(sequence)
    days = {"customerAliases": customer, "periodStart": "2026-01-01", "periodEnd": "2026-01-31"}
    answered = sequence.get(f"/usage-metrics/{metric.id}/calculate", params=days | query)
    refusal(answered, 400, "ValidationError", part)


def test_another_definition_counts_from_then_on(sequence: httpx.Client, customer: str) -> None:
    """What was drawn stays drawn; the credit is the same."""
    metric = new_metric(sequence)
    post_credit(sequence, units(customer, metric.id, "100"))
    send(sequence, customer, "10")
    changed = put(sequence, metric.id, aggregationProperty="n", name="Renamed", unit="n")
    assert (changed.id, changed.aggregation_property) == (metric.id, "n")
    assert (changed.name, changed.created_at) == ("Renamed", metric.created_at)
    send(sequence, customer, eventProperties={"n": 3, "tokens": 50})
    [left] = outstanding(sequence, customer)
    assert bytes(left.balance) == b"87"
    new_metric(sequence)  # its first name is free


def test_another_name_alone_counts_on(
    sequence: httpx.Client, native: httpx.Client, customer: str
) -> None:
    metric = new_metric(sequence)
    meters = native.get("/meters").json()["data"]
    put(sequence, metric.id, name="Renamed", description="What it is")
    [meter] = native.get("/meters").json()["data"]
    assert (meter["id"], meter["name"]) == (meters[0]["id"], "Renamed")
    [kind] = native.get("/entitlements").json()["data"]
    assert kind["name"] == "Renamed"


def test_a_deleted_metric_counts_nothing_and_says_since_when(
    sequence: httpx.Client, customer: str
) -> None:
    """Its credit is still there. Its name is free, its definition stays as it was."""
    metric = new_metric(sequence)
    post_credit(sequence, units(customer, metric.id, "100"))
    deleted = read(sequence.delete(f"/usage-metrics/{metric.id}"), 200, Metric)
    assert isinstance(deleted.deleted_at, str)
    again = read(sequence.delete(f"/usage-metrics/{metric.id}"), 200, Metric)
    assert again == deleted == get(sequence, metric.id)
    send(sequence, customer, "10")
    [left] = outstanding(sequence, customer)
    assert bytes(left.balance) == b"100"
    response = post_credit(sequence, units(customer, metric.id, "1"))
    refusal(response, 400, "InvalidState", "deleted")
    response = sequence.put(f"/usage-metrics/{metric.id}", json=metric_body(name="Other"))
    refusal(response, 400, "InvalidState", "deleted")
    assert new_metric(sequence).id != metric.id


def test_a_metric_that_waits_is_counted_and_draws_nothing(
    sequence: httpx.Client, customer: str
) -> None:
    metric = new_metric(sequence, deduction="ON_INVOICE")
    post_credit(sequence, units(customer, metric.id, "100"))
    send(sequence, customer, "10")
    [left] = outstanding(sequence, customer)
    assert bytes(left.balance) == b"100"
    assert value(sequence, metric.id, customer) == "10"


def test_units_pay_first_then_money_in_one_operation(
    sequence: httpx.Client, native: httpx.Client, customer: str
) -> None:
    """What expires first goes first; what nothing pays is shown nowhere below zero."""
    metric = new_metric(sequence)
    soon = {"expiryDate": "2031-01-31"}
    later = post_credit(sequence, units(customer, metric.id, "100")).json()["id"]
    first = post_credit(sequence, units(customer, metric.id, "10") | soon).json()["id"]
    money = new_credit(sequence, customer, amount="1").id
    cheap = new_credit(sequence, customer, amount="0.5", expiryDate="2031-01-31").id
    [rate] = native.get("/rates").json()["data"]
    price = {"model": "per_unit", "price": "0.01"}
    body = {"meter": rate["meter"], "entitlement": "usd", "price": price, "rest_of": rate["id"]}
    made = native.post("/rates", json=body)
    assert made.status_code == 201, made.text

    def left() -> dict[str, bytes]:
        return {each.id: bytes(each.balance) for each in outstanding(sequence, customer)}

    send(sequence, customer, "4")
    assert left() == {first: b"6", later: b"100", cheap: b"0.5", money: b"1"}
    send(sequence, customer, "176")
    assert left() == {money: b"0.8"}
    operations = {
        each["operation"]
        for each in native.get("/entries", params={"customer": customer}).json()["data"]
        if each["kind"] == "debited"
    }
    assert len(operations) == 2
    send(sequence, customer, "1000")
    assert left() == {}
    found = read(sequence.get(f"/credits/{customer}/balances"), 200, Balances).items
    assert [each.balance for each in found] == ["0", "0"]


def test_a_change_that_is_refused_renames_nothing(
    sequence: httpx.Client, native: httpx.Client
) -> None:
    """Of many at once, who comes upon another's change: metric and credit have a name that was taken."""
    metric = new_metric(sequence).id

    def renamed(number: int) -> tuple[int, str]:
        name = f"Name {number}"
        body = metric_body(name=name)
        return sequence.put(f"/usage-metrics/{metric}", json=body).status_code, name

    with ThreadPoolExecutor(6) as pool:
        answered = list(pool.map(renamed, range(24)))
    assert {status for status, _ in answered} <= {200, 400}
    taken = {name for status, name in answered if status == 200}
    assert get(sequence, metric).name in taken
    [kind] = native.get("/entitlements").json()["data"]
    assert kind["name"] in taken
