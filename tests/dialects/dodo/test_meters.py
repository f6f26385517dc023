"""Meters and usage events through the vendor's SDKs."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import httpx
import pytest
from dodopayments import (
    BadRequestError,
    InternalServerError,
    NotFoundError,
    UnprocessableEntityError,
)

from tests.dialects.dodo.sdk import Dodo
from tests.support.clocked_server import ClockedServer
from tests.support.server import Tenant
from tests.support.typescript import Sdk

NEW_YEAR = datetime(2026, 1, 1, tzinfo=UTC)
FILTER = {
    "conjunction": "or",
    "clauses": [
        {
            "conjunction": "and",
            "clauses": [
                {"key": "model", "operator": "equals", "value": "large"},
                {"key": "tokens", "operator": "greater_than_or_equals", "value": 0.5},
            ],
        },
        {
            "conjunction": "and",
            "clauses": [{"key": "paid", "operator": "not_equals", "value": True}],
        },
    ],
}


def make(dodo: Dodo, **more: Any) -> Any:
    given = {
        "name": "Calls",
        "event_name": "call",
        "measurement_unit": "calls",
        "aggregation": {"type": "count"},
    } | more
    return dodo(lambda client: client.meters.create(**given))


def event(number: int, customer: str, **more: Any) -> dict[str, Any]:
    return {"event_id": f"e-{number}", "customer_id": customer, "event_name": "call"} | more


def ingest(dodo: Dodo, *events: dict[str, Any]) -> int:
    found: int = dodo(lambda client: client.usage_events.ingest(events=list(events))).ingested_count
    return found


def listed(dodo: Dodo, **query: Any) -> list[str]:
    page = dodo(lambda client: client.usage_events.list(**query))
    return [each.event_id for each in page.items]


def unarchive(client: Any, meter: str) -> Any:
    return client.meters.unarchive(meter)


def list_events(client: Any, **query: Any) -> Any:
    return client.usage_events.list(**query)


# Meters ----------------------------------------------------------------------------------------------


def test_a_meter_is_made_and_read(dodo: Dodo) -> None:
    made = make(
        dodo,
        description="Tokens of the large model",
        aggregation={"type": "sum", "key": "tokens"},
        filter=FILTER,
    )
    assert made.id.startswith("mtr_")
    assert (made.name, made.event_name, made.measurement_unit) == ("Calls", "call", "calls")
    assert (made.aggregation.type, made.aggregation.key) == ("sum", "tokens")
    assert made.description == "Tokens of the large model"
    assert made.filter.to_dict() == FILTER
    assert dodo(lambda client: client.meters.retrieve(made.id)) == made
    assert make(dodo).id != made.id


def test_a_meters_texts_change_and_what_it_counts_does_not(dodo: Dodo) -> None:
    made = make(dodo, description="First")
    found = dodo(lambda client: client.meters.update(made.id, name="New", description=None))
    assert dodo(lambda client: client.meters.retrieve(made.id)) == found
    assert (found.name, found.description, found.measurement_unit) == ("New", None, "calls")
    assert found.updated_at > made.updated_at
    dodo(lambda client: client.meters.update(made.id, measurement_unit="call"))
    found = dodo(lambda client: client.meters.retrieve(made.id))
    assert (found.name, found.measurement_unit) == ("New", "call")
    assert (found.event_name, found.aggregation) == (made.event_name, made.aggregation)


def test_an_archived_meter_is_listed_apart_until_it_is_unarchived(dodo: Dodo) -> None:
    first, second = make(dodo, name="One").id, make(dodo, name="Two").id

    def names(**query: Any) -> list[str]:
        return [each.name for each in dodo(lambda client: client.meters.list(**query)).items]

    assert names() == ["Two", "One"]
    assert dodo(lambda client: client.meters.archive(first)) is None
    assert (names(), names(archived=True)) == (["Two"], ["One"])
    assert dodo(lambda client: client.meters.retrieve(first)).name == "One"
    assert dodo(lambda client: client.meters.unarchive(first)) is None
    assert (names(), names(archived=True)) == (["Two", "One"], [])
    assert names(page_size=1, page_number=1) == ["One"]
    assert names(page_size=1, page_number=2) == names(page_size=0) == []
    assert second != first


def test_what_cannot_be_unarchived_answers_500_once(dodo: Dodo) -> None:
    made = make(dodo).id
    for named in (made, "mtr_unknown"):
        before = len(dodo.sent)
        refused = dodo.refused(partial(unarchive, meter=named))
        assert (refused.error, refused.should_retry) == (InternalServerError, "false")
        assert len(dodo.sent) == before + 1


def test_a_meter_that_nobody_made_is_not_found(dodo: Dodo) -> None:
    for ask in (
        lambda client: client.meters.retrieve("mtr_unknown"),
        lambda client: client.meters.update("mtr_unknown", name="x"),
        lambda client: client.meters.archive("mtr_unknown"),
        lambda client: client.usage_events.list(meter_id="mtr_unknown"),
        lambda client: client.usage_events.retrieve("unknown"),
    ):
        refused = dodo.refused(ask)
        assert (refused.error, refused.code) == (NotFoundError, "NOT_FOUND")


def condition(**more: Any) -> dict[str, Any]:
    return {"key": "n", "operator": "equals", "value": 1} | more


def tree(*clauses: Any, conjunction: str = "and") -> dict[str, Any]:
    return {"filter": {"conjunction": conjunction, "clauses": list(clauses)}}


def nested(levels: int) -> dict[str, Any]:
    inner = condition() if levels == 1 else nested(levels - 1)["filter"]
    return tree(inner)


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({"name": ""}, "name"),
        ({"name": "x" * 256}, "name"),
        ({"event_name": "x" * 101}, "event_name"),
        ({"event_name": "a\nb"}, "event_name"),
        ({"measurement_unit": ""}, "measurement_unit"),
        ({"aggregation": {"type": "unique", "key": "n"}}, "aggregation.type"),
        ({"aggregation": {"type": "sum"}}, "aggregation.key"),
        ({"filter": "x"}, "filter"),
        ({"filter": {"clauses": [condition()]}}, "filter"),
        (tree(condition(), conjunction="xor"), "filter.conjunction"),
        (tree(), "filter.clauses"),
        (tree(*[condition()] * 11), "filter.clauses"),
        (tree(condition(), tree(condition())["filter"]), "filter.clauses[1]"),
        (tree(condition(operator="like")), "filter.clauses[0].operator"),
        (tree(condition(key="x" * 101)), "filter.clauses[0].key"),
        (tree(condition(value=None)), "filter.clauses[0].value"),
        (tree(condition(operator="less_than", value="x")), "filter.clauses[0].value"),
        (nested(4), "filter.clauses[0].clauses[0].clauses"),
    ],
)
def test_a_meter_that_cannot_be_is_refused_by_its_field(
    dodo: Dodo, given: dict[str, Any], field: str
) -> None:
    body = {
        "name": "Calls",
        "event_name": "call",
        "measurement_unit": "calls",
        "aggregation": {"type": "count"},
    } | given
    refused = dodo.refused(lambda client: client.meters.create(**body))
    assert (refused.error, refused.code) == (UnprocessableEntityError, "INVALID_REQUEST_BODY")
    assert field in refused.message
    assert dodo(lambda client: client.meters.list()).items == []


def test_a_filter_may_be_three_levels_deep(dodo: Dodo) -> None:
    assert make(dodo, **nested(3)).filter.to_dict() == nested(3)["filter"]


def test_a_meter_of_the_native_api_is_shown_as_far_as_there_are_words(
    dodo: Dodo, native: httpx.Client
) -> None:
    given = {"code": "calls", "event_name": "call", "aggregation": "count"}
    tree = {"property": "n", "op": "gt", "value": 3}
    native.post("/meters", json=given | {"filter": tree}).raise_for_status()
    other = {"property": "n", "op": "in", "value": [1, 2]}
    native.post("/meters", json=given | {"code": "few", "filter": other}).raise_for_status()
    few, calls = dodo(lambda client: client.meters.list()).items
    assert (calls.name, calls.measurement_unit, calls.description) == ("calls", "", None)
    assert calls.filter.to_dict() == tree_of(3)
    assert few.filter is None


def test_a_meter_that_the_vendor_has_no_word_for_is_not_shown(
    dodo: Dodo, native: httpx.Client
) -> None:
    """Its SDK knows no meter that counts what is unique: one in a list would spoil all of it."""
    given = {"code": "users", "event_name": "seen", "aggregation": "unique", "property": "user"}
    native.post("/meters", json=given).raise_for_status()
    made = make(dodo)
    assert [each.id for each in dodo(lambda client: client.meters.list()).items] == [made.id]
    refused = dodo.refused(lambda client: client.meters.retrieve("users"))
    assert (refused.error, refused.code) == (NotFoundError, "NOT_FOUND")


def tree_of(value: int) -> dict[str, Any]:
    clause = {"key": "n", "operator": "greater_than", "value": value}
    return {"conjunction": "and", "clauses": [clause]}


# Events ----------------------------------------------------------------------------------------------


def test_events_are_taken_once_for_their_id(dodo: Dodo) -> None:
    customer = dodo.customer()
    at = datetime.now(UTC) - timedelta(minutes=5)
    first = event(1, customer, timestamp=at, metadata={"tokens": 1.5, "model": "a", "paid": True})
    assert ingest(dodo, first, event(2, customer)) == 2
    assert ingest(dodo, first, event(2, customer), event(3, customer)) == 1
    assert ingest(dodo, event(2, customer, metadata={"other": "1"})) == 0
    found = dodo(lambda client: client.usage_events.retrieve("e-1"))
    assert (found.customer_id, found.event_name) == (customer, "call")
    assert found.timestamp == at
    assert found.metadata == {"tokens": 1.5, "model": "a", "paid": True}
    assert dodo(lambda client: client.usage_events.retrieve("e-2")).metadata == {}


def test_an_id_may_hold_what_a_path_cannot(dodo: Dodo) -> None:
    customer = dodo.customer()
    name = "a/b c?d#e%2f ü"
    assert ingest(dodo, event(1, customer, event_id=name)) == 1
    assert dodo(lambda client: client.usage_events.retrieve(name)).event_id == name


def test_events_are_listed_newest_first_by_what_is_asked(dodo: Dodo) -> None:
    ada, bob = dodo.customer(), dodo.customer(email="bob@example.com")
    now = datetime.now(UTC)
    sent = [
        event(
            n, bob if n % 2 else ada, timestamp=now - timedelta(minutes=10 - n), metadata={"n": n}
        )
        for n in range(6)
    ]
    sent.append(event(6, ada, event_name="other"))
    assert ingest(dodo, *sent) == 7
    assert listed(dodo) == [f"e-{n}" for n in range(6, -1, -1)]
    assert listed(dodo, customer_id=bob) == ["e-5", "e-3", "e-1"]
    assert listed(dodo, event_name="other") == ["e-6"]
    assert listed(dodo, start=sent[2]["timestamp"], end=sent[4]["timestamp"]) == ["e-3", "e-2"]
    assert listed(dodo, page_size=2, page_number=1) == ["e-4", "e-3"]
    assert listed(dodo, page_number=1) == listed(dodo, page_size=0) == []
    assert listed(dodo, customer_id="cus_unknown") == []
    clause = {"key": "n", "operator": "less_than", "value": 3}
    meter = make(dodo, filter={"conjunction": "and", "clauses": [clause]}).id
    assert listed(dodo, meter_id=meter) == ["e-2", "e-1", "e-0"]
    assert listed(dodo, meter_id=meter, event_name="call", page_size=2) == ["e-2", "e-1"]
    refused = dodo.refused(
        lambda client: client.usage_events.list(meter_id=meter, event_name="other")
    )
    assert (refused.error, refused.code) == (BadRequestError, "INVALID_QUERY_PARAMS")
    assert listed(dodo, page_size=100, page_number=20_000) == []
    refused = dodo.refused(partial(list_events, start="yesterday"))
    assert (refused.status, refused.code) == (422, "INVALID_QUERY_PARAMS")


BATCHES: tuple[tuple[list[dict[str, Any]], int, str], ...] = (
    ([{"event_id": "e-1"}], 400, "events[1].event_id"),
    ([{"customer_id": "cus_unknown"}], 400, "events[1].customer_id"),
    ([{"event_id": "a\nb"}], 400, "events[1].event_id"),
    ([{"timestamp": "2020-01-01T00:00:00Z"}], 400, "events[1].timestamp"),
    ([{"timestamp": "2200-01-01T00:00:00Z"}], 400, "events[1].timestamp"),
    ([{"metadata": {"tokens": "many"}}], 400, "events[1].metadata.tokens"),
    ([{"metadata": {}}], 400, "events[1].metadata.tokens"),
    ([{"timestamp": "yesterday"}], 422, "events[1].timestamp"),
    ([{"event_id": ""}], 422, "event_id"),
    ([{"event_name": "x" * 101}], 422, "event_name"),
    ([{"metadata": {"n": [1]}}], 422, "events[1].metadata.n"),
    ([{"metadata": {str(n): n for n in range(51)}}], 422, "events[1].metadata"),
    ([{"metadata": {"n": "x" * 501}}], 422, "events[1].metadata.n"),
    ([{"metadata": {"n" * 101: 1}}], 422, "events[1].metadata"),
    ([{"event_id": str(n)} for n in range(1_000)], 422, "events"),
)


@pytest.mark.parametrize(("bad", "status", "field"), BATCHES)
def test_a_bad_event_refuses_its_whole_batch(
    dodo: Dodo, bad: list[dict[str, Any]], status: int, field: str
) -> None:
    customer, kind = dodo.customer(), dodo.entitlement()
    _rated(dodo, kind.id, aggregation={"type": "sum", "key": "tokens"})
    good = event(1, customer, metadata={"tokens": 1})
    sent = [good, *(event(2, customer, metadata={"tokens": 1}) | each for each in bad)]
    refused = dodo.refused(lambda client: client.usage_events.ingest(events=sent))
    many = len(bad[0].get("metadata", ())) > 50
    code = "MAXIMUM_KEYS_REACHED" if many else "INVALID_REQUEST_BODY"
    assert (refused.status, refused.code) == (status, code)
    assert field in refused.message
    assert listed(dodo) == []


def _rated(dodo: Dodo, entitlement: str, **more: Any) -> str:
    """A meter of which 4 cost one credit of everybody's; Dodo sells rates with products."""
    meter: str = make(dodo, **more).id
    body = {
        "meter": meter,
        "entitlement": entitlement,
        "price": {"model": "per_credit", "units_per_credit": "4"},
    }
    request = dodo.sent[-1]
    url = str(request.url).partition("/dodo")[0] + "/api/v1/rates"
    headers = {"authorization": request.headers["authorization"]}
    httpx.post(url, json=body, headers=headers, verify=False).raise_for_status()
    return meter


def test_usage_is_drawn_when_the_events_are_answered(dodo: Dodo) -> None:
    """What 4 units cost is a credit of 2 places; what is left over of it is carried, and nothing is lost."""
    customer, kind = dodo.customer(), dodo.entitlement().id
    dodo.credit(customer, kind, "10")
    meter = _rated(dodo, kind, aggregation={"type": "sum", "key": "tokens"})
    sent = [event(n, customer, metadata={"tokens": "0.01" if n % 2 else 0.01}) for n in range(4)]
    assert ingest(dodo, *sent) == 4
    assert dodo.balance(customer, kind).balance == "9.99"
    assert ingest(dodo, event(5, customer, metadata={"tokens": 4})) == 1
    assert dodo.balance(customer, kind).balance == "8.99"
    dodo(lambda client: client.meters.archive(meter))
    assert ingest(dodo, event(6, customer, metadata={"tokens": 4})) == 1
    assert dodo.balance(customer, kind).balance == "8.99"
    dodo(lambda client: client.meters.unarchive(meter))
    assert ingest(dodo, event(7, customer, metadata={"tokens": 4})) == 1
    assert dodo.balance(customer, kind).balance == "7.99"


@pytest.mark.parametrize(("minutes", "taken"), [(-60, 1), (-61, 0), (5, 1), (6, 0)])
def test_a_time_is_an_hour_back_at_most_and_five_minutes_ahead(
    clocked: ClockedServer, timed: Dodo, minutes: int, taken: int
) -> None:
    customer = timed.customer()
    given = event(1, customer, timestamp=NEW_YEAR + timedelta(minutes=minutes))
    if taken:
        assert ingest(timed, given) == 1
    else:
        refused = timed.refused(lambda client: client.usage_events.ingest(events=[given]))
        assert (refused.status, "timestamp" in refused.message) == (400, True)
    assert len(listed(timed)) == taken


# The TypeScript SDK ----------------------------------------------------------------------------------


def test_the_typescript_sdk_makes_meters_and_sends_events(tenant: Tenant) -> None:
    options = {"bearerToken": tenant.test.editor.secret, "baseURL": f"{tenant.url}/dodo"}
    with Sdk("dodopayments", **options) as sdk:
        given = {"name": "Calls", "event_name": "call", "measurement_unit": "calls"}
        made = sdk.call(
            "meters.create", given | {"aggregation": {"type": "count"}, "filter": FILTER}
        )
        assert made["filter"] == FILTER
        one = made["id"]
        sdk.call("meters.archive", one)
        assert sdk.pages("meters.list", {"archived": True, "page_number": 0})[0]["id"] == one
        sdk.call("meters.unarchive", one)
        assert sdk.call("meters.retrieve", one)["name"] == "Calls"
        customer = sdk.call("customers.create", {"email": "ada@example.com", "name": "Ada"})
        sent = [
            event(n, customer["customer_id"], metadata={"model": "large", "tokens": n})
            for n in (1, 2)
        ]
        assert sdk.call("usageEvents.ingest", {"events": sent}) == {"ingested_count": 2}
        found = sdk.pages("usageEvents.list", {"meter_id": one, "page_size": 1, "page_number": 0})
        assert [each["event_id"] for each in found] == ["e-2", "e-1"]
        assert sdk.call("usageEvents.retrieve", "e-1")["metadata"] == {
            "model": "large",
            "tokens": 1,
        }
