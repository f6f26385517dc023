"""Events that override earlier ones, among debits and reversals: every store decides as the core does."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from random import Random

import msgspec
import pytest

from drawdown.core.amounts import Amount
from drawdown.core.commands import (
    Command,
    CreateCustomer,
    Debit,
    IssueGrant,
    RecordUsage,
    ReverseDebit,
)
from drawdown.core.requests import Accepted, Outcome, Request
from drawdown.core.types import Id, Instant
from drawdown.core.usage.properties import properties_of
from tests.simulation import using
from tests.simulation.generate import setting
from tests.simulation.metering import create_entitlement, create_meters
from tests.simulation.plays import BEGIN, DAY, HOUR
from tests.simulation.running import small_limits
from tests.simulation.test_splits import Heads, batches, codes, heads_of, on_store
from tests.support.memory import CoreLedger
from tests.support.postgres import VERSIONS, Clusters
from tests.support.stores import SQLITE, Database, new_database

SEEDS = range(12)
COMMANDS = 80
CUSTOMER = "customer-0"


class Overriding:
    """What one customer's usage, and the corrections of it, came to on the core."""

    def __init__(self, seed: int) -> None:
        self._chance = chance = Random(seed)
        play = setting(chance, "core", seed)
        meters = tuple(using.meter(chance, play.units) for _ in range(3))
        play = msgspec.structs.replace(play, meters=meters)
        self.core = CoreLedger()
        self.requests: list[Request] = []
        self.outcomes: list[Outcome] = []
        self._units = list(play.units)
        self._events: list[str] = []
        self._debits: list[Id] = []
        self._now = BEGIN
        for code, unit in play.units.items():
            if code != "usd":
                self._ask(create_entitlement(code, unit))
        self._ask(CreateCustomer(own_id=CUSTOMER))
        for wanted in create_meters(play):
            self._ask(wanted)
        for _ in range(COMMANDS):
            self._now += chance.choice((0, 0, 0, HOUR, DAY, 9 * DAY))
            self._ask(self._next())

    def _ask(self, command: Command) -> None:
        request = self.core.request(command, Instant(self._now))
        [outcome] = self.core.run([request])
        self.core.check()
        self.requests.append(request)
        self.outcomes.append(outcome)
        made = outcome.operation if isinstance(outcome, Accepted) else None
        if made is not None and made.kind in ("usage", "debit"):
            self._debits.append(made.id)

    def _next(self) -> Command:
        chance = self._chance
        what, unit = chance.random(), chance.choice(self._units)
        amount = Amount(chance.randint(1, 30), 0 if unit == "credits" else 2)
        if what < 0.2:
            days = chance.choice((1, 2, 30))
            return IssueGrant(
                customer=CUSTOMER,
                entitlement=unit,
                amount=amount,
                expires_at=Instant(self._now + days * DAY),
            )
        if what < 0.25:
            return Debit(customer=CUSTOMER, entitlement=unit, amount=amount)
        if what < 0.35 and self._debits:
            return ReverseDebit(debit=chance.choice(self._debits[-6:]))
        return self._usage()

    def _usage(self) -> Command:
        """Half of them override what was sent before."""
        chance = self._chance
        if self._events and chance.random() < 0.5:
            own_id, override = chance.choice(self._events[-12:]), True
        else:
            own_id, override = f"e{len(self._events)}", False
            self._events.append(own_id)
        asked = using.event(chance, own_id, self._now)
        return RecordUsage(
            customer=CUSTOMER,
            own_id=own_id,
            name=asked["kind"],
            time=None if "time" not in asked else Instant(asked["time"]),
            properties=properties_of(asked["properties"]),
            override=override,
        )


@pytest.fixture(params=(SQLITE, *(f"postgres-{version}" for version in VERSIONS)))
def database(
    request: pytest.FixtureRequest, tmp_path: Path, clusters: Clusters
) -> Iterator[Database]:
    with new_database(request.param, tmp_path, clusters) as found:
        yield found


def played(seed: int) -> tuple[list[Request], list[str], Heads]:
    with small_limits():
        found = Overriding(seed)
    return found.requests, codes(found.outcomes), heads_of(found.core)


@pytest.mark.parametrize("seed", SEEDS)
def test_any_split_of_overrides_into_batches_ends_the_same(seed: int) -> None:
    requests, answered, heads = played(seed)
    core = CoreLedger()
    with small_limits():
        outcomes = [one for batch in batches(requests, Random(seed)) for one in core.run(batch)]
    assert codes(outcomes) == answered
    assert heads_of(core) == heads
    core.check()


@pytest.mark.parametrize("seed", SEEDS)
def test_a_store_overrides_as_the_core_does(seed: int, database: Database) -> None:
    requests, answered, heads = played(seed)
    with small_limits():
        found = asyncio.run(on_store(database, batches(requests, Random(seed))))
    assert found == (answered, heads)


def test_plays_override_what_has_been_drawn() -> None:
    """Or the comparisons above would prove nothing."""
    kinds: Counter[str] = Counter()
    with small_limits():
        for seed in SEEDS:
            for outcome in Overriding(seed).outcomes:
                if isinstance(outcome, Accepted) and outcome.event is not None:
                    overrides = outcome.event.overridden_by is not None
                    kinds["overrides"] += overrides and any(outcome.entries)
    assert kinds["overrides"] > 50
