"""What units leave and money pays is what a naive ledger comes to, whatever is overridden and given back."""

from __future__ import annotations

import asyncio
import tempfile
from collections import defaultdict
from collections.abc import Sequence
from fractions import Fraction
from typing import Any

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from drawdown.core.amounts import Amount, normalised
from drawdown.core.commands import (
    CloseEntitlement,
    CloseMeter,
    CloseRate,
    CreateMeter,
    CreateRate,
    IssueGrant,
    RecordUsage,
    ReverseDebit,
)
from drawdown.core.types import DAY, Instant
from drawdown.core.usage.meters import Aggregation, Measure
from drawdown.core.usage.rating import Graduated, PerCredit, PerUnit, Price, Tier, Volume
from drawdown.engine.clocks import ManualClock
from drawdown.opening import open_store
from tests.support.books import (
    CREDITS,
    SECOND,
    START,
    Book,
    open_book,
    open_ledger_on,
    units,
    verified,
)
from tests.support.naive_rating import NaivePrice, NaiveTier, cost

#: Credit comes in tenths, and usage does.
SCALE, STEP = 1, Fraction(1, 10)
#: A currency is kept at seven places beyond its minor unit.
MONEY = 10**9
NOW = Instant(START + 40 * DAY)
MONTHS = (Instant(START + DAY), Instant(START + 35 * DAY))
_TIERS = (("10", "0.03"), ("25", "0.07"), (None, "0.01"))
_PARTS = tuple(
    Tier(up_to=None if end is None else units(end), price=units(price)) for end, price in _TIERS
)
_NAIVE = [
    NaiveTier(None if end is None else Fraction(end), Fraction(price), Fraction(0))
    for end, price in _TIERS
]
PRICES: dict[str, tuple[Price, NaivePrice]] = {
    "usd": (
        PerUnit(price=units("0.0155555557")),
        NaivePrice("per_unit", price=Fraction("0.0155555557")),
    ),
    "eur": (Graduated(tiers=_PARTS), NaivePrice("graduated", tiers=_NAIVE)),
    "gbp": (Volume(tiers=_PARTS), NaivePrice("volume", tiers=_NAIVE)),
}
KINDS = (CREDITS, *PRICES)

tenths = st.integers(0, 150)
asked = st.one_of(
    st.tuples(st.just("grant"), st.sampled_from(KINDS), st.integers(1, 200)),
    st.tuples(st.just("use"), st.integers(0, 5), st.tuples(tenths, st.integers(0, 1))),
    st.tuples(st.just("use"), st.integers(0, 5), st.tuples(tenths, st.just(1))),
    st.tuples(st.just("reverse"), st.integers(0, 5), st.tuples(st.sampled_from(KINDS), tenths)),
)
Steps = Sequence[tuple[Any, ...]]
plays = st.lists(asked, min_size=4, max_size=25)


class NaiveCharge(msgspec.Struct):
    """What an event was charged in a month by one rate; ``rest`` of it was left by the first."""

    amount: int
    drawn: int
    rest: int = 0
    returned: int = 0
    left: bool = False


class NaiveEvent(msgspec.Struct):
    month: int
    size: int
    charges: dict[tuple[str, int], NaiveCharge] = {}


class Naive:
    """A customer's credit as numbers, and his events in the order in which they were taken first."""

    def __init__(self) -> None:
        self.available: defaultdict[str, int] = defaultdict(int)
        self.charged: defaultdict[tuple[str, int], int] = defaultdict(int)
        self.events: dict[int, NaiveEvent] = {}
        self.is_closed = False
        self.uncounted: set[int] = set()

    def use(self, name: int, size: int, month: int) -> None:
        known = self.events.get(name)
        if known is not None and (known.size, known.month) == (size, month):
            return
        if self.is_closed and known is None:
            self.uncounted.add(name)
        if name in self.uncounted:
            self.events[name] = NaiveEvent(month, size)
            return
        before = {} if known is None else known.charges
        for (kind, _), charge in before.items():
            self.available[kind] += charge.drawn - charge.returned
        made = self.events[name] = NaiveEvent(month, size)
        first = made.charges[(CREDITS, month)] = self._draw(CREDITS, size)
        for kind in PRICES:
            places = [place for place in before if place[0] == kind]
            for place in dict.fromkeys((*places, (kind, month))):
                self._charge(made, place, before.get(place), first.amount - first.drawn)

    def _charge(
        self, made: NaiveEvent, place: tuple[str, int], old: NaiveCharge | None, rest: int
    ) -> None:
        """Others were charged what they were: that stands. What lacks to the cost is this event's."""
        left = place[1] != made.month
        if not left:
            made.charges[place] = NaiveCharge(0, 0, rest)
        others = self.charged[place] - (0 if old is None else old.amount)
        amount = max(self._cost(place) - others, 0)
        self.charged[place] = others + amount
        if not left or amount:
            made.charges[place] = self._draw(place[0], amount)
            made.charges[place].left = left
            made.charges[place].rest = 0 if left else rest

    def _cost(self, place: tuple[str, int]) -> int:
        """The highest that was due on the way, in whole units."""
        kind, month = place
        found = [
            each.charges[place].rest
            for each in self.events.values()
            if each.month == month and place in each.charges
        ]
        ways = (sum(found[:count]) * STEP for count in range(1, len(found) + 1))
        return max((int(cost(PRICES[kind][1], each, STEP) * MONEY) for each in ways), default=0)

    def _draw(self, kind: str, amount: int) -> NaiveCharge:
        drawn = min(amount, self.available[kind])
        self.available[kind] -= drawn
        return NaiveCharge(amount, drawn)

    def reverse(self, name: int, kind: str, amount: int) -> int:
        """How much can be given back, which then is: of a rate, what was drawn last first."""
        found = [] if name not in self.events else list(self.events[name].charges.items())
        mine = [charge for (of, _), charge in found if of == kind]
        given = amount = min(amount, sum(each.drawn - each.returned for each in mine))
        for each in reversed(mine):
            part = min(amount, each.drawn - each.returned)
            each.returned += part
            amount -= part
        self.available[kind] += given
        return given


class Play:
    """The same on a real ledger."""

    def __init__(self, book: Book, clock: ManualClock, customer: str) -> None:
        self.book, self.clock, self.customer, self.naive = book, clock, customer, Naive()

    async def ask(self, verb: str, what: Any, said: Any) -> None:
        if verb == "grant":
            await self.grant(what, said)
        elif verb == "use":
            await self.use(what, *said)
        else:
            await self.reverse(what, *said)

    async def close(self) -> None:
        """All that counts and pays, but for money, which is always there."""
        ledger = self.book.ledger
        self.clock.instant = Instant(self.clock.instant + SECOND)
        rates = (await ledger.catalog(self.book.id)).rates
        for rate in rates:
            await ledger.apply(self.book.id, CloseRate(rate=rate))
        await ledger.apply(self.book.id, CloseMeter(meter="calls"))
        await ledger.apply(self.book.id, CloseEntitlement(entitlement=CREDITS))
        self.naive.is_closed = True

    async def grant(self, kind: str, number: int) -> None:
        """Of credits tenths, of money hundredths of a major unit."""
        if kind == CREDITS and self.naive.is_closed:
            return
        amount = normalised(number, 1 if kind == CREDITS else 2)
        command = IssueGrant(customer=self.customer, entitlement=kind, amount=amount)
        await self.book.ledger.apply(self.book.id, command)
        self.naive.available[kind] += number if kind == CREDITS else number * MONEY // 100

    async def use(self, name: int, size: int, month: int) -> None:
        command = RecordUsage(
            customer=self.customer,
            own_id=f"e{name}",
            name="call",
            time=MONTHS[month],
            properties={"n": normalised(size, 1)},
            override=True,
        )
        await self.book.ledger.apply(self.book.id, command)
        self.naive.use(name, size, month)

    async def reverse(self, name: int, kind: str, amount: int) -> None:
        given = self.naive.reverse(name, kind, amount if kind == CREDITS else amount * 10**7)
        if given:
            event = await self.book.ledger.usage_event(self.book.id, f"e{name}")
            places = 1 if kind == CREDITS else 9
            command = ReverseDebit(
                debit=event.drawn_by, entitlement=kind, amount=normalised(given, places)
            )
            await self.book.ledger.apply(self.book.id, command)

    async def check(self) -> None:
        for name, known in self.naive.events.items():
            event = await self.book.ledger.usage_event(self.book.id, f"e{name}")
            found = {
                (each.entitlement, int(each.period >= START + 31 * DAY)): (each.amount, each.drawn)
                for each in event.charges
            }
            wanted = {key: (each.amount, each.drawn) for key, each in known.charges.items()}
            assert found == wanted
        for kind in self.naive.available:
            balance = await self.book.balance(self.customer, kind)
            assert balance.available == self.naive.available[kind]
        await verified(self.book.ledger)


async def play(folder: str, steps: Steps, after: Steps | None = None) -> None:
    """``after``: what comes once all is closed."""
    clock = ManualClock(NOW)
    ledger = open_ledger_on(await open_store(f"sqlite:///{folder}/ledger.db"), clock)
    book = await open_book(ledger, SCALE)
    measure = Measure(event_name="call", aggregation=Aggregation.SUM, property="n")
    await ledger.apply(book.id, CreateMeter(code="calls", measure=measure))
    one_each = PerCredit(units_per_credit=Amount(1))
    made = await ledger.apply(
        book.id, CreateRate(meter="calls", entitlement=CREDITS, price=one_each)
    )
    assert made.rate is not None
    for kind, (price, _) in PRICES.items():
        asked = CreateRate(meter="calls", entitlement=kind, price=price, rest_of=made.rate.id)
        await ledger.apply(book.id, asked)
    here = Play(book, clock, await book.customer())
    for step in steps:
        await here.ask(*step)
    if after is not None:
        await here.close()
        for step in after:
            await here.ask(*step)
    await here.check()
    await ledger.close()


@settings(max_examples=40, deadline=None)
@given(steps=plays)
def test_a_naive_ledger_comes_to_the_same(steps: Steps) -> None:
    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(play(folder, steps))


@settings(max_examples=25, deadline=None)
@given(steps=plays, after=plays)
def test_it_does_when_all_is_closed_but_what_was_used_is_overridden(
    steps: Steps, after: Steps
) -> None:
    """By what charged it; what is used since nothing counts, whatever it is overridden to."""
    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(play(folder, steps, after))
