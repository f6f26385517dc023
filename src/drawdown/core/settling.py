"""What time does to a wallet, in the order of its instants: ends of holds, cycles, expiries, activations.

Whoever comes upon a wallet settles it first. When that is makes no difference to what is recorded: everything
carries the instant at which it fell due, and a cycle, a rollover or a document is played as if it had been
played then.
"""

from __future__ import annotations

from bisect import insort
from collections.abc import Iterable
from typing import NamedTuple

import msgspec

from drawdown.core import lifecycle, posting
from drawdown.core.identity import precede
from drawdown.core.posting import Posting
from drawdown.core.schedules import cycles, own_ends
from drawdown.core.schedules.terms import Schedule
from drawdown.core.standing import playing
from drawdown.core.state import Changes, State, Wallet
from drawdown.core.types import Document, EntryKind, Hold, HoldState, Id, Instant, Operation
from drawdown.core.watching import crossings as alerts
from drawdown.core.watching import top_up_requests
from drawdown.core.watching.crossings import Warned


class Turn(NamedTuple):
    """A schedule's cycle or a document whose instant has come; ``operation`` is the id of what it does."""

    at: Instant
    rank: int
    made_at: Instant
    id: Id
    what: Schedule | Document
    operation: Id


def settle(
    wallet: Wallet,
    changes: Changes,
    origin: Id,
    at: Instant,
    recorded_at: Instant,
    *,
    looks: bool = False,
    state: State | None = None,
) -> None:
    """Record what time has done to the wallet by ``at``: each cycle, rollover, and what lies between.

    The id of what lies between follows from the one after it, or from ``origin``, the request that came
    upon it, and comes before those. ``looks``: there is an alert that is new to the wallet, and all grants
    are loaded of which it tells. Documents have their turn where there is a ``state``: whoever only looks
    ahead knows of no use, and so of nothing that they would do.
    """
    if not (wallet.is_due(at) or looks):
        return
    if state is not None and wallet.documents:
        playing.check_known(wallet, at, state)
    near = alerts.first_look(changes, wallet, at) if looks else []
    changes.wallets[(wallet.customer, wallet.entitlement)] = wallet
    label = "settle:" + wallet.entitlement.hex()
    rolling = own_ends.places(wallet.grants.values(), at)
    while (turn := _next_turn(wallet, at, state)) is not None:
        until = turn.at if turn.rank > lifecycle.ROLLOVER_RANK else Instant(turn.at - 1)
        _roll_over(wallet, changes, rolling, until, at, recorded_at, label)
        before = precede(turn.operation, label)
        _settle_between(wallet, changes, before, turn.at, recorded_at, turn.rank)
        _take(turn, wallet, changes, recorded_at, state)
        wallet.last_at = max(wallet.last_at, at)
    _roll_over(wallet, changes, rolling, at, at, recorded_at, label)
    last = precede(origin, label)
    _settle_between(wallet, changes, last, at, recorded_at, lifecycle.RANKS, near)
    if wallet.alerts or wallet.watch is not None:
        alerts.settled(changes, wallet, at, recorded_at)
        top_up_requests.settle(wallet, changes, last, origin, at, recorded_at)
    wallet.next_due_at = lifecycle.next_due_at(
        (
            *wallet.grants.values(),
            *wallet.holds.values(),
            *wallet.schedules.values(),
            *wallet.documents.values(),
            *top_up_requests.due(wallet),
        )
    )
    alerts.note_warnings(wallet, at)


def _next_turn(wallet: Wallet, at: Instant, state: State | None) -> Turn | None:
    """What is due first by ``at``; of several of a kind at one instant, what was made first."""
    due = [
        Turn(
            each.next_at, lifecycle.CYCLE_RANK, Instant(0), each.id, each, cycles.operation_id(each)
        )
        for each in wallet.schedules.values()
        if each.next_at is not None and each.next_at <= at
    ]
    if state is not None and wallet.documents:
        due += [
            Turn(
                when,
                lifecycle.DOCUMENT_RANK,
                each.created_at,
                each.id,
                each,
                playing.operation_id(each),
            )
            for when, each in playing.due(wallet, at, state)
        ]
    return min(due, key=lambda turn: turn[:4]) if due else None


def _take(
    turn: Turn, wallet: Wallet, changes: Changes, recorded_at: Instant, state: State | None
) -> None:
    if isinstance(turn.what, Schedule):
        cycles.play(wallet, turn.what, changes, turn.at, recorded_at)
    else:
        assert state is not None
        playing.play(wallet, turn.what, turn.at, recorded_at, state)


def _roll_over(
    wallet: Wallet,
    changes: Changes,
    rolling: list[own_ends.Place],
    until: Instant,
    at: Instant,
    recorded_at: Instant,
    label: str,
) -> None:
    """Let grants of ``rolling`` that end by ``until`` have their turns; what was carried, by ``at``."""
    rank, coming_at = lifecycle.ROLLOVER_RANK, _coming_at(wallet, Instant(0))
    while rolling and rolling[0][0] <= until:
        ends_at, grant_id = rolling.pop(0)
        grant = wallet.grants[grant_id]
        if coming_at is not None and coming_at <= ends_at:
            before = precede(own_ends.operation_id(grant_id), label)
            _settle_between(wallet, changes, before, ends_at, recorded_at, rank)
            coming_at = _coming_at(wallet, Instant(ends_at + 1))
        if own_ends.place_of(grant, at) is None:
            continue  # it may have repaid overage with all it had
        carried = own_ends.play(wallet, grant, changes, recorded_at)
        wallet.last_at = max(wallet.last_at, at)
        if carried is not None and (place := own_ends.place_of(carried, at)) is not None:
            insort(rolling, place)


def _coming_at(wallet: Wallet, since: Instant) -> Instant | None:
    """When something beside rollover falls due next; where alerts are told, it may be at ``since``.

    So that of many turns each need not look at all there is.
    """
    if wallet.alerts or wallet.watch is not None:
        return since
    others = [each for each in wallet.grants.values() if each.pending or each.rollover is None]
    return lifecycle.next_due_at((*others, *wallet.holds.values()))


def _settle_between(
    wallet: Wallet,
    changes: Changes,
    operation: Id,
    at: Instant,
    recorded_at: Instant,
    rank: int,
    near: list[Warned] | None = None,
) -> None:
    """One operation of what falls due before a rank at ``at``; none where nothing does.

    ``near``: of which grants it is told besides that they are near their end.
    """
    items = lifecycle.due(wallet.grants.values(), wallet.holds.values(), at, rank)
    warned = alerts.warnings(wallet, (at, rank)) + (near or [])
    if not items and not any(alerts.tell(wallet, each) for each in warned):
        return
    started = _settlement(wallet, changes, operation, at, recorded_at)
    _note_ended(started, items)
    found: list[lifecycle.Due | Warned] = [*items, *warned]
    for item in sorted(found, key=lambda item: (item.at, item.rank)):
        _apply_due(started, wallet, item)
    wallet.last_at = max(wallet.last_at, at)
    started.commit()


def _note_ended(started: Posting, items: Iterable[lifecycle.Due]) -> None:
    """Keep which holds come to their end, when and with how much: entries name grants only."""
    ended = {
        item.what.id.hex(): [item.at, item.what.held]
        for item in items
        if isinstance(item.what, Hold)
    }
    if ended:
        started.operation.facts = msgspec.json.encode({"holds": ended})


def _apply_due(started: Posting, wallet: Wallet, item: lifecycle.Due | Warned) -> None:
    if isinstance(item, Warned):
        if (told := alerts.tell(wallet, item)) is not None:
            started.notices.append(told)
    elif isinstance(item.what, Hold):
        posting.end_hold(started, wallet, item.what, HoldState.EXPIRED, item.at)
    elif item.kind is not EntryKind.EXPIRED:
        units = item.what.remaining
        posting.post(started, wallet, item.what, EntryKind.ACTIVATED, units, item.at)
        wallet.enqueue(item.what)
        posting.repay(started, wallet, item.what, units, item.at)
    elif (
        item.what.remaining > 0
    ):  # it may have repaid overage with all it had, since it was found due
        posting.write_off(started, wallet, item.what, EntryKind.EXPIRED, item.at)


def _settlement(
    wallet: Wallet, changes: Changes, operation: Id, at: Instant, recorded_at: Instant
) -> Posting:
    made = Operation(
        id=operation,
        customer=wallet.customer,
        entitlement=wallet.entitlement,
        kind="settle",
        at=at,
        recorded_at=recorded_at,
        facts=b"{}",
    )
    return Posting(made, changes)
