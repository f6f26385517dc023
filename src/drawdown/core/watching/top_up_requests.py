"""Asking for credit, and what time does to a request: operations of their own, right after what led to them.

Whatever moves a wallet's credit is followed by a look at it (``look``), in the same transaction. A wallet
without a rule has nothing to look at.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from drawdown.core.identity import derive, follow
from drawdown.core.state import Changes, Wallet
from drawdown.core.times import INSTANT_MAX
from drawdown.core.types import (
    GRANTS_OPEN_MAX,
    UNITS_MAX,
    Id,
    Instant,
    Operation,
    OverageBehavior,
)
from drawdown.core.watching import top_ups
from drawdown.core.watching.top_ups import (
    Level,
    RequestState,
    Standing,
    TopUp,
    TopUpRequest,
    Verdict,
)
from drawdown.core.watching.watch import Watch

#: The kinds of operation in which nobody asked anything: the ledger asks, or tells.
ASKED, EXPIRED, CAPPED = "request_top_up", "expire_top_up", "cap_top_up"
_REST = Verdict()
#: What time did is followed by one look, once all of it is done (``settle``): nobody is asked in the past.
_OF_TIME = frozenset({"settle", "cycle"})


def look_after(operation: Operation, wallet: Wallet, changes: Changes) -> None:
    """Look at a wallet that an operation has moved, right after it."""
    if standing_of(wallet) is not None and operation.kind not in _OF_TIME:
        look(wallet, changes, (operation.id, None), operation.at, operation.recorded_at)


def look(
    wallet: Wallet,
    changes: Changes,
    between: tuple[Id, Id | None],
    at: Instant,
    recorded_at: Instant,
) -> None:
    """Ask for credit where the wallet's rule says so, in an operation whose id lies between those."""
    standing = standing_of(wallet)
    rule = None if standing is None else standing.rule
    if standing is None or rule is None:
        return
    verdict = _REST if wallet.closed else top_ups.judge(standing, level_of(wallet), at)
    if verdict == _REST and standing.again_at is None:  # as nearly always
        return
    after, before = between
    identifier = follow(after, "top_up:" + wallet.entitlement.hex(), before)
    if verdict.units:
        made = _request(rule, wallet, identifier, verdict.units, at, recorded_at)
        changes.new_top_up_requests[made.id] = made
        keep(changes, wallet, top_ups.asked(standing, made))
        facts = _asked_facts(made)
        _record(wallet, changes, identifier, ASKED, made.id, facts, at, recorded_at)
        return
    period = top_ups.cap_period(standing, at)
    if verdict.capped and standing.capped_in != period:
        standing = msgspec.structs.replace(standing, capped_in=period)
        facts = _capped_facts(rule, wallet, verdict.again_at)
        subject = rule.id
        _record(wallet, changes, identifier, CAPPED, subject, facts, at, recorded_at)
    _wait(changes, wallet, standing, verdict.again_at)


def settle(
    wallet: Wallet, changes: Changes, after: Id, origin: Id, at: Instant, recorded_at: Instant
) -> None:
    """Once a wallet is settled up to ``at``: let a request expire that was not answered in time, then look.

    What that makes has an id between those of the settlement and of what came upon it.
    """
    standing = standing_of(wallet)
    if standing is None:
        return
    _expire(wallet, changes, standing, at, recorded_at)
    look(wallet, changes, (after, origin), at, recorded_at)


def _expire(
    wallet: Wallet, changes: Changes, standing: Standing, at: Instant, recorded_at: Instant
) -> None:
    """At its own instant, whenever that is recorded."""
    request = standing.request
    if request is None or request.expires_at > at:
        return
    over_at = request.expires_at
    ended = msgspec.structs.replace(request, state=RequestState.EXPIRED, ended_at=over_at)
    note_request(changes, ended)
    standing = top_ups.answered(standing, request, ended, over_at)
    keep(changes, wallet, standing)
    facts = {
        "amount": request.amount,
        "attempts_left": standing.attempts_left,
        "top_up": request.top_up.hex(),
    }
    operation = derive(request.id, "expired")
    _record(wallet, changes, operation, EXPIRED, request.id, facts, over_at, recorded_at)


def standing_of(wallet: Wallet) -> Standing | None:
    """Where the wallet's top-up stands; None where it never had one."""
    return None if wallet.watch is None else wallet.watch.top_up


def due(wallet: Wallet) -> tuple[Standing, ...]:
    """What of the wallet's top-up comes due: nothing where it never had one."""
    standing = standing_of(wallet)
    return () if standing is None else (standing,)


def keep(changes: Changes, wallet: Wallet, standing: Standing) -> None:
    """From here on the wallet's top-up stands so; the wallet comes due when it does."""
    wallet.watch = msgspec.structs.replace(wallet.watch or Watch(), top_up=standing)
    changes.watches[(wallet.customer, wallet.entitlement)] = wallet
    due_at, known = standing.due_at, wallet.next_due_at
    if due_at is not None and (known is None or due_at < known):
        wallet.next_due_at = due_at
        changes.wallets[(wallet.customer, wallet.entitlement)] = wallet


def note_request(changes: Changes, request: TopUpRequest) -> None:
    """Keep what became of a request, also of one that is as new as that."""
    is_new = request.id in changes.new_top_up_requests
    (changes.new_top_up_requests if is_new else changes.top_up_requests)[request.id] = request


def latest(changes: Changes, request: TopUpRequest) -> TopUpRequest:
    """A request as it is after what the batch has done so far."""
    known = changes.new_top_up_requests | changes.top_up_requests
    return known.get(request.id, request)


def level_of(wallet: Wallet) -> Level:
    """What the wallet has, and what it could take."""
    repays = wallet.overage_rule.behavior is OverageBehavior.CARRY_DEFICIT_AUTO_REPAY
    room = UNITS_MAX - wallet.granted if wallet.open_grants < GRANTS_OPEN_MAX else 0
    return Level(wallet.available, wallet.overage if repays else 0, room)


def _wait(changes: Changes, wallet: Wallet, standing: Standing, again_at: Instant | None) -> None:
    """Look again at an instant; where that is known already, nothing is written."""
    after = msgspec.structs.replace(standing, again_at=again_at)
    if after != standing_of(wallet):
        keep(changes, wallet, after)


def _request(
    rule: TopUp, wallet: Wallet, operation: Id, units: int, at: Instant, recorded_at: Instant
) -> TopUpRequest:
    return TopUpRequest(
        id=derive(operation, "request"),
        top_up=rule.id,
        customer=wallet.customer,
        entitlement=wallet.entitlement,
        amount=units,
        available=wallet.available,
        requested_at=at,
        recorded_at=recorded_at,
        expires_at=Instant(min(at + rule.answer_within, INSTANT_MAX)),
        cost_basis=top_ups.cost_of(rule, units),
    )


def _asked_facts(made: TopUpRequest) -> dict[str, object]:
    cost = made.cost_basis
    return {
        "amount": made.amount,
        "available": made.available,
        "cost_basis": None if cost is None else [cost.amount, cost.currency],
        "expires_at": made.expires_at,
        "top_up": made.top_up.hex(),
    }


def _capped_facts(rule: TopUp, wallet: Wallet, again_at: Instant | None) -> dict[str, object]:
    assert rule.cap is not None
    return {
        "available": wallet.available,
        "cap": rule.cap.amount,
        "per": rule.cap.per,
        "until": again_at,
    }


def _record(
    wallet: Wallet,
    changes: Changes,
    identifier: Id,
    kind: str,
    subject: Id,
    facts: Mapping[str, object],
    at: Instant,
    recorded_at: Instant,
) -> None:
    wallet.last_at = max(wallet.last_at, at)
    operation = Operation(
        id=identifier,
        customer=wallet.customer,
        entitlement=wallet.entitlement,
        kind=kind,
        at=at,
        recorded_at=recorded_at,
        facts=msgspec.json.encode(facts),
        subject=subject,
    )
    changes.operations.append((operation, []))
