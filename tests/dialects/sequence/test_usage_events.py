"""Usage events: taken once for each id, the last one received counting; and listed."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import msgspec
import pytest

from tests.dialects.sequence.contract import Balances, read, refusal
from tests.dialects.sequence.contract_usage import (
    Event,
    Events,
    counting,
    event_body,
    listed,
    metric_body,
    new_metric,
    send,
    units,
    value,
)
from tests.dialects.sequence.support import new_customer, outstanding, post_credit


def left(sequence: httpx.Client, customer: str) -> str:
    return "".join(bytes(each.balance).decode() for each in outstanding(sequence, customer))


@pytest.fixture
def metric(sequence: httpx.Client, customer: str) -> str:
    """A metric of whose units the customer has 100."""
    made = new_metric(sequence)
    assert post_credit(sequence, units(customer, made.id, "100")).status_code == 201
    return made.id


def numbers(sequence: httpx.Client, customer: str, count: int) -> list[str]:
    return [send(sequence, customer, customerEventId=f"n-{n}").id for n in range(count)]


def test_an_event_is_answered_with_what_it_left_out(sequence: httpx.Client, customer: str) -> None:
    made = send(sequence, customer)
    assert (made.customer_alias, made.event_type) == (customer, "call")
    assert (bytes(made.event_properties), len(made.customer_event_id)) == (b"{}", 36)
    other = send(
        sequence,
        customer,
        "0.10",
        customerEventId="e-1",
        eventTimestamp="2026-01-31T12:00:00+01:00",
    )
    assert (other.customer_event_id, other.event_timestamp) == ("e-1", "2026-01-31T11:00:00Z")
    assert bytes(other.event_properties) == b'{"tokens":0.1}'
    assert [each.id for each in listed(sequence)] == [other.id, made.id]


@pytest.mark.parametrize(
    ("more", "part"),
    [
        ({"eventType": ""}, "eventType"),
        ({"eventType": "drawdown.replaced"}, "eventType"),
        ({"customerAlias": ""}, "customerAlias"),
        ({"customerEventId": ""}, "customerEventId"),
        ({"customerEventId": "x" * 201}, "customerEventId"),
        ({"customerEventId": "a\N{SYMBOL FOR UNIT SEPARATOR}1"}, "customerEventId"),
        ({"eventTimestamp": "yesterday"}, "eventTimestamp"),
        ({"eventTimestamp": "2999-01-01T00:00:00Z"}, "eventTimestamp"),
        ({"eventProperties": []}, "eventProperties"),
        ({"eventProperties": {"tokens": {}}}, "eventProperties.tokens"),
        ({"eventProperties": {}}, "eventProperties.tokens"),
        ({"eventProperties": {"tokens": "many"}}, "eventProperties.tokens"),
        ({"event": "x"}, "event"),
        ({"sequenceAccountId": "x"}, "sequenceAccountId"),
    ],
)
def test_a_bad_event_is_refused_and_not_kept(
    sequence: httpx.Client, customer: str, metric: str, more: dict[str, Any], part: str
) -> None:
    body = event_body(customer, eventProperties={"tokens": 1}) | more
    refusal(sequence.post("/usage-events", json=body), 400, "ValidationError", part)
    assert listed(sequence) == []


def test_the_same_event_again_changes_nothing(
    sequence: httpx.Client, customer: str, metric: str
) -> None:
    first = send(sequence, customer, "10", customerEventId="e-1")
    assert send(sequence, customer, "10", customerEventId="e-1") == first
    assert left(sequence, customer) == "90"
    assert listed(sequence) == [first]


def test_another_event_of_the_same_id_takes_its_place(
    sequence: httpx.Client, customer: str, metric: str
) -> None:
    """What it said before stays on record, and counts nothing."""
    first = send(sequence, customer, "10", customerEventId="e-1")
    second = send(sequence, customer, "25.5", customerEventId="e-1")
    assert left(sequence, customer) == "74.5"
    assert (second.id, second.customer_event_id) == (first.id, "e-1")
    said = [bytes(each.event_properties) for each in listed(sequence)]
    assert sorted(said) == [b'{"tokens":10}', b'{"tokens":25.5}']
    assert value(sequence, metric, customer) == "25.5"
    send(sequence, customer, "0", customerEventId="e-1")
    assert left(sequence, customer) == "100"
    assert len(listed(sequence, customerAlias=customer)) == 3
    assert [bytes(each.event_properties) for each in listed(sequence, eventId="e-1")] == [
        b'{"tokens":0}'
    ]


def test_an_event_may_go_to_another_customer_and_back(
    sequence: httpx.Client, native: httpx.Client, customer: str, metric: str
) -> None:
    other = new_customer(sequence, customerAliases=["other"]).id
    post_credit(sequence, units(other, metric, "100"))
    send(sequence, customer, "10", customerEventId="e-1")
    moved = send(sequence, "other", "20", customerEventId="e-1")
    assert moved.customer_event_id == "e-1"
    assert (left(sequence, customer), left(sequence, other)) == ("100", "80")
    assert send(sequence, "other", "20", customerEventId="e-1") == moved
    send(sequence, "other", "30", customerEventId="e-1")
    assert (left(sequence, customer), left(sequence, other)) == ("100", "70")
    send(sequence, customer, "40", customerEventId="e-1")
    assert (left(sequence, customer), left(sequence, other)) == ("60", "100")
    assert (value(sequence, metric, customer), value(sequence, metric, "other")) == ("40", "0")
    assert {each.customer_event_id for each in listed(sequence)} == {"e-1"}
    assert [bytes(each.event_properties) for each in listed(sequence, eventId="e-1")] == [
        b'{"tokens":40}'
    ]


def test_an_event_sent_again_for_void_is_cancelled(
    sequence: httpx.Client, customer: str, metric: str
) -> None:
    """Nobody can have that alias. Sent as it was, the event counts again."""
    send(sequence, customer, "10", customerEventId="e-1")
    cancelled = send(sequence, "VOID", "10", customerEventId="e-1")
    assert (cancelled.customer_alias, left(sequence, customer)) == ("VOID", "100")
    assert [each.id for each in listed(sequence, unmappedAliasesOnly="true")] == [cancelled.id]
    body = {"customerId": customer, "value": "VOID"}
    refusal(sequence.post("/customer-aliases", json=body), 400, "ValidationError", "VOID")
    send(sequence, customer, "10", customerEventId="e-1")
    assert left(sequence, customer) == "90"
    assert listed(sequence, unmappedAliasesOnly="true") == []


def test_an_idempotency_key_stands_for_an_event_without_an_id(
    sequence: httpx.Client, customer: str, metric: str
) -> None:
    headers = {"Idempotency-Key": "once"}
    body = event_body(customer, eventProperties={"tokens": 10})
    sent = [sequence.post("/usage-events", json=body, headers=headers) for _ in range(2)]
    first, second = (read(each, 201, Event) for each in sent)
    assert first == second
    assert left(sequence, customer) == "90"
    body["eventProperties"] = {"tokens": 11}
    again = sequence.post("/usage-events", json=body, headers=headers)
    refusal(again, 409, "IdempotencyKeyReused")


def test_an_archived_customer_uses_nothing(sequence: httpx.Client, customer: str) -> None:
    sequence.post(f"/customers/{customer}/archive")
    response = sequence.post("/usage-events", json=event_body(customer))
    refusal(response, 400, "InvalidState", "archived")


def test_events_are_listed_by_pages_in_both_orders(sequence: httpx.Client, customer: str) -> None:
    made = numbers(sequence, customer, 7)
    for order, expected in (("DESC", made[::-1]), ("ASC", made)):
        seen: list[str] = []
        query = {"limit": "3", "sortOrder": order, "sortBy": "createdAt"}
        while True:
            page = read(sequence.get("/usage-events", params=query), 200, Events)
            seen += [each.id for each in page.items]
            if not isinstance(page.pagination.after, str):
                break
            query["after"] = page.pagination.after
        assert seen == expected
        assert isinstance(page.pagination.before, str)
        back = {"limit": "3", "sortOrder": order, "before": page.pagination.before}
        page = read(sequence.get("/usage-events", params=back), 200, Events)
        assert [each.id for each in page.items] == expected[3:6]
    assert [each.id for each in listed(sequence, offset="5")] == made[1::-1]


def test_events_are_chosen_by_customer_type_time_and_id(
    sequence: httpx.Client, customer: str
) -> None:
    other = new_customer(sequence, customerAliases=["other"]).id
    times = {"a": "2026-01-01T00:00:00Z", "b": "2026-01-02T00:00:00Z", "c": "2026-01-03T00:00:00Z"}
    made = {
        name: send(sequence, customer, customerEventId=name, eventTimestamp=time).id
        for name, time in times.items()
    }
    made["d"] = send(sequence, "other", customerEventId="d", eventType="image").id

    def found(**query: str) -> str:
        ids = {identifier: name for name, identifier in made.items()}
        return "".join(ids[each.id] for each in listed(sequence, **query))

    assert found() == "dcba"
    assert found(customerAlias=customer) == "cba"
    assert found(customerAlias="other") == found(customerAlias=other) == "d"
    assert [each.customer_alias for each in listed(sequence, customerAlias="other")] == ["other"]
    assert found(customerAlias="nobody") == ""
    assert found(eventType="image") == "d"
    bounds = {"eventTimestampAfter": times["b"], "eventTimestampBefore": times["c"]}
    assert found(**bounds) == "b"
    assert found(eventId="b") == found(eventId=made["b"]) == "b"
    assert found(eventId="b", eventType="image") == found(eventId="z") == ""


@pytest.mark.parametrize(
    ("query", "part"),
    [
        ({"limit": "101"}, "limit"),
        ({"offset": "-1"}, "offset"),
        ({"offset": "10001"}, "offset"),
        ({"sortBy": "eventType"}, "sortBy"),
        ({"sortOrder": "UP"}, "sortOrder"),
        ({"unmappedAliasesOnly": "maybe"}, "unmappedAliasesOnly"),
        ({"eventTimestampAfter": "yesterday"}, "eventTimestampAfter"),
        ({"after": "x"}, "after"),
        ({"after": "x", "before": "x"}, "before"),
        ({"type": "call"}, "type"),
    ],
)
def test_a_list_says_what_it_cannot_do(
    sequence: httpx.Client, query: dict[str, str], part: str
) -> None:
    refusal(sequence.get("/usage-events", params=query), 400, "ValidationError", part)


def test_an_event_waits_for_its_alias_and_counts_once_somebody_has_it(
    sequence: httpx.Client, metric: str
) -> None:
    """At its own time, whichever call gives the alias."""
    ways = ("at creation", "by change", "as an alias", "exchanged")
    for number, way in enumerate(ways):
        alias = f"alias-{number}"
        send(sequence, alias, "10", eventTimestamp="2026-03-01T00:00:00Z")
        send(sequence, alias, "5", customerEventId=f"e-{number}")
        waiting = listed(sequence, unmappedAliasesOnly="true")
        assert [each.customer_alias for each in waiting] == [alias, alias], way
        assert waiting == listed(sequence, customerAlias=alias)
        made = new_customer(sequence, customerAliases=[alias] if number == 0 else ["before"])
        if way == "by change":
            changed = sequence.get(f"/customers/{made.id}").json() | {"customerAliases": [alias]}
            names = ("legalName", "address", "taxStatus", "customerAliases")
            body = {name: changed[name] for name in names} | {"contacts": []}
            assert sequence.put(f"/customers/{made.id}", json=body).status_code == 200
        elif way == "as an alias":
            body = {"customerId": made.id, "value": alias}
            assert sequence.post("/customer-aliases", json=body).status_code == 201
        elif way == "exchanged":
            [given] = sequence.get(f"/customers/{made.id}/aliases").json()["items"]
            body = {"value": alias}
            assert sequence.put(f"/customer-aliases/{given['id']}", json=body).status_code == 200
        assert listed(sequence, unmappedAliasesOnly="true") == []
        assert value(sequence, metric, alias) == "15", way
        assert value(sequence, metric, alias, "2026-03-01", "2026-03-01") == "10", way
        if way == "as an alias":
            kept = sequence.get(f"/customers/{made.id}/aliases").json()["items"]
            for each in kept:
                sequence.delete(f"/customer-aliases/{each['id']}")
    assert len(listed(sequence)) == 2 * len(ways)


def test_an_event_that_waited_has_another_id_and_is_found_by_both(
    sequence: httpx.Client, metric: str
) -> None:
    waited = send(sequence, "globex", "10", customerEventId="e-1")
    send(sequence, "globex", "5")
    new_customer(sequence, customerAliases=["globex"])
    [counted] = listed(sequence, eventId="e-1")
    assert counted.id != waited.id
    assert listed(sequence, eventId=waited.id) == listed(sequence, eventId=counted.id) == [counted]


def test_an_event_that_waits_is_replaced_like_any_other(
    sequence: httpx.Client, customer: str, metric: str
) -> None:
    first = send(sequence, "later", "10", customerEventId="e-1")
    assert send(sequence, "later", "10", customerEventId="e-1") == first
    second = send(sequence, "later", "20", customerEventId="e-1")
    assert len(listed(sequence)) == 2
    assert [each.id for each in listed(sequence, eventId="e-1")] == [second.id]
    send(sequence, customer, "30", customerEventId="e-1")
    new_customer(sequence, customerAliases=["later"])
    assert (left(sequence, customer), value(sequence, metric, "later")) == ("70", "0")


def test_an_event_that_counted_may_come_to_wait(
    sequence: httpx.Client, customer: str, metric: str
) -> None:
    send(sequence, customer, "10", customerEventId="e-1")
    send(sequence, "later", "20", customerEventId="e-1")
    assert left(sequence, customer) == "100"
    later = new_customer(sequence, customerAliases=["later"]).id
    assert (value(sequence, metric, later), value(sequence, metric, customer)) == ("20", "0")


def test_what_cannot_be_counted_goes_on_waiting(sequence: httpx.Client, metric: str) -> None:
    """It lacks the number of tokens: it counts when it is sent again as it should be."""
    send(sequence, "later", customerEventId="e-1")
    send(sequence, "later", "5", customerEventId="e-2")
    new_customer(sequence, customerAliases=["later"])
    [waiting] = listed(sequence, unmappedAliasesOnly="true")
    assert (waiting.customer_event_id, value(sequence, metric, "later")) == ("e-1", "5")
    send(sequence, "later", "6", customerEventId="e-1")
    assert listed(sequence, unmappedAliasesOnly="true") == []
    assert value(sequence, metric, "later") == "11"


def test_one_who_got_the_name_in_another_dialect_gets_his_events_when_they_are_listed(
    sequence: httpx.Client, native: httpx.Client, metric: str
) -> None:
    send(sequence, "later", "5")
    assert native.post("/customers", json={"id": "later"}).status_code == 201
    assert listed(sequence, unmappedAliasesOnly="true") == []
    assert value(sequence, metric, "later") == "5"


def test_many_events_that_wait_are_recorded_in_pieces(
    sequence: httpx.Client, customer: str
) -> None:
    metric = counting(sequence, name="Calls")
    for number in range(60):
        send(sequence, "later" if number % 2 else "never", customerEventId=f"e-{number}")
    new_customer(sequence, customerAliases=["later"])
    assert value(sequence, metric.id, "later") == "30"
    waiting = listed(sequence, unmappedAliasesOnly="true", limit="100")
    assert [each.customer_alias for each in waiting] == ["never"] * 30


def test_balances_show_usage_as_it_was_drawn(
    sequence: httpx.Client, customer: str, metric: str
) -> None:
    send(sequence, customer, "10", customerEventId="e-1")
    send(sequence, customer, "4", customerEventId="e-1")
    [balance] = read(sequence.get(f"/credits/{customer}/balances"), 200, Balances).items
    moved = [(each.type, each.amount) for each in balance.transactions]
    assert balance.balance == "96"
    assert sorted(moved) == [("CREDIT", "10"), ("CREDIT", "100"), ("DEBIT", "10"), ("DEBIT", "4")]


def test_of_one_id_one_event_counts_however_many_are_sent_at_once(
    sequence: httpx.Client, customer: str, metric: str
) -> None:
    """From one customer to the other and back: whichever came last, its credit and no other is drawn."""
    new_customer(sequence, customerAliases=["other"])

    def sent(number: int) -> int:
        alias = customer if number % 2 else "other"
        body = event_body(alias, customerEventId=f"e-{number % 3}", eventProperties={"tokens": 1})
        return sequence.post("/usage-events", json=body).status_code

    with ThreadPoolExecutor(6) as pool:
        assert set(pool.map(sent, range(36))) == {201}
    his, others = (int(value(sequence, metric, alias)) for alias in (customer, "other"))
    assert his + others == 3
    assert left(sequence, customer) == str(100 - his)


def test_of_many_definitions_at_once_one_counts(
    sequence: httpx.Client, native: httpx.Client, metric: str
) -> None:
    """Who comes upon another's change is told to read it again."""

    def put(number: int) -> int:
        body = metric_body(aggregationProperty=f"p{number}")
        return sequence.put(f"/usage-metrics/{metric}", json=body).status_code

    with ThreadPoolExecutor(6) as pool:
        statuses = list(pool.map(put, range(12)))
    assert {200} <= set(statuses) <= {200, 400}
    meters = [each for each in native.get("/meters").json()["data"] if not each["closed_at"]]
    rates = [each for each in native.get("/rates").json()["data"] if not each["closed_at"]]
    [meter], [rate] = meters, rates
    assert rate["meter"] == meter["code"]
    shown = sequence.get(f"/usage-metrics/{metric}").json()
    assert shown["aggregationProperty"] == meter["property"]


def test_what_no_database_may_keep_is_no_fault(
    sequence: httpx.Client, customer: str, metric: str
) -> None:
    """A zero byte in what an event says, mapped or not."""
    for alias in (customer, "later"):
        for own_id in ("e-1", "e-1"):
            said = {"tokens": 1, "text": "a\0b", own_id: "\0"}
            send(sequence, alias, customerEventId=own_id, eventProperties=said)
    [found] = listed(sequence, eventId="e-1")
    assert msgspec.json.decode(found.event_properties)["text"] == "a\0b"


def test_an_event_says_no_more_than_can_be_kept_beside_it(
    sequence: httpx.Client, customer: str
) -> None:
    """What is taken can also wait, and be replaced."""
    whole = {f"p{number}": "x" * 490 for number in range(50)}
    for alias in (customer, "later"):
        for last in ("x", "y"):
            send(sequence, alias, customerEventId="e-1", eventProperties=whole | {"p0": last})
    wide = dict.fromkeys(whole, "€" * 490)
    body = event_body(customer, eventProperties=wide)
    response = sequence.post("/usage-events", json=body)
    refusal(response, 400, "ValidationError", "eventProperties", "60,000 bytes")
