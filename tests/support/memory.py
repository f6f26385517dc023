"""The core alone: requests planned on a state that holds everything, as if all of it were loaded."""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence
from typing import NamedTuple, TypeVar

import msgspec

from drawdown.core import currencies, identity
from drawdown.core.commands import Command
from drawdown.core.demand import stands_alone
from drawdown.core.fold import WalletFold, fold
from drawdown.core.invariants import check_wallet
from drawdown.core.needs import needs
from drawdown.core.plan import keep_answer, plan
from drawdown.core.players import PLAYERS
from drawdown.core.requests import Accepted, Answer, LedgerKey, Outcome, Request
from drawdown.core.schedules.invariants import check_schedules
from drawdown.core.standing.invariants import check_documents
from drawdown.core.standing.players import Players
from drawdown.core.state import DebitRecord, State, Wallet, Wanted
from drawdown.core.types import (
    DEBITS,
    USES,
    Document,
    Entry,
    Grant,
    Hold,
    HoldState,
    Id,
    Instant,
)
from drawdown.core.usage.counting import Unforeseen
from drawdown.core.usage.records import LATEST_MAX, Catalog
from drawdown.core.usage.spans import Span, Use, Used, use_of
from drawdown.core.watching.top_up_invariants import check_top_up
from drawdown.core.watching.top_ups import TopUpRequest

K = TypeVar("K")
V = TypeVar("V")


class _Kept(NamedTuple):
    """A wallet beside its documents."""

    code: str | None
    next_due_at: Instant | None
    holds: list[Hold]
    entries: list[Entry]
    documents: list[Document]


class CoreLedger:
    """A book in memory. Nothing is faked but the storage: ``needs`` and ``plan`` are the real ones."""

    def __init__(self, seed: int = 0, players: Players = PLAYERS) -> None:
        self.state = State(players=players)
        self._random = random.Random(seed)
        self._made = 0
        self.book = self.new_id()

    def new_id(self) -> Id:
        self._made += 1
        slot = self._random.randrange(identity.SLOTS)
        return identity.compose(
            1_700_000_000_000 + self._made, 0, self._random.getrandbits(48), slot
        )

    def request(self, command: Command, at: Instant, key: LedgerKey | None = None) -> Request:
        return Request(
            book=self.book, command=command, id=self.new_id(), at=at, recorded_at=at, key=key
        )

    def run(self, requests: Sequence[Request]) -> list[Outcome]:
        """Plan a batch: all of its needs first, then each request in order."""
        if len(requests) > 1 and any(stands_alone(request.command) for request in requests):
            return [self.run([request])[0] for request in requests]
        self.state.due_until.clear()
        self.state.latest_events.clear()
        self.state.spans.clear()
        for wanted in needs(requests, self.state):
            self._load(wanted)
        return [self._decide(request) for request in requests]

    def _decide(self, request: Request) -> Outcome:
        try:
            outcome = plan(request, self.state)
        except Unforeseen:  # nothing of the request has happened
            return self.run([request])[0]
        if isinstance(outcome, Accepted):
            keep_answer(request, outcome, Answer(status=200, body=b"{}"), self.state)
        return outcome

    def one(self, command: Command, at: Instant, key: LedgerKey | None = None) -> Outcome:
        return self.run([self.request(command, at, key)])[0]

    def _load(self, wanted: Wanted) -> None:
        """Everything there is was made in this state; what is wanted and not in it is not there."""
        state = self.state
        _miss(state.customers, wanted.customers)
        _miss(state.clocks, wanted.clocks)
        _miss(state.entitlements, wanted.entitlements)
        _miss(state.names, wanted.names)
        _miss(state.wallets, wanted.wallets)
        for grant in wanted.grants:
            made = state.changes.new_grants.get(grant)  # by a cycle, which nobody asked for
            if made is not None:
                state.grant_wallets[grant] = (made.customer, made.entitlement)
        _miss(state.grant_wallets, wanted.grants)
        _miss(state.hold_wallets, wanted.holds)
        _miss(state.schedule_wallets, wanted.schedules)
        _miss(state.alerts, wanted.alerts)
        self._load_top_ups(wanted)
        state.locked |= wanted.entitlements_locked | wanted.customers_locked | wanted.meters_locked
        _miss(state.keys, wanted.keys)
        _miss(state.claims, wanted.claims)
        for book in wanted.catalogs:
            state.catalogs.setdefault(book, Catalog())
        _miss(state.event_ids, wanted.event_ids)
        _miss(state.events, wanted.events)
        for customer in wanted.latest_events:
            taken = [each for each in state.events.values() if each and each.customer == customer]
            taken.sort(key=lambda event: event.id, reverse=True)
            state.latest_events[customer] = taken[:LATEST_MAX]
        _miss(state.counts, wanted.counts)
        state.values = dict.fromkeys(wanted.values, 0) | state.values
        _miss(state.documents, wanted.documents)
        state.spans |= {span: self._use(span) for span in wanted.spans}
        state.due_until |= wanted.wallets_due
        state.late_from |= wanted.wallets_late
        state.repaid_after |= wanted.repayments
        state.debits |= {debit: self._debit(debit) for debit in wanted.debits}
        for customer in wanted.customer_wallets:
            state.customer_wallets[customer] = tuple(
                key for key, wallet in state.wallets.items() if key[0] == customer and wallet
            )

    def _use(self, span: Span) -> Use:
        taken = [each for each in self.state.events.values() if each is not None]
        return use_of(
            span,
            (
                Used(each.time, each.id, each.properties, each.charges)
                for each in taken
                if (each.customer, each.name) == (span.customer, span.measure.event_name)
                and span.start <= each.time < span.end
            ),
        )

    def _load_top_ups(self, wanted: Wanted) -> None:
        state, made = self.state, self.state.changes.new_top_up_requests
        _miss(state.top_ups, wanted.top_ups)
        for asked in wanted.top_up_requests:  # of which nobody has asked for any
            state.top_up_requests[asked] = made.get(asked)
        known = state.top_ups | state.top_up_requests
        for thing in wanted.top_ups | wanted.top_up_requests:
            found = known[thing]
            place = None if found is None else (found.customer, found.entitlement)
            state.top_up_wallets[thing] = place

    def _debit(self, debit: Id) -> DebitRecord | None:
        for operation, entries in self.state.changes.operations:
            if operation.id == debit and operation.kind in DEBITS:
                draws = tuple(entry for entry in entries if entry.kind in USES)
                return DebitRecord(operation=operation, draws=draws)
        return None

    def reach_target(self, clock: Id) -> None:
        """The clock is where it was sent: what a store does once nothing is due before that."""
        found = self.state.clocks[clock]
        assert found is not None
        if found.target is not None:
            found = msgspec.structs.replace(found, frozen_at=found.target, target=None)
            self.state.clocks[clock] = found

    # Looking at it -------------------------------------------------------------------------------

    @property
    def wallets(self) -> list[Wallet]:
        return [wallet for wallet in self.state.wallets.values() if wallet is not None]

    def grant(self, grant: Id) -> Grant:
        return self.state.changes.new_grants[grant]

    def entries_of(self, wallet: Wallet) -> list[Entry]:
        key = (wallet.customer, wallet.entitlement)
        found = (entries for _, entries in self.state.changes.operations)
        return [entry for entries in found for entry in entries if _place(entry) == key]

    def check(self) -> list[WalletFold]:
        """Fold every wallet's entries and compare: raises ``Fault`` at the first difference."""
        return [self._checked(wallet) for wallet in self.wallets]

    def _checked(self, wallet: Wallet) -> WalletFold:
        folded = fold(self.entries_of(wallet))
        holds = [hold for hold in wallet.holds.values() if hold.state is HoldState.OPEN]
        check_wallet(folded, wallet, self._grants_of(wallet), holds)
        check_schedules(
            wallet,
            list(wallet.schedules.values()),
            list(self._grants_of(wallet)),
            self.entries_of(wallet),
        )
        requests = self.state.changes.new_top_up_requests.values()
        own = [each for each in requests if _place(each) == _place(wallet)]
        standing = None if wallet.watch is None else wallet.watch.top_up
        check_top_up(wallet, standing, own, self._grants_of(wallet))
        check_documents(self._kept(wallet, holds), self.state.players)
        return folded

    def _kept(self, wallet: Wallet, holds: list[Hold]) -> _Kept:
        known = [each for each in self.state.documents.values() if each is not None]
        return _Kept(
            code=currencies.codes_by_id(self.book).get(wallet.entitlement),
            next_due_at=wallet.next_due_at,
            holds=holds,
            entries=self.entries_of(wallet),
            documents=[
                each
                for each in known
                if each.owner == wallet.customer and each.entitlement in (None, wallet.entitlement)
            ],
        )

    def _grants_of(self, wallet: Wallet) -> Iterable[Grant]:
        key = (wallet.customer, wallet.entitlement)
        grants = self.state.changes.new_grants.values()
        return [grant for grant in grants if (grant.customer, grant.entitlement) == key]


def _miss(found: dict[K, V | None], wanted: set[K]) -> None:
    for key in wanted:
        found.setdefault(key, None)


def _place(thing: Entry | TopUpRequest | Wallet) -> tuple[Id, Id]:
    return (thing.customer, thing.entitlement)
