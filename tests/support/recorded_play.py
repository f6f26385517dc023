"""A random play on the core alone, with copies of what its commands found and left."""

from __future__ import annotations

import copy
from collections.abc import Iterable

from drawdown.core import instants
from drawdown.core.commands import CreateCustomer, CreateEntitlement
from drawdown.core.requests import Accepted
from drawdown.core.state import Wallet
from drawdown.core.types import DEBITS, BurnOrder, Entitlement, Entry, Id, Instant
from tests.support.memory import CoreLedger
from tests.support.random_play import CUSTOMER, HOUR, RandomPlay, Seen
from tests.support.scenarios import START


class Recorded:
    """A random play, and copies of the wallet ``e``: as each command left it, as each debit found it."""

    def __init__(self, seed: int, commands: int = 40, oldest_first: bool = False) -> None:
        self.core = CoreLedger()
        self.seen = Seen()
        self.play = RandomPlay(seed, START)
        self.befores: dict[Id, Wallet] = {}
        self.copies: list[tuple[Instant, Wallet]] = []
        self.core.one(CreateCustomer(own_id=CUSTOMER), START)
        order = BurnOrder.OLDEST_FIRST if oldest_first else BurnOrder.SOONEST_EXPIRY
        self.entitlement, _ = [self._entitlement(code, order) for code in "ef"]
        for _ in range(commands):
            self.step()

    def _entitlement(self, code: str, order: BurnOrder) -> Entitlement:
        command = CreateEntitlement(code=code, unit="credit", scale=0, burn_order=order)
        made = self.core.one(command, START)
        assert isinstance(made, Accepted)
        assert made.entitlement is not None
        return made.entitlement

    def step(self) -> None:
        command, at = self.play.next()
        before = copy.deepcopy(self.wallet())
        outcome = self.core.one(command, at)
        if isinstance(outcome, Accepted):
            self.play.tell(outcome)
            self.seen.note(outcome)
            if before is not None and outcome.operation and outcome.operation.kind in DEBITS:
                self.befores[outcome.operation.id] = instants.settled(before, outcome.operation.at)
        wallet = self.wallet()
        if wallet is not None:
            self.copies.append((Instant(max(at, wallet.last_at)), copy.deepcopy(wallet)))

    def wallet(self) -> Wallet | None:
        found = (w for w in self.core.wallets if w.entitlement == self.entitlement.id)
        return next(found, None)

    def entries(self) -> list[Entry]:
        wallet = self.wallet()
        return [] if wallet is None else self.core.entries_of(wallet)

    def naive(self, at: Instant) -> Wallet | None:
        """The copy made by the last command up to ``at``, with what time did to it by then."""
        then = None
        for when, wallet in self.copies:
            if when <= at:
                then = wallet
        return None if then is None else instants.settled(copy.deepcopy(then), at)

    def asked(self, at: Instant) -> Wallet:
        """The wallet as it is now, taken to ``at``."""
        wallet = copy.deepcopy(self.wallet())
        assert wallet is not None
        if at >= wallet.last_at:
            return instants.settled(wallet, at)
        instants.rewind(wallet, reversed(self.entries()), at)
        instants.forget_ends(wallet.grants.values(), at)
        return wallet

    def moments(self) -> Iterable[Instant]:
        """Every instant at which anything was done or fell due, those just before, and between."""
        known = {when for when, _ in self.copies} | {entry.at for entry in self.entries()}
        near = {moment + shift for moment in known for shift in (-1, 0, HOUR // 2)}
        return sorted(Instant(moment) for moment in near)
