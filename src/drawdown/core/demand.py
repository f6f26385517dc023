"""What a batch may take from each wallet, and when: so that enough of its grants are loaded."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from drawdown.core import currencies
from drawdown.core.amounts import Amount
from drawdown.core.commands import (
    Act,
    Command,
    CreateTestClock,
    RecordUsage,
    ReverseDebit,
    Spend,
    Together,
)
from drawdown.core.requests import Request
from drawdown.core.state import State, Wallet, WalletKey, Wanted
from drawdown.core.types import Attributes, Id, Instant

#: The commands that may be carried out as an operation over several wallets.
_SHARED = frozenset({RecordUsage, ReverseDebit, Spend})


def stands_alone(command: Command) -> bool:
    """Whether it must be decided in a batch of its own: what it needs follows from what is before it."""
    if isinstance(command, CreateTestClock):
        return command.customer is not None  # what comes after it is at another time
    return isinstance(command, Together | Act) or (
        isinstance(command, RecordUsage) and command.override
    )


class Draw(msgspec.Struct):
    """What requests may draw from a wallet, in units, at most; and which grants may pay for it."""

    units: int
    now: Instant
    valid_at: Instant
    attributes: Attributes

    def is_of(self, now: Instant, valid_at: Instant, attributes: Attributes) -> bool:
        """Whether the same grants may pay."""
        return self.now == now and self.valid_at == valid_at and self.attributes == attributes


class Demand(msgspec.Struct):
    """What a batch draws from each wallet; which wallets it adds to, and in which it changes grants.

    Credit is added by grants and by holds that end; a changed grant may leave the order, or move in it.
    ``times``: by customer, up to when an operation over several wallets may settle any of them.
    ``unsure``: wallets of which it is not known yet that what is loaded of them can pay.
    """

    times: dict[Id, Instant] = {}
    draws: dict[WalletKey, list[Draw]] = {}
    unsure: set[WalletKey] = set()
    grown: set[WalletKey] = set()
    changed: set[WalletKey] = set()

    def time_of(self, wallet: Wallet, now: Instant) -> Instant:
        """The latest instant up to which a batch that is decided at ``now`` may settle a wallet."""
        latest = max(now, wallet.last_at)
        return max(latest, self.times.get(wallet.customer, now)) if self.times else latest

    def draw(
        self,
        wallet: Wallet,
        units: int,
        now: Instant,
        attributes: Attributes,
        valid_at: Instant | None = None,
    ) -> None:
        """A request at ``now`` may draw ``units``, of grants valid then or at ``valid_at``."""
        now = self.time_of(wallet, now)
        valid_at = now if valid_at is None else valid_at
        key = (wallet.customer, wallet.entitlement)
        self.unsure.add(key)
        draws = self.draws.setdefault(key, [])
        if draws and draws[-1].is_of(now, valid_at, attributes):
            draws[-1].units += units
        else:
            draws.append(Draw(units, now, valid_at, attributes))


def is_shared(request: Request) -> bool:
    """Whether the request may be an operation over several wallets."""
    return type(request.command) in _SHARED


def shared_times(batch: Sequence[Request], state: State) -> dict[Id, Instant]:
    """By customer, the latest instant that any wallet of an operation over several has seen.

    Such an operation settles all of its wallets up to one instant, and what comes after it in the batch
    finds them there: one wallet's time may carry over to wallets that it shares no operation with.
    """
    times: dict[Id, Instant] = {}
    for request in batch:
        keys = _settled_together(request, state)
        wallets = (state.wallets.get(key) for key in keys) if len(keys) > 1 else ()
        for wallet in wallets:
            if wallet is not None:
                times[wallet.customer] = max(
                    wallet.last_at, times.get(wallet.customer, wallet.last_at)
                )
    return times


def _settled_together(request: Request, state: State) -> set[WalletKey]:
    """The wallets that the request settles up to one instant, as far as they are known yet."""
    command = request.command
    if isinstance(command, ReverseDebit):
        record = state.debits.get(command.debit)
        draws = () if record is None else record.draws
        return {(draw.customer, draw.entitlement) for draw in draws}
    if isinstance(command, RecordUsage):
        customer = state.customer_id(request.book, command.customer)
        catalog = state.catalogs.get(request.book)
        if customer is None or catalog is None:
            return set()
        counted = {rate.entitlement for _, rate in catalog.charges_of(command.name)}
        return {(customer, kind) for kind in counted | _charged(request, command, state)}
    if isinstance(command, Spend):
        customer = state.customer_id(request.book, command.customer)
        kinds = [state.entitlement_id(request.book, each.entitlement) for each in command.wallets]
        return {(customer, kind) for kind in kinds if customer is not None and kind is not None}
    return set()


def _charged(request: Request, command: RecordUsage, state: State) -> set[Id]:
    """What an event that is overridden was charged in."""
    found = state.event_ids.get((request.book, command.own_id)) if command.override else None
    event = None if found is None else state.events.get(found)
    rates = state.catalogs[request.book].rates
    charges = () if event is None else event.charges
    return {rates[Id(bytes.fromhex(charge.rate))].entitlement for charge in charges}


def enough_grants(demand: Demand, state: State, wanted: Wanted) -> None:
    """Ask for longer chunks of grants while what is loaded cannot pay what the batch draws.

    A wallet can pay no more than is available, unless the batch adds to it: by a grant, by the end of a
    hold, or by what has become due. Where the batch also ends or changes grants, the loaded ones may not
    be those drawn: then all of them are asked for.
    """
    unsettled = demand.grown | demand.changed | state.due_until.keys() | wanted.wallets_due.keys()
    asked, demand.unsure = demand.unsure | (demand.draws.keys() & unsettled), set()
    for key in asked:
        wallet, draws = state.wallets[key], demand.draws[key]
        if wallet is None or wallet.whole:
            continue
        if key in wanted.wallets_due:
            demand.unsure.add(key)
            continue
        total = draws[0].units if len(draws) == 1 else sum(draw.units for draw in draws)
        grows = key in demand.grown or key in state.due_until
        payable = total if grows else min(total, wallet.available)
        if key in demand.changed or not _cover(wallet, draws, payable):
            wanted.wallets_longer.add(key)
            demand.unsure.add(key)


def _cover(wallet: Wallet, draws: list[Draw], payable: int) -> bool:
    for draw in draws:  # noqa: SIM110 - a generator takes twice as long
        if not wallet.covers(payable, draw.now, draw.valid_at, draw.attributes):
            return False
    return True


def scale_of(entitlement_id: Id, state: State, book: Id) -> int:
    entitlement = state.entitlements.get(entitlement_id)
    if entitlement is not None:
        return entitlement.scale
    code = currencies.codes_by_id(book).get(entitlement_id)
    return 0 if code is None else currencies.scale_of(code)


def units_of(amount: Amount, scale: int) -> int:
    """Units for an estimate: an amount that will be refused for its scale counts as nothing."""
    return int(amount.digits * 10 ** (scale - amount.places)) if amount.places <= scale else 0


def cost_of(quantity: Amount, price: Amount, scale: int) -> int:
    """Units that are enough for a quantity at a price, however fine the cost is."""
    places = quantity.places + price.places
    return int(-(-quantity.digits * price.digits * 10**scale // 10**places))
