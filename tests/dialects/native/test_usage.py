"""Usage over HTTP: meters and rates are made, events are counted and drawn, once for their id."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from drawdown.dialects.native.usage import OVERRIDES_AT_ONCE
from tests.dialects.native.test_test_clocks import advance
from tests.support.server import Tenant

METER = {"code": "tokens", "event_name": "call", "aggregation": "sum", "property": "tokens"}
RATE = {
    "meter": "tokens",
    "entitlement": "credits",
    "price": {"model": "per_unit", "price": "0.003"},
}
EVENT = {
    "id": "e1",
    "customer": "ann",
    "name": "call",
    "time": "2026-01-31T12:00:00Z",
    "properties": {"tokens": 1000, "model": "small"},
}


@pytest.fixture
def book(native: httpx.Client) -> httpx.Client:
    """A customer with 10 credits, and a rate of 3 credits for a thousand tokens."""
    post(native, "customers", {"id": "ann"})
    post(native, "entitlements", {"code": "credits", "unit": "credit", "scale": 0})
    post(native, "grants", {"customer": "ann", "entitlement": "credits", "amount": "10"})
    post(native, "meters", METER)
    post(native, "rates", RATE)
    return native


def post(client: httpx.Client, path: str, body: dict[str, Any], status: int = 201) -> Any:
    answer = client.post(path, json=body)
    assert answer.status_code == status, answer.text
    return answer.json()


def available(client: httpx.Client) -> str:
    found: str = client.get("balances/ann/credits").json()["available"]
    return found


def test_an_event_draws_what_it_costs(book: httpx.Client) -> None:
    event = post(book, "events", EVENT)
    [charge] = event["charges"]
    assert event["id"] == "e1"
    assert event["properties"] == {"tokens": 1000, "model": "small"}
    assert charge["meter"] == "tokens"
    assert (charge["amount"], charge["drawn"], charge["uncovered"]) == ("3", "3", "0")
    assert available(book) == "7"
    assert book.get("events/e1").json() == event


def test_the_same_event_again_is_answered_as_it_was(book: httpx.Client) -> None:
    first = post(book, "events", EVENT)
    again = book.post("events", json=EVENT)
    assert again.json() == first
    assert again.headers["idempotent-replayed"] == "true"
    assert available(book) == "7"


def test_another_event_of_the_same_id_is_refused(book: httpx.Client) -> None:
    post(book, "events", EVENT)
    problem = post(book, "events", EVENT | {"properties": {"tokens": 5}}, 409)
    assert problem["code"] == "event_reused"
    assert available(book) == "7"


def test_numbers_are_exact(book: httpx.Client) -> None:
    raw = b'{"id":"e1","customer":"ann","name":"call","properties":{"tokens":0.100000000001}}'
    answer = book.post("events", content=raw, headers={"content-type": "application/json"})
    assert b'"tokens":0.100000000001' in answer.content
    assert b'"tokens":0.100000000001' in book.get("events/e1").content


def test_many_events_are_taken_each_for_itself(book: httpx.Client) -> None:
    events = [EVENT | {"id": f"e{n}"} for n in range(3)]
    events.insert(1, EVENT | {"id": "bad", "properties": {}})
    events.append(events[0])
    answer = post(book, "events", {"events": events})
    assert [each["status"] for each in answer["results"]] == [201, 422, 201, 201, 201]
    assert answer["results"][1]["error"]["field"] == "properties.tokens"
    assert answer["results"][4]["replayed"] is True
    assert available(book) == "1"


def test_what_cannot_be_paid_is_on_the_event(book: httpx.Client) -> None:
    [charge] = post(book, "events", EVENT | {"properties": {"tokens": 4_000}})["charges"]
    assert (charge["amount"], charge["drawn"], charge["uncovered"]) == ("12", "0", "12")
    assert available(book) == "10"
    found = book.get("events", params={"uncovered": True}).json()["data"]
    assert [event["id"] for event in found] == ["e1"]


def test_an_entitlement_may_say_that_what_there_is_is_drawn(native: httpx.Client) -> None:
    post(native, "customers", {"id": "ann"})
    kind = {"code": "credits", "unit": "credit", "scale": 0, "shortfall": "cap"}
    assert post(native, "entitlements", kind)["shortfall"] == "cap"
    post(native, "grants", {"customer": "ann", "entitlement": "credits", "amount": "10"})
    post(native, "meters", METER)
    post(native, "rates", RATE)
    [charge] = post(native, "events", EVENT | {"properties": {"tokens": 4_000}})["charges"]
    assert (charge["amount"], charge["drawn"], charge["uncovered"]) == ("12", "10", "2")


def test_events_are_listed_by_customer_name_and_time(book: httpx.Client) -> None:
    post(book, "customers", {"id": "bob"})
    for n, customer in enumerate(["ann", "bob", "ann"]):
        time = f"2026-01-0{n + 1}T00:00:00Z"
        post(book, "events", EVENT | {"id": f"e{n}", "customer": customer, "time": time})

    def ids(**query: object) -> list[str]:
        data = book.get("events", params=query).json()["data"]  # type: ignore[arg-type]
        return [event["id"] for event in data]

    assert ids() == ["e2", "e1", "e0"]
    assert ids(customer="ann") == ["e2", "e0"]
    assert ids(since="2026-01-02T00:00:00Z") == ["e2", "e1"]
    assert ids(until="2026-01-02T00:00:00Z") == ["e0"]
    assert ids(name="other") == []


def test_an_event_of_nobody_is_refused(book: httpx.Client) -> None:
    problem = post(book, "events", EVENT | {"customer": "nobody"}, 404)
    assert problem["code"] == "customer_not_found"


def test_a_meter_is_shown_as_it_was_made(book: httpx.Client) -> None:
    tree = {"and": [{"property": "tokens", "op": "gt", "value": 1.5}]}
    body = METER | {"code": "large", "filter": tree, "group_by": ["model"]}
    meter = post(book, "meters", body)
    assert meter["filter"] == tree
    assert book.get("meters/large").json() == meter
    assert [one["code"] for one in book.get("meters").json()["data"]] == ["large", "tokens"]


def test_a_meter_that_cannot_be_is_refused_with_its_field(book: httpx.Client) -> None:
    body = METER | {"code": "wrong", "filter": {"property": "a", "op": "like", "value": 1}}
    assert post(book, "meters", body, 422)["field"] == "filter.op"
    assert post(book, "meters", METER | {"code": "x", "property": None}, 422)["field"] == "property"
    assert post(book, "meters", METER, 409)["code"] == "already_exists"


def test_a_rate_is_shown_as_it_was_made(book: httpx.Client) -> None:
    tiers = [
        {"up_to": "10", "price": "0", "flat": "1"},
        {"up_to": None, "price": "0.5", "flat": "0"},
    ]
    price = {"model": "graduated", "free": "0", "tiers": tiers}
    rate = post(book, "rates", RATE | {"price": price})
    assert rate["price"] == price
    assert rate["period"] == {"unit": "month", "zone": "UTC", "cycle": False}
    assert book.get("rates").json()["data"][0] == rate


def test_a_rate_that_cannot_be_is_refused_with_its_field(book: httpx.Client) -> None:
    wrong = {"model": "volume", "tiers": [{"up_to": "10"}]}
    assert post(book, "rates", RATE | {"price": wrong}, 422)["field"] == "price.tiers[0].up_to"
    assert post(book, "rates", RATE | {"meter": "none"}, 404)["code"] == "meter_not_found"
    zone = {"unit": "day", "zone": "europe/berlin"}
    assert post(book, "rates", RATE | {"period": zone}, 422)["field"] == "period.zone"


def test_names_are_without_control_characters(book: httpx.Client) -> None:
    for name in ("\0", "a\0b"):
        assert post(book, "meters", METER | {"code": "c", "name": name}, 422)["field"] == "name"
        assert post(book, "events", EVENT | {"name": name}, 422)["field"] == "name"
        assert book.get("events", params={"name": name}).status_code == 422


def test_overrides_that_are_sent_together_are_taken_in_their_order(book: httpx.Client) -> None:
    """However few of them are handed to the ledger at once."""
    many = [
        EVENT | {"id": f"e{n % 3}", "properties": {"tokens": n}, "override": True}
        for n in range(2 * OVERRIDES_AT_ONCE + 3)
    ]
    bad = EVENT | {"id": "e9", "customer": "nobody"}
    results = post(book, "events", {"events": [*many, bad]})["results"]
    assert [each["status"] for each in results] == [201] * len(many) + [404]
    shown = [each["event"]["properties"]["tokens"] for each in results[:-1]]
    assert shown == list(range(len(many)))
    last = [book.get(f"events/e{n}").json()["properties"]["tokens"] for n in range(3)]
    assert sorted(last) == [len(many) - 3, len(many) - 2, len(many) - 1]


def test_what_a_meter_and_a_rate_say_is_bounded_in_all(book: httpx.Client) -> None:
    """Each of their parts may be as it is: they are kept in memory, with all others of the book."""
    values = [f"{n:0500}" for n in range(100)]
    parts = [{"property": f"p{n}", "op": "in", "value": values} for n in range(6)]
    meter = METER | {"code": "long", "filter": {"or": parts}}
    refused = post(book, "meters", meter, 422)
    assert (refused["field"], "262,144 bytes" in refused["detail"]) == ("filter", True)
    post(book, "meters", meter | {"filter": {"or": parts[:5]}})
    tiers = [{"up_to": str(n + 1)} for n in range(99)] + [{"price": "1"}]
    prices = {f"m{n}": {"model": "volume", "tiers": tiers} for n in range(60)}
    price = {"model": "table", "attribute": "model", "prices": prices}
    assert post(book, "rates", RATE | {"price": price}, 422)["field"] == "price"


def test_late_usage_is_paid_by_what_has_expired_since(native: httpx.Client) -> None:
    """On a test clock: the grant has expired a day ago, the usage was before that."""
    asked = {"frozen_at": "2026-01-01T00:00:00Z", "idempotency_key": "clock"}
    clock = post(native, "test-clocks", asked)["id"]
    post(native, "customers", {"id": "ann", "test_clock": clock})
    kind = {"code": "credits", "unit": "credit", "scale": 0, "late_usage_grace": 200_000}
    assert post(native, "entitlements", kind)["late_usage_grace"] == 200_000
    body = {"customer": "ann", "entitlement": "credits", "amount": "10"}
    post(native, "grants", body | {"expires_at": "2026-01-02T00:00:00Z"})
    post(native, "meters", METER)
    post(native, "rates", RATE)
    advance(native, clock, "2026-01-03T00:00:00Z")
    for n, drawn in enumerate(["6", "3", "0"]):
        event = EVENT | {"id": f"late{n}", "time": "2026-01-01T23:00:00Z"}
        tokens = 2_000 if n == 0 else 1_000
        [charge] = post(native, "events", event | {"properties": {"tokens": tokens}})["charges"]
        assert charge["drawn"] == drawn
    balance = native.get("balances/ann/credits").json()
    assert (balance["used"], balance["expired"], balance["posted"]) == ("9", "1", "0")


def test_a_property_that_is_no_scalar_is_refused_with_its_name(book: httpx.Client) -> None:
    for value in ([1], {"a": 1}, 10**20):
        problem = post(book, "events", EVENT | {"properties": {"size": value}}, 422)
        assert problem["field"] == "properties.size"
    assert post(book, "events", EVENT | {"properties": [1]}, 422)["field"] == "properties"
    assert post(book, "events", {"id": "e1", "name": "call"}, 422)["field"] == "customer"
    assert post(book, "events", {"events": [], "id": "e1"}, 422)["field"] == "events"
    assert post(book, "events", {"events": []}) == {"results": []}


def test_an_event_cannot_be_of_the_future(book: httpx.Client) -> None:
    assert post(book, "events", EVENT | {"time": "2999-01-01T00:00:00Z"}, 422)["field"] == "time"


def test_events_of_another_book_are_not_there(book: httpx.Client, tenant: Tenant) -> None:
    post(book, "events", EVENT)
    with tenant.client(tenant.live.editor) as live:
        assert live.get("events").json()["data"] == []
        assert live.get("meters").json()["data"] == []
        assert live.get("events/e1").json()["code"] == "usage_event_not_found"


def test_an_event_can_be_overridden(book: httpx.Client) -> None:
    first = post(book, "events", EVENT)
    assert (first["overridden"], available(book)) == (False, "7")
    again = post(book, "events", EVENT | {"properties": {"tokens": 400}, "override": True})
    assert (again["charges"][0]["drawn"], again["overridden"]) == ("1", True)
    assert again["time"] == first["time"]
    assert available(book) == "9"
    assert book.get("events/e1").json() == again
    assert book.get(f"debits/{first['debit']}").json()["reversed"] == "3"
    assert book.get(f"debits/{again['debit']}").json()["amount"] == "1"
    replayed = book.post("events", json=EVENT | {"properties": {"tokens": 400}, "override": True})
    assert replayed.json() == again
    assert replayed.headers["idempotent-replayed"] == "true"


def test_many_overrides_are_taken_in_their_order(book: httpx.Client) -> None:
    sizes = [1_000, 2_000, 500, 1_500]
    events: list[dict[str, Any]] = [
        EVENT | {"id": "e1", "properties": {"tokens": size}, "override": True} for size in sizes
    ]
    events.insert(2, EVENT | {"id": "e2"})
    answer = post(book, "events", {"events": events})
    assert [each["status"] for each in answer["results"]] == [201] * 5
    drawn = [each["event"]["charges"][0]["drawn"] for each in answer["results"]]
    assert drawn == ["3", "6", "3", "1", "4"]
    assert available(book) == "3"


def test_a_last_value_is_right_after_an_override(native: httpx.Client) -> None:
    """The stored events of the count are read, the latest first."""
    post(native, "customers", {"id": "ann"})
    post(native, "entitlements", {"code": "credits", "unit": "credit", "scale": 0})
    post(native, "grants", {"customer": "ann", "entitlement": "credits", "amount": "100"})
    post(native, "meters", METER | {"aggregation": "last"})
    post(native, "rates", RATE | {"price": {"model": "per_unit", "price": "1"}})
    for n, size in enumerate([5, 9, 7]):
        time = f"2026-01-31T12:00:0{n}Z"
        post(
            native, "events", EVENT | {"id": f"e{n}", "time": time, "properties": {"tokens": size}}
        )
    assert available(native) == "91"
    event = {"id": "e1", "customer": "ann", "name": "call", "override": True}
    [charge] = post(native, "events", event | {"properties": {"tokens": 6}})["charges"]
    assert charge["drawn"] == "2"
    assert available(native) == "93"
    assert native.get("events/e2").json()["charges"][0]["drawn"] == "0"
    post(native, "events", event | {"properties": {"tokens": 9}})
    assert available(native) == "91"


def test_an_override_stays_with_the_events_customer(book: httpx.Client) -> None:
    post(book, "customers", {"id": "bob"})
    post(book, "events", EVENT)
    problem = post(book, "events", EVENT | {"customer": "bob", "override": True}, 422)
    assert problem["field"] == "customer"


def test_what_usage_drew_can_be_explained_and_reversed(book: httpx.Client) -> None:
    """An operator's reversal returns credit, and changes no count."""
    debit = post(book, "events", EVENT)["debit"]
    shown = book.get(f"debits/{debit}").json()
    assert (shown["amount"], shown["entitlement"]) == ("3", "credits")
    assert book.get(f"debits/{debit}/explain").json()["draws"][0]["amount"] == "3"
    body = {"amount": "2", "idempotency_key": "r1"}
    assert post(book, f"debits/{debit}/reverse", body)["amount"] == "2"
    assert available(book) == "9"
    assert book.get(f"debits/{debit}").json()["reversed"] == "2"
    [charge] = post(book, "events", EVENT | {"id": "e2"})["charges"]
    assert charge["amount"] == "3"


def test_usage_that_cost_nothing_is_no_debit(book: httpx.Client) -> None:
    event = post(book, "events", EVENT | {"properties": {"tokens": 0}})
    assert event["debit"] is None


def test_usage_of_several_wallets_is_a_debit_in_parts(book: httpx.Client) -> None:
    post(book, "entitlements", {"code": "calls", "unit": "call", "scale": 1})
    post(book, "grants", {"customer": "ann", "entitlement": "calls", "amount": "5"})
    post(book, "meters", {"code": "count", "event_name": "call", "aggregation": "count"})
    price = {"model": "per_unit", "price": "0.5"}
    post(book, "rates", {"meter": "count", "entitlement": "calls", "price": price})
    debit = post(book, "events", EVENT)["debit"]
    shown = book.get(f"debits/{debit}").json()
    assert [(part["entitlement"], part["amount"]) for part in shown["parts"]] == [
        ("credits", "3"),
        ("calls", "0.5"),
    ]
    explained = book.get(f"debits/{debit}/explain").json()
    assert [draw["entitlement"] for draw in explained["draws"]] == ["credits", "calls"]
    post(book, "events", EVENT | {"override": True, "properties": {"tokens": 2_000}})
    assert available(book) == "4"
    assert book.get("balances/ann/calls").json()["available"] == "4.5"


def test_an_override_is_explained_by_what_was_there_once_it_had_returned_its_own(
    book: httpx.Client,
) -> None:
    """The first grant was used up by the event itself, and pays for it again."""
    grant = {"customer": "ann", "entitlement": "credits", "amount": "100"}
    post(book, "grants", grant)
    post(book, "events", EVENT | {"properties": {"tokens": 4_000}})
    again = EVENT | {"properties": {"tokens": 3_000}, "override": True}
    debit = post(book, "events", again)["debit"]
    explained = book.get(f"debits/{debit}/explain").json()
    assert [draw["amount"] for draw in explained["draws"]] == ["9"]
    assert len(explained["later"]) == 1
    assert explained["ineligible"] == []


def test_a_closed_rate_charges_nothing_more(book: httpx.Client) -> None:
    """What was charged before is corrected as ever."""
    post(book, "events", EVENT)
    [rate] = book.get("rates").json()["data"]
    assert rate["closed_at"] is None
    closed = book.delete(f"rates/{rate['id']}").json()
    assert closed["closed_at"] is not None
    assert book.delete(f"rates/{rate['id']}").json() == closed
    assert book.get(f"rates/{rate['id']}").json() == closed
    assert post(book, "events", EVENT | {"id": "e2"})["charges"] == []
    again = EVENT | {"properties": {"tokens": 2_000}, "override": True}
    assert post(book, "events", again)["charges"][0]["amount"] == "6"
    assert available(book) == "4"


def test_a_closed_meter_counts_nothing_more(book: httpx.Client) -> None:
    assert book.delete("meters/tokens").json()["closed_at"] is not None
    assert post(book, "events", EVENT)["charges"] == []
    assert post(book, "rates", RATE, 422)["field"] == "meter"
    assert post(book, "meters", METER, 409)["code"] == "already_exists"
    assert book.delete("meters/none").json()["code"] == "meter_not_found"
    assert book.delete("rates/none").json()["code"] == "rate_not_found"


def test_a_meter_that_is_reopened_counts_what_comes_from_then_on(book: httpx.Client) -> None:
    book.delete("meters/tokens")
    post(book, "events", EVENT)
    reopened = post(book, "meters/tokens/reopen", {}, 200)
    assert reopened["closed_at"] is None
    [charge] = post(book, "events", EVENT | {"id": "e2"})["charges"]
    assert charge["amount"] == "3"
    assert post(book, "meters/tokens/reopen", {}, 200) == reopened
    assert post(book, "meters/none/reopen", {}, 404)["code"] == "meter_not_found"


def test_a_meter_may_be_called_otherwise(book: httpx.Client) -> None:
    made = book.get("meters/tokens").json()
    asked = {"name": "Tokens", "idempotency_key": "k"}
    amended = book.patch("meters/tokens", json=asked).json()
    assert amended == made | {"name": "Tokens"}
    assert book.patch("meters/tokens", json={}).json() == amended
    assert book.patch("meters/tokens", json=asked).headers["idempotent-replayed"] == "true"
    other = book.patch("meters/tokens", json=asked | {"name": "Others"})
    assert (other.status_code, other.json()["code"]) == (409, "key_reused")
    refused = book.patch("meters/tokens", json={"event_name": "other"})
    assert (refused.status_code, refused.json()["field"]) == (422, "event_name")
    assert book.patch("meters/none", json={"name": "x"}).json()["code"] == "meter_not_found"


def test_a_rate_may_sum_up_over_the_cycles_of_the_customers_schedule(
    native: httpx.Client,
) -> None:
    """Cycles of January begin on the 15th; who has no schedule is counted by the calendar's months."""
    clock = {"frozen_at": "2026-01-15T00:00:00Z", "idempotency_key": "clock"}
    clock = post(native, "test-clocks", clock)["id"]
    post(native, "entitlements", {"code": "credits", "unit": "credit", "scale": 0})
    for customer in ("ann", "bob"):
        post(native, "customers", {"id": customer, "test_clock": clock})
        body = {"customer": customer, "entitlement": "credits", "amount": "100"}
        post(native, "grants", body)
    schedule = {"customer": "ann", "entitlement": "credits", "amount": "10"}
    post(native, "schedules", schedule | {"every": {"unit": "month", "count": 1}})
    post(native, "meters", METER)
    rate = post(native, "rates", RATE | {"period": {"cycle": True}})
    assert rate["period"] == {"unit": "month", "zone": "UTC", "cycle": True}
    drawn: dict[str, list[str]] = {"ann": [], "bob": []}
    for n, day in enumerate(["2026-01-20", "2026-02-10", "2026-02-20"]):
        advance(native, clock, f"{day}T12:00:00Z")
        for customer, found in drawn.items():
            event = {"id": f"{customer}{n}", "customer": customer, "name": "call"}
            event = post(native, "events", event | {"properties": {"tokens": 500}})
            found.append(event["charges"][0]["drawn"])
    assert drawn == {"ann": ["1", "2", "1"], "bob": ["1", "1", "2"]}


def test_a_rate_may_charge_only_those_it_is_attached_to(book: httpx.Client) -> None:
    post(book, "customers", {"id": "bob"})
    post(book, "grants", {"customer": "bob", "entitlement": "credits", "amount": "10"})
    price = {"model": "per_unit", "price": "0.001"}
    rate = post(book, "rates", RATE | {"price": price, "customers": "attached"})
    assert rate["customers"] == "attached"

    def drawn(event: str, customer: str) -> list[str]:
        found = post(book, "events", EVENT | {"id": event, "customer": customer})
        return [charge["drawn"] for charge in found["charges"]]

    def charging(customer: str) -> list[str]:
        data = book.get("rates", params={"customer": customer}).json()["data"]
        return [one["customers"] for one in data]

    assert drawn("e1", "bob") == ["3"]
    path = f"rates/{rate['id']}"
    attached = post(book, f"{path}/attach", {"customer": "bob"}, 200)
    assert attached == {"rate": rate["id"], "customer": "bob", "attached": True}
    assert post(book, f"{path}/attach", {"customer": "bob"}, 200) == attached
    assert (charging("bob"), charging("ann")) == (["attached", "all"], ["all"])
    assert (drawn("e2", "bob"), drawn("e3", "ann")) == (["3", "1"], ["3"])
    detached = post(book, f"{path}/detach", {"customer": "bob"}, 200)
    assert detached["attached"] is False
    assert drawn("e4", "bob") == ["3"]
    again = EVENT | {"id": "e2", "customer": "bob", "override": True}
    event = post(book, "events", again | {"properties": {"tokens": 0}})
    assert [charge["amount"] for charge in event["charges"]] == ["0", "0"]


def test_a_rate_for_all_cannot_be_attached(book: httpx.Client) -> None:
    [rate] = book.get("rates").json()["data"]
    path = f"rates/{rate['id']}/attach"
    assert post(book, path, {"customer": "ann"}, 422)["field"] == "rate"
    assert post(book, path, {"customer": "none"}, 404)["code"] == "customer_not_found"
    assert post(book, "rates/none/attach", {"customer": "ann"}, 404)["code"] == "rate_not_found"


def test_usage_is_explained_by_what_it_was_for(book: httpx.Client) -> None:
    """The properties are the attributes of the debit: a grant for another model could not pay."""
    grant = {"customer": "ann", "entitlement": "credits", "amount": "50"}
    scoped = post(book, "grants", grant | {"scope": {"model": ["large"]}, "priority": 1})
    fitting = post(book, "grants", grant | {"scope": {"model": ["small"]}, "priority": 2})
    debit = post(book, "events", EVENT)["debit"]
    explained = book.get(f"debits/{debit}/explain").json()
    assert [draw["grant"] for draw in explained["draws"]] == [fitting["id"]]
    [excluded] = explained["ineligible"]
    assert (excluded["grant"], excluded["reason"]) == (scoped["id"], "out_of_scope")


def test_late_usage_is_explained_though_what_paid_has_expired(native: httpx.Client) -> None:
    asked = {"frozen_at": "2026-01-01T00:00:00Z", "idempotency_key": "clock"}
    clock = post(native, "test-clocks", asked)["id"]
    post(native, "customers", {"id": "ann", "test_clock": clock})
    kind = {"code": "credits", "unit": "credit", "scale": 0, "late_usage_grace": 200_000}
    post(native, "entitlements", kind)
    body = {"customer": "ann", "entitlement": "credits", "amount": "10"}
    expired = post(native, "grants", body | {"expires_at": "2026-01-02T00:00:00Z"})
    post(native, "grants", body)
    post(native, "meters", METER)
    post(native, "rates", RATE)
    advance(native, clock, "2026-01-03T00:00:00Z")
    late = EVENT | {"time": "2026-01-01T23:00:00Z", "properties": {"tokens": 4_000}}
    debit = post(native, "events", late)["debit"]
    draws = native.get(f"debits/{debit}/explain").json()["draws"]
    assert [draw["amount"] for draw in draws] == ["10", "2"]
    assert draws[0]["grant"] == expired["id"]
    body = {"idempotency_key": "back"}
    returned = post(native, f"debits/{debit}/reverse", body)
    assert returned["amount"] == "12"
    balance = native.get("balances/ann/credits").json()
    assert (balance["expired"], balance["available"], balance["used"]) == ("10", "10", "0")
