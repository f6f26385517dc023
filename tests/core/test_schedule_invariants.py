"""What `verify` says of schedules, where the entries themselves add up."""

from __future__ import annotations

import msgspec
import pytest

from drawdown.core.amounts import Amount
from drawdown.core.commands import (
    CreateCustomer,
    CreateEntitlement,
    CreateSchedule,
    IssueGrant,
    RolloverTerms,
    Settle,
)
from drawdown.core.fold import Fault
from drawdown.core.schedules import cycles, own_ends
from drawdown.core.schedules.calendar import CalendarUnit, Every
from drawdown.core.schedules.invariants import check_schedules
from drawdown.core.state import Wallet
from drawdown.core.types import DAY, Entry, EntryKind, Grant, Id, Instant
from tests.support.memory import CoreLedger

START = Instant(1_767_225_600_000_000)


@pytest.fixture
def recurring() -> tuple[Wallet, list[Grant], list[Entry]]:
    """A wallet whose schedule has played three days and carried half of each."""
    core = CoreLedger()
    core.one(CreateCustomer(own_id="ada"), START)
    core.one(CreateEntitlement(code="calls", unit="call", scale=0), START)
    command = CreateSchedule(
        customer="ada",
        entitlement="calls",
        amount=Amount(100),
        every=Every(CalendarUnit.DAY),
        rollover=RolloverTerms(percentage=50),
    )
    core.one(command, START)
    core.one(Settle(customer="ada", entitlement="calls"), Instant(START + 3 * DAY))
    [wallet] = core.wallets
    return wallet, list(core.state.changes.new_grants.values()), core.entries_of(wallet)


def check(wallet: Wallet, grants: list[Grant], entries: list[Entry]) -> None:
    check_schedules(wallet, list(wallet.schedules.values()), grants, entries)


Recurring = tuple[Wallet, list[Grant], list[Entry]]


def test_what_the_cycles_made_is_in_order(recurring: Recurring) -> None:
    _, grants, _ = recurring
    assert sorted(grant.generation for grant in grants if grant.remaining) == [0, 1, 2, 3]
    check(*recurring)


def test_a_cycle_has_one_grant(recurring: Recurring) -> None:
    """Another of the same operation is found, whatever it says of itself and wherever its entry is."""
    wallet, grants, entries = recurring
    first = grants[0]
    forged = msgspec.structs.replace(first, id=Id(first.id[:-3] + b"\x00\x00\x01"))
    begin = next(entry for entry in entries if entry.grant == first.id)
    entry = msgspec.structs.replace(begin, grant=forged.id, seq=len(entries) + 1)
    with pytest.raises(Fault, match="is not the one of its cycle"):
        check(wallet, [*grants, forged], [*entries, entry])


def test_a_cycles_grant_is_of_its_schedule(recurring: Recurring) -> None:
    wallet, grants, entries = recurring
    stolen = msgspec.structs.replace(grants[0], schedule=None)
    with pytest.raises(Fault, match="of another schedule than it names"):
        check(wallet, [stolen, *grants[1:]], entries)


def test_the_grant_of_a_cycle_follows_from_its_number(recurring: Recurring) -> None:
    wallet, grants, _ = recurring
    [schedule] = wallet.schedules.values()
    made = {grant.id for grant in grants if not grant.generation}
    assert made == {cycles.grant_id(schedule.cycle_id(number)) for number in (1, 2, 3, 4)}


def test_what_rolled_over_is_what_its_children_began_with(recurring: Recurring) -> None:
    wallet, grants, entries = recurring
    child = next(grant for grant in grants if grant.generation == 1)
    less = msgspec.structs.replace(child, amount=child.amount - 1)
    others = [grant for grant in grants if grant.id != child.id]
    with pytest.raises(Fault, match="50 rolled over, its children began with 49"):
        check(wallet, [*others, less], entries)
    rolled = [e for e in entries if e.kind is EntryKind.ROLLED_IN]
    assert sum(entry.amount for entry in rolled) == sum(grant.rolled_over for grant in grants)


@pytest.fixture
def alone() -> Recurring:
    """A wallet with a grant that has rolled over twice by terms of its own."""
    core = CoreLedger()
    core.one(CreateCustomer(own_id="ada"), START)
    core.one(CreateEntitlement(code="calls", unit="call", scale=0), START)
    terms = RolloverTerms(percentage=50, timeframe=Every(CalendarUnit.DAY))
    ends = Instant(START + DAY)
    grant = IssueGrant(
        customer="ada", entitlement="calls", amount=Amount(100), expires_at=ends, rollover=terms
    )
    core.one(grant, START)
    core.one(Settle(customer="ada", entitlement="calls"), Instant(START + 2 * DAY))
    [wallet] = core.wallets
    return wallet, list(core.state.changes.new_grants.values()), core.entries_of(wallet)


def test_what_was_carried_by_a_grants_own_terms_follows_from_the_grant(alone: Recurring) -> None:
    _, grants, entries = alone
    check(*alone)
    first, second, third = sorted(grants, key=lambda grant: grant.generation)
    assert (first.rolled_over, second.rolled_over, third.remaining) == (50, 25, 25)
    operation = own_ends.operation_id(second.id)
    assert third.id == cycles.carried_id(operation, second.id)
    assert {each.operation for each in entries if each.grant == third.id} == {operation}


def test_what_was_carried_has_the_terms_that_it_was_carried_by(alone: Recurring) -> None:
    wallet, grants, entries = alone
    *others, last = sorted(grants, key=lambda grant: grant.generation)
    assert last.rollover is not None
    kinder = msgspec.structs.replace(last.rollover, percentage=100)
    forged = msgspec.structs.replace(last, rollover=kinder)
    with pytest.raises(Fault, match="has other terms than it was carried over by"):
        check(wallet, [*others, forged], entries)
