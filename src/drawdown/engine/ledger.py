"""The only door to the ledger, for HTTP, the command line and jobs.

Every call begins with a book; what belongs to another book is not there. Amounts are whole units at the
entitlement's scale. A write is on disk when it returns.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Sequence

import msgspec

from drawdown.core import currencies, instants, invariants, lifecycle
from drawdown.core.commands import Command, Settle
from drawdown.core.context import written
from drawdown.core.errors import (
    AlertNotFound,
    CustomerNotFound,
    DebitNotFound,
    EntitlementNotFound,
    EventNotFound,
    FieldInvalid,
    GrantNotFound,
    HoldNotFound,
    LedgerError,
    MeterNotFound,
    RateNotFound,
    ScheduleNotFound,
    TopUpNotFound,
    TopUpRequestNotFound,
)
from drawdown.core.fold import Fault, WalletFold, fold
from drawdown.core.forecast import Forecast
from drawdown.core.hindsight.changing import AskedChange
from drawdown.core.hindsight.explain import Explanation
from drawdown.core.instants import Segment
from drawdown.core.requests import Accepted, Answer, Claim, LedgerKey
from drawdown.core.schedules.invariants import check_schedules
from drawdown.core.schedules.terms import Schedule, ScheduleState
from drawdown.core.state import CUSTOMER_OWN_ID, ENTITLEMENT_CODE
from drawdown.core.types import (
    USES,
    Alert,
    Balance,
    Customer,
    Entitlement,
    Entry,
    Grant,
    GrantState,
    Hold,
    HoldState,
    Id,
    Instant,
    Operation,
    Reference,
)
from drawdown.core.usage.records import Catalog, Customers, Event, Meter, Rate
from drawdown.core.watching import top_ups
from drawdown.core.watching.top_up_invariants import check_top_up
from drawdown.core.watching.top_ups import RequestState, Standing, TopUp, TopUpRequest
from drawdown.engine import dry_runs, forecasts, history
from drawdown.engine.access import Accounts
from drawdown.engine.accounts import Principal
from drawdown.engine.batcher import (
    BATCH_MAX,
    BatchObserver,
    Refuse,
    Render,
    Submission,
    Waiter,
)
from drawdown.engine.jobs import CLAIMS_KEPT_DAYS, Jobs
from drawdown.engine.ports import (
    AlertFilter,
    Clock,
    CursorInvalid,
    EventFilter,
    FeedFilter,
    FeedPage,
    GrantFilter,
    HoldFilter,
    Ids,
    ScheduleFilter,
    Store,
    StoreUnavailable,
    TopUpFilter,
    TopUpRequestFilter,
    WalletAudit,
)
from drawdown.engine.positions import Position
from drawdown.engine.readiness import Readiness
from drawdown.engine.spread import open_writer
from drawdown.engine.test_clocks import TestClocks
from drawdown.engine.usage_audit import verify_usage

#: Of so many customers it is kept in mind that they are on no test clock.
UNCLOCKED_MAX = 100_000

Asked = tuple[Command, Render, LedgerKey | None]


class Spent(msgspec.Struct, frozen=True, kw_only=True):
    """A debit as it stands: its operation and entries, and what was reversed since, by entitlement.

    ``entitlements`` are those it drew on, in the order drawn.
    """

    operation: Operation
    entries: tuple[Entry, ...]
    customer: Customer
    entitlements: tuple[Entitlement, ...]
    reversed: dict[Id, int]


class Verified(msgspec.Struct, kw_only=True):
    """How far ``verify`` has come: wallets done of all, entries and usage events seen; totals by code."""

    wallets: int
    wallets_total: int
    entries: int
    totals: dict[str, Totals]
    events: int = 0


class Totals(msgspec.Struct, kw_only=True):
    """The accounts of one entitlement over all its wallets, in units at ``scale``."""

    scale: int
    granted: int = 0
    posted: int = 0
    pending: int = 0
    used: int = 0
    expired: int = 0
    voided: int = 0

    def add(self, wallet: WalletFold, scale: int) -> None:
        """Two books may keep credit of one code at different scales; the sums are at the finer."""
        finer = max(self.scale, scale)
        for account in ("granted", *invariants.ACCOUNTS):
            so_far = getattr(self, account) * 10 ** (finer - self.scale)
            setattr(self, account, so_far + getattr(wallet, account) * 10 ** (finer - scale))
        self.scale = finer


class Ledger:
    """One ledger over one store. ``open`` before the first write, ``close`` at the end."""

    def __init__(
        self,
        store: Store,
        clock: Clock,
        ids: Ids,
        observer: BatchObserver | None = None,
        claims_kept_days: int = CLAIMS_KEPT_DAYS,
    ) -> None:
        self.clock = clock
        self.accounts = Accounts(store, clock, ids)
        self._store = store
        self.ids = ids
        observer = self._readiness = Readiness(store, observer or BatchObserver())
        self._batcher = open_writer(store, clock, ids, observer)
        self._unclocked: set[Id] = set()
        self.test_clocks = TestClocks(store, clock, self.submit_many, observer)
        self._jobs = Jobs(store, clock, self.accounts, self._settle, observer, claims_kept_days)

    def open(self, *, jobs: bool = True) -> None:
        """Begin to take writes; ``jobs``: and to do what time makes due."""
        self._batcher.start()
        if jobs:
            self._jobs.start()
            self.test_clocks.start()

    async def close(self) -> None:
        """Finish what was accepted, then let go of the store."""
        await self.test_clocks.close()
        await self._jobs.close()
        await self._batcher.close()
        await self._store.close()

    @property
    def shards(self) -> int:
        """Over how many groups the store is spread; 0 where it keeps everything together."""
        placement = self._store.placement
        return 0 if placement is None else len(placement.groups())

    async def ready(self) -> None:
        """Raises ``StoreUnavailable`` when the database does not answer, or takes no writes."""
        await self._readiness.check()

    async def weaknesses(self) -> list[str]:
        """Why what is answered could be lost after all, as the database is set up; in words."""
        return await self._store.weaknesses()

    async def authenticate(self, secret: str, key_id: str | None = None) -> Principal | None:
        return await self.accounts.authenticate(secret, key_id)

    @property
    def store(self) -> Store:
        """For what has a door of its own: endpoints and their deliveries."""
        return self._store

    # Writes --------------------------------------------------------------------------------------

    async def submit(
        self,
        book: Id,
        command: Command,
        render: Render,
        *,
        key: LedgerKey | None = None,
        claim: Claim | None = None,
        refuse: Refuse | None = None,
    ) -> Answer:
        """Carry out one command and answer what ``render`` writes, or what was answered before.

        ``render`` is called inside the transaction; a repetition under the same key gets its bytes.
        Raises ``LedgerError`` when refused, unless ``refuse`` writes an answer to be kept with ``claim``.
        """
        return await self._batcher.submit(
            Submission(
                book=book,
                command=command,
                render=render,
                key=key,
                claim=claim,
                refuse=refuse if claim is not None else None,
                waiter=Waiter(1),
            )
        )

    async def submit_many(self, book: Id, asked: Sequence[Asked]) -> list[Answer | BaseException]:
        """Carry out many commands in their order, each for itself. A refusal stands in its place.

        They enter the queue piece by piece, so that others' commands come in between. When the store
        cannot take a later piece, that stands in the place of all that were not tried.
        """
        answers: list[Answer | BaseException] = []
        for start in range(0, len(asked), BATCH_MAX):
            piece = self._submissions(book, asked[start : start + BATCH_MAX])
            try:
                self._batcher.enqueue(piece)
            except StoreUnavailable as error:
                if not answers:
                    raise
                return answers + [error] * (len(asked) - start)
            await piece[0].waiter.woken
            answers.extend([submission.result() for submission in piece])
        return answers

    @staticmethod
    def _submissions(book: Id, asked: Sequence[Asked]) -> list[Submission]:
        waiter = Waiter(len(asked))
        return [
            Submission(book=book, command=command, render=render, key=key, waiter=waiter)
            for command, render, key in asked
        ]

    async def apply(self, book: Id, command: Command) -> Accepted:
        """Carry out one command and return what came of it. Raises ``LedgerError`` when refused."""
        kept: list[Accepted] = []

        def render(accepted: Accepted) -> Answer:
            kept.append(accepted)
            return Answer(status=200, body=b"")

        await self.submit(book, command, render)
        return kept[-1]

    async def _settle(self, book: Id, command: Settle) -> object:
        return await self.submit(book, command, lambda _: Answer(status=200, body=b""))

    # Time ----------------------------------------------------------------------------------------

    async def now_of(self, customer: Customer) -> Instant:
        """What time it is for a customer: real time, or that of the test clock he is on."""
        if customer.test_clock is None:
            return self.clock.now()
        clock = await self._store.find_clock(customer.test_clock)
        assert clock is not None, "clocks stay as long as their customers"
        return clock.frozen_at

    async def time_of(self, book: Id, customer: Reference) -> Instant:
        """As ``now_of``. Raises ``CustomerNotFound``."""
        return await self._now(await self._customer_id(book, customer))

    async def _now_for(self, customer: Customer | None) -> Instant:
        return self.clock.now() if customer is None else await self.now_of(customer)

    async def _now(self, customer: Id) -> Instant:
        """As ``now_of``. That somebody is on no clock is read once: he is on it for life, or never."""
        if customer in self._unclocked:
            return self.clock.now()
        found = await self._store.find_customer(customer)
        if found is not None and found.test_clock is None:
            if len(self._unclocked) >= UNCLOCKED_MAX:
                self._unclocked.clear()
            self._unclocked.add(customer)
        return await self._now_for(found)

    # Reads ---------------------------------------------------------------------------------------

    async def customer(self, book: Id, reference: Reference) -> Customer:
        """Raises ``CustomerNotFound``."""
        found: Id | None
        if isinstance(reference, str):
            found = await self._store.find_name(book, CUSTOMER_OWN_ID, reference)
        else:
            found = reference
        customer = None if found is None else await self._store.find_customer(found)
        if customer is None or customer.book != book:
            raise CustomerNotFound(written(reference))
        return customer

    async def entitlement(self, book: Id, reference: Reference) -> Entitlement:
        """By id or code; currencies are always there. Raises ``EntitlementNotFound``."""
        found: Id | None
        if not isinstance(reference, str):
            found = reference
        elif reference in currencies.MINOR_PLACES:
            found = currencies.entitlement_id(book, reference)
        else:
            found = await self._store.find_name(book, ENTITLEMENT_CODE, reference)
        entitlement = None if found is None else await self._store.find_entitlement(found)
        if entitlement is not None and entitlement.book == book:
            return entitlement
        code = None if found is None else currencies.codes_by_id(book).get(found)
        if code is None:
            raise EntitlementNotFound(written(reference))
        return currencies.entitlement(book, code, self.clock.now())

    async def customers(self, book: Id, *, after: Id | None = None, limit: int) -> list[Customer]:
        """Newest first; ``after``: older than that id."""
        return await self._store.list_customers(book, after, limit)

    async def entitlements(
        self, book: Id, *, after: Id | None = None, limit: int
    ) -> list[Entitlement]:
        """Newest first; a currency is listed once the book has had a grant in it."""
        return await self._store.list_entitlements(book, after, limit)

    async def catalog(self, book: Id) -> Catalog:
        """The book's meters and rates."""
        return await self._store.find_catalog(book)

    async def meter(self, book: Id, reference: Reference) -> Meter:
        """By id or code. Raises ``MeterNotFound``."""
        for meter in (await self.catalog(book)).meters.values():
            if reference in (meter.id, meter.code):
                return meter
        raise MeterNotFound(written(reference))

    async def rates(self, book: Id, customer: Reference | None = None) -> list[Rate]:
        """In the order in which they were made; ``customer``: the open ones that charge him."""
        catalog = await self.catalog(book)
        if customer is None:
            return list(catalog.rates.values())
        attached = await self._store.customer_rates((await self.customer(book, customer)).id)
        return [
            rate
            for rate in catalog.rates.values()
            if rate.closed_at is None and catalog.meters[rate.meter].closed_at is None
            if rate.customers is Customers.ALL or rate.id in attached
        ]

    async def rate(self, book: Id, rate: Id) -> tuple[Rate, Meter]:
        """With its meter. Raises ``RateNotFound``."""
        catalog = await self.catalog(book)
        if rate not in catalog.rates:
            raise RateNotFound(written(rate))
        found = catalog.rates[rate]
        return found, catalog.meters[found.meter]

    async def usage_event(self, book: Id, own_id: str) -> Event:
        """Raises ``EventNotFound``."""
        event = await self._store.find_event(book, own_id)
        if event is None:
            raise EventNotFound(own_id)
        return event

    async def usage_events(
        self,
        book: Id,
        *,
        customer: Reference | None = None,
        name: str | None = None,
        since: Instant | None = None,
        until: Instant | None = None,
        uncovered: bool = False,
        after: Id | None = None,
        limit: int,
    ) -> list[Event]:
        """The newest recorded first (``ports.EventFilter``). Raises ``CustomerNotFound``."""
        owner = None if customer is None else (await self.customer(book, customer)).id
        return await self._store.list_events(
            EventFilter(
                book=book,
                limit=limit,
                customer=owner,
                name=name,
                since=since,
                until=until,
                uncovered=uncovered,
                after=after,
            )
        )

    async def grant(self, book: Id, grant: Id, *, at: Instant | None = None) -> Grant:
        """The grant as it is now, or at an instant (``balance``). Raises ``GrantNotFound``."""
        found = await self._store.find_grant(grant)
        owner = None if found is None else await self._store.find_customer(found.customer)
        if found is None or owner is None or owner.book != book:
            raise GrantNotFound(written(grant))
        if at is None:
            [settled] = await self._as_of([found])
            return settled
        instants.check_foresight(at, await self.now_of(owner))
        then = await history.grant_at(self._store, grant, at)
        if then is None:
            raise GrantNotFound(written(grant))
        return then

    async def grants(
        self,
        book: Id,
        *,
        customer: Reference | None = None,
        entitlement: Reference | None = None,
        states: Collection[GrantState] = (),
        monetary: bool = False,
        at: Instant | None = None,
        after: Id | None = None,
        before: Id | None = None,
        offset: int = 0,
        limit: int,
    ) -> list[Grant]:
        """Grants as they are now, newest first (``ports.GrantFilter``); or at an instant (``balance``).

        With ``at`` they are those of one wallet, in any state. Raises ``CustomerNotFound`` and
        ``EntitlementNotFound``.
        """
        owner = None if customer is None else await self.customer(book, customer)
        now = await self._now_for(owner)
        if at is not None:
            _check_grants_at(customer, entitlement, states)
            instants.check_foresight(at, now)
        asked = GrantFilter(
            book=book,
            now=now,
            limit=limit,
            customer=None if owner is None else owner.id,
            clocked=owner is None and bool(states) and await self._store.has_clocks(book),
            entitlement=(
                None if entitlement is None else (await self.entitlement(book, entitlement)).id
            ),
            states=frozenset(states),
            monetary=monetary,
            after=after,
            before=before,
            offset=offset,
        )
        if at is not None:
            return await history.grants_at(self._store, asked, at)
        return await self._as_of(await self._store.list_grants(asked))

    async def _as_of(self, grants: Sequence[Grant]) -> list[Grant]:
        """Grants as they are now, of which some depend on what else is due in their wallets.

        The end of its holds may be, of one that is held; one that begins may have repaid overage; one of
        a schedule may have been carried over as its cycle ended.
        """
        nows = {owner: await self._now(owner) for owner in {grant.customer for grant in grants}}
        settled: dict[Id, Grant] = {}
        depend = [
            grant
            for grant in grants
            if grant.held
            or (grant.schedule is not None and grant.remaining > 0)
            or (grant.pending and grant.effective_at <= nows[grant.customer])
        ]
        for key in {(grant.customer, grant.entitlement) for grant in depend}:
            now = nows[key[0]]
            wallet = await self._store.find_wallet(*key, now)
            if wallet is not None:
                await history.find_rule(self._store, wallet)
                settled |= instants.settled(wallet, now).grants
        return [
            settled.get(grant.id) or lifecycle.settled(grant, nows[grant.customer])
            for grant in grants
        ]

    async def outstanding(self, book: Id, customer: Reference) -> list[Grant]:
        """What a customer has left, pending grants included, in burn-down order per entitlement."""
        owner = await self.customer(book, customer)
        found = await self._store.outstanding_grants(owner.id)
        return [grant for grant in await self._as_of(found) if grant.remaining > 0]

    async def balance(
        self,
        book: Id,
        customer: Reference,
        entitlement: Reference,
        *,
        at: Instant | None = None,
    ) -> Balance:
        """The wallet as it is now; zeros, and no ``created_at``, when it was never used.

        At an instant in the past: as it was. In the future, up to ten years: what time alone will make
        of it.
        """
        if at is None:
            now = self.clock.now()
            known = self._store.known_balance(book, customer, entitlement, now)
            if known is not None:
                return known
        owner = await self._customer_id(book, customer)
        kind = await self.entitlement(book, entitlement)
        now = await self._now(owner)
        if at is not None:
            instants.check_foresight(at, now)
            owner = (await self.customer(book, owner)).id
            return await history.balance_at(self._store, owner, kind, at)
        wallet = await self._store.find_wallet(owner, kind.id, now)
        if wallet is None:
            owner = (await self.customer(book, owner)).id
            return Balance(customer=owner, entitlement=kind.id, scale=kind.scale, as_of=now)
        as_of = max(now, wallet.last_at)
        if wallet.is_due(now):
            wallet.overage_default = kind.overage
            wallet = instants.settled(wallet, now)
        return wallet.balance(kind.scale, as_of)

    async def _customer_id(self, book: Id, reference: Reference) -> Id:
        """Of a customer who is there if anything of theirs is. Raises ``CustomerNotFound``.

        A name is one book's and needs no more than itself to be read; but whoever makes a customer may
        have died between the two.
        """
        if not isinstance(reference, str):
            return (await self.customer(book, reference)).id
        found = await self._store.find_name(book, CUSTOMER_OWN_ID, reference)
        if found is None:
            raise CustomerNotFound(written(reference))
        return found

    async def balance_history(
        self,
        book: Id,
        customer: Reference,
        entitlement: Reference,
        *,
        since: Instant | None = None,
        until: Instant | None = None,
        after: Instant | None = None,
        limit: int,
    ) -> tuple[list[Segment], Instant | None]:
        """The times in which the balance is constant, newest first, and where the next page goes on.

        ``since`` None: since the wallet was made; ``until`` None: until now. ``after`` is where the page
        before ended: entries that were recorded since lie behind it.
        """
        owner = await self.customer(book, customer)
        kind = await self.entitlement(book, entitlement)
        now = await self.now_of(owner)
        until = now if until is None else until
        instants.check_foresight(until, now, "to")
        if since is not None and since >= until:
            raise FieldInvalid("from", "earlier than to, which is now unless given")
        end = until if after is None else min(after, until)
        return await history.history(self._store, owner.id, kind, since, end, limit)

    async def forecast(
        self, book: Id, customer: Reference, entitlement: Reference, *, days: int, window_days: int
    ) -> Forecast:
        """When a wallet runs dry, used on as it was lately (``core.forecast``). Writes nothing.

        Raises ``CustomerNotFound``, ``EntitlementNotFound`` and ``FieldInvalid``.
        """
        owner = await self.customer(book, customer)
        kind = await self.entitlement(book, entitlement)
        now = await self.now_of(owner)
        return await forecasts.look_ahead(self._store, book, owner.id, kind, now, days, window_days)

    async def dry_run(
        self,
        book: Id,
        entitlement: Reference,
        change: AskedChange,
        *,
        since: Instant,
        until: Instant | None = None,
        customer: Reference | None = None,
        after: Id | None = None,
        limit: int,
    ) -> dry_runs.Page:
        """What a change would have made of past usage (``core.dry_run``). Writes nothing.

        Of one customer, or of all, newest first; ``until`` None: until now. Raises ``CustomerNotFound``,
        ``EntitlementNotFound``, ``MeterNotFound`` and ``FieldInvalid``.
        """
        owner = None if customer is None else await self.customer(book, customer)
        asked = dry_runs.Asked(
            book=book,
            kind=await self.entitlement(book, entitlement),
            change=change,
            since=since,
            until=Instant(await self._now_for(owner) + 1) if until is None else until,
            customer=owner,
            after=after,
            limit=limit,
        )
        return await dry_runs.run(self._store, asked, self.now_of)

    async def hold(self, book: Id, hold: Id) -> Hold:
        """The hold as it is now. Raises ``HoldNotFound``."""
        found = await self._store.find_hold(hold)
        owner = None if found is None else await self._store.find_customer(found.customer)
        if found is None or owner is None or owner.book != book:
            raise HoldNotFound(written(hold))
        return lifecycle.settled_hold(found, await self.now_of(owner))

    async def holds(
        self,
        book: Id,
        *,
        customer: Reference | None = None,
        entitlement: Reference | None = None,
        state: HoldState | None = None,
        after: Id | None = None,
        limit: int,
    ) -> list[Hold]:
        """Holds as they are now, newest first. Raises ``CustomerNotFound`` and ``EntitlementNotFound``."""
        owner = None if customer is None else await self.customer(book, customer)
        now = await self._now_for(owner)
        kind = None if entitlement is None else await self.entitlement(book, entitlement)
        found = await self._store.list_holds(
            HoldFilter(
                book=book,
                now=now,
                limit=limit,
                customer=None if owner is None else owner.id,
                entitlement=None if kind is None else kind.id,
                state=state,
                after=after,
                clocked=owner is None and bool(state) and await self._store.has_clocks(book),
            )
        )
        return [lifecycle.settled_hold(hold, await self._now(hold.customer)) for hold in found]

    async def schedule(self, book: Id, schedule: Id) -> Schedule:
        """The schedule as it is now. Raises ``ScheduleNotFound``."""
        found = await self._store.find_schedule(schedule)
        owner = None if found is None else await self._store.find_customer(found.customer)
        if found is None or owner is None or owner.book != book:
            raise ScheduleNotFound(written(schedule))
        return await history.schedule_now(self._store, found, await self._now(found.customer))

    async def schedules(
        self,
        book: Id,
        *,
        customer: Reference | None = None,
        entitlement: Reference | None = None,
        state: ScheduleState | None = None,
        after: Id | None = None,
        limit: int,
    ) -> list[Schedule]:
        """Schedules as they were recorded last, newest first.

        Raises ``CustomerNotFound`` and ``EntitlementNotFound``.
        """
        owner = None if customer is None else await self.customer(book, customer)
        kind = None if entitlement is None else await self.entitlement(book, entitlement)
        return await self._store.list_schedules(
            ScheduleFilter(
                book=book,
                limit=limit,
                customer=None if owner is None else owner.id,
                entitlement=None if kind is None else kind.id,
                state=state,
                after=after,
            )
        )

    async def alert(self, book: Id, alert: Id) -> Alert:
        """Raises ``AlertNotFound``."""
        found = await self._store.find_alert(alert)
        if found is None or found.book != book:
            raise AlertNotFound(written(alert))
        return found

    async def alerts(
        self,
        book: Id,
        *,
        customer: Reference | None = None,
        entitlement: Reference | None = None,
        live: bool | None = None,
        after: Id | None = None,
        limit: int,
    ) -> list[Alert]:
        """Newest first (``ports.AlertFilter``). Raises ``CustomerNotFound`` and ``EntitlementNotFound``."""
        owner = None if customer is None else await self.customer(book, customer)
        kind = None if entitlement is None else await self.entitlement(book, entitlement)
        return await self._store.list_alerts(
            AlertFilter(
                book=book,
                limit=limit,
                customer=None if owner is None else owner.id,
                entitlement=None if kind is None else kind.id,
                live=live,
                after=after,
            )
        )

    async def top_up(self, book: Id, top_up: Id) -> tuple[TopUp, Standing]:
        """A rule, and where its wallet's top-up stands. Raises ``TopUpNotFound``."""
        found = await self._store.find_top_up(top_up)
        owner = None if found is None else await self._store.find_customer(found[0].customer)
        if found is None or owner is None or owner.book != book:
            raise TopUpNotFound(written(top_up))
        return found

    async def top_ups(
        self,
        book: Id,
        *,
        customer: Reference | None = None,
        entitlement: Reference | None = None,
        live: bool | None = None,
        after: Id | None = None,
        limit: int,
    ) -> list[tuple[TopUp, Standing]]:
        """Newest first (``ports.TopUpFilter``). Raises ``CustomerNotFound`` and ``EntitlementNotFound``."""
        owner = None if customer is None else await self.customer(book, customer)
        kind = None if entitlement is None else await self.entitlement(book, entitlement)
        return await self._store.list_top_ups(
            TopUpFilter(
                book=book,
                limit=limit,
                customer=None if owner is None else owner.id,
                entitlement=None if kind is None else kind.id,
                live=live,
                after=after,
            )
        )

    async def top_up_request(self, book: Id, request: Id) -> TopUpRequest:
        """The request as it is now. Raises ``TopUpRequestNotFound``."""
        found = await self._store.find_top_up_request(request)
        owner = None if found is None else await self._store.find_customer(found.customer)
        if found is None or owner is None or owner.book != book:
            raise TopUpRequestNotFound(written(request))
        return top_ups.seen(found, await self._now(found.customer))

    async def top_up_requests(
        self,
        book: Id,
        *,
        customer: Reference | None = None,
        entitlement: Reference | None = None,
        state: RequestState | None = None,
        after: Id | None = None,
        limit: int,
    ) -> list[TopUpRequest]:
        """Chosen as they were recorded last, shown as they are now, newest first.

        Raises ``CustomerNotFound`` and ``EntitlementNotFound``.
        """
        owner = None if customer is None else await self.customer(book, customer)
        kind = None if entitlement is None else await self.entitlement(book, entitlement)
        found = await self._store.list_top_up_requests(
            TopUpRequestFilter(
                book=book,
                limit=limit,
                customer=None if owner is None else owner.id,
                entitlement=None if kind is None else kind.id,
                state=state,
                after=after,
            )
        )
        return [top_ups.seen(each, await self._now(each.customer)) for each in found]

    async def feed(
        self,
        after: Position,
        *,
        books: frozenset[Id] | None,
        customer: Id | None = None,
        limit: int,
    ) -> FeedPage:
        """What was recorded after a place, in its order, as far as it can be seen (``read_feed``)."""
        until = await self._store.recorded_until(self.clock.now())
        asked = FeedFilter(after=after, until=until, limit=limit, books=books, customer=customer)
        return await self._store.read_feed(asked)

    async def position(self, book: Id, operation: Id) -> Position | None:
        """Where one of the book's operations stands in the feed."""
        found = await self._store.find_position(book, operation)
        if found is None:
            return None
        before = Position(
            found.recorded_at, Id((int.from_bytes(operation, "big") - 1).to_bytes(16, "big"))
        )
        page = await self.feed(before, books=frozenset({book}), limit=1)
        return found if any(each.position == found for each in page.found) else None

    async def seqs(self, customers: Collection[Id]) -> dict[Id, dict[Id, int]]:
        """How many entries the wallets of some customers have: whatever moves credit adds to one."""
        return await self._store.wallet_seqs(customers)

    async def debit(self, book: Id, debit: Id) -> Spent:
        """Raises ``DebitNotFound``."""
        found = await self._store.find_debit(debit)
        owner = None
        if found is not None and any(entry.kind in USES for entry in found.entries):
            owner = await self._store.find_customer(found.operation.customer)
        if found is None or owner is None or owner.book != book:
            raise DebitNotFound(written(debit))
        drawn = dict.fromkeys(entry.entitlement for entry in found.entries)
        return Spent(
            operation=found.operation,
            entries=found.entries,
            customer=owner,
            entitlements=tuple([await self.entitlement(book, kind) for kind in drawn]),
            reversed=found.reversed,
        )

    async def explain(self, book: Id, debit: Id) -> Explanation:
        """Why a debit drew on the grants it drew on. Raises ``DebitNotFound``."""
        spent = await self.debit(book, debit)
        kinds = {kind.id: kind for kind in spent.entitlements}
        return await history.explained(self._store, book, debit, kinds)

    async def entries(
        self,
        book: Id,
        customer: Reference,
        entitlement: Reference | None = None,
        *,
        after: str | None = None,
        limit: int,
    ) -> tuple[list[Entry], str | None]:
        """A customer's entries, wallet by wallet, newest first; and where the next page goes on.

        What is due is recorded first, so that the list is complete. ``after`` is where the page before
        said to go on. Raises ``FieldInvalid`` for any other text.
        """
        owner = await self.customer(book, customer)
        kind = None if entitlement is None else await self.entitlement(book, entitlement)
        if after is None:
            await self._settle_due(book, owner.id)
        try:
            return await self._store.walk_entries(
                owner.id, None if kind is None else kind.id, after, limit
            )
        except CursorInvalid:
            raise FieldInvalid("after", "the `next` of an earlier page") from None

    async def _settle_due(self, book: Id, customer: Id) -> None:
        now = await self._now(customer)
        for entitlement in await self._store.due_entitlements(customer, now):
            await self._settle(book, Settle(customer=customer, entitlement=entitlement))

    # Audit ---------------------------------------------------------------------------------------

    async def verify(self) -> AsyncIterator[Verified]:
        """Compute every wallet again from its entries; yields after each. Raises ``Fault`` at the first.

        Checks the chain, the invariants, double entry, that each cycle has one grant and what rolled over
        is somewhere, that each payment for a top-up has one, and that no entry or operation stands alone.
        """
        progress = Verified(wallets=0, wallets_total=0, entries=0, totals={})
        async with self._store.audit() as audit:
            progress.wallets_total = audit.wallets
            async for wallet in audit.walk():
                _verify_wallet(wallet, progress)
                yield progress
            async for progress.events in verify_usage(audit):
                yield progress
            fault = await audit.find_fault(progress.entries)
            if fault is not None:
                raise Fault(fault)
        yield progress


def _check_grants_at(
    customer: Reference | None, entitlement: Reference | None, states: Collection[GrantState]
) -> None:
    """An instant is one wallet's. States are of each grant, and known only once it is there."""
    if customer is None:
        raise FieldInvalid("customer", "given with at")
    if entitlement is None:
        raise FieldInvalid("entitlement", "given with at")
    if states:
        raise FieldInvalid("state", "left out with at: every grant is listed with its state then")


def _verify_wallet(wallet: WalletAudit, progress: Verified) -> None:
    """Fold one wallet's entries, compare, and add its accounts to the totals."""
    try:
        folded = fold(wallet.entries)
        invariants.check_wallet(folded, wallet, wallet.grants, wallet.holds)
        check_schedules(wallet, wallet.schedules, wallet.grants, wallet.entries)
        check_top_up(wallet, wallet.standing, wallet.requests, wallet.grants)
    except Fault as fault:
        where = f"customer {written(wallet.customer)}, entitlement {wallet.code}"
        raise Fault(f"{where}: {fault}") from None
    totals = progress.totals.setdefault(wallet.code or "?", Totals(scale=wallet.scale))
    totals.add(folded, wallet.scale)
    progress.wallets += 1
    progress.entries += len(wallet.entries)


__all__ = ["Ledger", "LedgerError", "Spent", "Totals", "Verified"]
