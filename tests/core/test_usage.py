"""Usage on the core alone: events are counted by their meters, and what they cost is drawn."""

from __future__ import annotations

from fractions import Fraction
from random import Random

import pytest
from hypothesis import given as given_
from hypothesis import settings
from hypothesis import strategies as st

from drawdown.core.amounts import Amount
from drawdown.core.commands import (
    AskedOverage,
    CreateCustomer,
    CreateEntitlement,
    CreateMeter,
    CreateRate,
    CreateSchedule,
    IssueGrant,
    RecordUsage,
)
from drawdown.core.errors import EventReused, TooManyCounts
from drawdown.core.requests import Accepted, Outcome, Refused
from drawdown.core.schedules.calendar import CalendarUnit, Every
from drawdown.core.types import DAY, Instant, OverageMode, Shortfall
from drawdown.core.usage import counting as usage_counting
from drawdown.core.usage.meters import Aggregation, Measure
from drawdown.core.usage.properties import Properties
from drawdown.core.usage.quantities import ONE
from drawdown.core.usage.rating import PerUnit, Price, Table
from drawdown.core.usage.records import Charge, Debits, Event, Period
from tests.support.memory import CoreLedger

#: 1 January 2026, in UTC.
START = Instant(1_767_225_600_000_000)
TOKENS = Measure(event_name="call", aggregation=Aggregation.SUM, property="tokens")
CALLS = Measure(event_name="call", aggregation=Aggregation.COUNT)
CHEAP = PerUnit(price=Amount(3, 3))


class Book:
    """One customer with 100 credits; a rate for each of the meters."""

    def __init__(
        self,
        *measures: Measure,
        price: Price | Table = CHEAP,
        shortfall: Shortfall = Shortfall.REFUSE,
        debits: Debits = Debits.AT_ONCE,
        overage: AskedOverage | None = None,
        amount: int = 100,
        grace: int = 0,
        expires_at: Instant | None = None,
    ) -> None:
        self.core = CoreLedger()
        self.done(CreateCustomer(own_id="ann"))
        self.done(
            CreateEntitlement(
                code="credits",
                unit="credit",
                scale=0,
                shortfall=shortfall,
                overage=overage,
                late_usage_grace=grace,
            )
        )
        for number, measure in enumerate(measures):
            self.done(CreateMeter(code=f"m{number}", measure=measure, debits=debits))
            self.done(CreateRate(meter=f"m{number}", entitlement="credits", price=price))
        if amount:
            self.give(amount, expires_at)

    def give(self, amount: int, expires_at: Instant | None = None) -> None:
        self.done(
            IssueGrant(
                customer="ann",
                entitlement="credits",
                amount=Amount(amount),
                expires_at=expires_at,
            )
        )

    def late(self, own_id: str, time: int, at: int, tokens: int) -> Charge:
        """What usage costs that is told of at an instant after it was."""
        command = RecordUsage(
            customer="ann",
            own_id=own_id,
            name="call",
            time=Instant(time),
            properties={"tokens": Amount(tokens)},
        )
        event = self.done(command, Instant(at)).event
        self.core.check()
        assert event is not None
        return event.charges[0]

    def done(self, command: object, at: Instant = START) -> Accepted:
        outcome = self.core.one(command, at)  # type: ignore[arg-type]
        assert isinstance(outcome, Accepted), outcome
        return outcome

    def use(self, own_id: str, at: int = START, **properties: object) -> Outcome:
        command = RecordUsage(
            customer="ann", own_id=own_id, name="call", properties=given(properties)
        )
        outcome = self.core.one(command, Instant(at))
        self.core.check()
        return outcome

    def event(self, own_id: str, at: int = START, **properties: object) -> Event:
        outcome = self.use(own_id, at, **properties)
        assert isinstance(outcome, Accepted), outcome
        assert outcome.event is not None
        return outcome.event

    @property
    def used(self) -> int:
        return sum(wallet.used for wallet in self.core.wallets)


def given(properties: dict[str, object]) -> Properties:
    return {
        name: Amount(value) if isinstance(value, int) else str(value)
        for name, value in properties.items()
    }


def test_what_is_drawn_is_the_increase_of_the_truncated_cost() -> None:
    book = Book(TOKENS)
    drawn = [book.event(f"e{n}", tokens=200).charges[0].drawn for n in range(5)]
    assert drawn == [0, 1, 0, 1, 1]
    assert book.used == 3


def test_an_event_is_taken_once_for_its_id() -> None:
    book = Book(TOKENS)
    first = book.event("e1", tokens=1_000)
    assert book.event("e1", START + DAY, tokens=1_000) == first
    assert book.used == 3


def test_another_event_of_the_same_id_is_refused() -> None:
    book = Book(TOKENS)
    book.event("e1", tokens=1_000)
    outcome = book.use("e1", tokens=2_000)
    assert isinstance(outcome, Refused)
    assert isinstance(outcome.error, EventReused)
    assert book.used == 3


def test_an_event_that_cannot_be_counted_is_refused_and_nothing_is_kept() -> None:
    book = Book(TOKENS)
    outcome = book.use("e1", size=3)
    assert isinstance(outcome, Refused)
    assert outcome.error.field == "properties.tokens"
    assert book.event("e1", tokens=1_000).charges[0].drawn == 3


def test_one_event_may_be_counted_by_several_meters() -> None:
    book = Book(TOKENS, CALLS, price=PerUnit(price=Amount(1)))
    assert [charge.drawn for charge in book.event("e1", tokens=7).charges] == [7, 1]
    assert book.used == 8


@pytest.mark.parametrize(
    ("shortfall", "drawn", "uncovered"), [("refuse", 0, 12), ("cap", 10, 2), ("overage", 10, 2)]
)
def test_what_credit_does_not_pay_is_on_the_event(
    shortfall: str, drawn: int, uncovered: int
) -> None:
    """Without a rule for overage there is none."""
    book = Book(TOKENS, shortfall=Shortfall(shortfall), amount=10)
    [charge] = book.event("e1", tokens=4_000).charges
    assert (charge.amount, charge.drawn, charge.overage) == (12, drawn, 0)
    assert charge.uncovered == uncovered
    assert book.event("e2", tokens=1_000).charges[0].amount == 3


def test_overage_takes_what_its_rule_allows() -> None:
    rule = AskedOverage(mode=OverageMode.LIMITED, limit=Amount(1))
    book = Book(TOKENS, shortfall=Shortfall.OVERAGE, overage=rule, amount=10)
    [charge] = book.event("e1", tokens=4_000).charges
    assert (charge.drawn, charge.overage, charge.uncovered) == (10, 1, 1)
    assert [wallet.overage for wallet in book.core.wallets] == [1]


def test_overage_needs_no_credit_before_it() -> None:
    rule = AskedOverage(mode=OverageMode.UNLIMITED)
    book = Book(TOKENS, shortfall=Shortfall.OVERAGE, overage=rule, amount=0)
    [charge] = book.event("e1", tokens=1_000).charges
    assert (charge.drawn, charge.overage, charge.uncovered) == (0, 3, 0)


def test_a_meter_that_waits_for_an_invoice_counts_and_draws_nothing() -> None:
    book = Book(TOKENS, debits=Debits.ON_INVOICE)
    assert book.event("e1", tokens=1_000).charges[0].amount == 0
    [count] = book.core.state.counts.values()
    assert count is not None
    assert (count.tally.quantity, count.charged) == (1_000 * ONE, 0)
    assert book.used == 0


def test_late_usage_is_paid_by_what_has_expired_since() -> None:
    """What was written off is restored and drawn, before anything that is still valid."""
    book = Book(TOKENS, grace=DAY, amount=5, expires_at=Instant(START + DAY))
    book.give(100)
    charge = book.late("e1", START + DAY - 1, START + 2 * DAY - 1, tokens=2_000)
    assert (charge.drawn, charge.uncovered) == (6, 0)
    entries = [entry for _, posted in book.core.state.changes.operations for entry in posted]
    assert [(entry.kind.value, entry.amount) for entry in entries[-3:]] == [
        ("restored", 5),
        ("debited", 5),
        ("debited", 1),
    ]
    [wallet] = book.core.wallets
    assert (wallet.expired, wallet.used, wallet.posted, wallet.open_grants) == (0, 6, 99, 1)


def test_only_what_is_needed_is_restored() -> None:
    book = Book(TOKENS, grace=DAY, amount=5, expires_at=Instant(START + DAY))
    assert book.late("e1", START, START + DAY, tokens=1_000).drawn == 3
    assert book.late("e2", START, START + DAY, tokens=1_000).uncovered == 3
    [wallet] = book.core.wallets
    assert (wallet.expired, wallet.used, wallet.open_grants) == (2, 3, 0)


@pytest.mark.parametrize(
    ("time", "at"),
    [
        pytest.param(START + DAY, START + DAY + 1, id="usage after the expiry"),
        pytest.param(START + DAY - 1, START + 2 * DAY, id="past the grace"),
    ],
)
def test_other_late_usage_is_charged_as_of_now(time: int, at: int) -> None:
    book = Book(TOKENS, grace=DAY, amount=5, expires_at=Instant(START + DAY))
    assert book.late("e1", time, at, tokens=1_000).uncovered == 3
    book.give(100)
    assert book.late("e2", time, at, tokens=1_000).drawn == 3
    assert sum(wallet.expired for wallet in book.core.wallets) == 5


def test_each_period_begins_again() -> None:
    """500 tokens cost 1.5 credits: two of them in one month cost 3, in two months 1 each."""
    book = Book(TOKENS)
    february = START + 31 * DAY
    assert book.event("e1", february - 1, tokens=500).charges[0].drawn == 1
    assert book.event("e2", february, tokens=500).charges[0].drawn == 1
    assert book.event("e3", february + 1, tokens=500).charges[0].drawn == 2


def test_each_value_of_a_table_has_its_price_and_its_count() -> None:
    price = Table(
        attribute="model",
        prices={"small": PerUnit(price=Amount(1, 1)), "large": PerUnit(price=Amount(1))},
    )
    book = Book(TOKENS, price=price)
    assert book.event("e1", tokens=15, model="small").charges[0].drawn == 1
    assert book.event("e2", tokens=15, model="large").charges[0].drawn == 15
    assert book.event("e3", tokens=5, model="small").charges[0].drawn == 1
    outcome = book.use("e4", tokens=5, model="other")
    assert isinstance(outcome, Refused)
    assert outcome.error.field == "properties.model"


def test_a_maximum_debits_its_increase_and_never_gives_back() -> None:
    seats = Measure(event_name="call", aggregation=Aggregation.MAX, property="seats")
    book = Book(seats, price=PerUnit(price=Amount(2)))
    drawn = [book.event(f"e{n}", seats=n).charges[0].drawn for n in (3, 2, 5)]
    assert drawn == [6, 0, 4]


def test_a_last_value_that_falls_debits_nothing_until_it_exceeds_what_was_charged() -> None:
    last = Measure(event_name="call", aggregation=Aggregation.LAST, property="seats")
    book = Book(last, price=PerUnit(price=Amount(2)))
    seats = [(1, 5), (2, 1), (3, 4), (4, 6)]
    drawn = [book.event(f"e{n}", START + n, seats=size).charges[0].drawn for n, size in seats]
    assert drawn == [10, 0, 0, 2]


def test_a_value_is_counted_once() -> None:
    users = Measure(event_name="call", aggregation=Aggregation.UNIQUE, property="user")
    book = Book(users, price=PerUnit(price=Amount(1)))
    names = ["ann", "bob", "ann", "cy"]
    drawn = [book.event(f"e{n}", user=name).charges[0].drawn for n, name in enumerate(names)]
    assert drawn == [1, 1, 0, 1]


def test_another_customer_is_counted_apart() -> None:
    book = Book(TOKENS)
    book.done(CreateCustomer(own_id="bob"))
    book.event("e1", tokens=500)
    command = RecordUsage(
        customer="bob", own_id="e2", name="call", properties=given({"tokens": 500})
    )
    outcome = book.done(command)
    assert outcome.event is not None
    assert outcome.event.charges[0].amount == 1


def test_a_customer_has_a_bounded_number_of_groups(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(usage_counting, "GROUPS_MAX", 2)
    grouped = Measure(event_name="call", aggregation=Aggregation.COUNT, group_by=("model",))
    book = Book(grouped, price=PerUnit(price=Amount(1)))
    book.event("e1", model="a")
    book.event("e2", model="b")
    book.event("e3", model="a")
    outcome = book.use("e4", model="c")
    assert isinstance(outcome, Refused)
    assert isinstance(outcome.error, TooManyCounts)


def test_a_schedule_counts_in_the_batch_that_makes_it() -> None:
    """What an event needs follows from what is before it: then it is decided by itself."""
    book = Book()
    book.done(CreateMeter(code="m", measure=TOKENS))
    period = Period(cycle=True)
    book.done(CreateRate(meter="m", entitlement="credits", price=CHEAP, period=period))
    schedule = CreateSchedule(
        customer="ann",
        entitlement="credits",
        amount=Amount(5),
        every=Every(CalendarUnit.MONTH),
        starts_at=Instant(START + 10 * DAY),
    )
    use = RecordUsage(customer="ann", own_id="e1", name="call", properties=given({"tokens": 1_000}))
    at = Instant(START + 20 * DAY)
    made, used = book.core.run([book.core.request(command, at) for command in (schedule, use)])
    book.core.check()
    assert isinstance(made, Accepted)
    assert isinstance(used, Accepted)
    assert used.event is not None
    [charge] = used.event.charges
    assert (charge.period, charge.drawn) == (START + 10 * DAY, 3)


@given_(
    st.lists(st.integers(0, 3_000), min_size=1, max_size=12),
    st.randoms(use_true_random=False),
    st.sampled_from([1, 3, 12]),
)
@settings(max_examples=60, deadline=None)
def test_any_split_and_order_of_additive_events_draws_the_same(
    sizes: list[int], order: Random, batch: int
) -> None:
    """What a naive reckoning of the whole quantity says, truncated once."""
    order.shuffle(sizes)
    book = Book(TOKENS, amount=1_000)
    commands = [
        RecordUsage(customer="ann", own_id=f"e{n}", name="call", properties=given({"tokens": size}))
        for n, size in enumerate(sizes)
    ]
    for start in range(0, len(commands), batch):
        book.core.run([book.core.request(c, START) for c in commands[start : start + batch]])
        book.core.check()
    assert book.used == int(Fraction(3, 1_000) * sum(sizes))
