"""A dry run without a change is what was recorded; with one it is what would have been recorded."""

from __future__ import annotations

import copy
from collections.abc import Iterable

import msgspec
import pytest

from drawdown.core import instants
from drawdown.core.amounts import Amount
from drawdown.core.commands import (
    AmendEntitlement,
    AskedOverage,
    Command,
    CreateCustomer,
    CreateEntitlement,
    CreateMeter,
    CreateRate,
    CreateSchedule,
    Debit,
    IssueGrant,
    Money,
    RecordUsage,
    RolloverTerms,
    Settle,
)
from drawdown.core.hindsight.changing import Change
from drawdown.core.hindsight.dry_run import (
    DIFFERENCES_MAX,
    Cause,
    DryRun,
    NotReproducible,
    Result,
    Summary,
)
from drawdown.core.hindsight.recorded import grant_needed
from drawdown.core.hindsight.replaying import Amendment, World
from drawdown.core.requests import Accepted, Request
from drawdown.core.schedules.calendar import CalendarUnit, Every
from drawdown.core.types import (
    DAY,
    BurnOrder,
    Category,
    Customer,
    Entitlement,
    EntryKind,
    Id,
    Instant,
    Overage,
    OverageMode,
    Shortfall,
)
from drawdown.core.usage.meters import Aggregation, Measure
from drawdown.core.usage.rating import Graduated, PerUnit, Tier
from drawdown.core.usage.records import Rate
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


def small(*commands: Command, kind: CreateEntitlement = E) -> CoreLedger:
    """A ledger in which one thing was done after the other, an hour apart."""
    core = CoreLedger()
    first: list[Command] = [CreateCustomer(own_id=CUSTOMER), kind]
    for number, command in enumerate([*first, *commands]):
        outcome = core.one(command, Instant(START + number * HOUR))
        assert isinstance(outcome, Accepted), outcome
    return core


def given(units: int, **more: object) -> IssueGrant:
    grant = IssueGrant(customer=CUSTOMER, entitlement="e", amount=Amount(units))
    return msgspec.structs.replace(grant, **more)


def drawn(units: int) -> Debit:
    return Debit(customer=CUSTOMER, entitlement="e", amount=Amount(units))


@pytest.mark.parametrize("field", ["amount", "grant_after", "overage_after", "at"])
def test_what_deciding_again_does_not_come_to_is_not_compared(field: str) -> None:
    """One entry that says something else, and nothing is said of the customer."""
    core = small(given(10), drawn(4))
    operation, [entry] = core.state.changes.operations[-1]
    other = msgspec.structs.replace(entry, **{field: getattr(entry, field) + 1})
    core.state.changes.operations[-1] = (operation, [other])
    with pytest.raises(NotReproducible):
        dry_run(core, Change())


def test_an_entry_that_nothing_comes_to_is_not_compared() -> None:
    core = small(given(10), drawn(4))
    operation, entries = core.state.changes.operations[-1]
    more = msgspec.structs.replace(entries[0], seq=3)
    core.state.changes.operations[-1] = (operation, [*entries, more])
    with pytest.raises(NotReproducible):
        dry_run(core, Change())


def test_an_event_that_was_changed_since_is_not_what_it_was() -> None:
    rate = CreateRate(meter="calls", entitlement="e", price=BY_THREE)
    core = small(EVENTS, rate, given(50), used(3))
    [event] = [each for each in core.state.events.values() if each is not None]
    core.state.events[event.id] = msgspec.structs.replace(event, revision=1)
    with pytest.raises(NotReproducible):
        dry_run(core, Change())


def test_a_rule_for_overage_holds_from_when_it_was_amended() -> None:
    """What an entitlement says now is not what it said then."""
    core = small(given(10))
    rule = Overage(mode=OverageMode.LIMITED, limit=40)
    amend = AmendEntitlement(entitlement="e", overage=LIMITED)
    assert isinstance(core.one(amend, Instant(START + DAY)), Accepted)
    operation, _ = core.state.changes.operations[-1]
    assert isinstance(core.one(drawn(25), Instant(START + 2 * DAY)), Accepted)
    amendment = Amendment(
        entitlement=kind_of(core).id,
        recorded_at=operation.recorded_at,
        operation=operation.id,
        before=Overage(),
        after=rule,
    )
    result = dry_run(core, Change(), world=world_of(core, [amendment]))
    assert (result.before.overage, result.different) == (15, 0)
    tight = Overage(mode=OverageMode.LIMITED, limit=5)
    stays = dry_run(core, Change(overage=tight), world=world_of(core, [amendment]))
    assert (stays.after.overage, stays.after.shortfall) == (0, 25)
    assert [each.cause for each in stays.differences] == [Cause.REFUSED]


def test_a_grants_own_rollover_comes_again_by_itself() -> None:
    """35 of 70 are carried, then 2 of the 5 that are left, then 1 of 2; of 1 nothing."""
    terms = RolloverTerms(percentage=50, timeframe=Every(CalendarUnit.DAY), minimum=Amount(1))
    ends = Instant(START + DAY)
    core = small(given(100, expires_at=ends, rollover=terms))
    assert isinstance(core.one(drawn(30), Instant(START + 2 * HOUR)), Accepted)
    assert isinstance(core.one(drawn(30), Instant(ends + HOUR)), Accepted)
    same = dry_run(core, Change())
    assert (same.before.rolled_over, same.before.expired, same.different) == (38, 40, 0)


def test_what_was_granted_by_another_word_is_given_again() -> None:
    """A grant that a payment was confirmed for, as it is kept now, used and all."""
    core = small(given(10), drawn(4), given(20), drawn(15))
    operations = core.state.changes.operations
    place = [n for n, (each, _) in enumerate(operations) if each.kind == "grant"][1]
    operation, entries = operations[place]
    kept = core.grant(entries[0].grant)
    assert kept.used == 9
    operations[place] = (msgspec.structs.replace(operation, kind="confirm_top_up"), entries)
    run = DryRun(world_of(core), customer_of(core), kind_of(core), Change(), START, LATER)
    for each, made in operations:
        if each.customer == customer_of(core).id:
            grant = kept if each.kind == "confirm_top_up" else None
            assert grant_needed(each, made) == (None if grant is None else kept.id)
            run.feed(each, tuple(made), None, grant)
    result = run.end(LATER)
    assert (result.before.units, result.different) == (19, 0)


def test_what_came_before_the_range_is_done_by_the_rules_as_they_were() -> None:
    core = small(given(10, expires_at=None), given(10), drawn(5))
    late = START + 2 * DAY
    assert isinstance(core.one(drawn(10), Instant(late)), Accepted)
    result = dry_run(core, Change(expires_after_days=1), since=START + DAY)
    assert (result.operations, result.before.units, result.after.units) == (1, 10, 10)
    assert result.different == 0, "no grant was made in the range"


def test_the_end_of_the_range_is_not_in_it() -> None:
    core = small(given(10), drawn(5), drawn(3))
    until = START + 4 * HOUR
    assert dry_run(core, Change(), until=until).before.units == 5
    assert dry_run(core, Change(), until=until + 1).before.units == 8


def test_of_many_differences_the_first_are_told_and_all_are_counted() -> None:
    gifts = [given(50, category=Category.PROMOTIONAL, expires_at=LATER)]
    debits = [drawn(1) for _ in range(DIFFERENCES_MAX + 5)]
    core = small(given(50, cost_basis=Money(Amount(5), "usd")), *gifts, *debits)
    result = dry_run(core, Change(burn_order=BurnOrder.OLDEST_FIRST), now=START + 2 * DAY)
    assert result.different == DIFFERENCES_MAX + 5
    assert len(result.differences) == DIFFERENCES_MAX
    assert result.after.drawn[Category.PAID].cost == {"usd": 2_500_000_000}
    assert result.before.drawn[Category.PROMOTIONAL].units == DIFFERENCES_MAX + 5


def test_a_tiered_price_goes_on_from_what_was_used_before_the_range() -> None:
    """Eight were used before it: with the next four, two are beyond the tier of ten."""
    rate = CreateRate(meter="calls", entitlement="e", price=BY_THREE)
    before = RecordUsage(customer=CUSTOMER, own_id="a", name="call", properties={"n": Amount(8)})
    within = RecordUsage(customer=CUSTOMER, own_id="b", name="call", properties={"n": Amount(4)})
    core = small(EVENTS, rate, given(500), before, within)
    change = Change(rates=(priced(core, STEEP),))
    result = dry_run(core, change, since=START + 6 * HOUR)
    assert (result.before.units, result.after.units) == (12, 2 * 1 + 5)
    [difference] = result.differences
    assert difference.cause is Cause.COST
