"""What meters make of events, each aggregation and operator by what it draws; and events on a test clock."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import pytest

from tests.dialects.dodo.clocked import BEGAN, Clocked
from tests.dialects.dodo.sdk import Dodo
from tests.dialects.dodo.test_meters import _rated, event, ingest, listed
from tests.support.server import Tenant

START = datetime.fromisoformat(BEGAN)


@pytest.fixture
def sdk(tenant: Tenant) -> Iterator[Dodo]:
    made = Dodo(tenant.url, tenant.test.editor.secret, blocking=True)
    yield made
    made.close()


@pytest.fixture
def ada(tenant: Tenant) -> Iterator[Clocked]:
    made = Clocked(tenant)
    yield made
    made.http.close()


def drawn(sdk: Dodo, values: list[Any], **meter: Any) -> list[str]:
    """What is left of 100 after each event of ``n``, 4 of which cost a credit of two places."""
    customer, kind = sdk.customer(), sdk.entitlement().id
    sdk.credit(customer, kind, "100")
    _rated(sdk, kind, **meter)
    left = []
    for number, value in enumerate(values):
        metadata = value if isinstance(value, dict) else {"n": value}
        assert ingest(sdk, event(number, customer, metadata=metadata)) == 1
        left.append(sdk.balance(customer, kind).balance)
    return left


@pytest.mark.parametrize(
    ("aggregation", "values", "left"),
    [
        # 0.01 of a credit is 0.04 of the meter: what is below it is carried exactly.
        ("sum", [0.03, "0.03", 0.01, 0.01, 4], ["100", "99.99", "99.99", "99.98", "98.98"]),
        ("max", [4, 2, "8", 8, 7], ["99", "99", "98", "98", "98"]),
        ("last", [4, 2, 8, 1, 9], ["99", "99", "98", "98", "97.75"]),
        ("count", [1, 1, 1, 1, 1], ["99.75", "99.5", "99.25", "99", "98.75"]),
    ],
)
def test_an_aggregation_draws_what_it_rises_by(
    sdk: Dodo, aggregation: str, values: list[Any], left: list[str]
) -> None:
    """Where it falls nothing is given back, and nothing drawn again until it is where it was."""
    asked = {"type": aggregation} | ({} if aggregation == "count" else {"key": "n"})
    assert drawn(sdk, values, aggregation=asked) == left


def condition(operator: str, value: Any, key: str = "n") -> dict[str, Any]:
    return {"key": key, "operator": operator, "value": value}


def every(*clauses: Any) -> dict[str, Any]:
    return {"conjunction": "and", "clauses": list(clauses)}


def either(*clauses: Any) -> dict[str, Any]:
    return {"conjunction": "or", "clauses": list(clauses)}


VALUES: list[Any] = [1, "2", "2.0", 3.5, "large", "extra large", True, {}]
#: By operator and value, which of ``VALUES`` count. What has no such key is only not equal to anything.
COUNTED: tuple[tuple[str, Any, list[int]], ...] = (
    ("equals", 2, [1, 2]),
    ("equals", "large", [4]),
    ("equals", True, [6]),
    ("not_equals", "large", [0, 1, 2, 3, 5, 6, 7]),
    ("greater_than", 2, [3]),
    ("greater_than_or_equals", 2, [1, 2, 3]),
    ("less_than", 2, [0]),
    ("less_than_or_equals", 2, [0, 1, 2]),
    ("contains", "large", [4, 5]),
    ("does_not_contain", "large", [0, 1, 2, 3, 6, 7]),
)


@pytest.mark.parametrize(("operator", "value", "counted"), COUNTED)
def test_a_condition_chooses_the_events_that_count(
    sdk: Dodo, operator: str, value: Any, counted: list[int]
) -> None:
    left = drawn(sdk, VALUES, filter=every(condition(operator, value)))
    before = ["100", *left]
    assert [number for number in range(len(left)) if left[number] != before[number]] == counted


def test_a_filter_of_three_levels_chooses_the_events_that_count(sdk: Dodo) -> None:
    tree = either(
        every(
            either(condition("equals", "a", "model"), condition("equals", "b", "model")),
            either(condition("greater_than", 10)),
        ),
        every(either(condition("equals", True, "forced"))),
    )
    values = [
        {"model": "a", "n": 11},
        {"model": "b", "n": 10},
        {"model": "c", "n": 99},
        {"model": "b", "n": 12},
        {"model": "c", "forced": True},
    ]
    assert drawn(sdk, values, filter=tree) == ["99.75", "99.75", "99.75", "99.5", "99.25"]


def test_an_archived_meter_takes_nothing_and_keeps_its_history(sdk: Dodo) -> None:
    customer, kind = sdk.customer(), sdk.entitlement().id
    sdk.credit(customer, kind, "10")
    meter = _rated(sdk, kind)
    ingest(sdk, event(1, customer))
    sdk(lambda client: client.meters.archive(meter))
    ingest(sdk, event(2, customer))
    assert sdk.balance(customer, kind).balance == "9.75"
    assert listed(sdk, meter_id=meter)[-1] == "e-1"
    shown = sdk(lambda client: client.usage_events.retrieve("e-1"))
    assert (shown.event_id, shown.event_name) == ("e-1", "call")
    sdk(lambda client: client.meters.unarchive(meter))
    assert sdk.balance(customer, kind).balance == "9.75"
    ingest(sdk, event(3, customer))
    assert sdk.balance(customer, kind).balance == "9.5"


@pytest.mark.parametrize(
    ("offset", "is_taken"),
    [(-3_600, True), (-3_601, False), (0, True), (300, True), (301, False)],
)
def test_a_time_is_judged_by_the_clock_of_a_customer_who_has_one(
    sdk: Dodo, ada: Clocked, offset: int, is_taken: bool
) -> None:
    given = event(1, ada.customer, timestamp=START + timedelta(seconds=offset))
    if is_taken:
        assert ingest(sdk, given) == 1
        found = sdk(lambda client: client.usage_events.retrieve("e-1"))
        assert found.timestamp == START + timedelta(seconds=offset)
        return
    refused = sdk.refused(partial(_ingest, events=[given]))
    assert (refused.status, "events[0].timestamp" in refused.message) == (400, True)


def test_one_batch_may_be_of_customers_whose_times_differ(sdk: Dodo, ada: Clocked) -> None:
    """And what is now for the one is refused for the other, with the whole batch."""
    bob = sdk.customer(email="bob@example.com")
    now = datetime.now(UTC)
    mixed = [event(1, ada.customer), event(2, bob), event(3, bob, timestamp=now)]
    refused = sdk.refused(partial(_ingest, events=[*mixed, event(4, ada.customer, timestamp=now)]))
    assert (refused.status, "events[3].timestamp" in refused.message) == (400, True)
    assert listed(sdk) == []
    assert ingest(sdk, *mixed) == 3
    assert sdk(lambda client: client.usage_events.retrieve("e-1")).timestamp == START


def _ingest(client: Any, events: list[Any]) -> Any:
    return client.usage_events.ingest(events=events)
