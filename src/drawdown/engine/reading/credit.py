"""Reading credit: balances, grants, holds and debits, as they are and as they will be."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import msgspec

from drawdown.core import instants, lifecycle
from drawdown.core.context import written
from drawdown.core.errors import (
    DebitNotFound,
    FieldInvalid,
    GrantNotFound,
    HoldNotFound,
)
from drawdown.core.forecast import Forecast
from drawdown.core.hindsight.changing import AskedChange
from drawdown.core.hindsight.explain import Explanation
from drawdown.core.instants import Segment
from drawdown.core.types import (
    USES,
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
from drawdown.engine import dry_runs, forecasts, history
from drawdown.engine.ports import GrantFilter, HoldFilter
from drawdown.engine.reading.directory import DirectoryReads


class Spent(msgspec.Struct, frozen=True, kw_only=True):
    """A debit as it stands: its operation and entries, and what was reversed since, by entitlement.

    ``entitlements`` are those it drew on, in the order drawn.
    """

    operation: Operation
    entries: tuple[Entry, ...]
    customer: Customer
    entitlements: tuple[Entitlement, ...]
    reversed: dict[Id, int]


class CreditReads(DirectoryReads):
    """Nothing that is read here waits for what time makes due to be recorded, but for documents.

    What becomes of those that stand with a wallet follows from more than the wallet: a balance in which one
    has its turn is read once that is recorded.
    """

    async def settle_due(self, book: Id, customer: Id) -> None:
        """Record what time has made due for a customer (``Ledger``)."""
        raise AssertionError("whoever reads balances can settle them")

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
        by_creation: bool = False,
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
            by_creation=by_creation,
            offset=offset,
        )
        if at is not None:
            return await history.grants_at(self._store, asked, at)
        return await self._as_of(await self._store.list_grants(asked))

    async def _as_of(self, grants: Sequence[Grant]) -> list[Grant]:
        """Grants as they are now, of which some depend on what else is due in their wallets.

        The end of its holds may be, of one that is held; one that begins may have repaid overage; one of
        a schedule may have been carried over as its cycle ended, one with terms of its own as it did.
        """
        nows = {owner: await self._now(owner) for owner in {grant.customer for grant in grants}}
        settled: dict[Id, Grant] = {}
        depend = [
            grant
            for grant in grants
            if grant.held
            or ((grant.schedule is not None or grant.rollover is not None) and grant.remaining > 0)
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
        if any(
            each.due_at is not None and each.due_at <= now for each in wallet.documents.values()
        ):
            await self.settle_due(book, owner)
            wallet = await self._store.find_wallet(owner, kind.id, now) or wallet
        as_of = max(now, wallet.last_at)
        if wallet.is_due(now):
            wallet.overage_default = kind.overage
            wallet = instants.settled(wallet, now)
        return wallet.balance(kind.scale, as_of)

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
