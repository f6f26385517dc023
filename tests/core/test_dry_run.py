"""A dry run without a change is what was recorded; with one it is what would have been recorded."""

from __future__ import annotations

import copy
from collections.abc import Iterable

import msgspec
import pytest

from drawdown.core import instants
from drawdown.core.amounts import Amount
from drawdown.core.calendar import CalendarUnit, Every
from drawdown.core.changing import Change
from drawdown.core.commands import (
    AskedOverage,
    Command,
    CreateCustomer,
    CreateEntitlement,
    CreateMeter,
    CreateRate,
    CreateSchedule,
    RecordUsage,
    RolloverTerms,
    Settle,
)
from drawdown.core.dry_run import (
    DryRun,
    Result,
    Summary,
)
from drawdown.core.meters import Aggregation, Measure
from drawdown.core.rating import Graduated, PerUnit, Tier
from drawdown.core.replaying import Amendment, World
from drawdown.core.requests import Accepted, Request
from drawdown.core.types import (
    BurnOrder,
    Customer,
    Entitlement,
    EntryKind,
    Id,
    Instant,
    Overage,
    OverageMode,
    Shortfall,
)
from drawdown.core.usage_records import Rate
from tests.support.memory import CoreLedger
from tests.support.random_play import CUSTOMER, HOUR, RandomPlay
from tests.support.scenarios import START

E = CreateEntitlement(code="e", unit="credit", scale=0)
F = CreateEntitlement(code="f", unit="credit", scale=0)
LATER = Instant(START + 10**12)
EVENTS = CreateMeter(
    code="calls",
    measure=Measure(event_name="call", aggregation=Aggregation.SUM, property="n"),
)
BY_THREE = PerUnit(price=Amount(3))
STEEP = Graduated(tiers=(Tier(up_to=Amount(10), price=Amount(1)), Tier(price=Amount(25, 1))))
DAILY = CreateSchedule(
    customer=CUSTOMER, entitlement="e", amount=Amount(30), every=Every(CalendarUnit.DAY, 1)
)
HALF = RolloverTerms(percentage=50, generations_max=2)
LIMITED = AskedOverage(mode=OverageMode.LIMITED, limit=Amount(40))


class Script:
    """A random play on the core alone, each request with what came of it."""

    def __init__(self, seed: int, kind: CreateEntitlement = E, commands: int = 60) -> None:
        self.core = CoreLedger()
        self.first: list[Command] = [CreateCustomer(own_id=CUSTOMER), kind, F, EVENTS]
        self.first.append(CreateRate(meter="calls", entitlement="e", price=BY_THREE))
        self.first.append(DAILY)
        for command in self.first:
            assert isinstance(self.core.one(command, START), Accepted)
        self.asked: list[tuple[Request, bool, set[Id | None]]] = []
        self.play = RandomPlay(seed, START)
        for number in range(commands):
            command, at = self.play.next()
            if number % 4 == 0:
                command = used(number)
            request = self.core.request(command, at)
            before = len(self.core.state.changes.operations)
            [outcome] = self.core.run([request])
            made = self.core.state.changes.operations[before:]
            settled = {operation.entitlement for operation, _ in made}
            self.asked.append((request, isinstance(outcome, Accepted), settled))
            if isinstance(outcome, Accepted):
                self.play.tell(outcome)

    def again(self, kind: CreateEntitlement, *others: Command) -> CoreLedger:
        """What was accepted, asked for once more under another rule; for the rest, what time did then."""
        core = CoreLedger()
        for command in [kind if command is E else command for command in self.first]:
            of_kind = [other for other in others if type(other) is type(command)]
            assert isinstance(core.one(of_kind[0] if of_kind else command, START), Accepted)
        for request, accepted, settled in self.asked:
            if accepted:
                core.run([request])
            for entitlement in () if accepted else settled:
                assert entitlement is not None
                command = Settle(customer=CUSTOMER, entitlement=entitlement)
                core.run([msgspec.structs.replace(request, command=command)])
        return core


def used(number: int) -> RecordUsage:
    return RecordUsage(
        customer=CUSTOMER,
        own_id=f"event-{number}",
        name="call",
        properties={"n": Amount(number % 7)},
    )


def kind_of(core: CoreLedger, code: str = "e") -> Entitlement:
    kinds = [kind for kind in core.state.entitlements.values() if kind is not None]
    return next(kind for kind in kinds if kind.code == code)


def customer_of(core: CoreLedger) -> Customer:
    [found] = [each for each in core.state.customers.values() if each is not None]
    return found


def world_of(core: CoreLedger, amendments: Iterable[Amendment] = ()) -> World:
    kinds = {each.id: each for each in core.state.entitlements.values() if each is not None}
    catalog = core.state.catalogs.get(core.book)
    found = World(book=core.book, kinds=kinds, amendments=tuple(amendments))
    return found if catalog is None else msgspec.structs.replace(found, catalog=catalog)


def dry_run(
    core: CoreLedger,
    change: Change,
    since: int = START,
    until: int = LATER,
    now: int = LATER,
    world: World | None = None,
) -> Result:
    customer = customer_of(core)
    run = DryRun(
        world or world_of(core), customer, kind_of(core), change, Instant(since), Instant(until)
    )
    for operation, entries in core.state.changes.operations:
        if operation.customer == customer.id:
            run.feed(operation, tuple(entries), core.state.events.get(operation.id))
    return run.end(Instant(now))


def summary_of(core: CoreLedger, now: int) -> tuple[int, ...]:
    """What ``Summary.units`` and the rest are by the entries and the wallet themselves."""
    found = next((w for w in core.wallets if w.entitlement == kind_of(core).id), None)
    if found is None:
        return (0,) * 6
    entries = core.entries_of(found)
    due = copy.deepcopy(found)
    foreseen = instants.foreseen(due, Instant(max(now, found.last_at)))

    def total(*kinds: EntryKind) -> int:
        return sum(entry.amount for entry in [*entries, *foreseen] if entry.kind in kinds)

    drawn = total(EntryKind.DEBITED, EntryKind.CAPTURED, EntryKind.OVERAGE_REPAID)
    return (
        drawn - total(EntryKind.REVERSED),
        total(EntryKind.EXPIRED, EntryKind.FORFEITED) - total(EntryKind.RESTORED),
        total(EntryKind.ROLLED_OUT),
        total(EntryKind.OVERAGE_CHARGED) - total(EntryKind.OVERAGE_REVERSED),
        due.available,
        due.overage,
    )


def numbers(found: Summary) -> tuple[int, ...]:
    return (
        found.units,
        found.expired,
        found.rolled_over,
        found.overage,
        found.available,
        found.owed,
    )


@pytest.mark.parametrize("seed", range(100))
def test_without_a_change_everything_is_as_it_was_recorded(seed: int) -> None:
    kind = msgspec.structs.replace(
        E,
        burn_order=list(BurnOrder)[seed % 2],
        overage=LIMITED if seed % 3 == 0 else None,
        expires_after_days=2 if seed % 5 == 0 else None,
        shortfall=list(Shortfall)[seed % 3],
    )
    script = Script(seed, kind)
    now = script.play.now
    result = dry_run(script.core, Change(), START + seed % 30 * HOUR, now=now)
    assert result.before == result.after
    assert (result.different, result.differences) == (0, [])
    whole = dry_run(script.core, Change(), now=now)
    assert numbers(whole.before) == summary_of(script.core, now)


def otherwise(name: str) -> tuple[Change, CreateEntitlement, tuple[Command, ...]]:
    """A change, and how the ledger is made in which it was so from the beginning."""
    replace = msgspec.structs.replace
    match name:
        case "burn_order":
            order = BurnOrder.OLDEST_FIRST
            return Change(burn_order=order), replace(E, burn_order=order), ()
        case "expires_after_days":
            return Change(expires_after_days=1), replace(E, expires_after_days=1), ()
        case "overage":
            rule = Overage(mode=OverageMode.LIMITED, limit=40)
            return Change(overage=rule), replace(E, overage=LIMITED), ()
        case "rollover":
            return Change(rollover=HALF), E, (replace(DAILY, rollover=HALF),)
        case _:
            rate = CreateRate(meter="calls", entitlement="e", price=STEEP)
            return Change(), E, (rate,)


@pytest.mark.parametrize(
    "name", ["burn_order", "expires_after_days", "overage", "rollover", "rates"]
)
@pytest.mark.parametrize("seed", range(25))
def test_a_change_from_the_beginning_is_what_a_ledger_with_that_rule_comes_to(
    seed: int, name: str
) -> None:
    """What had been accepted is asked of it again, with the commands themselves."""
    script = Script(seed)
    change, kind, others = otherwise(name)
    if name == "rates":
        change = Change(rates=(priced(script.core, STEEP),))
    now = script.play.now
    result = dry_run(script.core, change, now=now)
    assert numbers(result.after) == summary_of(script.again(kind, *others), now)
    assert result.different or result.before == result.after


def priced(core: CoreLedger, price: PerUnit | Graduated) -> Rate:
    [rate] = core.state.catalogs[core.book].rates.values()
    return msgspec.structs.replace(rate, price=price)
