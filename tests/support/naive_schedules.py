"""Schedules, naively: every cycle's beginning is written down from the first on, and played one by one."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from decimal import Decimal
from functools import cache
from typing import Any

from tests.support import naive_calendar
from tests.support.naive import DAY, EPOCH, NEVER, UNITS_MAX, NaiveGrant, NaiveWallet, Refusal

#: How many units past zero, whether that is said, and what becomes of them.
Rule = tuple[int, bool, str]
MICROSECOND = timedelta(microseconds=1)


@cache
def occurrence(anchor: int, zone: str, unit: str, count: int, number: int) -> int:
    moment = EPOCH + anchor * MICROSECOND
    found = naive_calendar.occurrence(moment, zone, unit, count, number)
    return (found - EPOCH) // MICROSECOND


@dataclass(eq=False, slots=True)
class NaiveSchedule:
    """``running`` is the number of the cycle that runs; ``last`` of the last that began or was skipped."""

    name: int
    amount: int
    every: tuple[str, int]
    anchor: int
    zone: str
    starts_at: int
    ends_at: int
    trial: tuple[int, int, bool] | None
    life: int | str
    roll: dict[str, Any]
    rule: Rule | None = None
    state: str = "active"
    running: int | None = None
    last: int = -1
    waits_for: int = 0
    next_amount: int | None = None
    grants: dict[str, NaiveGrant] = field(default_factory=dict)

    def cycles(self) -> Iterator[tuple[int, int]]:
        """The number and the beginning of every cycle."""
        regular = self.starts_at
        if self.trial is not None:
            yield 0, self.starts_at
            regular = self.trial[1]
        yield 1, regular
        step, number = 0, 2
        while occurrence(self.anchor, self.zone, *self.every, step) > regular:
            step -= 1
        while True:
            step += 1
            at = occurrence(self.anchor, self.zone, *self.every, step)
            if at > regular:
                yield number, at
                number += 1

    def begins(self, number: int) -> int:
        return next(at for found, at in self.cycles() if found == number)

    def next(self) -> tuple[int, int | None]:
        """When something happens next, and the number of the cycle that then begins, if one does."""
        if self.state in ("cancelled", "ended"):
            return NEVER, None
        if self.state == "paused" and self.running is None:
            return self.ends_at, None
        for number, at in self.cycles():
            if number > self.last and at >= self.waits_for:
                return (self.ends_at, None) if at >= self.ends_at else (at, number)
        raise AssertionError

    def play(self, wallet: NaiveWallet, at: int, number: int | None, recorded_at: int) -> None:
        if self.running is not None:
            self._end_cycle(wallet, at, number, recorded_at)
            self.running = None
            if not (self.rule or wallet.rule())[2].startswith("carry"):
                if wallet.overage:
                    wallet.notes["a cycle's end resets overage"] += 1
                wallet.overage = 0
        if number is None:
            wallet.notes["a schedule ends"] += 1
            self.state = "ended"
            return
        self.last = number
        if self.state == "paused":
            wallet.notes["a cycle is skipped"] += 1
        if self.state == "active":
            self._begin_cycle(wallet, at, number, recorded_at)

    def _begin_cycle(self, wallet: NaiveWallet, at: int, number: int, recorded_at: int) -> None:
        self.running = number
        units = self.trial[0] if number == 0 and self.trial else self.amount
        if number and self.next_amount is not None:
            self.amount = units = self.next_amount
            self.next_amount = None
        self.give(wallet, str(number), units, at, recorded_at)

    def give(self, wallet: NaiveWallet, name: str, units: int, at: int, recorded_at: int) -> None:
        """As much as there is room for."""
        if units > UNITS_MAX - wallet.granted():
            units = UNITS_MAX - wallet.granted()
            wallet.notes["a cycle gives only what there is room for"] += 1
        if units and wallet.open_grants() >= wallet.grants_max:
            wallet.notes["a cycle finds no room for a grant"] += 1
            return
        if not units:
            return
        end = self.next()[0]
        life = {"cycle_end": end, "never": NEVER}.get(str(self.life))
        expires_at = at + int(self.life) * DAY if life is None else life
        if self.running == 0 and self.trial and self.trial[2]:
            expires_at = self.trial[1]
        made = self._grant(wallet, name, units, at, recorded_at, expires_at)
        made.paid = self.running != 0
        wallet.repay(made, units)

    def _grant(
        self,
        wallet: NaiveWallet,
        name: str,
        units: int,
        at: int,
        recorded_at: int,
        expires_at: int,
    ) -> NaiveGrant:
        made = NaiveGrant(
            name=f"{self.name}:{name}",
            number=len(wallet.grants),
            amount=units,
            priority=50,
            paid=True,
            effective_at=at,
            expires_at=expires_at,
            recorded_at=recorded_at,
            scope={},
            remaining=units,
            schedule=self,
            cycle=self.last,
        )
        wallet.grants.append(made)
        self.grants[name] = made
        return made

    def _end_cycle(
        self, wallet: NaiveWallet, at: int, number: int | None, recorded_at: int
    ) -> None:
        for name, grant in list(self.grants.items()):
            if not grant.ended and grant.remaining and self._has_turn(grant, at):
                self._take_turn(wallet, name, grant, at, number, recorded_at)

    def _has_turn(self, grant: NaiveGrant, at: int) -> bool:
        if grant.generation:
            return grant.expires_at in (at, NEVER)
        return grant.cycle == self.running

    def _take_turn(
        self,
        wallet: NaiveWallet,
        name: str,
        grant: NaiveGrant,
        at: int,
        number: int | None,
        recorded_at: int,
    ) -> None:
        free = grant.remaining - grant.held
        if self.running == 0 and self.trial and self.trial[2]:
            wallet.notes["a trial's credit ends with it"] += 1
            wallet.end_grant(grant, "grant_expired", at)
            return
        if self.roll.get("generations") and grant.generation == self.roll["generations"]:
            wallet.notes["what was carried often enough is forfeited"] += 1
            wallet.end_grant(grant, "grant_expired", at)
            return
        carried = free * self.roll.get("percentage", 0) // 100
        carried = min(carried, self.roll.get("most", carried))
        if carried >= self.roll.get("least", 1) and carried:
            grant.remaining -= carried
            grant.rolled_over += carried
            new = f"{name}>{'end' if number is None else number}"
            made = self._grant(wallet, new, carried, at, recorded_at, self._carried_end(at))
            made.generation, made.paid = grant.generation + 1, grant.paid
            made.cycle = self.last + 1 if number is None else number
            wallet.notes["credit is carried over"] += 1
            if grant.generation:
                wallet.notes["what was carried over is carried on"] += 1
            if grant.held:
                wallet.notes["a part of a grant is held while the rest is carried over"] += 1
        ends = self.life == "cycle_end" or (grant.generation and grant.expires_at == at)
        if ends and grant.remaining:
            wallet.end_grant(grant, "grant_expired", at)

    def _carried_end(self, at: int) -> int:
        if "lives" not in self.roll:
            return NEVER
        count, unit = self.roll["lives"]
        return occurrence(at, self.zone, unit, count, 1)

    def difference(self, units: int, prorate: bool, now: int) -> int:
        """What a change now means for the cycle that runs."""
        if not self.running:
            return 0
        if not prorate:
            return units - self.amount
        begin, end = self.begins(self.running), self.next()[0]
        share = abs(units - self.amount) * (end - now) // (end - begin)
        return share if units > self.amount else -share

    def take(self, wallet: NaiveWallet, units: int) -> None:
        """Void so much of what is free of the cycle that runs, what burns last first."""
        found = [
            grant
            for grant in wallet.grants
            if grant.schedule is self and grant.cycle == self.running and not grant.generation
        ]
        for grant in sorted(found, key=wallet.order, reverse=True):
            taken = min(units, grant.remaining - grant.held) if not grant.ended else 0
            grant.remaining -= taken
            grant.voided += taken
            units -= taken
            if taken and not grant.remaining:
                grant.ended = "grant_voided"


class NaiveScheduling(ABC):
    """What a ledger does with schedules."""

    wallets: dict[str, NaiveWallet]
    schedules: dict[int, tuple[NaiveWallet, NaiveSchedule]]
    schedules_max: int
    recorded_at: int | None
    notes: Counter[str]

    @abstractmethod
    def _once(self, *body: object) -> None:
        """Refuse what was asked before under the same key."""

    def _schedule(
        self,
        at: int,
        name: int,
        unit: str,
        amount: str,
        every: tuple[str, int],
        starts: int | None = None,
        trial: tuple[str, int, bool] | None = None,
        anchor: int | None = None,
        zone: str = "UTC",
        ends: int | None = None,
        life: int | str = "cycle_end",
        roll: dict[str, Any] | None = None,
        rule: Rule | None = None,
    ) -> None:
        wallet = self.wallets[unit]
        units = wallet.units(amount)
        now = wallet.arrive(at, self.recorded_at)
        self._once(unit, units, every, starts, trial, anchor, zone, ends, life, roll, rule)
        starts_at = now if starts is None else starts
        regular = starts_at if trial is None else trial[1]
        of_trial = None if trial is None else _any_units(wallet, trial[0])
        _check_calendar(every, zone)
        if ends is not None and ends <= now:
            raise Refusal("field_invalid", field="ends_at")
        carried = rollover_of(wallet, roll)
        _check(life, roll or {})
        if ends is not None and ends <= starts_at:
            raise Refusal("field_invalid", field="ends_at")
        if trial is not None and not starts_at < trial[1] <= (NEVER if ends is None else ends):
            raise Refusal("field_invalid", field="trial.ends_at")
        made = NaiveSchedule(
            name=name,
            amount=units,
            every=every,
            anchor=regular if anchor is None else anchor,
            zone=zone,
            starts_at=starts_at,
            ends_at=NEVER if ends is None else ends,
            trial=None if trial is None else (of_trial or 0, trial[1], trial[2]),
            life=life,
            roll=carried,
            rule=rule,
        )
        begun = [number for number, _ in _until(made, now)]
        self._check_schedule_room(wallet, made, begun)
        wallet.last_at = now
        wallet.schedules.append(made)
        self.schedules[name] = (wallet, made)
        if begun:
            if len(begun) > 1:
                self.notes["a schedule is taken up after it has begun"] += 1
            made.play(wallet, now, begun[-1], self._recorded(at))

    def _recorded(self, at: int) -> int:
        return at if self.recorded_at is None else self.recorded_at

    def _check_schedule_room(
        self, wallet: NaiveWallet, made: NaiveSchedule, begun: list[int]
    ) -> None:
        live = [each for each in wallet.schedules if each.state in ("active", "paused")]
        if len(live) >= self.schedules_max:
            raise Refusal("too_many_schedules")
        trial = begun[-1:] == [0] and made.trial is not None
        units = (made.trial[0] if trial and made.trial else made.amount) if begun else 0
        _check_room(wallet, units)

    def _found_schedule(self, name: int, at: int) -> tuple[NaiveWallet, NaiveSchedule, int]:
        if name not in self.schedules:
            raise Refusal("schedule_not_found")
        wallet, schedule = self.schedules[name]
        return wallet, schedule, wallet.arrive(at, self.recorded_at)

    def _change(
        self,
        at: int,
        schedule: int,
        amount: str | None = None,
        now: bool = False,
        prorate: bool = False,
        name: int = -1,
        rule: Rule | str | None = None,
    ) -> None:
        """``name`` is that of the grant that it may make for the cycle that runs.

        ``rule`` None: it stays; ``none``: the schedule has none any more.
        """
        wallet, found, moment = self._found_schedule(schedule, at)
        units = None if amount is None else wallet.units(amount)
        self._once(schedule, units, now, prorate, rule)
        if found.state in ("cancelled", "ended"):
            raise Refusal("schedule_over", state=found.state)
        if units is None and (rule is None or now or prorate):
            raise Refusal("field_invalid", field="amount" if rule is None else "when")
        if prorate and not now:
            raise Refusal("field_invalid", field="prorate")
        moved = 0
        if units is not None and now:
            moved = found.difference(units, prorate, moment)
            _check_room(wallet, max(moved, 0))
        wallet.last_at = moment
        if rule is not None:
            found.rule = None if isinstance(rule, str) else rule
        if units is None:
            return
        if not now:
            found.next_amount = units
            return
        found.amount, found.next_amount = units, None
        if moved > 0:
            self.notes["a change gives more for the cycle that runs"] += 1
            found.give(wallet, f"e{name}", moved, moment, self._recorded(at))
        elif moved < 0:
            self.notes["a change takes from the cycle that runs"] += 1
            found.take(wallet, -moved)

    def _pause(self, at: int, schedule: int) -> None:
        wallet, found, now = self._found_schedule(schedule, at)
        self._once(schedule)
        if found.state != "active":
            raise Refusal("schedule_over", state=found.state)
        wallet.last_at = now
        found.state = "paused"

    def _resume(self, at: int, schedule: int) -> None:
        wallet, found, now = self._found_schedule(schedule, at)
        self._once(schedule)
        if found.state != "paused":
            raise Refusal("schedule_over", state=found.state)
        wallet.last_at = now
        found.state = "active"
        if found.running is None:
            found.waits_for = now
            missed = [number for number, begins in _until(found, now) if begins < now]
            found.last = max([found.last, *missed])
            self.notes["a schedule is resumed between its cycles"] += 1
        wallet.arrive(at, self.recorded_at)

    def _cancel(self, at: int, schedule: int, at_end: bool = False, expire: bool = False) -> None:
        wallet, found, now = self._found_schedule(schedule, at)
        self._once(schedule, at_end, expire)
        if found.state in ("cancelled", "ended"):
            raise Refusal("schedule_over", state=found.state)
        if at_end and expire:
            raise Refusal("field_invalid", field="expire_credit")
        wallet.last_at = now
        if at_end and found.running is not None:
            found.ends_at = found.next()[0]
            return
        found.state, found.running = "cancelled", None
        for grant in wallet.grants if expire else []:
            if grant.schedule is found and not grant.ended and grant.remaining:
                wallet.end_grant(grant, "grant_expired", now)
                grant.expires_at = now


def _check_room(wallet: NaiveWallet, units: int) -> None:
    if wallet.granted() + units > UNITS_MAX:
        raise Refusal("amount_too_large", field="amount")
    if units and wallet.open_grants() >= wallet.grants_max:
        raise Refusal("too_many_grants")


def _any_units(wallet: NaiveWallet, amount: str) -> int:
    """None at all, too."""
    return wallet.units(amount) if Decimal(amount) else 0


def rollover_of(wallet: NaiveWallet, asked: dict[str, Any] | None) -> dict[str, Any]:
    """In units; what is carried lives by the entitlement's rule where that is not said."""
    if not asked:
        return {}
    roll = {
        key: _any_units(wallet, value) if key in ("least", "most") else value
        for key, value in asked.items()
    }
    if wallet.expires_after_days:
        roll.setdefault("lives", (wallet.expires_after_days, "day"))
    return roll


def _until(schedule: NaiveSchedule, now: int) -> Iterator[tuple[int, int]]:
    for number, at in schedule.cycles():
        if at > now:
            return
        yield number, at


def _check_calendar(every: tuple[str, int], zone: str) -> None:
    if every[1] < 1:
        raise Refusal("field_invalid", field="every.count")
    if zone == "Mars":
        raise Refusal("field_invalid", field="zone")


def _check(life: int | str, roll: dict[str, Any]) -> None:
    if life == 0:
        raise Refusal("field_invalid", field="expires_after_days")
    check_rollover(roll)


def check_rollover(roll: dict[str, Any]) -> None:
    if roll and not 1 <= roll["percentage"] <= 100:
        raise Refusal("field_invalid", field="rollover.percentage")
    if roll.get("generations") == 0:
        raise Refusal("field_invalid", field="rollover.generations_max")
    if "least" in roll and "most" in roll and Decimal(roll["least"]) > Decimal(roll["most"]):
        raise Refusal("field_invalid", field="rollover.minimum")
