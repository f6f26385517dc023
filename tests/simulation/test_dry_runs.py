"""Whatever customers did, decided again without a change it is what was recorded."""

from __future__ import annotations

from collections import Counter
from random import Random

import msgspec
import pytest

from drawdown.core.hindsight.changing import Change
from drawdown.core.hindsight.dry_run import DryRun, NotReproducible
from drawdown.core.hindsight.recorded import grant_needed
from drawdown.core.hindsight.replaying import Amendment, World
from drawdown.core.types import Customer, Entitlement, Instant, Overage
from drawdown.core.usage.records import Catalog
from tests.simulation.core_play import CorePlay
from tests.simulation.generate import Generator, setting
from tests.simulation.running import small_limits
from tests.simulation.world import World as Oracle
from tests.support.memory import CoreLedger

COMMANDS = 120
EVER, NEVER = Instant(0), Instant(2**62)


class Told(msgspec.Struct):
    overage: tuple[Overage, Overage]


def played(seed: int) -> CoreLedger:
    """A play of the simulator on the core: clocks, cycles, usage, overage, and what is refused."""
    chance = Random(seed)
    play = setting(chance, "core", seed)
    oracle = Oracle(play, Counter())
    subject = CorePlay(play, oracle)
    for turn in Generator(chance, play, oracle).turns(COMMANDS):
        subject.turn(turn)
    return subject.core


def world_of(core: CoreLedger) -> World:
    amendments = [
        Amendment(
            entitlement=operation.subject,
            recorded_at=operation.recorded_at,
            operation=operation.id,
            before=told.overage[0],
            after=told.overage[1],
        )
        for operation, _ in core.state.changes.operations
        if operation.kind == "amend_entitlement" and operation.subject is not None
        for told in [msgspec.json.decode(operation.changed, type=Told)]
    ]
    kinds = {kind.id: kind for kind in core.state.entitlements.values() if kind is not None}
    catalog = core.state.catalogs.get(core.book, Catalog())
    return World(book=core.book, kinds=kinds, catalog=catalog, amendments=amendments)


def overrode(core: CoreLedger, customer: Customer) -> bool:
    """Whether an event of the customer's is not any more what it was."""
    events = core.state.events.values()
    return any(each.revision for each in events if each and each.customer == customer.id)


def feed_all(core: CoreLedger, run: DryRun, customer: Customer) -> None:
    for operation, entries in core.state.changes.operations:
        if operation.customer == customer.id:
            needed = grant_needed(operation, entries)
            grant = None if needed is None else core.grant(needed)
            run.feed(operation, tuple(entries), core.state.events.get(operation.id), grant)


def check(core: CoreLedger, world: World, customer: Customer, kind: Entitlement) -> None:
    run = DryRun(world, customer, kind, Change(), EVER, NEVER)
    if overrode(core, customer):
        with pytest.raises(NotReproducible):
            feed_all(core, run, customer)
        return
    feed_all(core, run, customer)
    result = run.end(EVER)
    assert result.before == result.after
    assert result.different == 0
    wallet = core.state.wallets.get((customer.id, kind.id))
    if wallet is not None:
        found = (result.after.available, result.after.owed)
        assert found == (wallet.available, wallet.overage)


@pytest.mark.parametrize("seed", range(25))
def test_what_is_decided_again_without_a_change_is_what_was_recorded(seed: int) -> None:
    with small_limits():
        core = played(seed)
        world = world_of(core)
        for customer in [each for each in core.state.customers.values() if each is not None]:
            for kind in world.kinds.values():
                check(core, world, customer, kind)
