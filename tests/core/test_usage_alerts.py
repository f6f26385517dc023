"""Alerts on what is used by a meter, on the core alone: judged by one who counts all events each time."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from random import Random
from typing import Any, NamedTuple

import msgspec
import pytest

from drawdown.core.amounts import Amount
from drawdown.core.commands import (
    CloseAlert,
    CloseCustomer,
    CloseMeter,
    Command,
    CreateCustomer,
    CreateMeter,
    CreateUsageAlert,
    RecordUsage,
    ReopenMeter,
)
from drawdown.core.errors import CustomerClosed, FieldInvalid, LedgerError, TooManyAlerts
from drawdown.core.requests import Accepted, Refused
from drawdown.core.types import DAY, Alert, AlertKind, Id, Instant
from drawdown.core.usage.meters import Aggregation, Measure
from drawdown.core.usage.quantities import ONE
from drawdown.core.usage.spans import Span, Use
from drawdown.core.watching import usage_crossings
from drawdown.core.watching.crossings import HEARD_WITHIN
from drawdown.core.watching.usage_crossings import Reached
from tests.support.memory import CoreLedger

START = Instant(1_767_225_600_000_000)
HOUR = DAY // 24
LIVES, STEPS = 12, 70
FORMULAS = [
    (Aggregation.SUM, None),
    (Aggregation.COUNT, None),
    (Aggregation.LAST, None),
    (Aggregation.MAX, None),
    (Aggregation.SUM, HOUR),
    (Aggregation.COUNT, HOUR),
    (Aggregation.LAST, HOUR),
]


def measure_of(aggregation: Aggregation, window: int | None = None) -> Measure:
    counts = aggregation is Aggregation.COUNT
    return Measure(
        event_name="call",
        aggregation=aggregation,
        property=None if counts else "n",
        window=window,
    )


class Taken(NamedTuple):
    """An event as the naive one remembers it."""

    time: int
    id: Id
    size: int
    name: str = "call"


class Naive:
    """Who counts everything anew with every event, and has never heard of a tally."""

    def __init__(self, aggregation: Aggregation, window: int | None) -> None:
        self.aggregation, self.window = aggregation, window
        self.events: dict[tuple[str, str], Taken] = {}
        self.lines: dict[str, tuple[str | None, int]] = {}
        self.told: set[tuple[str, str]] = set()

    def number(self, customer: str) -> int:
        events = [
            each
            for (owner, _), each in self.events.items()
            if owner == customer and each.name == "call"
        ]
        events.sort(key=lambda each: (each.time, each.id))
        if self.window is not None:
            events = list({each.time // self.window: each for each in events}.values())
        match self.aggregation:
            case Aggregation.COUNT:
                return len(events)
            case Aggregation.SUM:
                return sum(each.size for each in events)
            case Aggregation.MAX:
                return max((each.size for each in events), default=0)
        return events[-1].size if events else 0

    def used(self, customer: str, own_id: str, event: Taken) -> list[tuple[str, int]]:
        """Which alerts tell, and of what number."""
        self.events[(customer, own_id)] = event
        number = self.number(customer)
        found = []
        for name, (owner, line) in self.lines.items():
            is_his = owner in (None, customer)
            if event.name == "call" and is_his and number >= line:
                if (name, customer) not in self.told:
                    found.append((name, number))
                self.told.add((name, customer))
        return found


class Book:
    """Two customers and a meter."""

    def __init__(
        self,
        aggregation: Aggregation = Aggregation.SUM,
        window: int | None = None,
        core: CoreLedger | None = None,
    ) -> None:
        self.core, self.at = core or CoreLedger(), START
        for name in ("ann", "bob"):
            self.done(CreateCustomer(own_id=name))
        self.done(CreateMeter(code="calls", measure=measure_of(aggregation, window)))

    def done(self, command: Command) -> Accepted:
        outcome = self.core.one(command, self.at)
        assert isinstance(outcome, Accepted), outcome
        return outcome

    def refused(self, command: Command) -> LedgerError:
        outcome = self.core.one(command, self.at)
        assert isinstance(outcome, Refused)
        return outcome.error

    def alert(self, amount: int, customer: str | None = None, **more: Any) -> Alert:
        asked = CreateUsageAlert(meter="calls", amount=Amount(amount), customer=customer, **more)
        made = self.done(asked).alert
        assert made is not None
        return made

    def use(self, own_id: str, size: int, customer: str = "ann", **more: Any) -> list[Reached]:
        """What an event tells."""
        return reached(self.done(self.usage(own_id, size, customer, **more)))

    def usage(self, own_id: str, size: int, customer: str = "ann", **more: Any) -> RecordUsage:
        given = {"name": "call", "properties": {"n": Amount(size)}, **more}
        return RecordUsage(customer=customer, own_id=own_id, **given)


class _Changed(msgspec.Struct):
    reached: tuple[list[Reached], list[Reached]] = ([], [])


def reached(accepted: Accepted) -> list[Reached]:
    if accepted.operation is None:
        return []
    return msgspec.json.decode(accepted.operation.changed or b"{}", type=_Changed).reached[1]


def numbers(found: Sequence[Reached]) -> list[Decimal]:
    return [Decimal(each.used) / ONE for each in found]


# By the thousand cases ------------------------------------------------------------------------------


@pytest.mark.parametrize(("aggregation", "window"), FORMULAS)
def test_alerts_tell_as_one_says_who_counts_all_events_each_time(
    aggregation: Aggregation, window: int | None
) -> None:
    """Events early and late, overridden and cancelled, alerts made and closed, in any order."""
    told = sum(_told_in_a_life(Random(seed), aggregation, window) for seed in range(LIVES))
    assert told > LIVES


def _told_in_a_life(chance: Random, aggregation: Aggregation, window: int | None) -> int:
    book, naive = Book(aggregation, window), Naive(aggregation, window)
    highest = 12 if aggregation in (Aggregation.LAST, Aggregation.MAX) else 40
    made: dict[str, Id] = {}
    times: dict[str, int] = {}
    told = 0
    for step in range(STEPS):
        book.at = Instant(book.at + chance.choice((0, 1, HEARD_WITHIN // 3, HOUR // 2, HOUR)))
        what = chance.random()
        if what < 0.08:
            customer = chance.choice((None, "ann", "bob"))
            line = chance.randrange(1, highest)
            alert = book.alert(line, customer)
            made[alert.id.hex()] = alert.id
            naive.lines[alert.id.hex()] = (customer, line)
        elif what < 0.11 and made:
            name = chance.choice(sorted(made))
            book.done(CloseAlert(alert=made.pop(name)))
            del naive.lines[name]
        else:
            told += _event(chance, book, naive, times, step)
    return told


def _event(chance: Random, book: Book, naive: Naive, times: dict[str, int], step: int) -> int:
    customer = chance.choice(("ann", "bob"))
    own_id = f"{customer}{chance.randrange(step + 1)}"
    new = own_id not in times
    time = book.at - chance.choice((0, 0, 0, HOUR // 3, 3 * HOUR, 9 * HOUR))
    gone = not new and chance.random() < 0.5
    name = "cancelled" if gone else "call"
    size = chance.randrange(-3, 12)
    given = {"name": name, "time": Instant(time), "override": not new}
    accepted = book.done(book.usage(own_id, size, customer, **given))
    if accepted.operation is None:  # it was so before
        return 0
    assert accepted.event is not None
    times[own_id] = time
    found = reached(accepted)
    right = naive.used(customer, own_id, Taken(time, accepted.event.id, size, name))
    assert sorted((each.alert.hex(), each.used // ONE) for each in found) == sorted(right)
    return len(found)


# One by one -----------------------------------------------------------------------------------------


def test_an_alert_tells_once_in_the_operation_that_reaches_its_line() -> None:
    book = Book()
    alert = book.alert(10, "ann", name="Ten", metadata={"team": "a"})
    assert (alert.entitlement, alert.rule.kind, alert.rule.name) == (
        None,
        AlertKind.METERED_ABOVE,
        "Ten",
    )
    assert book.use("e1", 9) == []
    [found] = book.use("e2", 1)
    assert (found.alert, found.meter, found.name) == (alert.id, alert.meter, "Ten")
    assert (found.used, found.threshold, found.at) == (10 * ONE, 10 * ONE, book.at)
    assert book.use("e3", 5) == []
    assert book.use("e4", 50, "bob") == []


def test_what_was_used_before_counts_but_only_usage_that_comes_sets_it_off() -> None:
    book = Book()
    book.use("e1", 20)
    book.alert(10)
    assert numbers(book.use("e2", 1)) == [21]
    assert book.use("e3", 9, "bob") == []
    assert numbers(book.use("e4", 1, "bob")) == [10]


def test_cancelled_usage_lowers_the_number_and_what_was_told_stays_told() -> None:
    book = Book()
    book.alert(10, "ann")
    book.use("e1", 9)
    book.use("e1", 9, name="cancelled", override=True)
    assert book.use("e2", 9) == []
    assert numbers(book.use("e3", 1)) == [10]
    book.use("e3", 1, name="cancelled", override=True)
    assert book.use("e4", 5) == []


def test_a_cancellation_tells_of_nothing_though_the_last_value_rises_by_it() -> None:
    book = Book(Aggregation.LAST)
    book.alert(10, "ann")
    earlier = Instant(book.at - DAY)
    book.use("e1", 2)
    book.use("e2", 40, time=earlier)
    assert book.use("e1", 2, name="cancelled", override=True) == []
    assert numbers(book.use("e3", 30, time=Instant(earlier - 1))) == [40]


def test_cancelled_events_of_a_window_take_nothing_from_its_last_value() -> None:
    book = Book(Aggregation.LAST, HOUR)
    for number in range(3):
        book.use(f"e{number}", 1, time=Instant(book.at + number))
    book.alert(10, "ann")
    book.at = Instant(book.at + HEARD_WITHIN)
    book.use("last", 2)
    for number in range(3):
        book.use(f"e{number}", 1, name="cancelled", override=True)
    assert book.use("late", 50, time=Instant(book.at - 1)) == []
    assert numbers(book.use("later", 11)) == [11]


def test_an_event_that_has_not_the_number_is_taken_and_not_counted() -> None:
    """A meter without a rate asks nothing of an event, and no less when somebody begins to watch it."""
    book = Book()
    book.use("e1", 0, properties={})
    book.alert(10, "ann")
    assert book.use("e2", 0, properties={"other": Amount(50)}) == []
    assert numbers(book.use("e3", 10)) == [10]


def test_a_closed_meter_tells_nothing_and_is_counted_on() -> None:
    book = Book()
    book.alert(10, "ann")
    book.done(CloseMeter(meter="calls"))
    assert book.use("e1", 11) == []
    book.done(ReopenMeter(meter="calls"))
    assert numbers(book.use("e2", 1)) == [12]


def test_a_closed_alert_is_silent_and_another_in_its_place_tells_again() -> None:
    book = Book()
    first = book.alert(10, "ann")
    assert numbers(book.use("e1", 10)) == [10]
    for _ in range(2):
        closed = book.done(CloseAlert(alert=first.id)).alert
        assert closed is not None
        assert closed.closed_at == book.at
    book.alert(10, "ann")
    assert numbers(book.use("e2", 1)) == [11]


def test_with_a_customer_end_the_alerts_on_his_use_alone() -> None:
    book = Book()
    own, for_all = book.alert(10, "ann"), book.alert(10)
    book.done(CloseCustomer(customer="ann"))
    found = [book.core.state.alerts[each.id] for each in (own, for_all)]
    assert [each is not None and each.closed_at is not None for each in found] == [True, False]
    refused = CreateUsageAlert(meter="calls", amount=Amount(1), customer="ann")
    assert isinstance(book.refused(refused), CustomerClosed)
    assert numbers(book.use("e1", 10, "bob")) == [10]


def test_events_of_one_batch_see_each_other() -> None:
    book = Book()
    book.alert(10, "ann")
    usages = [book.usage(f"e{number}", 4) for number in range(4)]
    requests = [book.core.request(each, book.at) for each in usages]
    outcomes = book.core.run(requests)
    told = [numbers(reached(each)) for each in outcomes if isinstance(each, Accepted)]
    assert told == [[], [], [12], []]


class Asked(CoreLedger):
    """Remembers what had to be counted from the events."""

    def __init__(self) -> None:
        super().__init__()
        self.spans: list[Span] = []

    def _use(self, span: Span) -> Use:
        self.spans.append(span)
        return super()._use(span)


def test_a_customers_use_is_counted_anew_once_and_no_more() -> None:
    """From then on an event says by itself what becomes of the number."""
    core = Asked()
    book = Book(core=core)
    book.use("e1", 1)
    book.alert(100, "ann")
    passed = (0, HEARD_WITHIN - 1, 1, 1, 1, 1)
    counted = []
    for number, time in enumerate(passed):
        book.at = Instant(book.at + time)
        book.use(f"after {number}", 1)
        counted.append(len(core.spans))
    # The second time it is of what was on its way when the alert was made.
    assert counted == [1, 1, 2, 2, 2, 2]


@pytest.mark.parametrize("customer", ["ann", None])
def test_25_alerts_watch_one_meter_and_customer_at_most(customer: str | None) -> None:
    book = Book()
    for line in range(1, 26):
        book.alert(line, customer)
    asked = CreateUsageAlert(meter="calls", amount=Amount(99), customer=customer)
    assert isinstance(book.refused(asked), TooManyAlerts)
    assert len(book.use("e1", 100)) == 25


def test_an_alert_is_refused_that_cannot_be() -> None:
    book = Book()
    distinct = Measure(event_name="call", aggregation=Aggregation.UNIQUE, property="user")
    book.done(CreateMeter(code="users", measure=distinct))
    book.done(CreateMeter(code="old", measure=measure_of(Aggregation.SUM)))
    book.done(CloseMeter(meter="old"))
    table = [("calls", 0, "amount"), ("users", 1, "meter"), ("old", 1, "meter")]
    for meter, amount, field in table:
        asked = CreateUsageAlert(meter=meter, amount=Amount(amount), customer="ann")
        assert book.refused(asked).fields["field"] == field
    asked = CreateUsageAlert(meter="none", amount=Amount(1))
    assert book.refused(asked).code == "meter_not_found"


def test_a_greatest_value_has_no_windows() -> None:
    book = Book()
    refused = book.refused(CreateMeter(code="m", measure=measure_of(Aggregation.MAX, HOUR)))
    assert isinstance(refused, FieldInvalid)
    assert refused.fields["field"] == "window"


def test_what_is_kept_stays_small() -> None:
    """However many events there were: the told are those of live alerts."""
    book = Book()
    for number in range(40):
        alert = book.alert(1, "ann")
        book.use(f"e{number}", 1)
        book.done(CloseAlert(alert=alert.id))
    [document] = [each for each in book.core.state.documents.values() if each is not None]
    assert document.kind == usage_crossings.KIND
    assert len(document.body) < 200
