"""A forecast is what would be recorded: unit by unit, by debits really made on a copy of the ledger."""

from __future__ import annotations

import copy
from dataclasses import dataclass, field

import msgspec
import pytest

from drawdown.core import burn, forecast
from drawdown.core.amounts import Amount
from drawdown.core.commands import (
    CreateCustomer,
    CreateEntitlement,
    CreateSchedule,
    Debit,
    IssueGrant,
    RolloverTerms,
    Settle,
)
from drawdown.core.errors import FieldInvalid
from drawdown.core.forecast import Forecast, Lasting, Use
from drawdown.core.requests import Accepted
from drawdown.core.schedules.calendar import CalendarUnit, Every
from drawdown.core.state import Wallet
from drawdown.core.times import INSTANT_MAX
from drawdown.core.types import (
    DAY,
    EntryKind,
    Grant,
    Instant,
    Overage,
    OverageBehavior,
    OverageMode,
)
from tests.support.memory import CoreLedger
from tests.support.random_play import CUSTOMER
from tests.support.recorded_play import Recorded
from tests.support.scenarios import START

DAYS = 5
RULES = (
    Overage(),
    Overage(mode=OverageMode.LIMITED, limit=25),
    Overage(mode=OverageMode.UNLIMITED, behavior=OverageBehavior.CARRY_DEFICIT_AUTO_REPAY),
)
DAILY = CreateSchedule(
    customer=CUSTOMER,
    entitlement="e",
    amount=Amount(30),
    every=Every(CalendarUnit.DAY, 1),
    rollover=RolloverTerms(percentage=50, generations_max=2),
)


@dataclass
class Brute:
    """What comes of use, one debit of one unit after the other."""

    depletes_at: int | None = None
    lost: int = 0
    shortfall: int = 0
    points: list[tuple[int, ...]] = field(default_factory=list)


def wallet_of(core: CoreLedger) -> Wallet | None:
    kinds = {kind.id: kind.code for kind in core.state.entitlements.values() if kind is not None}
    return next((w for w in core.wallets if kinds[w.entitlement] == "e"), None)


def brute(core: CoreLedger, use: Use, as_of: int, days: int) -> Brute:
    """From instant to instant: settle, debit what is due, look."""
    found, unit, when = Brute(), 1, as_of
    before = len(core.state.changes.operations)
    while when <= as_of + days * DAY:
        core.one(Settle(customer=CUSTOMER, entitlement="e"), Instant(when))
        while use.units and due_at(use, as_of, unit) == when:
            debit = Debit(customer=CUSTOMER, entitlement="e", amount=Amount(1))
            found.shortfall += not isinstance(core.one(debit, Instant(when)), Accepted)
            unit += 1
        wallet = wallet_of(core)
        assert wallet is not None
        if use.units and wallet.available == 0 and found.depletes_at is None:
            found.depletes_at = when
        if (when - as_of) % DAY == 0:
            numbers = (wallet.posted, wallet.held, wallet.pending, wallet.overage)
            found.points.append((when, *numbers))
        next_day = when + DAY - (when - as_of) % DAY
        coming = wallet.next_due_at
        following = [next_day, *([due_at(use, as_of, unit)] if use.units else [])]
        when = min(following + ([coming] if coming is not None and coming > when else []))
    kinds = (EntryKind.EXPIRED, EntryKind.FORFEITED)
    made = [entry for _, new in core.state.changes.operations[before:] for entry in new]
    found.lost = sum(entry.amount for entry in made if entry.kind in kinds and entry.at > as_of)
    return found


def due_at(use: Use, as_of: int, unit: int) -> int:
    return as_of + -(-unit * (as_of - use.since) // use.units)


def in_full(found: Forecast) -> Brute:
    points: list[tuple[int, ...]] = [
        (p.at, p.posted, p.held, p.pending, p.overage) for p in found.points
    ]
    return Brute(found.depletes_at, found.lost, found.shortfall, points)


def openly(wallet: Wallet, rule: Overage) -> None:
    """Nobody knows what use will be for: no grant is kept for anything, which debits have to be told."""
    wallet.overage_default = rule
    for grant in wallet.grants.values():
        grant.scope = {}
    live = [grant for grant in wallet.grants.values() if is_drawable(grant)]
    wallet.queue = sorted(live, key=lambda grant: burn.order_of(grant, wallet.burn_order))


def is_drawable(grant: Grant) -> bool:
    return grant.remaining > 0 and not grant.pending and grant.expired_at is None


@pytest.mark.parametrize("seed", range(150))
def test_a_forecast_is_what_debits_of_one_unit_come_to(seed: int) -> None:
    play = Recorded(seed, commands=25, oldest_first=seed % 2 == 0)
    core, rule = play.core, RULES[seed % 3]
    if seed % 4 == 0:
        core.one(DAILY, play.play.now)
    wallet = wallet_of(core)
    if wallet is None:
        pytest.fail("every play makes the wallet")
    as_of = Instant(max(play.play.now, wallet.last_at))
    kind = core.state.entitlements[wallet.entitlement]
    assert kind is not None
    core.state.entitlements[kind.id] = msgspec.structs.replace(kind, overage=rule)
    openly(wallet, rule)
    since = forecast.window_start(wallet, as_of, 7)
    units = forecast.used(entry for entry in core.entries_of(wallet) if entry.at > since)
    use = Use(units=max(units, 0), since=since)
    found = forecast.look_ahead(copy.deepcopy(wallet), use, as_of, DAYS)
    assert in_full(found) == brute(core, use, as_of, DAYS)


def with_credit(*grants: tuple[int, int | None]) -> CoreLedger:
    core = CoreLedger()
    core.one(CreateCustomer(own_id=CUSTOMER), START)
    core.one(CreateEntitlement(code="e", unit="credit", scale=0), START)
    for units, expires_at in grants:
        core.one(
            IssueGrant(
                customer=CUSTOMER,
                entitlement="e",
                amount=Amount(units),
                expires_at=None if expires_at is None else Instant(expires_at),
            ),
            START,
        )
    return core


def ahead(core: CoreLedger, units: int, days: int = 30) -> Forecast:
    wallet = wallet_of(core)
    assert wallet is not None
    use = Use(units=units, since=Instant(START - DAY))
    return forecast.look_ahead(copy.deepcopy(wallet), use, START, days)


def test_a_forecast_changes_nothing_that_it_is_not_given() -> None:
    core = with_credit((100, None))
    before = copy.deepcopy(wallet_of(core))
    ahead(core, 7)
    assert wallet_of(core) == before


def test_what_is_not_used_never_runs_dry_and_says_why() -> None:
    found = ahead(with_credit((100, START + 3 * DAY)), 0)
    assert (found.depletes_at, found.lasting, found.lost) == (None, Lasting.NO_USAGE, 100)


def test_what_lasts_longer_than_is_looked_ahead_says_so() -> None:
    found = ahead(with_credit((100, None)), 3)
    assert (found.depletes_at, found.lasting) == (None, Lasting.NOT_WITHIN_HORIZON)
    assert found.points[-1].available == 10


def test_losses_are_told_one_by_one_up_to_a_limit_and_summed_beyond_it() -> None:
    many = forecast.LOSSES_MAX + 20
    core = with_credit(*((2, START + DAY + number) for number in range(many)))
    found = ahead(core, 0)
    assert len(found.losses) == forecast.LOSSES_MAX
    assert found.lost == 2 * many
    assert [loss.at for loss in found.losses] == sorted(loss.at for loss in found.losses)


def test_there_is_one_point_a_day() -> None:
    found = ahead(with_credit((100, None)), 3, days=366)
    assert [point.at for point in found.points] == [START + day * DAY for day in range(367)]


def test_days_that_would_end_after_the_year_9999_are_left_out() -> None:
    wallet = wallet_of(with_credit((100, None)))
    assert wallet is not None
    as_of = Instant(INSTANT_MAX - 2 * DAY)
    found = forecast.look_ahead(wallet, Use(units=3, since=Instant(as_of - DAY)), as_of, 30)
    assert (len(found.points), found.until) == (3, INSTANT_MAX)


def test_use_is_counted_for_a_day_at_least_and_not_before_there_was_a_wallet() -> None:
    wallet = wallet_of(with_credit((1, None)))
    assert wallet is not None
    assert forecast.window_start(wallet, Instant(START + 60), 7) == START + 60 - DAY
    assert forecast.window_start(wallet, Instant(START + 3 * DAY), 7) == START
    assert forecast.window_start(wallet, Instant(START + 9 * DAY), 7) == START + 2 * DAY


def test_a_rate_is_told_to_twelve_places_without_being_rounded_up() -> None:
    use = Use(units=200, since=Instant(START - 3 * DAY))
    assert forecast.per_day(use, START, scale=2) == 666_666_666_666


@pytest.mark.parametrize(("days", "window"), [(0, 7), (367, 7), (30, 0), (30, 367)])
def test_days_are_bounded(days: int, window: int) -> None:
    with pytest.raises(FieldInvalid):
        forecast.check(days, window)


def test_ten_thousand_grants_that_end_one_by_one_are_played_in_a_moment() -> None:
    """The work grows with what comes due on one day, not with all there is."""
    core = with_credit((1, None))
    wallet = copy.deepcopy(wallet_of(core))
    assert wallet is not None
    [model] = wallet.grants.values()
    for number in range(1, 10_000):
        grant = copy.copy(model)
        grant.id = type(model.id)(number.to_bytes(16, "big"))
        grant.expires_at = Instant(START + 30 * DAY + number * 30 * DAY // 1_000)
        wallet.grants[grant.id] = grant
        wallet.posted += 1
        wallet.granted += 1
        wallet.open_grants += 1
    wallet.queue = sorted(
        wallet.grants.values(), key=lambda grant: burn.order_of(grant, wallet.burn_order)
    )
    wallet.next_due_at = Instant(START)
    found = forecast.look_ahead(wallet, Use(units=10, since=Instant(START - DAY)), START, 366)
    drawn = 366 * 10 - found.shortfall
    assert drawn + found.lost + found.points[-1].available == 10_000
