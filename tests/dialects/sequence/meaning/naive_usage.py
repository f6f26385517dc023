"""Sequence's usage, naively: what was received, last of each id, and what of whose credit it has drawn.

Every number is counted anew from all events. Amounts are exact fractions. It shares no code with the ledger.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from fractions import Fraction
from typing import Any

NEVER = 1 << 62
Said = dict[str, Any]


class Refused(Exception):
    """The event cannot be counted."""


@dataclass(eq=False)
class Grant:
    """``over``: what is left of it cannot be used any more; of one that was voided nothing ever again."""

    place: int
    unit: str
    left: Fraction
    starts: int
    ends: int
    over: Fraction = Fraction(0)
    is_voided: bool = False

    def is_active(self, now: int) -> bool:
        return self.starts <= now < self.ends and not self.is_voided

    def take_back(self, units: Fraction, now: int) -> None:
        if self.is_voided or now >= self.ends:
            self.over += units
        else:
            self.left += units

    def settle(self, now: int) -> None:
        if now >= self.ends:
            self.over, self.left = self.over + self.left, Fraction(0)


@dataclass(eq=False)
class Rule:
    """A metric as it is defined for a while. ``price``: of one unit in money, from ``priced_at`` on."""

    metric: str
    event: str
    aggregation: str
    property: str | None
    group: str | None
    filters: dict[str, list[str]]
    negated: list[str]
    any_case: bool
    waits: bool
    opened: int
    closed: int = NEVER
    price: Fraction | None = None
    priced_at: int = NEVER

    def counts(self, kind: str, said: Said) -> bool:
        """Raises ``Refused`` for what a sum counts and has no number."""
        if kind != self.event or not all(self._passes(name, said) for name in self.filters):
            return False
        value = None if self.property is None else said.get(self.property)
        if self.aggregation == "SUM" and not isinstance(value, int | Fraction):
            raise Refused
        return self.aggregation != "UNIQUE" or value is not None

    def _passes(self, name: str, said: Said) -> bool:
        found, allowed = said.get(name), self.filters[name]
        if self.any_case and found is not None:
            found, allowed = found.lower(), [each.lower() for each in allowed]
        return (found in allowed) != (name in self.negated)

    def total(self, found: list[Said]) -> Fraction:
        if self.aggregation == "SUM":
            return sum((Fraction(each[self.property or ""]) for each in found), Fraction(0))
        if self.aggregation == "COUNT":
            return Fraction(len(found))
        return Fraction(len({each[self.property or ""] for each in found}))

    def was_open(self, at: int) -> bool:
        return self.opened <= at < self.closed


#: What is counted together: the rule, the month and the group.
Key = tuple[Rule, str, Any]


@dataclass(eq=False)
class Event:
    """What was received: for an alias, and, once it counts, whose it is."""

    alias: str
    kind: str
    time: int
    said: Said


@dataclass(eq=False)
class Place:
    """One customer's event: ``charges`` in each count, of which so much was ``paid``, from which grants."""

    number: int
    customer: str
    at: int
    now: Event | None = None
    charges: dict[Key, Fraction] = field(default_factory=dict)
    paid: dict[Key, Fraction] = field(default_factory=dict)
    draws: dict[str, list[tuple[Grant, Fraction]]] = field(default_factory=dict)


@dataclass(eq=False)
class Naive:
    """``received``: all that was, but for what changed nothing. ``waiting``: in the order of arrival."""

    now: int = 0
    aliases: dict[str, str] = field(default_factory=dict)
    grants: dict[str, list[Grant]] = field(default_factory=dict)
    rules: list[Rule] = field(default_factory=list)
    places: dict[str, list[Place]] = field(default_factory=dict)
    waiting: dict[str, Event] = field(default_factory=dict)
    voided: dict[Place, Event] = field(default_factory=dict)
    received: list[tuple[str, str, int, Said]] = field(default_factory=list)
    numbers: int = 0

    # What is received ----------------------------------------------------------------------------

    def send(self, own_id: str, alias: str, kind: str, time: int | None, said: Said) -> Event:
        """Raises ``Refused``."""
        customer, waits = self.aliases.get(alias), self.waiting.get(own_id)
        chain = self.places.get(own_id, [])
        last = chain[-1] if chain else None
        before = waits or self._last(last)
        when = time if time is not None else self.now if before is None else before.time
        new = Event(alias, kind, when, said)
        is_same = before is not None and (before.kind, before.time, before.said) == (
            kind,
            when,
            said,
        )
        if customer is None:
            if waits is not None and is_same and waits.alias == alias:
                return waits
            self._void(last)
            self.waiting[own_id] = new
        else:
            if is_same and waits is None and last is not None and last.customer == customer:
                return new
            self._count(own_id, customer, new)
            self.waiting.pop(own_id, None)
        self.received.append((own_id, kind, when, said))
        return new

    def _last(self, place: Place | None) -> Event | None:
        """What was said last in a place, whether it counts or not."""
        return None if place is None else place.now or self.voided[place]

    def map_alias(self, alias: str, customer: str) -> None:
        self.aliases[alias] = customer
        for own_id, each in list(self.waiting.items()):
            if each.alias == alias:
                try:
                    self._count(own_id, customer, each)
                except Refused:
                    continue
                del self.waiting[own_id]

    def standing(self, own_id: str) -> tuple[str, Event] | None:
        """Whose event counts under an id, or for which alias it waits."""
        if own_id in self.waiting:
            return self.waiting[own_id].alias, self.waiting[own_id]
        chain = self.places.get(own_id)
        if not chain or chain[-1].now is None:
            return None
        return chain[-1].customer, chain[-1].now

    # What is counted and drawn -------------------------------------------------------------------

    def _count(self, own_id: str, customer: str, new: Event) -> None:
        chain = self.places.setdefault(own_id, [])
        last = chain[-1] if chain else None
        if last is not None and last.customer == customer:
            self._put(last, new)
            return
        self._keys(new, self.now)
        self._void(last)
        self.numbers += 1
        chain.append(Place(self.numbers, customer, self.now))
        self._put(chain[-1], new)

    def _void(self, place: Place | None) -> None:
        if place is not None and place.now is not None:
            self.voided[place] = place.now
            self._put(place, None)

    def _keys(self, said: Event | None, at: int) -> list[Key]:
        """Where something counts that was received then."""
        if said is None:
            return []
        found = [each for each in self.rules if each.was_open(at)]
        return [
            (
                each,
                f"{datetime.fromtimestamp(said.time // 10**6, UTC):%Y-%m}",
                said.said.get(each.group or ""),
            )
            for each in found
            if each.counts(said.kind, said.said)
        ]

    def _put(self, place: Place, new: Event | None) -> None:
        """What was drawn is returned, and drawn as if it had said so from the beginning."""
        keys = self._keys(new, place.at)
        old, old_keys = dict(place.charges), self._keys(place.now, place.at)
        returned = self._return(place)
        place.now, place.charges, place.paid, place.draws = new, {}, {}, {}
        self._lower(place, [key for key in {*old, *keys} if key in keys or key in old_keys])
        for key in dict.fromkeys([*old, *keys]):
            due = max(
                self._total(place.customer, key) - self._charged(place.customer, key), Fraction(0)
            )
            if key not in keys and key not in old_keys:
                due = old[key]
            if key[0].waits:
                due = Fraction(0)
            if key in keys or due:
                self._charge(place, key, due, returned)
        self._charge_rest(place, keys, returned)

    def _events(self, customer: str) -> list[Place]:
        both = [each for chain in self.places.values() for each in chain]
        return [each for each in both if each.customer == customer]

    def _total(self, customer: str, key: Key) -> Fraction:
        said = [
            each.now.said
            for each in self._events(customer)
            if each.now is not None and key in self._keys(each.now, each.at)
        ]
        return key[0].total(said)

    def _charged(self, customer: str, key: Key) -> Fraction:
        return sum(
            (each.charges.get(key, Fraction(0)) for each in self._events(customer)), Fraction(0)
        )

    def _lower(self, place: Place, keys: list[Key]) -> None:
        """What others are charged too much is returned, the latest first."""
        for key in keys:
            charged, total = self._charged(place.customer, key), self._total(place.customer, key)
            surplus = Fraction(0) if key[0].waits else max(charged - total, Fraction(0))
            for other in sorted(self._events(place.customer), key=lambda each: -each.number):
                units = min(surplus, other.charges.get(key, Fraction(0)))
                if other is place or not units:
                    continue
                surplus -= units
                other.charges[key] -= units
                too_much = max(other.paid[key] - other.charges[key], Fraction(0))
                other.paid[key] -= too_much
                self._give_back(other, key[0].metric, too_much)

    def _give_back(self, place: Place, unit: str, units: Fraction) -> None:
        draws = place.draws.get(unit, [])
        while units:
            grant, drawn = draws.pop()
            part = min(units, drawn)
            grant.take_back(part, self.now)
            units -= part
            if drawn > part:
                draws.append((grant, drawn - part))

    def _return(self, place: Place) -> dict[Grant, Fraction]:
        returned: dict[Grant, Fraction] = {}
        for draws in place.draws.values():
            for grant, units in draws:
                grant.take_back(units, self.now)
                returned[grant] = returned.get(grant, Fraction(0)) + units
        return returned

    def _charge(
        self, place: Place, key: Key, due: Fraction, returned: dict[Grant, Fraction]
    ) -> None:
        place.charges[key] = due
        place.paid[key] = self._draw(place, key[0].metric, due, returned)

    def _charge_rest(self, place: Place, keys: list[Key], returned: dict[Grant, Fraction]) -> None:
        """Money pays what units do not, where there was a price when the event came."""
        for key in keys:
            rule = key[0]
            if rule.price is not None and rule.priced_at <= place.at and not rule.waits:
                rest = place.charges[key] - place.paid[key]
                self._draw(place, "USD", rest * rule.price, returned)

    def _draw(
        self, place: Place, unit: str, due: Fraction, returned: dict[Grant, Fraction]
    ) -> Fraction:
        """So much was paid: by what was just returned to grants that are over, then in burn-down order."""
        left = due
        mine = sorted(
            (each for each in self.grants.get(place.customer, []) if each.unit == unit),
            key=lambda each: (each.ends, each.starts, each.place),
        )
        for grant in mine:
            if grant in returned and not grant.is_voided and self.now >= grant.ends:
                part = min(left, returned[grant], grant.over)
                grant.over -= part
                returned[grant] -= part
                left -= part
                self._note(place, unit, grant, part)
        for grant in mine:
            if grant.is_active(self.now):
                part = min(left, grant.left)
                grant.left -= part
                left -= part
                self._note(place, unit, grant, part)
        return due - left

    def _note(self, place: Place, unit: str, grant: Grant, units: Fraction) -> None:
        if units:
            place.draws.setdefault(unit, []).append((grant, units))

    # Time and credit -----------------------------------------------------------------------------

    def pass_to(self, now: int) -> None:
        self.now = now
        for grants in self.grants.values():
            for each in grants:
                each.settle(now)

    def void_grant(self, grant: Grant) -> None:
        grant.over, grant.left, grant.is_voided = grant.over + grant.left, Fraction(0), True

    # What is read --------------------------------------------------------------------------------

    def calculate(self, rule: Rule, customers: set[str], start: int, end: int) -> Fraction:
        groups: dict[Any, list[Said]] = {}
        for customer in customers:
            for each in self._events(customer):
                if each.now is None or not start <= each.now.time < end:
                    continue
                try:
                    counts = rule.counts(each.now.kind, each.now.said)
                except Refused:
                    counts = False
                if counts:
                    group = each.now.said.get(rule.group or "")
                    groups.setdefault(group, []).append(each.now.said)
        return sum((rule.total(each) for each in groups.values()), Fraction(0))

    def outstanding(self, customer: str) -> list[Grant]:
        found = [each for each in self.grants.get(customer, []) if each.left]
        return sorted(
            found, key=lambda each: (each.unit == "USD", each.ends, each.starts, each.place)
        )
