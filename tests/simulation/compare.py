"""The ledger's numbers beside the naive ledger's."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from drawdown.core.lifecycle import state_of
from drawdown.core.schedules.terms import Schedule
from drawdown.core.state import Wallet
from drawdown.core.types import Balance, Grant, Hold, Id, Instant
from tests.simulation.plays import Difference
from tests.simulation.world import Expected
from tests.support.naive import NEVER, NaiveGrant, NaiveHold, NaiveWallet
from tests.support.naive_schedules import NaiveSchedule

#: What of a refusal or an answer is compared beside its code.
TOLD = frozenset(
    {"posted", "held", "pending", "needed", "available", "available_total", "amount"}
    | {"maximum", "reversible", "state", "spent", "unpaid", "overage_available", "moved", "charges"}
)
SUMS = ("posted", "held", "pending", "granted", "used", "expired", "voided", "overage")


def check_answer(expected: Expected, code: str, told: Mapping[str, object]) -> None:
    if code != expected[0]:
        raise Difference(f"answered {code} {dict(told)}, expected {expected[0]} {expected[1]}")
    for name, value in expected[1].items():
        if name in TOLD and str(told.get(name)) != value:
            raise Difference(f"{code}: {name} is {told.get(name)}, expected {value}")


def check_wallet(kept: Wallet | None, naive: NaiveWallet, names: Mapping[Any, Id]) -> None:
    """A wallet as it was left by the last decision; all of it is loaded."""
    if kept is None:
        if naive.grants or naive.overage:
            raise Difference("there is no wallet, but there should be grants or overage")
        return
    now = naive.last_at
    found = (kept.posted, kept.held, kept.pending, kept.overage, kept.last_at)
    expected = (naive.posted(now), naive.held(), naive.pending(now), naive.overage, now)
    if found != expected:
        raise Difference(
            f"posted, held, pending, overage, last_at are {found}, expected {expected}"
        )
    for grant in naive.grants:
        check_grant(kept.grants[names[grant.name]], grant, now)
    for hold in naive.holds:
        check_hold(kept.holds[names[hold.name]], hold)
    for schedule in naive.schedules:
        check_schedule(kept.schedules[names[schedule.name]], schedule)


def check_sums(found: Balance, naive: NaiveWallet, at: int) -> None:
    """A balance as it is read at an instant."""
    if sums_of(found) != naive.sums(at):
        raise Difference(f"{', '.join(SUMS)} are {sums_of(found)}, expected {naive.sums(at)}")


def sums_of(found: Balance) -> tuple[int, ...]:
    """In the order of ``NaiveWallet.sums``."""
    return tuple(getattr(found, name) for name in SUMS)


def numbers_of(grant: Grant) -> tuple[int, ...]:
    """In the order of ``NaiveGrant.numbers``; then what was carried over, and how often it had been."""
    numbers = (grant.remaining, grant.held, grant.used, grant.expired, grant.voided)
    return (*numbers, grant.rolled_over, grant.generation)


def naive_numbers(grant: NaiveGrant) -> tuple[int, ...]:
    return (*grant.numbers(), grant.rolled_over, grant.generation)


def check_grant(grant: Grant, naive: NaiveGrant, now: int) -> None:
    found = numbers_of(grant)
    if found != naive_numbers(naive):
        raise Difference(
            f"grant {naive.name}: remaining, held, used, expired, voided, rolled over, generation"
            f" are {found}, expected {naive_numbers(naive)}"
        )
    if state_of(grant, Instant(now)).value != naive.state(now):
        raise Difference(
            f"grant {naive.name} is {state_of(grant, Instant(now))}, expected {naive.state(now)}"
        )


def check_hold(hold: Hold, naive: NaiveHold) -> None:
    found = (hold.amount, hold.held, hold.captured, hold.state.value)
    if found != naive.numbers():
        raise Difference(
            f"hold {naive.name}: amount, held, captured, state are {found},"
            f" expected {naive.numbers()}"
        )


def check_schedule(schedule: Schedule, naive: NaiveSchedule) -> None:
    """As it was recorded last: its state, the cycle that runs, and when something happens next."""
    running = schedule.cycle if schedule.cycle_at is not None else None
    next_at = NEVER if schedule.next_at is None else schedule.next_at
    found = (schedule.state.value, running, next_at, schedule.amount)
    expected = (naive.state, naive.running, naive.next()[0], naive.amount)
    if found != expected:
        raise Difference(
            f"schedule {naive.name}: state, cycle, next, amount are {found}, expected {expected}"
        )
