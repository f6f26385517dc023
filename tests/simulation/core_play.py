"""A play on the core alone: fast, everything in memory, every number compared after every turn."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

from drawdown.core import amounts, currencies
from drawdown.core.commands import (
    AdvanceTestClock,
    CreateCustomer,
    CreateEntitlement,
    CreateTestClock,
    Settle,
)
from drawdown.core.fold import WalletFold
from drawdown.core.invariants import check_double_entry, check_grant
from drawdown.core.requests import Accepted, LedgerKey, Outcome, Refused, Replayed, Request
from drawdown.core.state import WalletKey
from drawdown.core.types import Id, Instant, Mode
from tests.simulation import compare
from tests.simulation.metering import create_entitlement, create_meters
from tests.simulation.plays import BEGIN, Ask, Difference, Play, Turn
from tests.simulation.requests import command, made
from tests.simulation.world import Expected, World
from tests.support.memory import CoreLedger


class CorePlay:
    """The core, driven turn by turn. Each turn is a batch. ``requests`` and ``outcomes`` are all so far."""

    def __init__(self, play: Play, world: World) -> None:
        self.core = CoreLedger()
        self.requests: list[Request] = []
        self.outcomes: list[Outcome] = []
        self._world = world
        self._names = world.ids
        self._folds: dict[WalletKey, WalletFold] = {}
        self._folded = 0
        self._kinds: dict[str, Id] = {}
        begin = Instant(BEGIN)
        for unit, rules in play.units.items():
            if unit in currencies.MINOR_PLACES:
                self._kinds[unit] = currencies.entitlement_id(self.core.book, unit)
                continue
            self._kinds[unit] = self._made(create_entitlement(unit, rules), begin)
        self._clock = self._new_clock(begin)
        self._customers = [
            self._made(
                CreateCustomer(own_id=name, test_clock=self._clock if clocked else None), begin
            )
            for name, clocked in play.customer_names
        ]
        for wanted in create_meters(play):
            [outcome] = self._run([self.core.request(wanted, begin)])
            assert isinstance(outcome, Accepted)

    def _new_clock(self, at: Instant) -> Id:
        [outcome] = self._run(
            [self.core.request(CreateTestClock(frozen_at=at, mode=Mode.TEST), at)]
        )
        assert isinstance(outcome, Accepted)
        assert outcome.clock is not None
        return outcome.clock.id

    def _made(self, wanted: CreateCustomer | CreateEntitlement, at: Instant) -> Id:
        [outcome] = self._run([self.core.request(wanted, at)])
        assert isinstance(outcome, Accepted)
        record = outcome.customer or outcome.entitlement
        assert record is not None
        return record.id

    def _run(self, requests: list[Request]) -> list[Outcome]:
        outcomes = self.core.run(requests)
        self.requests += requests
        self.outcomes += outcomes
        return outcomes

    def turn(self, turn: Turn) -> None:
        """Raises ``Difference`` or ``Fault``."""
        at = Instant(turn.now)
        if turn.asks and turn.asks[0].verb == "advance":
            self._advance(turn, at)
            return
        requests = [
            self.core.request(
                command(ask, self._names),
                at,
                None if ask.key is None else LedgerKey(ask.verb, ask.key, ask.replays),
            )
            for ask in turn.asks
        ]
        outcomes = self._run(requests)
        for ask, outcome in zip(turn.asks, outcomes, strict=True):
            self._remember(ask, outcome)
        expected = self._world.happen(turn, [True] * len(turn.asks))
        for ask, outcome, wanted in zip(turn.asks, outcomes, expected, strict=True):
            assert wanted is not None, "nothing is lost in memory"
            self._check_outcome(ask, outcome, wanted)
        if turn.jobs:
            self._settle(at)
        self._fold()
        self._check_wallets(turn.asks)

    def _advance(self, turn: Turn, at: Instant) -> None:
        [ask] = turn.asks
        outcome = self.advance(Instant(ask.asked["to"]), at)
        [expected] = self._world.happen(turn, [True])
        assert expected is not None
        self._check_outcome(ask, outcome, expected)
        self._fold()
        for customer_number in range(len(self._customers)):
            self._check_wallets([Ask("settle", customer=customer_number)])

    def advance(self, to: Instant, at: Instant) -> Outcome:
        """As the engine does it: each wallet on the clock is settled at its own instants."""
        wanted = AdvanceTestClock(clock=self._clock, to=to)
        [outcome] = self._run([self.core.request(wanted, at)])
        if isinstance(outcome, Accepted):
            while due := self._due_on_clock(to):
                moment, customer, kind = min(due)
                settle = Settle(customer=customer, entitlement=kind, at=moment)
                self._run([self.core.request(settle, at)])
            self.core.reach_target(self._clock)
        return outcome

    def _due_on_clock(self, to: Instant) -> list[tuple[Instant, Id, Id]]:
        clocked = {c for c in self._customers if self.core.state.clock_of(c) is not None}
        return [
            (wallet.next_due_at, wallet.customer, wallet.entitlement)
            for wallet in self.core.wallets
            if wallet.customer in clocked
            and wallet.next_due_at is not None
            and wallet.next_due_at <= to
        ]

    def _settle(self, at: Instant) -> None:
        for customer in self._customers:
            for kind in self._kinds.values():
                self._run([self.core.request(Settle(customer=customer, entitlement=kind), at)])

    def _check_outcome(self, ask: Ask, outcome: Outcome, expected: Expected) -> None:
        try:
            compare.check_answer(expected, *answer_of(ask, outcome))
        except Difference as difference:
            difference.add_note(repr(ask))
            raise

    def _remember(self, ask: Ask, outcome: Outcome) -> None:
        identifier = made(ask, outcome) if isinstance(outcome, Accepted) else None
        if "name" in ask.asked and identifier is not None:
            self._names[ask.asked["name"]] = identifier

    def _fold(self) -> None:
        """Add what was recorded to the folds: each entry must follow the one before it."""
        operations = self.core.state.changes.operations
        for _, entries in operations[self._folded :]:
            for entry in entries:
                key = (entry.customer, entry.entitlement)
                self._folds.setdefault(key, WalletFold()).apply(entry)
        self._folded = len(operations)

    def _check_wallets(self, asks: Sequence[Ask]) -> None:
        for customer in {ask.customer for ask in asks}:
            for unit, naive in self._world.ledgers[customer].wallets.items():
                key = (self._customers[customer], self._kinds[unit])
                kept = self.core.state.wallets.get(key)
                try:
                    compare.check_wallet(kept, naive, self._names)
                except Difference as difference:
                    difference.add_note(f"customer {customer}, {unit}")
                    raise
                if kept is not None:
                    self._check_fold(key)

    def _check_fold(self, key: WalletKey) -> None:
        folded, kept = self._folds.get(key, WalletFold()), self.core.state.wallets[key]
        assert kept is not None
        check_double_entry(folded)
        if (folded.chain, folded.posted, folded.held) != (kept.chain, kept.posted, kept.held):
            raise Difference("the wallet is not what its entries say")
        for grant in kept.grants.values():
            check_grant(grant)

    def finish(self) -> None:
        """Everything computed again from all the entries."""
        self.core.check()


def answer_of(ask: Ask, outcome: Outcome) -> tuple[str, dict[str, object]]:
    """The code of an outcome, and what is told beside it."""
    if isinstance(outcome, Refused):
        return outcome.error.code, outcome.error.fields
    if isinstance(outcome, Replayed):
        return "replayed", {}
    return ("replayed" if is_known(outcome) else "ok"), told(ask, outcome)


def is_known(accepted: Accepted) -> bool:
    """Whether it was an event that was there already: it is answered as it is."""
    return accepted.event is not None and accepted.operation is None


def told(ask: Ask, accepted: Accepted) -> dict[str, object]:
    """What an answer can say of what was done: of a spend how far it went, else what is left."""
    if ask.verb == "spend":
        return spent(ask, accepted)
    if accepted.event is not None:
        charges = accepted.event.charges
        return {"charges": [[each.amount, each.drawn, each.overage] for each in charges]}
    balance = accepted.balance
    if balance is None:
        return {}
    found: dict[str, object] = {
        "posted": balance.posted,
        "held": balance.held,
        "pending": balance.pending,
    }
    if ask.verb == "reset":
        assert accepted.entitlement is not None
        found["moved"] = amounts.render(accepted.amount, accepted.entitlement.scale)
    return found


def spent(ask: Ask, accepted: Accepted) -> dict[str, object]:
    """How much of a spend's quantity its wallets paid, and how much was left."""
    paid = sum((Decimal(str(part.quantity)) for part in accepted.parts), Decimal(0))
    unpaid = Decimal(ask.asked["quantity"]) - paid
    return {"spent": f"{paid.normalize():f}", "unpaid": f"{unpaid.normalize():f}"}
