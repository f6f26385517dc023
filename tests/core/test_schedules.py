"""Schedules over time: whoever comes upon a wallet, and however often, the same is recorded."""

from __future__ import annotations

import random
from typing import Any

import pytest

from drawdown.core.amounts import Amount
from drawdown.core.commands import (
    Authorize,
    CreateCustomer,
    CreateEntitlement,
    CreateSchedule,
    Debit,
    IssueGrant,
    RolloverTerms,
    Settle,
    TrialTerms,
)
from drawdown.core.requests import Accepted
from drawdown.core.schedules.calendar import CalendarUnit, Every
from drawdown.core.schedules.terms import CycleExpiry
from drawdown.core.types import DAY, Instant
from tests.support.memory import CoreLedger
from tests.support.scenarios import START

YEAR = 365 * DAY
ZONES = ("UTC", "Europe/Berlin", "America/New_York", "Australia/Sydney")


def some_schedule(random_: random.Random) -> CreateSchedule:
    """One of any kind: the rest of it follows from the numbers drawn."""
    chance = random_.random
    after = random_.randint(1, 60) if chance() < 0.3 else None
    never = CycleExpiry.NEVER if chance() < 0.2 else CycleExpiry.CYCLE_END
    timeframe = Every(CalendarUnit.DAY, random_.randint(1, 40)) if chance() < 0.4 else None
    rollover = RolloverTerms(
        percentage=random_.randint(1, 100),
        generations_max=random_.choice([None, 1, 2, 3]),
        timeframe=timeframe,
        maximum=Amount(random_.randint(1, 90)) if chance() < 0.3 else None,
    )
    trial_ends = Instant(START + random_.randint(1, 30) * DAY)
    trial = TrialTerms(amount=Amount(30), ends_at=trial_ends, expires=chance() < 0.5)
    return CreateSchedule(
        customer="c",
        entitlement="e",
        amount=Amount(random_.randint(1, 100)),
        every=Every(random_.choice(list(CalendarUnit)[:3]), random_.randint(3, 9)),
        zone=random_.choice(ZONES),
        anchor=Instant(START + random_.randint(0, 40) * DAY) if chance() < 0.4 else None,
        ends_at=Instant(START + random_.randint(100, 300) * DAY) if chance() < 0.4 else None,
        trial=trial if chance() < 0.4 else None,
        expires=CycleExpiry.AFTER_DAYS if after else never,
        expires_after_days=after,
        rollover=rollover if chance() < 0.8 else None,
    )


def begun(seed: int) -> tuple[CoreLedger, random.Random]:
    """A customer with some schedules, a grant that ends, one to come, and a debit."""
    random_, core = random.Random(seed), CoreLedger(seed)
    commands: list[Any] = [
        CreateCustomer(own_id="c"),
        CreateEntitlement(code="e", unit="unit", scale=0),
        IssueGrant(
            customer="c", entitlement="e", amount=Amount(50), expires_at=Instant(START + 40 * DAY)
        ),
        IssueGrant(
            customer="c", entitlement="e", amount=Amount(9), effective_at=Instant(START + 50 * DAY)
        ),
        *(some_schedule(random_) for _ in range(3)),
        Debit(customer="c", entitlement="e", amount=Amount(20)),
        Authorize(
            customer="c",
            entitlement="e",
            amount=Amount(10),
            expires_at=Instant(START + 35 * DAY),
            hold_max=None,
        ),
    ]
    for command in commands:
        assert isinstance(core.one(command, START), Accepted)
    return core, random_


def told(core: CoreLedger) -> list[tuple[object, ...]]:
    """What was recorded, but for by whom and when."""
    [wallet] = core.wallets
    return [
        (entry.seq, entry.kind, entry.amount, entry.grant, entry.at, entry.posted_after)
        for entry in core.entries_of(wallet)
    ]


@pytest.mark.parametrize("seed", range(40))
def test_any_split_of_time_gives_the_same_ledger(seed: int) -> None:
    """A year in one step, or in steps of any size: the same entries at the same instants."""
    whole, _ = begun(seed)
    whole.one(Settle(customer="c", entitlement="e"), Instant(START + YEAR))
    whole.check()
    split, random_ = begun(seed)
    at = START
    while at < START + YEAR:
        at = Instant(min(at + random_.randint(1, 30 * DAY), START + YEAR))
        split.one(Settle(customer="c", entitlement="e"), at)
        split.check()
    assert told(split) == told(whole)
    assert len(told(whole)) > 10


def test_each_cycle_is_one_operation_and_they_come_in_their_order() -> None:
    core, _ = begun(7)
    core.one(Settle(customer="c", entitlement="e"), Instant(START + YEAR))
    cycles = [each for each, _ in core.state.changes.operations if each.kind == "cycle"]
    assert len({each.id for each in cycles}) == len(cycles) > 12
    assert [each.at for each in cycles] == sorted(each.at for each in cycles)
    for schedule in {each.subject for each in cycles}:
        own = [each.id for each in cycles if each.subject == schedule]
        assert own == sorted(own)


def test_another_process_gives_a_cycle_the_same_ids() -> None:
    """What is recorded depends on the schedule and the number of the cycle, not on who records it."""
    one, other = begun(3)[0], begun(3)[0]
    one.one(Settle(customer="c", entitlement="e"), Instant(START + YEAR))
    other.new_id()
    other.one(Settle(customer="c", entitlement="e"), Instant(START + YEAR + 5))
    kept = [
        {each.id for each, _ in core.state.changes.operations if each.kind == "cycle"}
        for core in (one, other)
    ]
    assert kept[0] == kept[1]
