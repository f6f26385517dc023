"""Writing entries: one movement at a time, with balances before and after and the next link of the chain."""

from __future__ import annotations

from collections.abc import Callable

import msgspec
from msgspec.structs import force_setattr

from drawdown.core import burn, chain, lifecycle
from drawdown.core.requests import Origin, note_origin
from drawdown.core.schedules.terms import Schedule
from drawdown.core.state import Changes, KeyPlace, Repayment, Wallet
from drawdown.core.types import (
    DRAWS,
    NOTHING,
    WITHOUT_GRANT,
    Document,
    Entry,
    EntryKind,
    Grant,
    Hold,
    HoldState,
    Id,
    Instant,
    Operation,
    OverageBehavior,
    Slice,
)
from drawdown.core.watching import crossings as alerts
from drawdown.core.watching import top_up_requests
from drawdown.core.watching.watch import Notice

#: Which grants pay how many units, in burn-down order.
Draws = list[tuple[Grant, int]]
_SET_ASIDE = frozenset({EntryKind.HELD, EntryKind.RELEASED})
#: An enumeration's members cost a look-up each time, and a hash of theirs a call.
_GRANTED, _ROLLED_IN = EntryKind.GRANTED, EntryKind.ROLLED_IN


class Posting(msgspec.Struct):
    """One operation in the making: what it has moved so far. ``key`` is its ledger key, if it has one.

    ``watched``: of the wallets it has moved, those on which there are alerts; ``notices``: what time set off.
    """

    operation: Operation
    changes: Changes
    key: KeyPlace | None = None
    entries: list[Entry] = []
    watched: tuple[Wallet, ...] = ()
    notices: list[Notice] = []
    asked_by: Origin | None = None

    def note_changes(self, changed: dict[str, list[object]]) -> None:
        """Keep what the operation changes beside credit: ``{field: [old, new]}``."""
        self.operation.changed = msgspec.json.encode(changed)

    def watch(self, wallet: Wallet) -> None:
        """Look at a wallet once the operation is done, also if it moved nothing there."""
        if not any(each is wallet for each in self.watched):
            self.watched += (wallet,)

    def commit(self) -> None:
        """Hand the operation over to be stored; from here on it has happened."""
        if self.watched or self.notices:
            self._alert()
        if self.asked_by is not None:
            note_origin(self.operation, self.asked_by)
        self.changes.operations.append((self.operation, self.entries))
        for wallet in self.watched:
            top_up_requests.look_after(self.operation, wallet, self.changes)

    def _alert(self) -> None:
        """Keep which alerts it has set off, in the order of their instants."""
        for wallet in self.watched:
            self.notices += alerts.decide(self.changes, wallet, self.entries)
        if self.notices:
            changed = msgspec.json.decode(self.operation.changed or b"{}")
            told = sorted(self.notices, key=lambda notice: notice.at)
            self.operation.changed = msgspec.json.encode({**changed, "alerts": [[], told]})


def post(
    posting: Posting,
    wallet: Wallet,
    grant: Grant,
    kind: EntryKind,
    amount: int,
    at: Instant,
    order_key: str | None = None,
) -> None:
    """Move ``amount`` of ``grant`` as ``kind`` says; wallet, grant and chain follow."""
    begins = kind is _GRANTED or kind is _ROLLED_IN  # before it, nothing of the grant was there
    before = (wallet.posted, wallet.held, wallet.overage, 0 if begins else grant.remaining)
    _MOVES[kind](wallet, grant, amount)
    _record(posting, wallet, kind, amount, before, (grant.id, grant.remaining), at, order_key)
    _touch(posting.changes, wallet, grant, kind)


def post_overage(
    posting: Posting, wallet: Wallet, kind: EntryKind, amount: int, at: Instant
) -> None:
    """Move ``amount`` of overage as ``kind`` says; no grant has a part in it."""
    assert kind in WITHOUT_GRANT
    before = (wallet.posted, wallet.held, wallet.overage, 0)
    wallet.overage += amount if kind is EntryKind.OVERAGE_CHARGED else -amount
    _record(posting, wallet, kind, amount, before, (NOTHING, 0), at)
    posting.changes.wallets[(wallet.customer, wallet.entitlement)] = wallet


def _record(
    posting: Posting,
    wallet: Wallet,
    kind: EntryKind,
    amount: int,
    before: tuple[int, int, int, int],
    grant: tuple[Id, int],
    at: Instant,
    order_key: str | None = None,
) -> None:
    """Write the entry of a movement that was made. ``grant``: its id, and what remains of it."""
    operation = posting.operation
    if wallet.alerts or wallet.watch is not None:
        posting.watch(wallet)
    posted_before, held_before, overage_before, grant_before = before
    wallet.seq += 1
    entry = Entry(  # in the order of its fields: by their names it takes five times as long
        wallet.customer,
        wallet.entitlement,
        operation.id,
        len(posting.entries),
        wallet.seq,
        grant[0],
        kind,
        amount,
        posted_before,
        wallet.posted,
        held_before,
        wallet.held,
        overage_before,
        wallet.overage,
        grant_before,
        grant[1],
        at,
        operation.recorded_at,
        order_key=order_key,
    )
    wallet.chain = chain.link(wallet.chain, entry)
    force_setattr(entry, "hash", wallet.chain)
    posting.entries.append(entry)


def _touch(changes: Changes, wallet: Wallet, grant: Grant, kind: EntryKind) -> None:
    """Note what must be written: of a drawn wallet or grant only what a draw changes."""
    is_draw = kind in DRAWS
    wallets = changes.drawn_wallets if is_draw else changes.wallets
    wallets[(wallet.customer, wallet.entitlement)] = wallet
    is_drawn = (is_draw or kind in _SET_ASIDE) and grant.remaining > 0
    grants = changes.drawn_grants if is_drawn else changes.grants
    grants[grant.id] = grant


def _add(wallet: Wallet, grant: Grant, amount: int) -> None:
    wallet.granted += amount
    _shift(wallet, grant, amount)


def _activate(wallet: Wallet, grant: Grant, amount: int) -> None:
    wallet.pending -= amount
    wallet.posted += amount
    grant.pending = False


def _use(wallet: Wallet, grant: Grant, amount: int) -> None:
    wallet.posted -= amount
    wallet.used += amount
    grant.remaining -= amount
    grant.used += amount
    grant.drawn = True


def _return(wallet: Wallet, grant: Grant, amount: int) -> None:
    wallet.posted += amount
    wallet.used -= amount
    grant.remaining += amount
    grant.used -= amount


def _repay(wallet: Wallet, grant: Grant, amount: int) -> None:
    """The grant is used for what was used before it was there."""
    wallet.overage -= amount
    _use(wallet, grant, amount)


def _restore(wallet: Wallet, grant: Grant, amount: int) -> None:
    wallet.posted += amount
    wallet.expired -= amount
    grant.remaining += amount
    grant.expired -= amount


def _roll_out(wallet: Wallet, grant: Grant, amount: int) -> None:
    """What goes out of one grant comes into another in the same operation, and is posted again."""
    wallet.posted -= amount
    grant.remaining -= amount
    grant.rolled_over += amount


def _roll_in(wallet: Wallet, grant: Grant, amount: int) -> None:
    """The new grant's amount was granted before, as a part of its parent's."""
    wallet.posted += amount


def _set_aside(wallet: Wallet, grant: Grant, amount: int) -> None:
    """What is held stays posted, and remains."""
    wallet.held += amount
    grant.held += amount


def _let_go(wallet: Wallet, grant: Grant, amount: int) -> None:
    _set_aside(wallet, grant, -amount)


def _use_held(wallet: Wallet, grant: Grant, amount: int) -> None:
    _let_go(wallet, grant, amount)
    _use(wallet, grant, amount)


def _expire(wallet: Wallet, grant: Grant, amount: int) -> None:
    _shift(wallet, grant, -amount)
    grant.remaining -= amount
    wallet.expired += amount
    grant.expired += amount


def _void(wallet: Wallet, grant: Grant, amount: int) -> None:
    _shift(wallet, grant, -amount)
    grant.remaining -= amount
    wallet.voided += amount
    grant.voided += amount


def _shift(wallet: Wallet, grant: Grant, amount: int) -> None:
    """Credit of a pending grant is in ``pending``, else in ``posted``."""
    if grant.pending:
        wallet.pending += amount
    else:
        wallet.posted += amount


#: The arithmetic of each kind of entry that moves a grant.
_MOVES: dict[EntryKind, Callable[[Wallet, Grant, int], None]] = {
    EntryKind.GRANTED: _add,
    EntryKind.ACTIVATED: _activate,
    EntryKind.DEBITED: _use,
    EntryKind.REVERSED: _return,
    EntryKind.EXPIRED: _expire,
    EntryKind.VOIDED: _void,
    EntryKind.HELD: _set_aside,
    EntryKind.RELEASED: _let_go,
    EntryKind.CAPTURED: _use_held,
    EntryKind.OVERAGE_REPAID: _repay,
    EntryKind.ROLLED_OUT: _roll_out,
    EntryKind.ROLLED_IN: _roll_in,
    EntryKind.FORFEITED: _expire,
    EntryKind.RESTORED: _restore,
}


def draw(posting: Posting, wallet: Wallet, draws: Draws, at: Instant) -> None:
    """Take each (grant, units) draw; grants that are used up leave the queue."""
    for grant, units in draws:
        post(posting, wallet, grant, EntryKind.DEBITED, units, at, burn.order_key(grant))
        if grant.remaining == 0:
            close(wallet, grant)


def hold(posting: Posting, wallet: Wallet, draws: Draws, at: Instant) -> tuple[Slice, ...]:
    """Set each (grant, units) aside."""
    for grant, units in draws:
        post(posting, wallet, grant, EntryKind.HELD, units, at, burn.order_key(grant))
    return tuple(Slice(grant.id, units) for grant, units in draws)


def capture(posting: Posting, wallet: Wallet, held: Hold, units: int, at: Instant) -> None:
    """Use up ``units`` of what is held, the first slice first."""
    left = []
    for part in held.slices:
        taken = min(part.amount, units)
        if taken:
            grant = wallet.grants[part.grant]
            post(posting, wallet, grant, EntryKind.CAPTURED, taken, at, burn.order_key(grant))
            units, held.held = units - taken, held.held - taken
            if grant.remaining == 0:
                close(wallet, grant)
        if taken < part.amount:
            left.append(Slice(part.grant, part.amount - taken))
    held.slices = tuple(left)
    posting.changes.holds[held.id] = held


def end_hold(posting: Posting, wallet: Wallet, held: Hold, state: HoldState, at: Instant) -> None:
    """Return what is still held. A grant that has ended meanwhile loses it, for the reason it ended."""
    for part in held.slices:
        grant = wallet.grants[part.grant]
        post(posting, wallet, grant, EntryKind.RELEASED, part.amount, at)
        if grant.expired_at is not None:
            write_off(posting, wallet, grant, EntryKind.EXPIRED, at)
    held.slices, held.held, held.state, held.ended_at = (), 0, state, at
    wallet.open_holds -= 1
    posting.changes.holds[held.id] = held
    posting.changes.wallets[(wallet.customer, wallet.entitlement)] = wallet


def write_off(posting: Posting, wallet: Wallet, grant: Grant, kind: EntryKind, at: Instant) -> None:
    """End a grant: expire or void what remains of it and is not held. Nothing left moves nothing."""
    wallet.dequeue(grant)
    if grant.free > 0:
        post(posting, wallet, grant, kind, grant.free, at)
        if grant.remaining == 0:
            wallet.open_grants -= 1
    if kind is EntryKind.VOIDED:
        grant.voided_at = at
    elif grant.expired_at is None:
        grant.expired_at = at
    grant.pending = False
    posting.changes.grants[grant.id] = grant


def give_back(posting: Posting, wallet: Wallet, grant: Grant, units: int, at: Instant) -> None:
    """Return ``units`` to a grant; one that has ended loses them again at once, for the same reason."""
    reopened = grant.remaining == 0
    post(posting, wallet, grant, EntryKind.REVERSED, units, at)
    if lifecycle.is_ended(grant, at):
        voided = grant.voided_at is not None
        post(posting, wallet, grant, EntryKind.VOIDED if voided else EntryKind.EXPIRED, units, at)
        return
    if reopened:
        wallet.open_grants += 1
        wallet.enqueue(grant)
        note_due(posting.changes, wallet, grant)
    repay(posting, wallet, grant, units, at)


def repay(posting: Posting, wallet: Wallet, grant: Grant, units: int, at: Instant) -> None:
    """Pay overage with ``units`` of a grant that have just become effective, where the wallet's rule is so.

    A grant with a scope does not: it pays only for what it names, and overage is for nothing in particular.
    """
    repays = wallet.overage_rule.behavior is OverageBehavior.CARRY_DEFICIT_AUTO_REPAY
    paid = min(units, grant.free, wallet.overage)
    if not repays or paid <= 0 or grant.scope or grant.pending:
        return
    post(posting, wallet, grant, EntryKind.OVERAGE_REPAID, paid, at)
    key = (wallet.customer, wallet.entitlement, wallet.seq)
    posting.changes.repayments[key] = Repayment(*key, grant.id, paid)
    if grant.remaining == 0:
        close(wallet, grant)


def reset_overage(posting: Posting, wallet: Wallet, kind: EntryKind | None, at: Instant) -> int:
    """End the wallet's overage as ``kind`` says (``overage.RESETS``); None carries it on. How much it was."""
    units = wallet.overage
    if kind is None or units == 0:
        return 0
    post_overage(posting, wallet, kind, units, at)
    return units


def note_reset(posting: Posting, wallet: Wallet, before: int) -> None:
    """Keep the rule that a reset followed, and its price: both may be amended later."""
    rule = wallet.overage_rule
    price = None if rule.price_per_unit is None else msgspec.structs.asdict(rule.price_per_unit)
    posting.note_changes(
        {
            "overage": [before, wallet.overage],
            "behavior": [rule.behavior, rule.behavior],
            "price_per_unit": [price, price],
        }
    )


def admit(changes: Changes, wallet: Wallet, grant: Grant) -> None:
    """Take a new grant into its wallet, and into what is stored. What it grants is an entry of its own."""
    changes.new_grants[grant.id] = grant
    wallet.grants[grant.id] = grant
    wallet.open_grants += 1
    if not grant.pending:
        wallet.enqueue(grant)
    note_due(changes, wallet, grant)


def close(wallet: Wallet, grant: Grant) -> None:
    """A grant of which nothing remains leaves the order."""
    wallet.dequeue(grant)
    wallet.open_grants -= 1


def note_due(changes: Changes, wallet: Wallet, thing: Grant | Hold | Schedule | Document) -> None:
    """Remember the next instant of a grant, hold, schedule or document if it comes before the wallet's."""
    due_at, known = thing.due_at, wallet.next_due_at
    if due_at is not None and (known is None or due_at < known):
        wallet.next_due_at = due_at
        changes.wallets[(wallet.customer, wallet.entitlement)] = wallet
