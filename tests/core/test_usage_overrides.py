"""Overrides on the core alone: an event takes the place of an earlier one, and so does its debit."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drawdown.core.amounts import Amount
from drawdown.core.commands import (
    AskedOverage,
    CloseEntitlement,
    CreateCustomer,
    CreateEntitlement,
    CreateMeter,
    CreateRate,
    IssueGrant,
    RecordUsage,
    ReverseDebit,
)
from drawdown.core.errors import EventReused, FieldInvalid, TooManyEvents
from drawdown.core.requests import Accepted, Outcome, Refused
from drawdown.core.types import DAY, Instant, OverageMode, Shortfall
from drawdown.core.usage import recounts as usage_recounts
from drawdown.core.usage.fold import UsageFold, rates_by_text
from drawdown.core.usage.meters import Aggregation, Measure
from drawdown.core.usage.properties import Properties
from drawdown.core.usage.rating import Graduated, Package, PerUnit, Price, Table, Tier, Volume
from drawdown.core.usage.records import Count, Debits, Event
from tests.support.memory import CoreLedger
from tests.support.naive_counts import NaiveRate, NaiveUsage
from tests.support.naive_meters import NaiveEvent
from tests.support.naive_rating import NaivePrice, NaiveTier

#: 1 January 2026, in UTC, and a month later.
START = Instant(1_767_225_600_000_000)
FEBRUARY = Instant(START + 31 * DAY)
LATER = Instant(START + 60 * DAY)
TOKENS = Measure(event_name="call", aggregation=Aggregation.SUM, property="n")
SEATS = Measure(event_name="call", aggregation=Aggregation.LAST, property="n")
PEAK = Measure(event_name="call", aggregation=Aggregation.MAX, property="n")
USERS = Measure(event_name="call", aggregation=Aggregation.UNIQUE, property="user")
ONE_EACH = PerUnit(price=Amount(1))


class Book:
    """One customer with credit, and a rate for each of some meters."""

    def __init__(
        self,
        *measures: Measure,
        price: Price | Table = ONE_EACH,
        shortfall: Shortfall = Shortfall.REFUSE,
        debits: Debits = Debits.AT_ONCE,
        overage: AskedOverage | None = None,
        amount: int = 1_000_000,
        scale: int = 0,
    ) -> None:
        self.core = CoreLedger()
        self.done(CreateCustomer(own_id="ann"))
        self.done(
            CreateEntitlement(
                code="credits", unit="credit", scale=scale, shortfall=shortfall, overage=overage
            )
        )
        for number, measure in enumerate(measures):
            self.done(CreateMeter(code=f"m{number}", measure=measure, debits=debits))
            self.done(CreateRate(meter=f"m{number}", entitlement="credits", price=price))
        if amount:
            self.give(amount)

    def give(self, amount: int, expires_at: Instant | None = None) -> None:
        asked = Amount(amount)
        self.done(
            IssueGrant(customer="ann", entitlement="credits", amount=asked, expires_at=expires_at)
        )

    def done(self, command: object, at: Instant = LATER) -> Accepted:
        outcome = self.core.one(command, at)  # type: ignore[arg-type]
        assert isinstance(outcome, Accepted), outcome
        self.core.check()
        return outcome

    def asked(
        self, own_id: str, time: int = START, *, at: Instant = LATER, **properties: Any
    ) -> Outcome:
        """An event, or an override of the one of that id, sent in March 2026."""
        command = RecordUsage(
            customer="ann",
            own_id=own_id,
            name="call",
            time=Instant(time),
            properties=document(properties),
            override=True,
        )
        outcome = self.core.one(command, at)
        self.core.check()
        return outcome

    def put(
        self, own_id: str, time: int = START, *, at: Instant = LATER, **properties: Any
    ) -> Event:
        outcome = self.asked(own_id, time, at=at, **properties)
        assert isinstance(outcome, Accepted), outcome
        assert outcome.event is not None
        return outcome.event

    @property
    def entries(self) -> list[tuple[str, int]]:
        """Of the last operation."""
        _, posted = self.core.state.changes.operations[-1]
        return [(entry.kind.value, entry.amount) for entry in posted]

    @property
    def all_entries(self) -> list[tuple[str, int]]:
        """In the order in which they were posted."""
        operations = self.core.state.changes.operations
        return [(entry.kind.value, entry.amount) for _, posted in operations for entry in posted]

    @property
    def used(self) -> int:
        return sum(wallet.used for wallet in self.core.wallets)

    @property
    def counts(self) -> list[Count]:
        return [count for count in self.core.state.counts.values() if count is not None]

    @property
    def events(self) -> list[Event]:
        return [event for event in self.core.state.events.values() if event is not None]

    def reverse(self, debit: bytes, amount: int | None = None) -> None:
        asked = None if amount is None else Amount(amount)
        self.done(ReverseDebit(debit=debit, amount=asked))  # type: ignore[arg-type]


def document(properties: dict[str, Any]) -> Properties:
    return {
        name: Amount(value) if isinstance(value, int) else str(value)
        for name, value in properties.items()
    }


def test_what_was_drawn_is_returned_and_what_it_costs_now_is_drawn() -> None:
    book = Book(TOKENS)
    book.put("e1", n=7)
    event = book.put("e1", n=5)
    assert book.entries == [("reversed", 7), ("debited", 5)]
    assert [charge.amount for charge in event.charges] == [5]
    assert book.used == 5


def test_the_same_event_with_override_is_answered_as_it_is() -> None:
    book = Book(TOKENS)
    first = book.put("e1", n=7)
    assert book.put("e1", n=7) == first
    assert len(book.core.state.changes.events) == 1


def test_without_override_another_event_of_the_same_id_is_refused() -> None:
    book = Book(TOKENS)
    book.put("e1", n=7)
    command = RecordUsage(customer="ann", own_id="e1", name="call", properties={"n": Amount(5)})
    outcome = book.core.one(command, LATER)
    assert isinstance(outcome, Refused)
    assert isinstance(outcome.error, EventReused)


def test_an_event_stays_with_its_customer() -> None:
    book = Book(TOKENS)
    book.put("e1", n=7)
    book.done(CreateCustomer(own_id="bob"))
    command = RecordUsage(
        customer="bob", own_id="e1", name="call", properties={"n": Amount(5)}, override=True
    )
    outcome = book.core.one(command, LATER)
    assert isinstance(outcome, Refused)
    assert isinstance(outcome.error, FieldInvalid)
    assert outcome.error.field == "customer"


def test_what_cannot_be_counted_overrides_nothing() -> None:
    book = Book(TOKENS)
    book.put("e1", n=7)
    outcome = book.asked("e1", size=5)
    assert isinstance(outcome, Refused)
    assert outcome.error.field == "properties.n"
    assert book.used == 7


def test_an_override_keeps_what_the_event_said_before() -> None:
    book = Book(TOKENS)
    book.put("e1", n=7)
    book.put("e1", FEBRUARY, n=5)
    changed = msgspec.json.decode(book.core.state.changes.operations[-1][0].changed)
    assert changed == {"time": [START, FEBRUARY], "properties": [{"n": 7}, {"n": 5}]}


def test_a_time_left_out_is_the_one_it_had() -> None:
    book = Book(TOKENS)
    book.put("e1", n=7)
    command = RecordUsage(
        customer="ann", own_id="e1", name="call", properties={"n": Amount(5)}, override=True
    )
    event = book.done(command).event
    assert event is not None
    assert event.time == START


def test_an_override_can_be_overridden() -> None:
    book = Book(TOKENS)
    for size in (7, 5, 9, 0):
        book.put("e1", n=size)
        assert book.used == size
    assert book.entries == [("reversed", 9)]


def test_fractions_are_reckoned_anew() -> None:
    """0.5, 0.6 and 0.5 cost 1 together: the second has drawn it, and without it the others cost as much."""
    book = Book(TOKENS, price=PerUnit(price=Amount(1, 1)))
    drawn = [book.put(f"e{n}", n=size).charges[0].drawn for n, size in enumerate([5, 6, 5])]
    assert drawn == [0, 1, 0]
    book.put("e1", n=0)
    assert book.entries == [("reversed", 1), ("debited", 1)]
    assert book.used == 1


def test_what_others_have_drawn_too_much_is_returned_from_the_latest_of_them() -> None:
    """The first event took the free amount: without it the last one costs nothing."""
    book = Book(TOKENS, price=PerUnit(free=Amount(10), price=Amount(1)))
    book.put("e1", n=10)
    book.put("e2", n=4)
    book.put("e3", n=3)
    book.put("e1", n=5)
    assert book.entries == [("reversed", 3), ("reversed", 2)]
    assert {event.own_id: event.charges[0].drawn for event in book.events} == {
        "e1": 0,
        "e2": 2,
        "e3": 0,
    }
    assert book.used == 2


def test_only_an_override_that_leaves_a_surplus_looks_at_other_events() -> None:
    """Ten thousand of a customer's events would be loaded for each of them."""
    book = Book(TOKENS, price=PerUnit(free=Amount(10), price=Amount(1)))
    book.put("e1", n=10)
    book.put("e2", n=4)
    book.put("e2", n=6)
    assert book.core.state.latest_events == {}
    book.put("e1", n=7)
    [looked_at] = book.core.state.latest_events.values()
    assert [event.own_id for event in looked_at] == ["e2", "e1"]


def test_an_override_may_move_usage_to_another_period() -> None:
    """In January 0.7 and 0.7 cost 1; apart they cost nothing, and with 0.4 in February 1 again."""
    book = Book(TOKENS, price=PerUnit(price=Amount(1, 1)))
    book.put("e1", n=7)
    book.put("e2", n=7)
    book.put("e3", FEBRUARY, n=4)
    assert book.used == 1
    book.put("e1", FEBRUARY, n=7)
    assert book.entries == [("reversed", 1), ("debited", 1)]
    assert book.used == 1
    assert sorted(count.charged for count in book.counts) == [0, 1]


def test_what_is_due_where_an_event_is_no_more_stays_with_it() -> None:
    """Two of 1 at 10 cost 20; three by volume cost 15: without the third the others cost 20 again."""
    tiers = (Tier(up_to=Amount(2), price=Amount(10)), Tier(price=Amount(5)))
    book = Book(TOKENS, price=Volume(tiers=tiers))
    for name, time in [("e1", START), ("e3", START + 1), ("e2", START + 2)]:
        book.put(name, time, n=3 if name == "e1" else 1)
    assert book.used == 25
    book.put("e1", FEBRUARY, n=3)
    assert sorted(count.charged for count in book.counts) == [15, 20]
    assert book.used == 35
    [left] = [charge for event in book.events for charge in event.charges if charge.left]
    book.put("e1", n=3)
    assert book.used == 25
    assert left.amount > 0


def test_a_maximum_is_right_after_its_event_is_overridden() -> None:
    book = Book(PEAK, price=PerUnit(price=Amount(2)))
    for number, size in enumerate([3, 8, 5]):
        book.put(f"e{number}", n=size)
    book.put("e1", n=1)
    assert book.used == 10
    assert book.counts[0].tally.quantity == 5 * 10**12


def test_a_last_value_is_right_after_its_event_is_overridden() -> None:
    """What had been charged on the way stands: 5 seats were there."""
    book = Book(SEATS, price=PerUnit(price=Amount(2)))
    for number, size in enumerate([2, 5, 1]):
        book.put(f"e{number}", START + number, n=size)
    assert book.used == 10
    book.put("e2", START + 2, n=3)
    assert (book.used, book.counts[0].tally.quantity) == (10, 3 * 10**12)
    book.put("e1", START + 1, n=1)
    assert (book.used, book.counts[0].tally.quantity) == (6, 3 * 10**12)


def test_different_values_are_right_after_an_override() -> None:
    book = Book(USERS)
    for number, user in enumerate(["a", "b", "a"]):
        book.put(f"e{number}", user=user)
    book.put("e1", user="a")
    assert book.used == 1
    book.put("e0", user="c")
    assert book.used == 2


def test_an_override_that_needs_too_many_events_is_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("tests.support.memory.LATEST_MAX", 2)
    monkeypatch.setattr(usage_recounts, "LATEST_MAX", 2)
    book = Book(PEAK)
    for number, size in enumerate([9, 3, 4, 5]):
        book.put(f"e{number}", n=size)
    outcome = book.asked("e0", n=1)
    assert isinstance(outcome, Refused)
    assert isinstance(outcome.error, TooManyEvents)
    assert book.used == 9


def test_what_is_charged_too_much_beyond_the_latest_events_pays_for_usage_to_come(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("tests.support.memory.LATEST_MAX", 2)
    book = Book(TOKENS, price=PerUnit(free=Amount(10), price=Amount(1)))
    book.put("e1", n=10)
    book.put("e2", n=4)
    book.put("e3", n=0)
    book.put("e4", n=0)
    book.put("e1", n=7)
    assert book.used == 4
    assert book.put("e5", n=4).charges[0].drawn == 1


def test_overage_is_returned_first() -> None:
    rule = AskedOverage(mode=OverageMode.UNLIMITED)
    book = Book(TOKENS, shortfall=Shortfall.OVERAGE, overage=rule, amount=10)
    book.put("e1", n=15)
    book.put("e1", n=12)
    assert book.entries == [
        ("overage_reversed", 5),
        ("reversed", 10),
        ("debited", 10),
        ("overage_charged", 2),
    ]
    book.put("e1", n=4)
    assert [(wallet.used, wallet.overage) for wallet in book.core.wallets] == [(4, 0)]


def test_what_was_not_covered_is_drawn_once_there_is_credit() -> None:
    book = Book(TOKENS, amount=5)
    assert book.put("e1", n=7).charges[0].uncovered == 7
    book.give(5)
    [charge] = book.put("e1", n=8).charges
    assert (charge.drawn, charge.uncovered) == (8, 0)


def test_what_an_operator_returned_by_hand_is_drawn_again() -> None:
    book = Book(TOKENS)
    event = book.put("e1", n=10)
    book.reverse(event.id, 4)
    assert book.used == 6
    again = book.put("e1", n=9)
    assert book.entries == [("reversed", 6), ("debited", 9)]
    book.reverse(again.drawn_by)
    assert book.used == 0
    assert book.counts[0].charged == 9


def test_what_has_expired_since_pays_for_the_event_again() -> None:
    """A correction takes nothing from newer credit that the older had paid."""
    book = Book(TOKENS, amount=0)
    day = Instant(START + DAY)
    book.core.one(
        IssueGrant(customer="ann", entitlement="credits", amount=Amount(10), expires_at=day), START
    )
    command = RecordUsage(
        customer="ann", own_id="e1", name="call", time=START, properties={"n": Amount(8)}
    )
    book.done(command, START)
    book.give(100)
    book.put("e1", n=6)
    assert book.entries == [
        ("reversed", 8),
        ("expired", 8),
        ("restored", 6),
        ("debited", 6),
    ]
    [wallet] = book.core.wallets
    assert (wallet.posted, wallet.used, wallet.expired) == (100, 6, 4)


def test_what_was_returned_pays_once_whatever_it_is_charged_for() -> None:
    """Of two rates the second does not draw what the first has; and what else has expired stays expired."""
    book = Book(TOKENS, TOKENS, amount=0)
    day = Instant(START + DAY)
    grant = IssueGrant(customer="ann", entitlement="credits", amount=Amount(20), expires_at=day)
    book.core.one(grant, START)
    command = RecordUsage(
        customer="ann", own_id="e1", name="call", time=START, properties={"n": Amount(3)}
    )
    book.done(command, START)
    book.give(100)
    book.put("e1", n=5)
    assert book.entries == [
        *(("reversed", 3), ("expired", 3)) * 2,
        ("restored", 5),
        ("debited", 5),
        ("restored", 1),
        ("debited", 1),
        ("debited", 4),
    ]


SIZES = st.lists(st.tuples(st.sampled_from("abcdef"), st.integers(0, 12)), max_size=10)


@given(SIZES, SIZES, st.integers(0, 40), st.sampled_from(list(Shortfall)))
@settings(max_examples=60, deadline=None)
def test_a_closed_entitlement_pays_for_what_was_taken_before_as_if_it_were_open(
    before: list[tuple[str, int]], after: list[tuple[str, int]], amount: int, shortfall: Shortfall
) -> None:
    """Entry by entry; and for nothing that was taken since, whatever that is overridden to."""
    rule = AskedOverage(mode=OverageMode.LIMITED, limit=Amount(9))
    books = [Book(TOKENS, amount=amount, shortfall=shortfall, overage=rule) for _ in range(2)]
    for book in books:
        for own_id, size in before:
            book.put(own_id, n=size)
    closed, opened = books
    closed.done(CloseEntitlement(entitlement="credits"), Instant(LATER + 1))
    known = dict(before)
    for own_id, size in after:
        event = closed.put(own_id, at=Instant(LATER + 2), n=size)
        if own_id in known:
            assert event.charges == opened.put(own_id, at=Instant(LATER + 2), n=size).charges
        else:
            assert [charge.paid for charge in event.charges] == [0]
        assert closed.all_entries == opened.all_entries
    _verify(closed)


def test_what_was_taken_at_the_instant_of_the_closing_is_taken_since() -> None:
    book = Book(TOKENS)
    book.done(CloseEntitlement(entitlement="credits"))
    for size in (7, 5):
        assert book.put("e1", n=size).charges[0].uncovered == size


def test_a_meter_that_waits_for_an_invoice_is_only_counted_anew() -> None:
    book = Book(SEATS, debits=Debits.ON_INVOICE)
    book.put("e1", n=5)
    book.put("e2", START + 1, n=7)
    book.put("e2", START + 1, n=3)
    assert (book.counts[0].charged, book.counts[0].tally.quantity) == (0, 3 * 10**12)
    assert book.used == 0


def test_several_rates_are_overridden_in_one_operation() -> None:
    calls = Measure(event_name="call", aggregation=Aggregation.COUNT)
    book = Book(TOKENS, calls)
    book.put("e1", n=7)
    book.put("e1", n=5)
    assert book.entries == [("reversed", 1), ("reversed", 7), ("debited", 5), ("debited", 1)]
    assert book.used == 6


PRICES = [
    (PerUnit(price=Amount(3, 1)), NaivePrice("per_unit", price=Fraction(3, 10))),
    (
        PerUnit(free=Amount(5), price=Amount(1)),
        NaivePrice("per_unit", price=Fraction(1), free=Fraction(5)),
    ),
    (
        Package(size=Amount(4), price=Amount(3)),
        NaivePrice("package", number=Fraction(4), price=Fraction(3)),
    ),
    *(
        (
            kind(tiers=(Tier(up_to=Amount(6), price=Amount(2)), Tier(price=Amount(5, 1)))),
            NaivePrice(
                model,
                tiers=[
                    NaiveTier(Fraction(6), Fraction(2), Fraction(0)),
                    NaiveTier(None, Fraction(1, 2), Fraction(0)),
                ],
            ),
        )
        for kind, model in ((Graduated, "graduated"), (Volume, "volume"))
    ),
]
AGGREGATIONS = [("count", ""), ("sum", "n"), ("max", "n"), ("last", "n"), ("unique", "user")]
EVENTS = st.lists(
    st.tuples(
        st.sampled_from("abcdef"),
        st.integers(-4, 12),
        st.sampled_from("xyz"),
        st.sampled_from([START, START + 1, START + 2, FEBRUARY]),
        st.sampled_from(["small", "large"]),
    ),
    max_size=14,
)


@pytest.mark.parametrize("aggregation", AGGREGATIONS, ids=[name for name, _ in AGGREGATIONS])
@pytest.mark.parametrize("price", PRICES, ids=["fractions", "free", "packages", "tiers", "volume"])
@given(EVENTS)
@settings(max_examples=25, deadline=None)
def test_after_any_overrides_everything_is_as_if_the_events_had_said_so_from_the_beginning(
    aggregation: tuple[str, str],
    price: tuple[Price, NaivePrice],
    events: list[tuple[str, int, str, int, str]],
) -> None:
    """Against a reckoning of all events anew. What all events are charged is what the wallet has paid."""
    kind, name = aggregation
    measure = Measure(
        event_name="call",
        aggregation=Aggregation(kind),
        property=name or None,
        group_by=("model",),
    )
    book = Book(measure, price=price[0])
    naive = NaiveUsage([NaiveRate(price[1], kind, name, ("model",))])
    for own_id, size, user, time, model in events:
        book.put(own_id, time, n=size, user=user, model=model)
        naive.put(own_id, time, {"n": size, "user": user, "model": model})
        assert book.used == naive.total
    charged = {count.key: count.charged for count in book.counts if count.charged}
    assert sorted(charged.values()) == sorted(filter(None, naive.charged[0].values()))
    assert dict(_charges(book.events)) == charged
    _verify(book)


def _verify(book: Book) -> None:
    """As `drawdown verify` counts all usage again. Raises ``Fault``."""
    state = book.core.state
    folded = UsageFold(rates_by_text(state.catalogs[book.core.book]))
    for event in book.events:
        folded.add(event)
    folded.check(book.counts, state.values)


def _charges(events: list[Event]) -> Iterator[tuple[Any, int]]:
    found: dict[Any, int] = {}
    for event in events:
        for charge in event.charges:
            key = charge.key(event.customer)
            found[key] = found.get(key, 0) + charge.amount
    yield from ((key, units) for key, units in found.items() if units)


@given(EVENTS, st.integers(0, 40), st.sampled_from(list(Shortfall)))
@settings(max_examples=60, deadline=None)
def test_what_events_say_was_paid_is_what_wallets_have_paid_however_little_there_was(
    events: list[tuple[str, int, str, int, str]], amount: int, shortfall: Shortfall
) -> None:
    rule = AskedOverage(mode=OverageMode.LIMITED, limit=Amount(9))
    book = Book(TOKENS, PEAK, amount=amount, shortfall=shortfall, overage=rule)
    for own_id, size, user, time, model in events:
        book.put(own_id, time, n=size, user=user, model=model)
        charges = [charge for event in book.events for charge in event.charges]
        assert sum(charge.drawn for charge in charges) == book.used
        overage = sum(wallet.overage for wallet in book.core.wallets)
        assert sum(charge.overage for charge in charges) == overage
        assert all(min(charge.drawn, charge.overage, charge.uncovered) >= 0 for charge in charges)


@given(EVENTS, st.sampled_from([1, 2, 5, 14]), st.booleans())
@settings(max_examples=80, deadline=None)
def test_any_split_into_batches_draws_the_same(
    events: list[tuple[str, int, str, int, str]], size: int, limited: bool
) -> None:
    """Of new events, repeated ones and overrides; entry by entry, hashes included."""
    books = [
        Book(TOKENS, PEAK, SEATS, amount=30 if limited else 1_000, shortfall=Shortfall.CAP)
        for _ in range(2)
    ]
    seen: set[str] = set()
    commands = []
    for own_id, number, user, time, model in events:
        command = RecordUsage(
            customer="ann",
            own_id=own_id,
            name="call",
            time=Instant(time),
            properties=document({"n": number, "user": user, "model": model}),
            override=own_id in seen,
        )
        commands.append(command)
        seen.add(own_id)
    for book, step in zip(books, (1, size), strict=True):
        for start in range(0, len(commands), step):
            asked = [book.core.request(one, LATER) for one in commands[start : start + step]]
            assert all(isinstance(each, Accepted) for each in book.core.run(asked))
            book.core.check()
    assert books[0].events == books[1].events
    counts = [{count.key: count for count in book.counts} for book in books]
    assert counts[0] == counts[1]
    chains = [[wallet.chain for wallet in book.core.wallets] for book in books]
    assert chains[0] == chains[1]


def test_the_naive_reckoning_is_of_the_order_in_which_events_were_taken() -> None:
    """2, 5 and 1 seats: the highest cost on the way, for an oracle that must itself be right."""
    rate = NaiveRate(NaivePrice("per_unit", price=Fraction(2)), "last", "n")
    events = {
        name: NaiveEvent(name, START + n, {"n": size})
        for n, (name, size) in enumerate([("a", 2), ("b", 5), ("c", 1)])
    }
    assert rate.charged(events, 0) == {(2026, 1, ()): 10}
