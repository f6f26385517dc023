"""What was used in a time is counted bit by bit: in any order and any parts it comes to the same."""

from __future__ import annotations

from random import Random

import pytest

from drawdown.core.types import Id, Instant
from drawdown.core.usage.meters import Aggregation, Measure
from drawdown.core.usage.properties import Properties
from drawdown.core.usage.quantities import ONE
from drawdown.core.usage.records import Charge
from drawdown.core.usage.spans import Counting, Span, Used, use_of

CUSTOMER = Id(bytes(16))
#: ``usd`` is what the events have drawn at once.
CHARGE = Charge(
    rate="00",
    meter="calls",
    entitlement="usd",
    scale=9,
    amount=7,
    drawn=3,
    overage=2,
    period=Instant(0),
)


def used(random: Random, number: int) -> Used:
    value = random.choice(["1", "2.5", "-3", "0", "12", None])
    said: Properties = {} if value is None else {"value": value}
    return Used(
        Instant(random.randrange(50)),
        Id(number.to_bytes(16, "big")),
        said,
        random.choice([(), (CHARGE,)]),
    )


@pytest.mark.parametrize("window", [None, 10])
@pytest.mark.parametrize("aggregation", Aggregation)
def test_any_parts_in_any_order_come_to_the_same(
    aggregation: Aggregation, window: int | None
) -> None:
    of = None if aggregation is Aggregation.COUNT else "value"
    measure = Measure(event_name="calls", aggregation=aggregation, property=of, window=window)
    span = Span(CUSTOMER, measure, Instant(0), Instant(50))
    for seed in range(30):
        random = Random(seed)
        events = [used(random, number) for number in range(random.randrange(40))]
        whole = use_of(span, events)
        random.shuffle(events)
        counting = Counting(span)
        for start in range(0, len(events), 7):
            counting.take(events[start : start + 7])
        assert counting.use() == whole, seed


def test_a_sum_is_of_what_has_a_number() -> None:
    measure = Measure(event_name="calls", aggregation=Aggregation.SUM, property="value")
    span = Span(CUSTOMER, measure, Instant(0), Instant(50))
    said: list[Properties] = [{"value": "1.5"}, {"value": "x"}, {}, {"value": "-4"}, {"value": "3"}]
    events = [
        Used(Instant(number), Id(number.to_bytes(16, "big")), each, (CHARGE,))
        for number, each in enumerate(said)
    ]
    found = use_of(span, events)
    assert (found.quantity, found.paid) == (ONE // 2, {"usd": 15})
    assert found.latest is not None
    assert (found.tally.events, found.tally.holders, found.latest.time) == (3, 1, 4)
