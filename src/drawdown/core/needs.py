"""What a batch needs loaded before it can be decided: first the named rows, then what those name."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

import msgspec

from drawdown.core.alerts import is_uncounted, lead_of
from drawdown.core.clocks import played_until
from drawdown.core.commands import (
    AdjustGrant,
    AdvanceTestClock,
    AmendCustomer,
    AmendEntitlement,
    AmendGrant,
    AmendMeter,
    AmendSchedule,
    AttachRate,
    Authorize,
    CancelSchedule,
    Capture,
    CloseAlert,
    CloseCustomer,
    CloseEntitlement,
    CloseMeter,
    CloseRate,
    CloseTopUp,
    ConfirmTopUp,
    CreateAlert,
    CreateCustomer,
    CreateEntitlement,
    CreateMeter,
    CreateRate,
    CreateSchedule,
    CreateTestClock,
    CreateTopUp,
    Debit,
    DeleteTestClock,
    DetachRate,
    DocumentChange,
    EndAdvance,
    ExpireGrant,
    Extend,
    FailTopUp,
    IssueGrant,
    KeepDocuments,
    PauseSchedule,
    RecordUsage,
    Release,
    ReopenEntitlement,
    ReopenMeter,
    ResetOverage,
    ResumeSchedule,
    ReverseDebit,
    Settle,
    Spend,
    Together,
    VoidGrant,
)
from drawdown.core.demand import (
    Demand,
    cost_of,
    enough_grants,
    is_shared,
    scale_of,
    shared_times,
    units_of,
)
from drawdown.core.errors import LedgerError
from drawdown.core.identity import in_book
from drawdown.core.meters import Contribution
from drawdown.core.requests import Request
from drawdown.core.state import (
    CUSTOMER_OWN_ID,
    ENTITLEMENT_CODE,
    ENTITLEMENT_NAME,
    METER_CODE,
    Name,
    State,
    Wallet,
    WalletKey,
    Wanted,
)
from drawdown.core.times import INSTANT_MAX
from drawdown.core.together import parts_of
from drawdown.core.types import DAY, NOTHING, UNITS_MAX, Id, Instant, Reference
from drawdown.core.usage_counting import (
    Counted,
    attributes_of,
    counted_by,
    most_due,
    new_event_id,
)
from drawdown.core.usage_overrides import returned_debits
from drawdown.core.usage_records import CountKey, Customers, Event
from drawdown.core.usage_recounts import touched_by


def needs(batch: Sequence[Request], state: State) -> Iterator[Wanted]:
    """What of ``batch`` cannot be decided yet, until nothing is: load each into ``state`` before going on.

    A store may load only a part of it: the rest is wanted again. A request that is known to its end is not
    asked again, unless another's time may still carry over to its wallet.
    """
    asking = Asking(state)
    batch = [each for request in batch for each in _spread_out(request)]
    shared = [request for request in batch if is_shared(request)]
    asked = batch
    while True:
        if shared:
            asked, asking.demand = batch, Demand(times=shared_times(shared, state))
        asked = asking.ask(asked)
        enough_grants(asking.demand, state, asking.wanted)
        if not asking.wanted:
            return
        yield asking.wanted
        asking.wanted = _left_out(asking.wanted, state)


def _spread_out(request: Request) -> Iterable[Request]:
    """The request, and where it is for several commands one for each."""
    return (request, *parts_of(request)) if isinstance(request.command, Together) else (request,)


def _left_out(wanted: Wanted, state: State) -> Wanted:
    """Claims and keys lead to nothing, so who wanted them may not be asked again: they are kept in mind."""
    claims = {claim for claim in wanted.claims if claim not in state.claims}
    return Wanted(claims=claims, keys={key for key in wanted.keys if key not in state.keys})


def entitlement_names(
    book: Id, command: CreateEntitlement
) -> tuple[tuple[Id, str, str | None], ...]:
    """The names a new entitlement claims; without a name it is called by its code."""
    name = command.name if command.name is not None else command.code
    return ((book, ENTITLEMENT_CODE, command.code), (book, ENTITLEMENT_NAME, name))


class Asking(msgspec.Struct):
    """What the requests of a batch want so far. ``waits``: the one being asked has to be asked again.

    ``usages``: by the request, what is counted of its event.
    """

    state: State
    wanted: Wanted = msgspec.field(default_factory=Wanted)
    demand: Demand = msgspec.field(default_factory=Demand)
    waits: bool = False
    usages: dict[int, list[Counted]] = msgspec.field(default_factory=dict)

    def ask(self, batch: Sequence[Request]) -> list[Request]:
        """Ask each request once, and say which have to be asked again."""
        unknown = []
        for request in batch:
            self.waits = False
            if request.claim is not None:
                self.claim((request.book, request.claim.space, request.claim.key))
            for change in request.documents:
                self.document(change)
            _QUESTIONS[type(request.command)](self, request, request.command)
            if self.waits:
                unknown.append(request)
        return unknown

    # What a command names ------------------------------------------------------------------------

    def draw(self, request: Request, command: Debit | Authorize) -> None:
        key = self.wallet_key(request, command.customer, command.entitlement)
        now = self.now(request, key)
        wallet = None if key is None else self.wallet(now, key)
        if key is None or wallet is None or wallet.whole:
            return
        valid_at = command.valid_at if isinstance(command, Debit) else None
        units = units_of(command.amount, scale_of(key[1], self.state, request.book))
        self.demand.draw(wallet, units, now, command.attributes, valid_at)

    def issue(self, request: Request, command: IssueGrant) -> None:
        key = self.wallet_key(request, command.customer, command.entitlement)
        if key is None:
            return
        if command.unused_max is not None:
            self.every_wallet(request, key[0])
        self.wallet(self.now(request, key), key)
        self.demand.grown.add(key)

    def settle(self, request: Request, command: Settle | ResetOverage) -> None:
        key = self.wallet_key(request, command.customer, command.entitlement)
        if key is not None:
            at = command.at if isinstance(command, Settle) else None
            played = played_until(self.state.clock_of(key[0]), at)
            self.wallet(self.now(request, key) if played is None else played, key)

    def spend(self, request: Request, command: Spend) -> None:
        """Every wallet named; each may have to pay all of the quantity."""
        customer = self.customer(request.book, command.customer)
        kinds = [self.entitlement(request.book, price.entitlement) for price in command.wallets]
        if customer is None:
            return
        self.key(request, customer)
        now = self.state.now_of(customer, request.at)
        for kind, price in zip(kinds, command.wallets, strict=True):
            wallet = None if kind is None else self.wallet(now, (customer, kind))
            if kind is not None and wallet is not None:
                scale = scale_of(kind, self.state, request.book)
                units = cost_of(command.quantity, price.price, scale)
                self.demand.draw(wallet, units, now, command.attributes, command.valid_at)

    def hold(self, request: Request, command: Capture | Release | Extend) -> None:
        """A hold named by its id brings its wallet and its grants. A capture may draw all of it anew."""
        if command.hold not in self.state.hold_wallets:
            self.want(self.wanted.holds, command.hold)
            return
        key = self.state.hold_wallets[command.hold]
        wallet = None if key is None else self.owned(request, key)
        if key is None or wallet is None:
            return
        held = wallet.holds.get(command.hold)
        if held is None:
            self.want(self.wanted.holds, command.hold)
            return
        self.demand.grown.add(key)
        if isinstance(command, Capture):
            units = units_of(command.amount, scale_of(key[1], self.state, request.book))
            self.demand.draw(wallet, units, self.now(request, key), held.attributes)

    def grant(
        self, request: Request, command: AdjustGrant | AmendGrant | ExpireGrant | VoidGrant
    ) -> None:
        self.named_grant(request, command.grant)

    def reverse(self, request: Request, command: ReverseDebit) -> None:
        """A debit named by its id brings the grants it drew on, wherever they are."""
        if command.entitlement is not None:
            self.entitlement(request.book, command.entitlement)
        self.debit(request, command.debit)

    def debit(self, request: Request, debit: Id) -> None:
        if debit not in self.state.debits:
            self.want(self.wanted.debits, debit)
            return
        record = self.state.debits[debit]
        for draw in () if record is None else record.draws:
            if draw.grant == NOTHING:
                self.repaid(request, (draw.customer, draw.entitlement), draw.seq)
            else:
                self.named_grant(request, draw.grant)

    def repaid(self, request: Request, key: WalletKey, seq: int) -> None:
        """What was charged as overage may have been repaid since: it goes back to the grants that did."""
        if self.owned(request, key) is None:
            return
        if self.state.repaid_after.get(key, seq + 1) > seq:
            after = self.wanted.repayments
            after[key] = min(seq, after.get(key, seq))
            self.waits = True
            return
        for repayment in self.state.repayments_after(key, seq):
            self.named_grant(request, repayment.grant)

    def create_customer(self, request: Request, command: CreateCustomer) -> None:
        """Under a key it may have been made before, with the request's id."""
        self.names(((request.book, CUSTOMER_OWN_ID, command.own_id),))
        if command.test_clock is not None:
            self.clock(command.test_clock)
        if request.key is not None and request.id not in self.state.customers:
            self.want(self.wanted.customers, request.id)

    def create_entitlement(self, request: Request, command: CreateEntitlement) -> None:
        self.names(entitlement_names(request.book, command))
        if request.key is not None and request.id not in self.state.entitlements:
            self.want(self.wanted.entitlements, request.id)

    # Schedules -----------------------------------------------------------------------------------

    def create_schedule(self, request: Request, command: CreateSchedule) -> None:
        """How many there are is known with what is due."""
        key = self.wallet_key(request, command.customer, command.entitlement)
        if key is not None:
            self.due(self.now(request, key), key)
            self.demand.grown.add(key)

    def schedule(
        self,
        request: Request,
        command: AmendSchedule | CancelSchedule | PauseSchedule | ResumeSchedule,
    ) -> None:
        """A schedule named by its id brings its wallet, with all that is live of it."""
        if command.schedule not in self.state.schedule_wallets:
            self.want(self.wanted.schedules, command.schedule)
            return
        key = self.state.schedule_wallets[command.schedule]
        if key is None or self.owned(request, key) is None:
            return
        self.demand.changed.add(key)
        wallet = self.due(self.now(request, key), key)
        if wallet is not None and command.schedule not in wallet.schedules:
            self.want(self.wanted.schedules, command.schedule)

    # Documents, and several commands at once ------------------------------------------------------

    def document(self, change: DocumentChange) -> None:
        if change.id not in self.state.documents:
            self.want(self.wanted.documents, change.id)

    def group(self, request: Request, command: KeepDocuments | Together) -> None:
        """The customer, with the key. What the commands of a group need, they ask for themselves."""
        if command.customer is None:
            self.key(request, request.book)
            return
        customer = self.customer(request.book, command.customer)
        if customer is not None:
            self.key(request, customer)

    # Top-ups -------------------------------------------------------------------------------------

    def create_top_up(self, request: Request, command: CreateTopUp) -> None:
        key = self.wallet_key(request, command.customer, command.entitlement)
        if key is not None:
            self.wallet(self.now(request, key), key)

    def top_up(self, request: Request, command: CloseTopUp) -> None:
        self.named_top_up(request, command.top_up, self.state.top_ups, self.wanted.top_ups)

    def top_up_request(self, request: Request, command: ConfirmTopUp | FailTopUp) -> None:
        """A request named by its id brings its wallet and its rule. What was paid for makes a grant."""
        known, wanted = self.state.top_up_requests, self.wanted.top_up_requests
        key = self.named_top_up(request, command.request, known, wanted)
        found = known.get(command.request)
        if key is None or found is None:
            return
        if found.top_up not in self.state.top_ups:
            self.want(self.wanted.top_ups, found.top_up)
        self.demand.grown.add(key)

    def named_top_up(
        self, request: Request, thing: Id, known: Mapping[Id, object], wanted: set[Id]
    ) -> WalletKey | None:
        """The wallet of a rule or a request, which is read once nobody else can change it any more."""
        if thing not in self.state.top_up_wallets:
            self.want(wanted, thing)
            return None
        key = self.state.top_up_wallets[thing]
        if key is not None and self.owned(request, key) is not None and thing not in known:
            self.want(wanted, thing)
        return key

    def due(self, now: Instant, key: WalletKey, lead: int = 0) -> Wallet | None:
        """The wallet with its live schedules and their grants, whether or not any of them is due.

        ``lead``: and with what falls due within so many microseconds more.
        """
        wallet = self.wallet(now, key)
        if wallet is None:
            return None
        at = Instant(self.demand.time_of(wallet, now) + lead)
        if self.state.knows_due(key, at):
            return wallet
        due = self.wanted.wallets_due
        due[key] = max(at, due.get(key, at))
        self.waits = True
        return None

    # Alerts --------------------------------------------------------------------------------------

    def create_alert(self, request: Request, command: CreateAlert) -> None:
        """The wallet, and all grants that an alert on expiry would tell of; or the entitlement."""
        if command.customer is None:
            self.locked_entitlement(request, command.entitlement)
            if request.key is not None:
                made = in_book(request.id, request.book)
                if made not in self.state.alerts:
                    self.want(self.wanted.alerts, made)
            return
        key = self.wallet_key(request, command.customer, command.entitlement)
        if key is not None:
            kind = self.state.entitlements[key[1]]
            own = self.state.wallets.get(key)
            lead = lead_of(() if kind is None else kind.alerts, None if own is None else own.watch)
            self.due(self.now(request, key), key, max(lead, (command.days or 0) * DAY))

    def close_alert(self, request: Request, command: CloseAlert) -> None:
        if command.alert not in self.state.alerts:
            self.want(self.wanted.alerts, command.alert)
            return
        alert = self.state.alerts[command.alert]
        if alert is None or alert.book != request.book:
            return
        if alert.customer is None:
            self.locked_entitlement(request, alert.entitlement)
        else:
            self.owned(request, (alert.customer, alert.entitlement))

    def locked_entitlement(self, request: Request, reference: Reference) -> None:
        """One that is to be changed."""
        kind = self.entitlement(request.book, reference)
        if kind is not None and kind not in self.state.locked:
            self.want(self.wanted.entitlements_locked, kind)

    # Usage -------------------------------------------------------------------------------------------

    def catalog(self, request: Request) -> bool:
        """The book's meters and rates; whether they are loaded."""
        if request.book in self.state.catalogs:
            return True
        self.want(self.wanted.catalogs, request.book)
        return False

    def create_meter(self, request: Request, command: CreateMeter) -> None:
        self.names(((request.book, METER_CODE, command.code),))
        self.catalog(request)

    def create_rate(self, request: Request, command: CreateRate) -> None:
        if isinstance(command.meter, str):
            self.names(((request.book, METER_CODE, command.meter),))
        self.entitlement(request.book, command.entitlement)
        self.catalog(request)

    def change_meter(
        self, request: Request, command: CloseMeter | ReopenMeter | AmendMeter
    ) -> None:
        if isinstance(command.meter, str):
            self.names(((request.book, METER_CODE, command.meter),))
        self.catalog(request)

    def close_rate(self, request: Request, command: CloseRate | AttachRate | DetachRate) -> None:
        if self.catalog(request):
            rate = self.state.catalogs[request.book].rates.get(command.rate)
            if rate is not None:
                self.entitlement(request.book, rate.entitlement)

    def usage(self, request: Request, command: RecordUsage) -> None:
        """Who is meant, whether the event is known, and what counts it; then its counts and wallets."""
        known = self.event(request, command)
        customer = self.customer(request.book, command.customer)
        if not self.catalog(request) or customer is None:
            return
        if known and command.override:
            self.override(request, command, customer)
        if known:
            return
        if not self.chargeable(request, command, customer):
            return
        for counted in self.counted(request, command, customer):
            self.count(counted.key, counted.contribution)
            self.pays_usage(request, command, (customer, counted.rate.entitlement), counted)

    def attached(self, customer: Id) -> bool:
        """Whether the rates are loaded that the customer is attached to."""
        if customer in self.state.attached:
            return True
        self.want(self.wanted.attached, customer)
        return False

    def attach_rate(self, request: Request, command: AttachRate | DetachRate) -> None:
        self.close_rate(request, command)
        customer = self.customer(request.book, command.customer)
        if customer is not None:
            self.attached(customer)

    def chargeable(self, request: Request, command: RecordUsage, customer: Id) -> bool:
        """Whether it is loaded which rates charge the customer, and in whose cycles usage is counted."""
        rates = [rate for _, rate in self.state.catalogs[request.book].charges_of(command.name)]
        some = any(rate.customers is Customers.ATTACHED for rate in rates)
        if some and not self.attached(customer):
            return False
        kinds = [rate.entitlement for rate in rates if rate.period.cycle]
        found = True
        for kind in kinds:
            key = (customer, kind)
            loaded = self.entitlement(request.book, kind) is not None
            if loaded and self.due(self.now(request, key), key) is None:
                found = found and self.state.wallets.get(key, key) is None
        return found

    def count(self, key: CountKey, *contributions: Contribution | None) -> None:
        """A count, and how many events have the values that are counted in it."""
        if key not in self.state.counts:
            self.want(self.wanted.counts, key)
        for each in contributions:
            if each is not None and each.value and (key, each.value) not in self.state.values:
                self.want(self.wanted.values, (key, each.value))

    def override(self, request: Request, command: RecordUsage, customer: Id) -> None:
        """The counts that an event is in, and will be in; then what has been drawn for them."""
        found = self.state.event_ids[(request.book, command.own_id)]
        event = None if found is None else self.state.events.get(found)
        if event is None or customer != event.customer:
            return
        if not self.chargeable(request, command, customer):
            return
        try:
            touched = touched_by(request, command, event, self.state)
        except LedgerError:
            return
        if customer not in self.state.latest_events:
            self.want(self.wanted.latest_events, customer)
        for each in touched:
            key = (customer, each.rate.entitlement)
            self.count(each.key, each.old, each.new)
            self.pays_usage(request, command, key, since=event.time)
            self.demand.changed.add(key)
        if not self.waits:
            self.returned(request, command, event)

    def returned(self, request: Request, command: RecordUsage, event: Event) -> None:
        try:
            debits = returned_debits(request, command, event, self.state)
        except LedgerError:
            return
        for debit in debits:
            self.debit(request, debit)

    def event(self, request: Request, command: RecordUsage) -> bool:
        """Whether the event is there, which is then loaded. Its id may be claimed before it is there."""
        name = (request.book, command.own_id)
        if name not in self.state.event_ids:
            self.want(self.wanted.event_ids, name)
            return False
        found = self.state.event_ids[name]
        if found is None:
            return False
        if found not in self.state.events:
            self.want(self.wanted.events, found)
            return True
        return self.state.events[found] is not None

    def counted(self, request: Request, command: RecordUsage, customer: Id) -> list[Counted]:
        """What will be counted; nothing where ``plan`` will refuse the event. It is found once."""
        found = self.usages.get(id(request))
        if found is None:
            event = new_event_id(request, command, customer, self.state)
            try:
                found = counted_by(request, command, customer, event, self.state)
            except LedgerError:
                found = []
            self.usages[id(request)] = found
        return found

    def pays_usage(
        self,
        request: Request,
        command: RecordUsage,
        key: WalletKey,
        counted: Counted | None = None,
        since: Instant | None = None,
    ) -> None:
        """What an event costs follows from those before it in the batch: as much as it may be is loaded.

        ``since``: when the event was that it overrides.
        """
        if self.entitlement(request.book, key[1]) is None:
            return
        now = self.now(request, key)
        wallet = self.wallet(now, key)
        if wallet is not None:
            if not wallet.whole:
                attributes, units = attributes_of(command.properties), UNITS_MAX
                if counted is not None:
                    scale = scale_of(key[1], self.state, request.book)
                    units = most_due(counted, attributes, scale)
                self.demand.draw(wallet, units, now, attributes)
            self.late_usage(wallet, now, [command.time, since])

    def late_usage(self, wallet: Wallet, now: Instant, times: Sequence[Instant | None]) -> None:
        """Usage that comes late may be paid by what has expired since it was.

        Where no time is given it was now, which is late for a wallet that has come further.
        """
        key = (wallet.customer, wallet.entitlement)
        kind, given = self.state.entitlements[key[1]], [time for time in times if time is not None]
        time = min(given, default=now)
        if kind is None or not kind.late_usage_grace:
            return
        if not given and self.demand.time_of(wallet, now) <= now:
            return
        if self.state.late_from.get(key, INSTANT_MAX) > time:
            late = self.wanted.wallets_late
            late[key] = min(time, late.get(key, time))
            self.waits = True

    def amend_entitlement(self, request: Request, command: AmendEntitlement) -> None:
        self.locked_entitlement(request, command.entitlement)
        self.names(((request.book, ENTITLEMENT_NAME, command.name),))

    def close_entitlement(
        self, request: Request, command: CloseEntitlement | ReopenEntitlement
    ) -> None:
        """With its name, which it gives back or takes."""
        self.locked_entitlement(request, command.entitlement)
        found = self.state.entitlement_id(request.book, command.entitlement)
        kind = None if found is None else self.state.entitlements.get(found)
        if kind is not None and kind.book == request.book:
            self.names(((kind.book, ENTITLEMENT_NAME, kind.name),))

    def amend_customer(self, request: Request, command: AmendCustomer | CloseCustomer) -> None:
        customer = self.customer(request.book, command.customer)
        if customer is not None:
            self.key(request, customer)
            if customer not in self.state.locked:
                self.want(self.wanted.customers_locked, customer)

    def create_clock(self, request: Request, command: CreateTestClock) -> None:
        """It may have been made before, with the request's id."""
        self.clock(request.id)

    def change_clock(
        self, request: Request, command: AdvanceTestClock | EndAdvance | DeleteTestClock
    ) -> None:
        self.clock(command.clock)

    # What those are ------------------------------------------------------------------------------

    def want(self, things: set[Any], thing: object) -> None:
        """Want what may lead to more."""
        things.add(thing)
        self.waits = True

    def claim(self, name: Name) -> None:
        if name not in self.state.claims:
            self.wanted.claims.add(name)

    def key(self, request: Request, customer: Id) -> None:
        if request.key is not None:
            key = (customer, request.key.namespace, request.key.key)
            if key not in self.state.keys:
                self.wanted.keys.add(key)

    def clock(self, clock: Id) -> bool:
        """Whether the clock is loaded, if there is one of that id."""
        if clock in self.state.clocks:
            return True
        self.want(self.wanted.clocks, clock)
        return False

    def now(self, request: Request, key: WalletKey | None) -> Instant:
        """What time it is for whom a wallet belongs to."""
        return request.at if key is None else self.state.now_of(key[0], request.at)

    def names(self, names: Iterable[tuple[Id, str, str | None]]) -> None:
        for name in names:
            if name[2] is not None and name not in self.state.names:
                self.want(self.wanted.names, name)

    def customer(self, book: Id, reference: Reference) -> Id | None:
        """The customer's id once its row and its clock are loaded; None before, or where there is none."""
        found = self.state.customer_id(book, reference)
        if found is None:
            if isinstance(reference, str):
                self.names(((book, CUSTOMER_OWN_ID, reference),))
            return None
        if found not in self.state.customers:
            self.want(self.wanted.customers, found)
            return None
        customer = self.state.customers[found]
        if customer is None or customer.book != book:
            return None
        if customer.test_clock is not None and not self.clock(customer.test_clock):
            return None
        return found

    def entitlement(self, book: Id, reference: Reference) -> Id | None:
        """The same of an entitlement, but it may be a currency that has no row yet, or another book's."""
        found = self.state.entitlement_id(book, reference)
        if found is None:
            if isinstance(reference, str):
                self.names(((book, ENTITLEMENT_CODE, reference),))
            return None
        if found not in self.state.entitlements:
            self.want(self.wanted.entitlements, found)
            return None
        return found

    def wallet_key(
        self, request: Request, customer: Reference, entitlement: Reference
    ) -> WalletKey | None:
        """The wallet of the two once both are known; the customer brings the request's key."""
        owner = self.customer(request.book, customer)
        kind = self.entitlement(request.book, entitlement)
        if owner is None:
            self.ahead(request, customer, entitlement)
            return None
        self.key(request, owner)
        return None if kind is None else (owner, kind)

    def ahead(self, request: Request, customer: Reference, entitlement: Reference) -> None:
        """Whom the book has a name for is there, and his: what else is wanted of him need not wait."""
        owner = self.state.customer_id(request.book, customer)
        kind = self.state.entitlement_id(request.book, entitlement)
        if isinstance(customer, str) and owner is not None:
            self.key(request, owner)
            if kind is not None and (owner, kind) not in self.state.wallets:
                self.wanted.wallets.add((owner, kind))

    def wallet(self, now: Instant, key: WalletKey) -> Wallet | None:
        """The wallet once it is loaded with all that may fall due in the batch; None before that, or new.

        Where another wallet's time may carry over, what the batch itself adds may fall due as well, and
        then what follows it must be known.
        """
        if key not in self.state.wallets:
            self.want(self.wanted.wallets, key)
            return None
        wallet = self.state.wallets[key]
        if wallet is None:
            return None
        at = self.demand.time_of(wallet, now)
        may_be_due = wallet.is_due(at) or at > max(now, wallet.last_at)
        until = at
        kind = self.state.entitlements.get(key[1])
        if (kind is not None and kind.alerts) or wallet.watch is not None:
            watching = () if kind is None else kind.alerts
            may_be_due = may_be_due or is_uncounted(watching, wallet.watch)
            until = Instant(at + lead_of(watching, wallet.watch))
        if may_be_due and self.state.due_until.get(key, -1) < until:
            due = self.wanted.wallets_due
            due[key] = max(until, due.get(key, until))
            self.waits = True
            return None
        if wallet.schedules and any(
            each.next_at is not None and each.next_at <= at for each in wallet.schedules.values()
        ):
            self.demand.changed.add(key)  # a cycle takes and adds grants anywhere in the order
        return wallet

    def every_wallet(self, request: Request, customer: Id) -> None:
        if customer not in self.state.customer_wallets:
            self.want(self.wanted.customer_wallets, customer)
            return
        for key in self.state.customer_wallets[customer]:
            self.entitlement(request.book, key[1])
            self.wallet(self.now(request, key), key)

    def owned(self, request: Request, key: WalletKey) -> Wallet | None:
        """The wallet of a thing named by its id, with its customer, its entitlement and the request's key."""
        customer = self.customer(request.book, key[0])
        self.entitlement(request.book, key[1])
        if customer is None:
            return None
        self.key(request, customer)
        return self.wallet(self.now(request, key), key)

    def named_grant(self, request: Request, grant: Id) -> None:
        """A grant named by its id brings its wallet, its customer and its entitlement."""
        if grant not in self.state.grant_wallets:
            self.want(self.wanted.grants, grant)
            return
        key = self.state.grant_wallets[grant]
        if key is None:
            return
        self.demand.changed.add(key)
        wallet = self.owned(request, key)
        if wallet is not None and grant not in wallet.grants:
            self.want(self.wanted.grants, grant)


_QUESTIONS: dict[type, Callable[[Asking, Request, Any], None]] = {
    AdjustGrant: Asking.grant,
    AmendCustomer: Asking.amend_customer,
    AmendEntitlement: Asking.amend_entitlement,
    CloseCustomer: Asking.amend_customer,
    CloseEntitlement: Asking.close_entitlement,
    ReopenEntitlement: Asking.close_entitlement,
    AdvanceTestClock: Asking.change_clock,
    CloseAlert: Asking.close_alert,
    CreateAlert: Asking.create_alert,
    AmendGrant: Asking.grant,
    AmendSchedule: Asking.schedule,
    Authorize: Asking.draw,
    CancelSchedule: Asking.schedule,
    Capture: Asking.hold,
    CreateCustomer: Asking.create_customer,
    CreateEntitlement: Asking.create_entitlement,
    AttachRate: Asking.attach_rate,
    AmendMeter: Asking.change_meter,
    CloseMeter: Asking.change_meter,
    ReopenMeter: Asking.change_meter,
    CloseRate: Asking.close_rate,
    CreateMeter: Asking.create_meter,
    CreateRate: Asking.create_rate,
    CreateSchedule: Asking.create_schedule,
    CloseTopUp: Asking.top_up,
    ConfirmTopUp: Asking.top_up_request,
    CreateTestClock: Asking.create_clock,
    CreateTopUp: Asking.create_top_up,
    FailTopUp: Asking.top_up_request,
    Debit: Asking.draw,
    DeleteTestClock: Asking.change_clock,
    DetachRate: Asking.attach_rate,
    EndAdvance: Asking.change_clock,
    ExpireGrant: Asking.grant,
    Extend: Asking.hold,
    IssueGrant: Asking.issue,
    PauseSchedule: Asking.schedule,
    KeepDocuments: Asking.group,
    Release: Asking.hold,
    ResetOverage: Asking.settle,
    RecordUsage: Asking.usage,
    ResumeSchedule: Asking.schedule,
    ReverseDebit: Asking.reverse,
    Settle: Asking.settle,
    Spend: Asking.spend,
    Together: Asking.group,
    VoidGrant: Asking.grant,
}
