"""A customer's operations decided again, from the first on, by the code that decided them.

On a state of its own each is decided at its instant and under its id, so that what it makes has the ids it
had; what time did in between comes again by itself. Nothing is recorded. A change of the rules may be made on
the way (``dry_run``): what was asked for stays, and what comes of it is what the rules then say.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec

from drawdown.core import currencies, posting
from drawdown.core.commands import Command, CreateSchedule, RolloverTerms, Settle
from drawdown.core.context import settled_context
from drawdown.core.errors import LedgerError
from drawdown.core.hindsight.recorded import Past, command_of
from drawdown.core.identity import derive
from drawdown.core.needs import needs
from drawdown.core.plan import plan
from drawdown.core.posting import Posting
from drawdown.core.requests import Outcome, Refused, Request
from drawdown.core.spending import register_wallet
from drawdown.core.state import Changes, State, Wallet, Wanted
from drawdown.core.types import (
    Customer,
    Entitlement,
    Entry,
    EntryKind,
    Grant,
    Id,
    Instant,
    Operation,
    Overage,
)
from drawdown.core.usage.counting import Unforeseen
from drawdown.core.usage.records import Catalog, Customers, Event, Meter, Rate, catalog_of

#: No request asks so often for more; one that did would ask for ever.
LOADS_MAX = 100
#: An operation and its entries, as ``Changes`` has them.
Made = list[tuple[Operation, list[Entry]]]


class Amendment(msgspec.Struct, frozen=True, kw_only=True):
    """Another rule for overage that an entitlement was given."""

    entitlement: Id
    recorded_at: Instant
    operation: Id
    before: Overage
    after: Overage


class Replayed(msgspec.Struct, frozen=True):
    """What came of an operation: all that was recorded with it, and why it was refused, if it was."""

    made: Made
    error: LedgerError | None = None


class World(msgspec.Struct, frozen=True, kw_only=True):
    """What replays of a book's customers have in common. ``amendments`` come in their order."""

    book: Id
    kinds: Mapping[Id, Entitlement]
    catalog: Catalog = msgspec.field(default_factory=Catalog)
    amendments: Sequence[Amendment] = ()

    def __deepcopy__(self, memo: object) -> World:
        """It never changes, so that copies of a replay share it."""
        return self

    def kind_at_first(self, kind: Entitlement) -> Entitlement:
        """As it was before anything was done with it: open, its first rule for overage, watched by nobody."""
        first = next((each for each in self.amendments if each.entitlement == kind.id), None)
        rule = kind.overage if first is None else first.before
        return msgspec.structs.replace(kind, overage=rule, closed_at=None, alerts=())


class Replay:
    """One customer's ledger, built again. It can be copied whole (``copy.deepcopy``)."""

    def __init__(self, world: World, customer: Customer) -> None:
        """On a test clock or not: every operation brings its own time."""
        self.state = State()
        self.customer = customer.id
        self.state.customers[customer.id] = msgspec.structs.replace(
            customer, closed_at=None, test_clock=None
        )
        self.state.entitlements.update(
            {kind.id: world.kind_at_first(kind) for kind in world.kinds.values()}
        )
        self.rollover: RolloverTerms | msgspec.UnsetType | None = msgspec.UNSET
        self.changed: Id | None = None
        self.rates: list[Rate] | None = None
        self._overage_stays = False
        self._world = world
        self._amended = 0

    def wallet(self, entitlement: Id) -> Wallet | None:
        return self.state.wallets.get((self.customer, entitlement))

    def kind(self, entitlement: Id) -> Entitlement:
        """As it is by now; a currency that the book had not used is made up."""
        found = self.state.entitlements.get(entitlement)
        if found is not None:
            return found
        code = currencies.codes_by_id(self._world.book)[entitlement]
        return currencies.entitlement(self._world.book, code, Instant(0))

    def scale_of(self, entitlement: Id) -> int:
        return self.kind(entitlement).scale

    # Deciding again ------------------------------------------------------------------------------

    def feed(self, operation: Operation, event: Event | None, grant: Grant | None) -> Replayed:
        """Decide one operation again. ``event``, ``grant``: as of ``recorded.Past``."""
        self._amend_until(operation)
        if grant is not None and operation.kind != "grant":
            return self._grant_again(operation, grant)
        past = Past(scale_of=self.scale_of, event=event, grant=grant)
        command = command_of(operation, past)
        if command is None:
            return Replayed([])
        if event is not None:
            self._price(event)
        if isinstance(command, CreateSchedule) and operation.entitlement == self.changed:
            command = self._with_rollover(command)
        return self._decide(self._request(operation, command))

    def settle(self, entitlement: Id, at: Instant, recorded_at: Instant) -> Replayed:
        """Let time do what it will have done to a wallet by an instant."""
        wallet = self.wallet(entitlement)
        if wallet is None or at < wallet.last_at:
            return Replayed([])
        command = Settle(customer=self.customer, entitlement=entitlement)
        origin = derive(self.customer, f"settle:{at}")
        return self._decide(self._asked(command, origin, at, recorded_at))

    def _request(self, operation: Operation, command: Command) -> Request:
        return self._asked(command, operation.id, operation.at, operation.recorded_at)

    def _asked(self, command: Command, origin: Id, at: Instant, recorded_at: Instant) -> Request:
        book = self._world.book
        return Request(book=book, command=command, id=origin, at=at, recorded_at=recorded_at)

    def _decide(self, request: Request) -> Replayed:
        try:
            self._load([request])
            outcome: Outcome = plan(request, self.state)
        except Unforeseen:  # nothing of it has happened: what it needs is known now
            return self._decide(request)
        error = outcome.error if isinstance(outcome, Refused) else None
        return Replayed(self._take(), error)

    def _load(self, requests: Sequence[Request]) -> None:
        for times, wanted in enumerate(needs(requests, self.state)):
            assert times < LOADS_MAX, f"what is wanted is not found: {wanted}"
            self._find(wanted)

    def _take(self) -> Made:
        state, changes = self.state, self.state.changes
        state.repayments |= changes.repayments
        state.changes = Changes()
        return changes.operations

    def _grant_again(self, operation: Operation, grant: Grant) -> Replayed:
        """What was granted by another word than a grant's own: it is given as it was."""
        assert operation.entitlement is not None
        request = self._asked(
            Settle(customer=self.customer, entitlement=operation.entitlement),
            operation.id,
            operation.at,
            operation.recorded_at,
        )
        settled = self._decide(request)
        customer = self.state.customers[self.customer]
        assert customer is not None
        context = settled_context(request, customer, self.kind(operation.entitlement), self.state)
        register_wallet(context)
        started = Posting(operation, self.state.changes)
        fresh = _fresh(grant, operation)
        posting.admit(self.state.changes, context.wallet, fresh)
        self.state.grant_wallets[fresh.id] = context.key
        posting.post(started, context.wallet, fresh, EntryKind.GRANTED, fresh.amount, operation.at)
        posting.repay(started, context.wallet, fresh, fresh.amount, operation.at)
        context.finish(started)
        return Replayed(settled.made + self._take())

    # What is there -------------------------------------------------------------------------------

    def _find(self, wanted: Wanted) -> None:
        """All there is was made in this state: what is wanted and not in it is not there."""
        state = self.state
        for found, names in (
            (state.customers, wanted.customers),
            (state.clocks, wanted.clocks),
            (state.entitlements, wanted.entitlements),
            (state.names, wanted.names),
            (state.wallets, wanted.wallets),
            (state.hold_wallets, wanted.holds),
            (state.schedule_wallets, wanted.schedules),
            (state.debits, wanted.debits),
            (state.event_ids, wanted.event_ids),
            (state.events, wanted.events),
            (state.counts, wanted.counts),
        ):
            _miss(found, names)
        state.locked |= wanted.customers_locked  # nobody else is here
        for grant in wanted.grants:
            state.grant_wallets.setdefault(grant, self._place_of(grant))
        for book in wanted.catalogs:
            state.catalogs.setdefault(book, Catalog())
        state.values = dict.fromkeys(wanted.values, 0) | state.values
        state.due_until |= wanted.wallets_due
        state.late_from |= wanted.wallets_late
        state.repaid_after |= wanted.repayments

    def _place_of(self, grant: Id) -> tuple[Id, Id] | None:
        """The wallet of a grant that a cycle made, which nobody asked for."""
        for key, wallet in self.state.wallets.items():
            if wallet is not None and grant in wallet.grants:
                return key
        return None

    # Rules ---------------------------------------------------------------------------------------

    def _amend_until(self, operation: Operation) -> None:
        """Give entitlements the rules that they had when an operation was recorded."""
        amendments = self._world.amendments
        now = (operation.recorded_at, operation.id)
        while self._amended < len(amendments):
            each = amendments[self._amended]
            if (each.recorded_at, each.operation) > now:
                return
            self._amended += 1
            if not (self._overage_stays and each.entitlement == self.changed):
                kind = self.kind(each.entitlement)
                after = msgspec.structs.replace(kind, overage=each.after)
                self.state.entitlements[each.entitlement] = after

    def change_kind(self, kind: Entitlement, *, overage_stays: bool) -> None:
        """Another kind of credit of the same id from now on; ``overage_stays`` whatever was amended since."""
        self.changed, self._overage_stays = kind.id, overage_stays
        self.state.entitlements[kind.id] = kind

    def _with_rollover(self, command: CreateSchedule) -> CreateSchedule:
        if isinstance(self.rollover, msgspec.UnsetType):
            return command
        return msgspec.structs.replace(command, rollover=self.rollover)

    def _price(self, event: Event) -> None:
        """Count the event by the rates that counted it then, or by those that stand in their place."""
        charged = {bytes.fromhex(charge.rate) for charge in event.charges}
        catalog = self._world.catalog
        rates = [rate for rate in catalog.rates.values() if rate.id in charged]
        if self.rates is not None:
            rates = [rate for rate in rates if rate.entitlement != self.changed]
            rates += [rate for rate in self.rates if _charges(rate, charged)]
        self.state.catalogs[self._world.book] = _catalog(catalog.meters.values(), rates)


def _charges(rate: Rate, charged: set[bytes]) -> bool:
    """A rate for some customers charges whom the one in whose place it stands did."""
    return rate.customers is Customers.ALL or rate.id in charged


def _catalog(meters: Iterable[Meter], rates: Sequence[Rate]) -> Catalog:
    """What was closed since is open again, and for this customer: it counted then. Nobody watches it."""
    of_rates = {rate.meter for rate in rates}
    replace = msgspec.structs.replace
    return catalog_of(
        (replace(meter, closed_at=None, watch=None) for meter in meters if meter.id in of_rates),
        (replace(rate, closed_at=None, customers=Customers.ALL) for rate in rates),
    )


def _fresh(grant: Grant, operation: Operation) -> Grant:
    """A grant as it was when it was made, but for what of it was amended since."""
    changed = msgspec.json.decode(operation.changed or b"{}")
    expires_at = changed.get("expires_at", [None, grant.expires_at])[1]
    return msgspec.structs.replace(
        grant,
        remaining=grant.amount,
        used=0,
        expired=0,
        voided=0,
        rolled_over=0,
        held=0,
        drawn=False,
        pending=grant.effective_at > operation.at,
        expires_at=expires_at,
        expired_at=None,
        voided_at=None,
    )


def _miss(found: dict[Any, Any], names: Iterable[object]) -> None:
    for name in names:
        found.setdefault(name, None)
