"""Usage on the core alone: events are counted by their meters, and what they cost is drawn."""

from __future__ import annotations

from drawdown.core.amounts import Amount
from drawdown.core.commands import (
    CreateCustomer,
    CreateEntitlement,
    CreateMeter,
    CreateRate,
    IssueGrant,
    RecordUsage,
)
from drawdown.core.errors import EventReused
from drawdown.core.meters import Aggregation, Measure
from drawdown.core.properties import Properties
from drawdown.core.rating import PerUnit, Price, Table
from drawdown.core.requests import Accepted, Outcome, Refused
from drawdown.core.types import DAY, Instant, Shortfall
from drawdown.core.usage_records import Debits, Event
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
        amount: int = 100,
    ) -> None:
        self.core = CoreLedger()
        self.done(CreateCustomer(own_id="ann"))
        self.done(CreateEntitlement(code="credits", unit="credit", scale=0, shortfall=shortfall))
        for number, measure in enumerate(measures):
            self.done(CreateMeter(code=f"m{number}", measure=measure, debits=debits))
            self.done(CreateRate(meter=f"m{number}", entitlement="credits", price=price))
        if amount:
            self.done(IssueGrant(customer="ann", entitlement="credits", amount=Amount(amount)))

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
