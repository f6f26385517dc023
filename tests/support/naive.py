"""One customer's credit of one kind, naively: lists of grants and holds, sorted anew for every draw."""

from __future__ import annotations

import copy
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Context, Decimal
from typing import Any

from tests.support import naive_calendar

NEVER = 2**63
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
DAY = 86_400_000_000
UNITS_MAX = 2**63 - 1
EXACT = Context(prec=80)
ENDED = {"expired": "expired", "released": "was released", "captured": "was captured"}

Facts = dict[str, str]
Attributes = dict[str, str]
Scope = dict[str, list[str]]


class Refusal(Exception):
    """What was asked is not done. ``facts`` are what the asker is told beside the code."""

    def __init__(self, code: str, **facts: str) -> None:
        super().__init__(code)
        self.code, self.facts = code, facts


class Replay(Exception):
    """It was done before, under the same key."""


class Ids(dict[Any, Any]):
    """Ids by the names of things. Copies of a wallet share them."""

    def __deepcopy__(self, memo: object) -> Ids:
        return self


@dataclass(eq=False, slots=True)
class NaiveGrant:
    """``number`` counts the wallet's grants in the order in which they were made.

    That of a schedule is named after it and its cycle: ``7:1`` or, carried over, ``7:1>2``. What was carried
    of another by terms of its own (``roll``) is named after that, and how often: ``7>1``.
    """

    name: int | str
    number: int
    amount: int
    priority: int
    paid: bool
    effective_at: int
    expires_at: int
    recorded_at: int
    scope: Scope
    remaining: int = 0
    held: int = 0
    used: int = 0
    expired: int = 0
    voided: int = 0
    drawn: bool = False
    ended: str = ""
    ended_at: int = 0
    schedule: object = None
    cycle: int = 0
    generation: int = 0
    rolled_over: int = 0
    roll: dict[str, Any] = field(default_factory=dict)

    def numbers(self) -> tuple[int, ...]:
        """Remaining, held, used, expired, voided."""
        return (self.remaining, self.held, self.used, self.expired, self.voided)

    def rolls(self) -> bool:
        return bool(self.roll and self.remaining and not self.ended)

    def state(self, now: int) -> str:
        if self.ended == "grant_voided":
            return "voided"
        over = bool(self.ended) or self.expires_at <= now
        if over and (self.expired or self.remaining):
            return "expired"
        if not self.remaining:
            return "expired" if self.expired else "depleted"
        return "pending" if self.effective_at > now else "active"


@dataclass(eq=False, slots=True)
class NaiveHold:
    name: int
    amount: int
    created_at: int
    expires_at: int
    attributes: Attributes
    slices: list[tuple[NaiveGrant, int]]
    captured: int = 0
    state: str = "open"

    @property
    def held(self) -> int:
        return sum(units for _, units in self.slices)

    def numbers(self) -> tuple[int, int, int, str]:
        """Amount, held, captured, state."""
        return (self.amount, self.held, self.captured, self.state)


@dataclass(eq=False, slots=True)
class NaiveDraw:
    """``left`` is not reversed. ``grant`` None: it went past zero, behind ``repaid`` repayments."""

    wallet: NaiveWallet
    grant: NaiveGrant | None
    left: int
    repaid: int = 0


@dataclass(eq=False, slots=True)
class NaiveWallet:
    """One customer's credit of one kind. ``notes`` counts the rare paths that were taken.

    ``overage_max``: how many units past zero it may go in all; ``limited``: that is said when it is refused.
    A schedule may say otherwise (``rule``).
    ``shortfall``: what becomes of usage that credit does not pay; ``grace``: how late it may come, to be paid
    by what has expired. ``grants_max``: how many may be open. ``ids``: those of grants, as far as the ledger
    has told them; what nothing else puts in order is ordered by them.
    """

    scale: int = 0
    oldest_first: bool = False
    expires_after_days: int = 0
    overage_max: int = 0
    limited: bool = False
    behavior: str = "forgive_at_reset"
    overage: int = 0
    repayments: list[tuple[NaiveGrant, int]] = field(default_factory=list)
    notes: Counter[str] = field(default_factory=Counter)
    grants: list[NaiveGrant] = field(default_factory=list)
    holds: list[NaiveHold] = field(default_factory=list)
    last_at: int = 0
    schedules: list[Any] = field(default_factory=list)
    shortfall: str = "refuse"
    grace: int = 0
    grants_max: int = 10_000
    ids: Ids = field(default_factory=Ids)

    def rule(self) -> tuple[int, bool, str]:
        """How far past zero, whether that is said, and what becomes of it: as the newest schedule says."""
        for schedule in reversed(self.schedules):
            begun = schedule.state in ("active", "paused") and schedule.last >= 0
            if begun and schedule.rule is not None:
                said: tuple[int, bool, str] = schedule.rule
                return said
        return self.overage_max, self.limited, self.behavior

    # Numbers -------------------------------------------------------------------------------------

    def units(self, amount: str, field_name: str = "amount") -> int:
        exact = EXACT.scaleb(Decimal(amount), self.scale)
        if exact != int(exact):
            raise Refusal("amount_too_fine", field=field_name)
        if exact > UNITS_MAX:
            raise Refusal("amount_too_large", field=field_name)
        if exact == 0:
            raise Refusal("amount_not_positive", field=field_name)
        return int(exact)

    def text(self, units: int) -> str:
        return plain(EXACT.scaleb(Decimal(units), -self.scale))

    def posted(self, now: int) -> int:
        return sum(grant.remaining for grant in self.grants if grant.effective_at <= now)

    def held(self) -> int:
        return sum(grant.held for grant in self.grants)

    def pending(self, now: int) -> int:
        return sum(grant.remaining for grant in self.grants if grant.effective_at > now)

    def available(self, now: int) -> int:
        return self.posted(now) - self.held()

    def sums(self, now: int) -> tuple[int, ...]:
        """Posted, held, pending, granted, used, expired, voided, overage."""
        return (
            self.posted(now),
            self.held(),
            self.pending(now),
            self.granted(),
            sum(grant.used for grant in self.grants),
            sum(grant.expired for grant in self.grants),
            sum(grant.voided for grant in self.grants),
            self.overage,
        )

    def granted(self) -> int:
        return sum(grant.amount for grant in self.grants if not grant.generation)

    def open_grants(self) -> int:
        return sum(grant.remaining > 0 for grant in self.grants)

    # Time ----------------------------------------------------------------------------------------

    def arrive(self, at: int, recorded_at: int | None = None) -> int:
        """Let time do its work: its clock never runs back. At one instant holds end, cycles, then grants.

        ``recorded_at``: when that is, where ``at`` is the time of a test clock.
        """
        now, since = max(at, self.last_at), self.last_at
        if at < now:
            self.notes["the clock is behind a wallet"] += 1
        recorded = at if recorded_at is None else recorded_at
        while True:
            due = [(*one.next(), one) for one in self.schedules if one.next()[0] <= now]
            rolling = [grant for grant in self.grants if grant.rolls() and grant.expires_at <= now]
            if not due and not rolling:
                break
            ends = min((grant.expires_at for grant in rolling), default=NEVER)
            if not due or ends < min(instant for instant, *_ in due):
                self._come(now, ends, since, ends - 1)
                for grant in [each for each in rolling if each.expires_at == ends]:
                    self._roll_over(grant, recorded)
                self.last_at, since = now, ends - 1
                continue
            instant, number, schedule = min(due, key=lambda each: each[0])
            self._come(now, instant, since, instant - 1)
            schedule.play(self, instant, number, recorded)
            self.last_at, since = now, instant - 1
            self.notes["a cycle is played"] += 1
        self._come(now, now, since, now)
        return now

    def _come(self, now: int, holds_until: int, since: int, until: int) -> None:
        """Holds end up to an instant; grants end and begin up to another."""
        ends = [
            hold for hold in self.holds if hold.state == "open" and hold.expires_at <= holds_until
        ]
        over = [
            grant
            for grant in self.grants
            if grant.remaining and not grant.ended and grant.expires_at <= until
        ]
        begun = [
            grant
            for grant in self.grants
            if grant.remaining
            and not grant.schedule
            and not grant.generation
            and since < grant.effective_at <= until
        ]
        if ends or over or begun:
            self.last_at = now
        if begun:
            self.notes["a pending grant begins"] += 1
        whats: list[tuple[int, int, int, NaiveHold | NaiveGrant]] = [
            *((hold.expires_at, 0, 0, hold) for hold in ends),
            *((grant.expires_at, 1, 0, grant) for grant in over),
            *((grant.effective_at, 2, grant.number, grant) for grant in begun),
        ]
        whats.sort(key=lambda what: what[:3])
        instants = [{at for at, rank, *_ in whats if rank == one} for one in (0, 1)]
        if instants[0] & instants[1]:
            self.notes["a hold and a grant end at one instant"] += 1
        for _, rank, _, what in whats:
            if isinstance(what, NaiveHold):
                self.notes["a hold expires"] += 1
                self.end_hold(what, "expired")
            elif rank == 2:
                self.repay(what, what.remaining)
            elif what.remaining:
                self.end_grant(what, "grant_expired", what.expires_at)

    def _roll_over(self, grant: NaiveGrant, recorded_at: int) -> None:
        """By its own terms a grant's share goes on into another, and the rest is gone."""
        if not grant.rolls():
            return
        at, share = grant.expires_at, (grant.remaining - grant.held) * grant.roll["percentage"]
        carried = min(share // 100, grant.roll.get("most", UNITS_MAX))
        if grant.generation == grant.roll.get("generations"):
            self.notes["a grant was carried over often enough"] += 1
        elif carried >= max(1, grant.roll.get("least", 1)):
            self.notes["a grant rolls over at its own end"] += 1
            if grant.generation:
                self.notes["what was carried of a grant is carried on"] += 1
            grant.remaining -= carried
            grant.rolled_over += carried
            self.grants.append(
                NaiveGrant(
                    name=f"{str(grant.name).split('>')[0]}>{grant.generation + 1}",
                    number=len(self.grants),
                    amount=carried,
                    priority=grant.priority,
                    paid=grant.paid,
                    effective_at=at,
                    expires_at=_later(at, grant.roll.get("lives")),
                    recorded_at=recorded_at,
                    scope=grant.scope,
                    remaining=carried,
                    generation=grant.generation + 1,
                    roll=grant.roll,
                )
            )
        if grant.remaining:
            self.end_grant(grant, "grant_expired", at)

    def repay(self, grant: NaiveGrant, units: int) -> None:
        """New credit pays first for what was used before it, unless it is for something in particular."""
        paid = min(units, grant.remaining - grant.held, self.overage)
        if self.rule()[2] == "carry_deficit_auto_repay" and not grant.scope and paid:
            self.notes["a grant repays overage"] += 1
            self.draw(grant, paid)
            self.overage -= paid
            self.repayments.append((grant, paid))

    def end_grant(self, grant: NaiveGrant, why: str, at: int) -> None:
        """What is free is written off; what is held stays until its hold ends."""
        if grant.held:
            self.notes["a grant ends while a part of it is held"] += 1
        self.write_off(grant, grant.remaining - grant.held, why)
        grant.ended, grant.ended_at = why, at

    def write_off(self, grant: NaiveGrant, units: int, why: str) -> None:
        grant.remaining -= units
        if why == "grant_voided":
            grant.voided += units
        else:
            grant.expired += units

    def end_hold(self, hold: NaiveHold, state: str) -> None:
        """What it still holds is free again, or gone with its grant."""
        for grant, units in hold.slices:
            grant.held -= units
            if grant.ended:
                self.notes[f"a hold that {ENDED[state]} gives back to a grant that has ended"] += 1
                self.write_off(grant, units, grant.ended)
        hold.slices, hold.state = [], state

    # Drawing -------------------------------------------------------------------------------------

    def order(self, grant: NaiveGrant) -> tuple[Any, ...]:
        last = (self.ids.get(grant.name, b""), grant.number)
        if self.oldest_first:
            return (grant.priority, grant.effective_at, grant.recorded_at, *last)
        kind = (grant.expires_at, int(grant.paid))
        return (grant.priority, *kind, grant.effective_at, grant.recorded_at, *last)

    def eligible(self, now: int, valid_at: int, attributes: Attributes) -> list[NaiveGrant]:
        """The grants that may pay, first to last."""
        found = [
            grant
            for grant in self.grants
            if grant.remaining > grant.held
            and not grant.ended
            and grant.effective_at <= min(now, valid_at)
            and grant.expires_at > max(now, valid_at)
            and matches(grant.scope, attributes)
        ]
        return sorted(found, key=self.order)

    def split(
        self, now: int, valid_at: int, attributes: Attributes, units: int
    ) -> list[tuple[NaiveGrant, int]]:
        """Which grant pays how much of ``units``; all or a refusal."""
        eligible = self.eligible(now, valid_at, attributes)
        payable = sum(grant.remaining - grant.held for grant in eligible)
        if payable < units:
            if payable < self.available(now):
                self.notes["credit is refused to a debit that it is not for"] += 1
            raise Refusal(
                "insufficient_credit",
                needed=self.text(units),
                available=self.text(payable),
                available_total=self.text(self.available(now)),
            )
        found = []
        for grant in eligible:
            taken = min(units, grant.remaining - grant.held)
            if taken:
                found.append((grant, taken))
            units -= taken
        return found

    def cover(
        self, now: int, valid_at: int, attributes: Attributes, units: int
    ) -> tuple[list[tuple[NaiveGrant, int]], int]:
        """The same of a debit: what the grants do not pay may go past zero."""
        eligible = self.eligible(now, valid_at, attributes)
        payable = sum(grant.remaining - grant.held for grant in eligible)
        beyond = max(units - payable, 0)
        overage_max, limited, _ = self.rule()
        if beyond <= max(overage_max - self.overage, 0):
            return self.split(now, valid_at, attributes, units - beyond), beyond
        if overage_max == UNITS_MAX:
            raise Refusal("amount_too_large", field="amount")
        try:
            return self.split(now, valid_at, attributes, units), 0
        except Refusal as refusal:
            if limited:
                left = max(overage_max - self.overage, 0)
                refusal.facts["overage_available"] = self.text(left)
            raise

    def use(self, draws: list[tuple[NaiveGrant, int]], beyond: int) -> list[NaiveDraw]:
        used = [self.draw(grant, taken) for grant, taken in draws]
        if beyond:
            self.notes["a debit goes past zero"] += 1
            self.overage += beyond
            used.append(NaiveDraw(self, None, beyond, len(self.repayments)))
        return used

    def draw(self, grant: NaiveGrant, units: int) -> NaiveDraw:
        grant.remaining -= units
        grant.used += units
        grant.drawn = True
        return NaiveDraw(self, grant, units)

    def give_back(self, grant: NaiveGrant, units: int, now: int) -> None:
        grant.used -= units
        grant.remaining += units
        if grant.ended or grant.expires_at <= now:
            self.notes["credit returns to a grant that has ended"] += 1
            self.write_off(grant, units, grant.ended or "grant_expired")
        else:
            self.repay(grant, units)


def _later(at: int, lives: tuple[int, str] | None) -> int:
    """So many days, weeks, months or years after an instant, in UTC; None: never."""
    if lives is None:
        return NEVER
    count, unit = lives
    moment = EPOCH + timedelta(microseconds=at)
    found = naive_calendar.occurrence(moment, "UTC", unit, count, 1)
    return (found - EPOCH) // timedelta(microseconds=1)


def looked_at(wallet: NaiveWallet, at: int) -> tuple[NaiveWallet, int]:
    """The wallet as it is at an instant, and that instant; the wallet itself stays as it is."""
    seen = copy.deepcopy(wallet)
    return seen, seen.arrive(at)


def matches(scope: Scope, attributes: Attributes) -> bool:
    return all(attributes.get(name) in values for name, values in scope.items())


def plain(exact: Decimal) -> str:
    text = format(exact, "f")
    return text.rstrip("0").rstrip(".") if "." in text else text
