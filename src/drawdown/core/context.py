"""What every decision starts from: the customer, the entitlement and the settled wallet it is about."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from drawdown.core import currencies
from drawdown.core.commands import Command
from drawdown.core.errors import (
    CustomerClosed,
    CustomerNotFound,
    EntitlementClosed,
    EntitlementNotFound,
    GrantNotFound,
    KeyInUse,
    KeyReused,
)
from drawdown.core.identity import relocate, slot_of, spell
from drawdown.core.posting import Posting
from drawdown.core.requests import Accepted, Answer, LedgerKey, Request
from drawdown.core.settling import settle
from drawdown.core.state import State, Wallet, WalletKey
from drawdown.core.types import Customer, Entitlement, Grant, Id, Instant, Operation, Reference
from drawdown.core.watching.crossings import is_uncounted, lead_of

Facts = Mapping[str, object] | msgspec.Struct
#: Facts as they are kept and compared: equal requests have equal bytes.
encode_facts = msgspec.json.Encoder(order="sorted").encode


def given(command: Command, *names: str) -> dict[str, object]:
    """Those of a command's fields that were given, for its facts: nothing, "", {} and False are defaults."""
    return {
        name: value
        for name in names
        if (value := getattr(command, name)) is not None
        and value is not False
        and value not in ({}, "")
    }


class KeyReplay(Exception):
    """The ledger key has been used for the same command: its answer stands."""

    def __init__(self, answer: Answer) -> None:
        super().__init__()
        self.answer = answer


def find_customer(request: Request, reference: Reference, state: State) -> Customer:
    found = state.customer_id(request.book, reference)
    customer = None if found is None else state.customers[found]
    if customer is None or customer.book != request.book:
        raise CustomerNotFound(written(reference))
    clock = None if customer.test_clock is None else state.clock_of(customer.id)
    if clock is not None and clock.deleted_at is not None:
        return msgspec.structs.replace(customer, closed_at=clock.frozen_at)
    return customer


def find_entitlement(request: Request, reference: Reference, state: State) -> Entitlement:
    """The entitlement named; a currency that the book has not used yet is made up on the spot."""
    found = state.entitlement_id(request.book, reference)
    entitlement = None if found is None else state.entitlements[found]
    if entitlement is not None and entitlement.book == request.book:
        return entitlement
    if entitlement is None and found is not None:
        code = currencies.codes_by_id(request.book).get(found)
        if code is not None:
            return currencies.entitlement(request.book, code, request.recorded_at)
    raise EntitlementNotFound(written(reference))


def written(reference: Reference) -> str:
    """A reference as it is shown in an error: own ids as they stand, ids without a dialect's prefix."""
    return reference if isinstance(reference, str) else spell("", reference)


def check_open(customer: Customer, entitlement: Entitlement) -> None:
    if customer.closed_at is not None:
        raise CustomerClosed()
    if entitlement.closed_at is not None:
        raise EntitlementClosed()


class Context(msgspec.Struct):
    """One request about one settled wallet."""

    request: Request
    state: State
    customer: Customer
    entitlement: Entitlement
    wallet: Wallet
    key: WalletKey
    at: Instant

    @property
    def operation_id(self) -> Id:
        return relocate(self.request.id, slot_of(self.customer.id))

    def begin(self, kind: str, facts: Facts, subject: Id | None = None) -> Posting:
        """Start the operation, unless its ledger key was used before.

        Raises ``KeyReplay``, ``KeyReused`` or ``KeyInUse``. Call it before the state is judged: a repeated
        request gets its first answer, whatever has happened since.
        """
        operation = Operation(
            self.operation_id,
            self.customer.id,
            self.entitlement.id,
            kind,
            self.at,
            self.request.recorded_at,
            encode_facts(facts),
            subject,
        )
        return begin(self.request, self.state, operation)

    def finish(self, posting: Posting, amount: int = 0, grant: Grant | None = None) -> Accepted:
        """Hand the operation over to be stored; from here on it has happened."""
        self.reach()
        commit(self.state, posting)
        return Accepted(
            operation=posting.operation,
            entries=tuple(posting.entries),
            customer=self.customer,
            entitlement=self.entitlement,
            balance=self.wallet.balance(self.entitlement.scale, self.at),
            grant=None if grant is None else msgspec.structs.replace(grant),
            amount=amount,
        )

    def reach(self) -> None:
        """The wallet's time has come to the operation's: it never runs back behind it."""
        wallet, changes = self.wallet, self.state.changes
        wallet.last_at = max(wallet.last_at, self.at)
        if self.key not in changes.drawn_wallets:
            changes.wallets[self.key] = wallet


def begin(request: Request, state: State, operation: Operation) -> Posting:
    """Start an operation under the request's ledger key, unless that was used before (``Context.begin``)."""
    key = request.key
    if key is None:
        return Posting(operation, state.changes, asked_by=request.asked_by)
    place = (operation.customer, key.namespace, key.key)
    used = state.keys.get(place)
    if used is not None:
        _refuse_or_replay(key, used, operation)
    operation.namespace, operation.key = key.namespace, key.key
    return Posting(operation, state.changes, place, asked_by=request.asked_by)


def _refuse_or_replay(key: LedgerKey, used: Operation, asked: Operation) -> None:
    if used.id != asked.id:  # equal at most; with its id it is the same request, carried out before
        _check_equal(key, used, asked)
    raise KeyReplay(Answer(status=used.status, body=used.answer, replayed=True))


def _check_equal(key: LedgerKey, used: Operation, asked: Operation) -> None:
    if not key.replays:
        raise KeyInUse(key=key.key)
    same = (asked.kind, asked.entitlement, asked.subject, asked.facts)
    if (used.kind, used.entitlement, used.subject, used.facts) != same:
        raise KeyReused(key=key.key)


def commit(state: State, posting: Posting) -> None:
    """Hand an operation over to be stored, and remember its key for what follows in the batch."""
    posting.commit()
    if posting.key is not None:
        state.keys[posting.key] = posting.operation


def settled_context(
    request: Request,
    customer: Customer,
    entitlement: Entitlement,
    state: State,
    at: Instant | None = None,
    now: Instant | None = None,
) -> Context:
    """The wallet of the two, settled up to the customer's time, or to ``at`` if that is later.

    One never used is new and empty. ``now``: what time it is for him, where that is not what it seems.
    """
    key = (customer.id, entitlement.id)
    now = state.now_of(customer.id, request.at) if now is None else now
    wallet = stored = state.wallet(key)
    if wallet is None:
        wallet = Wallet(
            customer=customer.id,
            entitlement=entitlement.id,
            burn_order=entitlement.burn_order,
            created_at=now,
        )
    wallet.overage_default, wallet.alerts = entitlement.overage, entitlement.alerts
    wallet.closed = customer.closed_at is not None or entitlement.closed_at is not None
    own = max(now, wallet.last_at)
    at = own if at is None else max(own, at)
    context = Context(request, state, customer, entitlement, wallet, key, at)
    looks = bool(wallet.alerts) or wallet.watch is not None
    looks = looks and stored is not None and is_uncounted(wallet.alerts, wallet.watch)
    if looks:  # one made in this batch is looked at with the next
        looks = state.knows_due(key, Instant(at + lead_of(wallet.alerts, wallet.watch)))
    if wallet.is_due(at) or looks:
        assert state.knows_due(key, at), "needs must load all that may fall due"
        origin, recorded_at = context.operation_id, request.recorded_at
        settle(wallet, state.changes, origin, at, recorded_at, looks=looks, state=state)
        if at > own:
            # Of what is not due yet only the next is loaded, and the batch may have ended that.
            wallet.next_due_at = Instant(at + 1)
    return context


def grant_context(request: Request, grant_id: Id, state: State) -> tuple[Context, Grant]:
    """The settled wallet of a grant named by its id, and the grant in it."""
    key = state.grant_wallets[grant_id]
    customer = None if key is None else state.customers[key[0]]
    if key is None or customer is None or customer.book != request.book:
        raise GrantNotFound(written(grant_id))
    entitlement = find_entitlement(request, key[1], state)
    context = settled_context(request, customer, entitlement, state)
    return context, context.wallet.grants[grant_id]
