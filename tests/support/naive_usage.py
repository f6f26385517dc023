"""Usage, naively: every event is kept, and all of a period's are counted and priced anew for each."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from typing import Any
from zoneinfo import ZoneInfo

from tests.support import naive_calendar, naive_rating
from tests.support.naive import (
    UNITS_MAX,
    Attributes,
    Facts,
    NaiveGrant,
    NaiveWallet,
    Refusal,
    Replay,
    matches,
)
from tests.support.naive_meters import Document, NaiveEvent, NaiveMeter, number
from tests.support.naive_rating import NaivePrice

AHEAD_MAX = 5 * 60_000_000
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)
#: Everything that is used and priced comes in halves.
STEP = Fraction(1, 2)


@dataclass(eq=False, slots=True)
class NaiveRate:
    """``prices`` by the value of an attribute, where there is one; ``period`` None: for ever."""

    event: str
    aggregation: str
    property: str
    where: Document | None
    any_case: bool
    group_by: list[str]
    on_invoice: bool
    unit: str
    prices: dict[str, NaivePrice]
    default: NaivePrice | None
    attribute: str = ""
    period: str | None = "month"
    zone: str = "UTC"

    def price(self, properties: Document) -> NaivePrice:
        value = properties.get(self.attribute)
        found = self.prices.get("" if value is None else text(value), self.default)
        if found is None:
            raise Refusal("field_invalid", field=f"properties.{self.attribute}")
        return found

    def meter(self) -> NaiveMeter:
        return NaiveMeter(self.aggregation, self.property, self.where, self.any_case, {})

    def counts(self, properties: Document) -> bool:
        """Whether an event counts; one that has not what is counted is refused."""
        if not self.meter().counts(properties):
            return False
        if self.aggregation in ("sum", "max", "last") and (
            number(properties.get(self.property)) is None
        ):
            raise Refusal("field_invalid", field=f"properties.{self.property}")
        return True

    def group(self, properties: Document) -> tuple[str | None, ...]:
        names = [*self.group_by, *([self.attribute] if self.attribute else [])]
        found = [properties.get(name) for name in names]
        return tuple(None if value is None else text(value) for value in found)


@dataclass(eq=False, slots=True)
class NaiveCount:
    """What was counted of one customer in one period and group; ``charged`` units were asked for."""

    meter: NaiveMeter
    charged: int = 0


@dataclass(eq=False, slots=True)
class NaiveUsage:
    """The rates of a book, and all the events in it: by whom, which, with what and when."""

    rates: list[NaiveRate] = field(default_factory=list)
    events: dict[str, tuple[object, str, Document, int]] = field(default_factory=dict)


@dataclass(eq=False, slots=True)
class NaiveDue:
    rate: NaiveRate
    wallet: NaiveWallet
    count: NaiveCount
    amount: int


class NaiveUsing:
    """What a ledger does with usage."""

    wallets: dict[str, NaiveWallet]
    usage: NaiveUsage
    counted: dict[tuple[object, ...], NaiveCount]
    recorded_at: int | None
    notes: Counter[str]

    def _use(
        self, at: int, event: str, kind: str, properties: Document, time: int | None = None
    ) -> Facts:
        if time is not None and time > at + AHEAD_MAX:
            raise Refusal("field_invalid", field="time")
        self._check_known(event, kind, properties, time)
        moment = at if time is None else time
        rates = [rate for rate in self.usage.rates if rate.event == kind]
        rates = [rate for rate in rates if rate.counts(properties)]
        wallets = {rate.unit: self.wallets[rate.unit] for rate in rates}
        now = max([at, *(wallet.last_at for wallet in wallets.values())])
        for wallet in wallets.values():
            wallet.arrive(now, self.recorded_at)
        place = f"{len(self.usage.events):08}"
        made = NaiveEvent(place, moment, properties)
        dues = [self._due(rate, place, made) for rate in rates]
        self.usage.events[event] = (self, kind, properties, moment)
        charges = []
        for due in dues:
            due.count.meter.events[place] = made
            due.count.charged += due.amount
            self.counted.setdefault(self._place(due.rate, made), due.count)
            drawn, beyond = self._draw(due, now, moment, properties)
            charges.append([due.amount, drawn, beyond])
        return {"charges": str(charges)}

    def _check_known(self, event: str, kind: str, properties: Document, time: int | None) -> None:
        if event not in self.usage.events:
            return
        *known, known_time = self.usage.events[event]
        if known != [self, kind, properties] or time not in (None, known_time):
            raise Refusal("event_reused")
        self.notes["an event comes again"] += 1
        raise Replay

    def _place(self, rate: NaiveRate, event: NaiveEvent) -> tuple[object, ...]:
        start = period_start(event.time, rate.period, rate.zone)
        return (id(rate), start, rate.group(event.properties))

    def _due(self, rate: NaiveRate, place: str, event: NaiveEvent) -> NaiveDue:
        """What an event makes due: by how much the cost of all together is more than was asked for."""
        count = self.counted.get(self._place(rate, event)) or NaiveCount(rate.meter())
        wallet = self.wallets[rate.unit]
        with_it = NaiveMeter(
            rate.aggregation,
            rate.property,
            rate.where,
            rate.any_case,
            count.meter.events | {place: event},
        )
        cost = naive_rating.cost(rate.price(event.properties), with_it.total(), STEP)
        units = int(cost * 10**wallet.scale)
        if units > UNITS_MAX:
            raise Refusal("amount_too_large")
        if units < count.charged:
            self.notes["usage costs less than was charged"] += 1
        amount = 0 if rate.on_invoice else max(units - count.charged, 0)
        return NaiveDue(rate, wallet, count, amount)

    def _draw(self, due: NaiveDue, now: int, moment: int, properties: Document) -> tuple[int, int]:
        """What credit pays, and what goes past zero, as the rule of the entitlement says."""
        wallet, amount = due.wallet, due.amount
        attributes = {name: text(value) for name, value in properties.items()}
        late = expired_since(wallet, now, moment, attributes)
        eligible = wallet.eligible(now, now, attributes)
        credit = sum(grant.expired for grant in late)
        credit += sum(grant.remaining - grant.held for grant in eligible)
        drawn, beyond = self._split(wallet, amount, credit)
        if drawn or beyond:
            wallet.last_at = now
            left = self._restore(wallet, late, drawn)
            wallet.use(wallet.split(now, now, attributes, left), beyond)
        return drawn, beyond

    def _split(self, wallet: NaiveWallet, amount: int, credit: int) -> tuple[int, int]:
        if credit >= amount:
            return amount, 0
        if wallet.shortfall == "refuse":
            self.notes["nothing pays for usage"] += 1
            return 0, 0
        self.notes["usage is paid as far as credit goes"] += 1
        if wallet.shortfall == "cap":
            return credit, 0
        beyond = min(amount - credit, max(wallet.rule()[0] - wallet.overage, 0))
        self.notes["usage goes past zero"] += beyond > 0
        return credit, beyond

    def _restore(self, wallet: NaiveWallet, late: list[NaiveGrant], units: int) -> int:
        """Draw on what has expired first; what is left to draw."""
        for grant in late:
            part = min(units, grant.expired)
            grant.expired -= part
            grant.used += part
            grant.drawn = grant.drawn or part > 0
            units -= part
            self.notes["late usage is paid by what has expired"] += part > 0
        return units


def expired_since(
    wallet: NaiveWallet, now: int, moment: int, attributes: Attributes
) -> list[NaiveGrant]:
    """What was valid when the usage was and has been written off since, within the grace."""
    if moment >= now:
        return []
    if now - moment > wallet.grace:
        wallet.notes["usage comes too late for what has expired"] += wallet.grace > 0
        return []
    found = [
        grant
        for grant in wallet.grants
        if grant.expired
        and grant.ended == "grant_expired"
        and grant.ended_at > moment
        and grant.effective_at <= moment < grant.expires_at
        and matches(grant.scope, attributes)
    ]
    return sorted(found, key=wallet.order)


def period_start(at: int, unit: str | None, zone: str) -> int:
    """When the calendar's day, week (from Monday), month or year began, on the clocks of a zone."""
    if unit is None:
        return 0
    local = (EPOCH + at * MICROSECOND).astimezone(ZoneInfo(zone)).replace(tzinfo=None, fold=0)
    local = local.replace(hour=0, minute=0, second=0, microsecond=0)
    if unit == "week":
        local -= timedelta(days=local.weekday())
    if unit in ("month", "year"):
        local = local.replace(day=1)
    if unit == "year":
        local = local.replace(month=1)
    return (naive_calendar.first_shown(local, ZoneInfo(zone)) - EPOCH) // MICROSECOND


def price_of(document: dict[str, Any]) -> NaivePrice:
    """As plain data says it: amounts are text, tiers come as (up to, price, flat)."""
    tiers: Sequence[Sequence[Any]] = document.get("tiers", ())
    return NaivePrice(
        document["model"],
        Fraction(document.get("number", 0)),
        Fraction(document.get("price", 0)),
        [
            naive_rating.NaiveTier(
                None if up_to is None else Fraction(up_to), Fraction(price), Fraction(flat)
            )
            for up_to, price, flat in tiers
        ],
        Fraction(document.get("free", 0)),
        document.get("rounding", "up"),
    )


def text(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
